"""The examples of the newest prompts: none can be taken for an answer, none tells of a profile."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

import prompts
from converters.calm_it.answers import Script, Selected
from converters.pairs.rewrite import Rewrite
from converters.screening.rubric import judgement_schema
from converters.transcription.schema import Transcription
from eval.dynamics.schema import BlockRating, Direction, Said
from eval.judge.schema import Rating, Target
from eval.transcripts.translation import Translation
from mi_llm.door.answer import outcome
from mi_llm.door.conversation import judged, outgoing
from mi_llm.judging.schema import VolleyCoding
from mi_llm.llm import Request
from mi_llm.quotation import bare
from mi_llm.safety import Verdict
from mi_llm.simulation.reports import Observed, Reading
from tests.prompts.test_prompts import ROOT, newest

# What each prompt with an example in JSON asks for.
SCHEMAS: dict[str, type[BaseModel]] = {
    "calm_script": Script,
    "calm_selector": Selected,
    "client_observe": Observed,
    "client_read": Reading,
    "dynamics_client": Said,
    "dynamics_effectiveness": BlockRating,
    "dynamics_goal_alignment": BlockRating,
    "dynamics_redirection": Direction,
    "judge_cultivate": Rating,
    "judge_empathy": Rating,
    "judge_partnership": Rating,
    "judge_soften": Rating,
    "judge_target": Target,
    "judge_volley": VolleyCoding,
    "rewrite": Rewrite,
    "safety": Verdict,
    "screen": judgement_schema(),
    "transcribe": Transcription,
    "translate": Translation,
}
TEXTS = {name.split(".")[0]: prompts.load(name).text for name in newest()}
BLOCKS = {task: re.findall(r"```json\n(.*?)```", text, re.DOTALL) for task, text in TEXTS.items()}
WORKED = ("transcribe",)  # a whole dialogue, on a subject that no profile has
SHOWN = sorted(set(SCHEMAS) - set(WORKED))
PLACEHOLDER = re.compile("<[^<>]+>")


def asked(task: str, material: str = "{}") -> Request:
    system = {"role": "system", "content": TEXTS[task]}
    user = {"role": "user", "content": material}
    return Request(task, (system, user), SCHEMAS[task])  # type: ignore[arg-type]  # plain dicts


def problem(task: str, answer: str, material: str = "{}") -> str:
    return judged(asked(task, material), outcome(answer, "stop"))[1] or ""


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        yield from chain.from_iterable(
            map(leaves, value.values() if isinstance(value, dict) else value)
        )
    else:
        yield value


def test_the_prompts_with_an_example_are_those_whose_answers_are_known():
    assert {task for task, blocks in BLOCKS.items() if blocks} == SCHEMAS.keys()
    assert all(len(BLOCKS[task]) == 1 for task in SCHEMAS)


@pytest.mark.parametrize("task", SHOWN)
def test_an_example_has_the_fields_of_an_answer_and_placeholders_for_all_that_is_chosen(task: str):
    (block,) = BLOCKS[task]
    assert len(PLACEHOLDER.findall(block)) > 1
    value = json.loads(PLACEHOLDER.sub("0", block))
    assert list(value) == list(SCHEMAS[task].model_fields)  # evidence before the score
    # What is left are the sides of a script, which take turns.
    assert set(leaves(value)) <= {0, "0", "client", "counselor"}


@pytest.mark.parametrize("task", SCHEMAS)
@pytest.mark.parametrize(
    "change",
    [
        str,
        lambda block: f"```json\n{block}```",
        lambda block: " ".join(block.split()),
        lambda block: block.replace("<", "＜ ").replace(">", "＞"),
        lambda block: re.sub(': <([^<>"]+)>', r': "<\1>"', block),
    ],
    ids=["as it stands", "fenced", "on a line", "full width", "quoted"],
)
def test_an_example_that_comes_back_is_said_to_be_one(task: str, change: Any):
    (block,) = BLOCKS[task]
    assert problem(task, change(block)).startswith("example copied: ")


def test_one_turn_of_a_worked_dialogue_is_enough_to_be_a_copy_unless_the_source_says_it():
    (block,) = BLOCKS["transcribe"]
    value = json.loads(block)
    turns = value["dialogue"]
    kept = turns[3]["content"]
    value["target_behavior"]["label"] = "十一点前上床"
    for number, turn in enumerate(turns):
        turn["content"] = kept if number == 3 else f"第{number}句，说的是睡觉。"
    answer = json.dumps(value, ensure_ascii=False)
    assert problem("transcribe", answer).startswith("example copied: dialogue.3.content")
    source = json.dumps({"dialogue": [{"role": "counselor", "content": kept}]}, ensure_ascii=False)
    assert problem("transcribe", answer, source) == ""


@pytest.mark.parametrize("task", SCHEMAS)
def test_no_docstring_is_sent_with_a_schema(task: str):
    *_, last = outgoing(asked(task), mask=False)[0]
    assert '"properties"' in last["content"]
    assert '"description"' not in last["content"]


def test_no_text_of_a_shipped_profile_stands_in_a_prompt():
    """No run of 7 letters and digits; names that are ASCII are values of lists, no text."""
    paths = sorted((ROOT / "profiles").glob("*.yaml"))
    assert len(paths) == 2
    told = {text for path in paths for text in _texts(path) if not text.isascii()}
    assert len(told) > 200
    runs = {text[at : at + 7] for text in map(bare, told) for at in range(len(text) - 6)}
    for name in newest():
        text = bare(prompts.load(name).text)
        assert not {text[at : at + 7] for at in range(len(text) - 6)} & runs, name


def _texts(path: Path) -> Iterator[str]:
    for one in leaves(yaml.safe_load(path.read_text(encoding="utf-8"))):
        if isinstance(one, str):
            yield one


def test_a_new_version_is_no_longer_than_the_one_before():
    pairs = [(name, name.replace(".v2", ".v1")) for name in newest() if name.endswith(".v2")]
    assert len(pairs) == 18
    for name, older in pairs:
        assert len(prompts.load(name).text) <= len(prompts.load(older).text), name
