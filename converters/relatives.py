"""Dialogues that must not be parted by a split: what one teaches about, the other would be asked.

Two dialogues are related if

1. they are equal, near copies (`converters.duplicates`), or a third or more of the consecutive
   whole turns of either (see `STRETCH`) stands in the other, however many dialogues are so: windows
   over one dialogue, and rows of its rounds with any part of their history;
2. a third or more of one stands in the other, word for word or nearly, and in few others that are
   not related to that by the first rule: the beginning, end or middle of a dialogue;
3. few dialogues share consecutive turns, how little of either they may be; if these are short or
   one turn, only where they are the whole of one, or the end of one and the beginning of the other.

Relatives of relatives are related too. What many dialogues share that have nothing else in common,
such as a hotline's opening, relates none of them: it would make one cluster of a whole corpus.
"""

from __future__ import annotations

import re
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from converters.duplicates import (
    PART,
    THRESHOLD,
    DuplicateFinder,
    Hashes,
    Partition,
    letters,
    similar_pairs,
    similarity,
)
from mi_llm.dialogue import Dialogue, Round
from mi_llm.quotation import folded

STRETCH = 30  # length of a stretch that counts: two turns or more, so long together
SHARE = 1 / 3  # of the smaller dialogue's stretches; the first of two rounds is one of three
ALIKE = 1 / 5  # Jaccard similarity of the stretches of two dialogues: a third of either
FEW = 5  # clusters: what more of them share is common talk

_WORD = re.compile(r"[a-z0-9]+")
_WHOLE, _BEGINS, _ENDS = 1, 2, 4


def length(text: str) -> int:
    """Letters and digits of a text; a word of Latin letters or a number counts as two."""
    words = _WORD.findall(folded(text))
    return len(letters(text)) - sum(map(len, words)) + 2 * len(words)


def is_short(one: Round) -> bool:
    """Whether a round is too short to be a stretch that counts."""
    return length(one.client) + length(one.counselor) < STRETCH


def round_hash(one: Round) -> int:
    """The hash of what is said in a round: that of its stretch, unless it is short."""
    return _hash([letters(one.client), letters(one.counselor)])


@dataclass(frozen=True, slots=True)
class Family:
    """Dialogues that are related.

    Attributes:
        ids: Two or more, sorted.
        near: Whether near copies or parts are among what joined them; else all is word for word.
    """

    ids: tuple[str, ...]
    near: bool


class Relatives:
    """Takes dialogues in one by one, remembers hashes of them, and finds which are related."""

    def __init__(self, again: Callable[[str], Dialogue]) -> None:
        """Start empty.

        Args:
            again: Gives a dialogue that was added once more, by its id.
        """
        self._near = DuplicateFinder(again)
        self._stretches: list[Hashes] = []
        # Parts that are no such stretch: a hash, whose it is, and where in the dialogue it stands.
        self._parts, self._owners, self._places = array("Q"), array("Q"), bytearray()

    def add(self, dialogue: Dialogue) -> None:
        """Take one more dialogue in."""
        texts = [letters(turn.content) for turn in dialogue.turns]
        lengths = [length(turn.content) for turn in dialogue.turns]
        for first, last, place in _parts(lengths):
            self._parts.append(_hash(texts[first:last]))
            self._owners.append(len(self._stretches))
            self._places.append(place)
        stretches = [_hash(texts[first:last]) for first, last in _stretches(lengths)]
        self._stretches.append(np.unique(np.array(stretches, np.uint64)))
        self._near.add(dialogue)

    def families(self) -> tuple[list[Family], set[int]]:
        """The families, sorted by their first id, and the hashes of what is common talk."""
        joined = Partition(len(self._stretches))
        near = [*self._join_alike(joined), *self._join_parts(joined)]
        rare, common = self._shared_by_few(joined)
        for one, two in rare:
            joined.join(one, two)
        near_roots = {joined.root(one) for one in near}
        ids = self._near.ids
        families = (
            Family(tuple(sorted(ids[one] for one in group)), group[0] in near_roots)
            for group in joined.groups()
            if len(group) > 1
        )
        return sorted(families, key=lambda family: family.ids), common

    def _join_alike(self, joined: Partition) -> list[int]:
        """Join what is alike however many dialogues are; return one of each pair of near copies."""

        def parted(one: int, two: int) -> bool:
            return joined.root(one) != joined.root(two)

        stretches, near = self._stretches, []
        for one, two in similar_pairs(stretches, SHARE):
            if parted(one, two) and similarity(stretches[one], stretches[two])[0] >= ALIKE:
                joined.join(one, two)
        for _, owners, places in self._shared_parts():
            for one, two in pairwise(owners[places & _WHOLE > 0].tolist()):
                joined.join(one, two)
        copies = self._near.pairs(lambda *pair: parted(*pair) and self._near.of_one_length(*pair))
        for one, two, jaccard, _ in copies:
            if jaccard >= THRESHOLD:
                joined.join(one, two)
                near.append(one)
        return near

    def _join_parts(self, joined: Partition) -> list[int]:
        """Join what stands in few clusters for a part; return one of each pair of near parts."""
        roots = [joined.root(one) for one in range(len(self._stretches))]
        homes: dict[int, set[int]] = defaultdict(set)  # where what is joined to a number stands

        def wanted(one: int, two: int) -> bool:
            small, large = self._by_size(one, two)
            known = homes[roots[small]]
            return roots[small] != roots[large] and len(known) <= FEW and roots[large] not in known

        stretches, near = self._stretches, []
        for one, two in similar_pairs(stretches, SHARE):
            if wanted(one, two) and similarity(stretches[one], stretches[two])[1] >= SHARE:
                small, large = self._by_size(one, two)
                homes[roots[small]].add(roots[large])
        for one, two, _, share in self._near.pairs(wanted):
            if share >= PART and len(stretches[one]) and len(stretches[two]):
                small, large = self._by_size(one, two)
                homes[roots[small]].add(roots[large])
                near.append(small)
        for root, found in homes.items():
            if len(found) <= FEW:
                for home in found:
                    joined.join(root, home)
        return [one for one in near if len(homes[roots[one]]) <= FEW]

    def _by_size(self, one: int, two: int) -> tuple[int, int]:
        """Two dialogues, that with fewer stretches first; among equals by their ids."""
        ids, stretches = self._near.ids, self._stretches
        small, large = sorted((one, two), key=lambda place: (len(stretches[place]), ids[place]))
        return small, large

    def _shared_by_few(self, joined: Partition) -> tuple[list[tuple[int, int]], set[int]]:
        """What else relates dialogues as `joined` has them, and what is common talk in them."""
        rare: list[tuple[int, int]] = []
        common = set[int]()
        for key, owners, _ in _groups(*_with_owners(self._stretches)):
            roots = {joined.root(one) for one in owners.tolist()}
            if len(roots) <= FEW:
                rare.extend(pairwise(roots))
            else:
                common.add(key)
        for _, owners, places in self._shared_parts():
            if len({joined.root(one) for one in owners.tolist()}) > FEW:
                continue
            if (places & _WHOLE).any():
                rare.extend(pairwise(owners.tolist()))
            elif (places & _BEGINS).any() and (places & _ENDS).any():
                rare.extend(pairwise(owners[places > 0].tolist()))
        return rare, common

    def _shared_parts(self) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.uint8]]]:
        """Yield the parts that several dialogues have: hash, whose they are, and where."""
        parts = np.frombuffer(self._parts, np.uint64)
        owners = np.frombuffer(self._owners, np.uint64).astype(np.int64)
        yield from _groups(parts, owners, np.frombuffer(self._places, np.uint8))


def _stretches(lengths: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The shortest stretch from each turn: two turns or more, `STRETCH` long together.

    Whatever longer stretch two dialogues share, they share the shortest one from its first turn.
    """
    for first in range(len(lengths)):
        last, total = first, 0
        while last < len(lengths) and (last - first < 2 or total < STRETCH):
            total += lengths[last]
            last += 1
        if last - first >= 2 and total >= STRETCH:
            yield first, last


def _parts(lengths: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Where other parts stand: the whole, each turn by itself, two turns or more that are short.

    The third number tells whether a part is the whole dialogue, or its beginning or end; of a short
    turn the latter is not told, as such turns end and begin dialogues that have nothing in common.
    """
    count = len(lengths)
    for first in range(count):
        total = 0
        for last in range(first + 1, count + 1):
            total += lengths[last - 1]
            short, single = total < STRETCH, last - first == 1
            whole = last - first == count
            if whole or single or short:
                edge = 0 if single and short else _BEGINS * (not first) + _ENDS * (last == count)
                yield first, last, edge | _WHOLE * whole
            if not short and first:
                break


def _hash(texts: Sequence[str]) -> int:
    data = "\n".join(texts).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(data, digest_size=8).digest())


def _with_owners(sets: Sequence[Hashes]) -> tuple[Hashes, NDArray[np.int64], NDArray[np.uint8]]:
    owners = np.repeat(np.arange(len(sets)), [len(one) for one in sets])
    return np.concatenate(sets), owners, np.zeros(len(owners), np.uint8)


def _groups(
    keys: Hashes, owners: NDArray[np.int64], places: NDArray[np.uint8]
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.uint8]]]:
    """Yield each key that stands more than once, with its owners and places."""
    order = np.argsort(keys, kind="stable")
    ends = np.flatnonzero(np.diff(keys[order], append=keys[order[-1:]] + np.uint64(1))) + 1
    for first, last in pairwise([0, *ends.tolist()]):
        if last - first > 1:
            own = order[first:last]
            yield int(keys[own[0]]), owners[own], places[own]
