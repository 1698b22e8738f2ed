from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import termios
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from mi_llm import cli
from mi_llm.door.endpoint import Endpoint
from mi_llm.errors import Stopped
from mi_llm.llm import Answer, SetAside, Tally, ask_all
from mi_llm.secret_settings import KEY_VARIABLES
from tests.llm_driver import ROOT, app, command, environment, requests
from tests.llm_driver import words as typed
from tests.llm_server import (
    LLMServer,
    Received,
    Reply,
    failed,
    too_many,
    with_faults,
    with_latency,
)

Drive = Callable[..., "Done"]
GOOD = '{"reply": "好的"}'


def good(received: Received) -> Reply | str:
    return GOOD


def name_of(prompt: str) -> str:
    return prompt.partition("\n")[0]


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def driven(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Drive:
    """Runs the driver's command line to its end, in this process: starting one takes a second."""
    for name in KEY_VARIABLES:
        monkeypatch.delenv(name, raising=False)

    def drive(base_url: str, ledger: Path, *more: object) -> Done:
        monkeypatch.setattr("sys.argv", ["llm_driver", *typed(base_url, ledger, *more)])
        with pytest.raises(SystemExit) as end:
            cli.run(app)
        code = end.value.code
        return Done(code if isinstance(code, int) else 0, *capsys.readouterr())

    return drive


def lines(ledger: Path) -> list[dict[str, object]]:
    data = ledger.read_bytes()
    assert data.endswith(b"\n")
    return [json.loads(line) for line in data.splitlines()]


def whole_lines(ledger: Path) -> list[dict[str, object]]:
    """Those of a ledger whose writer was killed."""
    return [json.loads(line) for line in ledger.read_bytes().split(b"\n")[:-1]]


def test_500_requests_with_faults_are_all_accounted_for_across_three_kills(driven, ledger):
    count, concurrency = 500, 16
    script = with_latency(with_faults(good, share=0.1, seed=5), 0.01, 0.04, seed=5)
    draw = random.Random(5)
    repeated_at_most = 0
    with LLMServer(script) as server:
        words = (server.base_url, ledger, "--count", count, "--concurrency", concurrency)
        for enough in (60, 180, 320):
            process = subprocess.Popen(
                command(*words), cwd=ROOT, env=environment(), stderr=subprocess.DEVNULL
            )
            until = time.monotonic() + 60
            while not ledger.exists() or len(whole_lines(ledger)) < enough:
                assert process.poll() is None
                assert time.monotonic() < until
                time.sleep(0.005)
            time.sleep(draw.uniform(0, 0.05))
            process.send_signal(signal.SIGKILL)
            process.wait()
            time.sleep(0.1)  # whatever was in flight has reached the server
            repeated_at_most += concurrency
            done = {str(line["id"]) for line in whole_lines(ledger) if line["problem"] is None}
            seen = len(server.received)
            assert enough / 2 < len(done) < count
            last_done, last_seen = done, seen
        finished = driven(*words)
        assert finished.returncode in (0, 1), finished.stderr
    tally = json.loads(finished.stdout)
    assert tally["answered"] + tally["set_aside"] == tally["ids"] == count
    # What had a good answer when it was last killed was not asked again.
    asked_after = {name_of(each.prompt) for each in server.received[last_seen:]}
    assert not asked_after & last_done
    assert asked_after
    held = lines(ledger)
    assert len({line["key"] for line in held}) == len(held)
    # Every answer that the server gave is in the ledger but those in flight at a kill.
    answers = sum(server.answered.values())
    assert len(held) <= answers <= len(held) + repeated_at_most
    assert {line["id"] for line in held} == {f"job/{number}" for number in range(count)}


def test_two_processes_at_once_on_one_ledger_ask_everything_once_and_agree(ledger):
    count = 80
    script = with_latency(good, 0.2, 0.5, seed=1)  # long enough for the second to begin
    with LLMServer(script) as server:
        words = (server.base_url, ledger, "--count", count)
        pair = [
            subprocess.Popen(
                command(*words), cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True
            )
            for _ in range(2)
        ]
        tallies = [json.loads(process.communicate(timeout=60)[0]) for process in pair]
    assert [tally["answered"] for tally in tallies] == [count, count]
    assert Counter(server.prompts.values()) == {1: count}
    assert len({line["key"] for line in lines(ledger)}) == len(lines(ledger)) == count
    assert min(tally["sent"] for tally in tallies) > 0  # they shared the work


def test_ctrl_c_keeps_what_was_answered_and_the_same_command_goes_on(driven, ledger):
    with LLMServer(with_latency(good, 0.05, 0.05, seed=0)) as server:
        words = (server.base_url, ledger, "--count", 60, "--concurrency", 4)
        process = subprocess.Popen(
            command(*words), cwd=ROOT, env=environment(), stderr=subprocess.PIPE, text=True
        )
        while not ledger.exists() or len(whole_lines(ledger)) < 12:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
        assert (process.returncode, told) == (130, "interrupted\n")
        assert driven(*words).returncode == 0
        assert server.prompts.total() <= 60 + 4
    assert len(lines(ledger)) == 60


def one_line(done: Done) -> str:
    """What a failed command said; never more than a line."""
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_a_wrong_key_ends_with_exit_2_at_the_first_answer(driven, ledger, monkeypatch):
    with LLMServer(good, key="right") as server:
        monkeypatch.setenv("MI_LLM_API_KEY", "sk-wrong-key")
        done = driven(server.base_url, ledger)
    assert done.returncode == 2
    told = one_line(done)
    assert told.startswith(f"{server.base_url} refuses the key (HTTP 401: Incorrect API key")
    assert "set MI_LLM_API_KEY" in told
    assert "sk-wrong-key" not in told
    assert len(server.received) <= 8  # those in flight when the first came back


def test_an_unknown_model_ends_with_exit_2_before_anything_is_asked(driven, ledger):
    with LLMServer(good, model="another") as server:
        done = driven(server.base_url, ledger)
    assert done.returncode == 2
    assert f"model 'tester' is not served at {server.base_url}; there are: another" in one_line(
        done
    )
    assert not server.received


def test_a_host_that_is_not_allowed_ends_with_exit_2_and_makes_no_ledger(driven, ledger):
    done = driven("https://api.example.org/v1", ledger)
    assert done.returncode == 2
    assert "add --allow-host api.example.org" in one_line(done)
    assert not ledger.exists()


def test_an_endpoint_that_is_down_ends_with_exit_3(driven, ledger):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        base_url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        done = driven(base_url, ledger, "--attempts", 3)
    assert done.returncode == 3
    told = one_line(done)
    assert told.startswith(f"stopped: {base_url}: no server answers for model 'tester' (")
    assert told.endswith("; run the same command again to go on\n")


@pytest.mark.parametrize(
    "reply",
    [
        failed(429, "insufficient_quota", "You exceeded your current quota"),
        failed(402, message="Insufficient Balance"),
    ],
    ids=["OpenAI", "DeepSeek"],
)
def test_a_quota_used_up_ends_with_exit_3_and_keeps_what_was_answered(driven, ledger, reply):
    def script(received: Received) -> Reply | str:
        return GOOD if len(server.received) <= 10 else reply

    with LLMServer(script) as server:
        done = driven(server.base_url, ledger)
        assert done.returncode == 3
        assert one_line(done).startswith("stopped: no quota left at loopback (HTTP ")
        assert len(lines(ledger)) == 10
        server.script = good
        assert driven(server.base_url, ledger).returncode == 0
    assert len(lines(ledger)) == 20


def test_a_budget_is_never_passed_and_ends_with_exit_3(driven, ledger, tmp_path):
    prices = tmp_path / "prices.json"
    prices.write_text('{"tester": {"input": 0, "output": 1000000, "currency": "CNY"}}')
    # An answer of 15 characters costs 15 of the 2,100 CNY, and may cost 1,000.
    assert len(GOOD) == 15
    words = (ledger, "--count", 200, "--prices", prices, "--budget", 2100)
    with LLMServer(good) as server:
        done = driven(server.base_url, *words)
        assert done.returncode == 3
        # 73 answers cost 1,095, 74 cost 1,110: then 1,000 more would pass 2,100.
        assert "budget: 1110.0000 of 2100 CNY are spent" in one_line(done)
        assert len(lines(ledger)) == 74
        assert server.most_open <= 2
        again = driven(server.base_url, *words)
        assert again.returncode == 3
        assert server.prompts.total() == 74


def test_a_dry_run_says_what_and_how_much_and_sends_nothing(driven, ledger):
    with LLMServer(good) as server:
        done = driven(server.base_url, ledger, "--dry-run")
    assert done.returncode == 0
    assert "20 requests, 0 of them answered in the ledger" in done.stdout
    assert "nothing was sent" in done.stdout
    assert not server.received
    assert not ledger.exists()


LIMIT = "import resource, os, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000)); "


def test_a_disk_that_is_full_ends_with_exit_3_and_keeps_whole_lines(driven, ledger):
    with LLMServer(good) as server:
        words = command(server.base_url, ledger, "--count", 60)
        start = f"{LIMIT}os.execv({words[0]!r}, {words!r})"
        done = subprocess.run(
            [words[0], "-c", start],
            cwd=ROOT,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 3
        assert "file too large" in one_line(Done(3, done.stdout, done.stderr))
        kept = lines(ledger)
        assert 5 < len(kept) < 20
        lost = server.prompts.total() - len(kept)
        assert lost <= 8  # those in flight
        assert driven(server.base_url, ledger, "--count", 60).returncode == 0
        assert server.prompts.total() == 60 + lost
    assert len(lines(ledger)) == 60


def test_a_disk_almost_full_is_noticed_before_anything_is_paid(driven, ledger, tmp_path):
    mount = tmp_path / "disk"
    mount.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=900k", "tmpfs", mount],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("may not mount a small disk here")
    try:
        with LLMServer(good) as server:
            done = driven(server.base_url, mount / "ledger.jsonl")
    finally:
        subprocess.run(["umount", mount], check=True)
    assert done.returncode == 3
    assert "the disk is full" in one_line(done)
    assert not server.received


def test_what_is_set_aside_ends_with_exit_1(driven, ledger):
    with LLMServer(lambda received: "不行" if "job/3" in received.prompt else GOOD) as server:
        done = driven(server.base_url, ledger)
    assert done.returncode == 1
    assert json.loads(done.stdout)["set_aside"] == 1


def test_retry_after_is_honoured_by_all_workers(ledger):
    def script(received: Received) -> Reply | str:
        times.append(time.monotonic())
        return too_many("0.5") if len(server.received) == 1 else Reply(GOOD, delay=0.01)

    times: list[float] = []
    with LLMServer(script) as server:
        to = Endpoint(server.base_url, "m", concurrency=2, first_pause=0.001)
        results = list(ask_all(requests(10), to, ledger, progress=False))
    assert [type(result) for result in results] == [Answer] * 10
    early = [at for at in times if at < times[0] + 0.5]
    assert len(early) <= 2  # the first, and what was in flight beside it


def test_too_many_is_waited_out_as_long_as_others_are_answered(ledger):
    def script(received: Received) -> Reply | str:
        return too_many("0.01") if len(server.received) % 3 else GOOD

    with LLMServer(script) as server:
        to = Endpoint(server.base_url, "m", concurrency=8, attempts=2, first_pause=0.001)
        results = list(ask_all(requests(30), to, ledger, progress=False))
    assert [type(result) for result in results] == [Answer] * 30


def test_too_many_without_end_stops(ledger):
    with LLMServer(lambda received: too_many("0.01")) as server:
        to = Endpoint(server.base_url, "m", attempts=3)
        with pytest.raises(Stopped, match=r"does not answer: HTTP 429.*\(3 attempts\)"):
            list(ask_all(requests(3), to, ledger, progress=False))


def test_what_was_in_flight_when_the_run_ended_is_recorded_and_handed_out(ledger):
    def script(received: Received) -> Reply | str:
        if "job/0" in received.prompt:
            return failed(402, message="Insufficient Balance")
        return Reply(GOOD, delay=0.3)

    tally, results = Tally(), deque[Answer | SetAside]()
    with LLMServer(script) as server:
        to = Endpoint(server.base_url, "m", concurrency=4)
        with pytest.raises(Stopped):
            results.extend(ask_all(requests(40), to, ledger, progress=False, tally=tally))
    assert len(results) == len(lines(ledger)) == tally.answered == 3
    assert server.prompts.total() == 4


def test_a_log_gets_plain_lines(ledger, monkeypatch, capfd):
    monkeypatch.setattr("mi_llm.door.progress.BETWEEN_LINES", 0.0)
    with LLMServer(good) as server:
        list(ask_all(requests(3), Endpoint(server.base_url, "m"), ledger, progress=True))
    told = capfd.readouterr().err
    assert told.splitlines()[-1] == "3 of 3 done; 0 set aside"
    assert "\r" not in told


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a terminal of its own")
def test_a_terminal_gets_a_bar_with_what_was_set_aside_and_the_cost(ledger, tmp_path):
    prices = tmp_path / "prices.json"
    prices.write_text('{"tester": {"input": 0, "output": 1000000, "currency": "CNY"}}')
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    with LLMServer(good) as server:
        subprocess.run(
            command(server.base_url, ledger, "--count", 4, "--prices", prices),
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=theirs,
            check=True,
        )
    os.close(theirs)
    told = ""
    with suppress(OSError):  # which is how a terminal says that nobody writes to it any more
        while piece := os.read(ours, 4096):
            told += piece.decode()
    os.close(ours)
    assert "4/4" in told
    assert "0 set aside, 60.00 CNY" in told
