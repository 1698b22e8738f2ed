"""A breakdown as lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from eval.breakdown import Breakdown, Group
from mi_llm.statistics import Estimate

_SHOWN = ("bleu4", "rougeL")


def lines(found: Breakdown) -> Iterator[str]:
    """Yield a line for each group, slope, share and length; the file has all measures."""
    yield f"{'':24} {'rounds':>7}  {'BLEU-4':22} ROUGE-L"
    yield from _groups("round", found.by_round)
    yield from _groups("reference", found.by_length)
    yield from _groups("topic", found.by_topic)
    for measure in _SHOWN:
        slope = found.slopes[measure]
        within = "undefined" if slope.within is None else _estimate(slope.within, sign="+")
        yield f"{measure} per further round of a dialogue: {within}"
    for share in found.shares:
        counselors = "" if share.references is None else f", counselors {share.references:.1%}"
        note = f" ({share.warning})" if share.warning else ""
        yield f"{share.name}: {share.count:,} of {share.rounds:,}{counselors}{note}"
    lengths = found.lengths
    yield f"characters: {lengths.answers:.1f}, references {lengths.references:.1f}"


def _groups(title: str, groups: Sequence[Group]) -> Iterator[str]:
    for group in groups:
        scores = "  ".join(f"{_estimate(group.scores[key]):20}" for key in _SHOWN)
        yield f"{f'{title} {group.name}':24} {group.rounds:7,}  {scores}".rstrip()


def _estimate(one: Estimate, *, sign: str = "") -> str:
    if one.low is None:
        return f"{one.mean:{sign}.2f} (too few)"
    return f"{one.mean:{sign}.2f} ({one.low:{sign}.2f} to {one.high:{sign}.2f})"
