"""Redirections and whether the client goes along.

A *redirection* is a volley that moves the talk from the problem, from sustain talk or from another
topic to the target change. It is *accepted* if the client's next turn is change talk, or is neutral
without a refusal and without leaving the topic or the conversation.

The paper (CALM-IT, arXiv 2601.10085) gives a share of redirections that clients accept, and no
definition that could be had; both of the above are ours. So is that a redirection nothing follows,
or whose answer was not annotated, is in no share: it is counted apart.
"""

from __future__ import annotations

from dataclasses import dataclass

from eval.dynamics.annotations import ClientTurn
from eval.dynamics.subject import Subject


@dataclass(frozen=True, slots=True)
class Redirection:
    """One redirection.

    Attributes:
        volley: The counselor's, from 1.
        round: That it closes; 0 before the first.
        accepted: None if the client says nothing after it, or what it says is not annotated.
    """

    volley: int
    round: int
    accepted: bool | None


def redirections(subject: Subject) -> list[Redirection]:
    """The redirections of a dialogue, oldest first."""
    said = subject.annotation
    if said is None:
        return []
    answers = {one.turn: one for one in said.client}
    return [
        Redirection(
            one.volley,
            subject.round_of(one.volley),
            accepted(answers.get(subject.answer_to(one.volley))),
        )
        for one in sorted(said.counselor, key=lambda one: one.volley)
        if one.redirection
    ]


def accepted(answer: ClientTurn | None) -> bool | None:
    """Whether a client's turn goes along with the redirection before it; None if not known."""
    if answer is None:
        return None
    if answer.talk in ("change", "sustain"):
        return answer.talk == "change"
    if answer.refusal or answer.exit:
        return False
    return None if None in (answer.talk, answer.refusal, answer.exit) else True
