"""How far two sources differ: their sessions are independent, so Welch's interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from math import sqrt

from eval.miti.summary import Aggregate
from mi_llm.miti_measures import MEASURES, POOLED, SCALES
from mi_llm.statistics import LEAST, LEVEL, Estimate

MEAN = "mean of sessions"
POOL = "pooled"


@dataclass(frozen=True, slots=True)
class Difference:
    """One measure of two sources, compared.

    Attributes:
        measure: Which.
        aggregation: `MEAN` or `POOL`.
        first: A source.
        second: The other.
        value: First less second.
        low: Lower end of the 95% interval; None if there is none.
        high: Upper end, likewise.
        note: Why there is none, or what it rests on; empty otherwise.
    """

    measure: str
    aggregation: str
    first: str
    second: str
    value: float
    low: float | None
    high: float | None
    note: str = ""


def differences(sources: Mapping[str, Mapping[str, Aggregate]]) -> list[Difference]:
    """All pairs of sources, on every measure that both have defined, in both aggregations.

    The intervals are each 95%: over many measures and pairs, some miss.
    """
    return [
        _difference(measure, aggregation, pair, sources)
        for pair in combinations(sources, 2)
        for measure in MEASURES
        for aggregation in ((MEAN, POOL) if measure in POOLED else (MEAN,))
        if all(_of(sources[name][measure], aggregation)[0] is not None for name in pair)
    ]


def _difference(
    measure: str,
    aggregation: str,
    pair: tuple[str, str],
    sources: Mapping[str, Mapping[str, Aggregate]],
) -> Difference:
    (one, error, count), (two, other_error, other_count) = (
        _of(sources[name][measure], aggregation) for name in pair
    )
    value = (one or 0.0) - (two or 0.0)
    if error is None or other_error is None or min(count, other_count) < LEAST:
        note = f"a source has fewer than {LEAST} sessions"
        return Difference(measure, aggregation, *pair, value, None, None, note)
    if error == other_error == 0:
        return Difference(
            measure, aggregation, *pair, value, None, None, "neither source has any spread"
        )
    half = welch((error, count), (other_error, other_count))
    low, high = SCALES[measure].of_differences.interval(value, half)
    note = "" if error and other_error else "a source has no spread; rests on the other"
    return Difference(measure, aggregation, *pair, value, low, high, note)


def _of(found: Aggregate, aggregation: str) -> tuple[float | None, float | None, int]:
    """Value, standard error and sessions."""
    if aggregation == MEAN:
        return _mean(found.mean), found.mean_error, found.defined
    return _mean(found.pooled), found.pooled_error, found.pooled_over


def _mean(estimate: Estimate | None) -> float | None:
    return estimate.mean if estimate else None


def welch(one: tuple[float, int], two: tuple[float, int]) -> float:
    """Half the 95% interval of two independent means' difference; Welch 1947, Biometrika 34:28-35.

    Args:
        one: Standard error of the first and over how many sessions, at least 2.
        two: The second's; one of the errors may be 0.
    """
    from scipy.special import stdtrit

    squares = [(error**2, count) for error, count in (one, two)]
    total = sum(square for square, _ in squares)
    freedom = total**2 / sum(square**2 / (count - 1) for square, count in squares)
    return float(stdtrit(freedom, (1 + LEVEL) / 2)) * sqrt(total)
