"""How fast requests may go: so many at once, so many a minute, and pauses that all share.

When a service says "too many", every worker has to stop, not only the one that was told.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

LONGEST_PAUSE = 60.0  # seconds, of our own doubling
LONGEST_ASKED_PAUSE = 300.0  # seconds, of a server's Retry-After
_LOOK = 0.2  # seconds between looks whether the pause was ended


class Pace:
    """The turns in which requests are sent.

    Args:
        concurrency: Requests in flight at once, at most.
        rpm: Requests begun per minute, at most, evenly spread; None is no limit.
    """

    def __init__(self, concurrency: int, rpm: float | None) -> None:
        self._places = asyncio.Semaphore(concurrency)
        self._spacing = 60 / rpm if rpm else 0.0
        self._next = 0.0  # when the next request may begin, on the monotonic clock
        self._paused_until = 0.0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a place among those in flight, the end of a pause, and the minute's share."""
        async with self._places:
            while (wait := self._claimed_wait()) > 0:
                await asyncio.sleep(min(wait, _LOOK))
            yield

    def pause(self, seconds: float) -> None:
        """Let nobody begin before so many seconds have passed; a longer pause stands."""
        self._paused_until = max(self._paused_until, time.monotonic() + seconds)

    def end_pause(self) -> None:
        """Let all go on at once."""
        self._paused_until = 0.0

    def _claimed_wait(self) -> float:
        """Seconds to wait before looking again; 0 when the caller may begin now."""
        now = time.monotonic()
        wait = max(self._paused_until, self._next) - now
        if wait <= 0:
            self._next = now + self._spacing
        return wait


def pause_after(attempt: int, first: float, asked: float | None) -> float:
    """Seconds to pause after a fault.

    Args:
        attempt: Which attempt of the request failed, from 1.
        first: Pause after the first one; it doubles with each, up to `LONGEST_PAUSE`.
        asked: What the server asked for (Retry-After), honoured up to `LONGEST_ASKED_PAUSE`.

    Returns:
        Up to a quarter more than asked, or between half and all of our own, by chance: so that
        several programs that failed together do not come back together.
    """
    if asked is not None:
        return min(asked, LONGEST_ASKED_PAUSE) * random.uniform(1, 1.25)
    return min(first * 2.0 ** (attempt - 1), LONGEST_PAUSE) * random.uniform(0.5, 1)
