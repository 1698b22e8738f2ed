"""What length does: scores against the round they stand in, and by how long a dialogue was to be.

A block's rating stands at the middle of its rounds, a redirection at the round that its volley
closes, a client's turn at the round it opens.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil

from eval.dynamics.redirections import redirections
from eval.dynamics.subject import Subject
from eval.slope import slope_per_round
from mi_llm.statistics import Estimate, Scale, clustered_mean

SCORED = ("effectiveness", "goal_alignment", "acceptance", "change_talk_share")
ROUNDS = 10  # in a part of a dialogue
_PARTS = 8  # 80 rounds; what comes later is one part, as only the longest dialogues have it


@dataclass(frozen=True, slots=True)
class Score:
    """One score of a dialogue and where it stands; events and turns count 1 or 0."""

    dialogue: str
    round: float
    value: float


@dataclass(frozen=True, slots=True)
class Trend:
    """Change of a score in ten rounds, by least squares (`eval.slope`).

    Attributes:
        within: Each dialogue compared with itself, which answers whether length does harm; None if
            no dialogue has scores at two places.
        overall: Over all scores, which also holds what long dialogues have of their own.
        dialogues: With scores at two places or more.
        scores: How many in all.
    """

    within: Estimate | None
    overall: Estimate | None
    dialogues: int
    scores: int


@dataclass(frozen=True, slots=True)
class Place:
    """The mean score in some rounds.

    Attributes:
        rounds: Which, "11-20".
        estimate: The mean with its interval over dialogues; None without a score.
        dialogues: That have one there.
        scores: How many.
    """

    rounds: str
    estimate: Estimate | None
    dialogues: int
    scores: int


def scores(subjects: Iterable[Subject], measure: str) -> list[Score]:
    """All scores of one of `SCORED`."""
    return [Score(one.id, *found) for one in subjects for found in _of(one, measure)]


def trend(found: Sequence[Score], *, seed: int) -> Trend:
    """The slope of scores."""
    # In half rounds, as the middle of a block may be one.
    halves = [round(2 * one.round) for one in found]
    slope = slope_per_round(
        [one.value for one in found], halves, [one.dialogue for one in found], seed=seed
    )
    return Trend(_in_ten(slope.within), _in_ten(slope.overall), slope.dialogues, len(found))


def places(found: Sequence[Score], *, scale: Scale, seed: int) -> list[Place]:
    """The mean in each ten rounds, up to the last that has a score."""
    by_part: dict[int, list[Score]] = {}
    for one in found:
        by_part.setdefault(min(max(ceil(one.round / ROUNDS), 1), _PARTS + 1), []).append(one)
    return [
        _place(number, by_part.get(number, []), scale, seed)
        for number in range(1, max(by_part, default=0) + 1)
    ]


def _of(subject: Subject, measure: str) -> list[tuple[float, float]]:
    """Round and value of each score."""
    if measure == "acceptance":
        known = [one for one in redirections(subject) if one.accepted is not None]
        return [(float(one.round), float(bool(one.accepted))) for one in known]
    said = subject.annotation
    if said is None:
        return []
    if measure == "change_talk_share":
        telling = [one for one in said.client if one.talk in ("change", "sustain")]
        return [(float(one.turn), float(one.talk == "change")) for one in telling]
    return [
        ((one.first_round + one.last_round) / 2, float(score))
        for one in said.blocks
        if (score := getattr(one, measure)) is not None
    ]


def _in_ten(estimate: Estimate | None) -> Estimate | None:
    """A slope per half round as one per ten rounds."""
    if estimate is None:
        return None
    times = 2 * ROUNDS
    low, high = (None if end is None else times * end for end in (estimate.low, estimate.high))
    return Estimate(times * estimate.mean, low, high, estimate.method)


def _place(number: int, found: Sequence[Score], scale: Scale, seed: int) -> Place:
    first = ROUNDS * (number - 1) + 1
    name = f"{first}+" if number > _PARTS else f"{first}-{first + ROUNDS - 1}"
    names = [one.dialogue for one in found]
    values = [one.value for one in found]
    estimate = clustered_mean(values, names, scale=scale, seed=seed) if found else None
    return Place(name, estimate, len(set(names)), len(found))
