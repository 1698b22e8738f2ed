"""How far a job is, on standard error: a bar in a terminal, now and then a line in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sized
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType

    from mi_llm.door.conversation import Tally

BETWEEN_LINES = 30.0  # seconds


class Progress:
    """Progress of a job; a context manager.

    Args:
        requests: What is asked; how many there are is shown if it can be known beforehand.
        currency: What the cost is in; "" shows none.
        shown: Whether anything is written at all.
    """

    def __init__(self, requests: Iterable[Any], currency: str, *, shown: bool) -> None:
        self._total = len(requests) if isinstance(requests, Sized) else None
        self._currency, self._shown = currency, shown
        self._bar: Any = None
        self._last = time.monotonic()

    def __enter__(self) -> Progress:
        if self._shown and sys.stderr.isatty():
            from tqdm import tqdm  # type: ignore[import-untyped]  # ships no types

            self._bar = tqdm(total=self._total, unit="", file=sys.stderr, smoothing=0.05)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self, tally: Tally) -> None:
        """Show what became of requests so far."""
        if self._bar is not None:
            self._bar.set_postfix_str(self._state(tally), refresh=False)
            self._bar.update(tally.done - self._bar.n)
        elif self._shown and (now := time.monotonic()) - self._last >= BETWEEN_LINES:
            self._last = now
            total = "" if self._total is None else f" of {self._total:,}"
            sys.stderr.write(f"{tally.done:,}{total} done; {self._state(tally)}\n")
            sys.stderr.flush()

    def _state(self, tally: Tally) -> str:
        cost = f", {tally.cost:.2f} {self._currency}" if self._currency else ""
        return f"{tally.set_aside:,} set aside{cost}"
