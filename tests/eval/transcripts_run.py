"""The command `transcripts`, as typed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
KEY = "sk-test-not-to-be-seen"


def command(*words: object) -> list[str]:
    program = [sys.executable, "-W", "error", "-m", "eval"]
    return [*program, "transcripts", *map(str, words)]


def environment() -> dict[str, str]:
    hidden = ("OPENAI_API_KEY", "MI_LLM_MODEL", "MI_LLM_BASE_URL")
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    return {**kept, "PYTHONIOENCODING": "utf-8", "MI_LLM_API_KEY": KEY}


def run(*words: object) -> Any:
    return subprocess.run(
        command(*words),
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )
