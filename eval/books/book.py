"""Coding books: for each rater one XLSX workbook, blind, to be filled in offline.

The key that undoes the blinding lies beside them and in none of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.books.blinding import Blinding
from eval.books.key import KEY, Issued, Key, written
from eval.books.layout import FORMAT, HIDDEN, ORIGINALS, fingerprint, rows
from eval.books.pages import write_guide, write_progress
from eval.books.sheets import write_page
from eval.books.styles import add_styles
from eval.books.text import texts
from mi_llm import files, sheets
from mi_llm.errors import InputError

if TYPE_CHECKING:
    from openpyxl.workbook import Workbook
    from openpyxl.worksheet.worksheet import Worksheet

_MOST_IN_A_CELL = 32_767  # characters, in Excel


def write_books(
    folder: Path,
    blinding: Blinding,
    raters: Sequence[str],
    *,
    language: str = "zh",
) -> list[Path]:
    """Write a book for each rater, and the key.

    The same transcripts, seed and rater give the same bytes.

    Args:
        folder: To write; whole or not at all.
        blinding: The transcripts.
        raters: Their names, which name the files.
        language: `zh` or `en`.

    Returns:
        The books.

    Raises:
        InputError: If the folder cannot be written, or a transcript does not fit a book.
    """
    _check(blinding)
    everything = frozenset(one.id for one in blinding.transcripts)
    books = {book_name(rater): Issued(rater, everything) for rater in raters}
    with files.whole_folder(folder) as draft:
        _write(draft, blinding, books, language)
        with files.whole(draft / KEY) as stream:
            stream.write(written(blinding.key(), books, language))
    return [folder / name for name in books]


def lacking(folder: Path, blinding: Blinding, raters: Sequence[str], key: Key) -> dict[str, Issued]:
    """The books of a set that are yet to be written: a new rater's, or those of new transcripts.

    Args:
        folder: Of the set.
        blinding: All its transcripts, old and new, made blind with the key.
        raters: Who is to have them all.
        key: The set's.

    Returns:
        By file name; empty if nobody lacks anything.
    """
    added = {}
    for rater in raters:
        own = [one.transcripts for one in _issued(folder, raters, key).values()
               if one.rater == rater]  # fmt: skip
        rest = frozenset(one.id for one in blinding.transcripts).difference(*own)
        if rest:
            added[book_name(rater, len(own) + 1)] = Issued(rater, rest)
    return added


def add_books(
    folder: Path, blinding: Blinding, added: Mapping[str, Issued], *, language: str
) -> list[Path]:
    """Write the books that `lacking` names; let `name_in_key` follow, which ends it.

    Raises:
        InputError: If one cannot be written, or a transcript does not fit a book.
    """
    _check(blinding)
    for part in {one.transcripts for one in added.values()}:
        some = replace(blinding, transcripts=[t for t in blinding.transcripts if t.id in part])
        books = {name: one for name, one in added.items() if one.transcripts == part}
        _write(folder, some, books, language)
    return [folder / name for name in added]


def name_in_key(
    folder: Path, blinding: Blinding, added: Mapping[str, Issued], key: Key, *, language: str
) -> None:
    """Name books that were added in the key; until then they would be written again."""
    issued = _issued(folder, [one.rater for one in added.values()], key)
    with files.whole(folder / KEY, overwrite=True) as stream:
        stream.write(written(blinding.key(), {**issued, **added}, language))


def _issued(folder: Path, raters: Sequence[str], key: Key) -> dict[str, Issued]:
    """The books that were written; of a key that does not name them, those that are there."""
    everything = frozenset(key.items)
    return dict(key.books) or {
        name: Issued(rater, everything)
        for rater in raters
        if (folder / (name := book_name(rater))).exists()
    }


def book_name(rater: str, number: int = 1) -> str:
    """The file name of a rater's book, the first or a further one."""
    return f"miti_{rater}{f'.{number}' if number > 1 else ''}.xlsx"


def _check(blinding: Blinding) -> None:
    for one in blinding.transcripts:
        prints = [fingerprint(blinding.salt, n, turn) for n, turn in enumerate(one.turns, start=1)]
        if len(" ".join(prints)) > _MOST_IN_A_CELL:
            raise InputError(f"{one.original}: {len(one.turns):,} turns are too many for a page")
        if not any(turn.role == "counselor" for turn in one.turns):
            raise InputError(f"{one.original}: the counselor says nothing; leave it out")


def _write(folder: Path, blinding: Blinding, books: Mapping[str, Issued], language: str) -> None:
    pages = _pages(blinding, texts(language))
    for name, one in books.items():
        _make_the_book_of(one.rater, pages, blinding, language)
        sheets.save(pages, folder / name, overwrite=True, anonymous=True)


def _pages(blinding: Blinding, text: dict[str, Any]) -> Workbook:
    """A workbook with the pages that all raters' books share; they take most of the time."""
    from openpyxl import Workbook

    book = Workbook()
    book.remove(book.worksheets[0])
    add_styles(book)
    for one in blinding.transcripts:
        write_page(book.create_sheet(one.id), one, text)
    return book


def _make_the_book_of(rater: str, book: Workbook, blinding: Blinding, language: str) -> None:
    """Put the pages in a rater's order, and in place of another's own sheets this one's."""
    text, order = texts(language), blinding.order(rater)
    guide, progress = text["sheets"]["guide"], text["sheets"]["progress"]
    for name in {guide, progress, HIDDEN, ORIGINALS} & set(book.sheetnames):
        book.remove(book[name])
    for place, one in enumerate(order):
        book.move_sheet(one.id, place - book.sheetnames.index(one.id))
    write_guide(book.create_sheet(guide, 0), text, rater)
    write_progress(book.create_sheet(progress, 1), order, text, rater)
    _write_hidden(book, blinding, rater, language)
    _write_originals(book, blinding)
    book.active = 0


def _write_hidden(book: Workbook, blinding: Blinding, rater: str, language: str) -> None:
    """What the reader needs: which book this is, and fingerprints of the texts as they are shown.

    The salt keeps a fingerprint from being looked up in a list of hashes made elsewhere.
    """
    sheet = book.create_sheet(HIDDEN)
    sheet.append(("format", FORMAT))
    sheet.append(("language", language))
    sheet.append(("rater", rater))
    sheet.append(("salt", blinding.salt))
    for one in blinding.transcripts:
        turns = enumerate(one.turns, start=1)
        prints = " ".join(fingerprint(blinding.salt, number, turn) for number, turn in turns)
        sheet.append((one.id, prints))
    _hide(sheet)


def _write_originals(book: Workbook, blinding: Blinding) -> None:
    """What each page shows, so that a changed cell can be told with what stood there.

    Turn 0 is the target behaviour, if it is given.
    """
    sheet = book.create_sheet(ORIGINALS)
    for one in blinding.transcripts:
        if one.target_behaviour:
            sheet.append((one.id, "0", sheets.cell_text(one.target_behaviour)))
        for row in rows(one.turns):
            sheet.append((one.id, str(row.number), row.text))
    _hide(sheet)


def _hide(sheet: Worksheet) -> None:
    for row in sheet.iter_rows():
        for cell in row:
            cell.data_type = "s"
    sheets.lock(sheet)
    sheet.sheet_state = "hidden"
