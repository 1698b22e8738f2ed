"""What people entered in workbooks: moved aside whole before anything replaces it."""

from __future__ import annotations

import re
from pathlib import Path

import openpyxl
import pytest
from openpyxl.chart import BarChart
from openpyxl.comments import Comment
from openpyxl.styles import PatternFill

from mi_llm import entries, files, sheets, stamp
from mi_llm.errors import InputError
from mi_llm.sheets import Column

COLUMNS = (Column("原文", 20), Column("决定", 20, fill_in=True), Column("备注", 20, fill_in=True))
NAME = re.compile(r"books\.replaced-\d{4}-\d\d-\d\dT\d\d-\d\d")


def workbook():
    """A book with a text, a name that is filled in already, and a formula of its own."""
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheets.header(sheet, COLUMNS, freeze="A2")
    sheets.row(sheet, 2, COLUMNS, ("我想少抽烟。", None, "甲"))
    sheet["D2"] = "=COUNTA(B2:B2)"
    return book


def folder_of_books(folder):
    with files.whole_folder(folder) as draft:
        sheets.save(workbook(), draft / "one.xlsx", anonymous=True)
        sheets.save(workbook(), draft / "two.xlsx")
        (draft / "key.json").write_text('{"salt": "s"}')
    return folder


def edit(path, change):
    book = openpyxl.load_workbook(path)
    change(book)
    book.save(path)


def setting(cell, value):
    return lambda book: setattr(book.worksheets[0][cell], "value", value)


def replace(folder):
    with files.whole_folder(folder, overwrite=True) as draft:
        (draft / "key.json").write_text("new")


YELLOW = PatternFill("solid", fgColor="FFFF00")
WAYS = {
    "a decision": setting("B2", "保留"),
    "a zero": setting("B2", 0),
    "a formula": setting("B2", "=1"),
    "another name than the one filled in": setting("C2", "乙"),
    "a name taken out": setting("C2", None),
    "a text in a locked cell": setting("A2", "我想少喝酒。"),
    "a value over a formula of the book": setting("D2", 3),
    "far below": setting("A900", "备忘"),
    "a sheet of one's own": lambda book: book.create_sheet("草稿").append(["想法"]),
    "a colour": lambda book: setattr(book.worksheets[0]["B2"], "fill", YELLOW),
    "a drawing": lambda book: book.worksheets[0].add_chart(BarChart(), "E5"),
    "a comment": lambda book: setattr(book.worksheets[0]["A2"], "comment", Comment("像反映", "甲")),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_folder_with_anything_entered_moves_aside_whole_and_is_named(tmp_path, capsys, way):
    books = folder_of_books(tmp_path / "books")
    edit(books / "two.xlsx", WAYS[way])
    before = {one.name: one.read_bytes() for one in books.iterdir()}
    replace(books)
    (aside,) = entries.moved_aside(books)
    assert NAME.fullmatch(aside.name)
    assert {one.name: one.read_bytes() for one in aside.iterdir()} == before
    assert [one.name for one in books.iterdir()] == ["key.json"]
    told = f"{books}: holds what people filled in; moved aside to {aside}\n"
    assert capsys.readouterr().err == told


def test_untouched_books_are_replaced_though_a_program_saved_them_again(tmp_path, capsys):
    books = folder_of_books(tmp_path / "books")
    for path in books.glob("*.xlsx"):
        edit(path, lambda book: book.worksheets[0].column_dimensions["A"].__setattr__("width", 50))
    replace(books)
    assert [one.name for one in tmp_path.iterdir()] == ["books"]
    assert capsys.readouterr().err == ""


def lose_the_note(book):
    del book.custom_doc_props["content as written"]


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("one.xlsx", lambda path: path.write_bytes(path.read_bytes()[:-30])),
        ("one.xlsx", lambda path: path.write_bytes(b"")),
        ("one.xlsx", lambda path: edit(path, lose_the_note)),
        ("~$one.xlsx", lambda path: path.write_bytes(b"\x01R")),
        (".~lock.one.xlsx#", lambda path: path.write_text("R,pc")),
        ("one.ods", lambda path: path.write_bytes(b"PK")),
        ("one.xls", lambda path: path.write_bytes(b"\xd0\xcf")),
        ("one.csv", lambda path: path.write_text("1,2")),
        ("sub/one.XLSX", lambda path: path.write_bytes(b"PK")),
    ],
)
def test_what_cannot_be_read_is_open_or_is_another_programs_counts_as_filled_in(
    tmp_path, name, spoil
):
    books = folder_of_books(tmp_path / "books")
    (books / name).parent.mkdir(exist_ok=True)
    spoil(books / name)
    kept = (books / name).read_bytes()
    replace(books)
    (aside,) = entries.moved_aside(books)
    assert (aside / name).read_bytes() == kept


def test_a_second_time_in_the_same_minute_takes_another_name(tmp_path):
    for _ in range(3):
        books = folder_of_books(tmp_path / "books")
        edit(books / "one.xlsx", WAYS["a decision"])
        replace(books)
        (books / "key.json").unlink()
    asides = entries.moved_aside(books)
    assert len(asides) == 3
    assert len({(one / "one.xlsx").stat().st_ino for one in asides}) == 3


@pytest.mark.parametrize("writer", ["a workbook", "a text"])
def test_a_single_book_moves_into_a_folder_of_that_name(tmp_path, writer):
    path = tmp_path / "third.xlsx"
    sheets.save(workbook(), path)
    edit(path, WAYS["a decision"])
    kept = path.read_bytes()
    if writer == "a workbook":
        sheets.save(workbook(), path, overwrite=True)
    else:
        with files.whole(path, overwrite=True) as stream:
            stream.write("no workbook")
    (aside,) = entries.moved_aside(path)
    assert (aside / "third.xlsx").read_bytes() == kept
    assert path.read_bytes() != kept
    assert entries.books_at([tmp_path]) == ([path], [])


def test_a_book_that_is_not_there_is_wrong_use_and_no_fault_of_a_rater(tmp_path):
    with pytest.raises(InputError, match=r"miti_R3\.xlsx: no such file or directory"):
        entries.books_at([tmp_path, tmp_path / "miti_R3.xlsx"])


def test_folders_and_files_without_workbooks_are_replaced_as_ever(tmp_path):
    for name in ("codes", "codes"):
        with files.whole_folder(tmp_path / name, overwrite=True) as draft:
            (draft / "codes.csv").write_text("transcript\n")
    assert [one.name for one in tmp_path.iterdir()] == ["codes"]


def stamped_codes(folder, *names):
    with stamp.stamped_folder(folder, inputs=[], overwrite=True) as (draft, _):
        for name in names:
            (draft / name).write_text(name)


@pytest.mark.parametrize("name", ["thesis.docx", "deep/er/data.sav", "codes.txt", ".notes"])
@pytest.mark.parametrize("written", [False, True])
def test_files_that_were_not_written_with_a_folder_outlive_it(tmp_path, capsys, name, written):
    folder = tmp_path / "study"
    if written:
        stamped_codes(folder, "codes.csv", "notes.csv")
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("years of work")
    stamped_codes(folder, "codes.csv")
    (aside,) = entries.moved_aside(folder)
    assert (aside / name).read_text() == "years of work"
    assert (aside / "codes.csv").exists() == written
    assert [one.name for one in folder.iterdir()] == ["codes.csv"]
    told = f"{folder}: holds files that would be lost ({name}); moved aside to {aside}\n"
    assert capsys.readouterr().err == told


def test_what_a_command_wrote_into_a_folder_and_file_managers_left_goes_with_it(tmp_path):
    folder = tmp_path / "codes"
    stamped_codes(folder, "codes.csv", "notes.csv")
    (folder / ".DS_Store").touch()
    stamped_codes(folder, "codes.csv")
    assert [one.name for one in folder.iterdir()] == ["codes.csv"]
    assert entries.moved_aside(folder) == []


@pytest.mark.parametrize("name", [".", "..", "../study"])
def test_the_folder_that_one_works_in_is_never_replaced(tmp_path, monkeypatch, name):
    (tmp_path / "study").mkdir()
    (tmp_path / "study/thesis.docx").touch()
    monkeypatch.chdir(tmp_path / "study")
    with pytest.raises(InputError, match="holds the folder that you work in; name one of its own"):
        stamped_codes(Path(name), "codes.csv")
    assert (tmp_path / "study/thesis.docx").exists()
