"""The real command line of LLaMA-Factory, and stand-ins to run it on."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEMPLATES = {"baichuan2": "baichuan2", "glm4": "glm4", "llama3_chinese": "llama3"}


def run(*words, cwd=ROOT):
    """Run a Python module or program from the project's root; fail with its output."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{words}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def module(*words):
    return run(sys.executable, "-m", *words)


def factory(*words):
    return run(Path(sys.executable).parent / "llamafactory-cli", *words)


def stand_in(family, folder, *, steps):
    """Make a stand-in in `folder/<family>` and return its path."""
    path = folder / family
    module("converters", "stand-in", family, "-o", path, "--steps", steps)
    return path
