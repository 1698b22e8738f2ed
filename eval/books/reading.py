"""Coding books read back, whoever saved them: what was coded, what is missing, and every fault.

A fault is named by book, sheet and cell, in the language of the book; all are found in one go. What
is merely not there yet is kept apart, so that a draft can be read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from eval.books.layout import (
    FORMAT,
    GOAL,
    HIDDEN,
    MARK_COLUMNS,
    NONE,
    NOTE,
    ORIGINALS,
    REMARKS,
    SCORES,
)
from eval.books.printed import Facts, Page, check_header, is_page, same, shown, turn_rows
from eval.books.text import LANGUAGES, texts, told
from mi_llm import sheets
from mi_llm.coding import NOTHING_TO_CODE, Note, Session
from mi_llm.errors import InputError
from mi_llm.miti import Code, Globals

if TYPE_CHECKING:
    from openpyxl.workbook import Workbook
    from openpyxl.worksheet.worksheet import Worksheet

_PAIRS = (
    (Code.SIMPLE_REFLECTION, Code.COMPLEX_REFLECTION),
    (Code.PERSUADE, Code.PERSUADE_WITH_PERMISSION),
)
_PRINT = re.compile(r"(?:cl|co):[0-9a-f]{10}")  # as layout.fingerprint makes them
_WITHOUT_GOAL = ("cultivate", "soften")  # cannot be rated then


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
        touched: Whether anything is filled in, or wrong.
        no_book: Which text says that it is no coding book; empty if it is one.
    """

    path: Path
    facts: Facts | None = None
    sessions: list[Session] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    touched: bool = False
    no_book: str = ""

    def fault(self, kind: str, sheet: str = "", **values: object) -> None:
        """Note what is wrong with the book, or one of its sheets."""
        self.faults.append(self.told(kind, sheet, **values))

    def told(self, kind: str, sheet: str = "", **values: object) -> str:
        """A sentence about the book, or one of its sheets, in its language."""
        language = self.facts.language if self.facts else "en"
        what, pattern = told(language, kind, **values), "page" if sheet else "book"
        return told(language, pattern, path=self.path, sheet=sheet, what=what)


def read_book(path: Path) -> Book:
    """Read one book and name all that is wrong in it."""
    book = Book(path)
    try:
        workbook = sheets.load(path)
    except InputError as error:
        book.faults.append(str(error))
        book.no_book = "unreadable"
        return book
    if HIDDEN not in workbook.sheetnames:
        book.faults.append(f"{path}: {told('en', 'no_coding_book', sheet=HIDDEN)}")
        book.no_book = "no_coding_book"
        return book
    book.facts = _facts(workbook)
    if book.facts is None:
        book.faults.append(f"{path}: {told('en', 'hidden', sheet=HIDDEN)}")
        book.no_book = "hidden"
        return book
    renamed = _find_strangers(book, workbook, set(book.facts.prints))
    pages = []
    for name in sorted(book.facts.prints):
        if name in workbook.sheetnames:
            pages.append(_read_page(book, book.facts, workbook[name], name))
        elif name not in renamed:
            book.fault("no_page", id=name)
    book.touched = bool(book.faults) or any(page.touched for page in pages)
    if pages and not book.touched:
        volleys = sum(len(one.volleys) for one in book.sessions)
        book.missing = [book.told("untouched_book", pages=len(pages), volleys=volleys)]
    return book


def _read_page(book: Book, facts: Facts, sheet: Worksheet, name: str) -> Page:
    page = Page(str(book.path), sheet, name, facts)
    session = _session(page)
    if session and not page.touched:
        page.missing.clear()
        page.lacks("", "untouched_page")
    book.faults += page.faults
    book.missing += page.missing
    book.notes += page.notes
    if session and not page.faults:
        book.sessions.append(session)
    return page


def _facts(workbook: Workbook) -> Facts | None:
    """What the hidden sheets say; None if they were changed."""
    pairs = {
        sheets.said(row[0]): sheets.said(row[1])
        for row in workbook[HIDDEN].iter_rows(max_col=2, values_only=True)
        if len(row) == 2 and row[0] is not None
    }
    known = {name: pairs.pop(name, "") for name in ("format", "language", "rater", "salt")}
    if known["format"] != FORMAT or not known["rater"] or not known["salt"] or not pairs:
        return None
    prints = {name: each.split() for name, each in pairs.items()}
    if not all(_PRINT.fullmatch(one) for each in prints.values() for one in each):
        return None
    language = known["language"] if known["language"] in LANGUAGES else "en"
    return Facts(language, known["rater"], known["salt"], prints, _originals(workbook))


def _originals(workbook: Workbook) -> dict[tuple[str, int], list[str]]:
    found: dict[tuple[str, int], list[str]] = {}
    if ORIGINALS in workbook.sheetnames:
        for row in workbook[ORIGINALS].iter_rows(max_col=3, values_only=True):
            name, turn, text = (*map(sheets.said, row), "", "", "")[:3]
            if turn.isascii() and turn.isdigit():
                found.setdefault((name, int(turn[:9])), []).append(text)
    return found


def _find_strangers(book: Book, workbook: Workbook, pages: set[str]) -> set[str]:
    """Name what looks like a page and is none, a copy or one under another name.

    Returns:
        The pages that are there under another name.
    """
    renamed = set()
    for sheet in workbook.worksheets:
        if sheet.title in pages or sheet.title in (HIDDEN, ORIGINALS) or not is_page(sheet):
            continue
        was = sheets.said(sheet["A1"].value)
        if was in pages and was not in workbook.sheetnames and was not in renamed:
            renamed.add(was)
            book.fault("renamed", sheet=sheet.title, id=was)
        else:
            book.fault("copied", sheet=sheet.title, id=was)
    return renamed


def _session(page: Page) -> Session | None:
    if not check_header(page):
        return None
    goal, globals_ = _goal(page), _globals(page)
    page.note(REMARKS, None)
    rows = turn_rows(page)
    volleys: list[frozenset[Code] | None] = []
    uncoded: dict[int, int] = {}  # volley -> its row
    for number, one in enumerate(page.facts.prints[page.id], start=1):
        if one.startswith("co"):
            row = rows.get(number)
            codes, blank = _volley(page, row, len(volleys) + 1) if row else (None, False)
            volleys.append(codes)
            if row and blank:
                uncoded[len(volleys)] = row
    for run in _runs(uncoded):
        _tell_uncoded(page, run, uncoded)
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


def _goal(page: Page) -> str:
    given = page.facts.originals.get((page.id, 0))
    if given:
        goal = sheets.said(page.sheet[GOAL].value)
        if not same(goal, given[0]):
            page.touched = True
            page.fault(GOAL, "goal", original=shown(given[0]))
        return " ".join(given[0].split())
    entry = page.entry(GOAL)
    goal = " ".join((entry or "").split())
    if entry == "":
        none = texts(page.facts.language)["none"]
        page.lacks(GOAL, "no_goal", none=none)
    return goal


def _globals(page: Page) -> Globals | None:
    """The four ratings; None if one that can be given is missing."""
    names = texts(page.facts.language)["globals"]
    without = _plain(sheets.said(page.sheet[GOAL].value)).lower() in NONE
    scores: dict[str, int | None] = {}
    for name, place in SCORES.items():
        dimension, said = names[name]["name"], page.entry(place)
        scores[name] = None
        if said is None:
            continue
        plain = _plain(said).removesuffix(".0")
        if not plain:
            if not (without and name in _WITHOUT_GOAL):
                page.lacks(place, "no_rating", dimension=dimension)
        elif plain not in set("12345"):
            page.fault(place, "rating", dimension=dimension, said=said)
        elif without and name in _WITHOUT_GOAL:
            page.fault(place, "rating_without_goal", dimension=dimension)
        else:
            scores[name] = int(plain)
    partnership, empathy = scores["partnership"], scores["empathy"]
    if partnership is None or empathy is None:
        return None
    return Globals(scores["cultivate"], scores["soften"], partnership, empathy)


def _volley(page: Page, row: int, volley: int) -> tuple[frozenset[Code] | None, bool]:
    """The codes of one row, None if it has none that can be read; and whether it is blank."""
    page.note(f"{NOTE}{row}", volley)
    marked: dict[str, str] = {}
    odd = False
    for mark, column in MARK_COLUMNS.items():
        place = f"{column}{row}"
        said = page.entry(place)
        if said is None:
            odd = True
        elif _plain(said) in ("1", "1.0"):
            marked[mark] = place
        elif said:
            odd = True
            page.fault(place, "mark_unknown", said=said, code=page.named(mark))
    if NOTHING_TO_CODE in marked and len(marked) > 1:
        others = page.named(*(mark for mark in marked if mark != NOTHING_TO_CODE))
        nothing = page.named(NOTHING_TO_CODE)
        page.fault(marked[NOTHING_TO_CODE], "nothing", code=nothing, others=others, volley=volley)
    for weaker, stronger in _PAIRS:
        if weaker in marked and stronger in marked:
            where = texts(page.facts.language)["told"]["and"].join(
                (marked[weaker], marked[stronger])
            )
            two = {"code": page.named(weaker), "others": page.named(stronger)}
            page.fault(where, "pair", **two, volley=volley)
    if not marked:
        return None, not odd
    return frozenset(Code(mark) for mark in marked if mark != NOTHING_TO_CODE), False


def _runs(volleys: Sequence[int] | dict[int, int]) -> Iterator[list[int]]:
    """Numbers that follow each other, together."""
    run: list[int] = []
    for one, after in pairwise([*volleys, 0]):
        run.append(one)
        if after != one + 1:
            yield run
            run = []


def _tell_uncoded(page: Page, run: Sequence[int], rows: dict[int, int]) -> None:
    first, *_, last = MARK_COLUMNS.values()
    place = f"{first}{rows[run[0]]}:{last}{rows[run[-1]]}"
    kind = "uncoded" if len(run) == 1 else "uncoded_run"
    page.lacks(place, kind, volley=run[0], last=run[-1])


def _plain(said: str) -> str:
    """A mark or number as typed, full-width digits as plain ones."""
    return unicodedata.normalize("NFKC", said).strip()
