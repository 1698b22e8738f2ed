"""A language model that annotates dialogues: asked once about everything, answers put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from eval.dynamics.annotations import Annotation, Block, ClientTurn, Reflection, Volley
from eval.dynamics.requests import (
    PROMPTS,
    RATED,
    READING,
    Span,
    block_material,
    rating_id,
    requests,
    spans,
    turn_id,
)
from eval.dynamics.schema import is_redirection, unfound
from eval.judge.material import Material
from eval.judge.requests import GLOBAL_PROMPTS, global_id, target_id, target_requests, volley_id
from eval.judge.schema import borne_out
from mi_llm.judging.volleys import codes_of
from mi_llm.llm import Answer, Plan, Request, SetAside
from mi_llm.miti import QUESTIONS, Code
from mi_llm.service import Service
from prompts import Prompt, load

Values = Mapping[str, Any]
"""A request's id -> what was answered; a request that was set aside is missing."""


@dataclass(slots=True)
class Judge:
    """A model that annotates, with the ledger of its answers.

    Attributes:
        service: Whom to ask, and where the answers are kept.
        asides: Requests without a usable answer.
        unfound: Quotations that do not stand where they should; what rests on them is not believed.
    """

    service: Service
    asides: list[SetAside] = field(default_factory=list)
    unfound: int = 0
    _prompts: dict[str, Prompt] = field(default_factory=lambda: {one: load(one) for one in PROMPTS})

    def annotations(self, materials: Sequence[Material]) -> list[Annotation]:
        """Everything asked of every dialogue, in their order; what was set aside is missing.

        Raises:
            InputError: If the key, the address or the model is wrong.
            Stopped: If the answers could not all be got.
        """
        targets = self._asked(target_requests(materials, self._prompts))
        goals = {one.id: _goal(one, targets) for one in materials}
        # Without an answer about the goal nothing is known, not even that there is none.
        known = [one for one in materials if one.goal or target_id(one) in targets]
        values = self._asked(self._requests((one, goals[one.id]) for one in known))
        self.unfound += sum(_unfound(one, values) for one in materials)
        return [_annotation(one, self.service.endpoint.model, values) for one in materials]

    def plan(self, materials: Sequence[Material]) -> Plan:
        """What it would send and may cost; a goal still to be asked for is taken as blank."""
        asked = [
            *target_requests(materials, self._prompts),
            *self._requests((one, one.goal or "") for one in materials),
        ]
        return self.service.plan(asked)

    def as_stamp(self) -> dict[str, Any]:
        """What a stamp records: prompts, endpoint, what was masked in the requests."""
        return {
            "prompts": {name: prompt.sha for name, prompt in self._prompts.items()},
            "endpoint": self.service.as_stamp(),
        }

    def _requests(self, known: Iterable[tuple[Material, str | None]]) -> list[Request]:
        return [each for one, goal in known for each in requests(one, goal, self._prompts)]

    def _asked(self, asked: Sequence[Request]) -> dict[str, Any]:
        results = self.service.by_id(asked).values()
        self.asides += [one for one in results if isinstance(one, SetAside)]
        return {one.id: one.value for one in results if isinstance(one, Answer)}


def _goal(one: Material, targets: Values) -> str | None:
    if one.goal is not None:
        return one.goal
    named = getattr(targets.get(target_id(one)), "target_behaviour", None)
    return named.strip() if named else None


def _annotation(one: Material, by: str, values: Values) -> Annotation:
    places: dict[str, list[int]] = {"client": [], "counselor": []}
    for place, turn in enumerate(one.turns):
        places[turn.role].append(place)
    client = [_client_turn(one, *at, values) for at in enumerate(places["client"], start=1)]
    counselor = [_volley(one, *at, values) for at in enumerate(places["counselor"], start=1)]
    return Annotation(
        id=one.id,
        by=by,
        client=tuple(turn for turn in client if turn),
        counselor=tuple(counselor),
        blocks=tuple(_block(one, span, values) for span in spans(one.turns)),
    )


def _client_turn(one: Material, number: int, place: int, values: Values) -> ClientTurn | None:
    said = values.get(turn_id(one, place))
    if said is None:
        return None
    believed = not unfound(said, [one.turns[place].content])
    return ClientTurn(
        turn=number,
        talk=said.talk if believed else None,
        refusal=said.refusal,
        exit=said.exit,
        quote=said.quote if believed else "",
    )


def _volley(one: Material, number: int, place: int, values: Values) -> Volley:
    """What is known of a volley."""
    coding = values.get(volley_id(one, number, READING))
    direction = values.get(turn_id(one, place))
    if direction and unfound(direction, [one.turns[place].content]):
        direction = None
    redirects = is_redirection(direction) if direction else None
    codes = codes_of(coding.utterances) if coding else None
    return Volley(
        volley=number,
        redirection=redirects,
        question=None if codes is None else bool(codes & QUESTIONS),
        reflection=None if codes is None else _reflection(codes),
        codes=None if codes is None else tuple(one.value for one in Code if one in codes),
        quote=direction.quote if direction and redirects else "",
    )


def _reflection(codes: frozenset[Code]) -> Reflection:
    if Code.COMPLEX_REFLECTION in codes:
        return "complex"
    return "simple" if Code.SIMPLE_REFLECTION in codes else "none"


def _block(one: Material, span: Span, values: Values) -> Block:
    block = block_material(one, span)
    answers = {name: values.get(rating_id(one, name, span)) for name in RATED} | {
        name: values.get(global_id(block, name, READING)) for name in GLOBAL_PROMPTS
    }
    scores = {name: answer.score for name, answer in answers.items() if answer}
    return Block(first_round=span.first_round, last_round=span.last_round, **scores)


def _unfound(one: Material, values: Values) -> int:
    """The quotations in the answers about a dialogue that do not stand where they should."""
    texts = {turn_id(one, place): [turn.content] for place, turn in enumerate(one.turns)}
    found = 0
    for span in spans(one.turns):
        block = block_material(one, span)
        shown = [turn.content for turn in block.turns]
        texts |= {rating_id(one, name, span): shown for name in RATED}
        for name in GLOBAL_PROMPTS:
            if rating := values.get(global_id(block, name, READING)):
                found += len(rating.evidence) - len(borne_out(rating, block.volleys).evidence)
    return found + sum(
        unfound(values[name], shown) for name, shown in texts.items() if name in values
    )
