"""The command `transcripts` by itself: `python -m tests.eval.transcripts_driver`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from eval.transcripts.command import transcripts
from mi_llm import cli

ROOT = Path(__file__).resolve().parents[2]
KEY = "sk-test-not-to-be-seen"

app = cli.command_group("Transcripts.")
app.callback()(lambda: None)  # else typer drops the command's name
app.command()(transcripts)


def command(*words: object) -> list[str]:
    program = [sys.executable, "-W", "error", "-m", "tests.eval.transcripts_driver"]
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


if __name__ == "__main__":
    cli.run(app)
