"""Train and test sets by dialogue: seeded, stratified by source, duplicates never parted."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from converters.duplicates import Cluster
from mi_llm.errors import InputError


@dataclass(frozen=True, slots=True)
class Split:
    """Ids of both sets, each sorted by id, and what is in neither."""

    train: tuple[str, ...]
    test: tuple[str, ...]
    left_out: tuple[str, ...]


def source(name: str) -> str:
    """The corpus of a dialogue: what stands before the first slash of its id."""
    return name.partition("/")[0]


def split(groups: Iterable[tuple[str, ...]], *, test: int, train: int | None, seed: int) -> Split:
    """Draw a test set and a training set of whole groups.

    Groups stand in the order of a hash of the seed and their first id, so the same seed gives the
    same split on any machine and in any order of the input. Each source gives its share of a set,
    by largest remainders; a group of several sources counts for that of its first id.

    Args:
        groups: Ids that must stay together, sorted within a group.
        test: Dialogues in the test set.
        train: Dialogues in the training set; None takes all the rest.
        seed: Any whole number.

    Raises:
        InputError: If there are too few dialogues, or their groups are too large to fill a set.
    """
    ordered = sorted(groups, key=lambda group: (_rank(group, seed), group))
    total = sum(map(len, ordered))
    wanted = test + (train or 0)
    if wanted > total:
        raise InputError(f"--test {test} and --train {train or 0} are more than {total} dialogues")
    for_test = _drawn(ordered, test, "--test")
    chosen = set(for_test)
    rest = [group for group in ordered if group not in chosen]
    for_train = rest if train is None else _drawn(rest, train, "--train")
    chosen.update(for_train)
    return Split(
        train=_flat(for_train),
        test=_flat(for_test),
        left_out=_flat([group for group in ordered if group not in chosen]),
    )


def summary(output: Path, drawn: Split, clusters: Sequence[Cluster]) -> Iterator[str]:
    """Yield what the split gave, in total and by source."""
    clustered = sum(len(cluster.ids) for cluster in clusters)
    yield (
        f"{output}: {len(drawn.train):,} train, {len(drawn.test):,} test, "
        f"{len(drawn.left_out):,} left out; clusters of duplicates: {len(clusters):,}, with "
        f"{clustered:,} dialogues"
    )
    train, test, left = (
        Counter(map(source, ids)) for ids in (drawn.train, drawn.test, drawn.left_out)
    )
    for name in sorted(train | test | left):
        yield f"  {name}: {train[name]:,} train, {test[name]:,} test, {left[name]:,} left out"


def _rank(group: tuple[str, ...], seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{group[0]}".encode("utf-8", "surrogatepass")).digest()


def _flat(groups: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted(name for group in groups for name in group))


def _drawn(ordered: list[tuple[str, ...]], count: int, option: str) -> list[tuple[str, ...]]:
    """The first groups of each source that fill its share exactly; then whatever fills the rest."""
    left = _shares(ordered, count)
    drawn = []
    for group in ordered:
        if len(group) <= left[source(group[0])]:
            drawn.append(group)
            left[source(group[0])] -= len(group)
    missing = left.total()
    chosen = set(drawn)
    for group in ordered:
        if group not in chosen and len(group) <= missing:
            drawn.append(group)
            missing -= len(group)
    if missing:
        raise InputError(
            f"{option} {count}: {missing} short, since duplicates stay together; ask for another "
            "number"
        )
    return drawn


def _shares(groups: list[tuple[str, ...]], count: int) -> Counter[str]:
    """How many dialogues each source gives, in proportion to its size, by largest remainders."""
    sizes = Counter(source(group[0]) for group in groups for _ in group)
    total = sizes.total()
    shares = Counter({name: count * size // total for name, size in sizes.items()})
    by_remainder = sorted(sizes, key=lambda name: (-(count * sizes[name] % total), name))
    for name in by_remainder[: count - shares.total()]:
        shares[name] += 1
    return shares
