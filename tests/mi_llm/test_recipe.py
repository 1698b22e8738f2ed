from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from mi_llm.errors import InputError
from mi_llm.recipe import (
    Dataset,
    Recipe,
    load_recipe,
    read_dataset_info,
    register_dataset,
    text_faults,
    yaml_number,
)
from mi_llm.validation import Columns

ALL = {"prompt": "instruction", "query": "input", "response": "output", "history": "history"}


def recipe(tmp_path: Path, info: Any = None, **settings: Any) -> Recipe:
    if info is not None:
        (tmp_path / "dataset_info.json").write_text(json.dumps(info))
    return Recipe(tmp_path / "r.yaml", {"dataset_dir": str(tmp_path), **settings})


def test_a_recipe_is_the_yaml_with_the_overrides_laid_over_it(tmp_path: Path):
    path = tmp_path / "r.yaml"
    path.write_text("do_train: true\ncutoff_len: 2048\nname: 甲\n", encoding="utf-8")
    made = load_recipe(path, ["cutoff_len=512", "do_train=false", "a=b=c", "none=null"])
    assert made == Recipe(
        path,
        {"do_train": False, "cutoff_len": 512, "name": "甲", "a": "b=c", "none": None},
        ("cutoff_len=512", "do_train=false", "a=b=c", "none=null"),
    )


@pytest.mark.train
@pytest.mark.parametrize(
    "word",
    ["k=true", "k=5", "k=0.1", "k=1e-4", "k=1.0e-4", "k=a,b", "k=", "k=null", "k=[a, b]", "k=a b"],
)
def test_an_override_is_read_as_llamafactory_reads_it(tmp_path: Path, word: str):
    omegaconf = pytest.importorskip("omegaconf")
    path = tmp_path / "r.yaml"
    path.write_text("a: 1\n")
    # llamafactory 0.9.3, hparams/parser.py, read_args.
    theirs = omegaconf.OmegaConf.to_container(
        omegaconf.OmegaConf.merge({"a": 1}, omegaconf.OmegaConf.from_cli([word]))
    )
    assert load_recipe(path, [word]).settings == theirs


@pytest.mark.parametrize("text", ["- a\n", "text\n", "", "5\n"])
def test_a_file_that_is_no_mapping_is_no_recipe(tmp_path: Path, text: str):
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"r\.yaml: not a recipe"):
        load_recipe(path)


def test_a_file_that_is_no_yaml_is_no_recipe(tmp_path: Path):
    path = tmp_path / "r.yaml"
    path.write_text("a: [1\nb: 2\n")
    with pytest.raises(InputError, match=r"r\.yaml:2: not YAML: while parsing a flow sequence"):
        load_recipe(path)


@pytest.mark.parametrize("word", ["cutoff_len", "--cutoff_len", "a=[1", "a={"])
def test_an_override_that_cannot_be_read_is_a_mistake(tmp_path: Path, word: str):
    path = tmp_path / "r.yaml"
    path.write_text("a: 1\n")
    with pytest.raises(InputError) as caught:
        load_recipe(path, [word])
    assert word in str(caught.value)


def test_a_recipe_trains_when_it_says_so(tmp_path: Path):
    assert recipe(tmp_path, do_train=True).trains
    assert not recipe(tmp_path, do_predict=True).trains


@pytest.mark.parametrize(
    ("value", "names"),
    [("a", ["a"]), ("a, b,c", ["a", "b", "c"]), (["a", "b"], ["a", "b"]), (None, []), ("", [])],
)
def test_datasets_are_named_by_commas_or_a_list(tmp_path: Path, value: Any, names: list[str]):
    assert recipe(tmp_path, dataset=value).names("dataset") == names


def test_datasets_come_with_their_file_and_columns(tmp_path: Path):
    info = {
        "listed": {"file_name": "a.json", "columns": ALL},
        "system": {"file_name": "/b.json", "columns": {"query": "q", "system": "s"}},
        "unlisted": {"file_name": "c.json"},
    }
    named = recipe(tmp_path, info, dataset="listed,system", eval_dataset="unlisted")
    # A column that is not listed is absent to LLaMA-Factory; without "columns" it takes
    # instruction, input and output, and no history (data/parser.py, DatasetAttr).
    assert named.datasets() == {
        "listed": Dataset("listed", tmp_path / "a.json", Columns()),
        "system": Dataset("system", Path("/b.json"), Columns(None, "q", None, None, "s")),
        "unlisted": Dataset("unlisted", tmp_path / "c.json", Columns(history=None)),
    }


def test_an_unknown_dataset_is_a_mistake_that_lists_the_known_ones(tmp_path: Path):
    named = recipe(tmp_path, {"b": {}, "a": {}}, dataset="mi_trian")
    with pytest.raises(InputError, match=r"r\.yaml: dataset 'mi_trian' is not .*there are: a, b$"):
        named.datasets()


def test_a_missing_dataset_info_is_a_mistake(tmp_path: Path):
    with pytest.raises(InputError, match=r"dataset_info\.json: no such file"):
        recipe(tmp_path, dataset="a").datasets()


@pytest.mark.parametrize(
    "entry",
    [
        {"hf_hub_url": "a/b"},
        {"file_name": "a.json", "formatting": "sharegpt"},
        {"file_name": "a.json", "ranking": True},
        {"file_name": "a.json", "columns": ["instruction"]},
        None,
        "a.json",
    ],
    ids=["hub", "sharegpt", "ranking", "columns in a list", "null", "text"],
)
def test_a_dataset_that_is_no_plain_alpaca_file_is_a_mistake(tmp_path: Path, entry: Any):
    with pytest.raises(InputError, match=r"dataset_info\.json: 'a' "):
        recipe(tmp_path, {"a": entry}, dataset="a").datasets()


def test_a_dataset_that_is_a_number_is_a_mistake(tmp_path: Path):
    with pytest.raises(InputError, match="2000"):
        recipe(tmp_path, {"a": {"file_name": "a.json"}}, dataset=2000).datasets()


def test_dataset_info_must_be_an_object(tmp_path: Path):
    path = tmp_path / "dataset_info.json"
    path.write_text("[]")
    with pytest.raises(InputError, match="expected an object"):
        read_dataset_info(path)


def test_registering_writes_every_column_in_a_form_that_is_ascii(tmp_path: Path):
    info, rows = tmp_path / "dataset_info.json", tmp_path / "data" / "行.json"
    register_dataset("a", rows, Columns(), info_path=info)
    register_dataset("b", rows, Columns(prompt=None, system="system"), info_path=info)
    assert json.loads(info.read_bytes().decode("ascii")) == {
        "a": {"file_name": "data/行.json", "columns": ALL},
        "b": {
            "file_name": "data/行.json",
            "columns": {
                "query": "input",
                "response": "output",
                "history": "history",
                "system": "system",
            },
        },
    }


def test_registering_again_changes_nothing_and_keeps_the_others(tmp_path: Path):
    info = tmp_path / "dataset_info.json"
    info.write_text('{"other":{"hf_hub_url":"x/y"}}')
    register_dataset("a", tmp_path / "a.json", Columns(), info_path=info)
    once = info.read_bytes()
    register_dataset("a", tmp_path / "a.json", Columns(), info_path=info)
    assert info.read_bytes() == once
    assert json.loads(once) == {
        "other": {"hf_hub_url": "x/y"},
        "a": {"file_name": "a.json", "columns": ALL},
    }


def test_registering_other_columns_for_the_same_file_replaces_them(tmp_path: Path):
    info = tmp_path / "dataset_info.json"
    register_dataset("a", tmp_path / "a.json", Columns(), info_path=info)
    register_dataset("a", tmp_path / "a.json", Columns(history=None), info_path=info)
    columns = {"prompt": "instruction", "query": "input", "response": "output"}
    assert json.loads(info.read_text()) == {"a": {"file_name": "a.json", "columns": columns}}


def test_a_file_outside_the_folder_is_registered_by_its_whole_path(tmp_path: Path):
    info, rows = tmp_path / "sub" / "dataset_info.json", tmp_path / "a.json"
    register_dataset("a", rows, Columns(), info_path=info)
    assert json.loads(info.read_text())["a"]["file_name"] == str(rows.resolve())
    named = Recipe(tmp_path / "r.yaml", {"dataset_dir": str(info.parent), "dataset": "a"})
    assert named.datasets()["a"].path == rows.resolve()


@pytest.mark.parametrize("taken", [{"file_name": "b.json"}, {"hf_hub_url": "x/y"}, None])
def test_a_name_taken_by_another_file_is_refused_and_nothing_written(tmp_path: Path, taken: Any):
    info = tmp_path / "dataset_info.json"
    before = json.dumps({"a": taken})
    info.write_text(before)
    with pytest.raises(InputError, match=r"dataset_info\.json: 'a' is "):
        register_dataset("a", tmp_path / "a.json", Columns(), info_path=info)
    assert info.read_text() == before


def test_registering_finds_again_what_it_registered(tmp_path: Path):
    columns = Columns(prompt=None, system="system")
    info = tmp_path / "dataset_info.json"
    register_dataset("a", tmp_path / "a.json", columns, info_path=info)
    named = recipe(tmp_path, dataset="a")
    assert named.datasets() == {"a": Dataset("a", tmp_path / "a.json", columns)}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1e-4", "1.0e-4"), ("1E5", "1.0E+5"), ("2.5e3", "2.5e+3"), ("-1.e3", "-1.0e+3"),
        ("x", None), ("1e", None), ("12", None), ("1e-4x", None), ("", None),
    ],
)  # fmt: skip
def test_a_number_that_is_text_to_yaml_is_told_as_yaml_wants_it(text: str, number: str | None):
    assert yaml_number(text) == number
    assert list(text_faults({"a": text, "b": 3})) == (
        [f"a: {text!r} is text to YAML; write {number}"] if number else []
    )
    if number:
        assert isinstance(yaml.safe_load(text), str)
        assert yaml.safe_load(number) == float(text)
