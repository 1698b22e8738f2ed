"""`make demo` in a clone of its own: what a newcomer runs first."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipeline.llamafactory import ROOT

pytestmark = [pytest.mark.train, pytest.mark.slow]


def made(folder):
    """What `make -f demo.mk` prints there, started as from a shell: not as a child of make."""
    inherited = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    return subprocess.run(
        ["make", "-j2", "-f", "demo.mk", f"VENV={Path(sys.executable).parent.parent}"],
        cwd=folder,
        env={key: value for key, value in os.environ.items() if key not in inherited},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A copy of the tracked files in which the demo has run."""
    pytest.importorskip("llamafactory")
    clone = tmp_path_factory.mktemp("clone") / "mi-llm"
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    for name in filter(None, tracked):
        if (ROOT / name).exists():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, clone / name, follow_symlinks=False)
    done = made(clone)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("report: reports/demo/report.html")
    return clone


@pytest.mark.parametrize("model", ["baichuan2", "glm4", "llama3_chinese"])
def test_each_tuned_stand_in_beats_its_base_on_held_out_rounds(demo, model):
    means = {}
    for kind in ("base", "lora"):
        path = demo / "saves" / "demo" / f"{model}_{kind}" / "predict" / "scores.json"
        facts = json.loads(path.read_text(encoding="utf-8"))
        assert facts["rows"] == 77
        means[kind] = {one["measure"]: one["mean"] for one in facts["scores"] if not one["strip"]}
    assert means["lora"]["bleu4"] > means["base"]["bleu4"]
    assert means["lora"]["rougeL"] > means["base"]["rougeL"]


def test_the_report_states_overrides_and_that_stand_ins_mean_nothing(demo):
    page = (demo / "reports" / "demo" / "report.html").read_text(encoding="utf-8")
    assert "say nothing about Baichuan2, GLM-4" in page
    assert "additional_target=embed_tokens,lm_head" in page
    # The script-free view, of which nothing is hidden, is a sample of ten rounds.
    sections = re.findall(r'<section class="example"[^>]*>', page)
    assert sum(" hidden" not in one for one in sections) == 10
    for text in ("5.84", "6.47", "5.79", "2.10", "1.77", "2.39"):
        assert text in page


def test_the_report_needs_nothing_from_outside_itself(demo):
    page = (demo / "reports" / "demo" / "report.html").read_text(encoding="utf-8")
    for reaching_out in (
        "src=",
        "url(http",
        "@import",
        "<link",
        "fetch(",
        "XMLHttpRequest",
        "import(",
    ):
        assert reaching_out not in page


def test_a_second_call_makes_nothing_again(demo):
    done = made(demo)
    assert done.stdout == "report: reports/demo/report.html\n"
