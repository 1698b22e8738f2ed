"""The MI-LLM authors' dialogues of role-players with tuned and base models: a workbook.

Source: https://github.com/CbyerDragon/MI-LLM, branch `master`, commit 79d42c3, file
`人工评价/模拟对话.xlsx`. No licence is stated: nothing is permitted beyond what the law
allows, so fetch it from there and do not pass it on.

A sheet has one dialogue in a column and one turn in a row. Its name begins with 微调 (tuned)
or 原始 (base) and ends with the model's; the sheet of client profiles is left out and counted,
and so is a column without text. Sheet `微调GLM-4` in::

    |        | 1                    |
    | 来访者 | 我想少抽一点。       |
    | 咨询师 | 你已经在盘算改变了。 |
    |        | 1. 嗯                |

One dialogue out::

    {"id": "simulated_xlsx/微调GLM-4/1",
     "turns": [{"role": "client", "content": "我想少抽一点。"},
      {"role": "counselor", "content": "你已经在盘算改变了。"},
      {"role": "client", "content": "1. 嗯"}],
     "meta": {"sheet": "微调GLM-4", "model": "GLM-4", "tuned": true,
      "irregular": ["B4: list item in the client's row"]}}

The id is `simulated_xlsx/<sheet>/<the column's number in row 1>`. Where the labels in column A
stop, the sides go on alternating by row. That is wrong where the authors spread one reply of the
model over several rows, or left a turn out: no word is moved to the other side, but `irregular`
names the cells that give it away. Whoever uses these dialogues should look there first.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.utils import get_column_letter

from converters.intake import Intake
from mi_llm import files
from mi_llm.dialogue import Dialogue, Role, Turn
from mi_llm.errors import InputError

ROLES: dict[str, Role] = {"来访者": "client", "咨询师": "counselor"}

_OTHER: dict[Role, Role] = {"client": "counselor", "counselor": "client"}
_SHEET = re.compile(r"(微调|原始)(?:后对话|模型)?(.+)")
_MISSPELT = {"Bacihuan2": "Baichuan2"}  # in the name of the base model's sheet
# What openpyxl lets through: a packed file that is none, a missing part, XML that is none.
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, KeyError, SyntaxError, ValueError)
_LIST_ITEM = re.compile(r"\d+[.．、)）]|[-*•]")


def read(path: Path, intake: Intake) -> Iterator[Dialogue]:
    """Yield the dialogues sheet by sheet, each sheet's from left to right.

    Raises:
        InputError: If the file is not a workbook, a sheet has not this layout, or a dialogue cannot
            be read.
    """
    for title, rows in _sheets(path):
        name = _SHEET.fullmatch(title.strip())
        if name is None:
            intake.left_out["sheets of another kind"] += 1
            continue
        model = _MISSPELT.get(name[2], name[2])
        meta = {"sheet": title, "model": model, "tuned": name[1] == "微调"}
        yield from _dialogues(f"{path}: sheet {title}", rows, meta, intake)


def _dialogues(
    where: str, rows: list[tuple[Any, ...]], meta: dict[str, Any], intake: Intake
) -> Iterator[Dialogue]:
    labels, *columns = list(zip_longest(*rows)) or [()]
    roles = _roles(where, labels[1:])
    for place, (number, *cells) in enumerate(columns, start=2):
        if any(map(_filled, cells)):
            letter = get_column_letter(place)
            yield from intake.attempt(_dialogue, where, letter, number, cells, roles, meta, intake)
        elif _filled(number):
            intake.left_out["empty columns"] += 1


def _dialogue(
    where: str,
    letter: str,
    number: Any,
    cells: Sequence[Any],
    roles: Sequence[Role],
    meta: dict[str, Any],
    intake: Intake,
) -> Dialogue:
    if not str(number).strip().isdecimal():
        raise InputError(f"{where}, cell {letter}1: expected the dialogue's number, not {number!r}")
    end = max(place for place, cell in enumerate(cells, start=1) if _filled(cell))
    turns = [
        Turn(role, _text(f"{where}, cell {letter}{row}", cell))
        for row, (role, cell) in enumerate(zip(roles, cells[:end], strict=False), start=2)
    ]
    name = f"simulated_xlsx/{meta['sheet']}/{str(number).strip()}"
    meta = {**meta, "irregular": _irregular(letter, turns)}
    return intake.dialogue(name, f"{where}, column {letter}", turns, meta)


def _roles(where: str, labels: Sequence[Any]) -> list[Role]:
    """The side of each row from 2 on: its label's or, without one, not that of the row before."""
    roles: list[Role] = []
    for row, label in enumerate(labels, start=2):
        if roles and not _filled(label):
            roles.append(_OTHER[roles[-1]])
            continue
        role = ROLES.get(str(label).strip())
        if role is None:
            raise InputError(f"{where}, cell A{row}: expected {' or '.join(ROLES)}, not {label!r}")
        roles.append(role)
    return roles


def _text(where: str, value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str | int | float):
        raise InputError(f"{where}: expected a text, not {value!r}; format the cell as text")
    return str(value)


def _irregular(letter: str, turns: Sequence[Turn]) -> list[str]:
    """The cells that look wrong, and why: `G11: list item in the client's row`."""
    faults = ((row, _fault(turn, row > len(turns))) for row, turn in enumerate(turns, start=2))
    return [f"{letter}{row}: {fault}" for row, fault in faults if fault]


def _fault(turn: Turn, closes: bool) -> str | None:
    text = turn.content.strip()
    if not text:
        return "blank cell inside the dialogue"
    if turn.role == "counselor":
        return None
    if _LIST_ITEM.match(text):
        return "list item in the client's row"
    if "\n" in text:
        return "several lines in the client's row"
    return "the client's row closes the dialogue" if closes else None


def _filled(cell: Any) -> bool:
    return cell is not None and bool(str(cell).strip())


def _sheets(path: Path) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    """The name and the rows of each sheet, cells as Python values."""
    with files.reading(path) as stream:
        try:
            book = openpyxl.load_workbook(stream, read_only=True, data_only=True)
            for sheet in book.worksheets:
                sheet.reset_dimensions()  # some programs state too small a size
                yield sheet.title, list(sheet.iter_rows(values_only=True))
        except _BROKEN as error:
            reason = str(error).strip("'\"").lower()
            raise InputError(
                f"{path}: not a workbook that can be read: {reason}; save it as .xlsx"
            ) from None
