"""A ratio of two sums over dialogues, with an interval that respects them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from math import fsum, sqrt

import numpy as np

from mi_llm.statistics import (
    TOO_FEW,
    Estimate,
    Scale,
    interval,
    interval_halves,
)


def ratio_of_sums(
    above: Sequence[float],
    below: Sequence[float],
    clusters: Sequence[Hashable],
    *,
    scale: Scale,
    seed: int,
) -> Estimate | None:
    """The sum of `above` by the sum of `below`, with the interval of `mi_llm.statistics`.

    That of a mean is the case in which all of `below` is 1.

    Args:
        above: N finite numbers.
        below: N finite numbers, none negative.
        clusters: The cluster (dialogue) of each, same order.
        scale: What the ratio can be.
        seed: Of the resampling.

    Returns:
        None if `below` adds up to nothing. A cluster in which it does counts for none.
    """
    members: dict[Hashable, tuple[list[float], list[float]]] = {}
    for one, other, name in zip(above, below, clusters, strict=True):
        both = members.setdefault(name, ([], []))
        both[0].append(one)
        both[1].append(other)
    # Sorted, so that neither names nor the order of rows move what is drawn.
    pairs = sorted((fsum(one), fsum(other)) for one, other in members.values())
    least = 1e-12 * max((other for _, other in pairs), default=0.0)  # below is rounding
    pairs = [pair for pair in pairs if pair[1] > least]
    if not pairs:
        return None
    ratio = fsum(one for one, _ in pairs) / fsum(other for _, other in pairs)
    if len(pairs) < 2:
        return Estimate(ratio, None, None, TOO_FEW)
    sums, sizes = (np.array(column)[:, None] for column in zip(*pairs, strict=True))
    half = float(interval_halves(sizes, sums, seed=seed)[0])
    return interval(ratio, half, len(pairs), scale)


def pooled_ratio(
    parts: Sequence[tuple[float, float]], *, scale: Scale, seed: int
) -> tuple[Estimate | None, float | None]:
    """The ratio of sums over sessions, its interval (see `mi_llm.statistics`) and standard error.

    Other than in `ratio_of_sums`, a session that adds nothing below counts: one without a question
    still adds its reflections.

    Args:
        parts: What each session adds above and below.
        scale: What the ratio can be.
        seed: Of the resampling.

    Returns:
        None and None if all that is below adds up to nothing; no error with one session.
    """
    parts = sorted(parts)  # so that their order does not move what is drawn
    whole = fsum(below for _, below in parts)
    if not whole:
        return None, None
    ratio, count = fsum(above for above, _ in parts) / whole, len(parts)
    if count < 2:
        return Estimate(ratio, None, None, TOO_FEW), None
    above, below = (np.array(column, dtype=np.float64) for column in zip(*parts, strict=True))
    # A resample may hold only sessions whose whole is 0; its ratio is beyond any quantile.
    with np.errstate(divide="ignore", invalid="ignore"):
        half = float(interval_halves(below[:, None], above[:, None], seed=seed)[0])
    residuals = above - ratio * below
    error = sqrt(count / (count - 1) * float((residuals**2).sum())) / whole if half else 0.0
    return interval(ratio, half, count, scale), error
