r"""Emotional First Aid (efaqa-corpus-zh): posts on a self-help board and what others wrote back.

Source: https://github.com/chatopera/efaqa-corpus-zh, commit 9d325d7, which describes the file;
`efaqa-corpus-zh.utf8.gz` itself comes with a certificate that one buys there. Chunsong Public
License 1.0: research only, name the source, do not pass it on. It is read as it is or unpacked.

One line in::

    {"md5": "2f63", "title": "女 总是睡不好", "description": "已经两周", "owner": "匿名",
     "label": {"s1": "1.6", "s2": "2.7", "s3": "3.6"}, "chats": [
     {"sender": "audience", "type": "textMessage", "time": "11:02:45", "value": "从哪天开始的？",
      "label": {"question": true, "knowledge": false, "negative": false}}]}

One dialogue out::

    {"id": "efaqa/2f63", "turns": [{"role": "client", "content": "女 总是睡不好\n已经两周"},
     {"role": "counselor", "content": "从哪天开始的？"}], "meta": {"owner": "匿名",
     "label": {"s1": "1.6", "s2": "2.7", "s3": "3.6"}, "audience": "any netizen", "chats": [
     {"sender": "audience", "type": "textMessage", "time": "11:02:45",
      "label": {"question": true, "knowledge": false, "negative": false}}]}}

The id is `efaqa/<md5>`. The title and the description are the client's first message. Whoever else
writes is the `audience`: a counselor or any netizen, and nothing tells one writer from another, so
neighbouring messages may be by several. `meta` has the chats in the order of the source without
their text; those that are not text (pictures, voice) are kept out and counted by type under
`not_text`. Which of s1 and s3 is which: the source contradicts itself, but the ids tell (1.x are
worries, 2.x illnesses, 3.x emergencies). A post without a reply has no round.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from converters.corpora.intake import Intake
from mi_llm import jsonl
from mi_llm.dialogue import Dialogue, Role, Turn
from mi_llm.errors import InputError

_ROLES: dict[str, Role] = {"owner": "client", "audience": "counselor"}
_TEXT = "textMessage"
_NOT_META = {"md5", "title", "description", "chats"}


def read(path: Path, intake: Intake) -> Iterator[Dialogue]:
    """Yield the dialogues of one file, packed or not, in file order.

    Raises:
        InputError: If the file is not in this format or a dialogue cannot be read.
    """
    for line, _, data in jsonl.raw_lines(path):
        yield from intake.attempt(_dialogue, path, line, data, intake)


def _dialogue(path: Path, line: int, data: bytes, intake: Intake) -> Dialogue:
    where, record = f"{path}:{line}", jsonl.parsed_line(path, line, data)
    known = record if isinstance(record, dict) else {}
    chats, md5 = known.get("chats"), known.get("md5")
    if not isinstance(chats, list) or not isinstance(md5, str) or "title" not in known:
        raise InputError(f'{where}: expected {{"md5", "title", "chats": [...]}}')
    post = Turn("client", _post(known, where))
    places = (f"{where}, chat {number}" for number in range(1, len(chats) + 1))
    replies = [_turn(chat, place) for chat, place in zip(chats, places, strict=False)]
    turns = [post, *(turn for turn in replies if turn)]
    return intake.dialogue(f"efaqa/{md5}", where, turns, _meta(known))


def _post(record: dict[str, Any], where: str) -> str:
    parts = [record["title"], record.get("description") or ""]
    if not all(isinstance(part, str) for part in parts):
        raise InputError(f"{where}: 'title' and 'description' must be texts")
    return "\n".join(part for part in parts if part.strip())


def _turn(chat: Any, where: str) -> Turn | None:
    """The turn, or None if the chat is not text."""
    if not isinstance(chat, dict) or not isinstance(chat.get("sender"), str):
        raise InputError(f'{where}: expected {{"sender", "type", "value"}}')
    if chat["sender"] not in _ROLES:
        known = ", ".join(_ROLES)
        raise InputError(f"{where}: unknown sender {chat['sender']!r}; known are: {known}")
    if not _is_text(chat):
        return None
    if not isinstance(chat.get("value"), str):
        raise InputError(f"{where}: 'value' must be a text")
    return Turn(_ROLES[chat["sender"]], chat["value"])


def _is_text(chat: dict[str, Any]) -> bool:
    return chat.get("type") in (None, _TEXT)


def _meta(record: dict[str, Any]) -> dict[str, Any]:
    meta = {key: value for key, value in record.items() if key not in _NOT_META}
    meta["audience"] = "any netizen"
    meta["chats"] = [_without_text(chat) for chat in record["chats"] if _is_text(chat)]
    others = Counter(str(chat["type"]) for chat in record["chats"] if not _is_text(chat))
    return {**meta, "not_text": dict(others)} if others else meta


def _without_text(chat: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in chat.items() if key != "value"}
