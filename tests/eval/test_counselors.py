"""Which models are the counselors, whether they are served, and what they are shown."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from eval import predict
from eval.counselors import counselors, messages, require_served
from mi_llm.dialogue import Turn
from mi_llm.door.endpoint import Endpoint
from mi_llm.errors import InputError
from mi_llm.validation import usual_columns

HERE = "http://127.0.0.1:8000/v1"
THERE = "http://127.0.0.1:8001/v1"
BASE = Endpoint(HERE, "asker", temperature=0.5, max_tokens=77)


def test_each_model_is_asked_where_it_is_named_else_at_the_common_address():
    found = counselors(["Qwen/Qwen3-8B", f"glm4_lora={THERE}"], BASE)
    assert list(found) == ["Qwen/Qwen3-8B", "glm4_lora"]
    assert [(one.base_url, one.model) for one in found.values()] == [
        (HERE, "Qwen/Qwen3-8B"), (THERE, "glm4_lora"),
    ]  # fmt: skip
    assert {(one.temperature, one.max_tokens) for one in found.values()} == {(0.5, 77)}


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ([], "--models: name at least one"),
        (["a", f"a={THERE}"], "--models a: is named twice"),
        (["a="], "--models 'a=': expected NAME or NAME=BASE_URL"),
        ([f"={THERE}"], "expected NAME or NAME=BASE_URL"),
        (["a b"], "expected NAME or NAME=BASE_URL"),
        (["a=127.0.0.1:8000"], "--base-url '127.0.0.1:8000'"),
        (["a=http://example.org/v1"], "example.org is not this machine"),
    ],
)
def test_a_malformed_or_doubled_name_or_a_forbidden_address_is_told(models, message):
    with pytest.raises(InputError) as error:
        counselors(models, BASE)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@contextmanager
def answering(status: int, body: object) -> Iterator[str]:
    """A server that answers every GET alike; its address."""
    data = json.dumps(body).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = status if self.path == "/v1/models" else 500
            self.send_response(found)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


LIST = {"object": "list", "data": [{"id": "b"}, {"id": "a"}]}


@pytest.mark.parametrize(
    ("status", "body", "model"),
    [
        (200, LIST, "a"),
        (404, {}, "x"),
        (405, {}, "x"),
        (200, {"received": 3}, "x"),
        (200, [1], "x"),
        (200, "x", "x"),
    ],
)
def test_a_model_on_the_list_passes_and_so_does_a_server_without_a_list(status, body, model):
    with answering(status, body) as url:
        require_served(Endpoint(url, model))


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (200, LIST, "model 'x' is not served at {url}; there are: a, b"),
        (200, {"data": []}, "model 'x' is not served at {url}; there are: none"),
        (401, {}, "{url} refuses the key; set MI_LLM_API_KEY"),
        (500, {}, "{url}: the server answers HTTP 500; is it still starting?"),
    ],
)
def test_another_list_a_refused_key_and_a_broken_server_are_told(status, body, message):
    with answering(status, body) as url:
        with pytest.raises(InputError) as error:
            require_served(Endpoint(url, "x"))
        assert str(error.value) == message.format(url=url)


def test_azure_lists_no_deployments_and_is_not_asked():
    host = "somebody.openai.azure.com"
    require_served(Endpoint(f"https://{host}", "x", allow_hosts=(host,)))


def test_no_server_at_all_is_told_in_one_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # not listening: every connection is refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        with pytest.raises(InputError) as error:
            require_served(Endpoint(url, "x"))
    assert str(error.value).startswith(f"{url}: no server answers for model 'x' (")
    assert "\n" not in str(error.value)


TURNS = (
    Turn("client", "我想少抽。"),
    Turn("counselor", "你在盘算。"),
    Turn("client", "也不全是。"),
)


@pytest.mark.parametrize("prompt_as", ["instruction", "system"])
def test_a_conversation_is_shown_as_the_rows_of_training_are(prompt_as):
    row = {"input": "也不全是。", "output": "还有别的。", "history": [["我想少抽。", "你在盘算。"]]}
    row["instruction" if prompt_as == "instruction" else "system"] = "你是咨询师。"
    rows = [row]
    expected = predict.messages(row, usual_columns(rows))  # type: ignore[arg-type]  # a bare row
    assert messages(TURNS, "你是咨询师。", prompt_as) == expected


def test_a_counselor_that_opened_is_left_out_and_the_client_must_be_the_last():
    opened = (Turn("counselor", "你好。"), *TURNS)
    assert messages(opened, "请。", "system") == messages(TURNS, "请。", "system")
    with pytest.raises(ValueError, match="client"):
        messages(TURNS[:2], "请。", "system")
