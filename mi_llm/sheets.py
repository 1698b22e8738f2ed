"""Workbooks that people fill in: one look, lists to choose from, locked text, safe saving.

Written for Excel, WPS and LibreOffice. openpyxl is imported inside: `--help` answers without it.
"""

from __future__ import annotations

import errno
import gc
import hashlib
import math
import re
import sys
import traceback
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any

from mi_llm import files, publishing, xlsx_file
from mi_llm.errors import InputError

if TYPE_CHECKING:
    from openpyxl.cell.cell import Cell, MergedCell
    from openpyxl.workbook import Workbook
    from openpyxl.worksheet.worksheet import Worksheet

FONT = "Microsoft YaHei"
DARK, PALE, FILL_IN, WARNING = "1F3864", "F2F2F2", "FFF8E1", "FCE4E4"  # colours, RRGGBB

LINE, HIGHEST = 15.0, 400.0  # points; Excel takes at most 409

# What XML 1.0 cannot hold.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_LONG_AGO = b"1980-01-01T00:00:00Z"  # as the entries of a ZIP file without a date
_CONTENT = "content as written"  # a property of each workbook that `save` writes


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a sheet.

    Attributes:
        title: Its header; readers find it by this.
        width: In characters of the default font, about half a Chinese character each.
        fill_in: Whether people write in it; all else is locked.
        centred: Whether its text stands in the middle.
    """

    title: str
    width: float
    fill_in: bool = False
    centred: bool = False


def cell_text(text: str) -> str:
    """The text as a cell can hold it: one kind of line end, no control characters."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def header(sheet: Worksheet, columns: Sequence[Column], *, freeze: str) -> None:
    """Write the header row, set the widths and freeze what stands above and left of a cell."""
    from openpyxl.styles import Alignment, Font, PatternFill
    from openpyxl.utils import get_column_letter

    for number, column in enumerate(columns, start=1):
        cell = sheet.cell(1, number, column.title)
        cell.font = Font(name=FONT, size=10, bold=True, color="FFFFFF")
        cell.fill = PatternFill("solid", fgColor=DARK)
        cell.alignment = Alignment(horizontal="center", vertical="center", wrap_text=True)
        sheet.column_dimensions[get_column_letter(number)].width = column.width
    sheet.row_dimensions[1].height = 30
    sheet.freeze_panes = freeze
    sheet.sheet_view.showGridLines = False


def row(
    sheet: Worksheet,
    number: int,
    columns: Sequence[Column],
    values: Sequence[Any],
    *,
    fill: str = "",
) -> list[Cell | MergedCell]:
    """Write one row below the header, text never read as a formula.

    Args:
        sheet: Where.
        number: Of the row, from 1.
        columns: As given to `header`.
        values: One a column; None leaves a cell empty.
        fill: Colour behind the cells that nobody fills in; none by default.

    Returns:
        The cells.
    """
    cells = []
    for place, (column, value) in enumerate(zip(columns, values, strict=True), start=1):
        cell = sheet.cell(number, place)
        if isinstance(value, str):
            cell.value = cell_text(value)
            cell.data_type = "s"  # else a text that begins with = would be run
        elif value is not None:
            cell.value = value
        colour = FILL_IN if column.fill_in else fill
        cell.style = _style(sheet, colour, centred=column.centred, locked=not column.fill_in)
        cells.append(cell)
    widths = [column.width for column in columns]
    fit_height(sheet, number, [(str(v), w) for v, w in zip(values, widths, strict=True) if v])
    return cells


def _style(sheet: Worksheet, colour: str, *, centred: bool, locked: bool) -> str:
    """The name of a cell style, made the first time: setting each part of each cell is slow."""
    from openpyxl.styles import (
        Alignment,
        Border,
        Font,
        NamedStyle,
        PatternFill,
        Protection,
        Side,
    )

    name = f"mi-llm {colour or 'plain'}{' centred' * centred}{' locked' * locked}"
    book = sheet.parent
    assert book is not None
    if name in book.named_styles:
        return name
    style = NamedStyle(
        name,
        font=Font(name=FONT, size=10),
        border=Border(bottom=Side("thin", "D9D9D9"), right=Side("hair", "D9D9D9")),
        alignment=Alignment("center" if centred else "left", "top", wrap_text=True),
        protection=Protection(locked=locked),
    )
    if colour:
        style.fill = PatternFill("solid", fgColor=colour)
    book.add_named_style(style)
    return name


def fit_height(sheet: Worksheet, number: int, texts: Sequence[tuple[str, float]]) -> None:
    """Make a row as high as its longest text needs: not every program does so by itself.

    Args:
        sheet: Where.
        number: Of the row, from 1.
        texts: Each text of the row, and the width of its column.
    """
    lines = max((_lines(text, width) for text, width in texts), default=1)
    sheet.row_dimensions[number].height = min(LINE * lines + 5, HIGHEST)


def _lines(text: str, width: float) -> int:
    """How many lines a text takes in a column; a Chinese character is two wide."""
    wide = [sum(2 if ord(one) > 0x2E80 else 1 for one in part) for part in text.split("\n")]
    return sum(max(math.ceil(one / max(width - 2, 1)), 1) for one in wide)


def link(cell: Cell | MergedCell, sheet: str, address: str) -> None:
    """Make a cell lead to another place in the same workbook."""
    from openpyxl.styles import Font
    from openpyxl.worksheet.hyperlink import Hyperlink

    cell.hyperlink = Hyperlink(ref=cell.coordinate, location=f"'{sheet}'!{address}")
    cell.font = Font(name=FONT, size=10, underline="single", color="0563C1")


def choose_from(sheet: Worksheet, cells: str, choices: Sequence[str], *, say: str) -> None:
    """Let people choose from a list in a range of cells (`H2:H90`), and refuse all else."""
    from openpyxl.worksheet.datavalidation import DataValidation

    # Excel takes at most 255 characters of choices, parted by commas.
    assert not any("," in one for one in choices)
    rule = DataValidation(type="list", formula1=f'"{",".join(choices)}"', allow_blank=True)
    rule.error, rule.errorTitle = say, "请从列表中选择"
    rule.showErrorMessage = True
    sheet.add_data_validation(rule)
    rule.add(cells)


def whole_numbers(sheet: Worksheet, cells: str, *, most: int, say: str) -> None:
    """Take only whole numbers from 1 to `most` in a range of cells."""
    from openpyxl.worksheet.datavalidation import DataValidation

    rule = DataValidation(
        type="whole", operator="between", formula1="1", formula2=str(most), allow_blank=True
    )
    rule.error, rule.errorTitle, rule.showErrorMessage = say, "请填数字", True
    sheet.add_data_validation(rule)
    rule.add(cells)


def lock(sheet: Worksheet) -> None:
    """Lock what is not to be filled in, without a password; filters and widths stay free."""
    sheet.protection.sheet = True
    for name in ("formatColumns", "formatRows", "autoFilter", "sort"):
        setattr(sheet.protection, name, False)  # False: not forbidden


def for_paper(sheet: Worksheet, *, repeat_header: bool = True) -> None:
    """Print across one page's width, lying, with the header on each page."""
    from openpyxl.worksheet.properties import PageSetupProperties

    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.paperSize = sheet.PAPERSIZE_A4
    sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    if repeat_header:
        sheet.print_title_rows = "1:1"


def save(book: Workbook, path: Path, *, overwrite: bool = False, anonymous: bool = False) -> None:
    """Write a workbook whole or not at all.

    Args:
        book: What to write.
        path: The file.
        overwrite: Whether it may exist.
        anonymous: Leave out who made it and when; the same content then gives the same bytes.

    Raises:
        InputError: If it exists and `overwrite` is not set, cannot be written, or is too large to
            be read back.
    """
    _remember_content(book)
    with files.whole_path(path, overwrite=overwrite) as draft:
        try:
            book.save(draft)
        except Exception as error:
            _end_quietly(error)
            if type(error).__name__ == "SerialisationError":  # lxml's, of openpyxl's own files
                raise OSError(errno.ENOSPC, f"no room in {gettempdir()} ({error})") from None
            raise
        xlsx_file.check(publishing.shown(path), draft.read_bytes())  # or nobody could read it back
        if anonymous:
            _forget_origin(draft)


def _end_quietly(error: Exception) -> None:
    """End what openpyxl left open, which fails a second time and would be told with a traceback."""
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        traceback.clear_frames(error.__traceback__)
        gc.collect()
    finally:
        sys.unraisablehook = hook


def _forget_origin(path: Path) -> None:
    with zipfile.ZipFile(path) as packed:
        parts = {name: packed.read(name) for name in packed.namelist()}
    core = "docProps/core.xml"
    plain = re.sub(rb"<dc:creator[^>]*>[^<]*</dc:creator>", b"", parts[core])
    parts[core] = re.sub(rb">[^<]*(</dcterms:(?:created|modified)>)", rb">%s\1" % _LONG_AGO, plain)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in parts.items():
            packed.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)


def is_as_written(book: Workbook) -> bool:
    """Whether cells hold what `save` wrote, no more and no less.

    Comments and the colours behind cells count, other looks do not. A book that `save` did not
    write, or whose note of its content a program dropped, is none.

    Args:
        book: Loaded with its formulas.
    """
    noted = [one.value for one in _properties(book).props if one.name == _CONTENT]
    return noted == [_content(book)]


def _remember_content(book: Workbook) -> None:
    from openpyxl.packaging.custom import StringProperty

    properties = _properties(book)
    if _CONTENT in properties.names:
        del properties[_CONTENT]
    properties.append(StringProperty(name=_CONTENT, value=_content(book)))


def _properties(book: Workbook) -> Any:
    return book.custom_doc_props  # type: ignore[attr-defined]  # its stubs do not know them


def _content(book: Workbook) -> str:
    """A hash of what stands in each cell, without white space, which programs change on saving.

    Of a formula only that it is one, since programs write them in their own ways.
    """
    lines = []
    colours: dict[int, str] = {}  # by style, of which a book has few
    for sheet in book.worksheets:
        merged = {
            place
            for cells in sheet.merged_cells.ranges
            for place in cells.cells
            if place != (cells.min_row, cells.min_col)
        }
        for row in sheet.iter_rows():
            for cell in row:
                if cell.value is None and not cell.has_style and not cell.comment:
                    continue
                if cell.style_id not in colours:
                    colours[cell.style_id] = _fill(cell)
                formula = cell.data_type == "f"
                text = "=" if formula else "".join(said(cell.value).split())
                note = cell.comment.text if cell.comment else ""
                shown = (cell.row, cell.column) not in merged
                colour = colours[cell.style_id] if shown else ""
                if text or note or colour:
                    facts = (sheet.title, cell.coordinate, str(formula), text, colour, note)
                    lines.append("\x1f".join(facts))
    return hashlib.sha256("\x1e".join(sorted(lines)).encode()).hexdigest()


def _fill(cell: Cell | MergedCell) -> str:
    """The colour behind a cell, without its opacity, which programs write in their own ways."""
    if cell.fill.patternType is None:
        return ""
    colour = cell.fill.fgColor.rgb
    return colour[-6:] if isinstance(colour, str) else "of a theme"


def load(path: Path, *, formulas: bool = False) -> Workbook:
    """A workbook that anyone saved, formulas as their last values.

    Args:
        path: The file.
        formulas: Whether to give all formulas themselves. Else only those are whose value was
            not stored (`is_formula`): such a cell is not empty, whatever a program makes of it.

    Raises:
        InputError: If it is missing, no workbook or too large.
    """
    book = xlsx_file.load(path, formulas=formulas)
    if formulas:
        return book
    for sheet in xlsx_file.load(path, formulas=True).worksheets:
        for cell in (one for row in sheet.iter_rows() for one in row if one.data_type == "f"):
            known = book[sheet.title][cell.coordinate]
            if known.value is None:
                known.value = getattr(cell.value, "text", cell.value)
    return book


def is_formula(cell: Cell | MergedCell) -> bool:
    """Whether a cell that `load` gave holds a formula whose value nobody stored."""
    return cell.data_type == "f"


def columns_by_title(path: Path, sheet: Worksheet, titles: Sequence[str]) -> dict[str, int]:
    """The number of each titled column, from 1.

    Raises:
        InputError: If a title is missing from the first row.
    """
    found = {
        cell.value.strip(): cell.column
        for cell in next(sheet.iter_rows(min_row=1, max_row=1), ())
        if isinstance(cell.value, str) and cell.column
    }
    if missing := [one for one in titles if one not in found]:
        raise InputError(
            f"{path}: sheet {sheet.title}: no column {', '.join(missing)} in row 1; "
            "do not rename or delete columns"
        )
    return {title: found[title] for title in titles}


def said(value: Any) -> str:
    """What a person wrote in a cell, as text without space around it; empty if nothing.

    3.0, which some programs make of 3, is `3`.
    """
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return cell_text(str(value)).replace("_x000D_", "").strip()
