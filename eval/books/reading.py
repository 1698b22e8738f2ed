"""Coding books read back, whoever saved them: what was coded, what is missing, and every fault.

A fault is named by book, sheet and cell; all are found in one go. What is merely not there yet is
kept apart, so that a draft can be read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.books.layout import (
    FORMAT,
    GOAL,
    HEADER,
    HIDDEN,
    MARK_COLUMNS,
    NONE,
    NOTE,
    REMARKS,
    SCORES,
    TEXT,
    TURN,
    text_hash,
)
from mi_llm import sheets
from mi_llm.coding import NOTHING_TO_CODE, Note, Session
from mi_llm.errors import InputError
from mi_llm.miti import Code, Globals

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

_PAIRS = (
    (Code.SIMPLE_REFLECTION, Code.COMPLEX_REFLECTION),
    (Code.PERSUADE, Code.PERSUADE_WITH_PERMISSION),
)
_PRINT = re.compile(r"(?:cl|co):[0-9a-f]{10}")  # as book_layout.fingerprint makes them
_WITHOUT_GOAL = ("cultivate", "soften")  # cannot be rated then


@dataclass(frozen=True, slots=True)
class Facts:
    """What a book's hidden sheet says.

    Attributes:
        rater: Whose it is.
        salt: The set of books that it belongs to, which its key names too.
        prints: Fingerprints of the turns of each transcript, by neutral id.
    """

    rater: str
    salt: str
    prints: Mapping[str, list[str]]


@dataclass(slots=True)
class Book:
    """What a book says.

    Attributes:
        path: The file.
        facts: None if it is no coding book.
        sessions: One for each page without a fault.
        notes: What the rater wrote beside.
        faults: What is wrong, each by sheet and cell.
        missing: What is not filled in yet, likewise.
    """

    path: Path
    facts: Facts | None = None
    sessions: list[Session] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Page:
    """A transcript's page while it is read."""

    where: str
    sheet: Worksheet
    id: str
    facts: Facts
    faults: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def fault(self, place: str, what: str) -> None:
        self.faults.append(f"{self.where}, {place}: {what}")

    def lacks(self, place: str, what: str) -> None:
        self.missing.append(f"{self.where}, {place}: {what}")

    def said(self, place: str) -> str:
        return _said(self.sheet[place].value)

    def note(self, place: str, volley: int | None) -> None:
        if text := sheets.said(self.sheet[place].value):
            self.notes.append(Note(self.id, self.facts.rater, volley, text))


def read_book(path: Path) -> Book:
    """Read one book and name all that is wrong in it."""
    book = Book(path)
    try:
        workbook = sheets.load(path)
    except InputError as error:
        book.faults.append(str(error))
        return book
    if HIDDEN not in workbook.sheetnames:
        book.faults.append(f"{path}: no sheet {HIDDEN}; is it a coding book, saved as .xlsx?")
        return book
    book.facts = _facts(workbook[HIDDEN])
    if book.facts is None:
        book.faults.append(f"{path}: sheet {HIDDEN} was changed; ask the rater for the book itself")
        return book
    _find_strangers(book, [workbook[name] for name in workbook.sheetnames], set(book.facts.prints))
    for name in sorted(book.facts.prints):
        if name not in workbook.sheetnames:
            told = f"{path}: no sheet {name}; was it deleted or renamed?"
            book.faults.append(told)
            continue
        page = _Page(f"{path}: sheet {name}", workbook[name], name, book.facts)
        session = _session(page)
        book.faults += page.faults
        book.missing += page.missing
        book.notes += page.notes
        if session and not page.faults:
            book.sessions.append(session)
    return book


def _facts(sheet: Worksheet) -> Facts | None:
    pairs = {
        sheets.said(row[0]): sheets.said(row[1])
        for row in sheet.iter_rows(max_col=2, values_only=True)
        if len(row) == 2 and row[0] is not None
    }
    known = {name: pairs.pop(name, "") for name in ("format", "language", "rater", "salt")}
    if known["format"] != FORMAT or not known["rater"] or not known["salt"] or not pairs:
        return None
    prints = {name: told.split() for name, told in pairs.items()}
    if not all(_PRINT.fullmatch(one) for told in prints.values() for one in told):
        return None
    return Facts(known["rater"], known["salt"], prints)


def _find_strangers(book: Book, found: list[Worksheet], pages: set[str]) -> None:
    """A sheet that looks like a page and is none: a copy, or a page under another name."""
    for sheet in found:
        if sheet.title not in pages and sheet.title != HIDDEN and _is_page(sheet):
            told = "a page of another name; name it as it was, or delete the copy"
            book.faults.append(f"{book.path}: sheet {sheet.title}: {told}")


def _is_page(sheet: Worksheet) -> bool:
    return all(
        sheets.said(sheet[f"{column}{HEADER}"].value).split("\n")[0].strip() == mark
        for mark, column in MARK_COLUMNS.items()
    )


def _session(page: _Page) -> Session | None:
    if not _is_page(page.sheet):
        told = "the columns GI to NC are not where they were; undo adding or deleting rows, columns"
        page.fault(f"row {HEADER}", told)
        return None
    goal, globals_ = _goal(page), _globals(page)
    page.note(REMARKS, None)
    volleys: list[frozenset[Code] | None] = []
    for number, row in _turn_rows(page):
        if row is None:  # a client's turn, or a row that is missing
            if page.facts.prints[page.id][number - 1].startswith("co"):
                volleys.append(None)
            continue
        volleys.append(_volley(page, row, len(volleys) + 1))
    if page.faults:
        return None
    return Session(
        page.id,
        page.facts.rater,
        tuple(codes or frozenset() for codes in volleys),
        globals_,
        "" if goal.lower() in NONE else goal,
        complete=not page.missing,
        uncoded=frozenset(n for n, codes in enumerate(volleys, start=1) if codes is None),
    )


def _goal(page: _Page) -> str:
    goal = " ".join(sheets.said(page.sheet[GOAL].value).split())
    if not goal:
        page.lacks(GOAL, f"no target behaviour (write {NONE[0]} if the session has none)")
    return goal


def _globals(page: _Page) -> Globals | None:
    """The four ratings; None if one that can be given is missing."""
    without = page.said(GOAL).lower() in NONE
    scores: dict[str, int | None] = {}
    for name, place in SCORES.items():
        said = page.said(place)
        if not said:
            scores[name] = None
            if not (without and name in _WITHOUT_GOAL):
                page.lacks(place, f"no rating of {name}")
        elif said not in set("12345"):
            page.fault(place, f"{name} is {said!r}; a rating is a whole number from 1 to 5")
        elif without and name in _WITHOUT_GOAL:
            page.fault(place, f"{name} is rated, but there is no target behaviour; leave it blank")
        else:
            scores[name] = int(said)
    partnership, empathy = scores.get("partnership"), scores.get("empathy")
    if partnership is None or empathy is None:
        return None
    return Globals(scores.get("cultivate"), scores.get("soften"), partnership, empathy)


def _turn_rows(page: _Page) -> Iterator[tuple[int, int | None]]:
    """Each turn's number and, for the counselor's, its row; texts are checked on the way."""
    rows: dict[int, int] = {}
    texts: dict[int, str] = {}
    current = 0
    prints = page.facts.prints[page.id]
    for row in range(HEADER + 1, page.sheet.max_row + 1):
        number, text = page.said(f"{TURN}{row}"), sheets.said(page.sheet[f"{TEXT}{row}"].value)
        if number.isascii() and number.isdigit() and 1 <= int(number) <= len(prints):
            current = int(number)
            if current in rows:
                page.fault(f"{TURN}{row}", f"turn {current} comes twice; delete the copy")
            rows.setdefault(current, row)
            texts[current] = text
        elif number:
            page.fault(
                f"{TURN}{row}", f"{number!r} is no turn of {page.id}, which has {len(prints)}"
            )
        elif text:  # a long turn goes on
            texts[current] = texts.get(current, "") + text
        if not number or not _coded(prints, current):
            _check_unmarked(page, row)
    for turn, told in enumerate(prints, start=1):
        role, digest = told.split(":")
        if turn not in rows:
            page.fault(f"column {TURN}", f"turn {turn} is missing; undo deleting rows")
        elif text_hash(page.facts.salt, turn, texts[turn]) != digest:
            page.fault(f"{TEXT}{rows[turn]}", f"the text of turn {turn} was changed; restore it")
        yield turn, rows.get(turn) if role == "co" else None


def _coded(prints: list[str], number: int) -> bool:
    return 1 <= number <= len(prints) and prints[number - 1].startswith("co")


def _check_unmarked(page: _Page, row: int) -> None:
    for column in MARK_COLUMNS.values():
        if said := page.said(f"{column}{row}"):
            page.fault(f"{column}{row}", f"{said!r} in a row that takes no code; delete it")


def _volley(page: _Page, row: int, volley: int) -> frozenset[Code] | None:
    """The codes of one row; None if it is not coded yet."""
    page.note(f"{NOTE}{row}", volley)
    marked: dict[str, str] = {}
    odd = False
    for mark, column in MARK_COLUMNS.items():
        said = page.said(f"{column}{row}")
        if said in ("1", "1.0"):
            marked[mark] = f"{column}{row}"
        elif said:
            odd = True
            page.fault(
                f"{column}{row}", f"unknown mark {said!r} for {mark}; write 1 or leave blank"
            )
    if NOTHING_TO_CODE in marked and len(marked) > 1:
        others = ", ".join(mark for mark in marked if mark != NOTHING_TO_CODE)
        page.fault(marked[NOTHING_TO_CODE], f"{NOTHING_TO_CODE} with {others} in volley {volley}")
    for weaker, stronger in _PAIRS:
        if weaker in marked and stronger in marked:
            where = f"{marked[weaker]} and {marked[stronger]}"
            page.fault(where, f"{weaker} and {stronger} in volley {volley}; only one can be")
    if not marked:
        if not odd:
            first, *_, last = MARK_COLUMNS.values()
            page.lacks(f"{first}{row}:{last}{row}", f"volley {volley} is not coded")
        return None
    return frozenset(Code(mark) for mark in marked if mark != NOTHING_TO_CODE)


def _said(value: Any) -> str:
    """A mark or number as typed, full-width digits as plain ones."""
    return unicodedata.normalize("NFKC", sheets.said(value)).strip()
