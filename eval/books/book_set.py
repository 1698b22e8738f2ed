"""Several raters' books together: whether they belong together, and what they say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.books.key import KEY, Key, read_key
from eval.books.layout import HIDDEN
from eval.books.printed import Facts
from eval.books.reading import Book, read_book
from eval.books.text import told
from mi_llm import entries
from mi_llm.coding import Note, Session
from mi_llm.errors import InputError


@dataclass(frozen=True, slots=True)
class BookSet:
    """What books say together.

    Attributes:
        language: Of the books, for what is said of them together.
        paths: Of the books that were read and count.
        sessions: By transcript, then rater; of pages without fault.
        notes: What raters wrote beside, in the same order.
        faults: What is wrong, each by book, sheet and cell.
        missing: What is not filled in yet, likewise, and books that are not there.
        passed_over: Lock files and copies, each with the reason.
    """

    language: str
    paths: list[Path]
    sessions: list[Session]
    notes: list[Note]
    faults: list[str]
    missing: list[str]
    passed_over: list[str]


@dataclass(frozen=True, slots=True)
class _Known:
    """A coding book that says which one it is."""

    book: Book
    facts: Facts


def read_books(paths: Sequence[Path], *, key: Path | None = None) -> BookSet:
    """Read books and check them one by one, against each other, and against their key.

    Args:
        paths: Books, and folders of them. A book that nobody filled in gives way to a filled one of
            the same rater, so that the books as sent and as returned can be given together.
        key: With it, every book that was written must be there, or counts as missing.

    Raises:
        InputError: If there is no book, or the key cannot be read.
    """
    wanted = read_key(key) if key else None
    found, others = entries.books_at(paths)
    if not found:
        raise InputError(f"{', '.join(map(str, paths))}: no book there; give those that came back")
    read = [read_book(path) for path in found]
    known = [_Known(one, one.facts) for one in read if one.facts]
    language = known[0].facts.language if known else (wanted and wanted.language) or "en"
    for one in read:
        if one.no_book:
            one.faults = [told(language, "book", path=one.path, what=_no_book(one, language))]
    passed_over = [
        told(language, "book", path=one,
             what=told(language, "lock" if entries.is_lock(one) else "no_workbook"))
        for one in others
    ]  # fmt: skip
    copies = dict(_copies(known))
    passed_over += [line for line in copies.values() if line]
    books = [one for one in read if one.path not in copies]
    known = [one for one in known if one.book.path not in copies]
    faults = [fault for book in books for fault in book.faults]
    faults += _twice(known)
    missing = [one for book in books for one in book.missing]
    if key and wanted:
        faults += _strangers(known, key, wanted)
        missing += _absent(known, wanted, language)
    else:
        faults += _other_sets(known)
        missing += _fewer(known)
    return BookSet(
        language,
        [one.path for one in books],
        sorted((one for book in books for one in book.sessions),
               key=lambda one: (one.transcript, one.rater)),
        sorted((one for book in books for one in book.notes),
               key=lambda one: (one.transcript, one.rater, one.volley or 0)),
        faults,
        missing,
        passed_over,
    )  # fmt: skip


def _copies(known: Sequence[_Known]) -> Iterator[tuple[Path, str]]:
    """Books of which there is one that says the same or, for a blank one, more."""
    together: dict[tuple[str, str, frozenset[str]], list[_Known]] = {}
    for one in known:
        facts = one.facts
        together.setdefault((facts.salt, facts.rater, frozenset(facts.prints)), []).append(one)
    for those in together.values():
        best, *others = sorted(those, key=lambda one: not one.book.touched)
        for other in others:
            if not other.book.touched:
                yield other.book.path, ""
            elif not other.book.faults and _says(other.book) == _says(best.book):
                yield other.book.path, other.book.told("same", other=best.book.path)


def _no_book(book: Book, language: str) -> str:
    """Why a file is no coding book, in the language of those that are."""
    if book.no_book == "unreadable" and book.path.suffix.lower() != entries.WORKBOOK:
        return told(language, "other_program", suffix=book.path.suffix)
    return told(
        language, book.no_book, sheet=HIDDEN, why=book.faults[0].removeprefix(f"{book.path}: ")
    )


def _says(book: Book) -> object:
    return book.sessions, book.notes


def _twice(known: Sequence[_Known]) -> Iterator[str]:
    """Two books in which one rater has the same transcript."""
    for number, one in enumerate(known):
        for before in known[:number]:
            same_set = one.facts.salt == before.facts.salt
            same_rater = one.facts.rater == before.facts.rater
            if same_set and same_rater and set(one.facts.prints) & set(before.facts.prints):
                yield one.book.told("twice", rater=one.facts.rater, other=before.book.path)


def _other_sets(known: Sequence[_Known]) -> Iterator[str]:
    for one in known[1:]:
        if one.facts.salt != known[0].facts.salt:
            yield one.book.told("other_key", other=known[0].book.path)


def _fewer(known: Sequence[_Known]) -> Iterator[str]:
    """Without a key: raters who lack transcripts that another has."""
    by_rater = _by_rater(known)
    everything = frozenset[str]().union(*by_rater.values())
    for one in {one.facts.rater: one for one in known}.values():
        if lacking := sorted(everything - by_rater[one.facts.rater]):
            other = next(two for two in known if set(lacking) & set(two.facts.prints))
            told_ids = ", ".join(lacking)
            yield one.book.told("fewer_transcripts", other=other.book.path, ids=told_ids)


def _strangers(known: Sequence[_Known], path: Path, key: Key) -> Iterator[str]:
    for one in known:
        if one.facts.salt != key.salt:
            yield one.book.told("other_key", other=path) + _earlier_key(one, path)
        elif odd := sorted(set(one.facts.prints) - set(key.items)):
            yield one.book.told("other_transcripts", other=path, ids=", ".join(odd))


def _earlier_key(one: _Known, path: Path) -> str:
    """Where the key of a book lies that was moved aside, if it does."""
    for folder in entries.moved_aside(path.parent):
        try:
            if read_key(folder / KEY).salt == one.facts.salt:
                return told(one.facts.language, "earlier_key", key=folder / KEY)
        except InputError:
            continue
    return ""


def _absent(known: Sequence[_Known], key: Key, language: str) -> Iterator[str]:
    """Books that were written and are not here, but for raters who sent one of another set."""
    by_rater = _by_rater(one for one in known if one.facts.salt == key.salt)
    strangers = {one.facts.rater for one in known if one.facts.salt != key.salt}
    for name, issued in key.books.items():
        here = by_rater.get(issued.rater, frozenset())
        if not issued.transcripts <= here and issued.rater not in strangers:
            yield told(language, "absent", rater=issued.rater, book=name)


def _by_rater(known: Sequence[_Known] | Iterator[_Known]) -> Mapping[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for one in known:
        found[one.facts.rater] = found.get(one.facts.rater, frozenset()) | set(one.facts.prints)
    return found
