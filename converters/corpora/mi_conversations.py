"""The MI-LLM authors' format: a JSON array of conversations.

Source: https://github.com/CbyerDragon/MI-LLM, branch `master`, commit 79d42c3; no licence stated,
so fetch it from there and do not pass it on. `data/sample/` is in this format too (CC BY 4.0).

One conversation in::

    {"conversations": [{"role": "user", "content": "我想少抽一点。"},
                       {"role": "assistant", "content": "你已经在盘算改变了。"}]}

One dialogue out::

    {"id": "eval_40/0", "turns": [{"role": "client", "content": "我想少抽一点。"},
     {"role": "counselor", "content": "你已经在盘算改变了。"}], "meta": {}}

The id is `<file's name>/<index in the array, from 0>`, or `<file's name>/<id>` where a conversation
has an `id`. Other keys of a conversation go to `meta`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from converters.corpora.chat import chat_turn
from converters.corpora.intake import Intake
from mi_llm import jsonl
from mi_llm.dialogue import Dialogue, Role, Turn
from mi_llm.errors import InputError

# Every spelling seen in the authors' files and in the corpora around them, compared in lower case.
ROLES: dict[str, Role] = {
    "client": "client",
    "user": "client",
    "human": "client",
    "来访者": "client",
    "求助者": "client",
    "counselor": "counselor",
    "counsellor": "counselor",
    "assistant": "counselor",
    "gpt": "counselor",
    "心理咨询师": "counselor",
    "咨询师": "counselor",
}


def read(path: Path, intake: Intake) -> Iterator[Dialogue]:
    """Yield the dialogues of one file, in file order.

    Raises:
        InputError: If the file is not in this format or a dialogue cannot be read.
    """
    conversations = jsonl.read_json(path)
    expected = 'a list of {"conversations": [...]}'
    for index, conversation in enumerate(jsonl.full_list(path, conversations, expected)):
        yield from intake.attempt(_dialogue, path, index, conversation, intake)


def _dialogue(path: Path, index: int, conversation: Any, intake: Intake) -> Dialogue:
    where = f"{path}: dialogue {index + 1}"
    turns = _turns(conversation, where)
    meta = {key: value for key, value in conversation.items() if key != "conversations"}
    return intake.dialogue(f"{path.stem}/{meta.pop('id', index)}", where, turns, meta)


def _turns(conversation: Any, where: str) -> list[Turn]:
    messages = conversation.get("conversations") if isinstance(conversation, dict) else None
    if not isinstance(messages, list):
        raise InputError(f'{where}: expected {{"conversations": [{{"role", "content"}}, ...]}}')
    return [
        chat_turn(_lower(one), ROLES, where, number) for number, one in enumerate(messages, start=1)
    ]


def _lower(message: Any) -> Any:
    """The message with its role as `ROLES` spells it."""
    role = message.get("role") if isinstance(message, dict) else None
    return {**message, "role": role.strip().lower()} if isinstance(role, str) else message
