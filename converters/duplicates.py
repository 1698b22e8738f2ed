"""Dialogues that are nearly the same, found by their text without comparing every two.

What is compared is the set of a dialogue's 5-grams, of letters and digits only: width of
characters, case, white space and punctuation do not count. Two dialogues are near copies if their
sets have a Jaccard similarity of at least 0.8, and one is nearly a part of the other if that holds
at least 0.9 of its set (for sets of one size that is a similarity of 0.82).
An eighth of all 5-grams, chosen by their hash, proposes pairs; each pair is then measured in full,
so that no pair is reported that is not one. A pair near the threshold may be missed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mi_llm.dialogue import Dialogue
from mi_llm.quotation import bare

SHINGLE = 5  # characters
THRESHOLD = 0.8  # Jaccard
PART = 0.9  # the share of the smaller one that the larger one holds

_SAMPLED = np.uint64(8)  # one 5-gram in so many proposes pairs
_BLOCK = 200  # sets compared with all at a time
_PROPOSED = 0.5  # shared share of the sampled 5-grams of the smaller one: pairs at 0.8 have it

Hashes = NDArray[np.uint64]


def letters(text: str) -> str:
    """What counts of a text: letters and digits, in one width and case; else all that is seen."""
    return bare(text) or "".join(text.split())


def shingles(dialogue: Dialogue) -> Hashes:
    """Hashes of the 5-grams of all that is said, sorted, each once; a shorter text is one."""
    text = "".join(letters(turn.content) for turn in dialogue.turns)
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    width = min(SHINGLE, len(codes))
    hashes = np.zeros(len(codes) - width + 1, np.uint64)
    for offset in range(width):
        hashes = hashes * np.uint64(0x100000001B3) + codes[offset : offset + len(hashes)]
    # The finalizer of MurmurHash3, so that any bits of a hash can choose a sample.
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        hashes = (hashes ^ (hashes >> np.uint64(33))) * np.uint64(factor)
    return np.unique(hashes ^ (hashes >> np.uint64(33)))


def similarity(one: Hashes, two: Hashes) -> tuple[float, float]:
    """Jaccard similarity of two sets, and the share of the smaller that the larger holds."""
    shared = np.intersect1d(one, two, assume_unique=True).size
    return shared / (len(one) + len(two) - shared), shared / min(len(one), len(two))


def similar_pairs(sets: Sequence[Hashes], share: float) -> Iterator[tuple[int, int]]:
    """Yield pairs among which are all where the larger set holds `share` of the smaller.

    Of n hashes at least m = share * n are shared, so m / 2 of the n - m / 2 rarest are: these alone
    are looked up, as most of them stand nowhere else (Chaudhuri, Ganti and Kaushik 2006, ICDE:
    prefix filtering).
    """
    from scipy.sparse import csr_array

    sizes = np.array([len(one) for one in sets], np.int64)
    if not sizes.sum():
        return
    owners = np.repeat(np.arange(len(sets)), sizes)
    _, groups, counts = np.unique(np.concatenate(sets), return_inverse=True, return_counts=True)
    order = np.lexsort((counts[groups], owners))
    place = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    needed = np.maximum(np.ceil(share * sizes / 2), 1)
    repeated = counts[groups] > 1
    looked_up = order[place < np.repeat(sizes - np.ceil(share * sizes) + needed, sizes)]
    looked_up = looked_up[repeated[looked_up]]

    def matrix(entries: NDArray[np.int64]) -> Any:
        at = (owners[entries], groups[entries])
        return csr_array((np.ones(len(entries), np.int32), at), shape=(len(sets), len(counts)))

    rare, everything = matrix(looked_up), matrix(np.flatnonzero(repeated)).T.tocsr()
    for start in range(0, len(sets), _BLOCK):
        shared = (rare[start : start + _BLOCK] @ everything).tocoo()
        enough = shared.data >= needed[start + shared.row]
        for one, two in zip(shared.row[enough] + start, shared.col[enough], strict=True):
            if one != two:
                yield int(one), int(two)


class Partition:
    """Numbers from 0 that are joined two by two; what is joined to one is joined to the other."""

    def __init__(self, count: int) -> None:
        self._leader = list(range(count))

    def root(self, one: int) -> int:
        """The smallest number that one is joined to; itself if there is none."""
        leader = self._leader
        while leader[one] != one:
            leader[one] = leader[leader[one]]
            one = leader[one]
        return one

    def join(self, one: int, two: int) -> None:
        """Put two numbers together, and all that either is joined to."""
        first, second = sorted((self.root(one), self.root(two)))
        self._leader[second] = first

    def groups(self) -> Iterator[list[int]]:
        """Yield the numbers that are together, each group sorted, by their first number."""
        members: dict[int, list[int]] = {}
        for one in range(len(self._leader)):
            members.setdefault(self.root(one), []).append(one)
        yield from members.values()


@dataclass(frozen=True, slots=True)
class Cluster:
    """Dialogues that belong together, since each is a near copy of another one among them.

    Attributes:
        ids: Two or more, sorted.
        similarity: The smallest Jaccard similarity of the pairs that joined them.
    """

    ids: tuple[str, ...]
    similarity: float


class DuplicateFinder:
    """Takes dialogues in one by one, and remembers a sample of their 5-grams only."""

    def __init__(self, again: Callable[[str], Dialogue]) -> None:
        """Start empty.

        Args:
            again: Gives a dialogue that was added once more, by its id.
        """
        self._again = again
        self.ids: list[str] = []
        self._samples: list[Hashes] = []

    def add(self, dialogue: Dialogue) -> None:
        """Take one more dialogue in."""
        found = shingles(dialogue)
        self.ids.append(dialogue.id)
        sampled = found % _SAMPLED == 0
        sampled[0] = True  # equal texts propose each other however short they are
        self._samples.append(found[sampled])

    def pairs(self, wanted: Callable[[int, int], bool]) -> Iterator[tuple[int, int, float, float]]:
        """Yield two places of dialogues, their Jaccard similarity, and the share of the smaller.

        Args:
            wanted: Whether a pair is to be measured, asked for each as it comes.
        """

        @lru_cache(maxsize=2_000)
        def of(place: int) -> Hashes:
            return shingles(self._again(self.ids[place]))

        samples = self._samples
        for one, two in similar_pairs(samples, _PROPOSED):
            if wanted(one, two) and similarity(samples[one], samples[two])[1] >= _PROPOSED:
                yield one, two, *similarity(of(one), of(two))

    def of_one_length(self, one: int, two: int) -> bool:
        """Whether two dialogues can be near copies by how much is said, to judge by the samples."""
        sizes = sorted(len(self._samples[place]) for place in (one, two))
        return sizes[0] >= _PROPOSED * sizes[1]

    def clusters(self) -> list[Cluster]:
        """The clusters of near copies by Jaccard similarity, sorted by their first id."""
        joined = Partition(len(self.ids))
        smallest: dict[int, float] = {}
        for one, two, jaccard, _ in self.pairs(self.of_one_length):
            if jaccard >= THRESHOLD:
                known = [smallest.get(joined.root(place), 1.0) for place in (one, two)]
                joined.join(one, two)
                smallest[joined.root(one)] = min(jaccard, *known)
        return sorted(
            (
                Cluster(tuple(sorted(self.ids[one] for one in group)), smallest[group[0]])
                for group in joined.groups()
                if len(group) > 1
            ),
            key=lambda cluster: cluster.ids,
        )
