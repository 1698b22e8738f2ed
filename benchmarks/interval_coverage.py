"""How often 95% intervals hold the true mean of rounds that resemble others of their dialogue.

Usage: python -m benchmarks.interval_coverage [--replications 4000]. Prints the table of
docs/statistics.md. A dialogue has 3 to 15 rounds, all numbers equally likely. A round's value is
(a draw for its dialogue + a draw of its own) / sqrt(2); both draws have one distribution of mean 0
and deviation 1, so rounds of a dialogue correlate by 0.5 and the mean is 0. For the share of an
event p, rounds have it with a chance that is drawn for their dialogue, beta(2p, 2 - 2p): they
correlate by 1/3.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mi_llm.statistics import LEVEL, interval_halves

Numbers = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Numbers]

SHORTEST, LONGEST = 3, 15  # rounds
RESAMPLES = 999
BLOCK = 250  # replications that share their resamples
METHODS = ("studentised", "t over dialogues", "percentile", "t over rounds")


def sums_of(shape: Draw) -> Draw:
    """Rounds (last axis) that each have a draw of their own and share one of their dialogue."""
    return lambda draw, size: (shape(draw, (*size[:-1], 1)) + shape(draw, size)) / np.sqrt(2)


def lognormal(sigma: float) -> Draw:
    """Standardised draws of exp(sigma x normal)."""
    mean = np.exp(sigma**2 / 2)
    deviation = mean * np.sqrt(np.exp(sigma**2) - 1)
    return lambda draw, size: (draw.lognormal(0, sigma, size) - mean) / deviation


def event(share: float) -> Draw:
    """1 where a round has the event, otherwise 0, less the share."""

    def made(draw: np.random.Generator, size: tuple[int, ...]) -> Numbers:
        chances = draw.beta(2 * share, 2 - 2 * share, (*size[:-1], 1))
        return (draw.random(size) < chances) - share

    return made


SHAPES: dict[str, Draw] = {
    "normal": sums_of(lambda draw, size: draw.normal(0, 1, size)),
    "lognormal, skewness 1.8": sums_of(lognormal(0.5)),
    "gamma, skewness 2": sums_of(lambda draw, size: draw.gamma(1, 1, size) - 1),
    "lognormal, skewness 6.2": sums_of(lognormal(1.0)),
    "event in 10% of rounds": event(0.1),
    "event in 2% of rounds": event(0.02),
}


def coverage(shape: str, dialogues: int, *, replications: int, seed: int) -> dict[str, float]:
    """Share of replications, in percent, in which each method's interval holds the mean, 0."""
    held = dict.fromkeys(METHODS, 0)
    for number in range(0, replications, BLOCK):
        draw = np.random.default_rng([seed, dialogues, number])
        values, present = rounds(SHAPES[shape], dialogues, draw)
        for method, (low, high) in intervals(values, present, seed=number):
            held[method] += int(((low <= 0) & (high >= 0)).sum())
    return {method: 100 * count / replications for method, count in held.items()}


def rounds(
    shape: Draw, dialogues: int, draw: np.random.Generator
) -> tuple[Numbers, NDArray[np.bool_]]:
    """Values of a block (dialogues x replications x rounds) and which of them exist."""
    numbers = draw.integers(SHORTEST, LONGEST + 1, (dialogues, BLOCK, 1))
    present = np.arange(LONGEST) < numbers
    return np.where(present, shape(draw, (dialogues, BLOCK, LONGEST)), 0), present


def intervals(
    values: Numbers, present: NDArray[np.bool_], *, seed: int
) -> Iterator[tuple[str, tuple[Numbers, Numbers]]]:
    """The ends of each method's interval, for each replication of a block."""
    sizes, sums = present.sum(2).astype(float), values.sum(2)
    dialogues, count = len(sizes), sizes.sum(0)
    mean = sums.sum(0) / count
    halves = interval_halves(sizes, sums, seed=seed, resamples=RESAMPLES)
    yield "studentised", (mean - halves, mean + halves)
    residuals = sums - mean * sizes
    error = np.sqrt(dialogues / (dialogues - 1) * (residuals**2).sum(0)) / count
    upper = (1 + LEVEL) / 2
    half = stats.t.ppf(upper, dialogues - 1) * error
    yield "t over dialogues", (mean - half, mean + half)
    drawn = np.random.default_rng(seed).multinomial(
        dialogues, np.full(dialogues, 1 / dialogues), RESAMPLES
    )
    low, high = np.quantile((drawn @ sums) / (drawn @ sizes), [1 - upper, upper], axis=0)
    yield "percentile", (low, high)
    variance = ((values**2).sum((0, 2)) - count * mean**2) / (count - 1)
    # Equal values have a variance of 0, or of less by rounding.
    half = stats.t.ppf(upper, count - 1) * np.sqrt(np.maximum(variance, 0) / count)
    yield "t over rounds", (mean - half, mean + half)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replications", type=int, default=4000, help=f"a multiple of {BLOCK}")
    parser.add_argument("--seed", type=int, default=0)
    words = parser.parse_args()
    if words.replications < BLOCK or words.replications % BLOCK:
        parser.error(f"--replications {words.replications}: give a multiple of {BLOCK}")
    print("| values | dialogues |", " | ".join(METHODS), "|")
    print("|---|---:|" + "---:|" * len(METHODS))
    for shape in SHAPES:
        for dialogues in (5, 10, 20, 40):
            made = coverage(shape, dialogues, replications=words.replications, seed=words.seed)
            print(f"| {shape} | {dialogues} |", " | ".join(f"{v:.1f}" for v in made.values()), "|")


if __name__ == "__main__":
    main()
