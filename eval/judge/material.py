"""What a judge is given of each transcript: the turns without traces of the source, and the goal.

Nothing else goes out: no id, no name, nothing of `meta`.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from eval.books.blinding import blinded
from mi_llm.dialogue import Dialogue, Turn
from mi_llm.errors import InputError


@dataclass(frozen=True, slots=True)
class Material:
    """A transcript to be judged.

    Attributes:
        id: As it stands in the codes; never sent.
        turns: As they are sent.
        goal: The target behaviour that came with it; None if it is to be asked for.
    """

    id: str
    turns: tuple[Turn, ...]
    goal: str | None

    @property
    def volleys(self) -> list[str]:
        """The counselor's turns."""
        return [turn.content for turn in self.turns if turn.role == "counselor"]


def material(
    transcripts: Iterable[Dialogue], *, seed: int, ids: Mapping[str, str] | None = None
) -> list[Material]:
    """What is judged, in an order drawn by the seed.

    Args:
        transcripts: In any order, which does not matter.
        seed: Of the order.
        ids: Id of a transcript -> its neutral id; None keeps the ids.

    Raises:
        InputError: If there is no transcript, an id comes twice, or the counselor says nothing.
    """
    found: dict[str, Material] = {}
    for one in transcripts:
        if one.id in found:
            raise InputError(f"transcript {one.id!r} comes twice; give each once")
        if not any(turn.role == "counselor" for turn in one.turns):
            raise InputError(f"{one.id}: the counselor says nothing; leave it out")
        blind = blinded([_with_goal(one)], seed=seed).transcripts[0]
        goal = (blind.target_behaviour or "").strip()
        found[one.id] = Material(ids[one.id] if ids else one.id, blind.turns, goal or None)
    if not found:
        raise InputError("no transcript to judge")
    drawn = [found[name] for name in sorted(found)]
    random.Random(seed).shuffle(drawn)
    return drawn


def _with_goal(transcript: Dialogue) -> Dialogue:
    """The transcript with its target behaviour where `blinded` looks for it."""
    facts = transcript.meta.get("transcript")
    facts = facts if isinstance(facts, dict) else {}
    if facts.get("target_behaviour"):
        return transcript
    goal = _transcribed_goal(transcript.meta.get("transcription"))
    meta = {**transcript.meta, "transcript": {**facts, "target_behaviour": goal}}
    return replace(transcript, meta=meta)


def _transcribed_goal(transcription: Any) -> str:
    goal = transcription.get("target_behaviour") if isinstance(transcription, dict) else None
    label = goal.get("label") if isinstance(goal, dict) else goal
    return label if isinstance(label, str) else ""
