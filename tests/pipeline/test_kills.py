"""Kills before every change of a file: no mark is lost, no test dialogue is trained on."""

from __future__ import annotations

import json
import os
import random
import shutil
import zipfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import openpyxl
import pytest

import converters.__main__
import eval.__main__
from benchmarks import screening
from mi_llm.dialogue import Dialogue, Turn, dialogue_lines
from tests.commands import Done, run_here
from tests.eval.coding_books import THREE, change, write
from tests.kills import killed

SETS = ("train", "test")
MARK = "written by a person"
SYLLABLES = "我你他想说去来看听怕累好难忙家工作睡眠压力朋友孩子今天明天也许其实慢慢一点什么怎么"


@pytest.fixture(autouse=True)
def without_git(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mi_llm.stamp.commit", lambda: None)  # a process of its own each time


def converters_run(*words: object) -> Done:
    return run_here(converters.__main__.app, *words, environment=os.environ)


def eval_run(*words: object) -> Done:
    return run_here(eval.__main__.app, *words, environment=os.environ)


def kept(folder: Path) -> bool:
    """Whether what a person wrote still stands in some workbook below a folder."""
    return any(MARK in text for path in folder.rglob("*.xlsx") for text in _texts(path))


def _texts(path: Path) -> Iterator[str]:
    with zipfile.ZipFile(path) as packed:
        yield from (packed.read(name).decode() for name in packed.namelist())


def no_draft(folder: Path) -> bool:
    return not [one for one in folder.rglob(".*") if one.suffix in (".tmp", ".old")]


def killed_everywhere(
    work: Callable[[], object], below: Path, *, every: int = 1
) -> Iterator[tuple[int, bool]]:
    """Kill the work before each change (or every so many) in turn; at each give the folder so.

    The folder is as it was before each kill. The last time nothing is killed.
    """
    before = below.with_name(f"{below.name}.before")
    shutil.copytree(below, before)
    for number in count(1, every):
        shutil.rmtree(below)
        shutil.copytree(before, below)
        was_killed = killed(work, below, number)
        yield number, was_killed
        if not was_killed:
            return


def said(name: str) -> Dialogue:
    draw = random.Random(name)
    texts = ["".join(draw.choices(SYLLABLES, k=30)) for _ in range(4)]
    roles = ("client", "counselor") * 2
    return Dialogue(name, tuple(Turn(role, text) for role, text in zip(roles, texts, strict=True)))  # type: ignore[arg-type]


def rows_of(path: Path, rows: Path) -> set[str] | None:
    """The ids of the dialogues that `alpaca` makes rows of; None if it refuses the file."""
    done = converters_run("alpaca", path, "-o", rows, "--overwrite")
    if done.returncode:
        assert done.returncode == 2, done.stderr
        assert "run again: python -m" in done.stderr or not path.exists(), done.stderr
        return None
    return {row["id"].split("#")[0] for row in json.loads(rows.read_text())}


@pytest.mark.parametrize("before", ["nothing", "another split"])
def test_a_split_that_is_killed_anywhere_leaks_nothing_and_ends_well_when_run_again(
    tmp_path: Path, before: str
):
    source, folder = tmp_path / "all.jsonl", tmp_path / "out" / "split"
    source.write_text("".join(dialogue_lines(said(f"a/{n}") for n in range(30))))
    folder.parent.mkdir()
    words = ["split", source, "-o", folder, "--test", 10]
    pairs = []
    for seed in (1, 2):
        assert converters_run(*words, "--seed", seed, "--overwrite").returncode == 0
        pairs.append([rows_of(folder / f"{name}.jsonl", tmp_path / "r") for name in SETS])
    old, new = pairs
    assert old != new
    shutil.rmtree(folder)
    again = ["--overwrite"] if before == "another split" else []
    if again:
        assert converters_run(*words, "--seed", 1).returncode == 0

    def work() -> Done:
        return converters_run(*words, "--seed", 2, *again)

    refused = 0
    for number, was_killed in killed_everywhere(work, folder.parent):
        found = [rows_of(folder / f"{name}.jsonl", tmp_path / "r") for name in SETS]
        for pair in (old, new):  # each file, if it is taken, is one of this pair
            if all(one in (None, whole) for one, whole in zip(found, pair, strict=True)):
                break
        else:
            pytest.fail(f"kill {number}: {found}")
        refused += found == [None, None]
        if was_killed:
            assert work().returncode == 0, number
        assert [rows_of(folder / f"{n}.jsonl", tmp_path / "r") for n in SETS] == new
        assert no_draft(folder), number
    assert number > 18
    assert refused >= 2


def test_a_split_whose_writing_stops_short_changes_nothing(tmp_path: Path):
    source, folder = tmp_path / "all.jsonl", tmp_path / "split"
    source.write_text("".join(dialogue_lines(said(f"a/{n}") for n in range(30))))
    words = ["split", source, "-o", folder, "--test", 10]
    assert converters_run(*words, "--seed", 1).returncode == 0
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    told = tmp_path / "told"

    def work() -> None:
        done = converters_run(*words, "--seed", 2, "--overwrite")
        with told.open("r+") as stream:
            stream.write(f"{done.returncode} {done.stderr}")

    largest = max(map(len, before.values()))
    for limit in (200, 700, largest // 2, largest - 1):
        told.write_text("")
        assert not killed(work, folder, 0, limit=limit)
        assert told.read_text().startswith(f"2 {folder}/"), told.read_text()
        assert told.read_text().endswith(": cannot be written: file too large\n")
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def coding_books(top: Path) -> Callable[[], Done]:
    """Books of two raters, one with a mark; returns what would replace them."""
    source = write(top.parent / "T.jsonl", THREE)
    raters = ("--rater", "R1", "--rater", "R2")
    words = ("book", source, "-o", top / "books", *raters, "--seed", 7)
    assert eval_run(*words).returncode == 0
    change(top / "books" / "miti_R1.xlsx", "T01", D2=MARK)
    return lambda: eval_run(*words, "--overwrite")


def review_books(top: Path) -> Callable[[], Done]:
    """A review book with a mark; returns what would replace it."""
    cases = screening.good_cases()[:6]
    source = top.parent / "mi.jsonl"
    source.write_text("".join(dialogue_lines(case.dialogue for case in cases)))
    words = ("review", source, "-o", top / "review", "--sample", 1)
    assert converters_run(*words).returncode == 0
    book = top / "review" / "review.xlsx"
    workbook = openpyxl.load_workbook(book)
    workbook["审阅"]["A2"] = MARK
    workbook.save(book)
    return lambda: converters_run(*words, "--overwrite")


MAKERS = {"book": coding_books, "review": review_books}


def books_survive(kind: str, tmp_path: Path, *, every: int) -> int:
    top = tmp_path / "top"
    top.mkdir()
    work = MAKERS[kind](top)
    assert kept(top)
    for number, was_killed in killed_everywhere(work, top, every=every):
        assert kept(top), f"kill {number}: the mark is gone"
        if was_killed:
            done = work()
            assert done.returncode == 0, (number, done.stderr)
        assert kept(top), number
        (folder,) = (one for one in (top / "books", top / "review") if one.exists())
        assert (folder / ("key.json" if kind == "book" else "plan.json")).is_file()
        assert no_draft(top), number
    return number


@pytest.mark.parametrize("kind", MAKERS)
def test_marks_outlive_a_kill_while_books_are_replaced(kind: str, tmp_path: Path):
    assert books_survive(kind, tmp_path, every=4) > 8


@pytest.mark.slow
@pytest.mark.parametrize("kind", MAKERS)
def test_marks_outlive_a_kill_before_any_change_while_books_are_replaced(kind: str, tmp_path: Path):
    assert books_survive(kind, tmp_path, every=1) > 8
