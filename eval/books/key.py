"""The key of a set of books: what undoes the blinding, and which books there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mi_llm import jsonl
from mi_llm.dialogue import Dialogue
from mi_llm.errors import InputError
from mi_llm.neutral_ids import turns_sha256

KEY = "key.json"


@dataclass(frozen=True, slots=True)
class Issued:
    """A book that was written: whose it is, and the neutral ids of its transcripts."""

    rater: str
    transcripts: frozenset[str]


@dataclass(frozen=True, slots=True)
class Key:
    """A key that was read.

    Attributes:
        seed: That drew ids and orders.
        salt: Of the fingerprints in the books.
        items: What each neutral id stands for: transcript, source, sha256.
        books: By file name; empty in keys before this was noted.
        language: Of the books; None likewise.
    """

    seed: int
    salt: str
    items: Mapping[str, Mapping[str, Any]]
    books: Mapping[str, Issued]
    language: str | None

    @property
    def ids(self) -> dict[str, str]:
        """The neutral id of each transcript."""
        return {item["transcript"]: name for name, item in self.items.items()}


def read_key(path: Path) -> Key:
    """Read a key.

    Raises:
        InputError: If it is none.
    """
    key: Any = jsonl.read_json(path)
    try:
        items, books = key["items"], key.get("books", {})
        found = Key(
            key.get("seed"),
            key["salt"],
            {name: {"source": None, "sha256": None, **item} for name, item in items.items()},
            {name: Issued(one["rater"], frozenset(one["transcripts"]))
             for name, one in books.items()},
            key.get("language"),
        )  # fmt: skip
        whole = isinstance(found.salt, str) and all(isinstance(one, str) for one in found.ids)
    except (AttributeError, KeyError, TypeError):
        whole = False
    if not whole:
        raise InputError(f"{path}: no key; give the key.json that was written with the books")
    return found


def written(key: Mapping[str, Any], books: Mapping[str, Issued], language: str) -> str:
    """The text of a key: what `Blinding.key` gives, and which books there are."""
    issued = {
        name: {"rater": one.rater, "transcripts": sorted(one.transcripts)}
        for name, one in books.items()
    }
    return jsonl.dumped({**key, "language": language, "books": issued}, indent=1) + "\n"


def refuse_other_set(
    folder: Path, key: Key, transcripts: Sequence[Dialogue], *, seed: int, language: str
) -> None:
    """Raise `InputError` if a folder's books are not of these transcripts, seed and language.

    Transcripts that the key does not know yet are no difference: they get books of their own.
    """
    odd = list(_differences(key, transcripts))
    if key.seed is not None and key.seed != seed:
        odd.append(f"they were drawn by seed {key.seed}, not {seed}")
    if key.language not in (None, language):
        odd.append(f"their language is {key.language}, not {language}")
    if odd:
        more = f" and {len(odd) - 5} more" if len(odd) > 5 else ""
        raise InputError(
            f"{folder}: its books stay as they are, since they are not of what is given: "
            f"{'; '.join(odd[:5])}{more}. Give what they were made from, or add --overwrite for "
            "new books; those that hold marks are then moved aside"
        )


def _differences(key: Key, transcripts: Sequence[Dialogue]) -> Iterator[str]:
    given = {one.id: one for one in transcripts}
    for item in sorted(key.items.values(), key=lambda one: str(one["transcript"])):
        name = item["transcript"]
        if name not in given:
            yield f"{name} is not among the transcripts"
            continue
        facts = given[name].meta.get("transcript")
        source = facts.get("source") if isinstance(facts, dict) else None
        if item["sha256"] not in (None, turns_sha256(given[name].turns)):
            yield f"{name} was changed since"
        elif item["source"] not in (None, source):
            yield f"{name} has source {source!r}, in {KEY} {item['source']!r}: correct one of them"
