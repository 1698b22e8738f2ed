"""AnnoMI's sessions annotated by their experts' labels: no model is asked.

Each utterance counts as the session's first annotator labelled it. Neighbouring utterances of one
side are one turn: a volley asks if one of them does, and its reflection is the weightiest; a
client's turn is what its last utterance that is not neutral is. AnnoMI has no redirections,
refusals, exits or MITI codes, and its ratings are not of blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from eval.agreement.annomi_gold import annotators
from eval.dynamics.annotations import Annotation, ClientTurn, Reflection, Talk, Volley
from eval.transcripts import annomi as transcripts
from eval.transcripts.collection import Collection
from mi_llm import annomi
from mi_llm.dialogue import Dialogue

BY = "AnnoMI's experts"

_TALK: dict[str, Talk] = {"change": "change", "sustain": "sustain", "neutral": "neutral"}
_KINDS: dict[str, Reflection] = {"simple": "simple", "complex": "complex"}


def read(path: Path) -> tuple[list[Dialogue], dict[str, Annotation]]:
    """The sessions, as `eval transcripts annomi` makes them, and their annotations by id.

    Raises:
        InputError: If the file is not AnnoMI's.
    """
    collection = Collection()
    transcripts.read(path, collection)
    known = {one.id for one in collection.transcripts}
    found = (_annotation(one) for one in annomi.sessions(path))
    return collection.transcripts, {one.id: one for one in found if one.id in known}


def _annotation(session: annomi.Session) -> Annotation:
    first = annotators(session)[0]
    turns: dict[int, tuple[str, list[dict[str, str]]]] = {}
    for one in session.utterances:
        if one["volley"] is not None:
            _, labels = turns.setdefault(one["volley"], (one["interlocutor"], []))
            labels.append(one["labels"].get(first, {}))
    client = [labels for speaker, labels in turns.values() if speaker == "client"]
    counselor = [labels for speaker, labels in turns.values() if speaker != "client"]
    return Annotation(
        id=f"annomi/{session.transcript}",
        by=BY,
        client=tuple(
            ClientTurn(turn=number, talk=talk)
            for number, labels in enumerate(client, start=1)
            if (talk := _talk(labels)) is not None
        ),
        counselor=tuple(_volley(number, own) for number, own in enumerate(counselor, start=1)),
    )


def _talk(labels: Sequence[dict[str, str]]) -> Talk | None:
    """What a turn is; None if none of its utterances is labelled."""
    said = [_TALK[name] for one in labels if (name := one.get("client_talk_type", "")) in _TALK]
    telling = [one for one in said if one != "neutral"]
    return telling[-1] if telling else ("neutral" if said else None)


def _volley(number: int, labels: Sequence[dict[str, str]]) -> Volley:
    kinds = {_KINDS.get(one.get("reflection_subtype", ""), "simple") for one in labels
             if one.get("reflection_exists") == "True"}  # fmt: skip
    reflection: Reflection = "complex" if "complex" in kinds else "simple" if kinds else "none"
    asks = any(one.get("question_exists") == "True" for one in labels)
    return Volley(volley=number, question=asks, reflection=reflection)
