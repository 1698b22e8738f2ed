from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mi_llm.dialogue import Dialogue, Turn, dialogue_lines
from tests.eval.transcripts_run import run


def sessions(path: Path, **counts: int) -> Path:
    """A file with transcripts of some sources."""
    turns = (Turn("client", "我想少抽一点。"), Turn("counselor", "嗯。"))
    made = [
        Dialogue(f"{name}/{n}", turns, {"transcript": {"source": name}})
        for name, count in counts.items()
        for n in range(count)
    ]
    path.write_text("".join(dialogue_lines(made)), encoding="utf-8")
    return path


def ids(path: Path) -> list[str]:
    return [json.loads(line)["id"] for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_sample_is_the_same_whatever_the_order_of_the_files_and_a_short_source_is_told(
    tmp_path: Path,
):
    one, two = (
        sessions(tmp_path / "one.jsonl", a=8, b=2),
        sessions(tmp_path / "two.jsonl", c=7),
    )
    out, other = tmp_path / "T.jsonl", tmp_path / "U.jsonl"
    done = run("sessions", one, two, "-o", out, "--sample", 3, "--seed", 5)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "b: all 2 taken, 3 asked for",
        "a: 3 transcripts, rounds 1.00 (0.00)",
        "b: 2 transcripts, rounds 1.00 (0.00)",
        "c: 3 transcripts, rounds 1.00 (0.00)",
        f"{out}: 8 of 17 transcripts: a 3, b 2, c 3; repaired: nothing; left out: nothing",
    ]
    assert run("sessions", two, one, "-o", other, "--sample", 3, "--seed", 5).returncode == 0
    assert sorted(ids(out)) == sorted(ids(other))
    stamp = json.loads((tmp_path / "T.jsonl.stamp.json").read_text(encoding="utf-8"))
    assert (stamp["sample"], stamp["seed"]) == (3, 5)
    assert stamp["sources"] == {"a": 3, "b": 2, "c": 3}
    assert stamp["inputs"].keys() == {str(one), str(two)}


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--translate", "zh"], "--translate asks a model; name it with --model"),
        (["--dry-run"], "--dry-run tells what --translate would ask; give both, or neither"),
        (["--translate", "zh", "--model", "m", "--prompt", "x"], "no prompt 'x'; there are: "),
        (["--overwrite", "--sample", 0], "--sample"),
    ],
)
def test_a_mistake_is_told_and_nothing_is_written(tmp_path: Path, more: list[Any], told: str):
    path, out = sessions(tmp_path / "s.jsonl", a=1), tmp_path / "T.jsonl"
    done = run("sessions", path, "-o", out, *more)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_an_address_elsewhere_matters_only_to_a_translation(tmp_path: Path):
    path, out = sessions(tmp_path / "s.jsonl", a=1), tmp_path / "T.jsonl"
    elsewhere = ["--model", "m", "--base-url", "https://models.example/v1"]
    assert run("sessions", path, "-o", out, *elsewhere).returncode == 0
    done = run("sessions", path, "-o", out, "--overwrite", "--translate", "zh", *elsewhere)
    assert done.returncode == 2
    assert "--allow-host models.example" in done.stderr


def test_an_output_that_exists_a_file_named_twice_and_a_bad_line_are_told_in_one_line(
    tmp_path: Path,
):
    path, out = sessions(tmp_path / "s.jsonl", a=2), tmp_path / "T.jsonl"
    there = run("sessions", path, "-o", path)
    twice = run("sessions", path, path, "-o", out)
    with path.open("a") as stream:
        stream.write('{"id": "a/9", "turns": []}\n')
    bad = run("sessions", path, "-o", out)
    assert (there.returncode, twice.returncode, bad.returncode) == (2, 2, 2)
    assert there.stderr == f"{path}: is read by this command; give the output another name\n"
    assert twice.stderr == f"{path}: is named twice\n"
    assert bad.stderr == f"{path}:3: a/9: has no turns\n"
    assert not out.exists()


def test_sessions_without_any_counselors_turn_make_no_file(tmp_path: Path):
    path, out = tmp_path / "s.jsonl", tmp_path / "T.jsonl"
    path.write_text("".join(dialogue_lines([Dialogue("a/1", (Turn("client", "在吗？"),))])))
    done = run("sessions", path, "-o", out)
    assert (done.returncode, done.stderr) == (2, f"{path}: no transcript with a counselor's turn\n")
    assert not out.exists()
