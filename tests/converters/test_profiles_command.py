"""The command `profiles`, as typed."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from converters.__main__ import app
from mi_llm.profiles import read_profiles
from tests.commands import run_here

ROOT = Path(__file__).resolve().parents[2]
OURS, RISKY = "profiles/health_behaviours.yaml", "profiles/risk.yaml"
PROFILE = """\
- id: phone-1
  target_behaviour: 睡前少看手机
  manifestations: [躺下以后还看一小时]
  reasons: [白天没有自己的时间]
  readiness: {readiness}
"""


def run(*words: object) -> Any:
    return run_here(app, "profiles", *words, environment=os.environ)


def mine(tmp_path: Path, name: str = "mine.yaml", readiness: object = 3) -> Path:
    path = tmp_path / name
    path.write_text(PROFILE.replace("{readiness}", str(readiness)), encoding="utf-8")
    return path


def refused(*words: object) -> list[str]:
    """Run what must end as a user's mistake does; return its lines."""
    done = run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    return list(done.stderr.splitlines())


def test_profiles_are_listed_one_a_line_with_their_number_last(tmp_path: Path):
    done = run(mine(tmp_path), OURS)
    assert (done.returncode, done.stderr) == (0, "")
    first, *others, last = done.stdout.splitlines()
    assert first == (
        "phone-1: 睡前少看手机; importance 3, confidence 3, ready 3 (contemplation); "
        "receptivity 3; 1 reason; plain; no risk"
    )
    assert others[-1].startswith("spending-online: 网购超支; importance 6, confidence 3, ready 5 ")
    assert others[-1].endswith("; receptivity 3; 3 reasons; pleasing; no risk")
    assert (len(others), last) == (10, "11 profiles")
    assert run(mine(tmp_path)).stdout.splitlines()[-1] == "1 profile"


def test_a_risk_is_shown(tmp_path: Path):
    lines = run(RISKY).stdout.splitlines()
    assert lines[0].endswith("; risk self_harm")
    assert lines[-1] == "7 profiles"


def test_the_output_is_read_back_and_has_a_stamp(tmp_path: Path):
    written, source = tmp_path / "all.jsonl", mine(tmp_path)
    done = run(source, RISKY, "-o", written)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == f"{written}: 8 profiles"
    assert read_profiles(written) == read_profiles(source) + read_profiles(ROOT / RISKY)
    stamp = json.loads((tmp_path / "all.jsonl.stamp.json").read_text("utf-8"))
    assert stamp["counts"] == {"profiles": 8}
    assert stamp["inputs"][str(source)] == hashlib.sha256(source.read_bytes()).hexdigest()


def test_an_output_that_exists_is_replaced_only_when_told_to(tmp_path: Path):
    written = tmp_path / "all.jsonl"
    written.write_text("mine", encoding="utf-8")
    assert refused(OURS, "-o", written) == [f"{written}: exists; add --overwrite to replace it"]
    assert written.read_text("utf-8") == "mine"
    assert run(OURS, "-o", written, "--overwrite").returncode == 0
    assert len(read_profiles(written)) == 10


def test_an_output_that_could_not_be_read_again_is_refused(tmp_path: Path):
    written = tmp_path / "all.json"
    (line,) = refused(OURS, "-o", written)
    assert line == f"{written}: profiles are written as JSON Lines; name it .jsonl"


def test_all_faults_of_all_files_are_told_and_nothing_is_written(tmp_path: Path):
    high, double = mine(tmp_path, readiness=12), mine(tmp_path, "double.yaml")
    again, missing = mine(tmp_path, "again.yaml"), tmp_path / "missing.yaml"
    written = tmp_path / "all.jsonl"
    assert refused(high, missing, double, again, "-o", written) == [
        f"{high}: profile 'phone-1': readiness: 12 is above 10",
        f"{missing}: no such file or directory",
        f"{again}: profile 'phone-1': stands in {double} too; rename one",
    ]
    assert not written.exists()
