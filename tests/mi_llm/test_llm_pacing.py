from __future__ import annotations

import asyncio
import time
from itertools import pairwise

import pytest

from mi_llm.door.pacing import LONGEST_ASKED_PAUSE, LONGEST_PAUSE, Pace, pause_after


async def begun(pace: Pace, count: int, *, hold: float = 0.0) -> list[float]:
    """When each of so many got its turn, in seconds from now."""
    start, times = time.monotonic(), []

    async def one() -> None:
        async with pace.turn():
            times.append(time.monotonic() - start)
            await asyncio.sleep(hold)

    await asyncio.gather(*(one() for _ in range(count)))
    return times


def test_turns_are_spread_evenly_over_the_minute():
    times = asyncio.run(begun(Pace(concurrency=10, rpm=1200), 6))
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert min(gaps) >= 0.05 - 0.001  # 60 s / 1,200
    assert times[-1] < 5 * 0.05 + 0.3


def test_only_so_many_have_a_turn_at_once():
    times = asyncio.run(begun(Pace(concurrency=2, rpm=None), 6, hold=0.05))
    assert [round(at / 0.05) for at in times] == [0, 0, 1, 1, 2, 2]


def test_a_pause_holds_everybody_and_can_be_ended():
    async def scenario() -> tuple[list[float], list[float]]:
        pace = Pace(concurrency=8, rpm=None)
        pace.pause(0.15)
        pace.pause(0.05)  # the longer one stands
        held = await begun(pace, 4)
        pace.pause(60)
        pace.end_pause()
        return held, await begun(pace, 1)

    held, freed = asyncio.run(scenario())
    assert min(held) >= 0.15
    assert freed[0] < 0.05


@pytest.mark.parametrize(("attempt", "longest"), [(1, 0.5), (2, 1), (5, 8), (20, LONGEST_PAUSE)])
def test_our_own_pauses_double_up_to_a_limit_and_vary(attempt, longest):
    pauses = [pause_after(attempt, 0.5, None) for _ in range(200)]
    assert longest / 2 <= min(pauses)
    assert max(pauses) <= longest
    assert len(set(pauses)) > 100


@pytest.mark.parametrize(("asked", "shortest"), [(7.0, 7.0), (9999.0, LONGEST_ASKED_PAUSE)])
def test_what_the_server_asks_for_is_the_least_up_to_a_limit(asked, shortest):
    pauses = [pause_after(1, 0.5, asked) for _ in range(200)]
    assert shortest <= min(pauses)
    assert max(pauses) <= shortest * 1.25
