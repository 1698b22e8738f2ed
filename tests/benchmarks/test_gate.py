"""The gate's benchmark on texts made up for it, and its floors where the real ones are."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from benchmarks import gate

TEXTS = [
    {"data_source": "made_up", "idx": 1, "text": "我想自杀", "labels": ["主动自杀意图"]},
    {"data_source": "made_up", "idx": 2, "text": "我朋友说她想死", "labels": ["被动自杀意图"]},
    {"data_source": "made_up", "idx": 3, "text": "我妹说她想死", "labels": ["被动自杀意图"]},
    {"data_source": "made_up", "idx": 4, "text": "他打我", "labels": [gate.UNRELATED]},
    {"data_source": "made_up", "idx": 5, "text": "活着好累", "labels": [gate.UNRELATED]},
    {"data_source": "made_up", "idx": 6, "text": "今天很晴", "labels": [gate.UNRELATED]},
    {"data_source": "made_up", "idx": 7, "text": "我吞了一瓶安眠药", "labels": ["自杀未遂"]},
]
READ: dict[str, Any] = yaml.safe_load(gate.READINGS.read_text("utf-8"))


def test_a_step_for_somebody_else_answers_only_what_was_read_to_be_about_others():
    found = {one.name: one for one in gate.answers(TEXTS, about_others=["made_up/2"])}
    assert (found["made_up/2"].column, found["made_up/2"].answered) == ("other_person", True)
    assert (found["made_up/3"].column, found["made_up/3"].answered) == ("other_person", False)


def test_the_table_counts_steps_by_label_and_an_overdose_as_self_harm():
    rows = list(gate.table(gate.answers(TEXTS, about_others=["made_up/2"])))[2:]
    # Wilson for 1 of 2 at z = 1.96: (0.5 + 0.9604 -+ 1.96 * sqrt(0.125 + 0.2401)) / 2.9208
    assert rows == [
        "| 主动自杀意图 | 1 | 0 | 1 | 0 | 0 | 0 | 1 of 1, 100.0% (20.7% to 100.0%) |",
        "| 被动自杀意图 | 2 | 0 | 0 | 2 | 0 | 0 | 1 of 2, 50.0% (9.5% to 90.5%) |",
        f"| {gate.UNRELATED} | 3 | 1 | 0 | 0 | 1 | 1 | 1 of 3, 33.3% (6.1% to 79.2%) |",
        "| 自杀未遂 | 1 | 0 | 1 | 0 | 0 | 0 | 1 of 1, 100.0% (20.7% to 100.0%) |",
    ]


def test_what_a_reader_would_ask_about_is_left_out_of_the_second_share():
    told = list(gate.alarm_lines(gate.answers(TEXTS, []), to_ask=["made_up/5"]))
    assert told[0].startswith("unrelated, any step: 2 of 3, 66.7%")
    assert told[1].startswith("without 1 to ask about: 1 of 2, 50.0%")
    assert told[2] == "false alarms: made_up/4"


def test_the_halves_part_the_texts():
    parts = {one.name: one.part for one in gate.answers(TEXTS, [])}
    assert parts["made_up/2"] == "even idx"
    assert parts["made_up/7"] == "odd idx"


def test_readings_hold_places_and_reasons_and_no_text_of_a_corpus():
    assert len(READ["to_ask"]) <= 40
    assert all(place.split("/")[1].isdigit() for place in (*READ["to_ask"], *READ["about_others"]))
    assert all(why.isascii() for why in READ["to_ask"].values())
    assert all(
        set(one) == {"right", "why"} and one["why"].isascii() for one in READ["turns"].values()
    )


@pytest.mark.real_data
def test_the_validation_part_is_answered_as_told(real_data):
    texts = json.loads((real_data / "psysuicide" / "valid.json").read_text("utf-8"))
    found = gate.answers(texts, READ["about_others"])
    assert len(found) == 1480
    floors = {"主动自杀意图": 0.98, "被动自杀意图": 0.95, "关于自杀的探索": 0.9}
    for label, floor in floors.items():
        own = [one.answered for one in found if label in one.labels]
        assert sum(own) / len(own) >= floor, label
    unrelated = [one for one in found if gate.UNRELATED in one.labels]
    rest = [one for one in unrelated if one.name not in READ["to_ask"]]
    assert sum(one.column != "none" for one in rest) / len(rest) <= 0.04


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["smilechat", "cpsycound"])
def test_every_client_turn_that_is_answered_was_read_and_few_are_wrong(real_data, name):
    lines = list(gate.corpus_lines(name, real_data, READ["turns"]))
    assert len(lines) > 1
    assert not any("not read yet" in line for line in lines)
    wrong = sum(": wrong: " in line for line in lines)
    count = int(lines[0].split()[1])
    assert count > 300
    assert wrong / count <= 0.02
