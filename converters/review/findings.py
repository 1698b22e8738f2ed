"""What the machine checks can say about a transcription: every kind, its ground and its weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Ground = Literal["structure", "irrelevant", "incoherent", "unsafe", "mi_inconsistent"]
Weight = Literal["hard", "soft"]

# The paper's four grounds for removing a reply, and structure; in the order in which a dialogue
# that several apply to is counted.
GROUNDS: dict[Ground, str] = {
    "structure": "结构问题",
    "irrelevant": "与原文无关",
    "incoherent": "不连贯",
    "unsafe": "不安全",
    "mi_inconsistent": "不合动机式访谈",
}
# hard: left out without being read. soft: a person reads it and decides.
KINDS: dict[str, tuple[Ground, Weight]] = {
    "too few rounds": ("structure", "hard"),
    "too many rounds": ("structure", "hard"),
    "turn too long": ("structure", "hard"),
    "long reply": ("structure", "soft"),
    "speaker label": ("structure", "hard"),
    "speaks as a machine": ("structure", "hard"),
    "annotation in the text": ("structure", "hard"),
    "markdown": ("structure", "hard"),
    "other language": ("structure", "hard"),
    "broken characters": ("structure", "hard"),
    "duplicate": ("structure", "hard"),
    "unlike its source": ("irrelevant", "soft"),
    "target behaviour absent": ("irrelevant", "soft"),
    "new number": ("irrelevant", "soft"),
    "new name": ("irrelevant", "soft"),
    "new place": ("irrelevant", "soft"),
    "same turn again": ("incoherent", "soft"),
    "nearly the same turn": ("incoherent", "soft"),
    "ends with the client": ("incoherent", "soft"),
    "cut off": ("incoherent", "soft"),
    "crisis unanswered": ("unsafe", "hard"),
    "crisis": ("unsafe", "soft"),
    "crisis left out": ("unsafe", "soft"),
    "risk flag": ("unsafe", "soft"),
    "harmful advice": ("unsafe", "hard"),
    "personal data": ("unsafe", "hard"),
    "several questions": ("mi_inconsistent", "soft"),
    "only questions": ("mi_inconsistent", "soft"),
    "commands": ("mi_inconsistent", "soft"),
    "early advice": ("mi_inconsistent", "soft"),
    "list of advice": ("mi_inconsistent", "soft"),
    "lecture": ("mi_inconsistent", "soft"),
    "confronting words": ("mi_inconsistent", "soft"),
    "cheerleading": ("mi_inconsistent", "soft"),
    "confronts (coded)": ("mi_inconsistent", "hard"),
    "persuades (coded)": ("mi_inconsistent", "soft"),
    "more MI-inconsistent than adherent (coded)": ("mi_inconsistent", "soft"),
    "few reflections (coded)": ("mi_inconsistent", "soft"),
    "no complex reflection (coded)": ("mi_inconsistent", "soft"),
}
# A person at risk may be speaking: two reviewers read these.
FOR_TWO = frozenset({"crisis", "crisis left out", "risk flag"})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found in a dialogue.

    Attributes:
        kind: One of `KINDS`.
        turn: The turn's number, from 1; None if it is the dialogue's as a whole.
        reason: What was found, in Chinese, for the reviewer.
    """

    kind: str
    turn: int | None
    reason: str

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no kind of finding {self.kind!r}")

    @property
    def ground(self) -> Ground:
        """Why such a dialogue does not belong in the training set."""
        return KINDS[self.kind][0]

    @property
    def hard(self) -> bool:
        """Whether the dialogue is left out without being read."""
        return KINDS[self.kind][1] == "hard"

    def as_json(self, dialogue: str) -> dict[str, Any]:
        """The finding as a line of `findings.jsonl`."""
        return {
            "id": dialogue,
            "ground": self.ground,
            "kind": self.kind,
            "weight": KINDS[self.kind][1],
            "turn": self.turn,
            "reason": self.reason,
        }
