"""Dialogues -> Alpaca rows.

One row per round is the paper's shape: at round k the model sees the instruction, the rounds before
k and the client's turn, and learns the counselor's reply (JMIR Form Res 2026;10:e89077, eq. 1-2).
One row per dialogue learns the same replies for a fraction of the tokens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from mi_llm.alpaca import AlpacaRow
from mi_llm.dialogue import Dialogue, Round
from mi_llm.errors import InputError
from mi_llm.validation import Columns

Shape = Literal["round", "dialogue"]
Placement = Literal["instruction", "system"]

# Says whether LLaMA-Factory would cut nothing off a row.
Fits = Callable[[AlpacaRow], bool]


def fits_always(row: AlpacaRow) -> bool:
    """The limit where none was asked for."""
    return True


@dataclass(slots=True)
class RowWriter:
    """Makes rows of dialogues and counts what it leaves aside.

    Attributes:
        prompt: The fixed instruction.
        shape: One row per round, or one per dialogue.
        placement: The key that the prompt stands under. LLaMA-Factory puts an `instruction` before
            the *last* client turn and a `system` text before everything.
        fits: The limit on a row's length.
        counts: Dialogues read, rows written and what was left aside, by kind.
        without_round: Ids of dialogues that gave no row.
        too_long: Ids of rows whose last round alone does not fit.
    """

    prompt: str
    shape: Shape = "round"
    placement: Placement = "instruction"
    fits: Fits = fits_always
    counts: Counter[str] = field(default_factory=Counter)
    without_round: list[str] = field(default_factory=list)
    too_long: list[str] = field(default_factory=list)

    def rows(self, dialogues: Iterable[Dialogue]) -> Iterator[AlpacaRow]:
        """Yield the rows of all dialogues, in order.

        Raises:
            InputError: At the end, if any row's last round alone did not fit.
        """
        for dialogue in dialogues:
            self.counts["dialogues"] += 1
            self.counts["leading counselor turns"] += dialogue.opens_with_counselor
            self.counts["trailing client turns"] += dialogue.closes_with_client
            rounds = dialogue.rounds
            if not rounds:
                self.without_round.append(dialogue.id)
            of_shape = self._round_rows if self.shape == "round" else self._window_rows
            for row in of_shape(dialogue.id, rounds):
                self.counts["rows"] += 1
                yield row
        if self.too_long:
            raise InputError(_too_long_message(self.too_long))

    def summary(self) -> Iterator[str]:
        """Yield what was written, left aside and shortened."""
        counts = self.counts
        yield (
            f"{counts['rows']:,} rows from {counts['dialogues']:,} dialogues; left aside: "
            f"{counts['leading counselor turns']:,} leading counselor turns, "
            f"{counts['trailing client turns']:,} trailing client turns"
        )
        if counts["shortened rows"]:
            yield (
                f"{counts['history rounds dropped']:,} oldest history rounds dropped from "
                f"{counts['shortened rows']:,} rows to fit"
            )
        if counts["windows cut"]:
            yield f"{counts['windows cut']:,} further windows cut to fit"
        if self.without_round:
            yield f"no round in: {', '.join(self.without_round)}"

    def _round_rows(self, name: str, rounds: tuple[Round, ...]) -> Iterator[AlpacaRow]:
        for last in range(len(rounds)):
            # A history that fitted for one round is at most one round too short for the next,
            # but templates differ by position: start from the whole history each time.
            row = self._row(f"{name}#{last + 1}", rounds[: last + 1])
            dropped = 0
            while not self.fits(row) and row["history"]:
                dropped += 1
                row = self._row(row["id"], rounds[dropped : last + 1])
            self.counts["history rounds dropped"] += dropped
            self.counts["shortened rows"] += bool(dropped)
            if dropped == last and not self.fits(row):
                self.too_long.append(row["id"])
                continue
            yield row

    def _window_rows(self, name: str, rounds: tuple[Round, ...]) -> Iterator[AlpacaRow]:
        start = 0
        while start < len(rounds):
            end = len(rounds)
            while end > start + 1 and not self.fits(self._row("", rounds[start:end])):
                end -= 1
            row = self._row(f"{name}#{start + 1}-{end}", rounds[start:end])
            if end == start + 1 and not self.fits(row):
                self.too_long.append(f"{name}#{end}")
            else:
                self.counts["windows cut"] += start > 0
                yield row
            start = end

    def _row(self, name: str, rounds: tuple[Round, ...]) -> AlpacaRow:
        *earlier, last = rounds
        history = [[one.client, one.counselor] for one in earlier]
        if self.placement == "system":
            return {
                "id": name,
                "system": self.prompt,
                "input": last.client,
                "output": last.counselor,
                "history": history,
            }
        return {
            "id": name,
            "instruction": self.prompt,
            "input": last.client,
            "output": last.counselor,
            "history": history,
        }


def columns(placement: Placement) -> Columns:
    """Which key of the rows holds what, for dataset_info.json."""
    return Columns(prompt=None, system="system") if placement == "system" else Columns()


def _too_long_message(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return (
        f"{', '.join(names[:3])}{more}: this last round alone is longer than --cutoff-len; "
        "raise --cutoff-len (and the recipe's cutoff_len), or leave the dialogue out"
    )
