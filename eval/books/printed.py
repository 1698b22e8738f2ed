"""A page of a coding book as it came back, held against what was printed on it.

What was changed is told with what stood there, what was inserted as such.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import TYPE_CHECKING

from eval.books.layout import (
    HEADER,
    MARK_COLUMNS,
    NOTE,
    TEXT,
    TURN,
    text_hash,
)
from eval.books.text import named, told
from mi_llm import sheets
from mi_llm.coding import Note

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

_FURTHEST_ROW, _FURTHEST_COLUMN = HEADER + 20, 60  # where a header that moved is looked for


@dataclass(frozen=True, slots=True)
class Facts:
    """What a book's hidden sheets say.

    Attributes:
        language: Of the book.
        rater: Whose it is.
        salt: The set of books that it belongs to, which its key names too.
        prints: Fingerprints of the turns of each transcript, by neutral id.
        originals: What each page shows, by neutral id and turn, row by row; turn 0 is the target
            behaviour, if it was given. Empty in books before this was kept.
    """

    language: str
    rater: str
    salt: str
    prints: Mapping[str, list[str]]
    originals: Mapping[tuple[str, int], list[str]]


@dataclass(slots=True)
class Page:
    """A transcript's page while it is read.

    Attributes:
        path: The book's file, for messages.
        sheet: The page itself.
        id: The transcript's.
        facts: The book's.
        faults: What is wrong.
        missing: What is not filled in yet.
        notes: What the rater wrote beside.
        touched: Whether anything is filled in.
    """

    path: str
    sheet: Worksheet
    id: str
    facts: Facts
    faults: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    touched: bool = False

    def fault(self, place: str, kind: str, **values: object) -> None:
        """Note what is wrong at a cell; without a place, on the page."""
        self.faults.append(self._told(place, kind, values))

    def lacks(self, place: str, kind: str, **values: object) -> None:
        """Note what is missing at a cell; without a place, on the page."""
        self.missing.append(self._told(place, kind, values))

    def entry(self, place: str) -> str | None:
        """What stands in a cell; None, and a fault, if it is a formula whose value is unknown."""
        cell = self.sheet[place]
        said = sheets.said(cell.value)
        if sheets.is_formula(cell):
            self.touched = True
            self.fault(place, "formula", said=said)
            return None
        self.touched = self.touched or bool(said)
        return said

    def note(self, place: str, volley: int | None) -> None:
        """Keep what is written beside the page or a volley."""
        if text := self.entry(place):
            self.notes.append(Note(self.id, self.facts.rater, volley, text))

    def named(self, *marks: str) -> str:
        """Codes as the book names them."""
        return named(self.facts.language, marks)

    def _told(self, place: str, kind: str, values: Mapping[str, object]) -> str:
        language = self.facts.language
        what, pattern = told(language, kind, **values), "place" if place else "page"
        return told(
            language, pattern, path=self.path, sheet=self.sheet.title, place=place, what=what
        )


@dataclass(frozen=True, slots=True)
class _Line:
    """A row below the header that holds anything: its number, the turn's, and its text."""

    row: int
    label: str
    text: str


def is_page(sheet: Worksheet) -> bool:
    """Whether the codes stand where a page has them."""
    return all(_first_line(sheet, HEADER, column) == mark for mark, column in MARK_COLUMNS.items())


def check_header(page: Page) -> bool:
    """Whether the codes stand where they were printed; what moved them is told as a fault."""
    if is_page(page.sheet):
        return True
    row, found = _header_row(page.sheet)
    if row > HEADER:
        above = [n for n in range(1, row) if not sheets.said(page.sheet.cell(n, 1).value)]
        for number in above:
            page.fault("", "inserted", row=number)
    elif row < HEADER and found:
        page.fault("", "rows_gone", header=HEADER, count=HEADER - row)
    elif found:
        _check_columns(page, found)
    if not page.faults:
        page.fault("", "layout")
    return False


def turn_rows(page: Page) -> dict[int, int]:
    """The row of each turn that is there, by its number; texts are checked on the way."""
    prints = page.facts.prints[page.id]
    lines = list(_lines(page))
    owners = _owners(page, lines)
    below: dict[int, list[_Line]] = {}  # the first row of each turn, and those that go on
    turn = 0
    for line in lines:
        if line.row in owners:
            turn = owners[line.row]
            below[turn] = [line]
        elif turn and not line.label:
            below[turn].append(line)
        else:
            page.fault("", "inserted", row=line.row)
    for number in range(1, len(prints) + 1):
        first, *more = below.get(number, ()) or (None,)
        if first is None:
            _tell_gone(page, number)
            continue
        going_on = _check_text(page, number, first, more)
        client = prints[number - 1].startswith("cl")
        for line in [*([first] if client else []), *going_on]:
            _check_unmarked(page, line.row)
    return {number: those[0].row for number, those in below.items()}


def same(one: str, two: str) -> bool:
    """Whether two texts differ in white space at most, which programs change on saving."""
    return "".join(one.split()) == "".join(two.split())


def shown(text: str) -> str:
    """A text on one line of a message."""
    return " ".join(text.split())


def _first_line(sheet: Worksheet, row: int, column: str) -> str:
    return sheets.said(sheet[f"{column}{row}"].value).split("\n")[0].strip()


def _header_row(sheet: Worksheet) -> tuple[int, dict[str, int]]:
    """The row that holds most codes, and the column of each there, from 1; 0 if none does."""
    best: tuple[int, dict[str, int]] = (0, {})
    for cells in sheet.iter_rows(max_row=_FURTHEST_ROW, max_col=_FURTHEST_COLUMN):
        marks = {sheets.said(one.value).split("\n")[0].strip(): one for one in cells}
        found = {mark: int(marks[mark].column or 0) for mark in MARK_COLUMNS if mark in marks}
        if len(found) > max(len(best[1]), len(MARK_COLUMNS) // 2):
            best = int(cells[0].row or 0), found
    return best


def _check_columns(page: Page, found: Mapping[str, int]) -> None:
    """Columns added or deleted, or headings changed, in the header's own row."""
    from openpyxl.utils import column_index_from_string, get_column_letter

    shift = {mark: place - column_index_from_string(MARK_COLUMNS[mark])
             for mark, place in found.items()}  # fmt: skip
    lost = [mark for mark in MARK_COLUMNS if mark not in found]
    if any(one > 0 for one in shift.values()):
        for number in range(1, max(found.values())):
            if not sheets.said(page.sheet.cell(HEADER, number).value):
                page.fault("", "column_inserted", column=get_column_letter(number))
    elif any(one < 0 for one in shift.values()):
        if lost:
            page.fault("", "columns_gone", codes=page.named(*lost))
    else:
        for mark in lost:
            page.fault(f"{MARK_COLUMNS[mark]}{HEADER}", "header", original=page.named(mark))


def _lines(page: Page) -> Iterator[_Line]:
    columns = (TURN, TEXT, *MARK_COLUMNS.values(), NOTE)
    for row in range(HEADER + 1, page.sheet.max_row + 1):
        said = [sheets.said(page.sheet[f"{column}{row}"].value) for column in columns]
        if any(said):
            yield _Line(row, said[0], said[1])


def _owners(page: Page, lines: Sequence[_Line]) -> dict[int, int]:
    """The turn of each row that stands for one: by its number, or by its text if that is lost."""
    count = len(page.facts.prints[page.id])
    numbered: dict[int, list[_Line]] = {}
    for line in lines:
        label = line.label
        if label.isascii() and label.isdigit() and len(label) < 6 and 1 <= int(label) <= count:
            numbered.setdefault(int(label), []).append(line)
    owners = {}
    for turn, those in numbered.items():
        pieces = _pieces(page, turn)
        fitting = [one for one in those if pieces and same(one.text, pieces[0])]
        owners[(fitting or those)[0].row] = turn
    known = {one.row for those in numbered.values() for one in those}
    for turn in range(1, count + 1):
        pieces = _pieces(page, turn)
        if turn in numbered or not pieces:
            continue
        free = [one for one in lines if one.row not in known and same(one.text, pieces[0])]
        if free:
            owners[free[0].row] = turn
            known.add(free[0].row)
            page.fault(f"{TURN}{free[0].row}", "number", original=turn)
    return owners


def _pieces(page: Page, turn: int) -> list[str] | None:
    """What the rows of a turn showed; None if the book does not say, or not truly."""
    pieces = page.facts.originals.get((page.id, turn))
    digest = page.facts.prints[page.id][turn - 1].split(":")[1] if turn else ""
    if not pieces or text_hash(page.facts.salt, turn, "".join(pieces)) != digest:
        return None
    return pieces


def _tell_gone(page: Page, turn: int) -> None:
    if pieces := _pieces(page, turn):
        page.fault("", "turn_gone", turn=turn, original=shown(pieces[0]))
    else:
        page.fault("", "turn_gone_unknown", turn=turn)


def _check_text(page: Page, turn: int, first: _Line, more: Sequence[_Line]) -> list[_Line]:
    """Hold the rows of a turn against what was printed.

    Returns:
        The rows in which it goes on; those that were inserted below it are told as faults.
    """
    pieces = _pieces(page, turn)
    if pieces is None:
        digest = page.facts.prints[page.id][turn - 1].split(":")[1]
        whole = "".join(line.text for line in (first, *more))
        if text_hash(page.facts.salt, turn, whole) != digest:
            page.fault(f"{TEXT}{first.row}", "text_unknown", turn=turn)
        return list(more)
    pairs: list[tuple[_Line | None, str | None]] = [(first, pieces[0])]
    pairs += _aligned(more, pieces[1:])
    for line, piece in pairs:
        if line is None:
            page.fault("", "part_gone", turn=turn, original=shown(piece or ""))
        elif piece is None:
            page.fault("", "inserted", row=line.row)
        elif not same(line.text, piece):
            page.fault(f"{TEXT}{line.row}", "text", turn=turn, original=shown(piece))
    return [line for line, piece in pairs[1:] if line and piece is not None]


def _aligned(
    lines: Sequence[_Line], pieces: Sequence[str]
) -> Iterator[tuple[_Line | None, str | None]]:
    """Rows beside what was printed in them; None for what is gone and for what was inserted."""
    there, printed = (["".join(one.split()) for one in texts]
                      for texts in ([line.text for line in lines], pieces))  # fmt: skip
    for _, *ends in SequenceMatcher(None, printed, there, autojunk=False).get_opcodes():
        yield from zip_longest(lines[ends[2] : ends[3]], pieces[ends[0] : ends[1]])


def _check_unmarked(page: Page, row: int) -> None:
    for column in MARK_COLUMNS.values():
        if said := page.entry(f"{column}{row}"):
            page.fault(f"{column}{row}", "unmarkable", said=said)
