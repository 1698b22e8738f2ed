"""Sample rows with a dataset_info.json of their own, so that runs touch nothing of ours."""

import json

from tests.pipeline.llamafactory import ROOT, module


def write_sample_rows(folder, *, test_rows=None):
    """Write rows of the sample dialogues to `folder` and register them there as the recipes do.

    With `test_rows` the file of test rows holds only so many, the first ones.
    """
    for name in ("train", "test"):
        dialogues = folder / f"{name}.jsonl"
        module(
            "converters", "convert", "mi_conversations", f"data/sample/{name}.json", "-o", dialogues
        )
        module("converters", "alpaca", dialogues, "-o", folder / f"{name}.json")
    if test_rows:
        path = folder / "test.json"
        few = json.loads(path.read_text(encoding="utf-8"))[:test_rows]
        path.write_text(json.dumps(few, ensure_ascii=False), encoding="utf-8")
        path.with_name("test.json.stamp.json").unlink()  # which tells of all rows
    info = json.loads((ROOT / "dataset_info.json").read_text())
    for dataset, name in (("mi_sample_train", "train"), ("mi_sample_test", "test")):
        info[dataset]["file_name"] = f"{name}.json"
    (folder / "dataset_info.json").write_text(json.dumps(info))
