"""Transcripts of AnnoMI's real sessions (`mi_llm.annomi`): demonstrations of good and poor MI."""

from __future__ import annotations

from pathlib import Path

from eval.transcripts.collection import Collection, Facts
from mi_llm import annomi
from mi_llm.errors import InputError


def read(path: Path, collection: Collection) -> None:
    """Add the sessions, one transcript each, in file order; none of the experts' labels is taken.

    Each utterance counts once, however many annotators labelled it. The source is `real_high` or
    `real_low`, by the quality that the corpus gives; the id is the converter's, `annomi/7`.

    Raises:
        InputError: If the file is not AnnoMI's or a session cannot be read.
    """
    before = len(collection.transcripts)
    for session in annomi.sessions(path):
        where = f"{path}: transcript {session.transcript}"
        quality = session.facts["mi_quality"]
        if quality not in ("high", "low"):
            raise InputError(f"{where}: mi_quality must be high or low, not {quality!r}")
        facts: Facts = {
            "source": f"real_{quality}",
            "quality": quality,
            "topic": session.facts["topic"],
        }
        name = f"annomi/{session.transcript}"
        collection.add(path, collection.mended(name, where, session.turns, facts))
    if len(collection.transcripts) == before:
        raise InputError(f"{path}: holds no session")
