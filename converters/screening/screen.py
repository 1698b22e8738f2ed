"""Candidate corpora scored by a language model: a random sample of each, with CPsyCoun's rubric."""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from converters.asking import Aside, Ask, in_order, messages
from converters.screening.rubric import fault, judgement_schema, points
from mi_llm.dialogue import Dialogue, read_dialogues
from mi_llm.errors import InputError
from mi_llm.llm import Request, SetAside
from prompts import Prompt


@dataclass(frozen=True, slots=True)
class Corpus:
    """A candidate: one file, and what was drawn of it.

    Attributes:
        name: The file's name without ending; the whole path where two files share it.
        path: The file.
        size: Dialogues in it.
        sample: The dialogues drawn; all of them if the file holds no more than were asked for.
    """

    name: str
    path: Path
    size: int
    sample: tuple[Dialogue, ...]


@dataclass(slots=True)
class Judged:
    """What the judge gave for one corpus.

    Attributes:
        points: Dialogue -> criterion -> item -> points.
        asides: Dialogues without a usable judgement; they count in no mean.
    """

    points: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    asides: list[Aside] = field(default_factory=list)


def corpora(paths: Sequence[Path], *, sample: int, seed: int) -> list[Corpus]:
    """Draw a sample of each file.

    Raises:
        InputError: If a file comes twice or cannot be read.
    """
    if len(set(paths)) < len(paths):
        raise InputError("a file is named twice; name each corpus once")
    stems = Counter(path.stem for path in paths)
    names = [path.stem if stems[path.stem] == 1 else str(path) for path in paths]
    return [
        _drawn(name, path, sample=sample, seed=seed)
        for name, path in zip(names, paths, strict=True)
    ]


def requests(drawn: Sequence[Corpus], prompt: Prompt) -> Iterator[tuple[Dialogue, Request]]:
    """Yield the dialogues drawn, corpus after corpus, each with the request to score it."""
    for corpus in drawn:
        for dialogue in corpus.sample:
            yield dialogue, _request(corpus, dialogue, prompt)


def judged(drawn: Sequence[Corpus], prompt: Prompt, ask: Ask) -> dict[str, Judged]:
    """Have all samples scored; corpus -> what came of it.

    Raises:
        Stopped: If the answers could not all be got.
    """
    found = {corpus.name: Judged() for corpus in drawn}
    owners = [corpus.name for corpus in drawn for _ in corpus.sample]
    results = in_order(requests(drawn, prompt), len(owners), ask)
    for name, (dialogue, result) in zip(owners, results, strict=True):
        if isinstance(result, SetAside):
            aside = Aside(dialogue.id, "set aside", result.reason, result.text)
            found[name].asides.append(aside)
        else:
            assert result.value is not None
            found[name].points[dialogue.id] = points(result.value)
    return found


def _request(corpus: Corpus, dialogue: Dialogue, prompt: Prompt) -> Request:
    return Request(
        id=f"screen:{corpus.name}:{dialogue.id}",
        messages=messages(prompt, dialogue),
        schema=judgement_schema(),
        prompt_sha=prompt.sha,
        check=fault,
    )


def _drawn(name: str, path: Path, *, sample: int, seed: int) -> Corpus:
    size = 0

    def counted() -> Iterator[Dialogue]:
        nonlocal size
        for dialogue in read_dialogues(path):
            size += 1
            yield dialogue

    # The first by a hash of seed and id: the same draw on any machine, in any order of the file.
    chosen = heapq.nsmallest(sample, counted(), key=partial(_place, seed=seed))
    return Corpus(name, path, size, tuple(chosen))


def _place(dialogue: Dialogue, *, seed: int) -> tuple[bytes, str]:
    text = f"{seed}:{dialogue.id}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).digest(), dialogue.id
