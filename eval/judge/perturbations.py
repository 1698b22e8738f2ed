"""Changes to a transcript whose effect on MITI's counts is known: a judge's must move with them.

Each takes a transcript and the codes of its volleys and gives the changed transcript with what must
follow by MITI's rules. None needs new coding by people: what is put in is plain, and what is taken
out or replaced are volleys that have nothing but reflections.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from eval.transcripts.translation import is_chinese
from mi_llm.coding import Session
from mi_llm.dialogue import Dialogue, Turn
from mi_llm.errors import InputError
from mi_llm.miti import REFLECTIONS, Code, Counts

Codes = Sequence[frozenset[Code]]

# Ours; in Chinese and in English, as the transcript is.
CONFRONTATION = (
    "你这是在给自己找借口，你根本没有认真想过要改。",
    "You are just making excuses, and you never really meant to change.",
)
ADVICE = (
    "你应该从明天起就照我说的做，这样对你才好。",
    "You should do as I say from tomorrow on; that is what is best for you.",
)
QUESTION = ("那时候你在哪里？", "Where were you at the time?")
LISTENING = ("嗯。", "Mm-hm.")

# Volleys back from advice in which nobody may have asked for it: permission lasts a while.
_PERMISSION_LASTS = 5
_PERMITTING = frozenset(
    {Code.SEEK_COLLABORATION, Code.PERSUADE_WITH_PERMISSION, Code.EMPHASIZE_AUTONOMY}
)


@dataclass(frozen=True, slots=True)
class Perturbed:
    """A changed transcript and what must follow.

    Attributes:
        name: Of the change.
        transcript: Changed; its id is the old one with the change's name.
        law: The codes that the change is about.
        change: By how much the counts must move; 0 for a code that is not named.
        not_up: Global ratings that must not rise.
    """

    name: str
    transcript: Dialogue
    law: frozenset[Code]
    change: Mapping[Code, int]
    not_up: tuple[str, ...] = field(default=())

    def faults(self, before: Session, after: Session) -> list[str]:
        """What did not follow as it must; empty if the law is kept.

        Args:
            before: The judge's coding of the transcript.
            after: Its coding of the changed one.
        """
        told = self._moved(before, after, self.law)
        for name in self.not_up:
            old, new = getattr(before.globals, name, None), getattr(after.globals, name, None)
            if old is not None and new is not None and new > old:
                told.append(f"{name}: {old} -> {new}, must not rise")
        return told

    def side_effects(self, before: Session, after: Session) -> list[str]:
        """Codes that the change is not about and whose counts moved all the same."""
        return self._moved(before, after, frozenset(Code) - self.law)

    def _moved(self, before: Session, after: Session, codes: frozenset[Code]) -> list[str]:
        old, new = Counts.of(before.volleys), Counts.of(after.volleys)
        return [
            f"{code}: {old[code]} -> {new[code]}, must be {old[code] + self.change.get(code, 0)}"
            for code in Code
            if code in codes and new[code] - old[code] != self.change.get(code, 0)
        ]


def perturbations(transcript: Dialogue, codes: Codes) -> Iterator[Perturbed]:
    """Yield every change that can be made to a transcript.

    Args:
        transcript: With or without `meta`.
        codes: Of its volleys, by whoever is to be tested.

    Raises:
        InputError: If there are not as many volleys as codes.
    """
    volleys = sum(turn.role == "counselor" for turn in transcript.turns)
    if volleys != len(codes):
        raise InputError(f"{transcript.id}: {volleys} volleys, but codes of {len(codes)}")
    for make in _CHANGES:
        if changed := make(transcript, codes):
            yield changed


def with_confrontation(transcript: Dialogue, codes: Codes) -> Perturbed | None:
    """One confrontation more: Confront and MI-non-adherent rise by one, Partnership does not."""
    place = _middle([n for n, own in enumerate(codes) if Code.CONFRONT not in own])
    if place is None:
        return None
    texts = {place: f"{_volleys(transcript)[place]} {_in_language(CONFRONTATION, transcript)}"}
    return Perturbed(
        name="confrontation added",
        transcript=_changed(transcript, "confrontation added", texts),
        law=frozenset({Code.CONFRONT}),
        change={Code.CONFRONT: 1},
        not_up=("partnership", "empathy"),
    )


def without_reflections(transcript: Dialogue, codes: Codes) -> Perturbed | None:
    """Volleys with only a reflection become a mere "mm-hm": reflections, and so R:Q, fall."""
    places = _only_reflections(codes)
    if not places:
        return None
    texts = dict.fromkeys(places, _in_language(LISTENING, transcript))
    return Perturbed(
        name="reflections deleted",
        transcript=_changed(transcript, "reflections deleted", texts),
        law=REFLECTIONS,
        change={code: -sum(code in codes[n] for n in places) for code in REFLECTIONS},
        not_up=("empathy",),
    )


def with_advice_for_reflection(transcript: Dialogue, codes: Codes) -> Perturbed | None:
    """One reflection becomes advice nobody asked for: Persuade and MI-non-adherent rise by one."""
    place = _middle([n for n in _only_reflections(codes) if not _permitted(codes, n)])
    if place is None:
        return None
    (gone,) = codes[place]
    texts = {place: _in_language(ADVICE, transcript)}
    return Perturbed(
        name="reflection replaced by advice",
        transcript=_changed(transcript, "reflection replaced by advice", texts),
        law=frozenset({gone, Code.PERSUADE, Code.PERSUADE_WITH_PERMISSION}),
        change={gone: -1, Code.PERSUADE: 1},
        not_up=("partnership",),
    )


def with_second_question(transcript: Dialogue, codes: Codes) -> Perturbed | None:
    """A second question in a volley that has one: it counts once, so nothing moves."""
    place = _middle([n for n, own in enumerate(codes) if Code.QUESTION in own])
    if place is None:
        return None
    texts = {place: f"{_volleys(transcript)[place]} {_in_language(QUESTION, transcript)}"}
    return Perturbed(
        name="second question added",
        transcript=_changed(transcript, "second question added", texts),
        law=frozenset({Code.QUESTION}),
        change={},
    )


def doubled(transcript: Dialogue, codes: Codes) -> Perturbed | None:
    """The session said twice: every count doubles, and every ratio stays."""
    turns = transcript.turns
    if turns[0].role == turns[-1].role:
        return None
    counts = Counts.of(codes)
    return Perturbed(
        name="said twice",
        transcript=Dialogue(f"{transcript.id}+said twice", turns + turns, transcript.meta),
        law=frozenset(Code),
        change={code: counts[code] for code in Code},
    )


_CHANGES: tuple[Callable[[Dialogue, Codes], Perturbed | None], ...] = (
    with_confrontation,
    without_reflections,
    with_advice_for_reflection,
    with_second_question,
    doubled,
)


def _only_reflections(codes: Codes) -> list[int]:
    return [number for number, own in enumerate(codes) if own and own <= REFLECTIONS]


def _permitted(codes: Codes, place: int) -> bool:
    """Whether advice here may have been asked for or agreed on, or the choice been left open."""
    near = codes[max(0, place - _PERMISSION_LASTS) : place + 2]
    return any(own & _PERMITTING for own in near)


def _middle(places: Sequence[int]) -> int | None:
    return places[len(places) // 2] if places else None


def _volleys(transcript: Dialogue) -> list[str]:
    return [turn.content for turn in transcript.turns if turn.role == "counselor"]


def _in_language(texts: tuple[str, str], transcript: Dialogue) -> str:
    return texts[0] if is_chinese(transcript) else texts[1]


def _changed(transcript: Dialogue, name: str, texts: Mapping[int, str]) -> Dialogue:
    """The transcript with other texts in some volleys, numbered from 0."""
    number, turns = -1, []
    for turn in transcript.turns:
        number += turn.role == "counselor"
        is_new = turn.role == "counselor" and number in texts
        turns.append(Turn(turn.role, texts[number]) if is_new else turn)
    return Dialogue(f"{transcript.id}+{name}", tuple(turns), transcript.meta)
