from __future__ import annotations

import re
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import openpyxl
import pytest
from openpyxl.worksheet.worksheet import Worksheet

from mi_llm import sheets, xlsx_file
from mi_llm.errors import InputError

SHEET = "xl/worksheets/sheet1.xml"


def saved(folder: Path, fill: Callable[[Worksheet], None] = lambda sheet: None) -> Path:
    """A book of two filled cells, and whatever else is put in."""
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet["A1"], sheet["B2"] = "编号", "想戒烟"
    fill(sheet)
    book.save(folder / "b.xlsx")
    return folder / "b.xlsx"


def changed(
    path: Path, old: str, new: str, part: str = SHEET, how: int = zipfile.ZIP_DEFLATED
) -> Path:
    """The same book with a text of one part replaced, as other programs might write it."""
    with zipfile.ZipFile(path) as packed:
        parts = {name: packed.read(name) for name in packed.namelist()}
    assert old.encode() in parts[part]
    parts[part] = parts[part].replace(old.encode(), new.encode(), 1)
    with zipfile.ZipFile(path, "w", how) as packed:
        for name, data in parts.items():
            packed.writestr(name, data)
    return path


def refusal(path: Path) -> str:
    """Why a book is not read, which must be known at once and without much memory."""
    began = time.process_time()
    tracemalloc.start()
    with pytest.raises(InputError) as refused:
        xlsx_file.load(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.process_time() - began < 10  # tracing alone takes several times as long as reading
    assert peak < 250e6
    message = str(refused.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


def test_what_is_filled_is_read_and_far_blank_cells_are_not_walked_to(tmp_path: Path):
    def reach(sheet: Worksheet) -> None:
        sheet["XFD1048576"].font = openpyxl.styles.Font(bold=True)
        sheet["XFD1"].value = None

    path = saved(tmp_path, reach)
    with zipfile.ZipFile(path) as packed:
        assert b'r="XFD1048576"' in packed.read(SHEET)
    assert list(xlsx_file.rows(path)) == [("Sheet", [("编号", None), (None, "想戒烟")])]


@pytest.mark.parametrize("cell", ["XFD1048576", "A1048576:B1048576", "ALL10000"])
def test_a_filled_cell_far_out_is_named(tmp_path: Path, cell: str):
    last = cell.split(":")[-1]
    path = saved(tmp_path, lambda sheet: sheet.__setitem__(last, 1))
    assert refusal(path) == (
        f"sheet Sheet reaches to cell {last}, too far to be read; "
        "delete what stands far from the table"
    )


@pytest.mark.parametrize(
    ("new", "why"),
    [
        ('</sheetData><mergeCells count="1"><mergeCell ref="A3:XFD1048576"/></mergeCells>', "merg"),
        (
            '</sheetData><x:mergeCells xmlns:x="http://schemas.openxmlformats.org/spreadsheetml/'
            '2006/main"><x:mergeCell ref="A:XFD"/></x:mergeCells>',
            "merged",
        ),
        ('</sheetData><hyperlinks><hyperlink ref="A1:Z90000" location="x"/></hyperlinks>', "links"),
        ("".join(f'<row r="{n}"/>' for n in range(3, 120_000)) + "</sheetData>", "119,999 rows"),
        ("<row>" + "<c/>" * 2_000_000 + "</row></sheetData>", "too large a workbook"),
        (" " * (49 << 20) + "</sheetData>", "49 MB in"),
    ],
    ids=["merged", "merged, named otherwise", "a link", "rows", "cells", "unpacked size"],
)
def test_what_would_take_minutes_or_all_memory_is_refused(tmp_path: Path, new: str, why: str):
    message = refusal(changed(saved(tmp_path), "</sheetData>", new))
    assert message.startswith("too large a workbook to be read (")
    assert why in message


def test_an_entity_that_stands_for_much_is_refused(tmp_path: Path):
    many = "".join(f'<!ENTITY {n} "{f"&{b};" * 10}">' for b, n in pairwise("abcde"))
    kind = f'<!DOCTYPE worksheet [<!ENTITY a "x">{many}]><worksheet'
    path = changed(saved(tmp_path), "<worksheet", kind)
    assert refusal(path) == (
        f"not a workbook that can be read: {SHEET} is no plain XML; save it as .xlsx"
    )


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "file is not a zip file"),
        ("编号,决定\n".encode(), "file is not a zip file"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600), "an old .xls, or locked with a password"),
        (b"PK\x03\x04" + bytes(100), "file is not a zip file"),
    ],
)
def test_what_is_no_workbook_is_refused_with_what_it_is(tmp_path: Path, data: bytes, why: str):
    path = tmp_path / "b.xls"
    path.write_bytes(data)
    assert refusal(path) == f"not a workbook that can be read: {why}; save it as .xlsx"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('r="B2"', 'r="99999B"'),
        ("</sheetData>", '</sheetData><mergeCells><mergeCell ref="there"/></mergeCells>'),
        ("</sheetData>", f'<row r="9"><c r="A9"><v>{"9" * 5_000}</v></c></row></sheetData>'),
        ('<row r="1"', '<row r="one"'),
    ],
)
def test_whatever_a_part_does_to_the_library_ends_in_one_line(tmp_path: Path, old: str, new: str):
    assert refusal(changed(saved(tmp_path), old, new)).startswith("not a workbook that can be read")


def test_an_unusual_packing_is_refused(tmp_path: Path):
    path = changed(saved(tmp_path), "<worksheet", "<worksheet", how=zipfile.ZIP_LZMA)
    assert "is packed in an unusual way" in refusal(path)


def test_formulas_come_as_their_last_values_or_as_they_are(tmp_path: Path):
    path = saved(tmp_path, lambda sheet: sheet.__setitem__("C1", 2))
    changed(path, "<v>2</v>", "<f>1+1</f><v>2</v>")
    assert xlsx_file.load(path).worksheets[0]["C1"].value == 2
    assert xlsx_file.load(path, formulas=True).worksheets[0]["C1"].value == "=1+1"


def test_a_book_that_could_not_be_read_back_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(xlsx_file, "_MOST_ROWS", 3)
    book = openpyxl.Workbook()
    for _ in range(4):
        book.worksheets[0].append(["x"])
    with pytest.raises(InputError, match=re.escape("too large a workbook to be read (4 rows)")):
        sheets.save(book, tmp_path / "b.xlsx")
    assert list(tmp_path.iterdir()) == []
