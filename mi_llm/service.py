"""A model with the ledger of one job: what most jobs hold, and all that they ask it for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mi_llm.llm import Answer, Endpoint, Plan, Request, SetAside, Tally, ask_all, plan

Result = Answer | SetAside


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
        """What a stamp records: the endpoint, and what was masked in the requests, by kind."""
        return {**self.endpoint.as_stamp(), "masked": dict(sorted(self.tally.masked.items()))}
