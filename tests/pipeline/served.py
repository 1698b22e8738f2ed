"""The recipes' server on loopback, over a stand-in whose predictions are known."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx2

from tests.pipeline.llamafactory import ROOT, factory, stand_in
from tests.pipeline.rows import write_sample_rows

KEY = "only-for-this-test"
ROWS = 6
NEW_TOKENS = 24


@dataclass(frozen=True, slots=True)
class Tuned:
    """A stand-in, an adapter on it, and what prediction replies to the rows."""

    family: str
    model: Path
    adapter: Path
    rows: list[dict[str, Any]]
    predicted: list[dict[str, str]]

    @property
    def folder(self) -> Path:
        """Where it all lies: the rows in `test.json`, the predictions in `predict`."""
        return self.adapter.parent


def without_sampling(model, folder):
    """A copy whose generation config does not ask for sampling."""
    shutil.copytree(model, folder)
    path = folder / "generation_config.json"
    settings = json.loads(path.read_text())
    for name in ("do_sample", "temperature", "top_p"):
        settings.pop(name, None)
    path.write_text(json.dumps(settings))
    return folder


def messages(row):
    """A row as a client sends it: the instruction stands before the last turn, as in training."""
    said = [
        {"role": role, "content": text}
        for pair in row["history"]
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]
    return [*said, {"role": "user", "content": f"{row['instruction']}\n{row['input']}"}]


@cache  # several modules ask for it; training and prediction take a minute
def tuned_stand_in(family, base):
    """Two steps of training with the recipe, then prediction with the recipe, below `base`."""
    folder = base / f"served_{family}"
    folder.mkdir()
    write_sample_rows(folder, test_rows=ROWS)
    rows = json.loads((folder / "test.json").read_text(encoding="utf-8"))
    # Random weights: a warmed-up stand-in gives every row the same reply.
    model, adapter = stand_in(family, folder, steps=0), folder / "adapter"
    common = (
        "use_cpu=true", "preprocessing_num_workers=1", f"model_name_or_path={model}",
        f"dataset_dir={folder}",
    )  # fmt: skip
    factory(
        "train", f"configs/{family}_lora.yaml", *common, "dataset=mi_sample_test",
        "max_steps=2", "gradient_accumulation_steps=1", f"output_dir={adapter}",
    )  # fmt: skip
    output = folder / "predict"
    factory(
        "train", f"configs/predict/{family}_lora.yaml", *common, "eval_dataset=mi_sample_test",
        f"max_new_tokens={NEW_TOKENS}", f"adapter_name_or_path={adapter}", f"output_dir={output}",
    )  # fmt: skip
    lines = (output / "generated_predictions.jsonl").read_text(encoding="utf-8")
    predicted = [json.loads(line) for line in lines.splitlines()]
    assert len({one["predict"] for one in predicted}) > 1  # else any row would match any other
    return Tuned(family, model, adapter, rows, predicted)


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def served(tuned, model):
    """A client of the recipe's server on loopback; the server ends with the block."""
    port = free_port()
    own = {"API_HOST": "127.0.0.1", "API_PORT": str(port), "API_KEY": KEY, "API_MODEL_NAME": "mi"}
    command = [
        Path(sys.executable).parent / "llamafactory-cli", "api",
        f"configs/api/{tuned.family}_lora.yaml", f"model_name_or_path={model}",
        f"adapter_name_or_path={tuned.adapter}", f"max_new_tokens={NEW_TOKENS}",
    ]  # fmt: skip
    log = tuned.adapter.with_name("server.log")
    with log.open("w") as told:
        server = subprocess.Popen(
            [str(word) for word in command],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **own},
            stdout=told,
            stderr=subprocess.STDOUT,
        )
    client = httpx2.Client(
        base_url=f"http://127.0.0.1:{port}/v1",
        headers={"Authorization": f"Bearer {KEY}"},
        timeout=60,
        trust_env=False,
        # A connection kept open is closed by the server after 5 idle seconds, in the next request.
        limits=httpx2.Limits(max_keepalive_connections=0),
    )
    try:
        wait_for(client, server, log)
        yield client
    finally:
        client.close()
        server.terminate()
        try:
            server.wait(timeout=10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def wait_for(client, server, log, seconds=180):
    until = time.monotonic() + seconds
    while time.monotonic() < until and server.poll() is None:
        try:
            client.get("/models")
        except httpx2.TransportError:
            time.sleep(0.5)
        else:
            return
    raise AssertionError(f"no server after {seconds} s\n{log.read_text()[-3000:]}")
