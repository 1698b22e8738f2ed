"""Where a model does well and badly: by round, by length of the reference, by topic.

Groups of one file are looked at here, not tested against each other: they hold different dialogues,
and with many groups some look bad by chance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from eval.predictions import Prediction
from eval.shares import Lengths, Share, answer_shares, mean_lengths
from eval.similarity import MEASURES, Similarity
from eval.slope import Slope, slope_per_round
from mi_llm.alpaca import AlpacaRow, dialogue_ids
from mi_llm.csv_file import whole_number
from mi_llm.dialogue import Dialogue
from mi_llm.errors import InputError
from mi_llm.statistics import PERCENT, Estimate, clustered_mean, few_dialogues

NO_TOPIC = "(none)"
# Later rounds, which fewer dialogues reach, are one group.
FEWEST_DIALOGUES = 10


@dataclass(frozen=True, slots=True)
class Group:
    """Rounds that have something in common.

    Attributes:
        name: What: `3`, `11 and later`, `20 to 31 characters`, a topic.
        first: The least round number or length in it; None for a topic.
        last: The greatest, likewise.
        rounds: How many.
        dialogues: That they belong to.
        scores: Measure -> mean over its rounds, a percentage, with the interval over dialogues.
        warning: What to print beside it; None from 20 dialogues.
    """

    name: str
    first: int | None
    last: int | None
    rounds: int
    dialogues: int
    scores: dict[str, Estimate]
    warning: str | None


@dataclass(frozen=True, slots=True)
class Breakdown:
    """One predictions file, looked at from all sides.

    Attributes:
        by_round: Groups by the round's number in its dialogue.
        slopes: Measure -> change per round.
        by_length: Groups by quarters of the reference's length in characters.
        by_topic: Groups by topic, the largest first; empty where no topic is known.
        shares: Of answers with a fault.
        lengths: Of answers and references.
        seed: Of the intervals.
    """

    by_round: tuple[Group, ...]
    slopes: dict[str, Slope]
    by_length: tuple[Group, ...]
    by_topic: tuple[Group, ...]
    shares: tuple[Share, ...]
    lengths: Lengths
    seed: int

    def as_json(self) -> dict[str, Any]:
        """Everything, for a file."""
        return asdict(self)


def breakdown(
    predictions: Sequence[Prediction],
    rows: Sequence[AlpacaRow],
    scores: Sequence[Similarity],
    *,
    topics: Mapping[str, str] | None = None,
    finish: Sequence[str | None] | None = None,
    seed: int = 0,
) -> Breakdown:
    """Look at N predictions from all sides.

    Args:
        predictions: In row order.
        rows: The rows that they answer.
        scores: Of each.
        topics: Dialogue's id -> topic.
        finish: Why each answer ended, as the server said (`length`: at the token limit); None where
            it did not. LLaMA-Factory's own prediction says nothing about it.
        seed: Of the intervals.

    Raises:
        InputError: If there is nothing to look at, or topics are given and none is of these rows.
    """
    if not rows:
        raise InputError("no predictions to break down")
    look = _Look(scores, dialogue_ids(rows), seed)
    rounds = round_numbers(rows)
    return Breakdown(
        by_round=look.groups(*_round_bins(rounds, look.dialogues)),
        slopes={
            measure: slope_per_round(look.values(measure), rounds, look.dialogues, seed=seed)
            for measure in MEASURES
        },
        by_length=look.groups(*_length_bins([len(one.label.strip()) for one in predictions])),
        by_topic=() if topics is None else look.by_topic(topics),
        shares=tuple(answer_shares(predictions, rows, finish=finish, seed=seed)),
        lengths=mean_lengths(predictions, look.dialogues, seed=seed),
        seed=seed,
    )


def round_numbers(rows: Sequence[AlpacaRow]) -> list[int]:
    """The number of each row's round in its dialogue, from 1.

    It is the end of the id, `<dialogue>#<round>`; without one, the rounds of the history and one.
    """
    numbers = (row.get("id", "").rpartition("#")[2].rpartition("-")[2] for row in rows)
    return [
        (whole_number(number) if "#" in row.get("id", "") else None) or len(row["history"]) + 1
        for number, row in zip(numbers, rows, strict=True)
    ]


def topics_of(dialogues: Iterable[Dialogue], *, key: str = "topic") -> dict[str, str]:
    """Dialogue's id -> topic, for those whose `meta` has one."""
    return {one.id: str(one.meta[key]) for one in dialogues if one.meta.get(key)}


@dataclass(frozen=True, slots=True)
class _Look:
    """What every part of a breakdown needs."""

    scores: Sequence[Similarity]
    dialogues: Sequence[str]
    seed: int

    def values(self, measure: str) -> list[float]:
        return [getattr(one, measure) for one in self.scores]

    def groups(
        self, keys: Sequence[int], names: Callable[[int, int], str], numbers: Sequence[int]
    ) -> tuple[Group, ...]:
        """Groups of rows with one key, in the keys' order, named after their numbers' extremes."""
        made = []
        for key in sorted(set(keys)):
            chosen = [at for at, one in enumerate(keys) if one == key]
            first, last = (end(numbers[at] for at in chosen) for end in (min, max))
            made.append(self.group(names(first, last), chosen, first, last))
        return tuple(made)

    def by_topic(self, topics: Mapping[str, str]) -> tuple[Group, ...]:
        named = [topics.get(dialogue, NO_TOPIC) for dialogue in self.dialogues]
        if set(named) == {NO_TOPIC}:
            raise InputError(
                f"no dialogue of the rows has a topic, {self.dialogues[0]!r} for one; "
                "give the dialogues that the rows were made from"
            )
        return tuple(
            self.group(topic, [at for at, one in enumerate(named) if one == topic])
            for topic, _ in Counter(named).most_common()
        )

    def group(
        self, name: str, chosen: Sequence[int], first: int | None = None, last: int | None = None
    ) -> Group:
        clusters = [self.dialogues[at] for at in chosen]
        return Group(
            name=name,
            first=first,
            last=last,
            rounds=len(chosen),
            dialogues=len(set(clusters)),
            scores={
                measure: clustered_mean(
                    [getattr(self.scores[at], measure) for at in chosen],
                    clusters,
                    scale=PERCENT,
                    seed=self.seed,
                )
                for measure in MEASURES
            },
            warning=few_dialogues(len(set(clusters))),
        )


def _round_bins(
    rounds: Sequence[int], dialogues: Sequence[Hashable]
) -> tuple[list[int], Callable[[int, int], str], Sequence[int]]:
    """Each round by itself as long as enough dialogues reach it; the rest together."""
    reached = Counter(number for number, _ in set(zip(rounds, dialogues, strict=True)))
    tail = next((one for one in sorted(reached) if reached[one] < FEWEST_DIALOGUES), max(rounds))
    keys = [min(number, tail) for number in rounds]
    last_round = max(rounds)

    def name(first: int, last: int) -> str:
        return f"{first} and later" if first == tail and tail < last_round else str(last)

    return keys, name, rounds


def _length_bins(
    lengths: Sequence[int],
) -> tuple[list[int], Callable[[int, int], str], Sequence[int]]:
    """Quarters of the rows by length; fewer where many references are as long as each other."""
    quartiles = np.unique(np.quantile(lengths, [0.25, 0.5, 0.75]))
    keys = [int(one) for one in np.searchsorted(quartiles, lengths, side="left")]
    return keys, lambda first, last: f"{first} to {last} characters", lengths
