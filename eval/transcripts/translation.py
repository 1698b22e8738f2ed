"""Transcripts translated into Chinese by a language model, the original kept beside.

A long session goes in pieces, each with the few turns before it. An answer counts only if it has
the same turns: as many, with the same numbers and sides, each of them translated.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from mi_llm import jsonl
from mi_llm.characters import is_blank
from mi_llm.dialogue import Dialogue, Role, Turn
from mi_llm.llm import (
    Answer,
    Endpoint,
    Message,
    Plan,
    Request,
    SetAside,
    Tally,
    ask_all,
    plan,
)
from prompts import Prompt

PIECE_TURNS = 20  # so that numbers are few enough for a model to keep
PIECE_CHARACTERS = 3_000  # of English: in Chinese a good deal less, far from --max-tokens
CONTEXT_TURNS = 4

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_WORD = re.compile(r"[A-Za-z]+")
_A_NAME = 2  # words that may stay as they are: Dr. Miller


class TranslatedTurn(BaseModel):
    """One turn of an answer."""

    model_config = ConfigDict(extra="forbid")

    number: int
    role: Role
    content: str


class Translation(BaseModel):
    """What the model answers for a piece."""

    model_config = ConfigDict(extra="forbid")

    turns: list[TranslatedTurn]


@dataclass(frozen=True, slots=True)
class Untranslated:
    """A transcript with a piece that got no usable answer.

    Attributes:
        id: The transcript's.
        reason: Why, of the first such piece.
        text: What the model last wrote for it.
    """

    id: str
    reason: str
    text: str

    @property
    def kind(self) -> str:
        """The reason without its details, for counting."""
        return self.reason.partition(":")[0]

    def line(self) -> str:
        """One line of JSON, newline included."""
        return jsonl.dumped({"id": self.id, "reason": self.reason, "text": self.text}) + "\n"


def is_chinese(transcript: Dialogue) -> bool:
    """Whether its turns have at least as many Chinese characters as words in Latin letters."""
    return _mostly_chinese(turn.content for turn in transcript.turns)


@dataclass(slots=True)
class Translator:
    """A model that translates, with the ledger of its answers.

    Attributes:
        prompt: Without blanks.
        endpoint: Whom to ask.
        ledger: Where the answers are kept.
        again: Whether to ask once more what was set aside in an earlier run.
        tally: What became of the requests so far.
    """

    prompt: Prompt
    endpoint: Endpoint
    ledger: Path
    again: bool = False
    tally: Tally = field(default_factory=Tally)

    def translated(self, transcripts: Sequence[Dialogue]) -> list[Dialogue | Untranslated]:
        """Each transcript translated, or why it is not, in their order; Chinese ones as they are.

        Raises:
            InputError: If the key, the address or the model is wrong.
            Stopped: If the answers could not all be got.
        """
        asked = ask_all(
            self._requests(transcripts),
            self.endpoint,
            self.ledger,
            progress=True,
            again=self.again,
            tally=self.tally,
        )
        results = {result.id: result for result in asked}
        return [one if is_chinese(one) else self._outcome(one, results) for one in transcripts]

    def plan(self, transcripts: Sequence[Dialogue]) -> Plan:
        """What translating would send and may cost; nothing is sent."""
        return plan(self._requests(transcripts), self.endpoint, self.ledger)

    def as_stamp(self) -> dict[str, Any]:
        """What a stamp records: the prompt, the endpoint, what was masked in the requests."""
        masked = dict(sorted(self.tally.masked.items()))
        return {
            "prompts": {self.prompt.name: self.prompt.sha},
            "endpoint": {
                **self.endpoint.as_stamp(),
                "masked": masked,
                "examples copied": self.tally.copied,
            },
        }

    def _requests(self, transcripts: Iterable[Dialogue]) -> list[Request]:
        foreign = (one for one in transcripts if not is_chinese(one))
        return [request for one in foreign for request in _requests(one, self.prompt)]

    def _outcome(
        self, source: Dialogue, results: Mapping[str, Answer | SetAside]
    ) -> Dialogue | Untranslated:
        said: list[TranslatedTurn] = []
        for request in _requests(source, self.prompt):
            result = results[request.id]
            if isinstance(result, SetAside):
                return Untranslated(source.id, result.reason, result.text)
            assert isinstance(result.value, Translation)
            said.extend(result.value.turns)
        facts = {
            **source.meta["transcript"],
            "original": [turn.content for turn in source.turns],
            "translation": {"model": self.endpoint.model, "prompt": self.prompt.name},
        }
        turns = tuple(Turn(turn.role, turn.content.strip()) for turn in said)
        return replace(source, turns=turns, meta={**source.meta, "transcript": facts})


def fault(answer: Translation, asked: Sequence[tuple[int, Turn]]) -> str | None:
    """What is wrong with an answer, in words for the model; None if nothing is."""
    numbers = [number for number, _ in asked]
    if [turn.number for turn in answer.turns] != numbers:
        return (
            f"turns must have exactly the {len(numbers)} numbers {numbers[0]} to {numbers[-1]} in "
            f"order; there are {len(answer.turns)}: {[turn.number for turn in answer.turns]}"
        )
    for turn, (number, source) in zip(answer.turns, asked, strict=True):
        if turn.role != source.role:
            return f"turn {number} is the {source.role}'s; the role must not change"
        if is_blank(turn.content):
            return f"turn {number} is blank"
        if _left_in_english(turn.content, source.content):
            return f"turn {number} is not in Chinese"
    if not _mostly_chinese(turn.content for turn in answer.turns):
        return "the translation is not in Chinese"
    return None


def _requests(transcript: Dialogue, prompt: Prompt) -> Iterator[Request]:
    for piece in _pieces(transcript.turns):
        first, last = piece[0][0], piece[-1][0]
        yield Request(
            id=f"translate:{transcript.id}:{first}-{last}",
            messages=_messages(transcript, piece, prompt),
            schema=Translation,
            prompt_sha=prompt.sha,
            check=partial(fault, asked=piece),
        )


def _pieces(turns: Sequence[Turn]) -> Iterator[list[tuple[int, Turn]]]:
    """Yield the turns with their numbers, from 1, in pieces; no turn is ever cut."""
    piece: list[tuple[int, Turn]] = []
    characters = 0
    for number, turn in enumerate(turns, start=1):
        characters += len(turn.content)
        if piece and (len(piece) == PIECE_TURNS or characters > PIECE_CHARACTERS):
            yield piece
            piece, characters = [], len(turn.content)
        piece.append((number, turn))
    yield piece


def _messages(
    transcript: Dialogue, piece: Sequence[tuple[int, Turn]], prompt: Prompt
) -> tuple[Message, ...]:
    start = piece[0][0] - 1
    before = transcript.turns[max(0, start - CONTEXT_TURNS) : start]
    asked = {
        "before": [{"role": turn.role, "content": turn.content} for turn in before],
        "turns": [
            {"number": number, "role": turn.role, "content": turn.content} for number, turn in piece
        ],
    }
    return (
        {"role": "system", "content": prompt.fill()},
        {"role": "user", "content": jsonl.dumped(asked)},
    )


def _left_in_english(text: str, source: str) -> bool:
    return not _HAN.search(text) and len(_WORD.findall(source)) > _A_NAME


def _mostly_chinese(texts: Iterable[str]) -> bool:
    text = "".join(texts)
    return len(_HAN.findall(text)) >= len(_WORD.findall(text))
