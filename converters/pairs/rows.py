"""Pairs as rows: LLaMA-Factory's Alpaca format for preferences.

One row::

    {"id": "glm4/7#3", "instruction": "...", "input": "client's turn", "chosen": "...",
     "rejected": "...", "history": [["client", "counselor"], ...]}
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NotRequired, TypedDict

from converters import splitting
from converters.pairs.job import Outcome
from converters.rows import Fits, Placement
from mi_llm.alpaca import AlpacaRow
from mi_llm.columns import Columns
from mi_llm.dialogue import Dialogue
from mi_llm.errors import InputError


class PairRow(TypedDict):
    """A preference pair.

    Attributes:
        id: `<dialogue id>#<volley>`.
        instruction: As in `mi_llm.alpaca.AlpacaRow`, like all that is not said here.
        chosen: The reply to learn.
        rejected: The reply to unlearn.
    """

    id: str
    instruction: NotRequired[str]
    system: NotRequired[str]
    input: str
    chosen: str
    rejected: str
    history: list[list[str]]


def columns(placement: Placement) -> Columns:
    """Which key of the rows holds what, for dataset_info.json."""
    system = placement == "system"
    return Columns(
        prompt=None if system else "instruction",
        response=None,
        system="system" if system else None,
        chosen="chosen",
        rejected="rejected",
    )


def fitted_row(
    pair: Outcome, prompt: str, placement: Placement, fits: Fits, counts: Counter[str]
) -> PairRow | None:
    """The row of a pair with as much history as fits with either reply; None if not even none does.

    Args:
        pair: An outcome that is a pair.
        prompt: The fixed instruction.
        placement: The key that it stands under.
        fits: The limit on a row's length.
        counts: Gets what was shortened.
    """
    row = _row(pair, prompt, placement)
    dropped = 0
    while not _both_fit(row, fits):
        if not row["history"]:
            return None
        row["history"] = row["history"][1:]
        dropped += 1
    counts["history rounds dropped"] += dropped
    counts["shortened rows"] += bool(dropped)
    return row


def parted(
    made: Sequence[PairRow], *, share: float, seed: int
) -> tuple[list[PairRow], list[PairRow]]:
    """Rows to train on and rows to test on, parted by dialogue as `converters split` does.

    Args:
        made: All rows.
        share: Of the dialogues that go to the test set; at least one does, and one does not.
        seed: The same seed parts the same dialogues in the same way.

    Raises:
        InputError: If there is only one dialogue.
    """
    names = sorted({_dialogue(row) for row in made})
    if len(names) < 2:
        raise InputError("--test parts dialogues, and all pairs are of one; leave it out")
    test = min(max(round(share * len(names)), 1), len(names) - 1)
    drawn = splitting.split([(name,) for name in names], test=test, train=None, seed=seed)
    held_out = set(drawn.test)
    return (
        [row for row in made if _dialogue(row) not in held_out],
        [row for row in made if _dialogue(row) in held_out],
    )


def _row(pair: Outcome, prompt: str, placement: Placement) -> PairRow:
    context, found = pair.found.context, pair.found
    rounds = Dialogue(found.dialogue, context).rounds
    row: PairRow = {
        "id": found.id,
        "input": context[-1].content,
        "chosen": pair.chosen or "",
        "rejected": found.reply,
        "history": [[one.client, one.counselor] for one in rounds],
    }
    if placement == "system":
        return {**row, "system": prompt}
    return {**row, "instruction": prompt}


def _both_fit(row: PairRow, fits: Fits) -> bool:
    return all(fits(_with(row, reply)) for reply in (row["chosen"], row["rejected"]))


def _with(row: PairRow, reply: str) -> AlpacaRow:
    """The row as if it had one reply."""
    made: AlpacaRow = {"input": row["input"], "output": reply, "history": row["history"]}
    if "system" in row:
        return {**made, "system": row["system"]}
    return {**made, "instruction": row["instruction"]}


def _dialogue(row: PairRow) -> str:
    return row["id"].rpartition("#")[0]
