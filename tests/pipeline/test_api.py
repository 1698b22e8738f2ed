"""The recipes' server, as people start it: what it says, and when it says what prediction said."""

import json
from typing import Any

import pytest

from tests.pipeline.llamafactory import TEMPLATES
from tests.pipeline.served import messages, served, tuned_stand_in, without_sampling

pytestmark = [pytest.mark.train, pytest.mark.slow]

GREEDY: tuple[dict[str, Any], ...] = (
    {},
    {"temperature": 0},
    {"do_sample": False},
    {"temperature": 0.9, "top_p": 0.9},
)


@pytest.fixture(scope="module", params=TEMPLATES)
def tuned(request, tmp_path_factory):
    pytest.importorskip("llamafactory")
    return tuned_stand_in(request.param, tmp_path_factory.getbasetemp())


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
