"""Which key of a row holds what, as dataset_info.json tells LLaMA-Factory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Columns:
    """Which key of a row holds what; None where the dataset maps no key.

    The names are those of `columns` in dataset_info.json.
    """

    prompt: str | None = "instruction"
    query: str | None = "input"
    response: str | None = "output"
    history: str | None = "history"
    system: str | None = None
    chosen: str | None = None
    rejected: str | None = None

    @property
    def ranking(self) -> bool:
        """Whether a row holds a pair of replies, of which one is preferred, instead of a reply."""
        return self.chosen is not None and self.rejected is not None

    @property
    def replies(self) -> tuple[str, ...]:
        """The mapped keys that hold replies."""
        pair = (self.chosen, self.rejected) if self.ranking else (self.response,)
        return tuple(key for key in pair if key)

    @property
    def texts(self) -> tuple[str, ...]:
        """The mapped keys that hold plain text."""
        asked = tuple(key for key in (self.prompt, self.query) if key)
        return (*asked, *self.replies, *([self.system] if self.system else []))


def usual_columns(rows: Sequence[Any]) -> Columns:
    """The columns of a file that no dataset_info.json describes.

    A history and a system prompt are taken for mapped if a row has them. The prompt stands under
    `system` when more rows have that key than have `instruction`, and rows are pairs when more have
    `chosen` or `rejected` than have `output`.
    """
    keys = Counter(key for row in rows if isinstance(row, dict) for key in row)
    prompt = None if keys["system"] > keys["instruction"] else "instruction"
    columns = Columns(
        prompt,
        history="history" if keys["history"] else None,
        system="system" if keys["system"] else None,
    )
    if max(keys["chosen"], keys["rejected"]) > keys["output"]:
        return replace(columns, response=None, chosen="chosen", rejected="rejected")
    return columns
