"""When a client goes round in circles.

Three of its turns in a row change nothing in its state and say nothing new. A turn says nothing new
if it holds fewer than 4 letters or digits, or is like one of its own earlier turns (rapidfuzz ratio
of letters and digits of 70 or more). The numbers are ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mi_llm.quotation import bare

TURNS = 3
SHORTEST = 4  # letters and digits
ALIKE = 70.0  # ratio, in [0, 100]


@dataclass(slots=True)
class Stall:
    """A client's turns so far, and how many at the end of them led nowhere."""

    said: list[str] = field(default_factory=list)
    idle: int = 0

    def after(self, text: str, *, moved: bool) -> bool:
        """Whether the conversation has stalled with this turn.

        Args:
            text: The client's.
            moved: Whether its state changed before it.
        """
        words = bare(text)
        self.idle = 0 if moved or self._is_new(words) else self.idle + 1
        self.said.append(words)
        return self.idle >= TURNS

    def _is_new(self, words: str) -> bool:
        from rapidfuzz import fuzz

        return len(words) >= SHORTEST and all(fuzz.ratio(words, one) < ALIKE for one in self.said)
