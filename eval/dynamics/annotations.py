"""What was said of a dialogue turn by turn: one line of JSON each, by a judge, experts or people.

::

    {"id": "calm-it/roleplay/p1/20/1", "by": "R1",
     "client": [{"turn": 1, "talk": "sustain", "refusal": false, "exit": false}],
     "counselor": [{"volley": 1, "redirection": true, "question": true, "reflection": "none"}],
     "blocks": [{"first_round": 1, "last_round": 10, "effectiveness": 4, "goal_alignment": 4,
                 "cultivate": 3, "soften": 4, "partnership": 4, "empathy": 4}]}

What is left out or null was not annotated. `turn` counts the client's turns and `volley` the
counselor's, each from 1; rounds are those of `mi_llm.dialogue.Dialogue`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError, model_validator

from mi_llm import jsonl
from mi_llm.dialogue import Dialogue
from mi_llm.errors import InputError
from mi_llm.judging.schema import Label

Talk = Literal["change", "sustain", "neutral"]
Reflection = Literal["none", "simple", "complex"]
RATINGS = ("effectiveness", "goal_alignment", "cultivate", "soften", "partnership", "empathy")

_Number = Annotated[int, Field(ge=1, strict=True)]
_Score = Annotated[int, Field(ge=1, le=5, strict=True)] | None
_LONGEST = 60  # characters of a value that a message shows


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ClientTurn(_Part):
    """A turn of the client's.

    Attributes:
        turn: Its place among the client's turns, from 1.
        talk: For the change, against it, or neither; None if not known.
        refusal: Whether it turns down what the counselor has just offered or asked.
        exit: Whether it leaves the topic or the conversation.
        quote: The words that `talk` rests on.
    """

    turn: _Number
    talk: Talk | None = None
    refusal: StrictBool | None = None
    exit: StrictBool | None = None
    quote: str = ""


class Volley(_Part):
    """A turn of the counselor's.

    Attributes:
        volley: Its place among the counselor's turns, from 1.
        redirection: Whether it moves the talk from elsewhere to the target change.
        question: Whether it asks a question (MITI's Q).
        reflection: The weightier of its reflections.
        codes: Its MITI codes; empty if it was read and holds nothing to code.
        quote: The words that `redirection` rests on.
    """

    volley: _Number
    redirection: StrictBool | None = None
    question: StrictBool | None = None
    reflection: Reflection | None = None
    codes: tuple[Label, ...] | None = None
    quote: str = ""


class Block(_Part):
    """Some rounds and their ratings, each 1 to 5: the two of dynamics, and MITI's globals."""

    first_round: _Number
    last_round: _Number
    effectiveness: _Score = None
    goal_alignment: _Score = None
    cultivate: _Score = None
    soften: _Score = None
    partnership: _Score = None
    empathy: _Score = None

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.last_round < self.first_round:
            raise ValueError(f"last_round {self.last_round} is before {self.first_round}")
        return self


class Annotation(_Part):
    """All that one annotator said of a dialogue; `by` names who."""

    id: str
    by: str = ""
    client: tuple[ClientTurn, ...] = ()
    counselor: tuple[Volley, ...] = ()
    blocks: tuple[Block, ...] = ()

    @model_validator(mode="after")
    def _once(self) -> Self:
        _require_once("client turn", [one.turn for one in self.client])
        _require_once("counselor volley", [one.volley for one in self.counselor])
        _require_once("block from round", [one.first_round for one in self.blocks])
        return self


def read_annotations(path: Path, dialogues: Mapping[str, Dialogue]) -> dict[str, Annotation]:
    """The annotations of a file by the id of their dialogue.

    Args:
        path: JSON Lines.
        dialogues: By id; each annotation must be of one of them.

    Raises:
        InputError: If a line is no annotation, or is of a turn, round or dialogue that is not.
    """
    found: dict[str, Annotation] = {}
    for line, value in jsonl.read_lines(path):
        where = f"{path}:{line}"
        try:
            one = Annotation.model_validate(value)
        except ValidationError as error:
            raise InputError(f"{where}: {_told(error)}") from None
        if one.id in found:
            raise InputError(f"{where}: id {one.id!r} stands in an earlier line too")
        if one.id not in dialogues:
            raise InputError(f"{where}: no dialogue has the id {one.id!r}; give its file as well")
        if fault := _beyond(one, dialogues[one.id]):
            raise InputError(f"{where}: {one.id}: {fault}")
        found[one.id] = one
    if not found:
        raise InputError(f"{path}: holds no annotation")
    return found


def annotation_lines(annotations: Iterable[Annotation]) -> Iterator[str]:
    """Yield one line of JSON, newline included, for each; what is not known is left out."""
    for one in annotations:
        yield jsonl.dumped(one.model_dump(mode="json", exclude_none=True)) + "\n"


def _require_once(what: str, numbers: list[int]) -> None:
    for place, number in enumerate(numbers):
        if number in numbers[:place]:
            raise ValueError(f"{what} {number} comes twice")


def _beyond(one: Annotation, dialogue: Dialogue) -> str | None:
    """What is annotated that the dialogue does not have."""
    clients = sum(turn.role == "client" for turn in dialogue.turns)
    last = {
        "client turn": (clients, [turn.turn for turn in one.client]),
        "counselor volley": (len(dialogue.turns) - clients, [v.volley for v in one.counselor]),
        "round": (len(dialogue.rounds), [block.last_round for block in one.blocks]),
    }
    for what, (count, numbers) in last.items():
        if numbers and max(numbers) > count:
            return f"{what} {max(numbers)} is annotated, but there are {count}"
    return None


def _told(error: ValidationError) -> str:
    """The first fault in one line: `client.2.talk: ..., not 'maybe'`; lists count from 1."""
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part + 1 if isinstance(part, int) else part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    if first["type"] in ("value_error", "missing", "extra_forbidden"):
        return f"{place}: {message}" if place else message
    shown = repr(first["input"])
    shown = shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}..."
    return f"{place}: {message}, not {shown}" if place else f"not an annotation: {message}"
