"""The recipes' server, as people start it: what it says, and when it says what prediction said."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.pipeline.llamafactory import ROOT, TEMPLATES, factory, stand_in
from tests.pipeline.rows import write_sample_rows

pytestmark = [pytest.mark.train, pytest.mark.slow]

KEY = "only-for-this-test"
ROWS = 6
GREEDY: tuple[dict[str, Any], ...] = (
    {},
    {"temperature": 0},
    {"do_sample": False},
    {"temperature": 0.9, "top_p": 0.9},
)


@dataclass(frozen=True, slots=True)
class Tuned:
    """A stand-in, an adapter on it, and what prediction replies to the rows."""

    family: str
    model: Path
    adapter: Path
    rows: list[dict[str, Any]]
    predicted: list[dict[str, str]]


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


@pytest.fixture(scope="module", params=TEMPLATES)
def tuned(request, tmp_path_factory):
    """Two steps of training with the recipe, then prediction with the recipe."""
    pytest.importorskip("llamafactory")
    family, folder = request.param, tmp_path_factory.mktemp("served")
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
    factory(
        "train", f"configs/predict/{family}_lora.yaml", *common, "eval_dataset=mi_sample_test",
        "max_new_tokens=24", f"adapter_name_or_path={adapter}", f"output_dir={folder}/predict",
    )  # fmt: skip
    lines = (folder / "predict" / "generated_predictions.jsonl").read_text(encoding="utf-8")
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
        f"adapter_name_or_path={tuned.adapter}", "max_new_tokens=24",
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
    client = httpx.Client(
        base_url=f"http://127.0.0.1:{port}/v1",
        headers={"Authorization": f"Bearer {KEY}"},
        timeout=60,
        trust_env=False,
        # A connection kept open is closed by the server after 5 idle seconds, in the next request.
        limits=httpx.Limits(max_keepalive_connections=0),
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
        except httpx.TransportError:
            time.sleep(0.5)
        else:
            return
    raise AssertionError(f"no server after {seconds} s\n{log.read_text()[-3000:]}")


@pytest.fixture(scope="module")
def client(tuned, tmp_path_factory):
    model = without_sampling(tuned.model, tmp_path_factory.mktemp("greedy") / "model")
    with served(tuned, model) as client:
        yield client


def completion(client, row, **settings):
    request = {"model": "mi", "messages": messages(row), **settings}
    response = client.post("/chat/completions", json=request)
    response.raise_for_status()
    return response.json()


def reply(client, row, **settings):
    return completion(client, row, **settings)["choices"][0]["message"]["content"]


def streamed(client, row):
    request = {"model": "mi", "messages": messages(row), "stream": True}
    with client.stream("POST", "/chat/completions", json=request) as response:
        told = [line[6:] for line in response.iter_lines() if line.startswith("data: ")]
    assert told.pop() == "[DONE]"
    return "".join(json.loads(one)["choices"][0]["delta"].get("content") or "" for one in told)


def test_only_who_has_the_key_is_served(client):
    assert client.get("/models", headers={"Authorization": "Bearer guessed"}).status_code == 401
    assert client.get("/models", headers={"Authorization": ""}).status_code == 401
    refused = client.post(
        "/chat/completions",
        headers={"Authorization": "Bearer guessed"},
        json={"model": "mi", "messages": [{"role": "user", "content": "你好"}]},
    )
    assert refused.status_code == 401
    assert [one["id"] for one in client.get("/models").json()["data"]] == ["mi"]


@pytest.mark.parametrize("settings", GREEDY, ids=str)
def test_the_server_replies_what_prediction_replied(client, tuned, settings):
    replies = [reply(client, row, **settings) for row in tuned.rows]
    assert replies == [one["predict"] for one in tuned.predicted]


def test_streaming_tells_the_same_text(client, tuned):
    assert [streamed(client, row) for row in tuned.rows] == [
        one["predict"] for one in tuned.predicted
    ]


def test_a_request_may_be_sampled_and_shortened(client, tuned):
    sampled = [reply(client, row, do_sample=True, temperature=5.0, top_p=1.0) for row in tuned.rows]
    assert sampled != [one["predict"] for one in tuned.predicted]
    usage = completion(client, tuned.rows[0], max_tokens=5)["usage"]
    assert usage["completion_tokens"] <= 5
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_a_presence_penalty_of_zero_is_an_error_of_the_server(client, tuned):
    request = {"model": "mi", "messages": messages(tuned.rows[0]), "presence_penalty": 0}
    assert client.post("/chat/completions", json=request).status_code == 500


def test_prediction_and_server_see_what_the_chat_template_renders(client, tuned):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tuned.model)
    for row, predicted in zip(tuned.rows, tuned.predicted, strict=True):
        chat = messages(row)
        text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        assert predicted["prompt"] == text
        ids = tokenizer.apply_chat_template(chat, add_generation_prompt=True)
        assert completion(client, row)["usage"]["prompt_tokens"] == len(ids)


def test_the_chat_templates_ids_are_those_of_llamafactorys_template(tuned):
    from llamafactory.data import get_template_and_fix_tokenizer
    from llamafactory.hparams import DataArguments
    from transformers import AutoTokenizer

    chat = messages(tuned.rows[2])
    assert len(chat) == 5  # two rounds, and the client's turn to reply to
    ids = AutoTokenizer.from_pretrained(tuned.model).apply_chat_template(
        chat, add_generation_prompt=True
    )
    fixed = AutoTokenizer.from_pretrained(tuned.model)
    template = get_template_and_fix_tokenizer(
        fixed, DataArguments(template=TEMPLATES[tuned.family], enable_thinking=False)
    )
    paired = [*chat, {"role": "assistant", "content": ""}]
    assert template.encode_oneturn(fixed, paired)[0] == ids


@pytest.mark.parametrize("tuned", ["glm4"], indirect=True)
def test_a_model_that_asks_for_sampling_is_sampled_whatever_the_request_says(tuned):
    """Its generation config was written by transformers 4.50 or later (docs/serving.md, Greedy)."""
    settings = json.loads((tuned.model / "generation_config.json").read_text())
    assert settings["do_sample"]
    with served(tuned, tuned.model) as client:
        for asked in GREEDY:
            replies = [reply(client, row, **asked) for row in tuned.rows]
            assert replies != [one["predict"] for one in tuned.predicted]
