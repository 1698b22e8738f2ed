"""Workbooks for people: text that stays text, and what comes back from a cell."""

from __future__ import annotations

import zipfile

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_llm import sheets
from mi_llm.errors import InputError
from mi_llm.sheets import Column

COLUMNS = (Column("原文", 20), Column("修改", 20, fill_in=True))


def written(path, *texts):
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheets.header(sheet, COLUMNS, freeze="A2")
    for number, text in enumerate(texts, start=2):
        sheets.row(sheet, number, COLUMNS, (text, None))
    sheets.lock(sheet)
    sheets.save(book, path)
    return sheets.load(path).worksheets[0]


@given(st.text(st.characters(), max_size=30))
def test_any_text_can_be_put_in_a_cell_and_cleaning_it_twice_changes_nothing(text):
    cleaned = sheets.cell_text(text)
    cell = openpyxl.Workbook().worksheets[0].cell(1, 1)
    cell.value = cleaned  # openpyxl refuses what XML cannot hold
    assert sheets.cell_text(cleaned) == cleaned


def test_a_text_comes_back_as_it_was_even_if_it_looks_like_a_formula_or_has_lines(tmp_path):
    texts = ("=SUM(A1)", "一行\n两行", "  有空格  ", "-1", "\x07响铃\r\n换行")
    sheet = written(tmp_path / "b.xlsx", *texts)
    found = [row[0].value for row in sheet.iter_rows(min_row=2)]
    assert found == ["=SUM(A1)", "一行\n两行", "  有空格  ", "-1", "响铃\n换行"]


def test_only_what_is_to_be_filled_in_is_unlocked(tmp_path):
    sheet = written(tmp_path / "b.xlsx", "原文")
    assert sheet.protection.sheet
    assert [cell.protection.locked for cell in sheet[2]] == [True, False]


def test_a_row_is_as_high_as_its_longest_text_needs(tmp_path):
    # 27 Chinese characters are 54 wide, a column of 20 holds 18 a line: 3 lines of 15, and 5.
    sheet = written(tmp_path / "b.xlsx", "字" * 27, "短")
    assert [sheet.row_dimensions[number].height for number in (2, 3)] == [50, 20]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (3, "3"),
        (3.0, "3"),
        (2.5, "2.5"),
        (" 保留\u3000", "保留"),
        ("a_x000D_\nb", "a\nb"),
    ],
)
def test_what_a_person_wrote_is_read_as_text(value, text):
    assert sheets.said(value) == text


def test_a_renamed_column_is_named(tmp_path):
    path = tmp_path / "b.xlsx"
    sheet = written(path, "原文")
    assert sheets.columns_by_title(path, sheet, ["修改", "原文"]) == {"修改": 2, "原文": 1}
    with pytest.raises(InputError, match=r"b\.xlsx: sheet Sheet: no column 决定 in row 1"):
        sheets.columns_by_title(path, sheet, ["决定"])


def test_what_is_no_workbook_is_refused_and_an_existing_one_is_not_replaced(tmp_path):
    path = tmp_path / "b.xlsx"
    path.write_text("id,决定\n")
    with pytest.raises(InputError, match="not a workbook that can be read"):
        sheets.load(path)
    with pytest.raises(InputError, match="--overwrite"):
        sheets.save(openpyxl.Workbook(), path)
    with pytest.raises(InputError, match="no such file"):
        sheets.load(tmp_path / "none.xlsx")


def test_an_anonymous_book_does_not_say_who_made_it_and_when_and_is_always_the_same(tmp_path):
    parts = []
    for name in ("one.xlsx", "two.xlsx"):
        book = openpyxl.Workbook()
        book.worksheets[0]["A1"] = "原文"
        book.properties.creator = "somebody"
        sheets.save(book, tmp_path / name, anonymous=True)
        parts.append((tmp_path / name).read_bytes())
    assert parts[0] == parts[1]
    with zipfile.ZipFile(tmp_path / "one.xlsx") as packed:
        core = packed.read("docProps/core.xml").decode()
    assert "somebody" not in core
    assert "creator" not in core
    assert core.count(">1980-01-01T00:00:00Z<") == 2
    assert sheets.load(tmp_path / "one.xlsx").worksheets[0]["A1"].value == "原文"
