"""A model with the ledger of one job: what most jobs hold, and all that they ask it for."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mi_llm.llm import Answer, Endpoint, Plan, Request, SetAside, Tally, ask_all, plan
from mi_llm.quotation import bare

Result = Answer | SetAside

_FEW = 5  # answers; fewer may well be the same


@dataclass(slots=True)
class Service:
    """A model with the ledger of one job; called with requests, it asks them.

    Attributes:
        endpoint: Whom to ask.
        ledger: Where the answers are kept.
        again: Whether to ask once more what was set aside in an earlier run.
        progress: Whether progress is shown on standard error.
        tally: What became of the requests so far.
    """

    endpoint: Endpoint
    ledger: Path
    again: bool = False
    progress: bool = False
    tally: Tally = field(default_factory=Tally)

    def __call__(self, requests: Iterable[Request]) -> Iterator[Result]:
        """Yield what becomes of each request, in any order."""
        return ask_all(
            requests,
            self.endpoint,
            self.ledger,
            progress=self.progress,
            again=self.again,
            tally=self.tally,
        )

    def by_id(self, requests: Sequence[Request]) -> dict[str, Result]:
        """What becomes of each request, by its id; without requests nothing is opened."""
        return {result.id: result for result in self(requests)} if requests else {}

    def plan(self, requests: Iterable[Request]) -> Plan:
        """What asking would send and may cost."""
        return plan(requests, self.endpoint, self.ledger)

    def as_stamp(self) -> dict[str, Any]:
        """What a stamp records: the endpoint, and what was masked, copied and left out."""
        return {
            **self.endpoint.as_stamp(),
            "masked": dict(sorted(self.tally.masked.items())),
            "examples copied": self.tally.copied,
            "thoughts left out": self.tally.thoughts,
        }


@dataclass(frozen=True, slots=True)
class Alike:
    """Answers of a job that are the same, or nearly, though they are about different things.

    Attributes:
        what: What they are, such as `judgements`.
        same: How many have nearly all values that are usual in the job.
        total: How many there are.
    """

    what: str
    same: int
    total: int

    @property
    def line(self) -> str:
        """The warning."""
        return (
            f"warning: {self.same:,} of {self.total:,} {self.what} are the same or nearly so, "
            "whatever they are about; do not use them before you have read some"
        )

    @property
    def counts(self) -> dict[str, int]:
        """What a stamp records."""
        return {f"{self.what} that hardly vary": self.same}


def alike(what: str, answers: Iterable[Sequence[object]]) -> Alike | None:
    """Whether most answers of a job hardly vary; None if they vary, or are fewer than five.

    Args:
        what: What they are.
        answers: The values of each, in one order. Most is four in five; nearly the same are two of
            which nine values in ten are.
    """
    rows = [
        tuple(bare(value) if isinstance(value, str) else value for value in one) for one in answers
    ]
    if len(rows) < _FEW:
        return None
    usual = [Counter(values).most_common(1)[0][0] for values in zip(*rows, strict=True)]
    shared = [sum(map(operator.eq, row, usual)) for row in rows]
    same = sum(10 * count >= 9 * len(usual) for count in shared)
    return Alike(what, same, len(rows)) if 5 * same >= 4 * len(rows) else None
