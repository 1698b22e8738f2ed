"""PsyDTCorpus: simulated therapy with the style of one real counselor, 12 topics.

Source: https://github.com/scutcyr/SoulChat2.0, commit 06246eb, names the files; they lie on
ModelScope, `YIRONGCHEN/PsyDTCorpus`. The repository is under Apache-2.0; the licence of the data is
not settled (some say Apache-2.0, some no commercial use): fetch it there, do not pass it on.

One item in::

    {"id": 0, "normalizedTag": "婚恋", "messages": [
     {"role": "system", "content": "..."}, {"role": "user", "content": "我们总吵架。"},
     {"role": "assistant", "content": "吵过以后你很难受。"}]}

One dialogue out::

    {"id": "psydtcorpus/0", "turns": [{"role": "client", "content": "我们总吵架。"},
     {"role": "counselor", "content": "吵过以后你很难受。"}], "meta": {"topic": "婚恋"}}

The id is `psydtcorpus/<the item's id>`, or `psydtcorpus/test-<...>` where the file's name has
"test" in it: both files count from 0. The train file holds one item per dialogue. The test file
holds one per round with everything said before: an item that the next one repeats and continues
belongs to the same dialogue, which gets the id of its last item. So both kinds, and either ending
of an item, are read alike.

The system prompt, one and the same for all, asks for rational emotive behaviour therapy (REBT) and
would contradict MI: it is left out, and counted, and refused wherever else it stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from converters.corpora.chat import chat_turn
from converters.corpora.cumulative import whole_records
from converters.corpora.intake import Intake
from mi_llm import jsonl
from mi_llm.dialogue import Dialogue, Role
from mi_llm.errors import InputError

_ROLES: dict[str, Role] = {"user": "client", "assistant": "counselor"}
_NOT_META = {"id", "messages", "normalizedTag", "system"}
# How the prompt begins in the README of SoulChat2.0.
_REBT = "你是一位精通理情行为疗法"


def read(path: Path, intake: Intake) -> Iterator[Dialogue]:
    """Yield the dialogues of one file, train or test, in file order.

    Raises:
        InputError: If the file is not in this format or a dialogue cannot be read.
    """
    items = jsonl.full_list(path, jsonl.read_json(path), 'a list of {"id", "messages"}')
    for index, item in whole_records(enumerate(items), _spoken, intake):
        yield from intake.attempt(_dialogue, path, index, item, intake)


def _spoken(numbered: tuple[int, Any]) -> list[Any]:
    messages = numbered[1].get("messages") if isinstance(numbered[1], dict) else None
    return [one for one in messages if not _is_system(one)] if isinstance(messages, list) else []


def _is_system(message: Any) -> bool:
    return isinstance(message, dict) and message.get("role") == "system"


def _dialogue(path: Path, index: int, item: Any, intake: Intake) -> Dialogue:
    where = f"{path}: item {index + 1}"
    messages = item.get("messages") if isinstance(item, dict) else None
    if not isinstance(messages, list) or not isinstance(item.get("id"), int | str):
        raise InputError(f'{where}: expected {{"id", "normalizedTag", "messages": [...]}}')
    turns = [
        chat_turn(message, _ROLES, f"{where}, message {number}")
        for number, message in enumerate(messages, start=1)
        if not _is_system(message)
    ]
    name = f"test-{item['id']}" if "test" in path.stem.lower() else item["id"]
    dialogue = intake.dialogue(f"psydtcorpus/{name}", where, turns, _meta(item))
    _refuse_prompt(where, dialogue)
    if prompts := len(messages) - len(turns):
        intake.left_out["system prompts"] += prompts
    return dialogue


def _meta(item: dict[str, Any]) -> dict[str, Any]:
    topic = {"topic": item["normalizedTag"]} if "normalizedTag" in item else {}
    return {**topic, **{key: value for key, value in item.items() if key not in _NOT_META}}


def _refuse_prompt(where: str, dialogue: Dialogue) -> None:
    texts = [*(turn.content for turn in dialogue.turns), jsonl.dumped(dialogue.meta)]
    if any(_REBT in text for text in texts):
        raise InputError(
            f"{where}: the REBT system prompt stands outside a system message; "
            "take it out there, or add --skip-bad"
        )
