"""Sessions as transcripts: what raters and judges read, and apart from it what the client felt."""

from __future__ import annotations

from typing import Any

from eval.interview.interview import Held, Study
from mi_llm.dialogue import Dialogue
from mi_llm.llm import Endpoint
from mi_llm.safety import Gate, flags
from mi_llm.simulation import Conversation


def transcript(held: Held, study: Study) -> Dialogue:
    """A session as coding books and judges read it; it must have a turn.

    What the client felt stands in `meta.simulation`, apart from what raters are told of.
    """
    session, talk = held.session, held.conversation
    profile = session.profile
    facts = {
        "source": session.model,
        "model": session.model,
        "profile": profile.id,
        "topic": profile.topic or profile.target_behaviour,
        "target_behaviour": profile.target_behaviour,
        "settings": settings(study, session.model),
        "end_reason": str(talk.end_reason),
        "session": session.number,
        "safety": talk.safety,
        "flags": [
            *_flags(talk, Gate(profile.locale)),
            *(flag for looked in held.looked if (flag := looked.flag)),
        ],
    }
    simulation = {
        "client": client_settings(study),
        "classifier": classifier_settings(study),
        "seed": study.seed,
        "session": session.number,
        "failure": talk.failure,
        "turns": list(talk.notes),
    }
    return Dialogue(session.id, talk.turns, {"transcript": facts, "simulation": simulation})


def settings(study: Study, model: str) -> dict[str, Any]:
    """How a counselor generated; a local server's port does not matter, so it is left out."""
    return {
        **_asked(study.counselors[model]),
        "prompt": study.instruction.sha,
        "prompt_as": study.prompt_as,
    }


def client_settings(study: Study) -> dict[str, Any]:
    """How the clients were played."""
    prompts = study.prompts
    shas = {"observe": prompts.observe.sha, "speak": prompts.speak.sha, "read": prompts.read.sha}
    return {**_asked(study.client), "prompts": shas}


def classifier_settings(study: Study) -> dict[str, Any] | None:
    """Who gave the gate a second look; None if nobody did."""
    if study.classifier is None:
        return None
    return {**_asked(study.classifier), "prompt": study.safety.sha}


def _asked(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "model": endpoint.model,
        "host": endpoint.host,
        **dict(sorted(endpoint.parameters.items())),
        "personal_data": "masked" if endpoint.mask else "as it is",
    }


def _flags(talk: Conversation, gate: Gate) -> list[dict[str, Any]]:
    """What is to be looked at: a minor who speaks, harmful advice of the model's own."""
    given = {volley for volley, _ in talk.interventions}
    found: list[dict[str, Any]] = []
    for place, turn in enumerate(talk.turns):
        at = {"turn": place // 2 + 1, "role": turn.role}
        if turn.role == "client":
            found += [{**at, "risk": str(risk)} for risk in gate.marks(turn.content)]
        elif at["turn"] not in given:
            found += [
                {**at, "harm": str(one.kind), "phrase": one.phrase} for one in flags(turn.content)
            ]
    return found
