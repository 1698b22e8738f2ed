"""The ids that raters see instead of a transcript's own, as the key of their books tells them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mi_llm import jsonl
from mi_llm.dialogue import Dialogue, Turn
from mi_llm.errors import InputError


def neutral_ids(key: Path, transcripts: Sequence[Dialogue]) -> dict[str, str]:
    """The neutral id of each transcript, by its own.

    Args:
        key: The key.json that `book` wrote.
        transcripts: What the books were made from, all of it or a part.

    Raises:
        InputError: If the file is no key, a transcript is not in it, or its text is not the one
            that raters have.
    """
    items = _items(key)
    by_transcript = {item.get("transcript"): name for name, item in items.items()}
    for one in transcripts:
        if one.id not in by_transcript:
            raise InputError(f"{key}: knows no transcript {one.id!r}; give what the books hold")
        if items[by_transcript[one.id]].get("sha256") != turns_sha256(one.turns):
            raise InputError(
                f"{one.id}: its text is not the one in the books of {key}; "
                "give the file that they were made from"
            )
    return {one.id: by_transcript[one.id] for one in transcripts}


def turns_sha256(turns: Sequence[Turn]) -> str:
    """SHA-256 of who says what, as 64 hex digits."""
    said = jsonl.dumped([[turn.role, turn.content] for turn in turns])
    return hashlib.sha256(said.encode()).hexdigest()


def _items(path: Path) -> dict[str, dict[str, Any]]:
    key = jsonl.read_json(path)
    items = key.get("items") if isinstance(key, dict) else None
    if not isinstance(items, dict) or not items:
        raise InputError(f"{path}: not a key; expected the key.json that 'book' wrote")
    for name, item in items.items():
        if not isinstance(item, dict):
            raise InputError(f"{path}: {name}: no transcript; is this the key that 'book' wrote?")
    return items
