"""Shares of answers with a fault, and how long answers are."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np

from eval.answers import Faults, answer_faults
from eval.predictions import Prediction
from eval.ratio import ratio_of_sums
from mi_llm.alpaca import AlpacaRow, dialogue_ids
from mi_llm.statistics import AMOUNT, SHARE, Estimate, clustered_mean, few_dialogues

# Dialogues. In docs/statistics.md's simulation an event in 10% of rounds is in 3 of 10 dialogues on
# average, where its interval covers 96.5%, and in 1 or 2 of 5, where it covers 84.7%.
ENOUGH = 3


@dataclass(frozen=True, slots=True)
class Share:
    """How many answers have something: a fraction in [0, 1].

    Attributes:
        name: What, a field of `eval.answers.Faults` or `token_limit`.
        count: Answers that have it.
        rounds: Of how many.
        estimate: The share and its interval.
        references: The share among the counselors' own turns; None where that means nothing.
        warning: Why the interval is not to be relied on; None if it is.
    """

    name: str
    count: int
    rounds: int
    estimate: Estimate
    references: float | None
    warning: str | None


@dataclass(frozen=True, slots=True)
class Lengths:
    """Characters of answers beside those of their references, white space around them left out.

    Attributes:
        answers: Mean number of characters.
        references: Mean number of characters.
        ratio: First mean by second; None if the references hold nothing.
    """

    answers: float
    references: float
    ratio: Estimate | None


def answer_shares(
    predictions: Sequence[Prediction],
    rows: Sequence[AlpacaRow],
    *,
    finish: Sequence[str | None] | None = None,
    seed: int,
) -> Iterator[Share]:
    """Yield the share of each fault, and of answers at the token limit where that is known.

    Args:
        predictions: N predictions.
        rows: The rows that they answer.
        finish: Why each answer ended, as the server said; None where it did not.
        seed: Of the intervals.
    """
    dialogues = dialogue_ids(rows)
    found = answer_faults([one.predict for one in predictions], rows)
    own = answer_faults([row["output"] for row in rows], rows)
    for field in fields(Faults):
        has = [bool(getattr(one, field.name)) for one in found]
        references = sum(getattr(one, field.name) for one in own) / len(own)
        yield share(field.name, has, dialogues, references=references, seed=seed)
    known = [at for at, reason in enumerate(finish or ()) if reason is not None]
    if finish and known:
        clusters = [dialogues[at] for at in known]
        yield share("token_limit", [finish[at] == "length" for at in known], clusters, seed=seed)


def share(
    name: str,
    has: Sequence[bool],
    clusters: Sequence[Hashable],
    *,
    references: float | None = None,
    seed: int,
) -> Share:
    """The share of rounds that have something, marked where its interval is rough."""
    estimate = clustered_mean([float(one) for one in has], clusters, scale=SHARE, seed=seed)
    warning = _rough(has, clusters)
    return Share(name, sum(has), len(has), estimate, references, warning)


def _rough(has: Sequence[bool], clusters: Sequence[Hashable]) -> str | None:
    """What is wrong with the interval: too few dialogues, or too few with or without it."""
    dialogues = len(set(clusters))
    having, lacking = (
        len({name for name, one in zip(clusters, has, strict=True) if one is kind})
        for kind in (True, False)
    )
    if not having:
        most = min(1.0, 3 / dialogues)
        return (
            f"in none of {len(has)} rounds: no interval; about {most:.0%} of dialogues may have it "
            "all the same (3 / dialogues)"
        )
    if min(having, lacking) < ENOUGH:
        kind = "with" if having <= lacking else "without"
        return f"only {min(having, lacking)} dialogues {kind} it: the interval is too narrow"
    return few_dialogues(dialogues)


def mean_lengths(
    predictions: Sequence[Prediction], dialogues: Sequence[Hashable], *, seed: int
) -> Lengths:
    """How long answers are, beside their references."""
    said = [float(len(one.predict.strip())) for one in predictions]
    wanted = [float(len(one.label.strip())) for one in predictions]
    return Lengths(
        answers=float(np.mean(said)),
        references=float(np.mean(wanted)),
        ratio=ratio_of_sums(said, wanted, dialogues, scale=AMOUNT, seed=seed),
    )
