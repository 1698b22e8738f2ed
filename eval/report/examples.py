"""Rounds to read side by side: best, worst, at random, with the longest history."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from eval.report.content import Content
from eval.runs import Run

SHOWN = 10
VIEWS = ("random", "best", "worst", "longest")
_BY = "bleu4"


@dataclass(frozen=True, slots=True)
class Reply:
    """What one model answered, with its scores (percentages)."""

    run: Run
    text: str
    bleu4: float
    rouge_l: float


@dataclass(frozen=True, slots=True)
class Example:
    """One round.

    Attributes:
        name: The row's id.
        history: Earlier rounds, (client, counselor).
        client: The turn to answer.
        counselor: The reference.
        replies: Of all models.
        places: View -> place in it, from 0: `random`, `longest`, `best glm4_lora`, ...
    """

    name: str
    history: tuple[tuple[str, str], ...]
    client: str
    counselor: str
    replies: tuple[Reply, ...]
    places: dict[str, int]


def examples(found: Content, *, seed: int = 0) -> list[Example]:
    """The rounds of all views, each once, in the order of the file."""
    places: dict[int, dict[str, int]] = {}
    for view, rows in _views(found, seed):
        for place, row in enumerate(rows):
            places.setdefault(row, {})[view] = place
    return [_example(found, row, places[row]) for row in sorted(places)]


def _views(found: Content, seed: int) -> Iterator[tuple[str, Sequence[int]]]:
    numbers = range(len(found.rows))
    count = min(SHOWN, len(numbers))
    yield "random", sorted(random.Random(seed).sample(numbers, count))
    yield "longest", sorted(numbers, key=lambda row: -len(found.rows[row]["history"]))[:count]
    for run in found.runs:
        scores = [row["lf"][_BY] for row in run.scores["per_row"]]
        ranked = sorted(numbers, key=scores.__getitem__)
        yield f"worst {run.name}", ranked[:count]
        yield f"best {run.name}", ranked[::-1][:count]


def _example(found: Content, number: int, places: dict[str, int]) -> Example:
    row = found.rows[number]
    return Example(
        name=row.get("id", f"row {number}"),
        history=tuple((client, counselor) for client, counselor in row["history"]),
        client=row["input"],
        counselor=row["output"],
        replies=tuple(_reply(run, number) for run in found.runs),
        places=places,
    )


def _reply(run: Run, number: int) -> Reply:
    scores = run.scores["per_row"][number]["lf"]
    text = run.predictions[number].predict.strip()
    return Reply(run, text, scores["bleu4"], scores["rougeL"])
