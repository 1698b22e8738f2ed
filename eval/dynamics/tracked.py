"""What a generator of dialogues kept of its two minds in each round: `meta.calm_it.rounds`.

The client's state is what the simulated client is; the counselor's holds an estimate of it, made
from the dialogue alone. A framework leaves out what it does not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mi_llm.dialogue import Dialogue
from mi_llm.errors import InputError

# Fields of the client's state on which an estimate can be right or wrong. Stages are compared by
# their place in this order.
FIELDS = ("importance", "confidence", "readiness", "resistance", "stage", "alliance")
_STAGES = ("precontemplation", "contemplation", "preparation", "action", "maintenance")


@dataclass(frozen=True, slots=True)
class Tracked:
    """One round.

    Attributes:
        round: From 1.
        hidden: Field -> what the client is; the fields of `FIELDS` that are known.
        estimate: Field -> what the counselor takes it to be.
        strategy: What the counselor chose to do; None if it chooses none.
    """

    round: int
    hidden: Mapping[str, float]
    estimate: Mapping[str, float]
    strategy: str | None


def tracked_rounds(dialogue: Dialogue) -> tuple[Tracked, ...]:
    """The rounds that the generator kept something of, oldest first; none for other dialogues.

    Raises:
        InputError: If `meta.calm_it.rounds` is not as its generator writes it.
    """
    kept = _object(dialogue.meta.get("calm_it")).get("rounds", [])
    if not isinstance(kept, list):
        raise InputError(f"{dialogue.id}: meta.calm_it.rounds must be a list")
    found: dict[int, Tracked] = {}
    for place, one in enumerate(kept, start=1):
        where = f"{dialogue.id}: meta.calm_it.rounds, entry {place}"
        number = one.get("round") if isinstance(one, dict) else None
        if type(number) is not int or number < 1 or number in found:
            raise InputError(f"{where}: 'round' must be a number from 1 that comes once")
        found[number] = _tracked(where, number, one)
    return tuple(found[number] for number in sorted(found))


def rounds_asked(dialogue: Dialogue) -> int | None:
    """How many rounds the generator was asked for; None if it does not say."""
    asked = _object(dialogue.meta.get("calm_it")).get("rounds_asked")
    return asked if type(asked) is int else None


def _tracked(where: str, number: int, one: Mapping[str, Any]) -> Tracked:
    client = _object(_object(one.get("client")).get("state"))
    counselor = _object(one.get("counselor"))
    state = _object(counselor.get("state"))
    estimate = _object(state.get("client"))
    strategy = counselor.get("strategy")
    return Tracked(
        number,
        _values(where, {**client, "alliance": client.get("alliance_felt")}),
        _values(where, {**estimate, "alliance": state.get("alliance_est")}),
        strategy if isinstance(strategy, str) and strategy else None,
    )


def _values(where: str, state: Mapping[str, Any]) -> dict[str, float]:
    """The fields that are known, as numbers."""
    given = {name: state[name] for name in FIELDS if state.get(name) is not None}
    return {name: _number(f"{where}: {name}", name, value) for name, value in given.items()}


def _number(where: str, name: str, value: Any) -> float:
    if name == "stage":
        if value not in _STAGES:
            raise InputError(f"{where} is {value!r}; there are: {', '.join(_STAGES)}")
        return float(_STAGES.index(value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{where} is {value!r}; expected a number")
    return float(value)


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
