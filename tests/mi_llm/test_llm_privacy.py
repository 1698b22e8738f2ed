from __future__ import annotations

import json
import logging
import re
import traceback
from pathlib import Path

import pytest

from mi_llm.door.endpoint import Endpoint, api_key, client, is_loopback
from mi_llm.errors import InputError, Stopped
from mi_llm.llm import Message, Request, Tally, ask_all
from tests.llm_server import LLMServer, Received, Reply, failed
from tests.mi_llm.test_llm import Spoken

KEY = "sk-test-3141592653589793"
PHONE, EMAIL, IDENTITY = "13800138000", "xiaoli@example.com", "11010519491231002X"
SAID = f"我叫小李，手机{PHONE}，邮箱{EMAIL}，身份证{IDENTITY}。我想戒烟。"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MI_LLM_API_KEY", KEY)


def request(name: str = "a") -> Request:
    messages = (
        Message(role="system", content=f"值班电话{PHONE}"),
        Message(role="user", content=SAID),
    )
    return Request(name, messages, schema=Spoken)


def everything_in(folder: Path) -> bytes:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    assert paths
    return b"".join(path.read_bytes() for path in paths)


def test_masked_items_and_the_key_are_nowhere_on_the_wire_or_on_disk(
    tmp_path, caplog, capfd, monkeypatch
):
    def script(received: Received) -> str:
        # Says back what it got, which does not fit: so it is sent once more, in a correction.
        return '{"reply": "好"}' if received.time == 2 else str(received.body["messages"])

    caplog.set_level(logging.DEBUG)
    tally = Tally()
    with LLMServer(script, key=KEY) as server:
        to = Endpoint(server.base_url, "m")
        results = list(ask_all([request()], to, tmp_path / "l.jsonl", progress=True, tally=tally))
    assert [result.text for result in results] == ['{"reply": "好"}']
    assert len(server.received) == 2
    wire = b"".join(received.raw for received in server.received)
    # The key is there, twice, as it has to be: one header each.
    assert wire.count(KEY.encode()) == 2
    assert [each.headers["authorization"] for each in server.received] == [f"Bearer {KEY}"] * 2
    wire = re.sub(rb"(?i)\r\nauthorization: [^\r]*", b"", wire)
    outputs = capfd.readouterr()
    told = f"{caplog.text} {outputs.out} {outputs.err} {to!r} {to.as_stamp()} {tally}".encode()
    for place in (wire, everything_in(tmp_path), told):
        for secret in (KEY, PHONE, EMAIL, IDENTITY):
            assert secret.encode() not in place
    assert (
        "我想戒烟"
        in json.loads(server.received[0].raw.partition(b"\r\n\r\n")[2])["messages"][1]["content"]
    )
    assert tally.masked.total() == 4  # the telephone number twice


def test_a_number_that_the_model_made_up_does_not_go_back_to_it(tmp_path):
    made_up = f"请打{PHONE}"
    with LLMServer(lambda received: made_up) as server:
        [result] = ask_all(
            [request()], Endpoint(server.base_url, "m"), tmp_path / "l.jsonl", progress=False
        )
    assert result.text == made_up  # what comes is handed on as it came
    assert len(server.received) == 3
    assert PHONE.encode() not in b"".join(received.raw for received in server.received)


def test_no_mask_sends_what_was_said_and_shows_in_the_stamp(tmp_path):
    with LLMServer(lambda received: '{"reply": "好"}') as server:
        to = Endpoint(server.base_url, "m", mask=False)
        list(ask_all([request()], to, tmp_path / "l.jsonl", progress=False))
    assert SAID in server.received[0].body["messages"][1]["content"]
    assert to.as_stamp()["personal_data"] == "NOT masked (--no-mask)"
    assert Endpoint(server.base_url, "m").as_stamp()["personal_data"] == "masked"


@pytest.mark.parametrize(
    "reply",
    [
        failed(401, "invalid_api_key", f"Incorrect API key provided: {KEY}"),
        failed(500, message=f"upstream said no to Bearer {KEY}"),
        failed(400, message=f"{KEY} may not"),
        Reply(body=f"<html>{KEY}</html>"),
    ],
    ids=["401", "500", "400", "HTML"],
)
def test_a_key_that_the_server_says_back_is_in_no_message_and_no_traceback(tmp_path, reply):
    told = ""
    with LLMServer(lambda received: reply) as server:
        to = Endpoint(server.base_url, "m", attempts=2, first_pause=0.01)
        try:
            told = str(list(ask_all([request()], to, tmp_path / "l.jsonl", progress=False)))
        except (InputError, Stopped):
            told = traceback.format_exc()
    assert len(told) > 50
    assert KEY not in told
    assert KEY.encode() not in everything_in(tmp_path)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.8.9.10", "[::1]"])
def test_this_machine_may_be_asked(host):
    assert Endpoint(f"http://{host}:8000/v1", "m").host == "loopback"


@pytest.mark.parametrize(
    "host",
    [
        "api.deepseek.com",
        "127.0.0.1.example.org",
        "localhost.example.org",
        "localhost.",
        "0.0.0.0",
        "127.1",
        "2130706433",
        "192.168.0.7",
        "[::ffff:127.0.0.1]",
        "１２７.0.0.1",
    ],
)
def test_no_other_host_may_be_asked_unless_it_is_named(host):
    with pytest.raises(InputError, match=r"is not this machine.*add --allow-host"):
        Endpoint(f"http://{host}:8000/v1", "m", allow_hosts=("example.org", "deepseek.com"))


def test_a_named_host_may_be_asked_whatever_the_case_of_its_name():
    to = Endpoint("https://API.example.org/v1", "m", allow_hosts=("api.Example.org",))
    assert to.host == "api.example.org"


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8000/v1",
        "ftp://127.0.0.1/v1",
        "http:///v1",
        "http://127.0.0.1:port/v1",
        f"http://user:{KEY}@127.0.0.1/v1",
        f"http://127.0.0.1/v1?key={KEY}",
        "http://evil.example.org\\@127.0.0.1/v1",
        "http://127.0.0.1@evil.example.org/v1",
    ],
)
def test_an_address_that_is_none_or_holds_a_secret_is_refused_without_saying_it(url):
    with pytest.raises(InputError) as refusal:
        Endpoint(url, "m")
    assert KEY not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("http://api.example.org/v1", "api.example.org"),
        ("HTTP://10.0.0.7:8000/v1", "10.0.0.7"),
        ("http://gpu-server:8000/v1", "gpu-server"),
        ("http://[2001:db8::1]/v1", "2001:db8::1"),
    ],
)
def test_another_host_is_not_asked_in_the_open_unless_told(url, named):
    with pytest.raises(InputError, match=r"reads along, and gets the key; use https://, or add --"):
        Endpoint(url, "m", allow_hosts=(named,))
    assert Endpoint(url, "m", allow_hosts=(named,), insecure_http=True).host == named


@pytest.mark.parametrize("url", ["http://localhost/v1", "http://127.9.9.9/v1", "http://[::1]:9/v1"])
def test_this_machine_may_be_asked_in_the_open(url):
    assert Endpoint(url, "m").host == "loopback"


@pytest.mark.parametrize(
    "extra",
    [
        {"api_key": "hunter2"},
        {"metadata": {"a": [{"accessToken": "hunter2"}]}},
        {"PASSWORD": "hunter2"},
        {"extra_headers": {"X-Group": "hunter2"}},
        {"headers": {"Authorization": "hunter2"}},
        {"proxy": "http://me:hunter2@proxy.example.org"},
        {"user": "Bearer hunter2hunter2"},
        {"note": "sk-hunter2hunter2hunter2"},
        {"anything": "the environment's own hunter2"},
    ],
)
def test_a_secret_among_more_parameters_is_refused_without_saying_it(monkeypatch, extra):
    monkeypatch.setenv("MI_LLM_API_KEY", "environment's own hunter2")
    with pytest.raises(InputError, match=r"^extra parameter '[\w-]+' holds a secret") as refusal:
        Endpoint("http://127.0.0.1/v1", "m", extra=extra)
    assert "hunter2" not in str(refusal.value)


def test_parameters_without_a_secret_are_sent():
    extra = {
        "max_tokens": 9,
        "stop": ["</s>"],
        "prompt_cache_key": "study-1",
        "response_format": {"type": "json_schema", "schema": {"token": {"type": "string"}}},
        "chat_template_kwargs": {"enable_thinking": False},
    }
    assert Endpoint("http://127.0.0.1/v1", "m", extra=extra).extra == extra


async def closed(endpoint: Endpoint) -> str:
    """The host that OpenAI's client would ask."""
    made = client(endpoint, KEY)
    await made.close()
    return made.base_url.host


def test_the_client_asks_the_host_that_was_allowed():
    import asyncio

    for url in ("http://localhost:1/v1", "http://[::1]:1/v1", "http://127.0.0.1/v1/"):
        assert is_loopback(asyncio.run(closed(Endpoint(url, "m"))))


def test_without_a_key_another_host_is_not_asked(monkeypatch, tmp_path):
    monkeypatch.delenv("MI_LLM_API_KEY")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    to = Endpoint("https://api.example.org/v1", "m", allow_hosts=("api.example.org",))
    with pytest.raises(InputError, match=r"no key for api.example.org: set MI_LLM_API_KEY"):
        list(ask_all([request()], to, tmp_path / "l.jsonl", progress=False))


@pytest.mark.parametrize("key", ["sk-“quoted”", "sk-two\nlines"])
def test_a_key_that_can_be_none_is_refused_without_saying_it(monkeypatch, key):
    monkeypatch.setenv("MI_LLM_API_KEY", key)
    with pytest.raises(InputError) as refusal:
        api_key("loopback")
    assert str(refusal.value).startswith("MI_LLM_API_KEY: holds characters that no key has")
    assert "sk-" not in str(refusal.value)


def test_the_proxies_of_the_environment_are_not_used_for_this_machine(monkeypatch, tmp_path):
    with (
        LLMServer(lambda received: '{"reply": "proxy"}') as proxy,
        LLMServer(lambda received: '{"reply": "好"}') as server,
    ):
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.base_url.removesuffix("/v1"))
        to = Endpoint(server.base_url, "m")
        [result] = ask_all([request()], to, tmp_path / "l.jsonl", progress=False)
    assert result.text == '{"reply": "好"}'
    assert not proxy.received


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(tmp_path, status):
    with LLMServer(lambda received: '{"reply": "elsewhere"}') as elsewhere:
        there = {"location": f"{elsewhere.base_url}/chat/completions"}
        with LLMServer(lambda received: Reply(status=status, headers=there)) as server:
            to = Endpoint(server.base_url, "m")
            with pytest.raises(InputError, match="redirects elsewhere"):
                list(ask_all([request()], to, tmp_path / "l.jsonl", progress=False))
    assert not elsewhere.received


def test_azure_is_asked_in_its_own_dialect_and_needs_a_version(monkeypatch):
    import asyncio

    import openai

    host = "unit.openai.azure.com"
    to = Endpoint(f"https://{host}", "deployed", allow_hosts=(host,))
    monkeypatch.delenv("OPENAI_API_VERSION", raising=False)
    with pytest.raises(InputError, match="set OPENAI_API_VERSION"):
        client(to, KEY)
    monkeypatch.setenv("OPENAI_API_VERSION", "2024-10-21")

    async def scenario() -> None:
        made = client(to, KEY)
        newer = client(Endpoint(f"https://{host}/openai/v1", "m", allow_hosts=(host,)), KEY)
        assert type(made) is openai.AsyncAzureOpenAI
        assert type(newer) is openai.AsyncOpenAI
        await made.close()
        await newer.close()

    asyncio.run(scenario())
