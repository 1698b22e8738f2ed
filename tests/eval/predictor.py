"""Stands in for `llamafactory-cli`: answers rows with their own outputs, the rest with nothing.

How many it answers is what the adapter's weights say; `fail` and `hang` do what they say.
"""

import json
import os
import sys
import time
from pathlib import Path

import yaml


def predict(recipe, words):
    settings = yaml.safe_load(Path(recipe).read_text()) | dict(one.split("=", 1) for one in words)
    adapter, output = (Path(settings[key]) for key in ("adapter_name_or_path", "output_dir"))
    data = Path(settings["dataset_dir"])
    with (data / "calls").open("a") as calls:
        calls.write(f"{adapter.name}\n")
    print("process", os.getpid(), flush=True)  # noqa: T201 into the log
    weights = (adapter / "adapter_model.safetensors").read_bytes().rpartition(b"}")[2].decode()
    if weights == "hang":
        time.sleep(600)
    if weights == "fail":
        raise RuntimeError("out of memory")
    info = json.loads((data / "dataset_info.json").read_text())
    rows = json.loads((data / info[settings["eval_dataset"]]["file_name"]).read_text())
    with (output / "generated_predictions.jsonl").open("w") as stream:
        for number, row in enumerate(rows):
            reply = row["output"] if number < int(weights) else ""
            line = {"prompt": "", "predict": reply, "label": row["output"]}
            stream.write(json.dumps(line) + "\n")
    (output / "all_results.json").write_text("{}")


if __name__ == "__main__":
    predict(sys.argv[2], sys.argv[3:])
