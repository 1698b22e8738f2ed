"""How long a corpus is: rounds per dialogue, and volleys in four named units."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import sqrt
from typing import Any

from mi_llm.dialogue import Dialogue, Role

_WORD = re.compile(r"\w")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


def _jieba_words(text: str) -> int:
    import jieba

    jieba.setLogLevel(logging.WARNING)
    return sum(1 for word in jieba.cut(text) if _WORD.search(word))


UNITS: dict[str, Callable[[str], int]] = {
    "characters without punctuation": lambda text: len(_WORD.findall(text)),
    "Han characters": lambda text: len(_HAN.findall(text)),
    "all characters": len,
    "jieba words": _jieba_words,
}


@dataclass(slots=True)
class Moments:
    """Running mean and standard deviation of numbers that are never kept."""

    count: int = 0
    total: float = 0
    squares: float = 0

    def add(self, value: float) -> None:
        """Take one more number in."""
        self.count += 1
        self.total += value
        self.squares += value * value

    def merge(self, other: Moments) -> None:
        """Take all numbers of another one in."""
        self.count += other.count
        self.total += other.total
        self.squares += other.squares

    @property
    def mean(self) -> float | None:
        """Arithmetic mean; None of nothing."""
        return self.total / self.count if self.count else None

    @property
    def sd(self) -> float | None:
        """Sample standard deviation (n - 1); None of fewer than two numbers."""
        if self.count < 2:
            return None
        spread = self.squares - self.total * self.total / self.count
        return sqrt(max(spread, 0.0) / (self.count - 1))

    def as_json(self) -> dict[str, float | int | None]:
        """n, mean and standard deviation."""
        return {"n": self.count, "mean": self.mean, "sd": self.sd}


@dataclass(slots=True)
class Lengths:
    """Statistics of one file of dialogues.

    A leading counselor and a trailing client turn belong to no round: they are counted and left
    aside, in the lengths too.

    Attributes:
        rounds: Rounds per dialogue.
        volleys: Unit -> role -> length per volley, all volleys pooled.
        dialogues: Unit -> role -> mean length of a dialogue's volleys, each dialogue once.
        leading: Dialogues that open with a counselor turn.
        trailing: Dialogues that close with a client turn.
        without_round: Ids of dialogues that have no round.
    """

    rounds: Moments = field(default_factory=Moments)
    volleys: dict[str, dict[Role, Moments]] = field(default_factory=lambda: _empty())
    dialogues: dict[str, dict[Role, Moments]] = field(default_factory=lambda: _empty())
    leading: int = 0
    trailing: int = 0
    without_round: list[str] = field(default_factory=list)

    def add(self, dialogue: Dialogue) -> None:
        """Take one more dialogue in."""
        rounds = dialogue.rounds
        self.rounds.add(len(rounds))
        self.leading += dialogue.opens_with_counselor
        self.trailing += dialogue.closes_with_client
        if not rounds:
            self.without_round.append(dialogue.id)
        for unit, length in UNITS.items():
            own: dict[Role, Moments] = {"client": Moments(), "counselor": Moments()}
            for one in rounds:
                own["client"].add(length(one.client))
                own["counselor"].add(length(one.counselor))
            for role, moments in own.items():
                self.volleys[unit][role].merge(moments)
                if moments.mean is not None:
                    self.dialogues[unit][role].add(moments.mean)

    def as_json(self) -> dict[str, Any]:
        """All figures, unrounded."""
        return {
            "dialogues": self.rounds.count,
            "rounds": self.rounds.as_json() | {"total": self.rounds.total},
            "leading_counselor_turns": self.leading,
            "trailing_client_turns": self.trailing,
            "without_round": self.without_round,
            "volleys": _plain(self.volleys),
            "means_of_dialogues": _plain(self.dialogues),
        }


def lengths(dialogues: Iterable[Dialogue]) -> Lengths:
    """The statistics of all dialogues; none of them is kept."""
    found = Lengths()
    for dialogue in dialogues:
        found.add(dialogue)
    return found


def _empty() -> dict[str, dict[Role, Moments]]:
    return {unit: {"client": Moments(), "counselor": Moments()} for unit in UNITS}


def _plain(by_unit: dict[str, dict[Role, Moments]]) -> dict[str, Any]:
    return {
        unit: {role: moments.as_json() for role, moments in by_role.items()}
        for unit, by_role in by_unit.items()
    }
