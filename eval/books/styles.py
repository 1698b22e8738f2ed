"""The look of a coding book's cells, by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mi_llm import sheets

if TYPE_CHECKING:
    from openpyxl.cell.cell import Cell, MergedCell
    from openpyxl.styles import NamedStyle
    from openpyxl.workbook import Workbook
    from openpyxl.worksheet.worksheet import Worksheet

RED = "F8B4B4"  # behind what cannot be

# Each: fill, horizontal, vertical, size, bold, colour, locked, lines around it.
_LOOKS: dict[str, tuple[str, str, str, int, bool, str, bool, bool]] = {
    "title": ("", "left", "center", 16, True, sheets.DARK, True, False),
    "heading": ("", "left", "bottom", 12, True, sheets.DARK, True, False),
    "strong": ("", "left", "center", 10, True, "000000", True, False),
    "link": ("", "left", "center", 10, False, "0563C1", True, False),
    "status": ("", "center", "center", 10, False, "000000", True, True),
    "status link": ("", "center", "center", 10, True, "0563C1", True, True),
    "label": ("E8EDF5", "left", "center", 10, True, sheets.DARK, True, True),
    "words": (sheets.FILL_IN, "left", "top", 10, False, "000000", False, True),
    "given": (sheets.PALE, "left", "top", 10, False, "000000", True, True),
    "score": (sheets.FILL_IN, "center", "center", 14, True, "000000", False, True),
    "total": ("E8EDF5", "center", "center", 10, True, sheets.DARK, True, True),
    "header": (sheets.DARK, "center", "center", 10, True, "FFFFFF", True, True),
    "code": (sheets.DARK, "center", "center", 9, True, "FFFFFF", True, True),
    "text": ("", "left", "top", 10, False, "000000", True, True),
    "centred": ("", "center", "top", 10, False, "000000", True, True),
    "volley": ("", "center", "top", 10, True, sheets.DARK, True, True),
    "client": ("E7E7E7", "left", "top", 10, False, "404040", True, True),
    "client centred": ("E7E7E7", "center", "top", 10, False, "404040", True, True),
    "mark": (sheets.FILL_IN, "center", "center", 11, True, "000000", False, True),
    "check": ("", "left", "center", 9, False, "808080", True, True),
    "quiet": ("", "left", "top", 10, False, "404040", True, False),
}


def add_styles(book: Workbook) -> None:
    """Give a new workbook the looks that `put` names."""
    for name in _LOOKS:
        book.add_named_style(_style(name))


def put(sheet: Worksheet, place: str, value: Any, look: str) -> None:
    """Write a cell; a text is never read as a formula unless it begins with = and we wrote it.

    Args:
        sheet: Where.
        place: `D7`.
        value: None leaves it empty.
        look: One of the styles' names. `text`, `client` and `given` hold what others wrote.
    """
    write(sheet[place], value, look)


def write(cell: Cell | MergedCell, value: Any, look: str) -> None:
    """`put` for a cell that is at hand, which is faster."""
    if value is not None:
        cell.value = sheets.cell_text(value) if isinstance(value, str) else value
        if isinstance(value, str) and look in ("text", "client", "given"):
            cell.data_type = "s"
    cell.style = f"book {look}"


def join(sheet: Worksheet, cells: str, value: Any, look: str) -> None:
    """Write a value into cells of one row that are shown as one: `E2:H2`.

    Added to the list of merged cells directly: openpyxl's own way is slow, as it works out borders
    that the look already gives.
    """
    first, *others = sheet[cells][0]
    put(sheet, first.coordinate, value, look)
    for cell in others:
        cell.style = f"book {look}"
    sheet.merged_cells.add(cells)


def lead(sheet: Worksheet, place: str, to: str, address: str) -> None:
    """Make a cell lead to a place in another sheet; its look stays."""
    from openpyxl.worksheet.hyperlink import Hyperlink

    sheet[place].hyperlink = Hyperlink(ref=place, location=f"'{to}'!{address}")


def fit(sheet: Worksheet, number: int, texts: Sequence[tuple[str, float]]) -> None:
    """Make a row high enough; a text without Chinese takes less room than its letters' number."""
    wider = ((text, width if _has_wide(text) else 1.2 * width) for text, width in texts)
    sheets.fit_height(sheet, number, list(wider))


def _has_wide(text: str) -> bool:
    return any(ord(one) > 0x2E80 for one in text)


def on_paper(sheet: Worksheet) -> None:
    """Print lying, one page wide, with the sheet's name and the page's number below."""
    sheets.for_paper(sheet, repeat_header=False)
    margins = sheet.page_margins
    margins.left = margins.right = 0.4  # inches
    margins.top = margins.bottom = 0.5
    margins.header = margins.footer = 0.25
    assert sheet.oddFooter is not None
    sheet.oddFooter.center.text = "&A    &P / &N"


def paint(sheet: Worksheet, cells: str, formula: str, *, colour: str, fill: str = "") -> None:
    """Give cells another look, text colour and fill, where a formula about the first one holds."""
    from openpyxl.formatting.rule import Rule
    from openpyxl.styles import Font, PatternFill
    from openpyxl.styles.differential import DifferentialStyle

    look = DifferentialStyle(
        font=Font(color=colour, bold=True),
        fill=PatternFill("solid", bgColor=fill) if fill else None,
    )
    rule = Rule(type="expression", dxf=look, formula=[formula])
    sheet.conditional_formatting.add(cells, rule)


def _style(name: str) -> NamedStyle:
    from openpyxl.styles import (
        Alignment,
        Border,
        Font,
        NamedStyle,
        PatternFill,
        Protection,
        Side,
    )

    fill, horizontal, vertical, size, bold, colour, locked, lines = _LOOKS[name]
    style = NamedStyle(
        f"book {name}",
        font=Font(
            name=sheets.FONT,
            size=size,
            bold=bold,
            color=colour,
            underline="single" if "link" in name else None,
        ),
        alignment=Alignment(horizontal, vertical, wrap_text=True),
        protection=Protection(locked=locked),
    )
    if fill:
        style.fill = PatternFill("solid", fgColor=fill)
    if lines:
        side = Side("thin", "BFBFBF")
        style.border = Border(side, side, side, side)
    return style
