"""What `check` refuses is what LLaMA-Factory's loader dies of, and what it accepts is loaded."""

import json

import pytest

from mi_llm import validation
from mi_llm.checks import file_report

pytestmark = pytest.mark.train


def row(number, history):
    return {
        "id": f"d#{number}",
        "instruction": "你是一位咨询师。",
        "input": f"第{number}句，我有点累。" + "这件事说来话长。" * 20,
        "output": "你累了。",
        "history": history,
    }


def loaded(path, cache):
    from datasets import load_dataset

    return load_dataset("json", data_files=str(path), split="train", cache_dir=str(cache))


@pytest.mark.parametrize("first_history_at", [0, 1])
def test_a_first_block_of_empty_histories_is_what_the_loader_fails_on(tmp_path, first_history_at):
    pytest.importorskip("datasets")
    from datasets.exceptions import DatasetGenerationError

    path = tmp_path / "rows.jsonl"
    line = json.dumps(row(0, []), ensure_ascii=False) + "\n"
    first_block = validation.LOADER_BLOCK // len(line.encode()) + 1
    rows = [row(n, []) for n in range(first_block + 50)]
    # Either the last row alone has a history, or the first has one too.
    rows[-1]["history"] = [["我累。", "你累了。"]]
    if first_history_at == 0:
        rows[0]["history"] = [["我累。", "你累了。"]]
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(one, ensure_ascii=False) + "\n" for one in rows)
    findings = file_report(path).findings
    if first_history_at == 0:
        assert findings == ()
        assert len(loaded(path, tmp_path / "cache")) == len(rows)
    else:
        assert [finding.kind for finding in findings] == ["empty first block"]
        with pytest.raises(DatasetGenerationError):
            loaded(path, tmp_path / "cache")
