"""Coding books read back: every fault is named by book, sheet and cell, and all at once."""

from __future__ import annotations

import json
import shutil
import zipfile
from typing import Any

import openpyxl
import pytest

from eval.books.blinding import blinded
from eval.books.book import write_books
from eval.books.book_set import read_books
from mi_llm.coding import Session, read_codings
from mi_llm.errors import InputError
from mi_llm.miti import Code, Globals
from tests.eval.coding_books import (
    FIRST,
    NOTHING,
    THREE,
    change,
    fill,
    make,
    rows,
    run,
    transcript,
    volleys,
)

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
    return told_of(books, sorted(books.glob("*.xlsx")), *words)


def told_of(books, paths, *words):
    done = run("codes", *paths, "-o", books.parent / "codes", *words)
    assert done.exit_code == 1, done.output
    assert not (books.parent / "codes").exists()
    *lines, last = done.output.replace(f"{books}/", "").splitlines()
    assert last.startswith(f"共 {len(lines)} 处问题")
    return lines


def test_complete_books_become_the_codes_that_were_put_in(books):
    paths = sorted(books.glob("*.xlsx"))
    done = run("codes", *paths, "-o", books.parent / "codes", "--key", books / "key.json")
    assert done.exit_code == 0, done.output
    assert done.output.endswith(
        "codes：6 / 6 段编码完整，来自 2 本编码册；12 个话轮中 0 个未编码\n"
    )
    expected = [*coded("R1", volleys(paths[0])), *coded("R2", volleys(paths[1]))]
    found = read_codings(books.parent / "codes")
    assert found == sorted(expected, key=lambda one: (one.transcript, one.rater))
    stamp = json.loads((books.parent / "codes.stamp.json").read_text("utf-8"))
    assert set(stamp["inputs"]) == {*map(str, paths), str(books / "key.json")}


def pages(tmp_path, count):
    """A book of as many equal pages, all coded; three rounds each, in rows 6 to 11."""
    texts = [(turn.content) for turn in THREE[0].turns]
    many = [transcript(f"a/{n:02}", *texts) for n in range(count)]
    (path,) = make(tmp_path / "pages", many, raters="R1")
    fill(path, coded("R1", volleys(path)))
    return path, [f"T{n:02}" for n in range(1, count + 1)]


def write_each(path, cells):
    """Write into each page of a book in turn."""
    workbook = openpyxl.load_workbook(path)
    for number, values in enumerate(cells, start=1):
        for place, value in values.items():
            workbook[f"T{number:02}"][place] = value
    workbook.save(path)


def by_page(path):
    """What is said of each page of a book: faults, then what is missing."""
    found = read_books([path])
    lines = [line.removeprefix(f"{path}：“").split("”页", 1)
             for line in [*found.faults, *found.missing]]  # fmt: skip
    return {name: [told for page, told in lines if page == name] for name, _ in lines}


def test_a_one_is_a_one_however_a_program_writes_it(tmp_path):
    marks = [1, 1.0, "1", " 1 ", "１", "1.0"]
    path, _ = pages(tmp_path, len(marks))
    write_each(path, [{"K7": mark, "I2": "４", "N2": 4.0, "I3": "4.0"} for mark in marks])
    found = read_books([path])
    assert (found.faults, found.missing) == ([], [])
    assert [one.volleys[0] for one in found.sessions] == [{Q, CR, Code("AF")}] * 6
    assert [one.globals for one in found.sessions] == [Globals(4, 4, 4, 5)] * 6


def test_a_mark_that_is_not_clearly_one_is_named(tmp_path):
    marks = ["√", "x", 2, 0, "是", True, 0.5, "11"]
    path, names = pages(tmp_path, len(marks))
    write_each(path, [{"K7": mark} for mark in marks])
    assert by_page(path) == {
        name: [f" K7：AF（肯定）填的是“{mark}”，只能填 1，或留空"]
        for name, mark in zip(names, marks, strict=True)
    }


# What is written into a page: into the first volley's row (letters alone) or a certain cell.
CELLS: list[tuple[dict[str, Any], list[str]]] = [
        ({"I": 1}, [" I{row}与J{row}：第 1 个话轮同时填了SR（简单反映）和CR（复杂反映），"
                    "只能选一个"]),
        ({"F": 1, "G": 1}, [" F{row}与G{row}：第 1 个话轮同时填了P（劝说）和PwP（许可劝说），"
                            "只能选一个"]),
        ({"O": 1}, [" O{row}：第 1 个话轮填了NC（无需编码），又填了Q（提问）、CR（复杂反映）；"
                    "只能保留一边"]),
        ({"H": None, "J": None}, [" E{row}:O{row}：第 1 个话轮未编码"]),
        ({"H": " ", "J": None}, [" E{row}:O{row}：第 1 个话轮未编码"]),
        ({"J": "=1"}, [" J{row}：公式 =1 没有存下结果；请直接填内容，"
                       "或在表格软件里打开、保存后再交"]),
        ({"D": "改过的话"}, [" D{row}：第 {turn} 句的内容被改动过，原来是“{text}”，请恢复"]),
        ({"D": None}, [" D{row}：第 {turn} 句的内容被改动过，原来是“{text}”，请恢复"]),
        ({"A": "x"}, [" A{row}：句序被改动过，原来是 {turn}，请恢复"]),
        ({"A": None}, [" A{row}：句序被改动过，原来是 {turn}，请恢复"]),
        ({"I2": None}, [" I2：没有评“引出改变语言”"]),
        ({"N3": ""}, [" N3：没有评“共情”"]),
        ({"N2": 6}, [" N2：“软化维持语言”填的是“6”，应为 1 到 5 的整数"]),
        ({"I3": 3.5}, [" I3：“伙伴关系”填的是“3.5”，应为 1 到 5 的整数"]),
        ({"I3": "四"}, [" I3：“伙伴关系”填的是“四”，应为 1 到 5 的整数"]),
        ({"D2": None}, [" D2：没有写目标行为（整段没有目标行为，请写“无”）"]),
        ({"D2": "无"}, [" I2：评了“引出改变语言”，但写的是没有目标行为；请留空",
                       " N2：评了“软化维持语言”，但写的是没有目标行为；请留空"]),
        ({"J5": "别的"}, [" J5：列名被改动过，原来是“CR（复杂反映）”，请恢复"]),
]  # fmt: skip


def test_each_fault_of_a_page_is_named_by_its_cell_in_the_words_of_the_book(tmp_path):
    path, names = pages(tmp_path, len(CELLS))
    facts = {"row": 7, "turn": 2, "text": "你在盘算改变了。"}
    write_each(path, [
        {place if place[-1].isdigit() else f"{place}7": value for place, value in cells.items()}
        for cells, _ in CELLS
    ])  # fmt: skip
    expected = {
        name: [one.format(**facts) for one in faults]
        for name, (_, faults) in zip(names, CELLS, strict=True)
    }
    assert by_page(path) == expected


def inserting(row, cell, value):
    """Insert a row and write into a cell of it."""

    def spoil(page):
        page.insert_rows(row)
        page[cell] = value

    return spoil


# What is done to a page of three rounds, rows 6 to 11, and all that is said of it.
ROWS = {
    "a blank row between": (lambda page: page.insert_rows(8), []),
    "a row with a text": (
        inserting(9, "D9", "我的想法"),
        ["第 9 行是插入的，请整行删去"],
    ),
    "a row with a mark alone": (
        inserting(9, "H9", 1),
        ["第 9 行是插入的，请整行删去"],
    ),
    "a copy of the row above": (
        lambda page: page.append([6, "咨询师", 3, "由你定。", None, None, None, None, 1]),
        ["第 12 行是插入的，请整行删去"],
    ),
    "another number": (
        lambda page: page.append([99, "咨询师", 4, "还有吗？"]),
        ["第 12 行是插入的，请整行删去"],
    ),
    "a tally below": (
        lambda page: setattr(page["D20"], "value", "合计"),
        ["第 20 行是插入的，请整行删去"],
    ),
    "a row above the header": (
        lambda page: page.insert_rows(3),
        ["第 3 行是插入的，请整行删去"],
    ),
    "a row above the header is gone": (
        lambda page: page.delete_rows(4),
        ["第 5 行以上少了 1 行，请撤销删行"],
    ),
    "a turn's row is gone": (
        lambda page: page.delete_rows(8),
        ["缺第 3 句“嗯。”，请撤销删行"],
    ),
    "a column between": (lambda page: page.insert_cols(7), ["G 列是插入的，请整列删去"]),
    "a column in front": (lambda page: page.insert_cols(1), ["A 列是插入的，请整列删去"]),
    "a column is gone": (
        lambda page: page.delete_cols(9),
        ["缺 SR（简单反映） 列，请撤销删列"],
    ),
}  # fmt: skip


def test_an_inserted_or_deleted_row_or_column_is_named_as_such(tmp_path):
    path, names = pages(tmp_path, len(ROWS))
    workbook = openpyxl.load_workbook(path)
    expected = {}
    for name, (spoil, faults) in zip(names, ROWS.values(), strict=True):
        spoil(workbook[name])
        if faults:
            expected[name] = [f"：{one}" for one in faults]
    workbook.save(path)
    assert by_page(path) == expected


def test_a_changed_book_of_english_is_told_in_english(tmp_path):
    (path,) = write_books(tmp_path / "b", blinded(THREE[:1], seed=7), ["R1"], language="en")
    fill(path, coded("R1", volleys(path)))
    change(path, "T01", D8="嗯，嗯。", K7="x", N2=9, I7=1)
    edit(path, lambda book: book["T01"].insert_rows(9))
    change(path, "T01", D9="my own thought")
    assert read_books([path]).faults == [
        f"{path}: sheet T01, N2: Softening Sustain Talk is '9'; a rating is a whole number from "
        "1 to 5",
        f"{path}: sheet T01, D8: the text of turn 3 was changed; it was '嗯。'; restore it",
        f"{path}: sheet T01: row 9 was inserted; delete it",
        f"{path}: sheet T01, K7: unknown mark 'x' for AF (Affirm); write 1 or leave blank",
        f"{path}: sheet T01, I7 and J7: SR (Simple reflect.) and CR (Complex reflect.) in "
        "volley 1; only one can be",
    ]


def test_a_given_target_behaviour_that_was_changed_is_told_with_what_it_was(tmp_path):
    one = transcript("a/1", "嗯。", "你说。", target_behaviour="每天少抽五支烟")
    (path,) = make(tmp_path / "b", [one], raters="R1")
    change(path, "T01", D2="戒烟")
    assert read_books([path]).faults == [
        f"{path}：“T01”页 D2：给定的目标行为被改动过，原来是“每天少抽五支烟”，请恢复"
    ]


def test_an_untouched_book_is_one_line_and_so_is_an_untouched_page(tmp_path):
    blank, _ = make(tmp_path / "blank")
    assert read_books([blank]).missing == [f"{blank}：还没有填写（3 段对话，6 个话轮）"]
    change(blank, "T02", D3="想一想")
    lines = read_books([blank]).missing
    assert f"{blank}：“T01”页：整页还没有填写" in lines
    assert f"{blank}：“T03”页：整页还没有填写" in lines
    assert {line.split("页")[0] for line in lines} == {f"{blank}：“T0{n}”" for n in (1, 2, 3)}
    assert len(lines) == 2 + 6  # of the page that was begun: a goal, four ratings, its volleys


def test_volleys_without_a_code_that_follow_each_other_are_one_line(tmp_path):
    (path,) = make(tmp_path / "b", THREE[:1], raters="R1")
    change(path, "T01", D2="戒烟", I2=3, N2=3, I3=3, N3=3, H7=1)
    assert read_books([path]).missing == [f"{path}：“T01”页 E9:O11：第 2 至 3 个话轮未编码"]


def test_a_mark_in_a_client_row_is_named(books):
    path = books / "miti_R1.xlsx"
    row = client_row(path, "T03")
    change(path, "T03", **{f"H{row}": 1})
    assert told(books) == [f"miti_R1.xlsx：“T03”页 H{row}：这一行不编码，却填了“1”，请删去"]


def test_all_faults_of_all_books_are_told_at_once(books):
    one, two = books / "miti_R1.xlsx", books / "miti_R2.xlsx"
    change(one, "T01", I2=None)
    change(one, "T02", I2=9)
    change(two, "T03", D2=None)
    assert told(books) == [
        "miti_R1.xlsx：“T02”页 I2：“引出改变语言”填的是“9”，应为 1 到 5 的整数",
        "miti_R1.xlsx：“T01”页 I2：没有评“引出改变语言”",
        "miti_R2.xlsx：“T03”页 D2：没有写目标行为（整段没有目标行为，请写“无”）",
    ]


def edit(path, what):
    workbook = openpyxl.load_workbook(path)
    what(workbook)
    workbook.save(path)


def test_a_deleted_a_renamed_and_a_copied_sheet_are_named(books):
    edit(books / "miti_R1.xlsx", lambda book: book.remove(book["T02"]))
    edit(books / "miti_R2.xlsx", lambda book: setattr(book["T03"], "title", "第三段"))
    assert told(books) == [
        "miti_R1.xlsx：缺“T02”页；是不是删掉了？",
        "miti_R2.xlsx：“第三段”页：这一页原名“T03”，请改回原名",
    ]


def test_a_copied_page_is_named_and_a_sheet_of_ones_own_is_let_be(books):
    edit(books / "miti_R1.xlsx", lambda book: book.create_sheet("草稿"))
    edit(books / "miti_R2.xlsx", lambda book: book.copy_worksheet(book["T01"]))
    assert told(books) == ["miti_R2.xlsx：“T01 Copy”页：这是“T01”页的副本，请删去"]


def test_a_book_that_is_none_is_named_and_the_others_are_read(books):
    openpyxl.Workbook().save(books / "a.xlsx")
    (books / "b.xlsx").write_text("PK broken", encoding="utf-8")
    change(books / "miti_R1.xlsx", "T01", I2=None)
    lines = told(books)
    assert lines[0] == "a.xlsx：没有隐藏页 _book；这是编码册吗？不是的话请移到别处"
    assert lines[1].startswith("b.xlsx：打不开（not a workbook that can be read")
    assert lines[2:] == ["miti_R1.xlsx：“T01”页 I2：没有评“引出改变语言”"]


def test_one_rater_with_two_books_that_differ_is_named(books):
    shutil.copy(books / "miti_R1.xlsx", books / "miti_R1_again.xlsx")
    change(books / "miti_R1_again.xlsx", "T01", I2=5)
    (books / "miti_R2.xlsx").unlink()
    assert told(books) == [
        "miti_R1_again.xlsx：评分者 R1 已有 miti_R1.xlsx，两册内容不同；请只交一册"
    ]


def test_a_copy_that_says_the_same_is_read_once_and_a_blank_one_gives_way(books, tmp_path):
    (tmp_path / "returned").mkdir()
    for n in (1, 2):
        shutil.copy(books / f"miti_R{n}.xlsx", tmp_path / "returned")
    blank = make(tmp_path / "sent")[0]
    shutil.copy(blank, books / "miti_R1.xlsx")
    words = (tmp_path / "returned", books, "-o", tmp_path / "codes", "--key", books / "key.json")
    done = run("codes", *words)
    assert done.exit_code == 0, done.output
    told_ = [one.replace(f"{tmp_path}/", "") for one in (done.stderr, done.stdout)]
    assert told_ == [
        "books/miti_R2.xlsx：与 returned/miti_R2.xlsx 内容相同，只读一次\n",
        "codes：6 / 6 段编码完整，来自 2 本编码册；12 个话轮中 0 个未编码\n",
    ]


def test_books_of_another_set_are_named(books, tmp_path):
    (other,) = make(tmp_path / "other", THREE[:2], seed=8, raters="R3")
    fill(other, coded("R3", volleys(other)))
    shutil.copy(other, books / "miti_R3.xlsx")
    assert "miti_R3.xlsx：与 miti_R1.xlsx 不是同一套编码册" in told(books)


def test_a_book_of_another_key_is_named_and_where_its_own_key_was_moved_to(books, tmp_path):
    make(tmp_path / "other", THREE, seed=8)
    key = tmp_path / "other/key.json"
    assert told(books, "--key", key) == [
        f"miti_R{n}.xlsx：与 {key} 不是同一套编码册" for n in (1, 2)
    ]
    moved = tmp_path / "other.replaced-2026-12-01T10-30/key.json"
    moved.parent.mkdir()
    shutil.copy(books / "key.json", moved)
    assert told(books, "--key", key) == [
        f"miti_R{n}.xlsx：与 {key} 不是同一套编码册，它属于 {moved}" for n in (1, 2)
    ]


def test_a_key_that_does_not_hold_the_books_transcripts_is_named(books):
    key = json.loads((books / "key.json").read_text("utf-8"))
    del key["items"]["T03"]
    (books / "key.json").write_text(json.dumps(key), encoding="utf-8")
    lines = told(books, "--key", books / "key.json")
    assert lines == [f"miti_R{n}.xlsx：key.json 里没有这些对话：T03" for n in (1, 2)]


def test_a_raters_book_that_is_not_there_is_named_and_partial_goes_on_without(books):
    (books / "miti_R2.xlsx").unlink()
    words = ("--key", books / "key.json")
    assert told(books, *words) == ["评分者 R2 的编码册 miti_R2.xlsx 没有交来"]
    done = run("codes", books, "-o", books.parent / "codes", *words, "--partial")
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[0] == "缺：评分者 R2 的编码册 miti_R2.xlsx 没有交来"
    assert {one.rater for one in read_codings(books.parent / "codes")} == {"R1"}


@pytest.mark.parametrize("name", ["~$miti_R1.xlsx", ".~lock.miti_R1.xlsx#"])
def test_a_lock_file_is_passed_over_and_said(books, name):
    (books / name).write_bytes(b"\x05people")
    for given in ([books], [books / "miti_R1.xlsx", books / "miti_R2.xlsx", books / name]):
        done = run("codes", *given, "-o", books.parent / "codes", "--overwrite")
        assert done.exit_code == 0, done.output
        assert done.stderr.startswith(f"{books / name}：表格软件的锁定文件，略过")
        assert done.stdout.endswith("来自 2 本编码册；12 个话轮中 0 个未编码\n")


def test_books_in_folders_of_raters_are_read_and_what_is_no_book_is_named(books):
    for name in ("甲/__MACOSX", "甲/books.replaced-2026-12-01T10-30"):
        (books / name).mkdir(parents=True)
    (books / "miti_R1.xlsx").rename(books / "甲/编码 (1).XLSX")
    for name in ("甲/__MACOSX/._编码 (1).XLSX", "._miti_R2.xlsx"):
        (books / name).write_bytes(b"Mac")
    (books / "甲/books.replaced-2026-12-01T10-30/miti_R1.xlsx").write_bytes(b"earlier")
    (books / "甲/miti_R1.zip").write_bytes(b"PK")
    done = run("codes", books, "-o", books.parent / "codes", "--key", books / "key.json")
    assert done.exit_code == 0, done.output
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{books / '甲/miti_R1.zip'}：不是表格文件，略过")
    assert {one.rater for one in read_codings(books.parent / "codes")} == {"R1", "R2"}


def test_a_book_that_is_given_and_not_there_is_wrong_use(books):
    done = run("codes", books, books / "gone.xlsx", "-o", books.parent / "codes")
    assert isinstance(done.exception, InputError)
    assert str(done.exception) == f"{books / 'gone.xlsx'}: no such file or directory"


@pytest.mark.parametrize("suffix", [".ods", ".xls", ".csv", ".XLSM"])
def test_a_book_of_another_program_is_refused_in_one_line(books, suffix):
    (books / "miti_R1.xlsx").rename(books / f"miti_R1{suffix}")
    (books / f"miti_R1{suffix}").write_bytes(b"T01,1,R1,Q\n")
    told_ = f"miti_R1{suffix}：这是 {suffix} 文件；请在表格软件里打开，另存为 .xlsx 再交"
    assert told_of(books, [books]) == [told_]


def test_another_programs_book_under_a_workbooks_name_is_refused_in_one_line(books):
    with zipfile.ZipFile(books / "miti_R1.xlsx", "w") as packed:
        packed.writestr("content.xml", "<office:document-content/>")
    (line,) = told(books)
    assert line.startswith("miti_R1.xlsx：打不开（is an OpenDocument file (ODS or ODT)")
    assert ".xlsx" in line


def test_without_a_book_it_says_so(tmp_path):
    (tmp_path / "returned").mkdir()
    done = run("codes", tmp_path / "returned", "-o", tmp_path / "codes")
    assert "returned: no book there; give those that came back" in str(done.exception)


@pytest.mark.parametrize("cells", [{"B1": "9"}, {"B3": None}, {"B4": ""}, {"B5": "cl:00 x"}])
def test_a_changed_hidden_sheet_is_named(tmp_path, cells):
    path, _ = pages(tmp_path, 1)
    change(path, "_book", **cells)
    assert read_books([path]).faults == [
        f"{path}: sheet _book was changed; ask the rater for the book itself"
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
        "缺：books/miti_R1.xlsx：“T01”页 D2：没有写目标行为（整段没有目标行为，请写“无”）",
        "缺：books/miti_R1.xlsx：“T01”页 N3：没有评“共情”",
        f"缺：books/miti_R1.xlsx：“T01”页 E{row}:O{row}：第 1 个话轮未编码",
        "codes：2 / 3 段编码完整，来自 1 本编码册；6 个话轮中 1 个未编码",
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
