"""What the tests of jobs for a language model share: dialogues, a scripted model, the command."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import converters
from converters.__main__ import app
from mi_llm.dialogue import Dialogue, Turn, dialogue_lines
from tests.commands import run_here
from tests.llm_server import LLMServer, Received

ROOT = Path(converters.__file__).resolve().parent.parent
KEY = "sk-test-not-to-be-seen"


def talks(source: str, count: int, **meta: Any) -> list[Dialogue]:
    """Dialogues that differ in their first turn."""
    return [
        Dialogue(
            f"{source}/{n}",
            (Turn("client", f"{source}第{n}次想早点睡。"), Turn("counselor", "你应该早点睡。")),
            meta,
        )
        for n in range(count)
    ]


def saved(path: Path, dialogues: Iterable[Dialogue]) -> Path:
    path.write_text("".join(dialogue_lines(dialogues)), encoding="utf-8")
    return path


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def loaded(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def asked(received: Received) -> dict[str, Any]:
    """The JSON that the request is about."""
    value, _ = json.JSONDecoder().raw_decode(received.prompt)
    assert isinstance(value, dict)
    return value


def rewriting(received: Received) -> dict[str, Any]:
    """A transcription of the dialogue asked about that keeps every rule."""
    source = asked(received)
    first = source["dialogue"][0]["content"]
    contents = [first, "你在想换个作息。", "嗯。", " 这件事你惦记着。\n", "是。", "怎么做由你定。"]
    return {
        "schema_version": "1",
        "source_id": source["source_id"],
        "status": "ok",
        "skip_reason": None,
        "target_behavior": {"label": "十一点前上床", "category": "sleep", "direction": "start"},
        "risk_flags": ["none"],
        "dialogue": [
            {"role": ("client", "counselor")[n % 2], "content": text}
            for n, text in enumerate(contents)
        ],
        "annotations": [{"turn": 2, "task": "engaging", "codes": ["CR"]}],
    }


def skipping(received: Received) -> dict[str, Any]:
    """A transcription that names no behaviour."""
    return {
        **rewriting(received),
        "status": "skip",
        "skip_reason": "来访者只是讲述哀伤",
        "target_behavior": None,
        "dialogue": [],
        "annotations": [],
    }


def text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def command(server: LLMServer, *words: object) -> list[str]:
    """The command line; of an option that `words` have too, theirs counts."""
    verb, *more = map(str, words)
    where = ["--base-url", server.base_url, "--model", "tester"]
    return [sys.executable, "-m", "converters", verb, *where, *more]


def environment() -> dict[str, str]:
    more = {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "MI_LLM_API_KEY": KEY}
    return {**os.environ, **more, "COLUMNS": "200"}


def run(server: LLMServer, *words: object) -> Any:
    return run_here(app, *command(server, *words)[3:], environment=environment())
