"""One thing looked at before work begins, and how it stands: what preflight and doctor print."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Line:
    """One thing looked at.

    Attributes:
        state: `ok`; `note`, worth knowing but no hindrance; `problem`, to be mended first.
        subject: What was looked at, in one word.
        text: What was found; with a problem also the remedy.
    """

    state: Literal["ok", "note", "problem"]
    subject: str
    text: str

    def __str__(self) -> str:
        """The line as it is printed; always one, whatever the text holds."""
        return f"{self.state:<8} {self.subject:<12} {' '.join(self.text.split())}"
