from __future__ import annotations

import pytest

from benchmarks import llm


@pytest.mark.slow
def test_64_in_flight_are_45_times_as_fast_as_one_after_the_other_within_120_mb(tmp_path):
    # 60 is about what 64 in flight can reach: the last ones end alone.
    with llm.serving() as base_url:
        good, seconds, _, peak = llm.measured([base_url, str(tmp_path / "ledger"), "1000", "64"])
        sequential = llm.statistics(base_url)["latency"]
    assert good == 1000
    assert sequential / seconds >= 45
    assert peak < 120
