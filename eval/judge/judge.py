"""A language model as a MITI rater: what it is asked, and its answers put together.

A target behaviour is named first where none came with the transcript. Then each reading asks for
every global rating in a call of its own, with quoted evidence, and for every volley with the few
turns before it. Everything that is a rule is Python: `mi_llm.judging.rules`,
`eval.judge.rules` and `mi_llm.miti`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from eval.judge.material import Material
from eval.judge.requests import (
    PROMPTS,
    dimensions,
    global_id,
    global_requests,
    target_id,
    target_requests,
    volley_id,
    volley_requests,
)
from eval.judge.schema import Rating, Target
from mi_llm.judging.schema import Utterance, VolleyCoding
from mi_llm.judging.volleys import codes_of
from mi_llm.llm import Answer, Plan, Request, SetAside
from mi_llm.miti import Code
from mi_llm.service import Result, Service
from prompts import Prompt, load


@dataclass(frozen=True, slots=True)
class Reading:
    """All that one reading of a transcript gave.

    Attributes:
        ratings: By dimension; None where no usable answer came. A dimension that cannot be rated
            without a goal is missing.
        volleys: The utterances of each; None where no usable answer came.
    """

    ratings: dict[str, Rating | None]
    volleys: tuple[tuple[Utterance, ...] | None, ...]

    @property
    def codes(self) -> tuple[frozenset[Code] | None, ...]:
        """The codes of each volley, by MITI's rules."""
        return tuple(None if one is None else codes_of(one) for one in self.volleys)


@dataclass(frozen=True, slots=True)
class Judged:
    """A transcript with all that the judge said of it.

    Attributes:
        material: What it was given.
        goal: The target behaviour it worked with; None if there is none.
        goal_known: False if it could not be had; then nothing else was asked.
        reason: Why the judge named this goal; None if the goal came with the transcript.
        readings: In the order they were asked for; empty without a goal that is known.
    """

    material: Material
    goal: str | None
    goal_known: bool
    reason: str | None
    readings: tuple[Reading, ...]


@dataclass(slots=True)
class Judge:
    """A model that judges, with the ledger of its answers.

    Attributes:
        service: Whom to ask, and where the answers are kept.
        repeats: How many readings to ask for; the goal is asked for once.
        asides: Requests without a usable answer.
    """

    service: Service
    repeats: int = 1
    asides: list[SetAside] = field(default_factory=list)
    _prompts: dict[str, Prompt] = field(default_factory=lambda: {one: load(one) for one in PROMPTS})

    def judged(self, materials: Sequence[Material]) -> list[Judged]:
        """Everything asked of every transcript, in their order.

        Raises:
            InputError: If the key, the address or the model is wrong.
            Stopped: If the answers could not all be got.
        """
        targets = self._asked(target_requests(materials, self._prompts))
        goals = {one.id: _goal(one, targets) for one in materials}
        known = [(one, goals[one.id][0]) for one in materials if goals[one.id][1]]
        results = self._asked(self._requests(known))
        return [self._judged(one, *goals[one.id], results) for one in materials]

    def plan(self, materials: Sequence[Material]) -> Plan:
        """What judging would send and may cost; nothing is sent.

        A goal that is still to be asked for is taken as blank, and all four ratings are counted.
        """
        asked = [
            *target_requests(materials, self._prompts),
            *self._requests([(one, one.goal or "") for one in materials]),
        ]
        return self.service.plan(asked)

    def as_stamp(self) -> dict[str, Any]:
        """What a stamp records: prompts, endpoint, what was masked in the requests."""
        return {
            "prompts": {name: prompt.sha for name, prompt in self._prompts.items()},
            "endpoint": self.service.as_stamp(),
            "repeats": self.repeats,
        }

    def _asked(self, requests: Sequence[Request]) -> dict[str, Result]:
        results = self.service.by_id(requests)
        self.asides += [one for one in results.values() if isinstance(one, SetAside)]
        return results

    def _requests(self, known: Iterable[tuple[Material, str | None]]) -> list[Request]:
        return [
            request
            for one, goal in known
            for reading in range(1, self.repeats + 1)
            for request in (
                *global_requests(one, goal, reading, self._prompts),
                *volley_requests(one, goal, reading, self._prompts),
            )
        ]

    def _judged(
        self,
        one: Material,
        goal: str | None,
        known: bool,
        reason: str | None,
        results: Mapping[str, Result],
    ) -> Judged:
        numbers = range(1, self.repeats + 1) if known else ()
        readings = tuple(_reading(one, goal, number, results) for number in numbers)
        return Judged(one, goal, known, reason, readings)


def _goal(one: Material, targets: Mapping[str, Result]) -> tuple[str | None, bool, str | None]:
    """The goal, whether that is known, and why the judge named it."""
    if one.goal is not None:
        return one.goal, True, None
    result = targets[target_id(one)]
    if isinstance(result, SetAside):
        return None, False, None
    assert isinstance(result.value, Target)
    named = result.value.target_behaviour
    return (named.strip() if named else None), True, result.value.reason


def _reading(
    one: Material, goal: str | None, number: int, results: Mapping[str, Result]
) -> Reading:
    ratings: dict[str, Rating | None] = {}
    for name in dimensions(goal):
        rating = _value(results[global_id(one, name, number)])
        assert rating is None or isinstance(rating, Rating)
        ratings[name] = rating
    volleys: list[tuple[Utterance, ...] | None] = []
    for place in range(1, len(one.volleys) + 1):
        coding = _value(results[volley_id(one, place, number)])
        assert coding is None or isinstance(coding, VolleyCoding)
        volleys.append(tuple(coding.utterances) if coding else None)
    return Reading(ratings, tuple(volleys))


def _value(result: Result) -> Any:
    return result.value if isinstance(result, Answer) else None
