"""Transcripts of one form, whatever they come from: what coding books and judges are made of.

A transcript is a `Dialogue` whose `meta` says under `transcript` what it is::

    {"source": "glm4_tuned", "model": "GLM-4", "irregular": ["微调GLM-4!B4: list item in ..."]}

`source` is the group that results are given for. `Facts` has the other keys.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, TypedDict

from mi_llm.dialogue import Dialogue, DialogueError, Turn, read_dialogues
from mi_llm.errors import InputError
from mi_llm.repair import Repairer

_QUALITIES = ("high", "low")


class Facts(TypedDict, total=False):
    """What `meta.transcript` holds; only `source` is always there.

    Attributes:
        source: The group it belongs to: `glm4_tuned`, `real_high`, ...
        model: The counselor's, where that is a model.
        profile: The client profile's id.
        topic: What it is about.
        quality: `high` or `low`, of a real session.
        target_behaviour: The behaviour that the session is about.
        settings: How the model generated.
        end_reason: Why the session ended.
        end_choice: What the player chose as the reason.
        end_note: What the player wrote about it.
        note: The player's note on the session.
        player: Who played the client, where a person did.
        session: The session's number or id.
        safety: What the safety gate said in the counselor's place: `turn` (the number of that
            volley, from 1), `risk`, `step`, `level`, `phrase`, `source`.
        flags: What is to be looked at: `turn`, `role`, and `risk`, `harm` with `phrase`, or that it
            is `cut_off`.
        original: The turns' texts before translation, same order.
        translation: `model` and `prompt` of the translation.
        irregular: Places in the source that look wrong, and why.
    """

    source: str
    model: str
    profile: str | int
    topic: str
    quality: str
    target_behaviour: str
    settings: dict[str, Any]
    end_reason: str
    end_choice: str
    end_note: str
    note: str
    player: str
    session: str | int
    safety: list[dict[str, Any]]
    flags: list[dict[str, Any]]
    original: list[str]
    translation: dict[str, str]
    irregular: list[str]


@dataclass(slots=True)
class Collection:
    """Transcripts as they are read, and what was counted on the way.

    Attributes:
        transcripts: Of all files, in their order.
        notes: What is worth a line to the reader.
        repairer: Mends turns.
        left_out: What is not among the transcripts, by reason.
        files: Where each transcript is from, by its id.
    """

    transcripts: list[Dialogue] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    repairer: Repairer = field(default_factory=Repairer)
    left_out: Counter[str] = field(default_factory=Counter)
    files: dict[str, Path] = field(default_factory=dict)

    def add(self, path: Path, transcript: Dialogue) -> None:
        """Take a transcript in; one without a counselor's turn holds nothing to code.

        Raises:
            InputError: If its id is another one's already.
        """
        if transcript.id in self.files:
            raise InputError(f"{path}: id {transcript.id!r} stands in {self.files[transcript.id]}")
        self.files[transcript.id] = path
        if any(turn.role == "counselor" for turn in transcript.turns):
            self.transcripts.append(transcript)
        else:
            self.left_out["without a counselor's turn"] += 1
            self.notes.append(f"{path}: {transcript.id}: left out: no turn of the counselor's")

    def mended(self, name: str, where: str, turns: Sequence[Turn], facts: Facts) -> Dialogue:
        """A transcript of turns as a source has them, repairs counted.

        Raises:
            InputError: If none can be made of them.
        """
        try:
            return Dialogue(name, self.repairer.repaired(where, turns), {"transcript": facts})
        except DialogueError as error:
            raise InputError(f"{where}: {error}") from None

    def summary(self) -> str:
        """What was repaired and left out, with counts."""
        return f"repaired: {listed(self.repairer.counts)}; left out: {listed(self.left_out)}"


@dataclass(frozen=True, slots=True)
class Rounds:
    """How long the transcripts of a source are.

    Attributes:
        count: Transcripts.
        mean: Rounds in one.
        sd: Standard deviation (n - 1); None for one transcript.
    """

    count: int
    mean: float
    sd: float | None

    def __str__(self) -> str:
        spread = "no SD" if self.sd is None else f"{self.sd:.2f}"
        return f"{self.mean:.2f} ({spread})"


def rounds_by_source(transcripts: Iterable[Dialogue]) -> dict[str, Rounds]:
    """Rounds in the transcripts of each source, as Table 4 of the paper counts them.

    A round is a client's turn with the counselor's reply to it. A client's turn that closes the
    dialogue is in none: counted as one, Baichuan2's nine would have 18.89 (7.66) and Llama-3's ten
    19.00 (6.07), where the paper prints 18.90 (5.80). GLM-4's end in replies and tell nothing.
    """
    found: dict[str, list[int]] = {}
    for one in transcripts:
        found.setdefault(source(one), []).append(len(one.rounds))
    return {
        name: Rounds(len(counts), fmean(counts), stdev(counts) if len(counts) > 1 else None)
        for name, counts in found.items()
    }


def sample(transcripts: Sequence[Dialogue], count: int, *, seed: int) -> list[Dialogue]:
    """Draw `count` transcripts of each source, or all of one that has fewer; their order stays.

    The draw depends on seed and ids alone: it is the same on any machine, in any order of files.
    """
    groups: dict[str, list[str]] = {}
    for one in transcripts:
        groups.setdefault(source(one), []).append(one.id)
    drawn = {
        name
        for names in groups.values()
        for name in sorted(names, key=lambda name: _place(name, seed))[:count]
    }
    return [one for one in transcripts if one.id in drawn]


def source(transcript: Dialogue) -> str:
    """The group that a transcript belongs to."""
    name = transcript.meta["transcript"]["source"]
    assert isinstance(name, str)
    return name


def read_transcripts(path: Path) -> Iterator[Dialogue]:
    """Yield the transcripts of a file, in file order.

    Raises:
        InputError: If a line is no transcript; the message names the way to make one.
    """
    for one in read_dialogues(path):
        if "transcript" not in one.meta:
            raise InputError(
                f"{path}: {one.id}: no meta.transcript; "
                "make transcripts with python -m eval transcripts sessions"
            )
        check_facts(path, one)
        yield one


def check_facts(path: Path, transcript: Dialogue) -> None:
    """Raise `InputError` if `meta.transcript` is not as `Facts` says."""
    facts = transcript.meta["transcript"]
    fault = _fault(facts, len(transcript.turns))
    if fault:
        raise InputError(f"{path}: {transcript.id}: meta.transcript{fault}")


def listed(counts: Counter[str]) -> str:
    """Counts by kind, in words: `2 dropped blank turns, 1 stripped turns`, or `nothing`."""
    return ", ".join(f"{n:,} {kind}" for kind, n in sorted(counts.items()) if n) or "nothing"


def _fault(facts: Any, turns: int) -> str | None:
    if not isinstance(facts, dict):
        return " must be an object"
    name = facts.get("source")
    if not isinstance(name, str) or not name.strip():
        return f'.source must name the group it belongs to, such as "glm4_lora"; it is {name!r}'
    if name.splitlines() != [name]:
        return f".source is a name, which takes one line; it is {name!r}"
    if facts.get("quality", "high") not in _QUALITIES:
        return f".quality must be high or low; it is {facts['quality']!r}"
    for key in ("original", "irregular"):
        if not _is_texts(facts.get(key, [])):
            return f".{key} must be a list of texts"
    for key in ("safety", "flags"):
        if not _is_objects(facts.get(key, [])):
            return f".{key} must be a list of objects"
    if not isinstance(facts.get("target_behaviour", ""), str):
        return f".target_behaviour must be a text; it is {facts['target_behaviour']!r}"
    if len(facts.get("original", "." * turns)) != turns:
        return f".original has {len(facts['original'])} texts for {turns} turns"
    return None


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _is_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


def _place(name: str, seed: int) -> tuple[bytes, str]:
    text = f"{seed}:{name}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).digest(), name
