from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from mi_llm.door.answer import Outcome
from mi_llm.door.streaming import NoReply, replied
from mi_llm.llm import Endpoint, Message
from tests.llm_server import RESET, LLMServer, Reply, failed
from tests.mi_llm.test_llm_addresses import answering

SAID = (Message(role="user", content="我睡不好，打我电话 13800138000 吧"),)


def asked(script, **more: Any):
    """What came, or why nothing did, and what the server received."""
    with LLMServer(script) as server:
        endpoint = Endpoint(server.base_url, "glm4_lora", **more)
        try:
            return asyncio.run(replied(endpoint, SAID)), server.received
        except NoReply as error:
            return error, server.received


def test_a_reply_that_comes_in_pieces_is_handed_out_whole():
    text = "听起来你很累。\n是什么让你睡不着？"
    found, received = asked(lambda _: text)
    assert found == Outcome(text, "", "whole", None)
    assert len(received) == 1
    assert received[0].body["stream"] is True


def test_parameters_go_out_as_the_endpoint_says():
    _, received = asked(
        lambda _: "好", temperature=0.7, max_tokens=9, extra={"enable_thinking": False}
    )
    sent = {key: received[0].body[key] for key in ("temperature", "max_tokens", "enable_thinking")}
    assert sent == {"temperature": 0.7, "max_tokens": 9, "enable_thinking": False}


@pytest.mark.parametrize(("mask", "seen"), [(True, "【电话】"), (False, "13800138000")])
def test_personal_data_is_masked_unless_it_may_be_sent(mask, seen):
    _, received = asked(lambda _: "好", mask=mask)
    assert received[0].body["messages"][0]["content"] == f"我睡不好，打我电话 {seen} 吧"


def test_a_reply_cut_off_at_the_limit_is_what_the_model_had_to_say_and_marked_so():
    found, _ = asked(lambda _: Reply("我们可以", finish_reason="length"))
    assert (found.said, found.ending) == ("我们可以", "cut off")


@pytest.mark.parametrize(
    ("reply", "kind", "status", "said"),
    [
        (failed(500), "away", 500, "HTTP 500: scripted 500"),
        (failed(429), "away", 429, "HTTP 429: scripted 429"),
        (failed(402), "away", None, "no quota left"),
        (failed(400, message="maximum context length"), "refused", 400, "maximum context length"),
        (failed(401), "refused", None, "refuses the key"),
        (failed(404), "refused", None, "has no model 'glm4_lora'"),
        (failed(400, "content_filter"), "filtered", 400, "scripted 400"),
        (Reply("好", finish_reason="content_filter"), "filtered", None, "content_filter"),
        (RESET, "away", None, ""),
        (Reply("听起来你很累。", breaks_at=5), "broken", None, "broke off"),
        (Reply(body='{"choices": []}'), "broken", None, "broke off"),
        (Reply(body="data: {not json\n\n"), "broken", None, "broke off"),
        (Reply(body="<html>"), "broken", None, "broke off"),
        (
            Reply(body="<html>", headers={"content-type": "text/html"}),
            "refused",
            None,
            "a web page",
        ),
        (Reply(" \n"), "blank", None, "blank answer"),
        (Reply("<think>他很累</think>"), "blank", None, "thinking without an answer"),
        (Reply("<think>他很", finish_reason="length"), "blank", None, "cut off while thinking"),
        (Reply("好", finish_reason="sensitive"), "filtered", None, "(sensitive)"),
        (Reply("好", finish_reason="network_error"), "away", None, "network_error"),
        (Reply("好", finish_reason="a new one"), "broken", None, "a new one"),
    ],
)
def test_whatever_goes_wrong_is_one_exception_with_its_reason(reply, kind, status, said):
    error, _ = asked(lambda _: reply)
    assert isinstance(error, NoReply)
    assert (error.kind, error.status) == (kind, status)
    assert said in str(error)
    assert "\n" not in str(error)


def test_a_server_that_is_not_there_says_so():
    endpoint = Endpoint("http://127.0.0.1:9/v1", "glm4_lora")

    with pytest.raises(NoReply, match=r"connection attempts failed|refused") as caught:
        asyncio.run(replied(endpoint, SAID))
    assert caught.value.kind == "away"


def test_a_server_that_falls_silent_is_waited_for_no_longer_than_the_timeout():
    error, _ = asked(lambda _: Reply("听起来你很累。", pause=5.0), timeout=0.3)
    assert isinstance(error, NoReply)
    assert error.kind == "away"
    assert str(error) == "no answer within 0.3 s; a slow model needs a longer --timeout"


@pytest.mark.parametrize(
    ("choice", "became"),
    [
        ({"message": {"content": "<think>累</think>好的"}, "finish_reason": "stop"}, "好的"),
        ({"message": {"content": "好"}, "finish_reason": "abort"}, "broken"),
        ({"message": {"content": "好"}, "finish_reason": "new"}, "broken"),
        (None, "broken"),
    ],
)
def test_a_service_that_does_not_stream_is_understood_all_the_same(choice, became):
    body = json.dumps({"choices": [choice]} if choice else {"status": "ok"})
    with answering(lambda method, path: (200, body)) as port:
        endpoint = Endpoint(f"http://127.0.0.1:{port}/v1", "m")
        try:
            found = asyncio.run(replied(endpoint, SAID)).said
        except NoReply as error:
            found = error.kind
    assert found == became
