"""Coding books: what a rater sees, may type and is told, and what comes back from LibreOffice."""

from __future__ import annotations

import json
import shutil
import time

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.books.book_set import read_books
from eval.books.layout import rows as page_rows
from eval.books.text import texts
from mi_llm.coding import NOTHING_TO_CODE, Session
from mi_llm.dialogue import Turn
from mi_llm.errors import InputError
from mi_llm.miti import Code, Globals, volley_codes
from tests.eval.coding_books import (
    FIRST,
    LETTERS,
    PLACES,
    THREE,
    change,
    fill,
    make,
    rows,
    run,
    transcript,
    volleys,
    write,
)

legal = st.lists(st.none() | st.sampled_from(Code), max_size=5).map(volley_codes)
ratings = st.integers(1, 5)


@pytest.fixture(scope="module")
def blank(tmp_path_factory):
    """The two books of three transcripts."""
    return make(tmp_path_factory.mktemp("blank") / "books")


def test_a_book_has_instructions_progress_and_a_page_for_each_transcript_in_the_raters_order(blank):
    names = [openpyxl.load_workbook(path).sheetnames for path in blank]
    assert [one[:2] for one in names] == [["说明", "进度"]] * 2
    assert [sorted(one[2:5]) for one in names] == [["T01", "T02", "T03"]] * 2
    assert [one[5:] for one in names] == [["_book", "_texts"]] * 2
    hidden = [openpyxl.load_workbook(path)[name] for path in blank for name in ("_book", "_texts")]
    assert {sheet.sheet_state for sheet in hidden} == {"hidden"}


def test_a_page_numbers_turns_and_volleys_and_shows_texts_as_they_are(blank):
    book = openpyxl.load_workbook(blank[0])
    found = {
        tuple(
            tuple(book[name].cell(row, column).value for column in range(1, 5))
            for row in range(FIRST, book[name].max_row + 1)
        )
        for name in ("T01", "T02", "T03")
    }
    assert found == {
        ((1, "来访者", None, "我想少抽烟。"), (2, "咨询师", 1, "你在盘算改变了。"),
         (3, "来访者", None, "嗯。"), (4, "咨询师", 2, "想过怎么做吗？"),
         (5, "来访者", None, "没有。"), (6, "咨询师", 3, "由你定。")),
        ((1, "咨询师", 1, "你好，请坐。"), (2, "来访者", None, "我睡不着。"),
         (3, "咨询师", 2, "多久了？")),
        ((1, "来访者", None, "=1+1"), (2, "咨询师", 1, "听起来很难。\n\n再说说？"),
         (3, "来访者", None, "好。")),
    }  # fmt: skip
    types = {cell.data_type for name in ("T01", "T02", "T03") for cell in book[name]["D"][5:]}
    assert types == {"s"}  # a text that begins with = is no formula


def test_nothing_that_others_wrote_is_a_formula_in_a_book(tmp_path):
    wrote = ["=1+1", "+2", "@SUM(A1)", "-3"]
    facts = {"target_behaviour": '=HYPERLINK("http://x")', "topic": "=t", "note": "=n"}
    (path,) = make(tmp_path / "b", [transcript("=a/1", *wrote, **facts)], raters="R1")
    cells = [
        cell
        for sheet in openpyxl.load_workbook(path).worksheets
        for row in sheet.iter_rows()
        for cell in row
    ]
    shown = {
        cell.value: cell.data_type for cell in cells if cell.value in {*wrote, *facts.values()}
    }
    assert shown == dict.fromkeys([*wrote, facts["target_behaviour"]], "s")
    formulas = [str(cell.value) for cell in cells if cell.data_type == "f"]
    assert len(formulas) > 10
    assert not [one for one in formulas if "HYPERLINK" in one or one in {*wrote, "=t", "=n"}]


def test_only_the_cells_to_fill_in_are_open_and_there_is_no_password(blank):
    for sheet in openpyxl.load_workbook(blank[0]).worksheets:
        assert sheet.protection.sheet
        assert sheet.protection.password is None
        unlocked = {
            cell.coordinate
            for row in sheet.iter_rows()
            for cell in row
            if not cell.protection.locked
        }
        if sheet.title[0] != "T":
            assert unlocked == set()
        else:
            marks = {f"{column}{row}" for row in rows(sheet) for column in "EFGHIJKLMNOQ"}
            assert unlocked == {"D2", "D3", *PLACES.values(), *marks}


def test_a_mark_is_1_or_blank_and_a_rating_comes_from_a_list(blank):
    sheet = openpyxl.load_workbook(blank[0])["T01"]
    rules = {
        str(one.sqref): (
            one.type,
            one.formula1,
            one.formula2,
            one.allow_blank,
            one.showErrorMessage,
        )
        for one in sheet.data_validations.dataValidation
    }
    last = sheet.max_row
    choice = ("list", '"1,2,3,4,5"', None, True, True)
    assert rules == {
        f"E{FIRST}:O{last}": ("whole", "1", "1", True, True),
        **dict.fromkeys(PLACES.values(), choice),
    }


def test_client_rows_are_grey_in_every_column(blank):
    sheet = openpyxl.load_workbook(blank[0])["T01"]
    for row in range(FIRST, sheet.max_row + 1):
        colours = {sheet.cell(row, column).fill.fgColor.rgb for column in range(1, 18)}
        assert (colours == {"00E7E7E7"}) is (sheet[f"C{row}"].value is None)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_instructions_name_every_code_rating_and_anchor(tmp_path, language):
    text = texts(language)
    assert list(text["codes"]) == list(Code)
    assert list(text["guide"]["codes"]) == [*Code, NOTHING_TO_CODE]
    assert list(text["globals"]) == list(PLACES)
    assert [len(one["anchors"]) for one in text["globals"].values()] == [5] * 4
    in_example = {code for row in text["guide"]["example"] for code in row[0].split(", ")}
    assert in_example == {*Code, NOTHING_TO_CODE}
    for row in text["guide"]["example"]:
        codes = [Code(code) for code in row[0].split(", ") if code != NOTHING_TO_CODE]
        assert volley_codes(codes) == set(codes)  # the example keeps the rules
    transcripts = [transcript("a/1", "嗯。", "好。")]
    (path,) = run_book(tmp_path, transcripts, "R1", "--lang", language)
    sheet = openpyxl.load_workbook(path).worksheets[0]
    said = [cell.value for row in sheet.iter_rows() for cell in row if cell.value is not None]
    for one in text["globals"].values():
        assert {one["name"], *one["anchors"]} <= set(said)
    names = {**text["codes"], NOTHING_TO_CODE: text["columns"]["nothing"]}
    expected = [f"{mark}  {names[mark]}" for mark in LETTERS]
    assert [one for one in said if one in expected] == expected


def test_both_languages_say_the_same_things():
    def shape(value):
        if isinstance(value, dict):
            return {key: shape(one) for key, one in value.items()}
        return [shape(one) for one in value] if isinstance(value, list) else None

    assert shape(texts("zh")) == shape(texts("en"))


def run_book(folder, transcripts, *words):
    """The books that the command writes."""
    source = write(folder / "T.jsonl", transcripts)
    done = run("book", source, "-o", folder / "books", "--seed", 7, "--raters", *words)
    assert done.exit_code == 0, done.output
    return sorted((folder / "books").glob("*.xlsx"))


def test_the_command_takes_raters_as_typed_and_says_what_it_made(tmp_path):
    source = write(tmp_path / "T.jsonl", THREE)
    words = ("book", source, "-o", tmp_path / "books", "--raters", "R1", "R2", "--seed", 7)
    done = run(*words)
    assert done.output.replace(f"{tmp_path}/", "").splitlines() == [
        "3 transcripts, 6 volleys to code",
        "taken out of the texts: nothing",
        "to be filled in: books/miti_R1.xlsx",
        "to be filled in: books/miti_R2.xlsx",
        "keep from the raters: books/key.json undoes the blinding",
    ]
    before = [path.read_bytes() for path in sorted((tmp_path / "books").iterdir())]
    again = run("book", source, "-o", tmp_path / "again", "--rater", "R1", "--rater", "R2",
                "--seed", 7)  # fmt: skip
    assert again.exit_code == 0
    assert [path.read_bytes() for path in sorted((tmp_path / "again").iterdir())] == before
    stamp = json.loads((tmp_path / "books.stamp.json").read_text("utf-8"))
    assert (stamp["seed"], stamp["counts"]) == (7, {"transcripts": 3, "volleys": 6})


@pytest.mark.parametrize(
    ("raters", "message"),
    [
        (["R1", "R1"], "rater 'R1': letters, digits"),
        (["R/1"], "rater 'R/1': letters, digits"),
    ],
)
def test_a_rater_whose_name_cannot_name_a_file_is_refused(tmp_path, raters, message):
    source = write(tmp_path / "T.jsonl", THREE)
    done = run("book", source, "-o", tmp_path / "books", "--seed", 7, "--raters", *raters)
    assert str(done.exception).startswith(message)
    assert not (tmp_path / "books").exists()


def test_a_transcript_in_which_the_counselor_is_silent_is_refused(tmp_path):
    with pytest.raises(InputError, match="a/9: the counselor says nothing; leave it out"):
        make(tmp_path / "books", [transcript("a/9", "有人吗？")])
    assert not (tmp_path / "books").exists()


def test_a_target_behaviour_that_all_have_is_filled_in_and_locked(tmp_path):
    (path,) = make(
        tmp_path / "b", [transcript("a/1", "嗯。", "好。", target_behaviour="戒烟")], raters="R1"
    )
    cell = openpyxl.load_workbook(path)["T01"]["D2"]
    assert (cell.value, cell.protection.locked) == ("戒烟", True)


# A row shows 24 lines of 29 Chinese characters, 696; what is longer goes on below.
@given(st.text("我想停下来。！\n ab", min_size=1, max_size=4000).filter(str.strip))
def test_a_long_turn_goes_on_in_rows_below_and_nothing_of_it_is_lost(text):
    found = page_rows((Turn("counselor", text),))
    assert "".join(one.text for one in found) == text
    assert [one.volley for one in found] == [1] + [None] * (len(found) - 1)
    for one in found:
        lines = [len(part.encode("gb18030")) for part in one.text.split("\n")]
        assert sum(max(-(-line // 58), 1) for line in lines) <= 26


def test_a_long_turn_is_read_back_as_one_volley_and_a_change_in_its_second_row_is_found(tmp_path):
    long = "这句话很长，需要好几行才放得下。" * 200
    (path,) = make(tmp_path / "b", [transcript("a/1", "嗯。", long, "好。")], raters="R1")
    sheet = openpyxl.load_workbook(path)["T01"]
    assert sheet.max_row - FIRST + 1 == 2 + 5  # 3,200 characters in rows of at most 696
    fill(path, [Session("T01", "R1", (frozenset(),), Globals(3, 3, 3, 3), "戒烟")])
    found = read_books([path])
    assert (found.faults, found.missing, len(found.sessions)) == ([], [], 1)
    change(path, "T01", **{f"D{FIRST + 3}": "改过", f"H{FIRST + 2}": 1})
    fourth = sheet[f"D{FIRST + 3}"].value
    assert read_books([path]).faults == [
        f"{path}：“T01”页 D9：第 2 句的内容被改动过，原来是“{fourth}”，请恢复",
        f"{path}：“T01”页 H8：这一行不编码，却填了“1”，请删去",
    ]


@settings(max_examples=10, deadline=None)
@given(st.data())
def test_any_legal_coding_is_read_back_as_it_was_put_in(blank, tmp_path_factory, data):
    path = tmp_path_factory.mktemp("filled") / "book.xlsx"
    shutil.copy(blank[0], path)
    sessions = [
        Session(
            name,
            "R1",
            tuple(data.draw(st.lists(legal, min_size=count, max_size=count))),
            Globals(*(data.draw(ratings) for _ in range(4))),
            "少抽烟",
        )
        for name, count in sorted(volleys(path).items())
    ]
    fill(path, sessions)
    found = read_books([path])
    assert (found.faults, found.missing, found.sessions) == ([], [], sessions)


# Processor time, since a busy machine takes longer: it took 2 s on two cores.
@pytest.mark.alone
def test_sixty_transcripts_become_two_books_in_under_five_seconds(tmp_path):
    texts_ = ["每次压力大的时候我就想抽一根，其实我也明白这样不好。", "你想停下来，又觉得很难。"]
    many = [transcript(f"s/{n}", *texts_ * (18 if n % 2 else 58)) for n in range(60)]
    begin = time.process_time()
    make(tmp_path / "books", many)
    assert time.process_time() - begin < 5
