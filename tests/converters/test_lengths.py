"""Corpus statistics against numpy, hand counts and published figures."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.corpora import cpsycound
from converters.corpora.intake import Intake
from converters.lengths import UNITS, Moments, lengths
from converters.tables import length_tables
from mi_llm.dialogue import Dialogue, Turn

DIALOGUES = [
    Dialogue("d/1", (Turn("counselor", "你好。"), Turn("client", "我2天没睡，OK?"))),
    Dialogue("d/2", (Turn("client", "累"), Turn("counselor", "你累了。"), Turn("client", "嗯……"))),
]


@pytest.mark.parametrize(
    ("unit", "size"),
    [
        # 我 2 天 没 睡 O K
        ("characters without punctuation", 7),
        ("Han characters", 4),
        ("all characters", 9),
        # jieba: 我 / 2 / 天 / 没 / 睡 / OK, the comma and the question mark left out
        ("jieba words", 6),
    ],
)
def test_each_unit_counts_what_its_name_says(unit, size):
    assert UNITS[unit]("我2天没睡，OK?") == size


@given(st.lists(st.integers(0, 10_000), min_size=2, max_size=50))
def test_running_moments_are_numpys(values):
    moments = Moments()
    for value in values:
        moments.add(value)
    assert moments.mean == pytest.approx(np.mean(values))
    assert moments.sd == pytest.approx(np.std(values, ddof=1), abs=1e-6)


def test_nothing_has_no_mean_and_one_number_no_deviation():
    moments = Moments()
    assert (moments.mean, moments.sd) == (None, None)
    moments.add(3)
    assert (moments.mean, moments.sd) == (3, None)


def test_opening_and_closing_turns_are_counted_and_left_aside():
    found = lengths(DIALOGUES)
    # d/1 has no round: its counselor opens and its client closes. d/2 has one round.
    assert (found.rounds.count, found.rounds.total) == (2, 1)
    assert (found.leading, found.trailing) == (1, 2)
    assert found.without_round == ["d/1"]
    # Volleys are those of the one round: 累 and 你累了。
    han = found.volleys["Han characters"]
    assert (han["client"].count, han["client"].mean) == (1, 1)
    assert (han["counselor"].count, han["counselor"].mean) == (1, 3)
    assert found.dialogues["Han characters"]["counselor"].count == 1


def test_pooled_means_weigh_volleys_and_means_of_dialogues_weigh_dialogues():
    short = Dialogue("d/3", (Turn("client", "一"), Turn("counselor", "二")))
    long = Dialogue("d/4", tuple(Turn(role, "三四五") for role in ("client", "counselor") * 3))
    found = lengths([short, long])
    # One volley of 1 and three of 3: pooled 10 / 4, by dialogue (1 + 3) / 2.
    assert found.volleys["all characters"]["client"].mean == 2.5
    assert found.dialogues["all characters"]["client"].mean == 2


def test_the_table_says_that_the_papers_columns_are_exchanged():
    text = "\n".join(length_tables({"a.jsonl": lengths(DIALOGUES)}))
    assert "no round in: d/1" in text
    assert "two columns of lengths are exchanged" in text
    assert "29.95 (18.22)" in text


@pytest.mark.real_data
def test_the_excerpt_of_cpsycound_has_the_lengths_counted_independently(real_data: Path):
    folder = real_data / "cpsycound"
    expected = json.loads((folder / "EXPECTED.json").read_text(encoding="utf-8"))
    found = lengths(cpsycound.read(folder / "Data", Intake(clients="any")))
    assert found.rounds.total == expected["round_samples_total"]
    assert found.rounds.mean == pytest.approx(expected["rounds_mean"], abs=5e-5)
    assert found.rounds.sd == pytest.approx(expected["rounds_sd_sample"], abs=5e-5)
    for unit, key in (("characters without punctuation", "wordchars"), ("Han characters", "han")):
        pooled = found.volleys[unit]
        assert pooled["counselor"].mean == pytest.approx(
            expected[f"counsellor_{key}_mean"], abs=5e-4
        )
        assert pooled["client"].mean == pytest.approx(expected[f"client_{key}_mean"], abs=5e-4)


def test_the_word_pattern_is_the_one_that_the_published_lengths_fit():
    # Table 3 fits \w, which leaves punctuation and white space out (docs/data.md).
    text = "“慢慢来”，1-2天…… ok_"
    assert UNITS["characters without punctuation"](text) == len(re.sub(r"\W", "", text)) == 9
