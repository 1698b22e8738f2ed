"""Transcripts with what raters coded of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mi_llm.coding import Session, read_codings
from mi_llm.dialogue import Dialogue
from mi_llm.errors import InputError
from mi_llm.miti import Code
from mi_llm.neutral_ids import neutral_ids


@dataclass(frozen=True, slots=True)
class Coded:
    """A transcript and its codings.

    Attributes:
        dialogue: The transcript.
        sessions: One for each rater, by name; at least one.
    """

    dialogue: Dialogue
    sessions: tuple[Session, ...]

    @property
    def goal(self) -> str:
        """The target behaviour of the first rater who names one; blank if none does."""
        return next((one.target_behaviour for one in self.sessions if one.target_behaviour), "")

    @property
    def places(self) -> list[int]:
        """Where the counselor's volleys stand among the turns, from 0."""
        return [n for n, turn in enumerate(self.dialogue.turns) if turn.role == "counselor"]

    def codes(self, volley: int) -> list[frozenset[Code] | None]:
        """What each rater gave a volley, numbered from 1; None if it is not coded yet."""
        return [None if volley in one.uncoded else one.volleys[volley - 1] for one in self.sessions]


def coded(
    transcripts: Sequence[Dialogue], folder: Path, key: Path | None, counts: Counter[str]
) -> list[Coded]:
    """The transcripts that have codes, in their order.

    Partial codings count too: a volley needs no more than its own codes.

    Args:
        transcripts: Each id once.
        folder: The tables that `eval codes` or `eval judge` wrote.
        key: The key of the raters' books, if the codes bear its ids.
        counts: Gets what has no codes or no transcript.

    Raises:
        InputError: If no transcript has codes, or volleys and codes do not go together.
    """
    names = neutral_ids(key, transcripts) if key else {one.id: one.id for one in transcripts}
    sessions: dict[str, list[Session]] = defaultdict(list)
    for session in read_codings(folder):
        sessions[session.transcript].append(session)
    counts["coded transcripts not given"] += len(sessions.keys() - set(names.values()))
    found = []
    for one in transcripts:
        own = sorted(sessions[names[one.id]], key=lambda session: session.rater)
        if own:
            found.append(_together(one, tuple(own), folder))
        else:
            counts["transcripts without codes"] += 1
    if not found:
        way = "" if key else "; do the codes bear the ids of books? then add --key books/key.json"
        raise InputError(f"{folder}: codes none of the {len(transcripts):,} transcripts{way}")
    return found


def _together(dialogue: Dialogue, sessions: tuple[Session, ...], folder: Path) -> Coded:
    made = Coded(dialogue, sessions)
    volleys, expected = len(sessions[0].volleys), len(made.places)
    if volleys != expected:
        raise InputError(
            f"{folder}: {dialogue.id} has {volleys} volleys, and {expected} in the transcript; "
            "give the file that was coded"
        )
    return made
