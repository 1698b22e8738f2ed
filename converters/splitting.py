"""Train and test sets by dialogue: seeded, stratified by source, related ones never parted."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from converters.relatives import FEW, STRETCH, Family, is_short, round_hash
from mi_llm.dialogue import Dialogue, Round
from mi_llm.errors import InputError


@dataclass(frozen=True, slots=True)
class Split:
    """Ids of both sets, each sorted by id, and what is in neither."""

    train: tuple[str, ...]
    test: tuple[str, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Repeats:
    """Rounds of the test set that stand in the training set word for word.

    Letters and digits are compared (`converters.duplicates.letters`).

    Attributes:
        rounds: All rounds of the test set.
        repeated: Those that stand in train and count; they must be 0.
        short: Those that stand in train and are shorter than `STRETCH`, such as a greeting.
        common: Those that more than `FEW` unrelated families share, such as a hotline's opening.
        example: One of `short` or `common`.
    """

    rounds: int
    repeated: int
    short: int
    common: int
    example: Round | None


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
        asked = f"--test {test}" + (f" and --train {train}" if train else "")
        raise InputError(f"{asked}: that is more than {total} dialogues")
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


def nearest(groups: Sequence[tuple[str, ...]], *, test: int, seed: int) -> Split:
    """`split` with the number of test dialogues nearest to `test` that whole groups add up to.

    Args:
        groups: Two or more.
        test: Dialogues wanted in the test set.
        seed: Any whole number.
    """
    total = sum(map(len, groups))
    for count in sorted(range(1, total), key=lambda count: (abs(count - test), count)):
        with suppress(InputError):
            return split(groups, test=count, train=None, seed=seed)
    raise InputError("fewer than two groups cannot be parted")


def groups(ids: Iterable[str], families: Iterable[Family]) -> Iterator[tuple[str, ...]]:
    """Yield the ids in groups that must not be parted: each family, and each other id alone."""
    related = set[str]()
    for family in families:
        related.update(family.ids)
        yield family.ids
    yield from ((name,) for name in ids if name not in related)


def repeats(
    train: Iterable[Dialogue], test: Iterable[Dialogue], common: Collection[int]
) -> Repeats:
    """Count the rounds of the test set that stand in the training set.

    Args:
        train: The dialogues of one set.
        test: Those of the other.
        common: Hashes of rounds that are common talk (`converters.relatives`).
    """
    known = {round_hash(one) for dialogue in train for one in dialogue.rounds}
    found = Counter[str]()
    example = None
    for dialogue in test:
        for one in dialogue.rounds:
            found["rounds"] += 1
            key = round_hash(one)
            if key in known:
                kind = "short" if is_short(one) else "common" if key in common else "repeated"
                found[kind] += 1
                example = example if kind == "repeated" else one
    return Repeats(found["rounds"], found["repeated"], found["short"], found["common"], example)


def summary(output: Path, drawn: Split, families: Sequence[Family]) -> Iterator[str]:
    """Yield what the split gave, in total and by source."""
    related = sum(len(family.ids) for family in families)
    yield (
        f"{output}: {len(drawn.train):,} train, {len(drawn.test):,} test, "
        f"{len(drawn.left_out):,} left out; clusters of related dialogues: {len(families):,}, with "
        f"{related:,} dialogues"
    )
    train, test, left = (
        Counter(map(source, ids)) for ids in (drawn.train, drawn.test, drawn.left_out)
    )
    for name in sorted(train | test | left):
        yield f"  {name}: {train[name]:,} train, {test[name]:,} test, {left[name]:,} left out"


def repeats_summary(found: Repeats) -> Iterator[str]:
    """Yield how many test rounds stand in train, and which of these do not count."""
    share = found.repeated / found.rounds if found.rounds else 0
    yield (
        f"test rounds that stand in train word for word: {found.repeated:,} of {found.rounds:,} "
        f"({share:.1%})"
    )
    if found.example:
        client, counselor = (text[:20] for text in (found.example.client, found.example.counselor))
        yield (
            f"  not counted: {found.short:,} under {STRETCH} characters and {found.common:,} that "
            f"more than {FEW} unrelated dialogues share, such as {client!r} / {counselor!r}"
        )


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
    if not missing:
        return drawn
    filling = _filling(ordered, count)
    if filling is None:
        largest = max(ordered, key=len)
        raise InputError(
            f"{option} {count}: no whole clusters add up to it, and related dialogues stay "
            f"together; ask for another number (the largest cluster has {len(largest):,}, from "
            f"{largest[0]} to {largest[-1]})"
        )
    return filling


def _filling(ordered: list[tuple[str, ...]], count: int) -> list[tuple[str, ...]] | None:
    """The first groups, whatever their source, whose sizes add up to a number; None if none do."""
    # Bit n of the k-th number: some of the groups from the k-th on have n dialogues together.
    within = (1 << count + 1) - 1
    sums = [1]
    for group in reversed(ordered):
        sums.append((sums[-1] | sums[-1] << len(group)) & within)
    sums.reverse()
    if not sums[0] >> count & 1:
        return None
    drawn = []
    for group, rest in zip(ordered, sums[1:], strict=True):
        if len(group) <= count and rest >> count - len(group) & 1:
            drawn.append(group)
            count -= len(group)
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
