"""The key that undoes the blinding: neutral id -> transcript and where it is from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from eval.transcripts.collection import source
from mi_llm import jsonl
from mi_llm.coding import Session
from mi_llm.dialogue import Dialogue
from mi_llm.errors import InputError

EVERYTHING = "all"


@dataclass(frozen=True, slots=True)
class Origin:
    """What a coded transcript is.

    Attributes:
        transcript: Its real id.
        source: The group that results are given for.
    """

    transcript: str
    source: str


def read_key(path: Path) -> dict[str, Origin]:
    """The origin of every neutral id in a key that `book` wrote.

    Raises:
        InputError: If the file is no key, or a transcript in it names no source.
    """
    key = jsonl.read_json(path)
    items = key.get("items") if isinstance(key, dict) else None
    if not isinstance(items, dict) or not items:
        raise InputError(f"{path}: not a key; expected the key.json that 'book' wrote")
    found = {}
    for name, item in items.items():
        if not isinstance(item, dict) or not isinstance(item.get("transcript"), str):
            raise InputError(f"{path}: {name}: no transcript; is this the key that 'book' wrote?")
        source = item.get("source")
        if not isinstance(source, str) or source.splitlines() != [source]:
            raise InputError(
                f"{path}: {name}: {item['transcript']} names no source; "
                "make transcripts with python -m eval transcripts, then the books again"
            )
        found[name] = Origin(item["transcript"], item["source"])
    return found


def origins(
    sessions: list[Session],
    key: dict[str, Origin] | None,
    transcripts: dict[str, Dialogue] | None,
) -> dict[str, Origin]:
    """Where each coded transcript is from: by the key, else by the transcripts, else unknown.

    Without either, all sessions are one source, `EVERYTHING`.
    """
    if key is not None:
        return key
    if transcripts is not None:
        return {name: Origin(name, source(one)) for name, one in transcripts.items()}
    return {one.transcript: Origin(one.transcript, EVERYTHING) for one in sessions}
