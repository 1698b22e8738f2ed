"""A dialogue as it is measured: how its turns are numbered, and all that is known of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from eval.dynamics.annotations import Annotation
from eval.dynamics.tracked import Tracked, rounds_asked, tracked_rounds
from eval.transcripts.collection import source
from mi_llm.dialogue import Dialogue


@dataclass(frozen=True, slots=True)
class Subject:
    """A dialogue without its words.

    A round is a client's turn and the reply to it, so the client's turn n opens round n. A volley
    before the client's first turn belongs to round 0, which is none.

    Attributes:
        id: The dialogue's.
        group: What results are given for: its framework or source.
        rounds: How many.
        asked: How many its generator was asked for; None if not known.
        opens_with_counselor: Whether a volley stands before the first round.
        annotation: What was said of its turns; None if nobody has.
        tracked: What its generator kept of each round.
    """

    id: str
    group: str
    rounds: int
    asked: int | None
    opens_with_counselor: bool
    annotation: Annotation | None
    tracked: tuple[Tracked, ...]

    def round_of(self, volley: int) -> int:
        """The round that a volley closes."""
        return volley - self.opens_with_counselor

    def answer_to(self, volley: int) -> int:
        """The number of the client's turn after a volley, whether or not there is one."""
        return self.round_of(volley) + 1


def subjects(dialogues: Iterable[Dialogue], annotations: Mapping[str, Annotation]) -> list[Subject]:
    """The dialogues as they are measured, in their order.

    Raises:
        InputError: If what a generator kept of one cannot be read.
    """
    return [
        Subject(
            one.id,
            source(one),
            len(one.rounds),
            rounds_asked(one),
            one.opens_with_counselor,
            annotations.get(one.id),
            tracked_rounds(one),
        )
        for one in dialogues
    ]
