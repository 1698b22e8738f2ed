"""The command as typed: its lines, its exit codes, a kill, and what takes its output on."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import prompts
from converters.__main__ import app
from converters.calm_it.frameworks import most_requests
from mi_llm.dialogue import read_dialogues
from tests.commands import run_here
from tests.converters.calm_script import MARKED, ScriptedModel, part
from tests.converters.llm_jobs import KEY, ROOT, environment, lines, loaded, text
from tests.llm_server import LLMServer, Received, Reply, with_latency


def saved_profiles(folder: Path, count: int, **changed: Any) -> Path:
    path = folder / "profiles.jsonl"
    people = [{**MARKED, **changed, "id": f"marked-{n}"} for n in range(1, count + 1)]
    path.write_text("".join(f"{text(one)}\n" for one in people), encoding="utf-8")
    return path


def command(server: LLMServer, *words: object) -> list[str]:
    where = ["--base-url", server.base_url, "--model", "tester"]
    return [sys.executable, "-m", "converters", "calm-it", *where, *map(str, words)]


def run(server: LLMServer, *words: object) -> Any:
    return run_here(app, *command(server, *words)[3:], environment=environment())


def converters(*words: object) -> Any:
    return run_here(app, *words, environment=environment())


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "made" / "calm.jsonl"


def test_the_command_tells_what_it_made_and_stamps_how(tmp_path: Path, out: Path):
    people = saved_profiles(tmp_path, 2)
    with LLMServer(ScriptedModel()) as server:
        done = run(server, people, "-o", out, "--rounds", 10, "--sessions", 2)
        sent = len(server.received)
        again = run(server, people, "-o", out, "--rounds", 10, "--sessions", 2)
        assert len(server.received) == sent
    assert (done.returncode, done.stderr) == (0, "")
    told, *warned, last = done.stdout.splitlines()
    assert told.startswith("40 rounds; ended by 4 max_rounds; 196 requests, ")
    assert last == f"{out}: made 4 of 4"
    # The scripted model gives the same reason each time; a strategy not allowed has none.
    clients, counselors = sorted(line.partition(" are the same")[0] for line in warned)
    assert clients == "warning: 36 of 36 client's reasons"  # nine of each dialogue
    with_reason = int(counselors.split()[1])
    assert counselors == f"warning: {with_reason} of {with_reason} counselor's reasons"
    assert 30 <= with_reason <= 40
    assert again.returncode == 2
    assert "exists; add --overwrite" in again.stderr
    assert len(list(read_dialogues(out))) == 4
    assert lines(out.with_name("calm.jsonl.aside.jsonl")) == []
    stamp = loaded(out.with_name("calm.jsonl.stamp.json"))
    assert {name: stamp[name] for name in ("framework", "rounds", "seed", "prompt_tokens")} == {
        "framework": "calm-it",
        "rounds": 10,
        "seed": 42,
        "prompt_tokens": 4000,
    }
    counts = stamp["counts"]
    expected = {"sessions": 4, "dialogues": 4, "rounds": 40, "ended: max_rounds": 4}
    assert {name: counts[name] for name in expected} == expected
    assert counts["requests"] == 4 * most_requests("calm-it", 10) == sent
    assert counts["counselor's reasons that hardly vary"] == with_reason
    used = {
        "calm_client_speaker.v1",
        "calm_client_tracker.v1",
        "calm_counselor_speaker.v1",
        "calm_counselor_tracker.v1",
        "calm_selector.v2",
        "calm_strategies.v1",
    }
    assert stamp["prompts"] == {name: prompts.load(name).sha for name in used}
    assert stamp["inputs"].keys() == {str(people)}
    assert stamp["endpoint"]["model"] == "tester"
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert KEY.encode() not in everything


def test_a_run_that_is_killed_is_taken_up_and_asks_nothing_twice_that_was_answered(
    tmp_path: Path, out: Path
):
    people = saved_profiles(tmp_path, 4)
    words = [people, "-o", out, "--rounds", 4, "--concurrency", 2]
    whole = 4 * most_requests("calm-it", 4)
    with LLMServer(with_latency(ScriptedModel(), 0.02, 0.08, seed=1)) as server:
        for goal in (10, 40):
            process = subprocess.Popen(
                command(server, *words), cwd=ROOT, env=environment(), stderr=subprocess.DEVNULL
            )
            deadline = time.monotonic() + 60
            while sum(server.answered.values()) < goal and time.monotonic() < deadline:
                time.sleep(0.005)
            process.kill()
            process.wait()
            assert whole > sum(server.answered.values()) >= goal
            assert [path.name for path in out.parent.iterdir()] == ["calm.jsonl.ledger.jsonl"]
        done = run(server, *words)
        # At most the two in flight are asked again after each of two kills.
        assert whole <= len(server.received) <= whole + 2 * 2
    assert (done.returncode, done.stderr) == (0, "")
    undisturbed = tmp_path / "undisturbed" / "calm.jsonl"
    with LLMServer(ScriptedModel()) as server:
        assert run(server, people, "-o", undisturbed, "--rounds", 4).returncode == 0
    assert out.read_bytes() == undisturbed.read_bytes()


def test_a_dry_run_tells_sessions_requests_and_tokens_and_sends_nothing(tmp_path: Path, out: Path):
    people = saved_profiles(tmp_path, 3)
    prices = tmp_path / "prices.json"
    prices.write_text(text({"tester": {"input": 1, "output": 2, "currency": "CNY"}}))
    words = [people, "-o", out, "--rounds", 20, "--sessions", 2, "--dry-run", "--prices", prices]
    with LLMServer(ScriptedModel()) as server:
        done = run(server, *words, "--max-tokens", 500)
        assert server.received == []
    assert (done.returncode, done.stderr) == (0, "")
    # 5 a round and one less for the opening; 4,000 tokens in and 500 out each.
    assert done.stdout.splitlines() == [
        "6 sessions of at most 20 rounds by calm-it",
        "at most 594 requests (99 a session), at most 2,376,000 tokens in"
        " (Chinese 1 a character, other text 1 for 4), at most 297,000 out",
        "cost at most: 2.97 CNY; up to three times that if every answer has to be asked again",
        "nothing was sent",
    ]
    assert not out.parent.exists()


def test_what_is_set_aside_is_told_and_ends_with_one(tmp_path: Path, out: Path):
    people = saved_profiles(tmp_path, 2)

    def script(received: Received) -> Reply | str:
        if part(received) == "calm_counselor_speaker.v1":
            return Reply("  ")
        return ScriptedModel()(received)

    with LLMServer(script) as server:
        done = run(server, people, "-o", out, "--rounds", 5)
    assert done.returncode == 1
    *_, last = done.stdout.splitlines()
    assert last == f"{out}: made 0 of 2: 2 set aside (2 no turn (counselor-speaker))"
    aside = lines(out.with_name("calm.jsonl.aside.jsonl"))
    assert [one["reason"] for one in aside] == ["no turn (counselor-speaker): blank answer"] * 2
    assert loaded(out.with_name("calm.jsonl.stamp.json"))["counts"]["sessions"] == 2


def test_a_budget_that_is_gone_stops_and_a_larger_one_goes_on(tmp_path: Path, out: Path):
    people = saved_profiles(tmp_path, 1)
    prices = tmp_path / "prices.json"
    prices.write_text(text({"tester": {"input": 0, "output": 100, "currency": "CNY"}}))
    words = [people, "-o", out, "--rounds", 4, "--prices", prices, "--max-tokens", 1000]
    with LLMServer(ScriptedModel()) as server:
        short = run(server, *words, "--budget", 0.2)
        some = len(server.received)
        assert not out.exists()
        done = run(server, *words, "--budget", 10)
        assert len(server.received) == most_requests("calm-it", 4) > some > 0
    assert (short.returncode, short.stdout) == (3, "")
    assert short.stderr.startswith("stopped: budget")
    assert short.stderr.endswith("; run the same command again to go on\n")
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--framework", "calmit"], "'calmit' is not one of"),
        (["--rounds", 0], "Invalid value for '--rounds'"),
        (["--base-url", "https://models.example/v1"], "--allow-host models.example"),
    ],
)
def test_a_mistake_is_told_before_anything_is_sent(
    tmp_path: Path, out: Path, words: list[Any], told: str
):
    people = saved_profiles(tmp_path, 1)
    with LLMServer(ScriptedModel()) as server:
        done = run(server, people, "-o", out, *words)
        assert server.received == []
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert not out.exists()


def test_a_bad_profile_is_one_line_with_its_name(tmp_path: Path, out: Path):
    people = saved_profiles(tmp_path, 1, receptivity=9)
    with LLMServer(ScriptedModel()) as server:
        done = run(server, people, "-o", out)
        assert server.received == []
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "profile 'marked-1': receptivity: 9 is above 5" in line


def test_dialogues_go_on_through_review_split_and_alpaca_and_rows_hold_only_what_was_said(
    tmp_path: Path, out: Path
):
    people = saved_profiles(tmp_path, 3)
    with LLMServer(ScriptedModel()) as server:
        assert run(server, people, "-o", out, "--rounds", 10, "--sessions", 2).returncode == 0
    review = converters("review", out, "-o", tmp_path / "review")
    assert (review.returncode, review.stderr) == (0, "")
    split = converters("split", out, "-o", tmp_path / "sets", "--test", 2, "--seed", 1)
    assert split.returncode == 0
    parts = [
        *read_dialogues(tmp_path / "sets" / "train.jsonl"),
        *read_dialogues(tmp_path / "sets" / "test.jsonl"),
    ]
    # Each is as it was, with all of its meta.
    assert sorted(parts, key=lambda one: one.id) == sorted(
        read_dialogues(out), key=lambda one: one.id
    )
    rows_path = tmp_path / "rows.json"
    assert converters("alpaca", out, "-o", rows_path).returncode == 0
    rows = json.loads(rows_path.read_text(encoding="utf-8"))
    assert len(rows) == 6 * 10
    dialogues = {one.id: one for one in read_dialogues(out)}
    for row in rows:
        assert set(row) == {"id", "instruction", "input", "output", "history"}
        name, _, number = row["id"].rpartition("#")
        said = dialogues[name].rounds
        assert [row["input"], row["output"]] == [
            said[int(number) - 1].client,
            said[int(number) - 1].counselor,
        ]
        assert row["history"] == [[one.client, one.counselor] for one in said[: int(number) - 1]]
        assert row["instruction"] == prompts.load("counselor.v1").text


def test_a_selector_that_gives_the_example_back_chooses_nothing_and_leaks_nothing(
    tmp_path: Path, out: Path
):
    """Once as it stands, then with a strategy in its place and the words for the reason."""
    people = saved_profiles(tmp_path, 1)
    model = ScriptedModel()

    def script(received: Received) -> Reply | str:
        if part(received) != "calm_selector.v2":
            return model(received)
        block = str(received.body["messages"][0]["content"].split("```json")[1].split("```")[0])
        return block if received.time == 1 else block.replace("<做法的名字>", "affirm")

    with LLMServer(script) as server:
        done = run(server, people, "-o", out, "--rounds", 3)
    assert done.returncode == 0, done.stderr
    assert "answers that were the example of their prompt: 9; " in done.stderr
    assert loaded(out.with_name("calm.jsonl.stamp.json"))["counts"]["selector_fallback"] == 3
    (dialogue,) = read_dialogues(out)
    rounds = dialogue.meta["calm_it"]["rounds"]
    assert [one["counselor"].get("reason") for one in rounds] == [None] * 3
