from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from mi_llm.door import sending
from mi_llm.door.spending import Price, Prices
from mi_llm.errors import Stopped
from mi_llm.llm import Answer, Door, Endpoint, Request, SetAside, Tally, ask_all, plan
from tests.llm_server import (
    BLANK,
    CUT_OFF,
    RESET,
    LLMServer,
    Received,
    Reply,
    Script,
    failed,
    refusing,
    too_many,
)

GOOD = '{"reply": "好的"}'


class Spoken(BaseModel):
    reply: str


def request(name: str, *, text: str | None = None, **more: Any) -> Request:
    return Request(name, ({"role": "user", "content": text or name},), **{"schema": Spoken, **more})


def endpoint(server: LLMServer, **more: Any) -> Endpoint:
    return Endpoint(server.base_url, "tester", **{"first_pause": 0.02, **more})


@pytest.fixture
def serve() -> Iterator[Callable[..., LLMServer]]:
    """Starts servers that end with the test."""
    started: list[LLMServer] = []

    def start(script: Script = lambda received: GOOD, **more: Any) -> LLMServer:
        started.append(LLMServer(script, **more).__enter__())
        return started[-1]

    yield start
    for server in started:
        server.__exit__()


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "out.ledger.jsonl"


def asked(
    requests: list[Request], to: Endpoint, ledger: Path, **more: Any
) -> list[Answer | SetAside]:
    """The results in the order of the requests."""
    order = [each.id for each in requests]
    results = ask_all(requests, to, ledger, progress=False, **more)
    return sorted(results, key=lambda result: order.index(result.id))


def kept(result: Answer | SetAside) -> Answer:
    """The answer as it is when the ledger holds it."""
    assert isinstance(result, Answer)
    return replace(result, from_ledger=True)


def lines(ledger: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ledger.read_text().splitlines()]


def test_answers_come_validated_with_the_tokens_that_the_server_counted(serve, ledger):
    server = serve()
    [answer] = asked([request("a")], endpoint(server), ledger)
    [received] = server.received
    tokens_in = len(received.body["messages"][0]["content"])  # the test server counts characters
    assert answer == Answer("a", GOOD, Spoken(reply="好的"), tokens_in, len(GOOD), False)


def test_nothing_whose_answer_is_in_the_ledger_is_asked_again(serve, ledger):
    server = serve()
    requests = [request(f"r{number}") for number in range(5)]
    first = asked(requests, endpoint(server), ledger)
    second = asked([*requests, request("new")], endpoint(server), ledger)
    assert [kept(each) for each in first] == second[:5]
    assert server.prompts.total() == 6
    assert len(lines(ledger)) == 6


@pytest.mark.parametrize(
    "change",
    [{"model": "other"}, {"temperature": 0.7}, {"max_tokens": 9}, {"extra": {"seed": 1}}],
    ids=str,
)
def test_another_model_or_parameter_is_another_question(serve, ledger, change):
    server = serve()
    asked([request("a")], endpoint(server), ledger)
    asked([request("a")], replace(endpoint(server), **change), ledger)
    assert server.prompts.total() == 2


def test_another_schema_or_prompt_is_another_question_but_another_port_is_not(serve, ledger):
    class Other(BaseModel):
        reply: str
        more: str = ""

    server, moved = serve(), serve()
    asked([request("a")], endpoint(server), ledger)
    asked([request("a", schema=Other)], endpoint(server), ledger)
    asked([request("a", prompt_sha="2" * 64)], endpoint(server), ledger)
    assert server.prompts.total() == 3
    asked([request("a")], endpoint(moved), ledger)
    assert not moved.received


def test_the_same_question_under_two_names_is_asked_once(serve, ledger):
    server = serve(lambda received: Reply(GOOD, delay=0.1))
    results = asked([request(name, text="同") for name in "abc"], endpoint(server), ledger)
    assert [result.id for result in results] == ["a", "b", "c"]
    assert server.prompts.total() == 1


@pytest.mark.parametrize(
    ("refused", "taken"),
    [
        ([], "json_schema"),
        (["json_schema"], "json_object"),
        (["json_schema", "json_object"], ""),
    ],
)
def test_a_format_that_the_server_refuses_is_left_for_a_simpler_one_and_not_tried_again(
    serve, ledger, refused, taken
):
    server = serve(refusing(lambda received: GOOD, *refused))
    to = endpoint(server, concurrency=1)
    results = asked([request(name) for name in "abcdef"], to, ledger)
    assert [type(result) for result in results] == [Answer] * 6
    formats = [each.format for each in server.received]
    assert formats[formats.index(taken) :] == [taken] * 6
    assert set(formats) == {*refused, taken}
    assert [line["mode"] for line in lines(ledger)] == [taken or "plain"] * 6


@pytest.mark.parametrize(
    ("fails", "taken"), [(["json_schema"], "json_object"), (["json_schema", "json_object"], "")]
)
def test_a_format_at_which_the_server_fails_is_tried_twice_and_then_left_for_a_simpler_one(
    serve, ledger, fails, taken
):
    server = serve(lambda received: failed(500) if received.format in fails else GOOD)
    [answer] = asked([request("a")], endpoint(server), ledger)
    assert isinstance(answer, Answer)
    tried = [name for name in fails for _ in range(2)]
    assert [each.format for each in server.received] == [*tried, taken]
    server.received.clear()
    asked([request(name) for name in "bcdef"], endpoint(server, concurrency=1), ledger)
    assert [each.format for each in server.received][-3:] == [taken] * 3  # known by then


def test_a_server_that_fails_at_every_format_is_given_up_as_before(serve, ledger):
    server = serve(lambda received: failed(500, message="broken"))
    with pytest.raises(Stopped, match="HTTP 500: broken"):
        asked([request("a")], endpoint(server, attempts=3), ledger)
    formats = [each.format for each in server.received]
    assert formats == ["json_schema"] * 2 + ["json_object"] * 2 + [""] * 3


TOO_LONG = [
    (400, "This model's maximum context length is 6144 tokens. However, you requested 8500 tokens"),
    (400, "'max_tokens' is too large: 8192. This model's maximum context length is 6144 tokens"),
    (400, "the request exceeds the available context size (6144 tokens), try increasing it"),
    (500, "the request exceeds the available context size. try increasing the context size"),
    (400, "The decoder prompt (length 8500) is longer than the maximum model length of 6144."),
    (400, "The input (9000 tokens) is longer than the model's context length (8192 tokens)."),
    (422, "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 9"),
    (400, "prompt is too long: 210000 tokens > 200000 maximum"),
    (400, "Invalid request: Your request exceeded model token limit: 8192"),
    (400, "Range of input length should be [1, 30720]"),
    (400, "Prompt 超长"),
    (400, "输入内容过长，超过了模型的最大长度"),
    (413, "Request too large: input is too long"),
]


@pytest.mark.parametrize(("status", "said"), TOO_LONG)
def test_a_request_longer_than_the_context_is_told_so_and_not_tried_in_other_ways(
    serve, ledger, status, said
):
    server = serve(lambda received: failed(status, message=said))
    to = endpoint(server, max_tokens=8192)
    [result] = asked([request("a")], to, ledger)
    assert isinstance(result, SetAside)
    kind, _, detail = result.reason.partition(":")
    assert kind == (
        "longer than the model's context, with --max-tokens 8192; lower that, or serve the model"
        " with a longer context"
    )
    assert detail.endswith(" ".join(said.split()))
    assert len(server.received) == 1
    assert list(to.notes.lines()) == [f"1 request: {result.reason}"]


@pytest.mark.parametrize(
    "said", ["Invalid JSON in request", "unknown role: counselor", "temperature must be below 2"]
)
def test_another_refusal_is_not_taken_for_one_of_length(serve, ledger, said):
    [result] = asked([request("a")], endpoint(serve(lambda _: failed(400, message=said))), ledger)
    assert isinstance(result, SetAside)
    assert result.reason == f"no answer: HTTP 400: {said}"


def test_a_late_refusal_of_a_format_does_not_count_against_the_request(serve, ledger):
    def script(received: Received) -> Reply | str:
        if received.format == "json_schema":  # b is told long after a was answered without it
            return replace(failed(400), delay=0.3 if received.prompt[0] == "b" else 0.0)
        return GOOD

    results = asked([request("a"), request("b")], endpoint(serve(script)), ledger)
    assert [type(result) for result in results] == [Answer] * 2


def test_a_request_refused_for_its_own_sake_does_not_cost_the_others_their_format(serve, ledger):
    def script(received: Received) -> Reply | str:
        return failed(400, "context_length_exceeded") if received.prompt[0] == "长" else GOOD

    server = serve(script)
    long, *short = asked(
        [request("a", text="长"), request("b"), request("c", text="长")],
        endpoint(server, concurrency=1),
        ledger,
    )
    assert long == SetAside(
        "a",
        "longer than the model's context, with --max-tokens 4096; lower that, or serve the model"
        " with a longer context: HTTP 400: scripted 400",
        "",
    )
    assert isinstance(short[0], Answer)
    assert [each.format for each in server.received if each.prompt[0] == "b"] == ["json_schema"]
    # Once a format is known to work, a refusal is for the request: no second and third try.
    assert server.received[-1].prompt[0] == "长"
    assert [each.format for each in server.received[-1:]] == ["json_schema"]
    assert [line["id"] for line in lines(ledger)] == ["b"]


def test_a_server_that_ignores_the_format_is_believed_only_after_validation(serve, ledger):
    server = serve(lambda received: f"好，这是结果：\n```json\n{GOOD[:-1]},}}\n```\n希望有帮助。")
    [answer] = asked([request("a")], endpoint(server), ledger)
    assert isinstance(answer, Answer)
    assert answer.value == Spoken(reply="好的")


def test_an_answer_that_does_not_fit_is_asked_again_with_what_is_wrong(serve, ledger):
    def script(received: Received) -> str:
        return GOOD if received.time == 2 else '{"answer": "好"}'

    server = serve(script)
    [answer] = asked([request("a")], endpoint(server), ledger)
    assert isinstance(answer, Answer)
    _, wrong, told = server.received[1].body["messages"]
    assert wrong == {"role": "assistant", "content": '{"answer": "好"}'}
    assert told["role"] == "user"
    assert "reply: Field required" in told["content"]
    assert [line["problem"] for line in lines(ledger)] == [
        "does not fit the schema: reply: Field required",
        None,
    ]


def test_a_rule_beyond_the_schema_is_told_too(serve, ledger):
    def check(value: Spoken) -> str | None:
        return None if value.reply == "好的" else "一轮只能有一个问题"

    server = serve(lambda received: GOOD if received.time == 2 else '{"reply": "？？"}')
    [answer] = asked([request("a", check=check)], endpoint(server), ledger)
    assert isinstance(answer, Answer)
    assert "一轮只能有一个问题" in server.received[1].body["messages"][2]["content"]


def test_after_two_more_tries_it_is_set_aside_with_its_raw_text_and_stays_so(serve, ledger):
    server = serve(lambda received: f"无法回答{received.time}")
    reason = "does not fit the schema: no JSON object in it"
    expected = [SetAside("a", reason, "无法回答3")]
    tally = Tally()
    assert asked([request("a")], endpoint(server), ledger) == expected
    assert asked([request("a")], endpoint(server), ledger, tally=tally) == expected
    assert server.prompts.total() == 3
    assert (tally.set_aside, tally.from_ledger, tally.sent) == (1, 1, 0)


def test_again_asks_what_was_set_aside_and_nothing_else(serve, ledger):
    server = serve(lambda received: GOOD if received.prompt[0] == "b" else "不行")
    requests = [request("a"), request("b")]
    asked(requests, endpoint(server), ledger)
    server.script = lambda received: GOOD
    first, second = asked(requests, endpoint(server), ledger, again=True)
    assert isinstance(first, Answer)
    assert isinstance(second, Answer)
    assert [each.prompt[0] for each in server.received].count("a") == 4
    assert [each.prompt[0] for each in server.received].count("b") == 1
    assert asked(requests, endpoint(server), ledger)[0] == kept(first)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (BLANK, "blank answer"),
        (CUT_OFF, "cut off at the longest answer allowed (--max-tokens)"),
        (
            Reply(GOOD, finish_reason="length"),
            "cut off at the longest answer allowed (--max-tokens)",
        ),
    ],
)
def test_blank_and_cut_off_answers_are_failures_asked_again_as_they_were(
    serve, ledger, bad, reason
):
    server = serve(lambda received: bad)
    [result] = asked([request("a")], endpoint(server), ledger)
    assert result == SetAside("a", reason, bad.text)
    assert [each.body for each in server.received] == [server.received[0].body] * 3
    server.script = lambda received: GOOD
    [result] = asked([request("b")], endpoint(server), ledger)
    assert isinstance(result, Answer)


def test_without_a_schema_any_text_that_is_not_blank_is_an_answer(serve, ledger):
    server = serve(lambda received: "听起来很累。")
    [answer] = asked([request("a", schema=None)], endpoint(server), ledger)
    assert answer == Answer("a", "听起来很累。", None, 1, 6, False)  # counted in characters
    assert "response_format" not in server.received[0].body
    assert server.received[0].body["messages"] == [{"role": "user", "content": "a"}]


@pytest.mark.parametrize("odd", [BLANK, CUT_OFF])
def test_where_any_text_is_wanted_a_blank_or_cut_off_one_is_an_answer(serve, ledger, odd):
    server = serve(lambda received: odd)
    wanted = request("a", schema=None, any_text=True)
    for there in (False, True):
        [answer] = asked([wanted], endpoint(server), ledger)
        told = (1, len(odd.text), there, odd.finish_reason, odd is CUT_OFF)  # in characters
        assert answer == Answer("a", odd.text, None, *told)
    assert len(server.received) == 1
    assert lines(ledger)[0]["problem"] is None


def test_usage_that_the_server_does_not_tell_is_unknown_not_zero(serve, ledger):
    server = serve(lambda received: Reply(GOOD, usage=False))
    tally = Tally()
    [answer] = asked([request("a")], endpoint(server), ledger, tally=tally)
    assert answer == Answer("a", GOOD, Spoken(reply="好的"), None, None, False)
    assert lines(ledger)[0]["tokens_out"] is None
    assert tally.uncounted == 1


@pytest.mark.parametrize("told", ["10", -1, 10**20, True, [1], 1.5])
def test_a_count_of_tokens_that_is_none_is_unknown_and_the_ledger_stays_readable(told):
    came = {
        "choices": [{"message": {"content": "好"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": told, "completion_tokens": 3},
    }
    read = sending.read(came, Endpoint("http://127.0.0.1/v1", "m"))
    assert read == ("好", "stop", None, 3)


@pytest.mark.parametrize(
    "refusal",
    [
        failed(400, "content_filter", "The response was filtered"),
        failed(400, "data_inspection_failed", "Input data may contain inappropriate content."),
        failed(400, "invalid_request_error", "Content Exists Risk"),
        Reply("", finish_reason="content_filter"),
        Reply(
            body=json.dumps(
                {"choices": [{"message": {"content": None, "refusal": "I can't"}, "index": 0}]}
            )
        ),
    ],
)
def test_a_content_filter_is_a_result_recorded_and_not_asked_again(serve, ledger, refusal):
    server = serve(lambda received: refusal)
    for _ in range(2):
        [result] = asked([request("a")], endpoint(server), ledger)
        assert isinstance(result, SetAside)
        assert result.reason == "refused by the service"
    assert server.prompts.total() == 1
    assert lines(ledger)[0]["problem"] == "refused by the service"


def test_parameters_go_out_as_the_endpoint_says(serve, ledger):
    server = serve()
    to = endpoint(server, new_token_limit=True, temperature=None, extra={"enable_thinking": False})
    asked([request("a")], to, ledger)
    body = server.received[0].body
    assert body["max_completion_tokens"] == 4096
    assert body["enable_thinking"] is False
    assert not {"max_tokens", "temperature"} & set(body)


def test_a_plan_counts_tokens_and_money_and_sends_nothing(serve, ledger):
    server = serve()
    prices = Prices("CNY", {"tester": Price(input=2.0, output=8.0)})
    to = endpoint(server, prices=prices, max_tokens=1000)
    # "四个汉字abcdefgh": 4 Chinese characters and 8 others make 4 + 2 tokens, and 4 for the
    # message: 10. Two of them: 20 in, 2,000 out; 20 x 2 + 2,000 x 8 = 16,040 millionths of a CNY.
    requests = [
        request(name, text=f"四个汉字{name}bcdefgh", schema=None) for name in ("a", "b", "c")
    ]
    assert plan(requests, to, ledger).requests == 3
    assert not ledger.exists()
    assert not server.received
    asked(requests[:1], to, ledger)
    planned = plan(requests, to, ledger)
    assert (planned.held, planned.tokens_in, planned.tokens_out) == (1, 20, 2000)
    assert planned.cost == pytest.approx(0.01604)
    assert server.prompts.total() == 1


def test_many_callers_may_ask_at_one_door(serve, ledger):
    server = serve(lambda received: Reply(GOOD, delay=0.05))

    async def scenario() -> list[Answer | SetAside]:
        async with Door(endpoint(server, concurrency=3), ledger) as door:
            return await asyncio.gather(*(door.ask(request(f"r{n}")) for n in range(9)))

    assert [result.id for result in asyncio.run(scenario())] == [f"r{n}" for n in range(9)]
    assert server.most_open == 3


def test_requests_are_read_as_they_are_needed(serve, ledger):
    server = serve()
    read = 0

    def endless() -> Iterator[Request]:
        nonlocal read
        while True:
            read += 1
            yield request(f"r{read}")

    results = ask_all(endless(), endpoint(server, concurrency=4), ledger, progress=False)
    for _ in range(10):
        next(results)
    results.close()  # type: ignore[attr-defined]  # it is a generator
    assert read <= 10 + 2 * 4


def test_no_more_than_so_many_are_in_flight(serve, ledger):
    server = serve(lambda received: Reply(GOOD, delay=0.05))
    asked([request(f"r{n}") for n in range(30)], endpoint(server, concurrency=5), ledger)
    assert server.most_open == 5


@pytest.mark.parametrize(
    "fault",
    [
        too_many("0"),
        failed(500),
        failed(503),
        RESET,
        Reply(body="<html>busy</html>"),
        Reply(body="<html>busy</html>", headers={"content-type": "text/html"}),
        Reply(body='{"error": {"message": "busy"}}'),
    ],
    ids=["429", "500", "503", "reset", "not JSON", "HTML", "error with 200"],
)
def test_faults_of_the_service_are_tried_again(serve, ledger, fault):
    server = serve(lambda received: fault if received.time < 3 else GOOD)
    [answer] = asked([request("a")], endpoint(server, timeout=0.3), ledger)
    assert isinstance(answer, Answer)
    assert [line["attempts"] for line in lines(ledger)] == [3]


def test_a_silence_is_waited_out_once_more_and_then_told_with_the_option_that_changes_it(
    serve, ledger
):
    slow = Reply(GOOD, delay=0.6)
    server = serve(lambda received: slow if received.time < 2 else GOOD)
    to = endpoint(server, timeout=0.3)
    [answer] = asked([request("a")], to, ledger)
    assert isinstance(answer, Answer)
    server.script = lambda received: slow
    with pytest.raises(Stopped) as stopped:
        asked([request("b")], to, ledger)
    assert str(stopped.value) == (
        f"{server.base_url} does not answer: no answer within 0.3 s; a slow model needs a longer"
        " --timeout (2 attempts)"
    )
    assert [each.prompt[0] for each in server.received].count("b") == 2


def test_a_request_that_fails_while_others_do_not_is_set_aside_and_asked_in_the_next_run(
    serve, ledger
):
    def script(received: Received) -> Reply | str:
        return failed(500, message="poison") if received.prompt[0] == "p" else GOOD

    server = serve(script)
    to = endpoint(server, concurrency=2, attempts=3)
    result, *others = asked([request("p"), *(request(f"r{n}") for n in range(9))], to, ledger)
    assert result == SetAside("p", "no answer: HTTP 500: poison (3 attempts)", "")
    assert all(isinstance(other, Answer) for other in others)
    server.script = lambda received: GOOD
    [answer] = asked([request("p")], to, ledger)
    assert isinstance(answer, Answer)
