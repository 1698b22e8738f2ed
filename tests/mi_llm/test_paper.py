"""What the paper's printed Table 6 itself says about n and about how ratios are averaged."""

from __future__ import annotations

import pytest

from mi_llm.miti_measures import MEASURES
from mi_llm.paper import PAPER_SYSTEMS, PAPER_TABLE4, PAPER_TABLE6, paper_system

# The ratings and counts; two raters' half points add up to multiples of 0.5 over the sessions.
NAMES = list(PAPER_TABLE6)[:15]


def printed_as(value: float, printed: float) -> bool:
    return abs(value - printed) < 0.005 + 1e-9


def misfits(system: str, sessions: int) -> list[str]:
    """Which means of ratings and counts no sum of half points over so many sessions gives."""
    return [
        name
        for name in NAMES
        if not any(
            printed_as(half / 2 / sessions, PAPER_TABLE6[name][system][0])
            for half in range(2 * 30 * sessions)
        )
    ]


def test_the_table_is_whole():
    assert len(PAPER_TABLE6) == 20
    assert {*PAPER_TABLE6} <= {*MEASURES}
    assert (NAMES[0], NAMES[-1]) == ("cultivate", "confront")
    assert all(set(row) == set(PAPER_SYSTEMS) == set(PAPER_TABLE4) for row in PAPER_TABLE6.values())
    assert PAPER_TABLE6["reflections"]["real"] == (20.3, 28.15)
    assert PAPER_TABLE6["paper_mi_adherent_ratio"]["baichuan2"] == (0.75, 0.08)


def test_baichuan2s_column_fits_nine_dialogues_and_not_ten():
    assert misfits("baichuan2", 9) == []
    # All but 4.00, 13.50, 6.00 and 19.5, which are multiples of 0.05 as well.
    assert set(NAMES) - set(misfits("baichuan2", 10)) == {
        "cultivate", "simple_reflection", "complex_reflection", "reflections",
    }  # fmt: skip
    assert misfits("glm4", 10) == misfits("llama3_chinese", 10) == misfits("real", 30) == []


def pooled(system: str) -> float:
    """MI-adherent ratio of the mean counts: the sessions' number cancels out."""
    mean = {name: values[system][0] for name, values in PAPER_TABLE6.items()}
    adherent = mean["affirm"] + mean["seek_collaboration"] + mean["emphasize_autonomy"]
    return adherent / (adherent + mean["persuade"] + mean["confront"])


def test_real_mi_goes_from_third_to_first_on_the_mi_adherent_ratio_when_sums_are_divided():
    printed = {name: PAPER_TABLE6["paper_mi_adherent_ratio"][name][0] for name in PAPER_SYSTEMS}
    assert sorted(printed, key=printed.__getitem__, reverse=True) == [
        "glm4", "baichuan2", "real", "llama3_chinese",
    ]  # fmt: skip
    by_sums = {name: pooled(name) for name in PAPER_SYSTEMS}
    assert sorted(by_sums, key=by_sums.__getitem__, reverse=True) == [
        "real", "glm4", "baichuan2", "llama3_chinese",
    ]  # fmt: skip
    assert by_sums == pytest.approx(
        {"baichuan2": 0.649, "glm4": 0.742, "llama3_chinese": 0.605, "real": 0.765}, abs=0.0005
    )


def test_real_mis_lead_on_complex_reflections_is_gone_when_sums_are_divided():
    printed = PAPER_TABLE6["complex_reflection_share"]
    assert printed["real"][0] - printed["baichuan2"][0] == pytest.approx(0.06)
    by_sums = {
        name: PAPER_TABLE6["complex_reflection"][name][0]
        / (PAPER_TABLE6["complex_reflection"][name][0] + PAPER_TABLE6["simple_reflection"][name][0])
        for name in ("real", "baichuan2")
    }
    assert by_sums == pytest.approx({"real": 0.302, "baichuan2": 0.308}, abs=0.0005)


@pytest.mark.parametrize(
    ("source", "system"),
    [
        ("glm4_lora", "glm4"),
        ("glm4", "glm4"),
        ("llama3_chinese_tuned", "llama3_chinese"),
        ("real_high", "real"),
        ("real_low", None),
        ("glm4_base", None),
        ("glm45_lora", None),
        ("qwen3_lora", None),
    ],
)
def test_sources_are_compared_with_what_the_paper_had_coded(source: str, system: str | None):
    assert paper_system(source) == system
