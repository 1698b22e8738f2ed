"""Transcripts of sessions recorded here, by the role-play page or the interview, or converted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from eval.transcripts.collection import Collection, check_facts, source
from mi_llm.dialogue import Dialogue, read_dialogues
from mi_llm.errors import InputError


def read(path: Path, collection: Collection) -> None:
    """Add the dialogues of a file, unchanged but for a source where they say none: the file's name.

    Raises:
        InputError: If a line is no dialogue, what it says of itself is wrong, or its name is
            already the source of another file's.
    """
    namesake = next(
        (collection.files[one.id] for one in collection.transcripts if source(one) == path.stem),
        None,
    )
    for dialogue in read_dialogues(path):
        if "transcript" in dialogue.meta:
            check_facts(path, dialogue)
            collection.add(path, dialogue)
        elif namesake:
            raise InputError(
                f"{path}: {dialogue.id}: would be of the source {path.stem!r}, as others of "
                f"{namesake} are; rename the file"
            )
        else:
            collection.add(path, _named(dialogue, path.stem))


def _named(dialogue: Dialogue, name: str) -> Dialogue:
    return replace(dialogue, meta={**dialogue.meta, "transcript": {"source": name}})
