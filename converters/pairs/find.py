"""Replies that MITI counts against: what a pair rejects.

Three faults, by the codes of the volley (MITI 4.2.1), the gravest first:

- confrontation: it has CON.
- advice without permission: it has P, and neither PwP nor SEEK.
- a question where a complex reflection was due: it has Q; beside it at most GI, so no reflection,
  no MI-adherent code and no PwP; and a reflection was due. MITI says of no single volley what was
  due. That rule is ours (`reflection_was_due`).

A volley counts with its gravest fault that **all** raters see. Not taken are volleys in a
conversation in which the client has said anything that looks like a crisis by then: there safety
comes before style, and no pair should teach otherwise.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from converters.pairs.coded import Coded
from mi_llm import safety
from mi_llm.dialogue import Turn
from mi_llm.miti import MI_ADHERENT, REFLECTIONS, Code

LEAST = (
    20  # Chinese characters and Latin words of the client's, from which there is much to reflect
)

RATERS_DIFFER = "raters differ"
NO_CLIENT = "no client turn before it"
CRISIS = "sign of crisis"

_WORD = re.compile(r"[\u3400-\u9fff]|[A-Za-z0-9]+(?:['’][A-Za-z]+)*")
_ASKS = re.compile(r"[?？]|(?:吗|怎么办|咋办|怎么做|怎么弄)[。.！!，,~～…\s]*(?:$|\n)")
_MORE_THAN_A_QUESTION = REFLECTIONS | MI_ADHERENT | {Code.PERSUADE_WITH_PERMISSION}


class Fault(StrEnum):
    """What is wrong with a reply, the gravest first; the value is what the model is told."""

    CONFRONTATION = "confrontation"
    ADVICE = "advice_without_permission"
    QUESTION = "question_for_reflection"


@dataclass(frozen=True, slots=True)
class Found:
    """A reply with a fault, where it stands.

    Attributes:
        dialogue: Id of the transcript.
        volley: Its number among the counselor's turns, from 1.
        turns: All turns up to and with it.
        goal: The target behaviour; blank if there is none.
        fault: What is wrong with it.
    """

    dialogue: str
    volley: int
    turns: tuple[Turn, ...]
    goal: str
    fault: Fault

    @property
    def id(self) -> str:
        """`<dialogue>#<volley>`."""
        return f"{self.dialogue}#{self.volley}"

    @property
    def context(self) -> tuple[Turn, ...]:
        """The turns before it."""
        return self.turns[:-1]

    @property
    def reply(self) -> str:
        """What the counselor said."""
        return self.turns[-1].content


def find(transcripts: Iterable[Coded], counts: Counter[str], *, least: int) -> Iterator[Found]:
    """Yield the replies to be rejected, in the order of transcripts and volleys.

    Args:
        transcripts: With their codes.
        counts: Gets the volleys looked at, and those with a fault that are left out, by reason.
        least: As `reflection_was_due` takes it.
    """
    for one in transcripts:
        for volley, place in enumerate(one.places, start=1):
            counts["volleys"] += 1
            turns = one.dialogue.turns[: place + 1]
            seen = [faults(codes, turns[:-1], least=least) for codes in one.codes(volley)]
            shared = frozenset.intersection(*seen)
            if reason := _left_out(turns[:-1], seen, shared):
                counts[reason] += 1
            elif shared:
                fault = next(fault for fault in Fault if fault in shared)
                yield Found(one.dialogue.id, volley, turns, one.goal, fault)


def faults(
    codes: frozenset[Code] | None, before: Sequence[Turn], *, least: int
) -> frozenset[Fault]:
    """The faults of a volley as one rater coded it; none if it is not coded.

    Args:
        codes: The rater's; None if the volley is not coded yet.
        before: The turns before it.
        least: As `reflection_was_due` takes it.
    """
    found = set()
    codes = codes or frozenset()
    if Code.CONFRONT in codes:
        found.add(Fault.CONFRONTATION)
    if Code.PERSUADE in codes and Code.SEEK_COLLABORATION not in codes:  # with PwP P is none
        found.add(Fault.ADVICE)
    if (
        Code.QUESTION in codes
        and not codes & _MORE_THAN_A_QUESTION
        and reflection_was_due(before, least=least)
    ):
        found.add(Fault.QUESTION)
    return frozenset(found)


def reflection_was_due(before: Sequence[Turn], *, least: int = LEAST) -> bool:
    """Whether a complex reflection should have come next. The rule is ours, not MITI's.

    It was due if the counselor has spoken before (an opening may ask), the client has just said
    something of some length, and asked nothing, which a reflection would leave unanswered.

    Args:
        before: The conversation so far.
        least: Chinese characters and Latin words, together, that the client's turn must have.
    """
    if not before or before[-1].role != "client":
        return False
    opening = not any(turn.role == "counselor" for turn in before)
    said = before[-1].content
    return not opening and words(said) >= least and not _ASKS.search(said)


def words(text: str) -> int:
    """Chinese characters and words in Latin letters, together."""
    return len(_WORD.findall(text))


def _left_out(
    before: Sequence[Turn], seen: Sequence[frozenset[Fault]], shared: frozenset[Fault]
) -> str | None:
    """Why a volley with a fault is not taken; None if it is, or has no fault."""
    if not shared:
        return RATERS_DIFFER if any(seen) else None
    if not before:
        return NO_CLIENT
    said = (turn.content for turn in before if turn.role == "client")
    signs = (sign for text in said for sign in safety.crisis(text))
    # Being young is no crisis.
    return CRISIS if any(sign.category is not safety.Risk.MINOR for sign in signs) else None
