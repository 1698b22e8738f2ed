"""A measure over the dialogues of a group, and how far two groups differ on it.

`mean` averages the dialogues' values: each weighs the same. `pooled` is the sum of parts by the sum
of wholes: long dialogues weigh more, and a dialogue without a question still adds its reflections.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt

import numpy as np

from eval.dynamics.measures import Part, scale_of, value
from eval.miti.differences import welch
from eval.ratio import pooled_ratio
from mi_llm.statistics import LEAST, Estimate, Scale, clustered_mean

MEAN, POOL = "mean of dialogues", "pooled"


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A measure over the dialogues of one group.

    Attributes:
        defined: Dialogues in which it is defined.
        undefined: Dialogues in which it is not; they are in `mean` not at all.
        mean: Of the dialogues' values, interval over dialogues; None if none is defined.
        pooled: Sum of parts by sum of wholes, likewise; None if the wholes add up to 0.
        mean_error: Standard error of `mean`; None with fewer than two values.
        pooled_error: Standard error of `pooled`, linearised; likewise.
        pooled_over: Dialogues that add to either sum.
    """

    defined: int
    undefined: int
    mean: Estimate | None
    pooled: Estimate | None
    mean_error: float | None
    pooled_error: float | None
    pooled_over: int


@dataclass(frozen=True, slots=True)
class Difference:
    """One measure of two groups, first less second, with Welch's 95% interval.

    Attributes:
        measure: Which.
        aggregation: `MEAN` or `POOL`.
        first: A group.
        second: The other.
        value: In the measure's unit.
        low: None if a group has fewer than 3 dialogues, or neither has any spread.
        high: Likewise.
    """

    measure: str
    aggregation: str
    first: str
    second: str
    value: float
    low: float | None
    high: float | None


def aggregate(parts: Sequence[Part], *, scale: Scale, seed: int) -> Aggregate:
    """One measure over the dialogues of a group.

    Args:
        parts: Of each dialogue; its order does not matter.
        scale: What the measure can be.
        seed: Of the intervals.
    """
    values = sorted(one for part in parts if (one := value(part)) is not None)
    adding = sorted(part for part in parts if any(part))
    pooled, pooled_error = pooled_ratio(adding, scale=scale, seed=seed)
    count = len(values)
    return Aggregate(
        defined=count,
        undefined=len(parts) - count,
        mean=clustered_mean(values, range(count), scale=scale, seed=seed) if values else None,
        pooled=pooled,
        mean_error=float(np.std(values, ddof=1)) / sqrt(count) if count > 1 else None,
        pooled_error=pooled_error,
        pooled_over=len(adding),
    )


def differences(groups: Mapping[str, Mapping[str, Aggregate]]) -> list[Difference]:
    """All pairs of groups on every measure that both have defined, in both aggregations.

    The intervals are each 95%: over many measures and pairs, some miss.

    Args:
        groups: Group -> measure -> aggregate.
    """
    return [
        found
        for first, second in combinations(groups, 2)
        for measure in groups[first]
        for how in (MEAN, POOL)
        if (found := _difference(measure, how, (first, second), groups)) is not None
    ]


def _difference(
    measure: str,
    how: str,
    pair: tuple[str, str],
    groups: Mapping[str, Mapping[str, Aggregate]],
) -> Difference | None:
    sides = [_side(groups[name][measure], how) for name in pair]
    (one, error, count), (two, other_error, other_count) = sides
    if one is None or two is None:
        return None
    by = one - two
    few = min(count, other_count) < LEAST
    if error is None or other_error is None or few or error == other_error == 0:
        return Difference(measure, how, *pair, by, None, None)
    half = welch((error, count), (other_error, other_count))
    ends = scale_of(measure).of_differences.interval(by, half)
    return Difference(measure, how, *pair, by, *ends)


def _side(found: Aggregate, how: str) -> tuple[float | None, float | None, int]:
    """Value, standard error and dialogues."""
    if how == MEAN:
        return found.mean.mean if found.mean else None, found.mean_error, found.defined
    return found.pooled.mean if found.pooled else None, found.pooled_error, found.pooled_over
