"""Statistics as plain text tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from converters.lengths import UNITS, Lengths, Moments
from mi_llm.dialogue import Role
from mi_llm.paper import PAPER_TABLE3

_ROLES: tuple[Role, Role] = ("counselor", "client")


def length_tables(found: Mapping[str, Lengths]) -> Iterator[str]:
    """Yield the lines of all tables: a file each, then the paper's Table 3."""
    for name, one in found.items():
        yield f"{name}: {one.rounds.count:,} dialogues, {int(one.rounds.total):,} rounds"
        yield f"  rounds per dialogue, mean (SD): {_told(one.rounds)}"
        yield (
            f"  left aside: {one.leading:,} leading counselor turns, "
            f"{one.trailing:,} trailing client turns"
        )
        if one.without_round:
            yield f"  no round in: {', '.join(one.without_round)}"
        yield f"  {'length per volley, mean (SD)':42}{'counselor':>16}  {'client':>16}"
        for unit in UNITS:
            yield _line(f"{unit}, pooled", one.volleys[unit])
        for unit in UNITS:
            yield _line(f"{unit}, by dialogue", one.dialogues[unit])
        yield ""
    yield from _paper()


def _paper() -> Iterator[str]:
    yield "The paper's Table 3, as printed. Its unit is characters without punctuation, pooled, and"
    yield "its two columns of lengths are exchanged (docs/data.md)."
    yield f"  {'':16}{'rounds':>16}  {'counselor':>16}  {'client':>16}"
    for name, one in PAPER_TABLE3.items():
        cells = "  ".join(
            f"{f'{m:.2f} ({sd:.2f})':>16}" for m, sd in (one.rounds, one.counselor, one.client)
        )
        yield f"  {name:16}{cells}"


def _line(label: str, by_role: Mapping[Role, Moments]) -> str:
    return f"  {label:42}" + "  ".join(f"{_told(by_role[role]):>16}" for role in _ROLES)


def _told(moments: Moments) -> str:
    if moments.mean is None:
        return "-"
    return f"{moments.mean:.2f}" + ("" if moments.sd is None else f" ({moments.sd:.2f})")
