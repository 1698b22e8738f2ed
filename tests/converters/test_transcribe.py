from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import prompts
from converters.transcription.transcribe import sent_id
from tests.converters.llm_jobs import (
    KEY,
    ROOT,
    asked,
    command,
    environment,
    lines,
    loaded,
    rewriting,
    run,
    saved,
    skipping,
    talks,
    text,
)
from tests.llm_server import (
    BLANK,
    CUT_OFF,
    NOT_JSON,
    LLMServer,
    Received,
    Reply,
    with_latency,
)

NUMBERS = {sent_id(f"a/{n}"): n for n in range(100)}


def good(received: Received) -> str:
    return text(rewriting(received))


def number(received: Received) -> int:
    """Which of the dialogues is asked about."""
    return NUMBERS[asked(received)["source_id"]]


def everything(folder: Path) -> bytes:
    """All bytes in a folder, for seeing what is nowhere in it."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "made" / "mi.jsonl"


def test_dialogues_come_out_rewritten_in_the_order_of_their_sources(tmp_path: Path, out: Path):
    source = saved(tmp_path / "in.jsonl", talks("a", 12, topic="睡眠"))
    with LLMServer(with_latency(good, 0, 0.1, seed=3)) as server:
        done = run(server, "transcribe", source, "-o", out)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{out}: kept 12 of 12\n"
    found = lines(out)
    assert [one["id"] for one in found] == [f"a/{n}" for n in range(12)]
    assert found[5] == {
        "id": "a/5",
        "turns": [
            {"role": "client", "content": "a第5次想早点睡。"},
            {"role": "counselor", "content": "你在想换个作息。"},
            {"role": "client", "content": "嗯。"},
            {"role": "counselor", "content": "这件事你惦记着。"},
            {"role": "client", "content": "是。"},
            {"role": "counselor", "content": "怎么做由你定。"},
        ],
        "meta": {
            "topic": "睡眠",
            "transcription": {
                "source_id": "a/5",
                "target_behaviour": {
                    "label": "十一点前上床",
                    "category": "sleep",
                    "direction": "start",
                },
                "risk_flags": ["none"],
                "annotations": [{"turn": 2, "task": "engaging", "codes": ["CR"]}],
            },
        },
    }
    assert lines(out.with_name("mi.jsonl.aside.jsonl")) == []
    stamp = loaded(out.with_name("mi.jsonl.stamp.json"))
    assert stamp["counts"] == {"dialogues": 12, "kept": 12}
    assert stamp["prompts"] == {"transcribe.v1": prompts.load("transcribe.v1").sha}
    assert stamp["endpoint"]["model"] == "tester"
    assert stamp["endpoint"]["parameters"] == {"max_tokens": 8192, "temperature": 0.0}
    assert stamp["inputs"].keys() == {str(source)}
    assert KEY.encode() not in everything(tmp_path)


def test_the_prompt_goes_first_and_neither_meta_nor_personal_data_go_at_all(
    tmp_path: Path, out: Path
):
    (one,) = talks("a", 1, topic="不许外传")
    turns = (type(one.turns[0])("client", "我的电话是13800138000，想早点睡。"), one.turns[1])
    source = saved(tmp_path / "in.jsonl", [type(one)(one.id, turns, one.meta)])
    with LLMServer(good) as server:
        done = run(server, "transcribe", source, "-o", out)
    assert done.returncode == 0
    (received,) = server.received
    system, user = received.body["messages"]
    assert system == {"role": "system", "content": prompts.load("transcribe.v1").text}
    assert asked(received)["source_id"] == sent_id("a/0")
    assert b"a/0" not in received.raw
    assert [turn["role"] for turn in asked(received)["dialogue"]] == ["client", "counselor"]
    assert "不许外传" not in user["content"]
    assert b"13800138000" not in received.raw
    masked = loaded(out.with_name("mi.jsonl.stamp.json"))["endpoint"]["masked"]
    assert sum(masked.values()) == 1


def without_target(received: Received) -> Reply | str:
    return text({**rewriting(received), "target_behavior": None})


BAD: dict[int, Callable[[Received], Reply | str]] = {
    1: lambda _: NOT_JSON,
    2: lambda _: CUT_OFF,
    3: lambda _: BLANK,
    4: without_target,
    5: lambda received: text({**rewriting(received), "source_id": "a/5"}),
    6: lambda received: text(skipping(received)),
    7: lambda _: Reply("", finish_reason="content_filter"),
}


def test_what_cannot_be_used_is_told_with_its_reason_and_is_not_asked_again(
    tmp_path: Path, out: Path
):
    source = saved(tmp_path / "in.jsonl", talks("a", 9))
    with LLMServer(lambda received: BAD.get(number(received), good)(received)) as server:
        done = run(server, "transcribe", source, "-o", out)
        sent = len(server.received)
        # Three asks for each that may get better by it, one for the filter's, the skip, the good.
        assert sent == 5 * 3 + 4
        again = run(server, "transcribe", source, "-o", out, "--overwrite")
        assert len(server.received) == sent
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == again.stdout
    told = done.stdout.strip()
    assert told.startswith(f"{out}: kept 2 of 9: 1 skipped, 6 set aside (2 breaks a rule, ")
    assert "1 blank answer" in told
    assert "1 does not fit the schema" in told
    assert [one["id"] for one in lines(out)] == ["a/0", "a/8"]
    aside = {one.pop("id"): one for one in lines(out.with_name("mi.jsonl.aside.jsonl"))}
    assert list(aside) == [f"a/{n}" for n in range(1, 8)]
    assert aside["a/1"]["text"] == NOT_JSON.text
    assert "cut off" in aside["a/2"]["reason"]
    assert "must name the behaviour" in aside["a/4"]["reason"]
    assert f"it must be {sent_id('a/5')!r}" in aside["a/5"]["reason"]
    assert {aside[f"a/{n}"]["status"] for n in (1, 2, 3, 4, 5, 7)} == {"set aside"}
    assert (aside["a/6"]["status"], aside["a/6"]["reason"]) == ("skipped", "来访者只是讲述哀伤")
    counts = loaded(out.with_name("mi.jsonl.stamp.json"))["counts"]
    assert (counts["dialogues"], counts["kept"], counts["skipped"]) == (9, 2, 1)
    assert sum(counts.values()) == 9 + 9


def test_a_skip_is_a_result_and_no_failure(tmp_path: Path, out: Path):
    source = saved(tmp_path / "in.jsonl", talks("a", 2))
    with LLMServer(lambda received: text(skipping(received))) as server:
        done = run(server, "transcribe", source, "-o", out)
    assert (done.returncode, done.stdout) == (0, f"{out}: kept 0 of 2: 2 skipped\n")
    assert lines(out) == []


def test_a_model_is_told_which_rule_it_broke_and_may_mend_it(tmp_path: Path, out: Path):
    source = saved(tmp_path / "in.jsonl", talks("a", 1))

    def second(received: Received) -> Reply | str:
        return (without_target if received.time == 1 else good)(received)

    with LLMServer(second) as server:
        done = run(server, "transcribe", source, "-o", out)
    assert (done.returncode, done.stdout) == (0, f"{out}: kept 1 of 1\n")
    _, mending = server.received
    assert "target_behavior must name the behaviour" in mending.body["messages"][-1]["content"]


def test_a_run_that_is_killed_leaves_no_output_and_the_same_command_ends_it(
    tmp_path: Path, out: Path
):
    source = saved(tmp_path / "in.jsonl", talks("a", 30))
    words = ["transcribe", source, "-o", out, "--concurrency", 3]
    ledger = out.with_name("mi.jsonl.ledger.jsonl")
    with LLMServer(with_latency(good, 0.1, 0.2, seed=1)) as server:
        for goal in (5, 15):
            process = subprocess.Popen(
                command(server, *words), cwd=ROOT, env=environment(), stderr=subprocess.DEVNULL
            )
            deadline = time.monotonic() + 60
            while sum(server.answered.values()) < goal and time.monotonic() < deadline:
                time.sleep(0.01)
            process.kill()
            process.wait()
            assert sum(server.answered.values()) >= goal
            assert [path.name for path in out.parent.iterdir()] == [ledger.name]
        done = run(server, *words)
        # At most the three in flight are asked again after each of two kills.
        assert 30 <= len(server.received) <= 30 + 2 * 3
    assert (done.returncode, done.stdout) == (0, f"{out}: kept 30 of 30\n")
    assert [one["id"] for one in lines(out)] == [f"a/{n}" for n in range(30)]


def test_a_budget_that_is_gone_stops_and_a_larger_one_goes_on(tmp_path: Path, out: Path):
    source = saved(tmp_path / "in.jsonl", talks("a", 6))
    prices = tmp_path / "prices.json"
    prices.write_text(text({"tester": {"input": 0, "output": 100, "currency": "CNY"}}))
    # An answer may cost 0.1 (1,000 tokens) and costs 0.0533 (533 characters, the server's tokens):
    # two fit into 0.2, and behind them a third might not.
    words = ["transcribe", source, "-o", out, "--max-tokens", 1000, "--prices", prices]
    with LLMServer(good) as server:
        short = run(server, *words, "--budget", 0.2)
        assert len(server.received) == 2
        assert len(good(server.received[0])) == 533
        assert not out.exists()
        done = run(server, *words, "--budget", 2)
        assert len(server.received) == 6
    assert (short.returncode, short.stdout) == (3, "")
    assert short.stderr.startswith("stopped: budget")
    assert short.stderr.endswith("; run the same command again to go on\n")
    assert (done.returncode, done.stdout) == (0, f"{out}: kept 6 of 6\n")


def test_a_dry_run_tells_sends_nothing_and_writes_nothing(tmp_path: Path, out: Path):
    source = saved(tmp_path / "in.jsonl", talks("a", 7))
    with LLMServer(good) as server:
        done = run(server, "transcribe", source, "-o", out, "--dry-run")
        assert server.received == []
    assert (done.returncode, done.stderr) == (0, "")
    assert "7 requests" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--prompt", "transcribe.v0"], "no prompt 'transcribe.v0'; there are: "),
        (["--base-url", "https://models.example/v1"], "--allow-host models.example"),
        (["--overwrite", "--concurrency", 0], "--concurrency 0: must be above 0"),
    ],
)
def test_a_mistake_is_told_before_anything_is_sent(
    tmp_path: Path, out: Path, words: list[Any], told: str
):
    source = saved(tmp_path / "in.jsonl", talks("a", 2))
    with LLMServer(good) as server:
        done = run(server, "transcribe", source, "-o", out, *words)
        assert server.received == []
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert told in line


def test_an_output_that_exists_and_a_bad_last_line_are_found_before_anything_is_sent(
    tmp_path: Path, out: Path
):
    source = saved(tmp_path / "in.jsonl", talks("a", 2))
    with LLMServer(good) as server:
        there = run(server, "transcribe", source, "-o", source)
        with source.open("a") as stream:
            stream.write('{"id": "a/9", "turns": []}\n')
        bad = run(server, "transcribe", source, "-o", out)
        assert server.received == []
    assert (there.returncode, bad.returncode) == (2, 2)
    assert "is read by this command" in there.stderr
    assert f"{source}:3: a/9: has no turns" in bad.stderr
