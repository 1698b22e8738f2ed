from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mi_llm.checks import FileReport, file_report, recipe_reports
from mi_llm.errors import InputError
from mi_llm.recipe import Recipe
from mi_llm.runs import dataset_loader
from mi_llm.validation import Columns, Finding

ALL = {"prompt": "instruction", "query": "input", "response": "output", "history": "history"}


def rounds(count: int = 3) -> list[dict[str, Any]]:
    return [
        {
            "instruction": "咨询",
            "input": f"问{n}",
            "output": f"答{n}",
            "history": [[f"问{k}", f"答{k}"] for k in range(n)],
        }
        for n in range(count)
    ]


def saved(path: Path, rows: Any) -> Path:
    path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    return path


def recipe(tmp_path: Path, **settings: Any) -> Recipe:
    saved(tmp_path / "train.json", rounds())
    saved(tmp_path / "test.json", rounds())
    columns = {name: {"file_name": f"{name}.json", "columns": ALL} for name in ("train", "test")}
    saved(tmp_path / "dataset_info.json", columns)
    return Recipe(tmp_path / "r.yaml", {"dataset_dir": str(tmp_path), **settings})


def test_a_good_file_has_no_problem(tmp_path: Path):
    path = saved(tmp_path / "a.json", rounds())
    report = file_report(path)
    assert report == FileReport(path, 3, ())
    assert list(report.lines()) == [f"{path}: 3 rows, no problem"]


def test_a_bad_row_is_told_with_file_row_and_key(tmp_path: Path):
    rows = rounds(7)
    rows[5] = {"" if key == "instruction" else key: value for key, value in rows[5].items()}
    path = saved(tmp_path / "a.json", rows)
    told, closing = file_report(path).lines()
    # The form of the second example in the project's style.
    assert told.startswith(f"{path} row 5: key '' where 'instruction' is expected")
    assert closing == f"{path}: 7 rows, 1 problem"


def test_the_loader_is_not_asked_where_it_would_end_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # pyarrow 24 miscounts such lists and aborts (SIGABRT) where their values are read.
    monkeypatch.setattr(dataset_loader, "is_there", lambda: True)
    monkeypatch.setattr(dataset_loader, "loader_finding", lambda *a, **k: 1 / 0)
    for history in ([[None, None]] * 3, [None, None], [[None, "答"]]):
        path = tmp_path / "a.jsonl"
        path.write_text(json.dumps({**rounds()[0], "history": history}) + "\n")
        (finding,) = file_report(path, recipes=[recipe(tmp_path)]).findings
        assert (finding.row, "history" in finding.message) == (0, True)


def test_many_of_a_kind_are_cut_short_and_the_count_is_whole(tmp_path: Path):
    rows = [{**row, "output": ""} for row in rounds(1000)]
    for row in rows:
        row["history"] = []
    path = saved(tmp_path / "a.json", rows)
    lines = list(file_report(path).lines())
    assert len(lines) == 5 + 1 + 1
    assert "995 more" in lines[5]
    assert lines[6] == f"{path}: 1,000 rows, 1,000 problems"


def test_columns_of_the_dataset_are_used_when_given(tmp_path: Path):
    path = saved(tmp_path / "a.json", [{"q": "问", "a": "答"}])
    assert file_report(path, Columns("q", None, "a", None)) == FileReport(path, 1, ())


def test_a_file_named_is_checked_against_each_recipe(tmp_path: Path):
    training = recipe(tmp_path, do_train=True, mask_history=False)
    fitting = recipe(tmp_path, do_train=True, mask_history=True)
    (finding,) = file_report(tmp_path / "train.json", recipes=[fitting, training]).findings
    assert finding.kind == "mask_history"
    assert finding.message.startswith(f"{training.path}: ")


def test_the_datasets_of_a_training_recipe_are_checked_with_its_mask(tmp_path: Path):
    # llamafactory's default of mask_history is false.
    made = recipe(tmp_path, do_train=True, dataset="train", eval_dataset="test")
    train, test = recipe_reports(made)
    assert [finding.kind for finding in train.findings] == ["mask_history"]
    assert test == FileReport(tmp_path / "test.json", 3, ())


def test_a_predicting_recipe_needs_no_mask(tmp_path: Path):
    made = recipe(tmp_path, do_predict=True, eval_dataset="test")
    assert list(recipe_reports(made)) == [FileReport(tmp_path / "test.json", 3, ())]


@pytest.mark.parametrize(
    "settings",
    [
        {"do_train": True, "mask_history": True, "dataset": "train"},
        {"do_predict": True, "eval_dataset": "test"},
    ],
    ids=["training", "predicting"],
)
def test_max_samples_that_leaves_rows_out_is_told(tmp_path: Path, settings: dict[str, Any]):
    # llamafactory cuts training and evaluation data alike (data/loader.py, max_samples).
    (report,) = recipe_reports(recipe(tmp_path, max_samples=2, **settings))
    (finding,) = report.findings
    assert finding.kind == "max_samples"
    assert "leaves out the last 1 rows" in finding.message
    (report,) = recipe_reports(recipe(tmp_path, max_samples=3, **settings))
    assert report.findings == ()


def test_a_dataset_whose_file_is_missing_is_a_mistake(tmp_path: Path):
    made = recipe(tmp_path, do_train=True, dataset="train")
    (tmp_path / "train.json").unlink()
    with pytest.raises(InputError, match=r"train\.json: no such file"):
        list(recipe_reports(made))


def test_a_dataset_that_maps_no_response_is_told_and_not_crashed_on(tmp_path: Path):
    # To LLaMA-Factory its every row is without a reply, and dropped.
    made = recipe(tmp_path, do_train=True, mask_history=True, dataset="train")
    columns = {key: value for key, value in ALL.items() if key != "response"}
    info = {"train": {"file_name": "train.json", "columns": columns}}
    saved(tmp_path / "dataset_info.json", info)
    (report,) = recipe_reports(made)
    assert any("response" in finding.message for finding in report.findings)


def test_one_problem_is_told_in_the_singular(tmp_path: Path):
    report = FileReport(tmp_path, 2, (Finding("a", "m", 0),))
    assert list(report.lines()) == [f"{tmp_path} row 0: m", f"{tmp_path}: 2 rows, 1 problem"]
