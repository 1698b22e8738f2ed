from __future__ import annotations

import json
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

import mi_llm
from mi_llm import stamp
from mi_llm.errors import InputError

# FIPS 180: SHA-256 of "abc" and of nothing.
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.fixture(autouse=True)
def typed(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["/anywhere/converters/__main__.py", "convert", "a corpus.json", "-o", "out"]
    monkeypatch.setattr(sys, "argv", words)


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_a_stamp_lies_beside_the_file_or_folder_under_its_whole_name():
    assert stamp.stamp_path(Path("saves/glm4")) == Path("saves/glm4.stamp.json")
    assert stamp.stamp_path(Path("d/a.jsonl")) == Path("d/a.jsonl.stamp.json")


def test_a_stamp_says_what_a_file_was_made_from_and_how(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(stamp, "_ROOT", tmp_path)  # outside git
    source, output = tmp_path / "语料.json", tmp_path / "out"
    source.write_bytes(b"abc")
    output.write_bytes(b"")
    stamp.write_stamp(output, inputs=[source], counts={"rows": 2}, packages=["numpy"], seed=0)

    facts = json.loads((tmp_path / "out.stamp.json").read_text(encoding="utf-8"))
    written = datetime.fromisoformat(facts.pop("written"))
    assert abs((datetime.now(UTC) - written).total_seconds()) < 60
    assert facts == {
        "output": {str(output): NOTHING},
        "command": "python -m converters convert 'a corpus.json' -o out",
        "versions": {
            "python": platform.python_version(),
            "mi-llm": mi_llm.__version__,
            "numpy": np.__version__,
        },
        "commit": None,
        "inputs": {str(source): ABC},
        "counts": {"rows": 2},
        "seed": 0,
    }


def test_a_folder_is_stamped_without_a_digest_and_an_old_stamp_is_replaced(tmp_path: Path):
    (tmp_path / "out").mkdir()
    stamp.write_stamp(tmp_path / "out", inputs=[], counts={"steps": 1})
    stamp.write_stamp(tmp_path / "out", inputs=[], counts={"steps": 2})
    facts = json.loads((tmp_path / "out.stamp.json").read_text(encoding="utf-8"))
    assert (facts["output"], facts["counts"]) == ({str(tmp_path / "out"): None}, {"steps": 2})


def test_a_missing_input_is_a_mistake_that_leaves_no_stamp(tmp_path: Path):
    with pytest.raises(InputError, match="absent"):
        stamp.write_stamp(tmp_path / "out", inputs=[tmp_path / "absent"], counts={})
    assert list(tmp_path.iterdir()) == []


def test_an_input_whose_name_is_not_utf8_can_be_stamped(tmp_path: Path):
    # Linux keeps names as bytes; Python shows the bytes of a GB 18030 name as lone surrogates.
    source = tmp_path / "\udcd3\udcef.json"
    try:
        source.touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    stamp.write_stamp(tmp_path / "out", inputs=[source], counts={})
    facts = json.loads((tmp_path / "out.stamp.json").read_text(encoding="utf-8"))
    assert facts["inputs"] == {str(source): NOTHING}


def test_a_detail_with_half_a_character_can_be_stamped(tmp_path: Path):
    # An id from a corpus may hold a lone surrogate: `alpaca` records ids of dialogues.
    stamp.write_stamp(tmp_path / "out", inputs=[], counts={}, dialogues_without_round=["\ud83d"])
    facts = json.loads((tmp_path / "out.stamp.json").read_text(encoding="utf-8"))
    assert facts["dialogues_without_round"] == ["\ud83d"]


def test_a_package_that_is_not_installed_has_no_version():
    assert stamp.versions(["no-such-distribution-at-all"]).keys() == {"python", "mi-llm"}


def test_the_commit_is_the_hash_with_dirty_behind_it_when_tracked_files_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(stamp, "_ROOT", tmp_path)
    assert stamp.commit() is None
    git(tmp_path, "init", "--quiet")
    (tmp_path / "a").write_text("1")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "--quiet", "--message", "one")
    git(tmp_path, "tag", "--annotate", "v1", "--message", "a tag must not stand for the hash")
    (tmp_path / "untracked").touch()
    head = git(tmp_path, "rev-parse", "HEAD")
    assert stamp.commit() == head
    (tmp_path / "a").write_text("2")
    assert stamp.commit() == f"{head}-dirty"
