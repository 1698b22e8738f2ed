"""`make miti` from end to end: the real rules, books filled in, a page."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.eval.coded_sessions import session
from tests.eval.coding_books import fill, run, transcript, volleys, write
from tests.pipeline.llamafactory import ROOT

GOAL = "每天少抽五支烟"


def make(folder, *words):
    dropped = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    venv = f"VENV={Path(sys.executable).parents[1]}"
    return subprocess.run(
        ["make", "-f", "miti.mk", venv, f"OUT={folder}", *words],
        cwd=ROOT, env=kept, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def coded(book):
    """Every volley a question with a simple reflection, but for the first: only a question."""
    return [
        session(name, "R", " / ".join(["Q", *["SR Q"] * (count - 1)]), (4, 4, 3, 3),
                target_behaviour=GOAL)
        for name, count in volleys(book).items()
    ]  # fmt: skip


TURNS = ("我想少抽烟。", "你在盘算。怎么做？", "少买。", "少买一点。还有呢？")


def sessions(path, source, *names, turns=TURNS):
    return write(path, [
        transcript(f"{source}/{n}", *turns, source=source, target_behaviour=GOAL, profile="p")
        for n in names
    ])  # fmt: skip


def test_sessions_become_a_table_and_a_page_and_raters_code_in_between(tmp_path):
    files = [sessions(tmp_path / f"{name}.jsonl", name, 0, 1) for name in ("tuned", "base")]
    out = tmp_path / "out"
    words = (f"TRANSCRIPTS={' '.join(map(str, files))}", "LANGUAGE=en")

    first = make(out, *words)
    assert first.returncode == 0, first.stderr
    assert first.stdout.endswith("then run the same command again.\n")
    books = sorted((out / "books").glob("*.xlsx"))
    assert [one.name for one in books] == ["miti_R1.xlsx", "miti_R2.xlsx"]

    for book in books:
        shutil.copy(book, out / "returned")
        fill(out / "returned" / book.name, coded(book))
    (out / "returned/miti_R2.xlsx").rename(tmp_path / "late.xlsx")
    late = make(out, *words)
    assert late.returncode == 2
    assert late.stderr.splitlines()[:2] == [
        f"{books[1]}: nothing is filled in yet (4 transcripts, 8 volleys)",
        f"faults: 1 (a draft? add --partial); nothing was written to {out / 'codes'}",
    ]
    assert f"put what comes back into {out / 'returned'}" in late.stderr
    assert "CODES=--partial goes on with what is there." in late.stderr
    (tmp_path / "late.xlsx").rename(out / "returned/miti_R2.xlsx")

    done = make(out, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(f"report: {out / 'report.html'}\n")
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Table 6" in page
    # In each of 4 sessions 1 reflection to 2 questions: R:Q 0.50 in both sources.
    assert page.count("<td>0.50 (0.00)</td>") >= 2
    assert "tuned" in page
    assert "base" in page
    # Both raters coded the same in all 8 volleys: kappa 1 for simple reflections, in 4 of them.
    agreed = json.loads((out / "miti.json").read_text("utf-8"))["agreement"]["pairs"]
    assert [(one["first"], one["second"], one["volleys"], one["kappa"]) for one in agreed] == [
        ("R1", "R2", 8, 1.0)
    ]
    assert "Agreement: Codes, volley by volley: R1 and R2" in page
    assert "ICC(2,1), 95% interval" in page


def test_marks_outlive_transcripts_that_change_and_can_still_be_read(tmp_path):
    path, out = tmp_path / "T.jsonl", tmp_path / "out"
    words = (f"TRANSCRIPTS={sessions(path, 'tuned', 0, 1)}", "LANGUAGE=zh")
    assert make(out, *words).returncode == 0
    marks = {}
    for book in sorted((out / "books").glob("*.xlsx")):  # filled in where they lie, too
        fill(book, coded(book))
        marks[book.name] = book.read_bytes()

    sessions(path, "tuned", 0, 1, turns=("我想戒烟。", *TURNS[1:]))
    changed = make(out, *words)
    assert changed.returncode == 2
    told = f"{out / 'books'}: its books stay as they are, since they are not of what is given: "
    assert f"{told}tuned/0 was changed since; tuned/1 was changed since." in changed.stderr
    assert {one.name: one.read_bytes() for one in (out / "books").glob("*.xlsx")} == marks

    replaced = make(out, *words, "BOOK=--overwrite")
    assert replaced.returncode == 2  # the new books are blank
    (aside,) = out.glob("books.replaced-*")
    assert f"moved aside to {aside}" in replaced.stderr
    assert {one.name: one.read_bytes() for one in aside.glob("*.xlsx")} == marks
    again = run("codes", aside, "-o", tmp_path / "codes", "--key", aside / "key.json")
    assert again.exit_code == 0, again.output


def test_without_transcripts_it_says_how_it_is_used():
    done = subprocess.run(
        ["make", "-f", "miti.mk"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert 'make miti TRANSCRIPTS="saves/roleplay/transcripts.jsonl"' in done.stderr


def test_clean_removes_what_the_demo_made_and_nothing_of_ones_own(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    own = ["data/mi_sample_mine.json", "data/mi_train.json", "saves/roleplay/key.json"]
    demo = [f"data/mi_sample_{part}.json{more}" for part in ("train", "test")
            for more in ("", ".stamp.json")]  # fmt: skip
    for name in [*own, *demo, "saves/demo/x/scores.json", "reports/demo/report.html"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    subprocess.run(["make", "-s", "clean"], cwd=tmp_path, check=True)
    left = (one.relative_to(tmp_path) for one in tmp_path.rglob("*") if one.is_file())
    assert sorted(map(str, left)) == sorted(["Makefile", *own])
