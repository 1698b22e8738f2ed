"""Kills before every change of a file: no mark is lost, no test dialogue is trained on."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import openpyxl
import pytest

import converters.__main__
import eval.__main__
from benchmarks import screening
from converters.review.book import DECISION, ID, NOTE, REASON
from mi_llm.dialogue import Dialogue, Turn, dialogue_lines
from tests.commands import Done, run_here
from tests.eval.coding_books import THREE, change, fill, transcript, write
from tests.kills import killed, make_killed
from tests.llm_server import LLMServer
from tests.pipeline.llamafactory import ROOT
from tests.pipeline.test_make_data import fill_in, transcribing
from tests.pipeline.test_make_miti import coded

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


def split_leaks_nothing(tmp_path: Path, *, before: str, every: int) -> None:
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
    for number, was_killed in killed_everywhere(work, folder.parent, every=every):
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
    assert refused


@pytest.mark.parametrize("before", ["nothing", "another split"])
def test_a_split_that_is_killed_leaks_nothing_and_ends_well_when_run_again(
    tmp_path: Path, before: str
):
    split_leaks_nothing(tmp_path, before=before, every=3)


@pytest.mark.slow
@pytest.mark.parametrize("before", ["nothing", "another split"])
def test_a_split_that_is_killed_before_any_change_leaks_nothing(tmp_path: Path, before: str):
    split_leaks_nothing(tmp_path, before=before, every=1)


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


def further_books(top: Path) -> Callable[[], Done]:
    """Books of two raters, one with a mark, and a transcript that came since."""
    coding_books(top)
    source = write(top.parent / "T.jsonl", [*THREE, transcript("c/4", "我又抽了。", "难受。")])
    raters = ("--rater", "R1", "--rater", "R2")
    return lambda: eval_run("book", source, "-o", top / "books", *raters, "--seed", 7)


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


MAKERS = {"book": coding_books, "further book": further_books, "review": review_books}
BOOKS = {
    "book": ["miti_R1.xlsx", "miti_R2.xlsx"],
    "further book": ["miti_R1.2.xlsx", "miti_R1.xlsx", "miti_R2.2.xlsx", "miti_R2.xlsx"],
    "review": ["review.xlsx"],
}


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
        folder = top / ("review" if kind == "review" else "books")
        assert (folder / ("plan.json" if kind == "review" else "key.json")).is_file()
        assert sorted(one.name for one in folder.glob("*.xlsx")) == BOOKS[kind]
        assert no_draft(top), number
    return number


@pytest.mark.parametrize("kind", ["book", "review"])
def test_books_whose_writing_stops_short_stay_as_they_are(kind: str, tmp_path: Path):
    top, told = tmp_path / "top", tmp_path / "told"
    top.mkdir()
    again = MAKERS[kind](top)
    before = {path: path.read_bytes() for path in top.rglob("*") if path.is_file()}

    def work() -> None:
        done = again()
        told.write_text(f"{done.returncode} {done.stderr}")

    for limit in (400, 9000):  # the key or the plan, and a workbook
        assert not killed(work, top, 0, limit=limit)
        line = told.read_text()
        assert line.startswith(f"2 {top}/"), line
        assert ": cannot be written: " in line
        assert (line.count("\n"), ".tmp" in line) == (1, False)
        assert {path: path.read_bytes() for path in top.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("kind", MAKERS)
def test_marks_outlive_a_kill_while_books_are_replaced(kind: str, tmp_path: Path):
    assert books_survive(kind, tmp_path, every=4) > 8


@pytest.mark.slow
@pytest.mark.parametrize("kind", MAKERS)
def test_marks_outlive_a_kill_before_any_change_while_books_are_replaced(kind: str, tmp_path: Path):
    assert books_survive(kind, tmp_path, every=1) > 8


VENV = f"VENV={Path(sys.executable).parents[1]}"


def make_words(mk: str, *words: str) -> list[str]:
    return ["make", "-f", mk, VENV, *words]


def make(words: list[str]) -> subprocess.CompletedProcess[str]:
    dropped = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    kept_names = {name: value for name, value in os.environ.items() if name not in dropped}
    return subprocess.run(
        words, cwd=ROOT, env=kept_names, capture_output=True, text=True, check=False, timeout=300
    )


def dialogues_in(path: Path) -> set[str]:
    """The dialogues of a file of rows as LLaMA-Factory reads it, which asks no stamp."""
    if not path.exists():
        return set()
    return {row["id"].split("#")[0] for row in json.loads(path.read_text(encoding="utf-8"))}


def killed_in_make(
    words: list[str], below: Path, *, first: int, every: int, alone: bool
) -> Iterator[tuple[int, bool]]:
    """As `killed_everywhere`, of a make target with all its processes."""
    before = below.with_name(f"{below.name}.before")
    shutil.copytree(below, before)
    for number in count(first, every):
        shutil.rmtree(below)
        shutil.copytree(before, below)
        counter = below.with_name("counter")
        was_killed = make_killed(words, below, number, counter=counter, alone=alone)
        yield number, was_killed
        if not was_killed:
            return


def mark_review(book: Path) -> None:
    """Write a note into a review book, and decide against its first dialogue."""
    workbook = openpyxl.load_workbook(book)
    sheet = workbook["审阅"]
    column = {cell.value: place for place, cell in enumerate(sheet[1], start=1)}
    sheet.cell(2, column[NOTE], MARK)
    for row in range(2, sheet.max_row + 1):  # two may have read it
        if sheet.cell(row, column[ID]).value == sheet.cell(2, column[ID]).value:
            sheet.cell(row, column[DECISION], "删除")
            sheet.cell(row, column[REASON], "不连贯")
    workbook.save(book)


def ready_data(server: LLMServer, top: Path) -> list[str]:
    """Rows of a whole run, and a book changed since; returns the command to run now."""
    words = make_words(
        "data.mk", "data", f"DATA={top}", "SOURCES=mi_conversations:data/sample/train.json",
        "MODEL=tester", f"BASE_URL={server.base_url}",
    )  # fmt: skip
    make([*words, "TEST=9"])
    (book,) = (top / "mi" / "mi_conversations" / "review").glob("*.xlsx")
    fill_in(book)
    done = make([*words, "TEST=9"])
    assert done.returncode == 0, done.stdout + done.stderr
    mark_review(book)
    return [*words, "TEST=6"]


def data_survives(tmp_path: Path, *, first: int, every: int, alone: bool) -> int:
    top = tmp_path / "data"
    with LLMServer(transcribing) as server:
        words = ready_data(server, top)
        for number, was_killed in killed_in_make(words, top, first=first, every=every, alone=alone):
            assert kept(top), f"kill {number}: the mark is gone"
            both = dialogues_in(top / "mi_train.json") & dialogues_in(top / "mi_test_rounds.json")
            assert not both, f"kill {number}: {both} are trained on and tested"
            if was_killed:
                done = make(words)
                assert done.returncode == 0, (number, done.stdout, done.stderr)
            train, test = (dialogues_in(top / f"mi_{n}.json") for n in ("train", "test_rounds"))
            assert (len(test), train & test, kept(top), no_draft(top)) == (6, set(), True, True)
            if first > 1:
                break
    return number


def ready_miti(top: Path) -> list[str]:
    """A report of a whole run, and a book changed since; returns the command to run now."""
    source = write(top.parent / "T.jsonl", THREE)
    words = make_words("miti.mk", f"OUT={top}", f"TRANSCRIPTS={source}", "LANGUAGE=en")
    assert make(words).returncode == 0
    books = sorted((top / "books").glob("*.xlsx"))
    for book in books:
        fill(book, coded(book))
    done = make(words)
    assert done.returncode == 0, done.stdout + done.stderr
    change(books[0], "T01", D2=MARK)
    return words


def miti_survives(tmp_path: Path, *, first: int, every: int, alone: bool) -> int:
    top = tmp_path / "out"
    top.mkdir()
    words = ready_miti(top)
    for number, was_killed in killed_in_make(words, top, first=first, every=every, alone=alone):
        assert kept(top), f"kill {number}: the mark is gone"
        if was_killed:
            done = make(words)
            assert done.returncode == 0, (number, done.stdout, done.stderr)
        assert MARK in (top / "codes" / "transcripts.csv").read_text(encoding="utf-8-sig")
        assert (top / "report.html").is_file()
        assert (kept(top), no_draft(top)) == (True, True)
        if first > 1:
            break
    return number


def test_a_sample_of_kills_of_make_miti(tmp_path: Path):
    assert miti_survives(tmp_path, first=9, every=1, alone=False) == 9


@pytest.mark.slow
@pytest.mark.parametrize(
    ("alone", "every"), [(False, 1), (True, 4)], ids=["all of make", "one process"]
)
@pytest.mark.parametrize("target", [miti_survives, data_survives])
def test_a_make_target_that_is_killed_before_any_change_loses_nothing(
    target: Callable[..., int], tmp_path: Path, alone: bool, every: int
):
    assert target(tmp_path, first=1, every=every, alone=alone) > 20
