"""What a model returns when it rewrites a dialogue, and the rules its answer must keep.

The classes say what a JSON schema can say within the subset that servers enforce (every field
required, no further fields, no limits on lengths); `fault` says the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Literal

from pydantic import BaseModel, ConfigDict

from mi_llm.characters import is_blank

FEWEST_TURNS = 6
LONGEST_TURN = 400  # characters

Category = Literal[
    "smoking",
    "alcohol",
    "drugs",
    "diet_weight",
    "exercise",
    "sleep",
    "screen_time",
    "spending",
    "gambling",
    "medical_care",
    "study_work",
    "relationships",
    "emotion_coping",
    "other",
]
Direction = Literal["start", "stop", "increase", "decrease", "maintain"]
RiskFlag = Literal[
    "none",
    "self_harm",
    "harm_to_others",
    "abuse",
    "psychosis",
    "eating_disorder",
    "medical_emergency",
    "minor",
]
Task = Literal["engaging", "focusing", "evoking", "planning"]
Code = Literal["GI", "P", "PwP", "Q", "SR", "CR", "AF", "SEEK", "EMPH", "CON"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class TargetBehavior(_Strict):
    """The behaviour that the client might change, named before any reply is written."""

    label: str
    category: Category
    direction: Direction


class TranscribedTurn(_Strict):
    """One turn of the rewritten dialogue."""

    role: Literal["client", "counselor"]
    content: str


class Annotation(_Strict):
    """What the model says it did in a counselor turn; a self-report, never evidence.

    Attributes:
        turn: Number of the turn in the dialogue, from 1; even, since the client opens.
        task: Where the conversation stands.
        codes: MITI 4.2.1 behaviours in the turn.
    """

    turn: int
    task: Task
    codes: list[Code]


class Transcription(_Strict):
    """One rewritten dialogue, or the reason why there is none."""

    schema_version: Literal["1"]
    source_id: str
    status: Literal["ok", "skip"]
    skip_reason: str | None
    target_behavior: TargetBehavior | None
    risk_flags: list[RiskFlag]
    dialogue: list[TranscribedTurn]
    annotations: list[Annotation]


def fault(answer: BaseModel, source_id: str) -> str | None:
    """The first rule that a `Transcription` breaks, in words that the model can act on.

    Args:
        answer: A `Transcription`.
        source_id: What the request called the dialogue.

    Returns:
        None if every rule is kept.
    """
    assert isinstance(answer, Transcription)
    return next(_faults(answer, source_id), None)


def _faults(answer: Transcription, source_id: str) -> Iterator[str]:
    if answer.source_id != source_id:
        yield f"source_id is {answer.source_id!r}; it must be {source_id!r}"
    if not answer.risk_flags or len(set(answer.risk_flags)) < len(answer.risk_flags):
        yield 'risk_flags must name each flag once, or be ["none"]'
    if "none" in answer.risk_flags and len(answer.risk_flags) > 1:
        yield 'risk_flags holds "none" beside other flags; leave "none" out'
    rules: Callable[[Transcription], Iterator[str]] = (
        _skip_faults if answer.status == "skip" else _ok_faults
    )
    yield from rules(answer)


def _skip_faults(answer: Transcription) -> Iterator[str]:
    if not (answer.skip_reason or "").strip():
        yield 'status is "skip"; skip_reason must say why'
    if answer.target_behavior or answer.dialogue or answer.annotations:
        yield 'status is "skip"; target_behavior must be null, dialogue and annotations []'


def _ok_faults(answer: Transcription) -> Iterator[str]:
    if answer.skip_reason is not None:
        yield 'status is "ok"; skip_reason must be null'
    if answer.target_behavior is None or not answer.target_behavior.label.strip():
        yield 'status is "ok"; target_behavior must name the behaviour'
    yield from _dialogue_faults(answer.dialogue)
    yield from _annotation_faults(answer.annotations, len(answer.dialogue))


def _dialogue_faults(turns: list[TranscribedTurn]) -> Iterator[str]:
    if len(turns) < FEWEST_TURNS or len(turns) % 2:
        yield f"dialogue has {len(turns)} turns; it needs an even number, {FEWEST_TURNS} or more"
    if turns and turns[0].role != "client":
        yield "dialogue opens with the counselor; the client must open"
    for number, (one, two) in enumerate(pairwise(turns), start=1):
        if one.role == two.role:
            yield f"turns {number} and {number + 1} are both {two.role}; the two must alternate"
    for number, turn in enumerate(turns, start=1):
        if is_blank(turn.content):
            yield f"turn {number} is blank"
        if len(turn.content) > LONGEST_TURN:
            yield f"turn {number} has {len(turn.content)} characters; at most {LONGEST_TURN}"


def _annotation_faults(annotations: list[Annotation], turns: int) -> Iterator[str]:
    seen: set[int] = set()
    for one in annotations:
        if one.turn % 2 or not 2 <= one.turn <= turns:
            yield f"annotations: turn {one.turn} is no counselor turn of the dialogue"
        if one.turn in seen:
            yield f"annotations: turn {one.turn} stands twice; put all its codes in one entry"
        if len(set(one.codes)) < len(one.codes):
            yield f"annotations: turn {one.turn} names a code twice; each at most once"
        seen.add(one.turn)
