from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mi_llm.door.streaming import NoReply, streamed
from mi_llm.llm import Endpoint, Message
from tests.llm_server import RESET, LLMServer, Reply, failed

SAID = (Message(role="user", content="我睡不好，打我电话 13800138000 吧"),)


def pieces(script, *, server_options: dict[str, Any] | None = None, **more: Any):
    """What was yielded, how it ended, and what the server received."""
    with LLMServer(script, **(server_options or {})) as server:
        endpoint = Endpoint(server.base_url, "glm4_lora", **more)
        found: list[str] = []

        async def read() -> None:
            async for piece in streamed(endpoint, SAID):
                found.append(piece)

        try:
            asyncio.run(read())
        except NoReply as error:
            return found, error, server.received
        return found, None, server.received


def test_a_reply_comes_in_pieces_that_together_are_the_whole():
    text = "听起来你很累。\n是什么让你睡不着？"
    found, error, received = pieces(lambda _: text)
    assert error is None
    assert len(found) == 6  # 17 characters by three
    assert "".join(found) == text
    assert len(received) == 1
    assert received[0].body["stream"] is True


def test_parameters_go_out_as_the_endpoint_says():
    _, _, received = pieces(
        lambda _: "好", temperature=0.7, max_tokens=9, extra={"enable_thinking": False}
    )
    sent = {key: received[0].body[key] for key in ("temperature", "max_tokens", "enable_thinking")}
    assert sent == {"temperature": 0.7, "max_tokens": 9, "enable_thinking": False}


@pytest.mark.parametrize(("mask", "seen"), [(True, "【电话】"), (False, "13800138000")])
def test_personal_data_is_masked_unless_it_may_be_sent(mask, seen):
    _, _, received = pieces(lambda _: "好", mask=mask)
    assert received[0].body["messages"][0]["content"] == f"我睡不好，打我电话 {seen} 吧"


def test_a_reply_cut_off_at_the_limit_is_what_the_model_had_to_say():
    found, error, _ = pieces(lambda _: Reply("我们可以", finish_reason="length"))
    assert ("".join(found), error) == ("我们可以", None)


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
        (Reply(" \n"), "blank", None, "without a visible character"),
    ],
)
def test_whatever_goes_wrong_is_one_exception_with_its_reason(reply, kind, status, said):
    _, error, _ = pieces(lambda _: reply)
    assert error is not None
    assert (error.kind, error.status) == (kind, status)
    assert said in str(error)
    assert "\n" not in str(error)


def test_what_came_before_a_break_is_yielded_and_then_taken_back_by_the_exception():
    found, error, _ = pieces(lambda _: Reply("听起来你很累。", breaks_at=5))
    assert "".join(found) == "听起来你很"
    assert error is not None


def test_a_server_that_is_not_there_says_so():
    endpoint = Endpoint("http://127.0.0.1:9/v1", "glm4_lora")

    async def read() -> list[str]:
        return [piece async for piece in streamed(endpoint, SAID)]

    with pytest.raises(NoReply, match=r"connection attempts failed|refused") as caught:
        asyncio.run(read())
    assert caught.value.kind == "away"


def test_a_server_that_falls_silent_is_waited_for_no_longer_than_the_timeout():
    _, error, _ = pieces(lambda _: Reply("听起来你很累。", pause=5.0), timeout=0.3)
    assert error is not None
    assert (error.kind, str(error)) == ("away", "Request timed out.")
