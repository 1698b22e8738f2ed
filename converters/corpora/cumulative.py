"""Files that hold one record per round, each with everything said before: only the last is kept.

Such files (PsyDTCorpus' test file, Alpaca rows of rounds) repeat a dialogue once per round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from converters.corpora.intake import Intake

Record = TypeVar("Record")


def whole_records(
    records: Iterable[Record], spoken: Callable[[Record], Sequence[Any]], intake: Intake
) -> Iterator[Record]:
    """Leave out, and count, each record that the next one repeats from its beginning and goes on.

    Args:
        records: In file order.
        spoken: What is said in a record, oldest first; empty if it cannot be told.
        intake: What counts the records left out.
    """
    held: list[tuple[Record, Sequence[Any]]] = []
    for record in records:
        now = spoken(record)
        if held:
            if _goes_on(held[0][1], now):
                intake.left_out["repeated by the next record"] += 1
            else:
                yield held[0][0]
        held = [(record, now)]
    for record, _ in held:
        yield record


def _goes_on(before: Sequence[Any], now: Sequence[Any]) -> bool:
    return 0 < len(before) < len(now) and now[: len(before)] == before
