"""Workbooks that anyone saved, read with clear errors, bounded in time and memory.

A workbook of a few kilobytes can unpack to gigabytes, or say that a million rows of 16,384 cells
are merged, or hold one cell in its last corner, so that everything between is walked through.
"""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mi_llm import file_kind, files
from mi_llm.errors import InputError

if TYPE_CHECKING:
    from openpyxl.workbook import Workbook
    from openpyxl.worksheet.worksheet import Worksheet

MOST_CELLS = 1_000_000  # of a sheet, from A1 to its last that is filled
_MOST_BYTES, _MOST_UNPACKED, _MOST_PARTS = 16 << 20, 48 << 20, 2_000
_MOST_TAGS, _MOST_ROWS = 2_000_000, 100_000  # a review book of 4,000 dialogues, about
_OLD = bytes.fromhex("d0cf11e0a1b11ae1")  # .xls, and .xlsx with a password
_RANGES = re.compile(rb"<(?:\w+:)?(?:mergeCell|hyperlink)\b[^>]*?\bref=[\"']([^\"']*)[\"']")


def load(path: Path, *, formulas: bool = False) -> Workbook:
    """A workbook, its formulas as their last values.

    Args:
        path: The file.
        formulas: Whether to give formulas themselves instead.

    Raises:
        InputError: If it is missing, no workbook, or too large to be one that people filled in.
    """
    import openpyxl

    with files.reading(path) as stream:
        data = stream.read(_MOST_BYTES + 1)
    check(path, data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what openpyxl leaves out is nothing we read
            book = openpyxl.load_workbook(
                io.BytesIO(data), data_only=not formulas, keep_links=False
            )
    except Exception as error:  # what it raises for a broken part is anything at all
        raise _unreadable(path, f"{type(error).__name__} in one of its parts") from None
    for sheet in book.worksheets:
        _cut_to_filled(path, sheet)
    return book


def rows(path: Path) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    """Yield the name and the rows of each sheet, cells as Python values.

    Raises:
        InputError: As `load` does.
    """
    for sheet in load(path).worksheets:
        yield sheet.title, list(sheet.iter_rows(values_only=True))


def check(path: Path, data: bytes) -> None:
    """Raise `InputError`, naming the file, if its bytes are no workbook or too much of one."""
    if len(data) > _MOST_BYTES:
        raise _too_large(path, f"over {_MOST_BYTES >> 20} MB")
    if data.startswith(_OLD):
        raise _unreadable(path, "an old .xls, or locked with a password")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            _check_parts(path, packed)
    except InputError:
        raise
    except Exception as error:  # zlib's, zipfile's and struct's own for what is broken
        raise _unreadable(path, str(error).lower() or type(error).__name__) from None


def _check_parts(path: Path, packed: zipfile.ZipFile) -> None:
    parts = packed.infolist()
    unpacked = sum(part.file_size for part in parts)  # zipfile unpacks no more than is stated
    if len(parts) > _MOST_PARTS or unpacked > _MOST_UNPACKED:
        raise _too_large(path, f"{unpacked >> 20:,} MB in {len(parts):,} parts")
    tags = rows = cells = 0
    for part in parts:
        if part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _unreadable(path, f"{part.filename} is packed in an unusual way")
        if not part.filename.endswith((".xml", ".rels", ".vml")):
            continue  # pictures
        text = packed.read(part)
        plain = text.count(b"<!") == text.count(b"<!--") + text.count(b"<![CDATA[")
        if not plain or 0 in text[:4]:  # declares a type or an entity of its own, or is UTF-16
            raise _unreadable(path, f"{part.filename} is no plain XML")
        tags += text.count(b"<")
        rows += text.count(b"<row ") + text.count(b":row ")  # counted, not parsed: it is quick
        if b"mergeCell" in text or b"hyperlink" in text:
            cells += sum(_area(path, match[1]) for match in _RANGES.finditer(text))
        if tags > _MOST_TAGS or rows > _MOST_ROWS:
            raise _too_large(path, f"{rows:,} rows")
        if cells > MOST_CELLS:
            raise _too_large(path, f"{cells:,} cells that are merged or links")


def _area(path: Path, reference: bytes) -> int:
    """The number of cells in a range such as `A1:C9`."""
    from openpyxl.utils.cell import range_boundaries

    try:
        left, top, right, bottom = range_boundaries(reference.decode())
    except (ValueError, TypeError):
        raise _unreadable(path, f"no such cells: {reference[:40]!r}") from None
    return ((right or 1 << 14) - (left or 1) + 1) * ((bottom or 1 << 20) - (top or 1) + 1)


def _cut_to_filled(path: Path, sheet: Worksheet) -> None:
    """Drop blank cells that lie so far out that walking to them would take minutes."""
    if sheet.max_row * sheet.max_column <= MOST_CELLS:
        return
    cells = sheet._cells
    filled = [place for place, cell in cells.items() if cell.value is not None]
    last_row = max((row for row, _ in filled), default=1)
    last_column = max((column for _, column in filled), default=1)
    if last_row * last_column > MOST_CELLS:
        far = cells[max(filled, key=lambda place: place[0] * place[1])]
        raise InputError(
            f"{path}: sheet {sheet.title} reaches to cell {far.coordinate}, too far to be read; "
            "delete what stands far from the table"
        )
    for row, column in [*cells]:
        if row > last_row or column > last_column:
            del cells[row, column]


def _too_large(path: Path, how: str) -> InputError:
    return InputError(
        f"{path}: too large a workbook to be read ({how}); split it, or delete what nobody uses"
    )


def _unreadable(path: Path, reason: str) -> InputError:
    kind = file_kind.of_file(path)
    if kind and "XLSX" not in kind and "Office" not in kind:
        return InputError(f"{path}: {kind.partition(';')[0]}, not a workbook; save it as .xlsx")
    return InputError(f"{path}: not a workbook that can be read: {reason}; save it as .xlsx")
