"""How often 95% intervals hold the true mean of rounds that resemble others of their dialogue.

Usage: python -m benchmarks.interval_coverage [--replications 4000]. Prints the table of
docs/statistics.md. A dialogue has 3 to 15 rounds, all numbers equally likely. A round's value is
(a draw for its dialogue + a draw of its own) / sqrt(2); both draws have one distribution of mean 0
and deviation 1, so rounds of a dialogue correlate by 0.5 and the mean is 0. For the share of an
event p, rounds have it with a chance that is drawn for their dialogue, beta(2p, 2 - 2p): they
correlate by 1/3. A rating from 1 to 5 is 1 and four such events of 90%, its mean 4.6. For the ratio
of reflections to questions a round has either with a chance that is drawn for its dialogue, beta(2,
2) and beta(2, 4): the ratio of their sums is 1.5, and they do not depend on each other. On scales
with ends, `here` and `as if without ends` are the same interval with and without regard to them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mi_llm.statistics import AMOUNT, ANY, LEVEL, RATING, SHARE, Scale, interval_halves

Numbers = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Numbers]

SHORTEST, LONGEST = 3, 15  # rounds
RESAMPLES = 999
BLOCK = 250  # replications that share their resamples
METHODS = ("here", "as if without ends", "t over dialogues", "percentile", "t over rounds")


@dataclass(frozen=True, slots=True)
class Shape:
    """What rounds' values are like.

    Attributes:
        values: Draws them.
        scale: What they can be.
        mean: Their true mean; by a whole of which each round is 1, or `whole`.
        whole: Draws what a round adds to the whole, for a ratio of sums.
    """

    values: Draw
    scale: Scale = ANY
    mean: float = 0.0
    whole: Draw | None = None


def sums_of(shape: Draw) -> Draw:
    """Rounds (last axis) that each have a draw of their own and share one of their dialogue."""
    return lambda draw, size: (shape(draw, (*size[:-1], 1)) + shape(draw, size)) / np.sqrt(2)


def lognormal(sigma: float) -> Draw:
    """Standardised draws of exp(sigma x normal)."""
    mean = np.exp(sigma**2 / 2)
    deviation = mean * np.sqrt(np.exp(sigma**2) - 1)
    return lambda draw, size: (draw.lognormal(0, sigma, size) - mean) / deviation


def event(one: float, two: float) -> Draw:
    """1 where a round has the event, with a chance that its dialogue draws from beta."""

    def made(draw: np.random.Generator, size: tuple[int, ...]) -> Numbers:
        chances = draw.beta(one, two, (*size[:-1], 1))
        return (draw.random(size) < chances).astype(float)

    return made


def rating(draw: np.random.Generator, size: tuple[int, ...]) -> Numbers:
    """A rating from 1 to 5, mostly high."""
    chances = draw.beta(1.8, 0.2, (*size[:-1], 1))
    return draw.binomial(4, np.broadcast_to(chances, size)).astype(np.float64) + 1.0


SHAPES: dict[str, Shape] = {
    "normal": Shape(sums_of(lambda draw, size: draw.normal(0, 1, size))),
    "lognormal, skewness 1.8": Shape(sums_of(lognormal(0.5))),
    "gamma, skewness 2": Shape(sums_of(lambda draw, size: draw.gamma(1, 1, size) - 1)),
    "lognormal, skewness 6.2": Shape(sums_of(lognormal(1.0))),
    "event in half of rounds": Shape(event(1, 1), SHARE, 0.5),
    "event in 10% of rounds": Shape(event(0.2, 1.8), SHARE, 0.1),
    "event in 2% of rounds": Shape(event(0.04, 1.96), SHARE, 0.02),
    "rating, mean 4.6 of 5": Shape(rating, RATING, 4.6),
    "reflections to questions": Shape(event(2, 2), AMOUNT, 1.5, event(2, 4)),
}


def coverage(shape: str, dialogues: int, *, replications: int, seed: int) -> dict[str, float]:
    """Share of replications, in percent, in which each method's interval holds the mean."""
    held = dict.fromkeys(METHODS, 0)
    of = SHAPES[shape]
    for number in range(0, replications, BLOCK):
        draw = np.random.default_rng([seed, dialogues, number])
        values, whole = rounds(of, dialogues, draw)
        # Few dialogues may have no question at all: no ratio, and no interval that holds it.
        with np.errstate(divide="ignore", invalid="ignore"):
            for method, (low, high) in intervals(values, whole, of.scale, seed=number):
                held[method] += int(((low <= of.mean) & (high >= of.mean)).sum())
    return {method: 100 * count / replications for method, count in held.items()}


def rounds(shape: Shape, dialogues: int, draw: np.random.Generator) -> tuple[Numbers, Numbers]:
    """Values of a block (dialogues x replications x rounds), and what each adds to the whole."""
    numbers = draw.integers(SHORTEST, LONGEST + 1, (dialogues, BLOCK, 1))
    present = np.arange(LONGEST) < numbers
    size = (dialogues, BLOCK, LONGEST)
    values = np.where(present, shape.values(draw, size), 0)
    whole = shape.whole(draw, size) if shape.whole else np.ones(size)
    return values, np.where(present, whole, 0)


def intervals(
    values: Numbers, whole: Numbers, scale: Scale, *, seed: int
) -> Iterator[tuple[str, tuple[Numbers, Numbers]]]:
    """The ends of each method's interval, for each replication of a block."""
    sizes, sums = whole.sum(2), values.sum(2)
    dialogues, count = len(sizes), sizes.sum(0)
    mean = sums.sum(0) / count
    halves = interval_halves(sizes, sums, seed=seed, resamples=RESAMPLES)
    yield "here", scale.ends(mean, halves)
    yield "as if without ends", (mean - halves, mean + halves)
    residuals = sums - mean * sizes
    error = np.sqrt(dialogues / (dialogues - 1) * (residuals**2).sum(0)) / count
    upper = (1 + LEVEL) / 2
    half = stats.t.ppf(upper, dialogues - 1) * error
    yield "t over dialogues", (mean - half, mean + half)
    drawn = np.random.default_rng(seed).multinomial(
        dialogues, np.full(dialogues, 1 / dialogues), RESAMPLES
    )
    again = np.nan_to_num((drawn @ sums) / (drawn @ sizes))  # a resample may have no whole
    low, high = np.quantile(again, [1 - upper, upper], axis=0)
    yield "percentile", (low, high)
    # Each round's error of the ratio, as if rounds were independent.
    apart = ((values - mean[:, None] * whole) ** 2).sum((0, 2))
    half = stats.t.ppf(upper, count - 1) * np.sqrt(apart) / count
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
        for dialogues in (3, 5, 10, 20, 40):
            made = coverage(shape, dialogues, replications=words.replications, seed=words.seed)
            print(f"| {shape} | {dialogues} |", " | ".join(f"{v:.1f}" for v in made.values()), "|")


if __name__ == "__main__":
    main()
