"""Psy-Insight: sessions from books on therapy, Chinese (translated) and English, labelled.

Source: https://github.com/ckqqqq/Psy-Insight, commit da55aec, `data/cn_data_version7.json` and
`data/en_data_version7.json`. No licence, and much of the text is from books under copyright: fetch
it there for research, do not pass it on.

One session in (other keys of the session and of its utterances left out here)::

    {"dialog_id": "000001", "topic": "Sleep", "dialog": [
     {"speaker": "Supporter", "participant": "治疗师", "content": "你好。", "id": "0-0",
      "strategy": ["Question"]},
     {"speaker": "Seeker", "participant": "来访者（沉默）", "content": "睡不好。", "id": "0-1",
      "emotional label": ["Anxious"]}]}

One dialogue out::

    {"id": "psy_insight/000001", "turns": [{"role": "counselor", "content": "你好。"},
     {"role": "client", "content": "睡不好。"}], "meta": {"topic": "Sleep",
     "stage_directions": {"2": "沉默"}, "utterances": [
     {"speaker": "Supporter", "participant": "治疗师", "id": "0-0", "strategy": ["Question"]},
     {"speaker": "Seeker", "participant": "来访者（沉默）", "id": "0-1",
      "emotional label": ["Anxious"]}]}}

The id is `psy_insight/<dialog_id>`, unique over both languages. The rest of a session goes to
`meta`, blank texts left out; so does all that is known of an utterance, in the order of the source
(neighbours of one speaker are one turn). Stage directions stand there by the number of the
utterance, from 1. There are several clients where the Seekers, stage directions taken away, have
several names (under `clients`); a misspelt name counts as one more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from converters.corpora.intake import Intake
from mi_llm import jsonl
from mi_llm.dialogue import Dialogue, Role, Turn
from mi_llm.errors import InputError

_ROLES: dict[str, Role] = {"Seeker": "client", "Supporter": "counselor"}
_STAGE_DIRECTION = re.compile(r"[（(]([^（）()]*)(?:[）)]|$)")


def read(path: Path, intake: Intake) -> Iterator[Dialogue]:
    """Yield the dialogues of one file, in file order.

    Raises:
        InputError: If the file is not in this format or a dialogue cannot be read.
    """
    sessions = jsonl.read_json(path)
    expected = 'a list of {"dialog_id", "dialog"}'
    for index, session in enumerate(jsonl.full_list(path, sessions, expected)):
        yield from intake.attempt(_dialogue, f"{path}: session {index + 1}", session, intake)


def _dialogue(where: str, session: Any, intake: Intake) -> Dialogue:
    spoken = session.get("dialog") if isinstance(session, dict) else None
    if not isinstance(spoken, list) or not isinstance(session.get("dialog_id"), int | str):
        raise InputError(f'{where}: expected {{"dialog_id": "...", "dialog": [...]}}')
    turns = [_turn(one, f"{where}, utterance {n}") for n, one in enumerate(spoken, start=1)]
    name = f"psy_insight/{session['dialog_id']}"
    return intake.dialogue(name, where, turns, _meta(session, spoken))


def _turn(utterance: Any, where: str) -> Turn:
    match utterance:
        case {"speaker": str(speaker), "participant": str(), "content": str(text)}:
            pass
        case _:
            expected = '{"speaker", "participant", "content"}'
            raise InputError(f"{where}: expected {expected} with texts")
    if speaker not in _ROLES:
        raise InputError(f"{where}: unknown speaker {speaker!r}; known are: {', '.join(_ROLES)}")
    return Turn(_ROLES[speaker], text)


def _meta(session: dict[str, Any], spoken: list[dict[str, Any]]) -> dict[str, Any]:
    meta = {
        key: value
        for key, value in session.items()
        if key not in ("dialog_id", "dialog") and value != ""
    }
    if len(clients := _clients(spoken)) > 1:
        meta["clients"] = clients
    if directions := _stage_directions(spoken):
        meta["stage_directions"] = directions
    meta["utterances"] = [{k: v for k, v in one.items() if k != "content"} for one in spoken]
    return meta


def _clients(spoken: list[dict[str, Any]]) -> list[str]:
    """The names of the Seekers, in the order in which they first speak."""
    names = (
        _STAGE_DIRECTION.sub("", one["participant"]).strip(" \t\n:：")
        for one in spoken
        if one["speaker"] == "Seeker"
    )
    return list(dict.fromkeys(name for name in names if name))


def _stage_directions(spoken: list[dict[str, Any]]) -> dict[str, str]:
    found = {
        str(number): "\n".join(_STAGE_DIRECTION.findall(one["participant"]))
        for number, one in enumerate(spoken, start=1)
    }
    return {number: text for number, text in found.items() if text}
