"""The MI-LLM authors' sheet of client profiles, `对话纲要` in the workbook of their role-plays.

Source: https://github.com/CbyerDragon/MI-LLM, branch `master`, commit 79d42c3, file
`人工评价/模拟对话.xlsx`. No licence is stated: fetch it from there and do not pass it on.

A row is a profile (this one is ours)::

    | 人物特征 | 健康行为 | 具体表现 | 行为原因     | 改变意愿 |
    |          | 不吃早饭 | 空腹上课 | 早上起不来   | 不改变   |
    |          |          |          | 觉得没有必要 | 改变     |

A blank 健康行为 (the cells are merged) is that of the row above; a blank 具体表现 is the behaviour
itself. Ids are authors-1, authors-2, ... in the sheet's order. Nothing is left out or softened:
some of the behaviours (steroids, for one) need care before anyone plays them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mi_llm import xlsx_file
from mi_llm.errors import InputError

SHEET = "对话纲要"
TRAITS, BEHAVIOUR, MANIFESTATION = "人物特征", "健康行为", "具体表现"
REASON, WILLINGNESS = "行为原因", "改变意愿"

# The sheet knows two answers, a profile a number 0-10. The numbers are ours and claim nothing
# about how ready the authors' clients were: one lies in each half, at neither end.
READINESS = {"改变": 6, "不改变": 2}

_NEEDED = (BEHAVIOUR, REASON, WILLINGNESS)


def records(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the place and the fields of each profile.

    Raises:
        InputError: If the file is no workbook, has no such sheet, or lacks a column; if a row has
            no behaviour, no reason or another willingness.
    """
    behaviour, number = "", 0
    for row, cells in _rows(path):
        place = f"{path}: sheet {SHEET}, row {row}"
        behaviour = cells.get(BEHAVIOUR) or behaviour
        if not any(cells.values()):
            continue
        number += 1
        yield place, _record(place, {**cells, BEHAVIOUR: behaviour}, f"authors-{number}")


def _record(place: str, cells: dict[str, str], name: str) -> dict[str, Any]:
    for column in _NEEDED:
        if not cells[column]:
            raise InputError(f"{place}: {column} is blank; fill it in")
    willingness = cells[WILLINGNESS]
    if willingness not in READINESS:
        choices = " or ".join(READINESS)
        raise InputError(f"{place}: {WILLINGNESS}: expected {choices}, not {willingness!r}")
    traits = cells.get(TRAITS)
    return {
        "id": name,
        "target_behaviour": cells[BEHAVIOUR],
        "manifestations": [cells.get(MANIFESTATION) or cells[BEHAVIOUR]],
        "reasons": [cells[REASON]],
        "readiness": READINESS[willingness],
        "facts": {"traits": traits} if traits else {},
    }


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The number and the named cells of each row below the header."""
    titles = []
    for title, rows in xlsx_file.rows(path):
        titles.append(title)
        if title.strip() != SHEET:
            continue
        header = [_text(cell) for cell in rows[0]] if rows else []
        missing = [column for column in _NEEDED if column not in header]
        if missing:
            raise InputError(f"{path}: sheet {SHEET}: no column {', '.join(missing)} in row 1")
        for number, row in enumerate(rows[1:], start=2):
            # A row may be shorter than the header: it ends with its last filled cell.
            texts = dict(zip(header, map(_text, row), strict=False))
            yield number, {name: texts.get(name, "") for name in header if name}
        return
    raise InputError(f"{path}: no sheet {SHEET}; there are: {', '.join(titles)}")


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell).strip()
