"""Coding books: for each rater one XLSX workbook, blind, to be filled in offline.

The key that undoes the blinding lies beside them and in none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.books.blinding import Blinding
from eval.books.layout import FORMAT, HIDDEN, fingerprint
from eval.books.pages import write_guide, write_progress
from eval.books.sheets import write_page
from eval.books.styles import add_styles
from eval.books.text import texts
from mi_llm import files, jsonl, sheets
from mi_llm.errors import InputError

if TYPE_CHECKING:
    from openpyxl.workbook import Workbook

KEY = "key.json"
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
    for one in blinding.transcripts:
        prints = [fingerprint(blinding.salt, n, turn) for n, turn in enumerate(one.turns, start=1)]
        if len(" ".join(prints)) > _MOST_IN_A_CELL:
            raise InputError(f"{one.original}: {len(one.turns):,} turns are too many for a page")
        if not any(turn.role == "counselor" for turn in one.turns):
            raise InputError(f"{one.original}: the counselor says nothing; leave it out")
    with files.whole_folder(folder) as draft:
        with files.whole(draft / KEY) as stream:
            stream.write(jsonl.dumped(blinding.key(), indent=1) + "\n")
        pages = _pages(blinding, texts(language))
        for rater in raters:
            _make_the_book_of(rater, pages, blinding, language)
            sheets.save(pages, draft / book_name(rater), anonymous=True)
    return [folder / book_name(rater) for rater in raters]


def book_name(rater: str) -> str:
    """The file name of a rater's book."""
    return f"miti_{rater}.xlsx"


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
    for name in {guide, progress, HIDDEN} & set(book.sheetnames):
        book.remove(book[name])
    for place, one in enumerate(order):
        book.move_sheet(one.id, place - book.sheetnames.index(one.id))
    write_guide(book.create_sheet(guide, 0), text, rater)
    write_progress(book.create_sheet(progress, 1), order, text, rater)
    _write_hidden(book, blinding, rater, language)
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
    for row in sheet.iter_rows():
        for cell in row:
            cell.data_type = "s"
    sheets.lock(sheet)
    sheet.sheet_state = "hidden"
