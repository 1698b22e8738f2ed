"""`book` given again: books stay as they are, who or what is new gets its own, marks never go."""

from __future__ import annotations

import json
import shutil

import openpyxl
import pytest

from eval.books.book_set import read_books
from eval.books.key import read_key
from mi_llm import entries
from mi_llm.dialogue import Dialogue, Turn
from mi_llm.errors import InputError
from mi_llm.miti import Code
from tests.eval.coded_sessions import session
from tests.eval.coding_books import THREE, fill, run, transcript, volleys, write

FOURTH = transcript("c/4", "我又抽了。", "难受。怎么办？")


@pytest.fixture
def folder(tmp_path):
    """The books of two raters for three transcripts."""
    write(tmp_path / "T.jsonl", THREE)
    assert book(tmp_path).exit_code == 0
    return tmp_path / "books"


def book(top, *words, raters=("R1", "R2")):
    named = [word for rater in raters for word in ("--rater", rater)]
    return run("book", top / "T.jsonl", "-o", top / "books", *named, "--seed", 7, *words)


def filled(path):
    """Code every volley of a book as a question; what it then holds."""
    counts = volleys(path)
    fill(path, [session(name, "R", " / ".join(["Q"] * n), (4, 4, 3, 3)) for name, n in
                counts.items()])  # fmt: skip
    return path.read_bytes()


def refused(done):
    assert isinstance(done.exception, InputError)
    return str(done.exception)


@pytest.mark.parametrize(
    "way", ["the same file", "other lines of the same content", "fewer raters"]
)
def test_the_same_transcripts_leave_the_books_as_they_are(folder, way):
    marks = filled(folder / "miti_R1.xlsx")
    before = {one.name: one.read_bytes() for one in folder.iterdir()}
    if way == "other lines of the same content":  # as the role-play page rewrites its file
        again = [Dialogue(one.id, one.turns, {**one.meta, "ended": "now"}) for one in THREE[::-1]]
        write(folder.parent / "T.jsonl", again)
    done = book(folder.parent, raters=("R1",) if way == "fewer raters" else ("R1", "R2"))
    assert done.output == f"{folder}: books are up to date\n"
    assert {one.name: one.read_bytes() for one in folder.iterdir()} == before
    assert before["miti_R1.xlsx"] == marks


def altered(one, content):
    return Dialogue(one.id, (Turn(one.turns[0].role, content), *one.turns[1:]), one.meta)


@pytest.mark.parametrize(
    ("transcripts", "words", "told"),
    [
        ([altered(THREE[0], "我想戒烟。"), *THREE[1:]], (), "a/1 was changed since"),
        (THREE[:2], (), "b/3 is not among the transcripts"),
        (THREE, ("--seed", 8), "they were drawn by seed 7, not 8"),
        (THREE, ("--lang", "en"), "their language is zh, not en"),
        ([transcript("a/1", "我想少抽烟。", "你在盘算改变了。", "嗯。", "想过怎么做吗？", "没有。",
                     "由你定。", source="base"), *THREE[1:]], (),
         "a/1 has source 'base', in key.json 'glm4_tuned': correct one of them"),
    ],
)  # fmt: skip
def test_other_books_are_refused_by_name_and_nothing_is_touched(folder, transcripts, words, told):
    filled(folder / "miti_R1.xlsx")
    before = {one.name: one.read_bytes() for one in folder.iterdir()}
    write(folder.parent / "T.jsonl", transcripts)
    message = refused(book(folder.parent, *words))
    assert message.startswith(f"{folder}: its books stay as they are, since")
    assert told in message
    assert "--overwrite" in message
    assert {one.name: one.read_bytes() for one in folder.iterdir()} == before
    assert entries.moved_aside(folder) == []


def test_overwrite_moves_marks_aside_with_their_key_and_says_where(folder):
    marks = filled(folder / "miti_R2.xlsx")
    key = (folder / "key.json").read_bytes()
    write(folder.parent / "T.jsonl", THREE[:2])
    done = book(folder.parent, "--overwrite")
    assert done.exit_code == 0, done.output
    (aside,) = entries.moved_aside(folder)
    assert f"{folder}: holds what people filled in; moved aside to {aside}" in done.stderr
    assert f"written before, with their key: {aside}" in done.stdout
    assert (aside / "miti_R2.xlsx").read_bytes() == marks
    assert (aside / "key.json").read_bytes() == key
    found = read_books([aside], key=aside / "key.json")
    assert [one.volleys[0] for one in found.sessions if one.rater == "R2"] == [{Code("Q")}] * 3
    assert set(read_key(folder / "key.json").items) == {"T01", "T02"}


def test_overwrite_replaces_books_that_nobody_filled_in_with_the_same(folder):
    before = {one.name: one.read_bytes() for one in folder.iterdir()}
    assert book(folder.parent, "--overwrite").exit_code == 0
    assert entries.moved_aside(folder) == []
    assert {one.name: one.read_bytes() for one in folder.iterdir()} == before


@pytest.mark.parametrize("stay", [True, False])
def test_the_key_of_books_that_are_out_with_raters_outlives_overwrite(folder, stay):
    returned = folder.parent / "returned"
    shutil.copytree(folder, returned)
    (returned / "key.json").unlink()
    for number in (1, 2):
        filled(returned / f"miti_R{number}.xlsx")
        if not stay:
            (folder / f"miti_R{number}.xlsx").unlink()
    write(folder.parent / "T.jsonl", THREE[:2])
    done = book(folder.parent, "--overwrite")
    assert done.exit_code == 0, done.output
    (aside,) = entries.moved_aside(folder)
    told = f"{folder}: holds files that would be lost (key.json); moved aside to {aside}\n"
    assert done.stderr == told
    assert len(read_books([returned], key=aside / "key.json").sessions) == 6
    odd = read_books([returned], key=folder / "key.json").faults
    assert all(line.endswith(f"，它属于 {aside / 'key.json'}") for line in odd)


def test_books_without_their_key_are_told_as_such_and_the_same_key_can_be_made(folder):
    key = (folder / "key.json").read_bytes()
    (folder / "key.json").unlink()
    done = book(folder.parent)
    assert isinstance(done.exception, InputError)
    assert "holds books, but not their key.json; put it back" in str(done.exception)
    folder.rename(folder.with_name("blank"))
    assert book(folder.parent).exit_code == 0
    assert (folder / "key.json").read_bytes() == key


def test_raters_whose_books_would_be_one_file_on_other_systems_are_refused(tmp_path):
    path = write(tmp_path / "T.jsonl", THREE)
    done = run("book", path, "-o", tmp_path / "b", "--raters", "r1", "R1", "--seed", 7)
    assert isinstance(done.exception, InputError)
    assert "each name once, large and small letters being the same" in str(done.exception)
    assert not (tmp_path / "b").exists()


def test_a_session_added_later_gets_further_books_and_all_are_read_together(folder):
    marks = [filled(folder / f"miti_R{n}.xlsx") for n in (1, 2)]
    old = read_key(folder / "key.json")
    write(folder.parent / "T.jsonl", [FOURTH, *THREE])
    done = book(folder.parent)
    assert done.exit_code == 0, done.output
    further = [folder / f"miti_R{n}.2.xlsx" for n in (1, 2)]
    assert [f"to be filled in: {one}" in done.output for one in further] == [True, True]
    assert [(folder / f"miti_R{n}.xlsx").read_bytes() for n in (1, 2)] == marks
    assert openpyxl.load_workbook(further[0]).sheetnames == [
        "说明", "进度", "T04", "_book", "_texts",
    ]  # fmt: skip
    key = read_key(folder / "key.json")
    assert (key.salt, {name: key.items[name] for name in old.items}) == (old.salt, old.items)
    assert key.items["T04"]["transcript"] == "c/4"
    half = read_books([folder], key=folder / "key.json")
    assert half.faults == []
    assert half.missing == [f"{one}：还没有填写（1 段对话，1 个话轮）" for one in further]
    gone = read_books([folder / "miti_R1.xlsx", folder / "miti_R2.xlsx"], key=folder / "key.json")
    assert gone.missing == [f"评分者 R{n} 的编码册 miti_R{n}.2.xlsx 没有交来" for n in (1, 2)]
    for one in further:
        filled(one)
    whole = read_books([folder], key=folder / "key.json")
    assert (whole.faults, whole.missing, len(whole.sessions)) == ([], [], 8)
    assert book(folder.parent).output == f"{folder}: books are up to date\n"


def test_a_rater_added_later_gets_one_book_of_everything(folder):
    marks = filled(folder / "miti_R1.xlsx")
    write(folder.parent / "T.jsonl", [*THREE, FOURTH])
    book(folder.parent)
    done = book(folder.parent, raters=("R1", "R2", "R3"))
    assert done.exit_code == 0, done.output
    assert [one.name for one in sorted(folder.glob("*R3*"))] == ["miti_R3.xlsx"]
    assert set(volleys(folder / "miti_R3.xlsx")) == {"T01", "T02", "T03", "T04"}
    assert (folder / "miti_R1.xlsx").read_bytes() == marks


def test_books_moved_to_where_they_are_returned_are_not_written_again(folder):
    (folder.parent / "returned").mkdir()
    for path in folder.glob("*.xlsx"):
        filled(path)
        path.rename(folder.parent / "returned" / path.name)
    assert book(folder.parent).output == f"{folder}: books are up to date\n"
    assert [one.name for one in folder.iterdir()] == ["key.json"]


def test_a_set_of_before_its_key_named_the_books_stays_as_it_is(folder):
    key = json.loads((folder / "key.json").read_text("utf-8"))
    del key["books"], key["language"]
    (folder / "key.json").write_text(json.dumps(key), encoding="utf-8")
    marks = filled(folder / "miti_R1.xlsx")
    assert book(folder.parent).output == f"{folder}: books are up to date\n"
    assert (folder / "miti_R1.xlsx").read_bytes() == marks


def test_a_further_book_cut_short_before_the_key_knew_it_moves_aside_if_it_was_filled_in(folder):
    key = (folder / "key.json").read_bytes()
    write(folder.parent / "T.jsonl", [*THREE, FOURTH])
    book(folder.parent)
    (folder / "key.json").write_bytes(key)  # as if killed before it was written
    marks = filled(folder / "miti_R1.2.xlsx")
    assert book(folder.parent).exit_code == 0
    (aside,) = entries.moved_aside(folder / "miti_R1.2.xlsx")
    assert (aside / "miti_R1.2.xlsx").read_bytes() == marks
    assert set(read_key(folder / "key.json").books) == {
        "miti_R1.xlsx", "miti_R2.xlsx", "miti_R1.2.xlsx", "miti_R2.2.xlsx",
    }  # fmt: skip


def test_the_folder_of_the_books_is_no_output_of_codes(folder):
    before = {one.name: one.read_bytes() for one in folder.iterdir()}
    words = ("-o", folder, "--overwrite", "--partial")
    message = refused(run("codes", folder / "miti_R1.xlsx", *words))
    assert message.startswith(
        f"{folder}: holds {folder / 'miti_R1.xlsx'}, which this command reads"
    )
    assert {one.name: one.read_bytes() for one in folder.iterdir()} == before
