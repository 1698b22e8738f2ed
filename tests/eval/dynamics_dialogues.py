"""Dialogues and annotations for the tests of `dynamics`, and the command as it is typed."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval.__main__ import app
from eval.dynamics.annotations import Annotation, Block, ClientTurn, Volley, annotation_lines
from eval.dynamics.report import report
from eval.dynamics.subject import Subject, subjects
from mi_llm.dialogue import Dialogue, Role, Turn
from tests.commands import Done, run_here

ROOT = Path(__file__).resolve().parents[2]
KEY = "sk-test-not-to-be-seen"

_TALK: Any = {"c": "change", "s": "sustain", "n": "neutral", "r": "neutral", "x": "neutral"}


def dialogue(
    name: str, turns: int, group: str = "a", *, opens: Role = "client", **calm_it: Any
) -> Dialogue:
    """A dialogue of so many turns whose words are of no interest."""
    other: Role = "client" if opens == "counselor" else "counselor"
    said = [Turn((opens, other)[at % 2], f"第{at + 1}句。") for at in range(turns)]
    meta: dict[str, Any] = {"transcript": {"source": group, "target_behaviour": "十一点前上床"}}
    return Dialogue(name, tuple(said), meta | ({"calm_it": calm_it} if calm_it else {}))


def talk(letters: str) -> tuple[ClientTurn, ...]:
    """Client turns: change, sustain, neutral, neutral that refuses, neutral that leaves (x)."""
    return tuple(
        ClientTurn(turn=number, talk=_TALK[one], refusal=one == "r", exit=one == "x")
        for number, one in enumerate(letters, start=1)
        if one in _TALK
    )


def volleys(letters: str) -> tuple[Volley, ...]:
    """Volleys: those that redirect (+), those that do not (-), those nobody looked at (?)."""
    return tuple(
        Volley(volley=number, redirection=None if one == "?" else one == "+")
        for number, one in enumerate(letters, start=1)
    )


def blocks(name: str, *scores: int) -> tuple[Block, ...]:
    """Blocks of ten rounds with their scores on one rating."""
    return tuple(
        Block(first_round=10 * at + 1, last_round=10 * at + 10, **{name: score})
        for at, score in enumerate(scores)
    )


def measured(*pairs: tuple[Dialogue, Annotation | None]) -> Any:
    """The report; untyped, as a test that finds nothing where it looks has failed anyway."""
    return report(subjects_of(*pairs), seed=0)


def subjects_of(*pairs: tuple[Dialogue, Annotation | None]) -> list[Subject]:
    return subjects([one for one, _ in pairs], {one.id: said for one, said in pairs if said})


def saved_annotations(path: Path, annotations: Sequence[Annotation]) -> Path:
    path.write_text("".join(annotation_lines(annotations)), encoding="utf-8")
    return path


def run(*words: object, url: str | None = None) -> Done:
    """The command, with `tester` as model and one request at a time where an address is given."""
    hidden = ("OPENAI_API_KEY", "MI_LLM_MODEL", "MI_LLM_BASE_URL")
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    where = ["--base-url", url, "--model", "tester", "--concurrency", 1] if url else []
    told = {**kept, "MI_LLM_API_KEY": KEY, "COLUMNS": "200"}
    return run_here(app, "dynamics", *where, *words, environment=told)


def loaded(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
