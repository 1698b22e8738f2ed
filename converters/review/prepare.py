"""What is left out by machine, what people read, and who reads what."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from converters.duplicates import DuplicateFinder
from converters.library import Library
from converters.review.check_codes import Coding
from converters.review.findings import FOR_TWO, Finding
from converters.review.machine_checks import check
from mi_llm.dialogue import Dialogue
from mi_llm.errors import InputError

# left out: a hard finding. queued: a soft one. sampled: none, drawn for a look. passed: none.
State = Literal["left out", "queued", "sampled", "passed"]
WHY: dict[State, str] = {"queued": "机器发现", "sampled": "抽样"}


@dataclass(frozen=True, slots=True)
class Item:
    """What happens to one dialogue.

    Attributes:
        state: See `State`.
        findings: All that the checks found.
        for_two: Whether two reviewers decide: a crisis, or drawn to measure agreement.
    """

    state: State
    findings: tuple[Finding, ...] = ()
    for_two: bool = False

    @property
    def crisis(self) -> bool:
        """Whether a person at risk may be speaking."""
        return any(one.kind in FOR_TWO for one in self.findings)


@dataclass(frozen=True, slots=True)
class Review:
    """A review that was prepared: its dialogues by id, in file order, and how they were drawn."""

    items: dict[str, Item]
    sample: float
    double: float
    seed: int
    reviewers: tuple[str, ...] = ()
    without_source: int = 0
    without_target: int = 0


class Sources:
    """The dialogues that transcriptions were made from, found by the id that each one names."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Read the files once; without any, nothing has a source."""
        self.library = Library(paths)
        self._ids = {dialogue.id for dialogue in self.library}

    def of(self, dialogue: Dialogue) -> Dialogue | None:
        """The source of a transcription; None if no sources were given.

        Raises:
            InputError: If sources were given and it is not among them.
        """
        if not self._ids:
            return None
        facts = dialogue.meta.get("transcription")
        name = facts.get("source_id", dialogue.id) if isinstance(facts, dict) else dialogue.id
        if name not in self._ids:
            raise InputError(f"{dialogue.id}: no source {name!r} in --sources; give them all")
        return self.library.dialogue(name)


def prepare(
    library: Library,
    sources: Sources,
    codings: Mapping[str, Sequence[Coding]],
    *,
    sample: float,
    double: float,
    seed: int,
    reviewers: Sequence[str] = (),
) -> Review:
    """Check all dialogues, and draw those that people read.

    Args:
        library: The transcriptions.
        sources: What they were made from.
        codings: MITI codes by dialogue; those of none are left out of the checks that need them.
        sample: Share of the dialogues without a finding that is read all the same, rounded up.
        double: Share of what is read that two reviewers read, rounded up; crises beside that.
        seed: Of both draws, which do not depend on the order of the file.
        reviewers: Who reads; none leaves one book for whoever comes.

    Raises:
        InputError: If a file cannot be read or a source is missing.
    """
    found: dict[str, list[Finding]] = {}
    without_target = 0
    for dialogue in library:
        found[dialogue.id] = check(dialogue, sources.of(dialogue), codings.get(dialogue.id, ()))
        without_target += "transcription" not in dialogue.meta
    hard = {name: any(one.hard for one in of) for name, of in found.items()}
    for name, finding in duplicates(library.ids, library.dialogue, hard):
        found[name].insert(0, finding)
    states = _states(found, sample, seed)
    read = [name for name, state in states.items() if state in WHY]
    twice = set(_drawn(read, double, f"{seed}:double"))
    items = {
        name: Item(
            state,
            tuple(found[name]),
            state in WHY and (name in twice or any(one.kind in FOR_TWO for one in found[name])),
        )
        for name, state in states.items()
    }
    return Review(
        items, sample, double, seed, tuple(reviewers),
        without_source=0 if sources.library.ids else len(items),
        without_target=without_target,
    )  # fmt: skip


def duplicates(
    ids: Sequence[str], dialogue: Callable[[str], Dialogue], hard: Mapping[str, bool]
) -> Iterator[tuple[str, Finding]]:
    """Yield each dialogue that is a duplicate, exact or near, of one that stays.

    Of those that are alike, the first stays that is not left out anyway.

    Args:
        ids: In the order of the file.
        dialogue: Gives one by its id.
        hard: Whether a dialogue is left out for another reason; false if it does not say.
    """
    finder = DuplicateFinder(dialogue)
    for name in ids:
        finder.add(dialogue(name))
    place = {name: number for number, name in enumerate(ids)}
    for cluster in finder.clusters():
        stays, *rest = sorted(cluster.ids, key=lambda one: (hard.get(one, False), place[one]))
        for name in rest:
            reason = f"与{stays}重复或几乎相同（{cluster.similarity:.0%}）"
            yield name, Finding("duplicate", None, reason)


def assigned(review: Review) -> dict[str, list[tuple[str, bool]]]:
    """What each reviewer reads, crises first: ids, and whether as the second of two.

    Without named reviewers one book, of nobody, holds everything; what two must read stands in it
    a second time, at the end.
    """
    names = [name for name, item in review.items.items() if item.state in WHY]
    names.sort(key=lambda name: (not review.items[name].crisis, _rank(name, f"{review.seed}:book")))
    if len(review.reviewers) < 2:
        again = [(name, True) for name in names if review.items[name].for_two]
        whose = review.reviewers[0] if review.reviewers else ""
        return {whose: [*((name, False) for name in names), *again]}
    given: dict[str, list[tuple[str, bool]]] = {one: [] for one in review.reviewers}
    count = len(review.reviewers)
    for place, name in enumerate(names):
        readers = range(place, place + 1 + review.items[name].for_two)
        for one in readers:
            given[review.reviewers[one % count]].append((name, False))
    return given


def counts(review: Review) -> dict[str, int]:
    """How many dialogues are in each state, and how many two reviewers read."""
    states: Counter[str] = Counter(item.state for item in review.items.values())
    twice = sum(item.for_two for item in review.items.values())
    return {"in": len(review.items), **dict(states), "read by two": twice}


def summary(review: Review) -> Iterator[str]:
    """Yield what became of the dialogues, and how many each kind of finding is about."""
    states = Counter(item.state for item in review.items.values())
    read = states["queued"] + states["sampled"]
    twice = sum(item.for_two for item in review.items.values())
    yield (
        f"{len(review.items):,} dialogues: {states['left out']:,} left out by machine, "
        f"{read:,} to read ({states['queued']:,} with a soft finding, {states['sampled']:,} drawn "
        f"from the rest; {twice:,} by two reviewers), {states['passed']:,} passed unread"
    )
    kinds: Counter[tuple[str, str, str]] = Counter()
    for item in review.items.values():
        weights = {(one.ground, one.kind, "hard" if one.hard else "soft") for one in item.findings}
        kinds.update(weights)
    for (ground, kind, weight), count in sorted(kinds.items()):
        yield f"  {ground}: {kind} ({weight}): {count:,}"
    if review.without_source:
        yield f"  not compared with a source, since --sources names none: {review.without_source:,}"
    if review.without_target:
        yield f"  without a target behaviour named, so not checked: {review.without_target:,}"


def _states(found: Mapping[str, Sequence[Finding]], sample: float, seed: int) -> dict[str, State]:
    states: dict[str, State] = {}
    for name, findings in found.items():
        hard = any(one.hard for one in findings)
        states[name] = "left out" if hard else "queued" if findings else "passed"
    clean = [name for name, state in states.items() if state == "passed"]
    states.update((name, "sampled") for name in _drawn(clean, sample, f"{seed}:sample"))
    return states


def _drawn(names: Iterable[str], share: float, salt: str) -> list[str]:
    """A share of the ids, rounded up, the same in whatever order they come."""
    ordered = sorted(names, key=lambda name: _rank(name, salt))
    # 0.1 of 30 is 3.0000000000000004 in binary; a tenth of thirty is three.
    return list(islice(ordered, math.ceil(round(share * len(ordered), 9))))


def _rank(name: str, salt: str) -> bytes:
    return hashlib.sha256(f"{salt}:{name}".encode("utf-8", "surrogatepass")).digest()
