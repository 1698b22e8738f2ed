"""How far the counselor's estimate of the client is from what the client is.

Beside it stand two trackers that do not listen: one keeps its first estimate for good, one keeps
the estimate of the round before. Both know what the counselor knew, and neither the hidden state:
that moves by at most one step a round, so to copy it would be nearly right without listening. All
three are taken over the same rounds, so the first one is in none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from eval.dynamics.subject import Subject
from eval.dynamics.tracked import FIELDS
from mi_llm.statistics import AMOUNT, Estimate, clustered_means


@dataclass(frozen=True, slots=True)
class Tracking:
    """Mean absolute errors on one field; of stages, in steps of their order.

    Attributes:
        field: One of `eval.dynamics.tracked.FIELDS`.
        rounds: That all of it rests on.
        dialogues: That have such rounds.
        undefined: Dialogues that have none.
        tracker: Of the estimate.
        first: Of the first estimate, kept.
        previous: Of the estimate before.
        better_than_first: `tracker` less `first`; below 0 the tracker is the better.
        better_than_previous: `tracker` less `previous`, likewise.
    """

    field: str
    rounds: int
    dialogues: int
    undefined: int
    tracker: Estimate
    first: Estimate
    previous: Estimate
    better_than_first: Estimate
    better_than_previous: Estimate


def tracking(subjects: Iterable[Subject], *, seed: int) -> list[Tracking]:
    """The errors on each field that some dialogue has both an estimate and the truth of."""
    own = list(subjects)
    found = []
    for field in FIELDS:
        rows = [(one.id, *errors) for one in own for errors in _errors(one, field)]
        if not rows:
            continue
        names, tracker, first, previous = (list(column) for column in zip(*rows, strict=True))
        by_first = [one - two for one, two in zip(tracker, first, strict=True)]
        by_previous = [one - two for one, two in zip(tracker, previous, strict=True)]
        columns = [tracker, first, previous, by_first, by_previous]
        scales = [AMOUNT] * 3 + [AMOUNT.of_differences] * 2
        errors = clustered_means(columns, names, scales=scales, seed=seed)
        count = len(set(names))
        found.append(
            Tracking(
                field,
                len(rows),
                count,
                len(own) - count,
                *errors,
            )
        )
    return found


def _errors(subject: Subject, field: str) -> Iterator[tuple[float, float, float]]:
    """Of each round with a truth and an earlier estimate: the errors of all three trackers."""
    first: float | None = None
    previous: float | None = None
    for one in subject.tracked:
        estimate, truth = one.estimate.get(field), one.hidden.get(field)
        if estimate is None:
            continue
        if truth is not None and first is not None and previous is not None:
            yield abs(estimate - truth), abs(first - truth), abs(previous - truth)
        first = estimate if first is None else first
        previous = estimate
