"""How often the gate fires on ordinary talk: on the sample, and on real corpora where they are.

A dialogue in which somebody is in danger is not ordinary; `gate_decisions.yaml` says which of those
that fire were found to be so, by reading them.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.gate import REAL, dialogues, turns
from mi_llm.dialogue import Dialogue
from mi_llm.safety import Gate, Intervention

DECISIONS: dict[str, Any] = yaml.safe_load(
    Path(__file__).with_name("gate_decisions.yaml").read_text("utf-8")
)
ALLOWED = 0.05
SAMPLE = Path(__file__).parents[2] / "data/sample"


def interventions(dialogue: Dialogue, locale: str) -> list[Intervention]:
    """What the gate says to each client turn, as if it had never been asked before."""
    gate = Gate(locale)
    return [found for said in turns(dialogue) if (found := gate.intervene(said, []))]


@cache
def read_and_fired(folder: Path, language: str) -> tuple[int, frozenset[str]]:
    """How many dialogues there are in a language, and those that set the gate off."""
    read = [
        one
        for spoken, source, path in REAL.values()
        if spoken == language
        for one in dialogues(source, folder / path)
    ]
    return len(read), frozenset(one.id for one in read if interventions(one, language))


def test_the_gate_is_silent_on_the_sample():
    sample = [
        one
        for name in ("train", "test")
        for one in dialogues("mi_conversations", SAMPLE / f"{name}.json")
    ]
    assert len(sample) == 40
    assert sum(1 for one in sample for _ in turns(one)) == 366
    fired = {one.id: found for one in sample if (found := interventions(one, "zh"))}
    assert fired == {}


@pytest.mark.real_data
@pytest.mark.parametrize("language", ["zh", "en"])
def test_ordinary_dialogues_of_real_corpora_rarely_set_it_off(real_data, language):
    read, fired = read_and_fired(real_data, language)
    assert read == {"zh": 237, "en": 133}[language]
    unread = fired - set(DECISIONS)
    assert not unread, "read these whole and decide in gate_decisions.yaml"
    signs = {name for name in fired if DECISIONS[name]["sign"]}
    false = len(fired - signs) / (read - len(signs))
    assert false < ALLOWED


@pytest.mark.real_data
def test_every_dialogue_found_to_hold_a_sign_still_fires(real_data):
    fired = read_and_fired(real_data, "zh")[1] | read_and_fired(real_data, "en")[1]
    signs = {name for name, one in DECISIONS.items() if one["sign"]}
    assert len(signs) >= 20
    assert signs <= fired


def test_every_decision_gives_its_reason():
    assert all(set(one) == {"sign", "why"} for one in DECISIONS.values())
    assert all(isinstance(one["sign"], bool) and len(one["why"]) > 10 for one in DECISIONS.values())
