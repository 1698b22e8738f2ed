"""`make miti` from end to end: the real rules, books filled in, a page."""

import os
import subprocess
import sys
from pathlib import Path

from tests.eval.coded_sessions import session
from tests.eval.coding_books import fill, transcript, volleys, write
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


def test_sessions_become_a_table_and_a_page_and_raters_code_in_between(tmp_path):
    turns = ("我想少抽烟。", "你在盘算。怎么做？", "少买。", "少买一点。还有呢？")
    files = [
        write(tmp_path / f"{name}.jsonl", [
            transcript(f"{name}/{n}", *turns, source=name, target_behaviour=GOAL, profile="p")
            for n in range(2)
        ])
        for name in ("tuned", "base")
    ]  # fmt: skip
    out = tmp_path / "out"
    words = (f"TRANSCRIPTS={' '.join(map(str, files))}", "LANGUAGE=en")

    first = make(out, *words)
    assert first.returncode == 0, first.stderr
    assert first.stdout.endswith("then run the same command again.\n")
    books = sorted((out / "books").glob("*.xlsx"))
    assert [one.name for one in books] == ["miti_R1.xlsx", "miti_R2.xlsx"]

    unfilled = make(out, *words)
    assert unfilled.returncode == 2
    assert "nothing was written" in unfilled.stderr

    for book in books:
        fill(book, coded(book))
    done = make(out, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(f"report: {out / 'report.html'}\n")
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Table 6" in page
    # In each of 4 sessions 1 reflection to 2 questions: R:Q 0.50 in both sources.
    assert page.count("<td>0.50 (0.00)</td>") >= 2
    assert "tuned" in page
    assert "base" in page
    again = make(out, *words)
    assert again.stdout == f"report: {out / 'report.html'}\n"


def test_without_transcripts_it_says_how_it_is_used():
    done = subprocess.run(
        ["make", "-f", "miti.mk"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert 'make miti TRANSCRIPTS="saves/roleplay/transcripts.jsonl"' in done.stderr
