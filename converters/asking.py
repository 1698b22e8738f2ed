"""What the jobs for a language model share: a request per dialogue, results in order, a tally."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mi_llm import jsonl
from mi_llm.dialogue import Dialogue
from mi_llm.llm import (
    Message,
    Request,
)
from mi_llm.service import Result
from prompts import Prompt

Asides = Counter[tuple[str, str]]
"""How many dialogues got no result, by status and kind of reason."""

Ask = Callable[[Iterable[Request]], Iterator[Result]]
"""Sends requests and yields what came of each, in any order."""


@dataclass(frozen=True, slots=True)
class _Requests:
    """Requests that are made as they are read, and whose number is known for all that."""

    asked: Iterable[tuple[Dialogue, Request]]
    count: int
    pending: deque[tuple[str, Dialogue]]

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Request]:
        for dialogue, request in self.asked:
            self.pending.append((request.id, dialogue))
            yield request


@dataclass(frozen=True, slots=True)
class Aside:
    """A dialogue that got no result.

    Attributes:
        id: Of the dialogue.
        status: `skipped`: the model says that it cannot be done. `set aside`: no usable answer.
        reason: Why.
        text: What the model last wrote.
    """

    id: str
    status: str
    reason: str
    text: str

    @property
    def kind(self) -> str:
        """The reason without its details, for counting; why one was skipped is free text."""
        return "" if self.status == "skipped" else self.reason.partition(":")[0]

    def line(self) -> str:
        """One line of JSON, newline included."""
        value = {"id": self.id, "status": self.status, "reason": self.reason, "text": self.text}
        return jsonl.dumped(value) + "\n"


def ledger_path(output: Path) -> Path:
    """Where the answers for an output are kept."""
    return output.with_name(f"{output.name}.ledger.jsonl")


def messages(prompt: Prompt, dialogue: Dialogue, **further: Any) -> tuple[Message, ...]:
    """The prompt as system message, and the turns of a dialogue as JSON.

    Neither its id nor its `meta` is sent: a judge must not know which corpus it is from.

    Args:
        prompt: A text without blanks.
        dialogue: What the request is about.
        **further: What stands before the dialogue in the JSON.
    """
    turns = [{"role": turn.role, "content": turn.content} for turn in dialogue.turns]
    return (
        {"role": "system", "content": prompt.fill()},
        {"role": "user", "content": jsonl.dumped({**further, "dialogue": turns})},
    )


def in_order(
    asked: Iterable[tuple[Dialogue, Request]], count: int, ask: Ask
) -> Iterator[tuple[Dialogue, Result]]:
    """Ask, and yield each dialogue with its result, in the order of the dialogues.

    Only the results that came before their turn are held.

    Args:
        asked: Dialogues with their requests, read as they are needed.
        count: How many there are.
        ask: Sends them.
    """
    pending: deque[tuple[str, Dialogue]] = deque()
    waiting: dict[str, Result] = {}
    for result in ask(_Requests(asked, count, pending)):
        waiting[result.id] = result
        while pending and pending[0][0] in waiting:
            name, dialogue = pending.popleft()
            yield dialogue, waiting.pop(name)


def tally(done: int, asides: Asides, *, word: str) -> str:
    """The closing line: `kept 480 of 500: 15 skipped, 5 set aside (3 not JSON, 2 cut off)`.

    Args:
        done: How many got a result.
        asides: How many did not.
        word: What `done` counts, e.g. `kept`.
    """
    skipped = sum(count for (status, _), count in asides.items() if status == "skipped")
    kinds = [(count, kind) for (status, kind), count in asides.items() if status != "skipped"]
    parts = [f"{skipped:,} skipped"] if skipped else []
    if kinds:
        listed = ", ".join(f"{n:,} {kind}" for n, kind in sorted(kinds, key=lambda k: (-k[0], k)))
        parts.append(f"{sum(n for n, _ in kinds):,} set aside ({listed})")
    told = f"{word} {done:,} of {done + asides.total():,}"
    return f"{told}: {', '.join(parts)}" if parts else told
