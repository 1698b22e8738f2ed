from __future__ import annotations

import pytest

from benchmarks import llm

TRIES = 3  # other work on the machine can only slow it down, so the best of three counts


@pytest.mark.slow
@pytest.mark.alone
def test_64_in_flight_are_45_times_as_fast_as_one_after_the_other_within_120_mb(tmp_path):
    # 60 is about what 64 in flight can reach: the last ones end alone.
    ratios: list[float] = []
    while len(ratios) < TRIES and max(ratios, default=0) < 45:
        with llm.serving() as base_url:
            ledger = tmp_path / f"ledger-{len(ratios)}"
            good, seconds, _, peak = llm.measured([base_url, str(ledger), "1000", "64"])
            ratios.append(llm.statistics(base_url)["latency"] / seconds)
        assert good == 1000
        assert peak < 120
    assert max(ratios) >= 45, ratios
