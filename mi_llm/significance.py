"""Whether two models differ on the same rows: randomisation over dialogues, Holm over a family."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mi_llm.errors import InputError
from mi_llm.statistics import (
    RESAMPLES,
    Estimate,
    Scale,
    cluster_sums,
    clustered_mean,
    few_dialogues,
)

DIALOGUES = "dialogues"
ROUNDS = "rounds, as if independent"

_BLOCK = 4_000_000  # signs held at a time


@dataclass(frozen=True, slots=True)
class Randomisation:
    """A sign-flip test of the mean difference of two models on the same rows.

    Attributes:
        over: What is flipped and resampled: `DIALOGUES`, or `ROUNDS`, which is what papers do and
            is too sure of itself where rounds of a dialogue resemble each other.
        units: How many of them.
        difference: First model less second, mean over rounds, with its interval over the units.
        p: Two-sided, in (0, 1]; 1 if the models do not differ at all.
        exact: Whether all sign patterns were counted (else sampled).
    """

    over: str
    units: int
    difference: Estimate
    p: float
    exact: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models of a family, compared.

    Attributes:
        first: Name of a model.
        second: Name of the other.
        by_dialogue: The test to rely on.
        by_round: The same at the level of rounds, for comparison with papers.
        holm: p of `by_dialogue`, adjusted by Holm over all pairs of the family.
        holm_by_round: p of `by_round`, likewise.
        warning: What to print beside it; None from 20 dialogues.
    """

    first: str
    second: str
    by_dialogue: Randomisation
    by_round: Randomisation
    holm: float
    holm_by_round: float
    warning: str | None


def compare(
    models: Mapping[str, Sequence[float]],
    clusters: Sequence[Hashable],
    *,
    scale: Scale,
    seed: int,
) -> list[Comparison]:
    """Every pair of models on one measure; the pairs are the family.

    Args:
        models: Model's name -> its N values, one per row, rows in the same order for all.
        clusters: The dialogue of each row.
        scale: What a value can be.
        seed: Of resampling and of sampled signs.

    Raises:
        InputError: If there are fewer than two models, or their rows differ in number.
    """
    if len(models) < 2:
        raise InputError(f"{len(models)} model to compare; at least two are needed")
    pairs = list(combinations(models, 2))
    rounds = range(len(clusters))
    by_dialogue, by_round = (
        [_test(models, pair, units, over, scale, seed) for pair in pairs]
        for units, over in ((clusters, DIALOGUES), (rounds, ROUNDS))
    )
    adjusted, adjusted_by_round = (
        holm([test.p for test in tests]) for tests in (by_dialogue, by_round)
    )
    return [
        Comparison(
            first=first,
            second=second,
            by_dialogue=by_dialogue[number],
            by_round=by_round[number],
            holm=adjusted[number],
            holm_by_round=adjusted_by_round[number],
            warning=few_dialogues(by_dialogue[number].units),
        )
        for number, (first, second) in enumerate(pairs)
    ]


def _test(
    models: Mapping[str, Sequence[float]],
    pair: tuple[str, str],
    units: Sequence[Hashable],
    over: str,
    scale: Scale,
    seed: int,
) -> Randomisation:
    one, two = (models[name] for name in pair)
    if not len(one) == len(two) == len(units):
        raise InputError(
            f"{pair[0]} has {len(one)} rows and {pair[1]} {len(two)}, of {len(units)}; "
            "compare models on the same rows"
        )
    return randomisation(one, two, units, over=over, scale=scale, seed=seed)


def randomisation(
    first: Sequence[float],
    second: Sequence[float],
    units: Sequence[Hashable],
    *,
    over: str = DIALOGUES,
    scale: Scale,
    seed: int,
    resamples: int = RESAMPLES,
) -> Randomisation:
    """Test that two models do as well, by swapping them in whole units.

    If neither is better, each unit's difference is as likely with the other sign. p is the share of
    sign patterns whose mean difference is at least as far from 0: all patterns if they are no more
    than `resamples` (14 units), otherwise sampled ones and the observed one, (1 + k) / (1 + n).

    Sources: Noreen 1989, Computer-Intensive Methods for Testing Hypotheses; Phipson and Smyth 2010,
    Stat Appl Genet Mol Biol 9:39 (why 1 is added); whole dialogues because they, not rounds, are
    exchangeable.

    Args:
        first: N values of one model.
        second: N values of the other, of the same rows in the same order.
        units: The unit (dialogue) of each row.
        over: What the units are.
        scale: What a value can be.
        seed: Of the signs and of the interval's resampling.
        resamples: How many of either.

    Raises:
        InputError: If there are no values, or one is not finite.
    """
    differences = [one - two for one, two in zip(first, second, strict=True)]
    difference = clustered_mean(
        differences, units, scale=scale.of_differences, seed=seed, resamples=resamples
    )
    _, sums = cluster_sums(differences, units)
    exact = 2 ** (len(sums) - 1) <= resamples
    p = _exact_p(sums) if exact else _sampled_p(sums, seed, resamples)
    return Randomisation(over, len(sums), difference, p, exact)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for a family by Holm's step-down, same order; Holm 1979, Scand J Stat 6:65.

    Below 0.05 they reject so that the chance of any false rejection in the family is at most 5%,
    however the tests depend on each other.
    """
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    order = sorted(range(len(p_values)), key=lambda number: p_values[number])
    for step, number in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - step) * p_values[number]))
        adjusted[number] = highest
    return adjusted


def _exact_p(sums: NDArray[np.float64]) -> float:
    """Over all patterns; the sign of one unit stays, since a pattern and its mirror are as far."""
    patterns = np.arange(2 ** (len(sums) - 1))
    signs = 1 - 2 * (patterns[:, None] >> np.arange(len(sums)) & 1)
    return float(np.mean(_as_far(signs, sums)))


def _sampled_p(sums: NDArray[np.float64], seed: int, resamples: int) -> float:
    draw = np.random.default_rng(seed)
    step = max(1, _BLOCK // len(sums))
    found = 0
    for start in range(0, resamples, step):
        shape = (min(step, resamples - start), len(sums))
        signs = 1 - 2 * draw.integers(0, 2, shape, dtype=np.int8)
        found += int(_as_far(signs, sums).sum())
    return (1 + found) / (1 + resamples)


def _as_far(signs: NDArray[np.integer[Any]], sums: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each pattern's sum is at least as far from 0 as the observed one."""
    # Signs are as likely either way, so sizes do; sorted, neither order nor who is first matters.
    sizes = np.sort(np.abs(sums))
    # Equal sums differ by rounding; one that is missed as a tie would make p too small.
    far: NDArray[np.bool_] = np.abs(signs @ sizes) >= abs(sums.sum()) - 1e-12 * sizes.sum()
    return far
