"""Pairs as rows: LLaMA-Factory's Alpaca format for preferences.

One row::

    {"id": "glm4/7#3", "instruction": "...", "input": "client's turn", "chosen": "...",
     "rejected": "...", "history": [["client", "counselor"], ...]}
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NotRequired, TypedDict, get_args

from converters import splitting
from converters.pairs.job import Outcome
from converters.relatives import Relatives
from converters.rows import Fits, Placement
from mi_llm.alpaca import AlpacaRow
from mi_llm.columns import Columns
from mi_llm.dialogue import Dialogue, Role, Turn
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

    Related dialogues stay together, so that the test set may be somewhat larger or smaller.

    Args:
        made: All rows.
        share: Of the dialogues that go to the test set; at least one does, and one does not.
        seed: The same seed parts the same dialogues in the same way.

    Raises:
        InputError: If there is only one dialogue, or all are related.
    """
    said = _as_dialogues(made)
    relatives = Relatives(said.__getitem__)
    for dialogue in said.values():
        relatives.add(dialogue)
    groups = list(splitting.groups(sorted(said), relatives.families()[0]))
    if len(groups) < 2:
        raise InputError(
            "--test parts unrelated dialogues, and these are one or related; leave it out"
        )
    test = min(max(round(share * len(said)), 1), len(said) - 1)
    held_out = set(splitting.nearest(groups, test=test, seed=seed).test)
    return (
        [row for row in made if _dialogue(row) not in held_out],
        [row for row in made if _dialogue(row) in held_out],
    )


def _as_dialogues(made: Sequence[PairRow]) -> dict[str, Dialogue]:
    """Each dialogue as far as its rows tell it: that with the longest history, and its reply."""
    longest: dict[str, PairRow] = {}
    for row in sorted(made, key=lambda row: len(row["history"])):
        longest[_dialogue(row)] = row
    found = {}
    for name, row in longest.items():
        rounds = [*row["history"], [row["input"], row["rejected"]]]
        turns = [
            Turn(role, text)
            for pair in rounds
            for role, text in zip(get_args(Role), pair, strict=True)
        ]
        found[name] = Dialogue(name, tuple(turns))
    return found


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
