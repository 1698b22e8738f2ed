"""Intervals that respect that rounds of one dialogue are not independent.

The mean is over rounds; its uncertainty is over dialogues. What the interval covers, and what other
intervals would, is simulated by `benchmarks.interval_coverage` and printed in docs/statistics.md.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import ceil, fsum, inf, isfinite
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from mi_llm.errors import InputError

RESAMPLES = 10_000
LEVEL = 0.95
FEW = 20  # dialogues below which a reader is warned
LEAST = 3  # below, no interval: Student's multiple with 2 is 12.7, which spans any scale

STUDENTISED = "studentised bootstrap"
T_BASED = "t"
NO_SPREAD = "none: every cluster has the same mean"
TOO_FEW = "none: fewer than 3 clusters"

# With 4 clusters a resample holds one cluster alone with chance 4^-3 = 1.6%, and with 3 with chance
# 11%; such a resample has no standard error, and quantiles beside it are far too wide.
_FEWEST = 5
# Beyond, the studentised quantile is on average within 3% of Student's (values of skewness 2 in
# docs/statistics.md's simulation), and resampling takes time that grows with the clusters.
_MOST = 200
# Where one cluster carries the spread, resamples without it have next to none, and their |t| has no
# bound. docs/statistics.md has the widths and the coverage that this limit gives.
_LIMIT = 2  # times Student's
_FARTHEST = 700.0  # e to it is the largest number, nearly
_ROUNDING = 1e-9  # how far a sum in floating point may be off an end
_BLOCK = 1_000_000  # counts held at a time

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scale:
    """What values can be, and so what their mean can be: from `low` to `high`, either maybe none.

    An interval is made where the scale has no ends: of the logit of the mean's place between them,
    or of the log of its distance from the only one. So none of it lies outside.
    """

    low: float = -inf
    high: float = inf

    @property
    def of_differences(self) -> Scale:
        """What one value less another can be."""
        return Scale(self.low - self.high, self.high - self.low)

    def interval(self, mean: float, half: float) -> tuple[float, float]:
        """`ends` of one mean."""
        low, high = self.ends(np.asarray(mean), np.asarray(half))
        return float(low), float(high)

    def ends(self, mean: Numbers, half: Numbers) -> tuple[Numbers, Numbers]:
        """Mean and half width of an interval on the line, as an interval of the scale.

        Raises:
            ValueError: If a mean is not on the scale.
        """
        if not isfinite(self.low):
            return mean - half, mean + half
        above, below = mean - self.low, self.high - mean
        if np.any(above < -_ROUNDING) or np.any(below < -_ROUNDING):
            raise ValueError(f"{mean} is not on the scale from {self.low} to {self.high}")
        above, below = np.maximum(above, 0), np.maximum(below, 0)
        # Where all values stand at an end there is no spread: 0 by 0 is 0.
        if not isfinite(self.high):
            factor = np.exp(np.minimum(half / np.where(above > 0, above, 1), _FARTHEST))
            return self.low + above / factor, self.low + above * factor
        width = self.high - self.low
        product = above * below
        factor = np.exp(np.minimum(half * width / np.where(product > 0, product, 1), _FARTHEST))
        with np.errstate(invalid="ignore"):
            low = self.low + width * above / (above + below * factor)
            high = self.high - width * below / (below + above * factor)
        return low, high


ANY = Scale()
AMOUNT = Scale(0)  # a count, a length, a ratio of counts
SHARE = Scale(0, 1)
PERCENT = Scale(0, 100)
RATING = Scale(1, 5)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and its interval.

    Attributes:
        mean: Arithmetic mean over all values, in their unit.
        low: Lower end of the 95% interval; None if there are too few clusters for one.
        high: Upper end, likewise.
        method: How the interval was made: `STUDENTISED`, `T_BASED`, `NO_SPREAD` (its ends are the
            mean, and say nothing about other dialogues) or `TOO_FEW`.
    """

    mean: float
    low: float | None
    high: float | None
    method: str


def clustered_mean(
    values: Sequence[float],
    clusters: Sequence[Hashable],
    *,
    scale: Scale,
    seed: int,
    resamples: int = RESAMPLES,
) -> Estimate:
    """The mean of all values, with an interval from resampling whole clusters.

    The mean is a ratio of sums over clusters of different size; the interval is the mean plus and
    minus a multiple of its linearised standard error. With 5 to 200 clusters the multiple is the
    95% quantile of |t| over resamples of as many clusters with replacement, the symmetric
    studentised bootstrap: in simulation it covers at 10, 20 and 40 dialogues, where percentiles are
    too narrow, at 40 too if values are skewed. It is at most twice Student's, which costs no
    coverage there: a cluster unlike all others would make it arbitrarily large. With 3 or 4
    clusters, or more than 200, it is Student's, with clusters - 1 degrees of freedom; with fewer
    there is no interval. On a scale with ends it is the interval of the mean's log or logit, whose
    standard error follows from the mean's by the delta method.

    Sources: ratio and its linearised variance, Cochran 1977, Sampling Techniques, ch. 6; the
    studentised bootstrap, Davison and Hinkley 1997, Bootstrap Methods and their Application, ch. 5;
    its symmetric form, Hall 1988, J R Stat Soc B 50:35-45; whole clusters and t for few of them,
    Cameron, Gelbach and Miller 2008, Rev Econ Stat 90:414-427; resampling of clusters, Field and
    Welsh 2007, J R Stat Soc B 69:369-390.

    Args:
        values: N finite numbers.
        clusters: The cluster (dialogue) that each value belongs to, same order.
        scale: What a value can be.
        seed: Of the resampling.
        resamples: How many.

    Raises:
        InputError: If there are no values, whose mean is undefined, or one is not finite.
    """
    columns, scales = [values], [scale]
    return clustered_means(columns, clusters, scales=scales, seed=seed, resamples=resamples)[0]


def clustered_means(
    columns: Sequence[Sequence[float]],
    clusters: Sequence[Hashable],
    *,
    scales: Sequence[Scale],
    seed: int,
    resamples: int = RESAMPLES,
) -> list[Estimate]:
    """`clustered_mean` of several columns of values, drawn once for all; the same numbers."""
    for values in columns:
        _require_numbers(values, len(clusters))
    # np.mean over all rows, as LLaMA-Factory takes it, to the last bit.
    means = [float(np.mean(values)) for values in columns]
    sums = [cluster_sums(values, clusters) for values in columns]
    count = len(sums[0][0])
    if count < 2:
        return [Estimate(mean, None, None, TOO_FEW) for mean in means]
    sizes, totals = (np.column_stack(side) for side in zip(*sums, strict=True))
    halves = interval_halves(sizes, totals, seed=seed, resamples=resamples)
    return [
        interval(mean, float(half), count, scale)
        for mean, half, scale in zip(means, halves, scales, strict=True)
    ]


def _require_numbers(values: Sequence[float], count: int) -> None:
    if not values:
        raise InputError("nothing to average: there are no values")
    if len(values) != count:
        raise ValueError(f"{len(values)} values but {count} cluster names")
    for number, value in enumerate(values):
        if not isfinite(value):
            raise InputError(f"value {number} is {value}; only finite numbers have a mean")


def interval(mean: float, half: float, count: int, scale: Scale) -> Estimate:
    """The one place where an estimate is made of a mean over two clusters or more.

    Args:
        mean: Of all values.
        half: Of `interval_halves`.
        count: Clusters.
        scale: What a value can be.
    """
    if count < LEAST:
        return Estimate(mean, None, None, TOO_FEW)
    if half == 0:
        return Estimate(mean, mean, mean, NO_SPREAD)
    method = STUDENTISED if is_studentised(count) else T_BASED
    return Estimate(mean, *scale.interval(mean, half), method)


def few_dialogues(count: int) -> str | None:
    """The warning that belongs beside intervals and tests over `count` dialogues, if one does."""
    if count >= FEW:
        return None
    # The least two-sided p of a sign flip is 2 / 2^count: 0.0625 with 5 dialogues.
    tests = ", and no test over them can give p < 0.05" if count < 6 else ""
    return f"only {count} dialogues: intervals and tests below {FEW} are rough{tests}"


def cluster_sums(values: Sequence[float], clusters: Sequence[Hashable]) -> tuple[Numbers, Numbers]:
    """The size and the sum of each cluster.

    Sorted and summed exactly, so that neither names nor the order of rows move what is drawn.
    """
    members: dict[Hashable, list[float]] = {}
    for value, name in zip(values, clusters, strict=True):
        members.setdefault(name, []).append(value)
    sizes, sums = np.array(sorted((len(one), fsum(one)) for one in members.values())).T
    return sizes, sums


def interval_halves(
    sizes: Numbers, sums: Numbers, *, seed: int, resamples: int = RESAMPLES
) -> Numbers:
    """Half the width of the 95% interval of each of M means of K >= 2 clusters.

    Args:
        sizes: K x M numbers of values, each at least 1.
        sums: K x M sums of values.
        seed: Of the resampling, which the M share.
        resamples: How many.

    Returns:
        M halves, 0 where all clusters have one mean.
    """
    count = len(sizes)
    residuals = sums - sums.sum(0) / sizes.sum(0) * sizes
    # What rounding leaves where a cluster has the mean of all is not spread.
    residuals[np.abs(residuals) <= 1e-12 * np.abs(sums).max(0)] = 0
    errors = np.sqrt(count / (count - 1) * (residuals**2).sum(0)) / sizes.sum(0)
    if not is_studentised(count):
        return np.asarray(errors * _student(count))
    quantiles = _studentised_quantiles(sizes, residuals, seed, resamples)
    # Student's quantile is nowhere below the normal one, so the limit is seldom looked up: to
    # import SciPy takes longer than to score hundreds of rows.
    if quantiles.max() > _LIMIT * NormalDist().inv_cdf((1 + LEVEL) / 2):
        quantiles = np.minimum(quantiles, _LIMIT * _student(count))
    return np.asarray(errors * quantiles)


def _student(count: int) -> float:
    """Student's 95% multiple for so many clusters."""
    from scipy.special import stdtrit

    return float(stdtrit(count - 1, (1 + LEVEL) / 2))


def is_studentised(count: int) -> bool:
    """Whether the interval over `count` clusters is the studentised one (else t)."""
    return _FEWEST <= count <= _MOST


def _studentised_quantiles(
    sizes: Numbers, residuals: Numbers, seed: int, resamples: int
) -> Numbers:
    """The 95% quantile of |t| over resamples, for each column; inf where 5% or more lack spread."""
    draw = np.random.default_rng(seed)
    count = len(sizes)
    step = max(1, _BLOCK // count)
    ratios = np.concatenate(
        [
            _ratios(_counts(draw, count, min(step, resamples - start)), sizes, residuals)
            for start in range(0, resamples, step)
        ]
    )
    # The (resamples + 1) x level-th smallest; Davison and Hinkley 1997, section 2.4.
    place = min(ceil(LEVEL * (resamples + 1)), resamples) - 1
    quantiles: Numbers = np.partition(ratios, place, axis=0)[place]
    return quantiles


def _counts(draw: np.random.Generator, count: int, resamples: int) -> Numbers:
    """How often each of `count` clusters is drawn in each resample: resamples x clusters."""
    drawn = draw.integers(0, count, (resamples, count))
    drawn += np.arange(resamples)[:, None] * count
    return np.bincount(drawn.ravel(), minlength=resamples * count).reshape(-1, count).astype(float)


def _ratios(counts: Numbers, sizes: Numbers, residuals: Numbers) -> Numbers:
    """|t| of each resample (rows) and mean (columns): error of its mean by its standard error."""
    count = len(sizes)
    sums = counts @ residuals
    shifts = sums / (counts @ sizes)  # the resample's mean less the mean of all
    squares = counts @ residuals**2
    rest = squares - 2 * shifts * (counts @ (residuals * sizes)) + shifts**2 * (counts @ sizes**2)
    spread = rest > 1e-10 * squares  # below is rounding: one cluster alone, or equal ones
    without = np.where(sums == 0, 0.0, np.inf)
    errors = np.sqrt(count / (count - 1) * np.where(spread, rest, 1.0))
    return np.where(spread, np.abs(sums) / errors, without)
