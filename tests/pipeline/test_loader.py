"""What `check` refuses is what LLaMA-Factory's own loader dies of or changes; the rest it loads."""

import json
from types import SimpleNamespace

import pytest

from mi_llm.characters import control_token
from mi_llm.checks import file_report
from mi_llm.columns import Columns
from mi_llm.recipe import Recipe
from mi_llm.runs.base_models import BASE_MODELS
from mi_llm.validation import Finding

pytestmark = pytest.mark.train

PROMPT = "你是心理咨询师。"
ALL = Columns(system=None)


def row(number, **changed):
    return {
        "id": f"d{number}#1", "instruction": PROMPT, "input": f"第{number}天睡不好。",
        "output": f"你撑了{number}天。", "history": [], **changed,
    }  # fmt: skip


def without(key):
    return {name: value for name, value in row(2).items() if name != key}


PAD = "很长的话。" * 200
# More than a block of 10 MB, in which `history` is empty; then rows that the loader meets later.
BIG = [row(number, output=PAD) for number in range(4200)]

LOADS = {
    "fields of objects differ": [row(1, meta={"age": 20}), row(2, meta={"sex": "女"})],
    "a key that some rows lack": [row(1), without("history")],
    "a history that is null": [row(1), row(2, history=None)],
    "whole numbers and others": [row(1, n=1), row(2, n=1.5)],
    "dates in a key that is not learned": [row(1, id="2024-03-01"), row(2, id="2024-03-02")],
    "one text that is no date": [row(1, output="2024-03-01"), row(2)],
    "a key that the last rows lack": [*(one | {"topic": "睡眠"} for one in BIG), row(9001)],
}
FAILS = {
    "types mixed in lists": [row(1, tags=["a"]), row(2, tags=[1])],
    "a type that is null at first": [
        *(one | {"topic": None} for one in BIG),
        row(9001, topic="烟"),
    ],
    "histories that are empty at first": [*BIG, row(9001, history=[["我累。", "你累了。"]])],
    "a key that comes late": [*BIG, row(9001, topic="烟")],
    "texts that are all dates": [row(n, output=f"2024-03-0{n}") for n in (1, 2)],
    "no row has an input": [without("input")],
    "no row has a history": [without("history")],
}


@pytest.fixture
def llamafactory_rows(tmp_path):
    """What LLaMA-Factory's `_load_single_dataset` makes of a file, or the error that it raises."""
    from datasets.exceptions import DatasetGenerationError
    from llamafactory.data import loader
    from llamafactory.data.parser import DatasetAttr

    def load(path):
        attr = DatasetAttr("file", dataset_name=path.name, history="history", ranking=False)
        arguments = (
            SimpleNamespace(cache_dir=str(tmp_path / "cache"), hf_hub_token=None,
                            trust_remote_code=False),
            SimpleNamespace(dataset_dir=str(path.parent), preprocessing_num_workers=None,
                            streaming=False, max_samples=None, overwrite_cache=True,
                            media_dir=None),
            SimpleNamespace(local_process_index=0, dataloader_num_workers=0),
        )  # fmt: skip
        try:
            return loader._load_single_dataset(attr, *arguments).to_list()
        except (DatasetGenerationError, KeyError) as error:
            return error

    return load


def written(tmp_path, rows, ending=".jsonl"):
    path = tmp_path / f"rows{ending}"
    text = json.dumps(rows) if ending == ".json" else "".join(json.dumps(r) + "\n" for r in rows)
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", LOADS)
def test_what_check_accepts_llamafactory_loads_unchanged(tmp_path, llamafactory_rows, name):
    path = written(tmp_path, LOADS[name])
    assert file_report(path, ALL).findings == ()
    found = llamafactory_rows(path)
    assert [one["_response"][0]["content"] for one in found] == [
        one["output"] for one in LOADS[name]
    ]


@pytest.mark.parametrize("name", FAILS)
def test_what_check_refuses_llamafactory_dies_of_or_changes(tmp_path, llamafactory_rows, name):
    path = written(tmp_path, FAILS[name])
    assert len(file_report(path, ALL).findings) == 1
    found = llamafactory_rows(path)
    outputs = [one["output"] for one in FAILS[name]]
    assert (
        isinstance(found, Exception)
        or [one["_response"][0]["content"] if one["_response"] else None for one in found]
        != outputs
    )


def test_the_loader_is_asked_with_the_arguments_that_llamafactory_gives_it(
    tmp_path, llamafactory_rows, monkeypatch
):
    import datasets
    from llamafactory.data import loader

    asked = []

    def kept(**arguments):
        asked.append(arguments)
        raise KeyError

    path = written(tmp_path, [row(1)])
    monkeypatch.setattr(loader, "load_dataset", kept)
    monkeypatch.setattr(datasets, "load_dataset", kept)
    llamafactory_rows(path)
    recipe = Recipe(tmp_path / "r.yaml", {"trust_remote_code": False})
    file_report(path, ALL, recipes=[recipe])
    theirs, ours, *_ = asked  # more follow where the row is searched for
    assert theirs.pop("cache_dir") != ours.pop("cache_dir")  # ours is temporary
    assert theirs.pop("token") is None
    assert theirs == ours


def test_an_error_of_the_loader_that_names_no_row_is_told_with_the_row(tmp_path, monkeypatch):
    from mi_llm import json_loader

    rows = [row(number, tags=["a"]) for number in range(20)]
    rows[13]["tags"] = [[1]]
    for ending in (".jsonl", ".json"):
        path = written(tmp_path, rows, ending)
        monkeypatch.setattr(json_loader, "findings", lambda *_: ())  # as if the rule missed it
        (finding,) = file_report(path, ALL, recipes=[Recipe(tmp_path / "r", {})]).findings
        assert (finding.kind, finding.row) == ("loader", 13)
        assert finding.message.startswith("LLaMA-Factory's loader fails: ")


def test_the_loader_overrules_the_rule(tmp_path, monkeypatch):
    from mi_llm import json_loader

    path = written(tmp_path, [row(1)])
    alarm = Finding("first block", "false alarm")
    monkeypatch.setattr(json_loader, "findings", lambda *_: [alarm])
    assert file_report(path, ALL).findings == (alarm,)
    assert file_report(path, ALL, recipes=[Recipe(tmp_path / "r", {})]).findings == ()


@pytest.mark.parametrize("ending", ["", ".txt", ".csv"])
def test_a_name_by_which_llamafactory_takes_rows_for_something_else_is_told(tmp_path, ending):
    path = written(tmp_path, [row(1)], ending)
    (told,) = file_report(path, ALL).findings
    assert told.kind == "ending"


@pytest.mark.parametrize("name", sorted(one.template for one in BASE_MODELS.values()))
def test_every_mark_of_the_recipes_templates_is_a_control_token(name):
    from llamafactory.data.template import TEMPLATES as KNOWN

    template = KNOWN[name]
    formats = [getattr(template, one) for one in vars(template) if one.startswith("format_")]
    slots = [slot for one in formats for slot in one.slots if isinstance(slot, str)]
    texts = [*slots, *template.stop_words]
    marked = [text for text in texts if text.replace("{{content}}", "").strip()]
    assert len(marked) >= 2
    for text in marked:
        assert control_token(text), text
        left = text.replace("{{content}}", "")
        while token := control_token(left):
            left = left.replace(token, " ")
        # Names of roles and of what a tool answers are words, and no tokens.
        assert set(left.split()) <= {"user", "assistant", "system", "ipython",
                                     "<tool_response>", "</tool_response>"}  # fmt: skip
