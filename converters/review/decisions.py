"""Review books read back, whoever saved them: decisions, and every fault by sheet and cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converters.review.book import (
    BACK,
    CUT,
    DECISION,
    DECISIONS,
    DROP,
    EDIT,
    EDITED,
    HIDDEN,
    ID,
    NOTE,
    QUEUE,
    REASON,
    REASONS,
    REVIEWER,
    SERIAL,
    TEXT,
    TURN,
    TURNS,
)
from converters.review.findings import Ground
from mi_llm import sheets
from mi_llm.dialogue import Dialogue
from mi_llm.errors import InputError

if TYPE_CHECKING:
    from openpyxl.cell.cell import Cell, MergedCell
    from openpyxl.worksheet.worksheet import Worksheet

_FILLED_IN = (DECISION, REASON, CUT, REVIEWER, NOTE)
_NO_VALUE = "没有存下结果；请直接填内容，或在表格软件里打开、保存后再交"


@dataclass(frozen=True, slots=True)
class Decision:
    """What one reviewer decided about one dialogue.

    Attributes:
        id: The dialogue's.
        verdict: keep, edit or drop.
        reason: Why it is dropped or edited; None if not said.
        cut: With drop, the turn from which on it is dropped; None drops all of it.
        edits: New text by turn.
        reviewer: Who.
        where: `book: sheet, cell`, for messages.
        third: Whether it settles what two reviewers disagree about.
        note: What the reviewer wrote beside it.
    """

    id: str
    verdict: str
    reason: Ground | None
    cut: int | None
    edits: Mapping[int, str]
    reviewer: str
    where: str
    third: bool = False
    note: str = ""

    @property
    def category(self) -> str:
        """What agreement is measured on: keep, edit, drop or cut."""
        return "cut" if self.cut else self.verdict

    def agrees(self, other: Decision) -> bool:
        """Whether both lead to the same dialogue."""
        mine, theirs = ((d.verdict, d.cut, dict(d.edits)) for d in (self, other))
        return mine == theirs


@dataclass(slots=True)
class Book:
    """What a review book says.

    Attributes:
        path: The file.
        key: What it asks: its dialogues in order, and whether it settles disputes.
        reviewer: Whose it is; empty if the book does not say.
        decisions: Those that are whole and without fault.
        undecided: Where a decision is missing: dialogue and row.
        faults: What is wrong, each by sheet and cell.
        refused: Dialogues with a decision that has a fault; they are not undecided.
        touched: Whether anything is decided or edited, or wrong.
    """

    path: Path
    key: tuple[object, ...] = ()
    reviewer: str = ""
    decisions: list[Decision] = field(default_factory=list)
    undecided: list[tuple[str, int]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    touched: bool = False

    def where(self, sheet: str, place: str = "") -> str:
        """A place in the book, for messages."""
        return f"{self.path}：“{sheet}”页{f' {place}' if place else ''}"


def read_book(
    path: Path,
    plan: str,
    dialogues: Mapping[str, Dialogue],
    earlier: Mapping[str, Path] | None = None,
) -> Book:
    """Read one book, and name all that is wrong in it, in Chinese as the book is.

    Args:
        path: The workbook.
        plan: Identity of the review that it must belong to.
        dialogues: Those that the review gives to people, by id.
        earlier: Where reviews before it were moved to, by their identity.

    Raises:
        InputError: If it is no workbook, not a review book, or another review's.
    """
    try:
        workbook = sheets.load(path)
    except InputError as error:
        why = str(error).removeprefix(f"{path}: ")
        raise InputError(
            f"{path}：打不开（{why}），可能没有传完、已损坏或加了密码；"
            "请让审阅人在表格软件里打开，不加密码另存为 .xlsx 再交"
        ) from None
    for name in (QUEUE, TURNS, HIDDEN):
        if name not in workbook.sheetnames:
            raise InputError(f"{path}: 没有“{name}”页；这是审阅册吗？请勿改页名")
    facts = {sheets.said(key): sheets.said(value) for key, value in _pairs(workbook[HIDDEN])}
    if facts.get("plan") != plan:
        home = (earlier or {}).get(facts.get("plan", ""))
        known = f"它属于 {home}" if home else "请用 --folder 指明它所属的文件夹"
        raise InputError(f"{path}: 属于另一次审阅，或审阅计划已改动；{known}")
    book = Book(path, reviewer=facts.get("reviewer", ""))
    edits = _read_edits(workbook[TURNS], dialogues, book)
    rows = _queue_rows(workbook[QUEUE], workbook[TURNS], dialogues, book)
    third = facts.get("third") == "yes"
    book.key = (third, tuple(row.id for row in rows))
    for row in rows:
        _read_row(row, dialogues[row.id], edits.get(row.id, {}), book, third=third)
    _check_edits_are_meant(rows, edits, book)
    filled = any(row.said[title] for row in rows for title in (DECISION, REASON, CUT))
    book.touched = bool(filled or edits or book.faults)
    return book


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of the queue: the dialogue it is about, what stands in it, and where."""

    id: str
    number: int
    said: Mapping[str, str]
    where: Mapping[str, str]


def _queue_rows(
    sheet: Worksheet, turns: Worksheet, dialogues: Mapping[str, Dialogue], book: Book
) -> list[_Row]:
    """The rows of the queue; one whose id was changed counts as what it was."""
    columns = _columns(book.path, sheet, (SERIAL, *_FILLED_IN, ID))
    shown = _serials(turns, book.path)
    rows: list[_Row] = []
    odd: list[tuple[int, dict[str, str], dict[str, str]]] = []
    for cells in sheet.iter_rows(min_row=2):
        by_title = {title: cells[column - 1] for title, column in columns.items()}
        said = {title: _written(cell) for title, cell in by_title.items()}
        where = {title: book.where(QUEUE, cell.coordinate) for title, cell in by_title.items()}
        number = int(cells[0].row or 0)
        formulas = [title for title in _FILLED_IN if sheets.is_formula(by_title[title])]
        book.faults += [f"{where[title]}：公式 {said[title]} {_NO_VALUE}" for title in formulas]
        if formulas:
            book.refused.add(said[ID])
        elif said[ID] in dialogues:
            rows.append(_Row(said[ID], number, said, where))
        elif any(said.values()):
            odd.append((number, said, where))
    for number, said, where in odd:
        was = shown.get(said[SERIAL], "")
        if was in dialogues and was not in {row.id for row in rows}:
            book.faults.append(f"{where[ID]}：对话编号被改动过，原来是 {was}，请恢复")
            rows.append(_Row(was, number, said, where))
        else:
            book.faults.append(f"{book.where(QUEUE)}：第 {number} 行是插入的，请整行删去")
    there = {row.id for row in rows} | book.refused
    for name in dict.fromkeys(shown.values()):
        if name in dialogues and name not in there:
            book.faults.append(f"{book.where(QUEUE)}：缺 {name} 的一行，请撤销删行")
            book.refused.add(name)
    return sorted(rows, key=lambda row: row.number)


def _columns(path: Path, sheet: Worksheet, titles: Sequence[str]) -> dict[str, int]:
    """The number of each titled column, from 1; one that is gone is told in Chinese."""
    try:
        return sheets.columns_by_title(path, sheet, titles)
    except InputError:
        there = {sheets.said(one.value) for one in sheet[1]}
        gone = "、".join(one for one in titles if one not in there)
        told = f"“{sheet.title}”页第 1 行没有“{gone}”列；请撤销删列或改列名"
        raise InputError(f"{path}：{told}") from None


def _serials(turns: Worksheet, path: Path) -> dict[str, str]:
    """The dialogue of each serial number, as the sheet of turns has them."""
    columns = _columns(path, turns, (SERIAL, ID))
    found: dict[str, str] = {}
    for row in turns.iter_rows(min_row=2, values_only=True):
        serial, name = (sheets.said(row[columns[title] - 1]) for title in (SERIAL, ID))
        if name:
            found.setdefault(serial, name)
    return found


def _read_row(
    row: _Row, dialogue: Dialogue, edits: Mapping[int, str], book: Book, *, third: bool
) -> None:
    said, where = row.said, row.where
    if not said[DECISION]:
        book.undecided.append((row.id, row.number))
        if said[REASON] or said[CUT]:
            book.faults.append(f"{where[DECISION]}：填了理由或句序，但没有填决定")
        return
    verdict = DECISIONS.get(said[DECISION], "")
    faults = list(_faults(said, where, edits, dialogue))
    book.faults.extend(faults)
    if faults:
        book.refused.add(row.id)
        return
    book.decisions.append(
        Decision(
            id=row.id,
            verdict=verdict,
            reason=REASONS.get(said[REASON]),
            cut=int(said[CUT]) if said[CUT] else None,
            edits=edits if verdict == "edit" else {},
            reviewer=said[REVIEWER],
            where=where[DECISION],
            third=third,
            note=said[NOTE],
        )
    )


def _check_edits_are_meant(
    rows: Sequence[_Row], edits: Mapping[str, Mapping[int, str]], book: Book
) -> None:
    """A text that is edited though nobody who decided on it wants it edited is a fault."""
    meant = {row.id for row in rows if DECISIONS.get(row.said[DECISION]) == "edit"}
    decided = {one.id for one in book.decisions}
    for name in sorted((set(edits) & decided) - meant):
        turn = min(edits[name])
        book.faults.append(
            f"{book.where(TURNS)}：{name} 第 {turn} 句填了“{EDITED}”，但决定不是“{EDIT}”"
        )


def _faults(
    said: Mapping[str, str], where: Mapping[str, str], edits: Mapping[int, str], dialogue: Dialogue
) -> Iterator[str]:
    verdict = DECISIONS.get(said[DECISION])
    if verdict is None:
        yield f"{where[DECISION]}：决定填的是“{said[DECISION]}”，请选{'、'.join(DECISIONS)}"
        return
    if not said[REVIEWER]:
        yield f"{where[REVIEWER]}：没有填审阅人"
    if said[REASON] and said[REASON] not in REASONS:
        yield f"{where[REASON]}：理由填的是“{said[REASON]}”，请选{'、'.join(REASONS)}"
    if verdict == "drop" and not said[REASON]:
        yield f"{where[REASON]}：决定是“{DROP}”，但没有选理由；请选{'、'.join(REASONS)}"
    if verdict == "edit" and not edits:
        yield f"{where[DECISION]}：决定是“{EDIT}”，但“{TURNS}”页没有改 {dialogue.id} 的任何一句"
    if said[CUT]:
        yield from _cut_faults(said[CUT], where[CUT], verdict, dialogue)


def _cut_faults(said: str, where: str, verdict: str, dialogue: Dialogue) -> Iterator[str]:
    count = len(dialogue.turns)
    if not said.isdecimal() or not 1 <= int(said[:9]) <= count:
        yield f"{where}：“{CUT}”填的是“{said}”，{dialogue.id} 有 1 至 {count} 句"
    elif verdict != "drop":
        yield f"{where}：填了“{CUT}”，但决定不是“{DROP}”"


def _read_edits(
    sheet: Worksheet, dialogues: Mapping[str, Dialogue], book: Book
) -> dict[str, dict[int, str]]:
    """Edited texts by dialogue and turn; whatever printed cell was changed is a fault."""
    lines, odd = _turn_lines(sheet, dialogues, book)
    for line in odd:
        _tell_odd(line, lines, dialogues, book)
    edits: dict[str, dict[int, str]] = {}
    for (name, turn), line in lines.items():
        original = sheets.said(dialogues[name].turns[turn - 1].content)
        if line.text != original:
            book.faults.append(
                f"{book.where(TURNS, line.places[TEXT])}：原文被改动过，原来是"
                f"“{' '.join(original.split())}”，请恢复；要改的话写在“{EDITED}”栏"
            )
        if line.edited and line.edited != original:
            edits.setdefault(name, {})[turn] = line.edited
    _tell_missing(lines, dialogues, book)
    return edits


@dataclass(frozen=True, slots=True)
class _Line:
    """A row of the turns: what stands in it, and where."""

    row: int
    id: str
    turn: str
    text: str
    edited: str
    places: Mapping[str, str]


def _turn_lines(
    sheet: Worksheet, dialogues: Mapping[str, Dialogue], book: Book
) -> tuple[dict[tuple[str, int], _Line], list[_Line]]:
    """The rows of turns, by dialogue and number, and those that are none."""
    columns = _columns(book.path, sheet, (ID, TURN, TEXT, EDITED))
    lines: dict[tuple[str, int], _Line] = {}
    odd = []
    for row in sheet.iter_rows(min_row=2):
        cells = {title: row[column - 1] for title, column in columns.items()}
        said = {title: _written(cell) for title, cell in cells.items()}
        places = {title: cell.coordinate for title, cell in cells.items()}
        number = int(row[0].row or 0)
        line = _Line(number, said[ID], said[TURN], said[TEXT], said[EDITED], places)
        if sheets.is_formula(cells[EDITED]):
            place = book.where(TURNS, places[EDITED])
            book.faults.append(f"{place}：公式 {line.edited} {_NO_VALUE}")
            line = replace(line, edited="")
        key = line.id, int(line.turn[:9]) if line.turn.isdecimal() else 0
        count = len(dialogues[line.id].turns) if line.id in dialogues else 0
        if 1 <= key[1] <= count and key not in lines:
            lines[key] = line
        elif line.id or line.turn or line.text or line.edited not in ("", BACK):
            odd.append(line)  # else the bar above a dialogue, or a blank row
    return lines, odd


def _tell_odd(
    line: _Line,
    lines: dict[tuple[str, int], _Line],
    dialogues: Mapping[str, Dialogue],
    book: Book,
) -> None:
    """A row whose id or number was changed counts as what it was; others were inserted."""
    candidates = [line.id] if line.id in dialogues else list(dialogues)
    for name in candidates:
        for number, turn in enumerate(dialogues[name].turns, start=1):
            if (name, number) not in lines and sheets.said(turn.content) == line.text:
                lines[name, number] = line
                title, was = (TURN, number) if line.id == name else (ID, name)
                place = book.where(TURNS, line.places[title])
                book.faults.append(f"{place}：{title}被改动过，原来是 {was}，请恢复")
                return
    book.faults.append(f"{book.where(TURNS)}：第 {line.row} 行是插入的，请整行删去")


def _tell_missing(
    lines: Mapping[tuple[str, int], _Line], dialogues: Mapping[str, Dialogue], book: Book
) -> None:
    for name in dict.fromkeys(name for name, _ in lines):
        for number, turn in enumerate(dialogues[name].turns, start=1):
            if (name, number) not in lines:
                text = " ".join(turn.content.split())
                place = book.where(TURNS)
                book.faults.append(f"{place}：缺 {name} 第 {number} 句“{text}”，请撤销删行")


def _written(cell: Cell | MergedCell) -> str:
    """What stands in a cell; not where its link leads, as which openpyxl gives a blank one."""
    said, link = sheets.said(cell.value), cell.hyperlink
    return "" if link and said == link.location else said


def _pairs(sheet: Worksheet) -> Iterator[tuple[Any, Any]]:
    for row in sheet.iter_rows(max_col=2, values_only=True):
        if len(row) == 2:
            yield row[0], row[1]
