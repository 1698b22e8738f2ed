"""Dialogues that are the same, or nearly, found before anything is split.

Two dialogues are near duplicates if their sets of character 5-grams (white space removed) have a
Jaccard similarity of at least 0.8. Candidates come from MinHash LSH (datasketch; 128 permutations),
and every candidate pair is then measured exactly, so that no pair is reported that is not one; a
pair near the threshold may be missed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mi_llm.dialogue import Dialogue

SHINGLE = 5  # characters
THRESHOLD = 0.8  # Jaccard
PERMUTATIONS = 128

_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Cluster:
    """Dialogues that belong together, since each is a duplicate of another one among them.

    Attributes:
        ids: Two or more, sorted.
        similarity: The smallest Jaccard similarity of the pairs that joined them; 1 if their texts
            are equal.
    """

    ids: tuple[str, ...]
    similarity: float


def shingles(dialogue: Dialogue) -> frozenset[str]:
    """The character 5-grams of all that is said; a shorter text is one shingle."""
    text = _SPACE.sub("", "".join(turn.content for turn in dialogue.turns))
    return frozenset(text[i : i + SHINGLE] for i in range(max(len(text) - SHINGLE + 1, 1)))


def jaccard(one: frozenset[str], two: frozenset[str]) -> float:
    """Shared shingles over all shingles, in [0, 1]."""
    shared = len(one & two)
    return shared / (len(one) + len(two) - shared)


class DuplicateFinder:
    """Takes dialogues in one by one, and remembers their signatures only."""

    def __init__(self, again: Callable[[str], Dialogue]) -> None:
        """Start empty.

        Args:
            again: Gives a dialogue that was added once more, by its id.
        """
        from datasketch import MinHashLSH

        self._again = again
        self._index = MinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS)
        self._leader: dict[str, str] = {}
        self._similarity: dict[str, float] = {}

    def add(self, dialogue: Dialogue) -> None:
        """Take one more dialogue in, and join it with its duplicates."""
        from datasketch import MinHash

        own = shingles(dialogue)
        signature = MinHash(num_perm=PERMUTATIONS)
        signature.update_batch([shingle.encode() for shingle in own])
        self._leader[dialogue.id] = dialogue.id
        for candidate in sorted(self._index.query(signature)):
            similarity = jaccard(own, shingles(self._again(candidate)))
            if similarity >= THRESHOLD:
                self._join(dialogue.id, candidate, similarity)
        self._index.insert(dialogue.id, signature)

    def clusters(self) -> list[Cluster]:
        """The clusters of two or more, sorted by their first id."""
        members: dict[str, list[str]] = {}
        for name in self._leader:
            members.setdefault(self._root(name), []).append(name)
        return sorted(
            (
                Cluster(tuple(sorted(names)), self._similarity[root])
                for root, names in members.items()
                if len(names) > 1
            ),
            key=lambda cluster: cluster.ids,
        )

    def _root(self, name: str) -> str:
        while self._leader[name] != name:
            self._leader[name] = self._leader[self._leader[name]]
            name = self._leader[name]
        return name

    def _join(self, one: str, two: str, similarity: float) -> None:
        first, second = sorted((self._root(one), self._root(two)))
        self._leader[second] = first
        known = [self._similarity.get(root, 1.0) for root in (first, second)]
        self._similarity[first] = min(similarity, *known)


def groups(ids: list[str], clusters: list[Cluster]) -> Iterator[tuple[str, ...]]:
    """Yield the ids in groups that must not be parted: each cluster, and each other id alone."""
    clustered = {name for cluster in clusters for name in cluster.ids}
    yield from (cluster.ids for cluster in clusters)
    yield from ((name,) for name in ids if name not in clustered)
