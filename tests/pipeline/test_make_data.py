"""`make data` from end to end: the real rules, a model on loopback, books filled in."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import openpyxl

from mi_llm.dialogue import read_dialogues
from mi_llm.validation import mask_findings, row_findings, usual_columns
from tests.converters.llm_jobs import ROOT, asked, rewriting, text
from tests.llm_server import LLMServer, failed, too_many, with_faults

TEST = 6


def transcribing(received):
    """A transcription that keeps the sample's turns, which are MI already."""
    source = asked(received)
    turns = source["dialogue"]
    while turns[0]["role"] != "client":
        turns = turns[1:]
    turns = turns[: len(turns) // 2 * 2]
    plain = rewriting(received)
    label = {"label": turns[0]["content"][:20], "category": "other", "direction": "start"}
    return text({**plain, "target_behavior": label, "dialogue": turns})


def make(server, folder, *words):
    """Run `make data` on the sample dialogues, all made files under a folder."""
    dropped = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return subprocess.run(
        [
            "make", *words, "data", f"VENV={Path(sys.executable).parents[1]}", f"DATA={folder}",
            "SOURCES=mi_conversations:data/sample/train.json", "MODEL=tester",
            f"BASE_URL={server.base_url}", f"TEST={TEST}",
        ],
        cwd=ROOT, env=kept, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def fill_in(book):
    """Decide on every row as reviewers who keep all: two people where a row stands twice."""
    workbook = openpyxl.load_workbook(book)
    sheet = workbook["审阅"]
    column = {cell.value: number for number, cell in enumerate(sheet[1], start=1)}
    seen = set()
    for number in range(2, sheet.max_row + 1):
        name = sheet.cell(number, column["对话编号"]).value
        sheet.cell(number, column["审阅人"], "乙" if name in seen else "甲")
        sheet.cell(number, column["决定"], "保留")
        seen.add(name)
    workbook.save(book)
    return len(seen)


def test_sources_become_checked_rows_and_people_decide_in_between(tmp_path):
    script = with_faults(transcribing, share=0.2, seed=7, faults=(too_many(), too_many("0.01")))
    with LLMServer(script) as server:
        planned = make(server, tmp_path, "-n")
        assert planned.returncode == 0, planned.stderr
        steps = [line.split(" converters ")[1].split()[0]
                 for line in planned.stdout.splitlines() if " -m converters " in line]  # fmt: skip
        assert steps == [
            "convert", "transcribe", "review", "review", "split", "alpaca", "alpaca", "check",
        ]  # fmt: skip
        assert server.received == []

        first = make(server, tmp_path)
        work = tmp_path / "mi" / "mi_conversations"
        assert first.returncode == 2  # make's own code for a rule that failed
        assert f"Have the books in {work / 'review'} filled in" in first.stderr
        assert not (work / "kept.jsonl").exists()
        (sent_out,) = (work / "review").glob("*.xlsx")
        assert f"{sent_out}：还没有填写（" in first.stderr
        book = work / "returned" / sent_out.name
        shutil.copy(sent_out, book)
        read = fill_in(book)
        filled = book.read_bytes()
        assert read >= 3
        sent = len(server.received)

        second = make(server, tmp_path)
        assert second.returncode == 0, second.stdout + second.stderr
        assert len(server.received) == sent  # nothing is asked again
        made = (tmp_path / "mi_train.json").stat().st_mtime_ns

        # The transcriptions written again, later: the same content, so everything stays.
        os.utime(work / "transcribed.jsonl")
        third = make(server, tmp_path)
        assert third.returncode == 0, third.stdout + third.stderr
        assert f"{work / 'review'}: books are up to date" in third.stdout
        assert f"{work / 'kept.jsonl'}: up to date" in third.stdout
        assert (tmp_path / "mi_train.json").stat().st_mtime_ns == made
        assert book.read_bytes() == filled

        # Transcriptions that say something else: refused, and nothing of the review is touched.
        text = (work / "transcribed.jsonl").read_text(encoding="utf-8")
        (work / "transcribed.jsonl").write_text(text.replace("我", "俺"), encoding="utf-8")
        (work / "transcribed.jsonl.stamp.json").unlink()  # as if somebody else had written it
        changed = make(server, tmp_path)
        assert changed.returncode == 2
        assert "its books stay as they are" in changed.stderr
        assert "was changed since" in changed.stderr
        assert (work / "review/plan.json").exists()
        assert book.read_bytes() == filled
    transcribed = list(read_dialogues(work / "transcribed.jsonl"))
    assert len(transcribed) == 32
    kept = list(read_dialogues(work / "kept.jsonl"))
    funnel = json.loads((work / "kept.funnel.json").read_text())
    assert len(kept) == funnel["out"] <= funnel["in"] == 32
    train, test = (list(read_dialogues(tmp_path / "mi" / f"{part}.jsonl"))
                   for part in ("train", "test"))  # fmt: skip
    assert len(test) == TEST
    assert {one.id for one in [*train, *test]} == {one.id for one in kept}
    for name in ("mi_train", "mi_test_rounds"):
        rows = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
        columns = usual_columns(rows)
        assert list(row_findings(rows, columns)) == []
        assert list(mask_findings(rows, columns, mask_history=True)) == []
        assert len(rows) > 30


def test_without_sources_it_says_how_it_is_used(tmp_path):
    done = subprocess.run(
        ["make", "-f", "data.mk"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert 'make data SOURCES="cpsycound:data/raw/cpsycound"' in done.stderr


def test_a_stop_while_transcribing_stops_make_and_the_same_command_goes_on(tmp_path):
    work = tmp_path / "mi" / "mi_conversations"
    with LLMServer(lambda received: failed(429, "insufficient_quota")) as poor:
        stopped = make(poor, tmp_path)
    assert stopped.returncode == 2
    assert "stopped: no quota left" in stopped.stderr
    assert not (work / "transcribed.jsonl").exists()
    with LLMServer(transcribing) as server:
        on = make(server, tmp_path)
    assert f"Have the books in {work / 'review'} filled in" in on.stderr
