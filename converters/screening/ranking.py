"""The order of corpora by their mean score, and how often it comes again in resamples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000


@dataclass(frozen=True, slots=True)
class Ranking:
    """Corpora from best to worst.

    Attributes:
        ranks: Corpus -> its rank, from 1, best first; equal means share the better rank.
        same_order: Share of resamples with exactly these ranks, in [0, 1]; None if corpora are
            tied, as they have no order that could come again.
        probabilities: Corpus -> share of resamples in which it has rank 1, 2, ...
        resamples: How many.
    """

    ranks: dict[str, int]
    same_order: float | None
    probabilities: dict[str, tuple[float, ...]]
    resamples: int

    @property
    def places(self) -> list[list[str]]:
        """The corpora of each rank, best first; those of one rank are tied."""
        return [list(names) for _, names in groupby(self.ranks, self.ranks.__getitem__)]


def ranking(
    scores: Mapping[str, Sequence[float]], *, seed: int, resamples: int = RESAMPLES
) -> Ranking | None:
    """Rank corpora by mean score, and rank them again after drawing their dialogues anew.

    Each resample draws, within each corpus by itself, as many dialogues as it has, with
    replacement. A corpus of one dialogue is thus always the same, and looks surer than it is.

    Args:
        scores: Corpus -> one score per dialogue; half points, so that sums are exact.
        seed: Of the resampling.
        resamples: How many.

    Returns:
        None if fewer than two corpora have a score: there is no order then.
    """
    scored = {name: np.asarray(values, float) for name, values in scores.items() if len(values)}
    if len(scored) < 2:
        return None
    random = np.random.default_rng(seed)
    # In the order of their names, so that the order of the files changes nothing.
    drawn = {name: _resampled(scored[name], random, resamples) for name in sorted(scored)}
    observed = _ranks(np.array([[np.mean(scored[name])] for name in drawn]))[:, 0]
    again = _ranks(np.array(list(drawn.values())))
    places = range(1, len(drawn) + 1)
    ordered = sorted(zip(drawn, observed, again, strict=True), key=lambda one: (one[1], one[0]))
    return Ranking(
        ranks={name: int(rank) for name, rank, _ in ordered},
        same_order=None
        if len(set(observed.tolist())) < len(observed)
        else float(np.mean((again == observed[:, None]).all(axis=0))),
        probabilities={
            name: tuple(float(np.mean(row == place)) for place in places)
            for name, _, row in ordered
        },
        resamples=resamples,
    )


def _resampled(
    scores: NDArray[np.float64], random: np.random.Generator, resamples: int
) -> NDArray[np.float64]:
    """The mean of each resample of one corpus."""
    # Over the few distinct scores: the same law as over dialogues, whatever their number and order.
    values, counts = np.unique(scores, return_counts=True)
    draws = random.multinomial(len(scores), counts / len(scores), resamples)
    return np.asarray(draws @ values / len(scores))


def _ranks(means: NDArray[np.float64]) -> NDArray[np.int64]:
    """The rank of each row in each column: one more than the rows that are above it."""
    return np.asarray(1 + (means[None, :, :] > means[:, None, :]).sum(axis=1), np.int64)
