"""Intervals that respect that rounds of one dialogue are not independent."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import fsum

import numpy as np

from mi_llm.errors import InputError

RESAMPLES = 10_000
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and its interval.

    Attributes:
        mean: Arithmetic mean over all values, in their unit.
        low: Lower end of the 95% interval; None if there is but one cluster.
        high: Upper end, likewise.
    """

    mean: float
    low: float | None
    high: float | None


def clustered_mean(
    values: Sequence[float],
    clusters: Sequence[Hashable],
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> Estimate:
    """The mean of all values, with a percentile interval from resampling whole clusters.

    Each resample draws as many clusters as there are, with replacement, and takes the mean of all
    their values (a ratio of sums, since clusters differ in size); Davison and Hinkley 1997, 3.8.

    Args:
        values: N numbers.
        clusters: The cluster (dialogue) that each value belongs to, same order.
        seed: Of the resampling.
        resamples: How many.

    Raises:
        InputError: If there are no values; the mean of nothing is undefined.
    """
    if not values:
        raise InputError("nothing to average: there are no values")
    if len(values) != len(clusters):
        raise ValueError(f"{len(values)} values but {len(clusters)} cluster names")
    # np.mean over all rows, as LLaMA-Factory takes it, to the last bit.
    mean = float(np.mean(values))
    members: dict[Hashable, list[float]] = {}
    for value, name in zip(values, clusters, strict=True):
        members.setdefault(name, []).append(value)
    count = len(members)
    if count < 2:
        return Estimate(mean, None, None)
    # Sorted and summed exactly, so that neither names nor the order of rows move the interval.
    sizes, sums = np.array(sorted((len(one), fsum(one)) for one in members.values())).T
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), resamples)
    means = (draws @ sums) / (draws @ sizes)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Estimate(mean, float(low), float(high))
