"""Alpaca rows: what LLaMA-Factory trains and predicts on, one JSON object a row.

A row of the paper's shape asks for the reply of one round and carries all earlier rounds::

    {"id": "sample/smoking-1#2", "instruction": "...", "input": "client turn of round 2",
     "output": "counselor's reply", "history": [["client turn 1", "reply 1"]]}

LLaMA-Factory ignores `id`. Rows count from 0 in messages, rounds from 1 in ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

from mi_llm import file_kind, jsonl
from mi_llm.errors import InputError

_REMEDIES = {
    "dialogues": "make rows of them: python -m converters alpaca {0} -o rows.json",
    "chat messages": "make dialogues of them: python -m converters convert {1} {0} -o d.jsonl",
}


class AlpacaRow(TypedDict):
    """One training or test sample.

    Attributes:
        id: `<dialogue id>#<round>`, or `<dialogue id>#<first>-<last>` for a row of several rounds.
        instruction: Put before the last client turn by LLaMA-Factory.
        system: Put at the head of the prompt; stands instead of `instruction`.
        input: The client's last turn.
        output: The counselor's reply, the text to learn.
        history: Earlier rounds as [client, counselor], oldest first.
    """

    id: NotRequired[str]
    instruction: NotRequired[str]
    system: NotRequired[str]
    input: str
    output: str
    history: list[list[str]]


def read_objects(path: Path) -> list[Any]:
    """Return the rows of a JSON array or JSON Lines file as they stand, unchecked.

    Raises:
        InputError: If the file is missing, unreadable, holds no row or holds something else.
    """
    if jsonl.is_array(path):
        rows = jsonl.read_json(path)
    else:
        rows = [value for _, value in jsonl.read_lines(path)]
    if not rows:
        raise InputError(f"{path}: holds no row")
    require_rows(path, rows[0])
    return list(rows)


def require_rows(path: Path, first: Any) -> None:
    """Make sure that a file of rows is not another file of this project.

    Raises:
        InputError: If its first record is none of rows, saying what it is.
    """
    kind = file_kind.of_value(first)
    if kind and kind != "Alpaca rows":
        remedy = _REMEDIES.get(kind, "name the file with the rows")
        remedy = remedy.format(path, file_kind.corpus_format(first))
        raise InputError(f"{path}: {kind}, where Alpaca rows are expected; {remedy}")


def filled(row: dict[str, Any]) -> AlpacaRow:
    """A valid row with `input` and `history`, empty where it has none, as the loader fills them."""
    texts = {"input": row.get("input") or "", "history": row.get("history") or []}
    return cast(AlpacaRow, {**row, **texts})


def dialogue_ids(rows: Sequence[AlpacaRow]) -> list[str]:
    """The dialogue that each row belongs to, in row order.

    Rows without an id of the form `<dialogue>#<round>` are grouped by their history: an empty one
    begins a new dialogue.
    """
    found: list[str] = []
    number = 0
    for row in rows:
        number += not row["history"]
        name = row.get("id", "").rpartition("#")[0]
        found.append(name or f"dialogue {number}")
    return found
