"""Every corpus at hand through convert, alpaca, check and LLaMA-Factory's own converter."""

import json
from pathlib import Path

import pytest

from converters.corpora.formats import CORPORA
from tests.pipeline.llamafactory import module

pytestmark = [pytest.mark.train, pytest.mark.real_data]

SOURCES = {
    "mi_conversations": "mi_llm_authors/eval_40_dialogues.json",
    "cpsycound": "cpsycound/Data",
    "cpsycoune": "cpsycound/CPsyCounE",
    "psydtcorpus": "psydtcorpus/FORMAT_FIXTURE_train_mulit_turn_packing.json",
    "smilechat": "smilechat/data",
    "psy_insight": "psyinsight/SYNTHETIC_cn_schema_fixture.json",
    "efaqa": "efaqa/SYNTHETIC_efaqa-corpus-zh.utf8.gz",
    "annomi": "annomi/AnnoMI-full.csv",
    "simulated_xlsx": "mi_llm_authors/simulated_dialogues.xlsx",
    "messages": "psydtcorpus/FORMAT_FIXTURE_train_mulit_turn_packing.json",
}


def test_every_registered_corpus_is_tried_here():
    assert set(SOURCES) == set(CORPORA)
    assert len(CORPORA) == 10


@pytest.mark.parametrize("corpus", SOURCES)
def test_llamafactory_takes_every_row_of_every_corpus(real_data: Path, tmp_path: Path, corpus):
    converter = pytest.importorskip("llamafactory.data.converter")
    from llamafactory.data.parser import DatasetAttr
    from llamafactory.hparams import DataArguments

    dialogues, path = tmp_path / "dialogues.jsonl", tmp_path / "rows.json"
    module(
        "converters", "convert", corpus, real_data / SOURCES[corpus], "-o", dialogues,
        "--clients", "any",
    )  # fmt: skip
    module("converters", "alpaca", dialogues, "-o", path)
    assert "no problem" in module("converters", "check", path)
    rows = json.loads(path.read_text(encoding="utf-8"))
    attributes = DatasetAttr("file", "rows")
    attributes.history = "history"
    convert = converter.AlpacaDatasetConverter(attributes, DataArguments())
    made = [convert(row) for row in rows]
    by_dialogue = {
        one["id"]: [turn["content"] for turn in one["turns"]]
        for one in map(json.loads, dialogues.read_text(encoding="utf-8").splitlines())
    }
    rounds = 0
    for row, example in zip(rows, made, strict=True):
        assert len(example["_prompt"]) % 2 == 1  # else LLaMA-Factory drops the row
        assert len(example["_response"]) == 1
        # Each text of a row stands in its own dialogue, in that order, one after another.
        said = [text for pair in row["history"] for text in pair] + [row["input"], row["output"]]
        turns = by_dialogue[row["id"].rpartition("#")[0]]
        start = turns.index(said[0])
        assert turns[start : start + len(said)] == said
        assert start <= 1
        rounds += 1
    assert rounds == len(rows) > 0
