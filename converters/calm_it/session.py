"""One dialogue: two speakers, the safety gate between them, and what is recorded of it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from converters.asking import Aside
from converters.calm_it.asking import Asker
from converters.calm_it.frameworks import Session, speakers
from mi_llm.dialogue import Dialogue
from mi_llm.safety import Gate, flags
from mi_llm.simulation import Conversation, EndReason, converse

if TYPE_CHECKING:
    from converters.calm_it.asking import Ask
    from mi_llm.llm import Answer, Endpoint, Request, SetAside

_ROLEPLAYED = ("importance", "confidence", "resistance")


async def made(session: Session, ask: Ask, endpoint: Endpoint) -> Dialogue | Aside:
    """A dialogue, or why there is none: a side had no usable turn.

    Args:
        session: What to make.
        ask: Asks the model.
        endpoint: Whom it asks, for the record.

    Raises:
        InputError: If no request can go well.
        Stopped: If the service, the budget or the disk ended the run.
    """
    counts = Counter[str]()
    asker = Asker(ask, session.id, session.number, counts)
    client, counselor = speakers(session, asker, _counted(ask, counts))
    gate = Gate(session.profile.locale)
    talk = await converse(client, counselor, gate, max_rounds=session.rounds)
    if talk.end_reason is EndReason.ERROR or not talk.turns:
        return Aside(session.id, "set aside", talk.failure or "nothing was said", "")
    for note in talk.notes:
        dropped = note.get("dropped", {})
        counts.update({f"dropped_{kind}": count for kind, count in dropped.items()})
    meta = {
        "transcript": _transcript(session, talk, endpoint),
        "calm_it": _calm_it(session, talk, endpoint, counts),
    }
    if _is_roleplay(session):
        meta["simulation"] = {"turns": list(talk.notes)}
    return Dialogue(session.id, talk.turns, meta)


def _counted(ask: Ask, counts: Counter[str]) -> Ask:
    async def counting(request: Request) -> Answer | SetAside:
        counts["requests"] += 1
        return await ask(request)

    return counting


def _transcript(session: Session, talk: Conversation, endpoint: Endpoint) -> dict[str, Any]:
    profile = session.profile
    return {
        "source": session.framework,
        "model": endpoint.model,
        "profile": profile.id,
        "topic": profile.topic or profile.target_behaviour,
        "target_behaviour": profile.target_behaviour,
        "settings": {
            "rounds": session.rounds,
            "session": session.number,
            "seed": session.seed,
            **endpoint.parameters,
        },
        "end_reason": talk.end_reason.value,
        "safety": talk.safety,
        "flags": _flags(talk),
    }


def _calm_it(
    session: Session, talk: Conversation, endpoint: Endpoint, counts: Counter[str]
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "framework": session.framework,
        "rounds_asked": session.rounds,
        "seed": session.seed,
        "model": endpoint.model,
        "counts": {name: count for name, count in sorted(counts.items()) if count},
    }
    rounds = _rounds(session, talk)
    return {**found, "rounds": rounds} if rounds else found


def _rounds(session: Session, talk: Conversation) -> list[dict[str, Any]]:
    """What is known of each round; nothing of a side that is not tracked."""
    rounds: dict[int, dict[str, Any]] = {}
    for note in talk.notes:
        number = (note["turn"] + 1) // 2
        told = {name: value for name, value in note.items() if name not in ("turn", "role")}
        if _is_roleplay(session):
            told = _as_tracked(told)
        if told and note["turn"] <= len(talk.turns):
            rounds.setdefault(number, {"round": number})[note["role"]] = told
    return list(rounds.values())


def _as_tracked(note: dict[str, Any]) -> dict[str, Any]:
    """What a simulated client and a tracked one have in common."""
    state = note["state"] or {}
    told = {name: state[name] for name in _ROLEPLAYED if name in state}
    return {"state": told | {"readiness": state.get("ready")}, "action": note["action"]}


def _flags(talk: Conversation) -> list[dict[str, Any]]:
    """The harmful advice in the counselor's own turns, by the number of the volley from 1."""
    by_gate = {volley for volley, _ in talk.interventions}
    volleys = enumerate((one for one in talk.turns if one.role == "counselor"), start=1)
    return [
        {"turn": number, "kind": found.kind.value, "phrase": found.phrase}
        for number, turn in volleys
        if number not in by_gate
        for found in flags(turn.content)
    ]


def _is_roleplay(session: Session) -> bool:
    return session.framework in ("roleplay", "roleplay-strategies")
