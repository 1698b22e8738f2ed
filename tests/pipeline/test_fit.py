"""The token count of --fit against what LLaMA-Factory's own processors do to the rows."""

import json

import pytest

from converters.corpora.intake import Intake
from converters.corpora.mi_conversations import read
from converters.fit import limit, rendering
from converters.rows import RowWriter
from mi_llm.errors import InputError
from tests.pipeline.llamafactory import ROOT, TEMPLATES

pytestmark = pytest.mark.train

CUTOFF = 200
SAMPLE = ROOT / "data" / "sample" / "test.json"


@pytest.fixture(scope="module")
def renderings(stand_ins):
    return [rendering(f"{stand_ins[family]}:{name}") for family, name in TEMPLATES.items()]


def written(renderings, cutoff, **options):
    writer = RowWriter("你是一位心理咨询师。", fits=limit(renderings, cutoff), **options)
    return list(writer.rows(read(SAMPLE, Intake()))), writer


def processed(one, rows, cutoff, *, mask_history, generate):
    """(input ids, labels) of each row, as LLaMA-Factory prepares them."""
    from llamafactory.data.converter import AlpacaDatasetConverter
    from llamafactory.data.parser import DatasetAttr
    from llamafactory.data.processor import (
        SupervisedDatasetProcessor,
        UnsupervisedDatasetProcessor,
    )
    from llamafactory.hparams import DataArguments

    attributes = DatasetAttr("file", "rows")
    system = "system" in rows[0]
    attributes.prompt = None if system else "instruction"
    attributes.system = "system" if system else None
    attributes.history = "history"
    arguments = DataArguments(cutoff_len=cutoff, mask_history=mask_history)
    converted = [AlpacaDatasetConverter(attributes, arguments)(row) for row in rows]
    columns = {key: [example[key] for example in converted] for key in converted[0]}
    kind = UnsupervisedDatasetProcessor if generate else SupervisedDatasetProcessor
    made = kind(one.template, one.tokenizer, None, arguments).preprocess_dataset(columns)
    assert len(made["input_ids"]) == len(rows)  # LLaMA-Factory drops none
    return list(zip(made["input_ids"], made["labels"], strict=True))


@pytest.mark.parametrize("generate", [False, True])
@pytest.mark.parametrize("mask_history", [False, True])
def test_llamafactory_cuts_nothing_off_rows_that_fit(renderings, mask_history, generate):
    rows, writer = written(renderings, CUTOFF)
    assert writer.counts["shortened rows"] > 10
    for one in renderings:
        options = {"mask_history": mask_history, "generate": generate}
        assert processed(one, rows, CUTOFF, **options) == processed(one, rows, 10**6, **options)


def test_the_count_is_exact_and_the_limit_is_reached(renderings):
    rows, _ = written(renderings, CUTOFF)
    for one in renderings:
        lengths = [one.tokens(row) for row in rows]
        prepared = processed(one, rows, 10**6, mask_history=True, generate=False)
        assert lengths == [len(ids) for ids, _ in prepared]
        longest = max(lengths)
        row = rows[lengths.index(longest)]
        cut = processed(one, [row], longest - 1, mask_history=True, generate=False)
        assert len(cut[0][0]) == longest - 1  # one token less, and LLaMA-Factory cuts


def test_windows_of_a_dialogue_learn_every_reply_once(renderings):
    rows, writer = written(renderings, CUTOFF, shape="dialogue", placement="system")
    replies = [reply for row in rows for reply in (*(r for _, r in row["history"]), row["output"])]
    wanted = [one.counselor for d in read(SAMPLE, Intake()) for one in d.rounds]
    assert replies == wanted
    assert writer.counts["windows cut"] > 10
    for one in renderings:
        options = {"mask_history": False, "generate": False}
        assert processed(one, rows, CUTOFF, **options) == processed(one, rows, 10**6, **options)


def test_a_round_that_cannot_fit_is_refused_by_name(renderings):
    with pytest.raises(InputError, match=r"test/weight-5#1, .* this last round alone is longer"):
        written(renderings, 30)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("glm4", "write TOKENIZER:TEMPLATE"),
        ("nowhere/at-all:glm5", "no template 'glm5'"),
        ("./no-such-folder:glm4", "no tokenizer can be loaded"),
    ],
)
def test_a_rendering_that_cannot_be_had_is_named(name, message):
    with pytest.raises(InputError, match=message):
        rendering(name)


def test_llamafactorys_loader_takes_the_rows_that_check_accepts(renderings, tmp_path):
    from datasets import load_dataset

    rows, _ = written(renderings, CUTOFF)
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    loaded = load_dataset(
        "json", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert loaded.to_list() == rows
