from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mi_llm.csv_file import neutral, original, records, text, whole_number
from mi_llm.errors import InputError

RUNS = ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "=cmd|' /C calc'!A0", "-", " =1+1"]
# No NUL, which is refused, and no lone surrogate, which no file can hold.
CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0")) | st.text("'=+-@\t\r\n 1a＝")


def saved(folder: Path, data: str | bytes) -> Path:
    path = folder / "t.csv"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


@pytest.mark.parametrize("cell", [*RUNS, "＝1+1", "'=1", "-1-2", "+86 138", "-x", "=A1", "\n=1"])
def test_a_text_that_a_spreadsheet_would_run_begins_with_an_apostrophe(cell: str):
    assert neutral(cell) == f"'{cell}"


@pytest.mark.parametrize(
    "cell", ["-0.5", "+3", "-1.5e-05", "戒烟", "'", "it's", "a=b", "", "1-2", "'quoted'"]
)
def test_numbers_and_other_texts_stay_as_they_are(cell: str):
    assert neutral(cell) == cell


@given(CELLS)
@example("'=1")
@example("''-x")
def test_a_text_comes_back_as_it_was(cell: str):
    assert original(neutral(cell)) == cell


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), max_size=4))
@example([["a", "\r=1"]])
def test_what_is_written_is_read_back_as_it_was(tmp_path: Path, rows: list[list[str]]):
    path = saved(tmp_path, text([["a", "b"], *rows]))
    found = [[original(row[name]) for name in "ab"] for _, row in records(path, ["a", "b"])]
    assert found == [row for row in rows if any(row)]


@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), max_size=4))
@example([["a", "\r=1"]])
def test_no_cell_written_begins_as_a_formula_unless_it_is_a_number(rows: list[list[str]]):
    for row in csv.reader(io.StringIO(text(rows).removeprefix("\ufeff"), newline="")):
        for cell in row:
            if cell.lstrip()[:1] in ("=", "+", "-", "@", "＝") and cell.lstrip() != "":
                float(cell)  # raises if it is no number


def test_what_is_no_text_is_written_as_it_is():
    assert text([["a", "b"], [-1, -0.5], [None, "-1"]]) == "\ufeffa,b\n-1,-0.5\n,-1\n"
    assert text([["a"]], mark=False) == "a\n"


def test_rows_come_with_their_lines_and_blank_ones_are_skipped(tmp_path: Path):
    path = saved(tmp_path, '\ufeff id ,note\nT01,"two\nlines"\n,\n\nT02,\n')
    found = [(3, {"id": "T01", "note": "two\nlines"}), (6, {"id": "T02", "note": ""})]
    assert list(records(path, ["id"])) == found


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", ":1: no column id; expected id"),
        ("note\nx\n", ":1: no column id; expected id"),
        ("id,id\nx,y\n", ":1: column 'id' comes twice"),
        ("id,b\nx\n", ":2: 1 cells for 2 columns; is the file whole?"),
        ("id,b\nx,y,z\n", ":2: 3 cells for 2 columns; is the file whole?"),
        ('id\n"x\n', ":2: not CSV that can be read: unexpected end of data; is the file whole?"),
        ('id\n"x"y\n', ":2: not CSV that can be read: ',' expected after '\"'; is the file"),
        ("id\n" + "x" * 131_073, ":2: not CSV that can be read: field larger than field limit"),
        ('id\n"' + "x\n" * 70_000, ":65538: not CSV that can be read: field larger than field"),
        ("id\nx\0\n", ": holds NUL characters; save it as CSV in UTF-8"),
        ("id\n睡眠\n".encode("gb18030"), ": not UTF-8"),
        ("id\n" + "x" * (5 << 20), ": a line is over 4 MB; is it a CSV file?"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_in_one_line(
    tmp_path: Path, data: str | bytes, message: str
):
    path = saved(tmp_path, data)
    with pytest.raises(InputError) as refused:
        list(records(path, ["id"]))
    assert str(refused.value).startswith(f"{path}{message}")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("0", 0),
        ("007", 7),
        ("999999999", 999_999_999),
        ("0" * 5_000 + "1", None),
        ("9" * 5_000, None),
        ("1000000000", None),
        *((said, None) for said in ("", "-1", "1.0", "١", "²", " 1", "1e3", "一")),
    ],
)
def test_a_whole_number_is_written_in_a_few_plain_digits(said: str, number: int | None):
    assert whole_number(said) == number
