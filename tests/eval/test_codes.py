"""Coding books read back: every fault is named by book, sheet and cell, and all at once."""

from __future__ import annotations

import json
import shutil

import openpyxl
import pytest

from mi_llm.coding import Session, read_codings
from mi_llm.miti import Code, Globals
from tests.eval.coding_books import FIRST, NOTHING, THREE, change, fill, make, rows, run, volleys

Q, SR, CR = Code("Q"), Code("SR"), Code("CR")


def coded(rater, counts):
    """A legal session for each transcript: the first volley has Q and CR, the others nothing."""
    return [
        Session(
            name, rater, (frozenset({Q, CR}), *[NOTHING] * (n - 1)), Globals(3, 4, 4, 5), "戒烟"
        )
        for name, n in counts.items()
    ]


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """Both raters' books, complete and without a fault."""
    folder = tmp_path_factory.mktemp("filled") / "books"
    for path, rater in zip(make(folder), ("R1", "R2"), strict=True):
        fill(path, coded(rater, volleys(path)))
    return folder


@pytest.fixture
def books(filled, tmp_path):
    """A copy of them to spoil."""
    shutil.copytree(filled, tmp_path / "books")
    return tmp_path / "books"


def first_row(path, sheet):
    return rows(openpyxl.load_workbook(path)[sheet])[0]


def client_row(path, sheet):
    page = openpyxl.load_workbook(path)[sheet]
    return next(row for row in range(FIRST, page.max_row + 1) if not page[f"C{row}"].value)


def told(books, *words):
    """What `codes` says about the two books, without the folder; nothing may be written."""
    done = run("codes", *sorted(books.glob("*.xlsx")), "-o", books.parent / "codes", *words)
    assert done.exit_code == 1, done.output
    assert not (books.parent / "codes").exists()
    *lines, last = done.output.replace(f"{books}/", "").splitlines()
    assert last.startswith(f"{len(lines)} faults")
    return lines


def test_complete_books_become_the_codes_that_were_put_in(books):
    paths = sorted(books.glob("*.xlsx"))
    done = run("codes", *paths, "-o", books.parent / "codes", "--key", books / "key.json")
    assert done.exit_code == 0, done.output
    assert done.output.endswith(
        "codes: 6 of 6 sessions complete, from 2 books; 0 of 12 volleys uncoded\n"
    )
    expected = [*coded("R1", volleys(paths[0])), *coded("R2", volleys(paths[1]))]
    found = read_codings(books.parent / "codes")
    assert found == sorted(expected, key=lambda one: (one.transcript, one.rater))
    stamp = json.loads((books.parent / "codes.stamp.json").read_text("utf-8"))
    assert set(stamp["inputs"]) == {*map(str, paths), str(books / "key.json")}


@pytest.mark.parametrize("mark", [1, 1.0, "1", " 1 ", "１", "1.0"])
def test_a_one_is_a_one_however_a_program_writes_it(books, mark):
    row = first_row(books / "miti_R1.xlsx", "T01")
    change(books / "miti_R1.xlsx", "T01", **{f"K{row}": mark, "I2": "４", "N2": 4.0})
    done = run("codes", books / "miti_R1.xlsx", "-o", books.parent / "codes")
    assert done.exit_code == 0, done.output
    session = read_codings(books.parent / "codes")[0]
    assert session.volleys[0] == {Q, CR, Code("AF")}
    assert session.globals == Globals(4, 4, 4, 5)


@pytest.mark.parametrize("mark", ["√", "x", 2, 0, "是", True, 0.5, "11"])
def test_a_mark_that_is_not_clearly_one_is_named(books, mark):
    row = first_row(books / "miti_R1.xlsx", "T02")
    change(books / "miti_R1.xlsx", "T02", **{f"K{row}": mark})
    assert told(books) == [
        f"miti_R1.xlsx: sheet T02, K{row}: unknown mark {str(mark)!r} for AF; "
        "write 1 or leave blank"
    ]


# What is written into a page: into the first volley's row (letters alone) or a certain cell.
@pytest.mark.parametrize(
    ("cells", "faults"),
    [
        ({"I": 1}, ["I{row} and J{row}: SR and CR in volley 1; only one can be"]),
        ({"F": 1, "G": 1}, ["F{row} and G{row}: P and PwP in volley 1; only one can be"]),
        ({"O": 1}, ["O{row}: NC with Q, CR in volley 1"]),
        ({"H": None, "J": None}, ["E{row}:O{row}: volley 1 is not coded"]),
        ({"H": " ", "J": None}, ["E{row}:O{row}: volley 1 is not coded"]),
        ({"D": "改过的话"}, ["D{row}: the text of turn {turn} was changed; restore it"]),
        ({"A": "x"}, ["A{row}: 'x' is no turn of T01, which has {turns}",
                      "H{row}: '1' in a row that takes no code; delete it",
                      "J{row}: '1' in a row that takes no code; delete it",
                      "column A: turn {turn} is missing; undo deleting rows"]),
        ({"I2": None}, ["I2: no rating of cultivate"]),
        ({"N3": ""}, ["N3: no rating of empathy"]),
        ({"N2": 6}, ["N2: soften is '6'; a rating is a whole number from 1 to 5"]),
        ({"I3": 3.5}, ["I3: partnership is '3.5'; a rating is a whole number from 1 to 5"]),
        ({"D2": None}, ["D2: no target behaviour (write 无 if the session has none)"]),
        ({"D2": "无"}, ["I2: cultivate is rated, but there is no target behaviour; leave it blank",
                       "N2: soften is rated, but there is no target behaviour; leave it blank"]),
        ({"J5": "别的"}, ["row 5: the columns GI to NC are not where they were; "
                        "undo adding or deleting rows, columns"]),
    ],
)  # fmt: skip
def test_each_fault_of_a_page_is_named_by_its_cell(books, cells, faults):
    path = books / "miti_R2.xlsx"
    row = first_row(path, "T01")
    page = openpyxl.load_workbook(path)["T01"]
    turn, turns = page[f"A{row}"].value, page.max_row - FIRST + 1
    change(path, "T01", **{name if name[-1].isdigit() else f"{name}{row}": value
                           for name, value in cells.items()})  # fmt: skip
    expected = [one.format(row=row, turn=turn, turns=turns) for one in faults]
    assert told(books) == [f"miti_R2.xlsx: sheet T01, {one}" for one in expected]


def test_a_mark_in_a_client_row_is_named(books):
    path = books / "miti_R1.xlsx"
    row = client_row(path, "T03")
    change(path, "T03", **{f"H{row}": 1})
    assert told(books) == [
        f"miti_R1.xlsx: sheet T03, H{row}: '1' in a row that takes no code; delete it"
    ]


def test_all_faults_of_all_books_are_told_at_once(books):
    one, two = books / "miti_R1.xlsx", books / "miti_R2.xlsx"
    change(one, "T01", I2=None)
    change(one, "T02", I2=9)
    change(two, "T03", D2=None)
    assert told(books) == [
        "miti_R1.xlsx: sheet T02, I2: cultivate is '9'; a rating is a whole number from 1 to 5",
        "miti_R1.xlsx: sheet T01, I2: no rating of cultivate",
        "miti_R2.xlsx: sheet T03, D2: no target behaviour (write 无 if the session has none)",
    ]


def edit(path, what):
    workbook = openpyxl.load_workbook(path)
    what(workbook)
    workbook.save(path)


def test_a_deleted_a_renamed_and_a_copied_sheet_are_named(books):
    edit(books / "miti_R1.xlsx", lambda book: book.remove(book["T02"]))
    edit(books / "miti_R2.xlsx", lambda book: setattr(book["T03"], "title", "第三段"))
    assert told(books) == [
        "miti_R1.xlsx: no sheet T02; was it deleted or renamed?",
        "miti_R2.xlsx: sheet 第三段: a page of another name; name it as it was, or delete the copy",
        "miti_R2.xlsx: no sheet T03; was it deleted or renamed?",
    ]


def test_a_copied_page_is_named_and_a_sheet_of_ones_own_is_let_be(books):
    edit(books / "miti_R1.xlsx", lambda book: book.create_sheet("草稿"))
    edit(books / "miti_R2.xlsx", lambda book: book.copy_worksheet(book["T01"]))
    assert told(books) == [
        "miti_R2.xlsx: sheet T01 Copy: a page of another name; "
        "name it as it was, or delete the copy"
    ]


def test_a_deleted_and_a_doubled_row_are_named(books):
    def spoil(book):
        page = book["T01"]
        row = rows(page)[0]
        page.delete_rows(row)
        page.append([1, "来访者", None, "再来一句"])

    path = books / "miti_R1.xlsx"
    turn = openpyxl.load_workbook(path)["T01"][f"A{first_row(path, 'T01')}"].value
    assert turn == 2
    edit(path, spoil)
    lines = told(books)
    assert "miti_R1.xlsx: sheet T01, column A: turn 2 is missing; undo deleting rows" in lines
    assert any("turn 1 comes twice; delete the copy" in line for line in lines)


def test_a_book_that_is_none_is_named_and_the_others_are_read(books):
    openpyxl.Workbook().save(books / "a.xlsx")
    (books / "b.xlsx").write_text("PK broken", encoding="utf-8")
    change(books / "miti_R1.xlsx", "T01", I2=None)
    lines = told(books)
    assert lines[0] == "a.xlsx: no sheet _book; is it a coding book, saved as .xlsx?"
    assert lines[1].startswith("b.xlsx: not a workbook that can be read")
    assert lines[2:] == ["miti_R1.xlsx: sheet T01, I2: no rating of cultivate"]


def test_one_rater_twice_is_named(books):
    shutil.copy(books / "miti_R1.xlsx", books / "miti_R1_again.xlsx")
    (books / "miti_R2.xlsx").unlink()
    lines = told(books)
    assert [line.replace(str(books) + "/", "") for line in lines] == [
        "miti_R1_again.xlsx: rater R1 has miti_R1.xlsx too; give one"
    ]


def test_books_of_other_transcripts_or_another_key_are_named(books, tmp_path):
    (other,) = make(tmp_path / "other", THREE[:2], seed=8, raters="R3")
    fill(other, coded("R3", volleys(other)))
    shutil.copy(other, books / "miti_R3.xlsx")
    assert told(books) == [
        "miti_R3.xlsx: belongs to another key than miti_R1.xlsx",
        "miti_R3.xlsx: not the same transcripts as miti_R1.xlsx: T03",
    ]


def test_a_book_of_another_key_is_named_though_it_is_alone(books, tmp_path):
    make(tmp_path / "other", THREE, seed=8)
    key = tmp_path / "other/key.json"
    assert told(books, "--key", key) == [
        f"miti_R{n}.xlsx: belongs to another key than {key}" for n in (1, 2)
    ]


def test_a_key_that_does_not_hold_the_books_transcripts_is_named(books):
    key = json.loads((books / "key.json").read_text("utf-8"))
    del key["items"]["T03"]
    (books / "key.json").write_text(json.dumps(key), encoding="utf-8")
    lines = told(books, "--key", books / "key.json")
    assert lines == [f"miti_R{n}.xlsx: not the transcripts of key.json: T03" for n in (1, 2)]


@pytest.mark.parametrize("cells", [{"B1": "9"}, {"B3": None}, {"B4": ""}, {"B5": "cl:00 x"}])
def test_a_changed_hidden_sheet_is_named(books, cells):
    change(books / "miti_R1.xlsx", "_book", **cells)
    assert told(books) == [
        "miti_R1.xlsx: sheet _book was changed; ask the rater for the book itself"
    ]


def test_a_file_that_is_no_key_is_refused(books):
    (books / "no.json").write_text("{}", encoding="utf-8")
    done = run("codes", books / "miti_R1.xlsx", "-o", books / "out", "--key", books / "no.json")
    assert "no key; give the key.json" in str(done.exception)


def test_a_session_without_a_behaviour_to_change_has_two_globals(books):
    path = books / "miti_R1.xlsx"
    change(path, "T01", D2="无", I2=None, N2=None)
    done = run("codes", path, "-o", books.parent / "codes")
    assert done.exit_code == 0, done.output
    session = read_codings(books.parent / "codes")[0]
    assert (session.target_behaviour, session.globals) == ("", Globals(None, None, 4, 5))


def test_a_draft_is_read_with_partial_and_what_is_missing_is_said(books):
    path = books / "miti_R1.xlsx"
    row = first_row(path, "T01")
    change(path, "T01", **{f"H{row}": None, f"J{row}": None, "N3": None, "D2": None})
    done = run("codes", path, "-o", books.parent / "codes", "--partial")
    assert done.exit_code == 0, done.output
    assert done.output.replace(f"{books.parent}/", "").splitlines() == [
        "missing: books/miti_R1.xlsx: sheet T01, D2: no target behaviour "
        "(write 无 if the session has none)",
        "missing: books/miti_R1.xlsx: sheet T01, N3: no rating of empathy",
        f"missing: books/miti_R1.xlsx: sheet T01, E{row}:O{row}: volley 1 is not coded",
        "codes: 2 of 3 sessions complete, from 1 books; 1 of 6 volleys uncoded",
    ]
    draft = read_codings(books.parent / "codes")[0]
    volleys_of_it = (NOTHING,) * len(draft.volleys)
    assert draft == Session("T01", "R1", volleys_of_it, None, "", False, frozenset({1}))


def test_a_contradiction_is_a_fault_in_a_draft_too(books):
    row = first_row(books / "miti_R1.xlsx", "T01")
    change(books / "miti_R1.xlsx", "T01", **{f"I{row}": 1, "N3": None})
    assert len(told(books, "--partial")) == 1


def test_notes_are_kept_beside_the_codes(books):
    path = books / "miti_R1.xlsx"
    row = first_row(path, "T01")
    change(path, "T01", **{"D3": "录音不清", f"Q{row}": "像反映"})
    done = run("codes", path, "-o", books.parent / "codes")
    assert done.exit_code == 0, done.output
    text = (books.parent / "codes/notes.csv").read_text("utf-8-sig")
    assert text == "transcript,volley,rater,note\nT01,,R1,录音不清\nT01,1,R1,像反映\n"
