"""Whether scores fall as a dialogue goes on: the change per round.

Late rounds stand in long dialogues only, and long dialogues may be harder (or easier) from their
first round on. So the slope is taken twice: *within* dialogues, which compares each dialogue with
itself and answers the question, and over *all* rounds, which is what a curve by round shows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from eval.ratio import ratio_of_sums
from mi_llm.statistics import ANY, Estimate


@dataclass(frozen=True, slots=True)
class Slope:
    """Change of a score per round, in percentage points, by least squares.

    Attributes:
        within: With rounds and scores less their means in the dialogue (dialogue fixed effects);
            None if no dialogue has two rounds.
        overall: With rounds and scores less their means over all; None if all rounds have one
            number.
        dialogues: With two rounds or more, which are all that `within` rests on.
    """

    within: Estimate | None
    overall: Estimate | None
    dialogues: int


def slope_per_round(
    values: Sequence[float], rounds: Sequence[int], dialogues: Sequence[Hashable], *, seed: int
) -> Slope:
    """Fit a straight line to N scores over their rounds.

    A least-squares slope is a ratio of two sums over dialogues, and its linearised standard error
    is the cluster-robust one (Cameron and Miller 2015, J Hum Resour 50:317-372, eq. 11, times
    dialogues / (dialogues - 1)); the interval is that of `mi_llm.statistics` for any such ratio.
    """
    members: dict[Hashable, list[int]] = defaultdict(list)
    for at, name in enumerate(dialogues):
        members[name].append(at)
    return Slope(
        within=_slope(values, rounds, dialogues, list(members.values()), seed),
        overall=_slope(values, rounds, dialogues, [list(range(len(values)))], seed),
        dialogues=sum(len({rounds[at] for at in one}) > 1 for one in members.values()),
    )


def _slope(
    values: Sequence[float],
    rounds: Sequence[int],
    dialogues: Sequence[Hashable],
    centred: Sequence[Sequence[int]],
    seed: int,
) -> Estimate | None:
    """The slope of values and rounds, each less its mean over the places it is centred with."""
    x, y = np.array(rounds, float), np.array(values, float)
    for places in map(list, centred):
        x[places] -= x[places].mean()
        y[places] -= y[places].mean()
    return ratio_of_sums((x * y).tolist(), (x * x).tolist(), dialogues, scale=ANY, seed=seed)
