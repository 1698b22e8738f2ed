"""Several raters' books together: whether they belong together, and what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.books.reading import Book, Facts, read_book
from mi_llm import jsonl
from mi_llm.coding import Note, Session
from mi_llm.errors import InputError


@dataclass(frozen=True, slots=True)
class BookSet:
    """What books say together.

    Attributes:
        sessions: By transcript, then rater; of pages without fault.
        notes: What raters wrote beside, in the same order.
        faults: What is wrong, each by book, sheet and cell.
        missing: What is not filled in yet, likewise.
    """

    sessions: list[Session]
    notes: list[Note]
    faults: list[str]
    missing: list[str]


def read_books(paths: Sequence[Path], *, key: Path | None = None) -> BookSet:
    """Read books and check them one by one, against each other, and against their key.

    Raises:
        InputError: If the key cannot be read.
    """
    wanted = _read_key(key) if key else None
    books = [read_book(path) for path in paths]
    faults = [fault for book in books for fault in book.faults]
    faults += _faults_together(books)
    if key and wanted:
        faults += _faults_by_key(books, key, *wanted)
    sessions = [session for book in books for session in book.sessions]
    notes = [note for book in books for note in book.notes]
    return BookSet(
        sorted(sessions, key=lambda one: (one.transcript, one.rater)),
        sorted(notes, key=lambda one: (one.transcript, one.rater, one.volley or 0)),
        faults,
        [one for book in books for one in book.missing],
    )


def _faults_together(books: Sequence[Book]) -> list[str]:
    """One rater twice, another set of books, other transcripts; each against the first book."""
    faults: list[str] = []
    known: list[tuple[Path, Facts]] = [(one.path, one.facts) for one in books if one.facts]
    raters: dict[str, Path] = {}
    for path, facts in known:
        if facts.rater in raters:
            faults.append(f"{path}: rater {facts.rater} has {raters[facts.rater]} too; give one")
        raters.setdefault(facts.rater, path)
    for path, facts in known[1:]:
        first_path, first = known[0]
        if facts.salt != first.salt:
            faults.append(f"{path}: belongs to another key than {first_path}")
        if only := sorted(set(facts.prints) ^ set(first.prints)):
            faults.append(f"{path}: not the same transcripts as {first_path}: {', '.join(only)}")
    return faults


def _faults_by_key(books: Sequence[Book], key: Path, salt: str, ids: frozenset[str]) -> list[str]:
    faults = []
    for book in books:
        if book.facts and book.facts.salt != salt:
            faults.append(f"{book.path}: belongs to another key than {key}")
        elif book.facts and (odd := sorted(ids ^ set(book.facts.prints))):
            faults.append(f"{book.path}: not the transcripts of {key}: {', '.join(odd)}")
    return faults


def _read_key(path: Path) -> tuple[str, frozenset[str]]:
    key: Any = jsonl.read_json(path)
    items = key.get("items") if isinstance(key, dict) else None
    if not isinstance(items, dict) or not isinstance(key.get("salt"), str):
        raise InputError(f"{path}: no key; give the key.json that was written with the books")
    return key["salt"], frozenset(items)
