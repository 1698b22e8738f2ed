"""A judge tried on changed transcripts: do its counts move as MITI's rules say they must?

Volleys that the change does not reach are answered from the ledger, so a trial costs the global
ratings and a few volleys, and what moves is due to the change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eval.judge.judge import Judge, Judged
from eval.judge.material import Material
from eval.judge.perturbations import Perturbed, perturbations
from eval.judge.report import session
from mi_llm.coding import Session
from mi_llm.dialogue import Dialogue


@dataclass(frozen=True, slots=True)
class Trial:
    """One change of one transcript.

    Attributes:
        transcript: Its id.
        change: The change's name.
        faults: What did not follow as it must; None if an answer was missing.
        side_effects: Other counts that moved.
    """

    transcript: str
    change: str
    faults: list[str] | None
    side_effects: list[str]


def trials(
    judge: Judge, found: Sequence[Judged], sessions: Sequence[Session], *, count: int
) -> list[Trial]:
    """Try the judge on all changes of its first transcripts.

    Args:
        judge: Whom to ask; the ledger is the one of the transcripts themselves.
        found: The transcripts as it judged them.
        sessions: Their codings, same order.
        count: How many to change. Those that are not complete or have no goal are passed over: a
            missing code or another goal would move counts too.
    """
    whole = [
        (one, coded)
        for one, coded in zip(found, sessions, strict=True)
        if coded.complete and one.goal is not None
    ]
    made = [
        (one, coded, changed)
        for one, coded in whole[:count]
        for changed in perturbations(Dialogue(one.material.id, one.material.turns), coded.volleys)
    ]
    again = judge.judged([_material(one, changed) for one, _, changed in made])
    return [
        _trial(coded, changed, session(new, coded.rater))
        for (_, coded, changed), new in zip(made, again, strict=True)
    ]


def _material(one: Judged, changed: Perturbed) -> Material:
    return Material(changed.transcript.id, changed.transcript.turns, one.goal)


def _trial(before: Session, changed: Perturbed, after: Session) -> Trial:
    if not after.complete:
        return Trial(before.transcript, changed.name, None, [])
    return Trial(
        before.transcript,
        changed.name,
        changed.faults(before, after),
        changed.side_effects(before, after),
    )
