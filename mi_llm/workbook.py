"""The MI-LLM authors' workbook of dialogues that role-players had with tuned and base models.

Source: https://github.com/CbyerDragon/MI-LLM, branch `master`, commit 79d42c3, file
`人工评价/模拟对话.xlsx`. No licence is stated: nothing is permitted beyond what the law
allows, so fetch it from there and do not pass it on.

A sheet has one dialogue in a column and one turn in a row. Its name begins with 微调 (tuned)
or 原始 (base) and ends with the model's; another sheet holds client profiles. Sheet `微调GLM-4`::

    |        | 1                    |
    | 来访者 | 我想少抽一点。       |
    | 咨询师 | 你已经在盘算改变了。 |
    |        | 1. 嗯                |

Where the labels in column A stop, the sides go on alternating by row. That is wrong where the
authors spread one reply of the model over several rows, or left a turn out: no word is moved to the
other side, but `irregular` names the cells that give it away. It goes by what a cell looks like, so
a slip that reads like the side it stands on is not found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from openpyxl.utils import get_column_letter

from mi_llm.dialogue import Role, Turn
from mi_llm.errors import InputError

ROLES: dict[str, Role] = {"来访者": "client", "咨询师": "counselor"}

_OTHER: dict[Role, Role] = {"client": "counselor", "counselor": "client"}
_SHEET = re.compile(r"(微调|原始)(?:后对话|模型)?(.+)")
_MISSPELT = {"Bacihuan2": "Baichuan2"}  # in the name of the base model's sheet
_LIST_ITEM = re.compile(r"\d+[.．、)）]|[-*•]")
# What the models say again and again, and no role-player in the workbook does.
_COUNSELORS_WORDS = re.compile(r"你觉得.*[？?]|祝你|随时(?:联系|找)我|随时(?:可以)?和我")
_A_FEW_WORDS = 8  # characters; the shortest reply that is the counselor's own has 12


@dataclass(frozen=True, slots=True)
class Column:
    """One dialogue as it stands in a sheet.

    Attributes:
        where: File and sheet, for messages.
        letter: The column's.
        number: The cell in row 1.
        cells: The cells from row 2 on, to the sheet's last row.
        roles: The side of each of them.
    """

    where: str
    letter: str
    number: Any
    cells: tuple[Any, ...]
    roles: tuple[Role, ...]

    @property
    def has_text(self) -> bool:
        """Whether anything stands below row 1."""
        return any(map(_filled, self.cells))

    @property
    def name(self) -> str:
        """The dialogue's number as text.

        Raises:
            InputError: If row 1 holds no number.
        """
        text = str(self.number).strip()
        if not text.isdecimal():
            raise InputError(
                f"{self.where}, cell {self.letter}1: expected the dialogue's number, "
                f"not {self.number!r}"
            )
        return text

    def turns(self) -> list[Turn]:
        """One turn a cell, down to the last that is filled; some may be blank.

        Raises:
            InputError: If a cell holds what is no text.
        """
        end = max(place for place, cell in enumerate(self.cells, start=1) if _filled(cell))
        return [
            Turn(role, _text(f"{self.where}, cell {self.letter}{row}", cell))
            for row, (role, cell) in enumerate(
                zip(self.roles, self.cells[:end], strict=False), start=2
            )
        ]


def tested_model(title: str) -> tuple[str, bool] | None:
    """The model that a sheet's name names, and whether it was tuned; None: no dialogues there."""
    name = _SHEET.fullmatch(title.strip())
    return None if name is None else (_MISSPELT.get(name[2], name[2]), name[1] == "微调")


def columns(where: str, rows: Sequence[tuple[Any, ...]]) -> Iterator[Column]:
    """Yield the columns of a sheet that have text or a number, from left to right.

    Args:
        where: File and sheet, for messages.
        rows: The sheet's.

    Raises:
        InputError: If a label in column A is not one of `ROLES`, or the first is missing.
    """
    labels, *others = list(zip_longest(*rows)) or [()]
    roles = _roles(where, labels[1:])
    for place, (number, *cells) in enumerate(others, start=2):
        column = Column(where, get_column_letter(place), number, tuple(cells), roles)
        if column.has_text or _filled(number):
            yield column


def irregular(letter: str, turns: Sequence[Turn]) -> list[str]:
    """The cells that look wrong, and why: `G11: list item in the client's row`.

    Args:
        letter: The column's.
        turns: As `Column.turns` gave them.
    """
    faults = ((row, _fault(turn, row > len(turns))) for row, turn in enumerate(turns, start=2))
    return [f"{letter}{row}: {fault}" for row, fault in faults if fault]


def _fault(turn: Turn, closes: bool) -> str | None:
    text = turn.content.strip()
    if not text:
        return "blank cell inside the dialogue"
    if turn.role == "counselor":
        return "a few words in the counselor's row" if len(text) <= _A_FEW_WORDS else None
    if _LIST_ITEM.match(text):
        return "list item in the client's row"
    if "\n" in text:
        return "several lines in the client's row"
    if _COUNSELORS_WORDS.search(text):
        return "what a counselor says in the client's row"
    return "the client's row closes the dialogue" if closes else None


def _roles(where: str, labels: Sequence[Any]) -> tuple[Role, ...]:
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
    return tuple(roles)


def _text(where: str, value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str | int | float):
        raise InputError(f"{where}: expected a text, not {value!r}; format the cell as text")
    return str(value)


def _filled(cell: Any) -> bool:
    return cell is not None and bool(str(cell).strip())
