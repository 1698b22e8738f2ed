"""How well raters agree on scales: scores, counts and ratios of sessions.

A coefficient that is undefined is None, never 1 or NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, nan

import numpy as np

from mi_llm.errors import InputError
from mi_llm.statistics import LEVEL

FEW_SESSIONS = "fewer than two sessions"
NO_VARIANCE = "no variance between sessions"
# McGraw and Wong's approximation can then miss its own estimate; that takes a negative one.
TOO_LITTLE = "no interval: sessions differ less than ratings of one"
EXACT = "no interval: the raters agree exactly"


@dataclass(frozen=True, slots=True)
class Icc:
    """An intraclass correlation.

    Attributes:
        value: In [-1, 1]; None if undefined.
        low: Lower end of the 95% interval, at least -1; None if there is none.
        high: Upper end, likewise.
        sessions: How many sessions it is over.
        reason: Why value or interval are missing; empty if neither is.
    """

    value: float | None
    low: float | None
    high: float | None
    sessions: int
    reason: str = ""


def intraclass(ratings: Sequence[Sequence[float]]) -> Icc:
    """ICC(2,1): how well one rater's score of a session stands for any rater's.

    Two-way random effects, absolute agreement, single rater: a rater who is always one point higher
    lowers it. Shrout and Fleiss 1979, Psychological Bulletin 86:420-428; interval ICC(A,1) of
    McGraw and Wong 1996, Psychological Methods 1:30-46, Table 7 with the errata in 1:390. With few
    sessions both formulas reach below -1, where no correlation is: they are told as -1 then.

    Args:
        ratings: For each session the scores of the same two or more raters, in the same order.

    Raises:
        InputError: If raters are fewer than two, or a session lacks one.
    """
    table = _table(ratings)
    count, raters = table.shape
    if count < 2:
        return Icc(None, None, None, count, FEW_SESSIONS)
    rows, columns, error = _mean_squares(table)
    if not rows > 0:
        return Icc(None, None, None, count, NO_VARIANCE)
    value = (rows - error) / (rows + (raters - 1) * error + raters * (columns - error) / count)
    if not error > 0 and not columns > 0:
        return Icc(1.0, None, None, count, EXACT)
    ends = _interval(value, rows, columns, error, count, raters)
    if not ends[0] <= value <= ends[1]:
        return Icc(max(value, -1.0), None, None, count, TOO_LITTLE)
    return Icc(max(value, -1.0), max(ends[0], -1.0), max(ends[1], -1.0), count)


def _table(ratings: Sequence[Sequence[float]]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    raters = {len(one) for one in ratings}
    if ratings and (len(raters) > 1 or min(raters) < 2):
        raise InputError("an intraclass correlation needs the same two or more raters throughout")
    return np.array(ratings, dtype=np.float64).reshape(len(ratings), -1 if ratings else 2)


def _mean_squares(
    table: np.ndarray[tuple[int, int], np.dtype[np.float64]],
) -> tuple[float, float, float]:
    """Between sessions, between raters, and what is left; 0 where only rounding is."""
    count, raters = table.shape
    by_row, by_column = table.mean(1), table.mean(0)
    rest = table - by_row[:, None] - by_column + table.mean()
    squares = (
        raters * ((by_row - table.mean()) ** 2).sum() / (count - 1),
        count * ((by_column - table.mean()) ** 2).sum() / (raters - 1),
        (rest**2).sum() / ((count - 1) * (raters - 1)),
    )
    rounding = 1e-20 * max((table**2).sum(), 1e-300)
    rows, columns, error = (float(one) if one > rounding else 0.0 for one in squares)
    return rows, columns, error


def _interval(
    value: float, rows: float, columns: float, error: float, count: int, raters: int
) -> tuple[float, float]:
    """The ends of the 95% interval; not a number where its degrees of freedom run out."""
    from scipy.stats import f

    share = raters * value / (count * (1 - value))
    from_raters = share * columns
    from_error = (1 + share * (count - 1)) * error
    freedom = (from_raters + from_error) ** 2 / (
        from_raters**2 / (raters - 1) + from_error**2 / ((count - 1) * (raters - 1))
    )
    quantile = (1 + LEVEL) / 2
    below, above = f.ppf(quantile, count - 1, freedom), f.ppf(quantile, freedom, count - 1)
    if not (isfinite(below) and isfinite(above)):
        return nan, nan
    spread = raters * columns + (raters * count - raters - count) * error
    low = count * (rows - below * error) / (below * spread + count * rows)
    high = count * (above * rows - error) / (spread + count * above * rows)
    return float(low), float(high)


def pearson(one: Sequence[float], two: Sequence[float]) -> float | None:
    """Pearson's correlation of two raters' scores; a constant bias does not lower it.

    Returns:
        A number in [-1, 1]; None if either rater gave one score throughout.

    Raises:
        InputError: If there is no score.
    """
    first, second = _paired(one, two)
    first, second = first - first.mean(), second - second.mean()
    scale = float(np.sqrt((first**2).sum() * (second**2).sum()))
    if len({*one}) == 1 or len({*two}) == 1 or scale == 0:
        return None
    return min(1.0, max(-1.0, float((first * second).sum()) / scale))


def mean_absolute_difference(one: Sequence[float], two: Sequence[float]) -> float:
    """How far two raters' scores of a session are apart on average (MAE), in their unit."""
    first, second = _paired(one, two)
    return float(np.abs(first - second).mean())


def share_within(one: Sequence[float], two: Sequence[float], distance: float) -> float:
    """Sessions whose two scores are at most `distance` apart, as a fraction in [0, 1]."""
    first, second = _paired(one, two)
    return float((np.abs(first - second) <= distance).mean())


def _paired(
    one: Sequence[float], two: Sequence[float]
) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], ...]:
    if len(one) != len(two):
        raise ValueError(f"{len(one)} scores but {len(two)}")
    if not one:
        raise InputError("no session was rated twice; agreement of nothing is undefined")
    return np.array(one, dtype=np.float64), np.array(two, dtype=np.float64)
