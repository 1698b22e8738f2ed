"""Tables in CSV: read within bounds, and written so that no spreadsheet runs what people wrote.

Excel and its relatives take a cell that begins with `=`, `+`, `-` or `@`, also behind blanks, for a
formula (https://owasp.org/www-community/attacks/CSV_Injection). Such a text is written with an
apostrophe before it; plain numbers stay as they are.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mi_llm import file_kind, files
from mi_llm.errors import InputError

_LONGEST = 4 << 20  # bytes of a line
_MOST_DIGITS = 9
_RUN = re.compile(r"'*\s*[=+\-@\t\r\n＝＋－＠]")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def records(
    path: Path, needed: Sequence[str], *, expected: str = ""
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield each row that is not blank: the line it ends on, and its cells by column.

    Args:
        path: A table in UTF-8, its columns in the first row.
        needed: The columns that must be there.
        expected: What to give instead if they are not; by default the columns are named.

    Raises:
        InputError: If the file is missing, not UTF-8 or no such table, a row has more or fewer
            cells than there are columns, or a cell is over 131,072 characters.
    """
    reader = csv.reader(_lines(path), strict=True)
    try:
        columns = [name.strip() for name in next(reader, [])]
        if missing := [name for name in needed if name not in columns]:
            told = f"expected {expected or ','.join(needed)}"
            raise InputError(f"{path}:1: no column {', '.join(missing)}; {told}")
        if doubled := [name for name in columns if columns.count(name) > 1]:
            raise InputError(f"{path}:1: column {doubled[0]!r} comes twice")
        for cells in reader:
            if not any(cells):
                continue
            if len(cells) != len(columns):
                told = f"{len(cells)} cells for {len(columns)} columns"
                raise InputError(f"{path}:{reader.line_num}: {told}; is the file whole?")
            yield reader.line_num, dict(zip(columns, cells, strict=True))
    except csv.Error as error:
        told = f"not CSV that can be read: {error}; is the file whole?"
        raise InputError(f"{path}:{reader.line_num}: {told}") from None


def _lines(path: Path) -> Iterator[str]:
    """The lines as they are: one inside quotes may be blank and still be text."""
    with files.reading(path) as stream:
        while data := stream.readline(_LONGEST + 1):
            if len(data) > _LONGEST:
                raise InputError(f"{path}: a line is over {_LONGEST >> 20} MB; is it a CSV file?")
            if b"\0" in data:
                kind = file_kind.of_file(path) or "holds NUL characters; save it as CSV in UTF-8"
                raise InputError(f"{path}: {kind}")
            yield files.decoded(path, data)


def text(rows: Iterable[Sequence[object]], *, mark: bool = True) -> str:
    """Rows as CSV for people and for `records`.

    Args:
        rows: The columns' names and then each row; what is no text is written as it is.
        mark: Whether to begin with the mark that lets Excel read Chinese.
    """
    stream = io.StringIO()
    plain = csv.writer(stream, lineterminator="\n")
    quoted = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for row in rows:
        cells = [neutral(cell) if isinstance(cell, str) else cell for cell in row]
        # Left unquoted by the writer, a lone carriage return would begin a row of its own.
        writer = quoted if any(isinstance(one, str) and "\r" in one for one in cells) else plain
        writer.writerow(cells)
    return "\ufeff" * mark + stream.getvalue()


def neutral(cell: str) -> str:
    """The text as no spreadsheet runs it; `original` takes that back."""
    return f"'{cell}" if _RUN.match(cell) and not _NUMBER.fullmatch(cell) else cell


def original(cell: str) -> str:
    """The text that `neutral` was given."""
    return cell[1:] if cell.startswith("'") and _RUN.match(cell) else cell


def whole_number(said: str) -> int | None:
    """The whole number that someone wrote; None if it is none, or has over nine digits."""
    digits = said.isascii() and said.isdigit() and len(said) <= _MOST_DIGITS
    return int(said) if digits else None
