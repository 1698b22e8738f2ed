"""`python -m eval interview` against a real server on loopback."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import prompts
from eval.interview.command import interview
from eval.transcripts.collection import read_transcripts
from mi_llm import cli
from mi_llm.errors import InputError
from mi_llm.secret_settings import KEY_VARIABLES
from tests.eval.scripted_clients import (
    CLIENT,
    FAREWELL,
    ROOT,
    about,
    profile,
    program,
    saved,
    script,
    task,
    words,
)
from tests.llm_driver import environment
from tests.llm_server import LLMServer, Received, Reply, Script, failed, with_latency

APP = cli.command_group("Interview.")
APP.command()(interview)
FILES = ("transcripts.jsonl", "fidelity.json", "fidelity.md")
TWO = ("--models", "tuned", "--models", "base")
Command = Callable[..., "Done"]


class Done:
    """How a command ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs the command to its end, in this process."""
    for name in KEY_VARIABLES:
        monkeypatch.delenv(name, raising=False)

    def one(*typed: object) -> Done:
        monkeypatch.setattr("sys.argv", ["eval/__main__.py", *map(str, typed)])
        code: object = 0
        try:
            cli.run(APP)
        except SystemExit as end:
            code = end.code
        return Done(code if isinstance(code, int) else 0, *capsys.readouterr())

    return one


@pytest.fixture
def ten(tmp_path: Path) -> Path:
    return saved(tmp_path / "ten.jsonl", [profile(f"p{number}") for number in range(10)])


@pytest.fixture
def server() -> Iterator[LLMServer]:
    with LLMServer(script) as made:
        yield made


def contents(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in FILES]


def transcripts(folder: Path) -> list[Any]:
    return [json.loads(line) for line in (folder / FILES[0]).read_text("utf-8").splitlines()]


def ledger_lines(folder: Path) -> list[dict[str, Any]]:
    """All answers that the ledgers beside an output hold."""
    return [
        json.loads(line)
        for path in sorted(folder.with_name(f"{folder.name}.ledger").glob("*.jsonl"))
        for line in path.read_text("utf-8").splitlines()
    ]


def test_twenty_sessions_are_the_same_bytes_from_the_same_seed_and_others_from_another(
    run, ten, tmp_path, server
):
    folders = [tmp_path / name for name in ("a", "b", "c")]
    for folder, seed in zip(folders, (42, 42, 43), strict=True):
        done = run(*words(ten, folder, server.base_url, *TWO, "--seed", seed))
        assert (done.code, done.err) == (0, "")
    first, again, other = map(contents, folders)
    assert first == again
    assert first[0] != other[0]
    ids = [one["id"] for one in transcripts(folders[0])]
    assert ids == [f"interview/{m}/p{n}/1" for m in ("tuned", "base") for n in range(10)]


def test_a_session_is_a_transcript_that_coding_books_read_with_what_was_felt_apart(
    run, ten, tmp_path, server
):
    out = tmp_path / "out"
    run(*words(ten, out, server.base_url, *TWO, "--seed", 42))
    one, *_ = read_transcripts(out / "transcripts.jsonl")
    facts = one.meta["transcript"]
    assert {key: facts[key] for key in facts if key != "settings"} == {
        "source": "tuned",
        "model": "tuned",
        "profile": "p0",
        "topic": "改变p0",
        "target_behaviour": "改变p0",
        "end_reason": "max_rounds",
        "session": 1,
        "safety": [],
        "flags": [],
    }
    assert facts["settings"] == {
        "model": "tuned",
        "host": "loopback",
        "max_tokens": 512,
        "temperature": 0.0,
        "personal_data": "as it is",
        "prompt": prompts.load("counselor.v1").sha,
        "prompt_as": "instruction",
    }
    assert len(one.turns) == 8
    felt = one.meta["simulation"]
    assert [note["turn"] for note in felt["turns"]] == [1, 3, 5, 7]
    assert (felt["seed"], felt["session"], felt["failure"]) == (42, 1, "")
    # Every turn stands in the transcript as the action that was recorded for it says.
    for note in felt["turns"]:
        assert f"，{note['action']}，" in one.turns[note["turn"] - 1].content


def test_sessions_of_one_pair_differ_and_the_same_client_opens_with_every_counselor(
    run, tmp_path, server
):
    one = saved(tmp_path / "one.jsonl", [profile("p", max_rounds=8)])
    out = tmp_path / "out"
    assert run(*words(one, out, server.base_url, *TWO, "--sessions", 3)).code == 0
    found = transcripts(out)
    assert [each["id"] for each in found[:3]] == [f"interview/tuned/p/{n}" for n in (1, 2, 3)]
    assert len({json.dumps(each["turns"]) for each in found}) == 6
    assert found[0]["turns"][0] == found[3]["turns"][0]


MARKS = {
    "belief": "信念标记甲",
    "barrier": "障碍标记乙",
    "strength": "长处标记丙",
    "fact": "事实标记丁",
    "plan": "计划标记戊",
    "line": "红线标记己",
    "open": "缘由标记庚",
    "locked": "缘由标记辛",
    "manifestation": "表现标记壬",
}


def test_on_the_wire_neither_side_sees_what_it_must_not(run, tmp_path, server):
    marked = profile(
        "secret-id",
        "改变这件事",
        beliefs=[MARKS["belief"]],
        barriers=[MARKS["barrier"]],
        strengths=[MARKS["strength"]],
        facts={"住处": MARKS["fact"], "age": 83},
        preferred_plan=MARKS["plan"],
        red_lines=[MARKS["line"]],
        manifestations=[MARKS["manifestation"]],
        reasons=[
            {"id": "open", "text": MARKS["open"]},
            {"id": "locked", "text": MARKS["locked"], "sensitivity": 5},
        ],
        readiness={"stage": "contemplation", "importance": 7, "confidence": 9, "ready": 5},
        receptivity=1,
    )
    path = saved(tmp_path / "marked.jsonl", [marked])
    assert run(*words(path, tmp_path / "out", server.base_url, *TWO, "--sessions", 2)).code == 0
    by_task: dict[str, list[str]] = {}
    for received in server.received:
        by_task.setdefault(task(received), []).append(received.raw.decode())
    assert {name: len(found) > 10 for name, found in by_task.items()} == {
        "observe": True, "speak": True, "read": True, "reply": True,
    }  # fmt: skip
    for raw in by_task["reply"]:
        assert not [mark for mark in (*MARKS.values(), "secret-id", "83") if mark in _body(raw)]
    replies = [one for one in server.received if task(one) == "reply"]
    for received in replies:
        sent = received.body["messages"]
        assert {message["role"] for message in sent} <= {"user", "assistant"}
        assert not any(sign.isdigit() for message in sent for sign in message["content"])
        assert set(received.body) == {"model", "messages", "max_tokens", "temperature"}
    instruction = prompts.load("counselor.v1").fill()
    others = [raw for name, found in by_task.items() if name != "reply" for raw in found]
    assert all(instruction in _body(raw) for raw in by_task["reply"])
    assert not any(instruction in _body(raw) for raw in others)
    # Every request that a client speaks by; the guarded reason was known, but to no speaker.
    assert not any(MARKS["locked"] in _body(raw) for raw in by_task["speak"])
    assert all(MARKS["locked"] in _body(raw) for raw in by_task["observe"])
    assert any(MARKS["open"] in _body(raw) for raw in by_task["speak"])
    told = [about(received) for received in server.received if task(received) == "speak"]
    assert {tuple(sorted(one)) for one in told} == {("action", "card", "conversation")}
    assert not any({"readiness", "receptivity", "state"} & set(one["card"]) for one in told)
    opening = next(one for one in told if not one["conversation"])
    assert opening["card"]["may_tell"] == []
    assert not any(MARKS["open"] in json.dumps(one, ensure_ascii=False) for one in [opening])


def _body(raw: str) -> str:
    """The body of a request as the text that it stands for."""
    return json.dumps(json.loads(raw.partition("\r\n\r\n")[2]), ensure_ascii=False)


ENDINGS = [
    profile("talks"),
    profile("parts", "告别"),
    profile("circles", "空转", max_rounds=9, receptivity=5),
    profile("leaves", "顶撞", max_rounds=40, receptivity=2),
    profile("danger", "险境", risk="self_harm"),
    profile("meets-silence", "寡言"),
]


def test_each_of_the_six_endings_is_reached_and_recorded(run, tmp_path, server):
    path, out = saved(tmp_path / "six.jsonl", ENDINGS), tmp_path / "out"
    done = run(*words(path, out, server.base_url, "--models", "tuned"))
    assert done.code == 1
    assert "interview/tuned/meets-silence/1: counselor: blank reply\n" in done.out
    found = {one["meta"]["transcript"]["profile"]: one for one in transcripts(out)}
    ends = {name: one["meta"]["transcript"]["end_reason"] for name, one in found.items()}
    assert ends == {
        "talks": "max_rounds",
        "parts": "goodbye",
        "circles": "stall",
        "leaves": "client_ended",
        "danger": "safety",
        "meets-silence": "error",
    }
    assert found["parts"]["turns"][-2]["content"] == FAREWELL
    assert found["circles"]["turns"][-1]["content"] == "嗯，空转。"
    leaving = found["leaves"]["meta"]["simulation"]["turns"][-1]
    assert (leaving["action"], leaving["state"]["resistance"]) == ("terminate", 3)
    assert len(found["meets-silence"]["turns"]) == 1
    assert json.loads((out / "fidelity.json").read_text("utf-8"))["errors"] == {
        "interview/tuned/meets-silence/1": "counselor: blank reply"
    }


def test_a_sign_of_danger_ends_the_session_with_the_gates_text_and_is_flagged(
    run, tmp_path, server
):
    path, out = saved(tmp_path / "risk.jsonl", [ENDINGS[4]]), tmp_path / "out"
    assert run(*words(path, out, server.base_url, "--models", "tuned")).code == 0
    (one,) = transcripts(out)
    assert [turn["role"] for turn in one["turns"]] == ["client", "counselor"] * 2
    (flag,) = one["meta"]["transcript"]["safety"]
    assert (flag["turn"], flag["risk"], flag["step"]) == (2, "self_harm", "hand_over")
    assert "12356" in one["turns"][-1]["content"]
    # The counselor's model was asked for the first reply only.
    assert [task(received) for received in server.received].count("reply") == 1


def test_harmful_advice_of_the_models_own_is_flagged_and_stays_as_it_was(run, tmp_path):
    advice = "你可以断食十天。"

    def harmful(received: Received) -> Reply | str:
        return advice if task(received) == "reply" else script(received)

    path, out = saved(tmp_path / "p.jsonl", [profile("p", max_rounds=1)]), tmp_path / "out"
    with LLMServer(harmful) as server:
        run(*words(path, out, server.base_url, "--models", "tuned"))
    (one,) = transcripts(out)
    assert one["turns"][1]["content"] == advice
    (flag,) = one["meta"]["transcript"]["flags"]
    assert (flag["turn"], flag["role"], flag["harm"]) == (1, "counselor", "extreme_diet")


def test_gates_are_counted_and_what_they_stopped_is_not_in_the_transcript(run, tmp_path):
    bad = "有什么可以帮到你的吗？"

    def swapping(received: Received) -> Reply | str:
        if task(received) == "speak" and len(received.body["messages"]) == 2:
            return bad
        return script(received)

    path, out = saved(tmp_path / "p.jsonl", [profile("p")]), tmp_path / "out"
    with LLMServer(swapping) as server:
        done = run(*words(path, out, server.base_url, "--models", "tuned"))
    assert "client texts stopped by a gate and said anew: 4 role_swap\n" in done.out
    assert bad not in (out / "transcripts.jsonl").read_text("utf-8")
    report = json.loads((out / "fidelity.json").read_text("utf-8"))
    assert report["by_model"]["tuned"]["gates"] == {
        "role_swap": 4, "ai": 0, "echo": 0, "premature_acceptance": 0, "contradiction": 0,
    }  # fmt: skip


def test_fidelity_counts_what_the_transcripts_hold(run, ten, tmp_path, server):
    out = tmp_path / "out"
    done = run(*words(ten, out, server.base_url, *TWO, "--seed", 42))
    report = json.loads((out / "fidelity.json").read_text("utf-8"))
    found = transcripts(out)
    for name, group in {
        "all models": found,
        "tuned": found[:10],
        "base": found[10:],
    }.items():
        one = report["by_model"][name]
        notes = [note for each in group for note in each["meta"]["simulation"]["turns"]]
        texts = [t["content"] for each in group for t in each["turns"] if t["role"] == "client"]
        talk = Counter(note["talk"] for note in notes)
        assert one["talk"] == {kind: talk[kind] for kind in ("change", "sustain", "neutral")}
        assert one["shares"]["change"]["mean"] == pytest.approx(talk["change"] / len(texts))
        assert one["characters"]["mean"] == pytest.approx(sum(map(len, texts)) / len(texts))
        assert one["rounds"]["mean"] == pytest.approx(
            sum(len(each["turns"]) // 2 for each in group) / len(group)
        )
        ends = Counter(each["meta"]["transcript"]["end_reason"] for each in group)
        assert {end: n for end, n in one["ends"].items() if n} == dict(ends)
        last = [each["meta"]["simulation"]["turns"][-1]["state"] for each in group]
        assert one["unlocked"]["mean"] == pytest.approx(
            sum(len(state["unlocked"]) for state in last) / len(group)
        )
        assert one["unlocked"]["mean"] > 0
    assert report["compared_with"]["annomi_talk_by_client_turn"]["change"] == 1171 / 4802
    text = (out / "fidelity.md").read_text("utf-8")
    assert "| change talk, % |" in text
    assert "AnnoMI 24.4 |" in text
    assert done.out.splitlines()[0].startswith(f"{out}: 20 sessions, ")


def killed_in_the_middle(typed: list[str], ledgers: Path, after: int) -> int:
    """Start the command, kill it when the ledgers hold so many answers; how many they hold."""

    def held() -> int:
        return sum(path.read_bytes().count(b"\n") for path in ledgers.glob("*.jsonl"))

    running = subprocess.Popen([*program(), *typed], cwd=ROOT, env=environment())
    try:
        deadline = time.monotonic() + 60
        while held() < after and running.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert running.poll() is None, "it ended before it was killed"
    finally:
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
    return held()


def test_after_kill_9_the_same_command_asks_nothing_again_and_writes_the_same_bytes(
    run, ten, tmp_path
):
    plain, out = tmp_path / "plain", tmp_path / "out"
    slow: Script = with_latency(script, 0.005, 0.02, seed=1)
    with LLMServer(script) as server:
        assert run(*words(ten, plain, server.base_url, *TWO, "--seed", 42)).code == 0
        total = len(server.received)
    assert total == len(ledger_lines(plain)) > 200
    with LLMServer(slow) as server:
        typed = words(ten, out, server.base_url, *TWO, "--seed", 42)
        held = killed_in_the_middle(typed, tmp_path / "out.ledger", 80)
        assert 80 <= held < total
        assert not out.exists()
        asked = len(server.received)
        done = run(*typed)
        again = len(server.received) - asked
    assert (done.code, done.err) == (0, "")
    assert again == total - held
    keys = Counter(line["key"] for line in ledger_lines(out))
    assert set(keys.values()) == {1}
    assert contents(out) == contents(plain)


def test_a_service_that_goes_away_stops_it_and_the_same_command_goes_on(run, ten, tmp_path):
    out = tmp_path / "out"

    def gone(received: Received) -> Reply | str:
        return failed(402, message="no money") if task(received) == "reply" else script(received)

    with LLMServer(gone) as server:
        done = run(*words(ten, out, server.base_url, *TWO))
        sent = len(server.received)
    assert done.code == 3
    assert done.err.startswith("stopped: no quota left at loopback")
    assert done.err.count("\n") == 1
    assert not out.exists()
    # The others in flight are waited for and kept, and nothing new is begun.
    assert sent <= 2 * 8 + 2 * 8
    with LLMServer(script) as server:
        assert run(*words(ten, out, server.base_url, *TWO)).code == 0


def test_a_dry_run_tells_sessions_and_requests_and_sends_and_writes_nothing(run, ten, tmp_path):
    done = run(*words(ten, tmp_path / "out", "http://127.0.0.1:9/v1", *TWO, "--dry-run"))
    assert (done.code, done.err) == (0, "")
    # 20 sessions of 4 rounds: each turn but the first is observed; all are spoken and read once,
    # or thrice: 80 + 80 + 60 and 240 + 240 + 60.
    assert done.out.splitlines()[:3] == [
        "20 sessions: 10 profiles x 2 models x 1, 80 rounds at most",
        "requests to the clients' model: at most 220 if no gate trips, 540 if every one does",
        "requests to the counselors: at most 80",
    ]
    assert {path.name for path in tmp_path.iterdir()} == {"ten.jsonl"}


def test_what_a_user_gets_wrong_is_told_in_one_line(run, ten, tmp_path):
    bad = saved(tmp_path / "bad.jsonl", [profile("p", readiness=12)])
    full = tmp_path / "full"
    full.mkdir()
    (full / "x").touch()
    with LLMServer(script, model=CLIENT) as server:
        url = server.base_url
        cases = {
            "readiness": words(bad, tmp_path / "o", url, *TWO),
            "model 'tuned' is not served at": words(ten, tmp_path / "o", url, *TWO),
            "is named twice": words(ten, tmp_path / "o", url, "--models", "a", "--models", "a"),
            "full: exists; add --overwrite": words(ten, full, url, *TWO),
            "ten.jsonl/o: cannot be written": words(ten, ten / "o", url, "--models", CLIENT),
            "--reply-extra '3': expected a JSON object": words(
                ten, tmp_path / "o", url, *TWO, "--reply-extra", 3
            ),
            "no prompt 'nope'": words(ten, tmp_path / "o", url, *TWO, "--prompt", "nope"),
            "no-such.yaml": words(tmp_path / "no-such.yaml", tmp_path / "o", url, *TWO),
            "no server answers": words(
                ten, tmp_path / "o", url, "--models", "x=http://127.0.0.1:9/v1"
            ),
        }
        for message, typed in cases.items():
            done = run(*typed)
            assert (done.code, done.out) == (2, ""), message
            assert message in done.err
            assert done.err.count("\n") == 1
        assert not server.received
    assert not (tmp_path / "o").exists()


def test_a_read_only_folder_is_told_in_one_line(run, ten, tmp_path, server, monkeypatch):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    made = Path.mkdir

    def refused(self: Path, *args: Any, **more: Any) -> None:  # as for anyone but root
        if self.is_relative_to(locked):
            raise PermissionError(errno.EACCES, "Permission denied")
        made(self, *args, **more)

    monkeypatch.setattr(Path, "mkdir", refused)
    done = run(*words(ten, locked / "out", server.base_url, *TWO))
    assert done.code == 2
    assert done.err == f"{locked}/out.ledger/client.jsonl: permission denied\n"
    assert not server.received


def test_thoughts_of_a_reasoning_counselor_are_not_said(run, tmp_path):
    def thinking(received: Received) -> Reply | str:
        if task(received) == "reply":
            return "<think>\n他在回避\n</think>\n\n你愿意多说一点吗？"
        return script(received)

    path, out = saved(tmp_path / "p.jsonl", [profile("p", max_rounds=2)]), tmp_path / "out"
    with LLMServer(thinking) as server:
        run(*words(path, out, server.base_url, "--models", "tuned"))
    (one,) = transcripts(out)
    assert {turn["content"] for turn in one["turns"][1::2]} == {"你愿意多说一点吗？"}
    assert not any("回避" in received.raw.decode() for received in server.received)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("safety", {}, "meta.transcript.safety must be a list of objects"),
        ("flags", ["x"], "meta.transcript.flags must be a list of objects"),
        ("target_behaviour", 3, "meta.transcript.target_behaviour must be a text; it is 3"),
    ],
)
def test_a_transcript_whose_records_are_none_is_refused(tmp_path, key, value, message):
    turns = [{"role": "client", "content": "嗯"}, {"role": "counselor", "content": "嗯？"}]
    line = {"id": "x", "turns": turns, "meta": {"transcript": {"source": "s", key: value}}}
    path = tmp_path / "t.jsonl"
    path.write_text(json.dumps(line) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(message)):
        list(read_transcripts(path))


def test_a_classifier_gives_the_gate_a_second_look_and_sees_what_was_said_alone(run, tmp_path):
    one = saved(tmp_path / "one.jsonl", [profile("p0")])

    def guarded(received: Received) -> Reply | str:
        if received.body["model"] != "guard":
            return script(received)
        told = json.JSONDecoder().raw_decode(received.body["messages"][1]["content"])[0]
        assert set(told) == {"before", "said"}
        found = {"risk": "self_harm", "level": "explicit", "about": "self", "quote": told["said"]}
        return json.dumps(found, ensure_ascii=False)

    out = tmp_path / "out"
    with LLMServer(guarded) as server:
        typed = words(one, out, server.base_url, "--models", "tuned", "--classifier", "guard")
        done = run(*typed)
        asked = [received.body["model"] for received in server.received]
    assert (done.code, done.err) == (0, "")
    assert asked.count("guard") == 1
    assert "tuned" not in asked
    (held,) = transcripts(out)
    facts = held["meta"]["transcript"]
    assert facts["end_reason"] == "safety"
    (found,) = facts["safety"]
    assert (found["turn"], found["step"], found["source"]) == (1, "hand_over", "classifier")
    assert held["meta"]["simulation"]["classifier"]["model"] == "guard"


@pytest.mark.parametrize("required", [False, True])
def test_a_classifier_that_says_nothing_is_told_or_ends_the_run(run, tmp_path, required):
    one = saved(tmp_path / "one.jsonl", [profile("p0", max_rounds=2)])
    silent = True

    def guarded(received: Received) -> Reply | str:
        if received.body["model"] != "guard":
            return script(received)
        told = json.JSONDecoder().raw_decode(received.body["messages"][1]["content"])[0]
        if silent:
            return "我不知道"
        found = {"risk": "abuse", "level": "explicit", "about": "self", "quote": "他打我"}
        assert "他打我" not in told["said"]
        return json.dumps(found, ensure_ascii=False)

    out = tmp_path / "out"
    with LLMServer(guarded) as server:
        typed = words(one, out, server.base_url, "--models", "tuned", "--classifier", "guard")
        done = run(*typed, *(["--classifier-required"] if required else []))
        silent = False
        again = run(*typed, "--again", "--overwrite")
    assert done.code == (3 if required else 0), done.err
    if required:
        assert "the classifier gives no verdict (does not fit the schema: no JSON" in done.err
        assert done.out == ""
    else:
        assert "NO verdict on 2 of 2 turns" in done.out
    assert again.code == 0
    # The first alarm makes the gate ask; what comes of the session then is not asked of here.
    (held,) = transcripts(out)
    facts = held["meta"]["transcript"]
    assert (facts["safety"][0]["step"], facts["safety"][0]["phrase"]) == ("ask", "")
    flag = next(one for one in facts["flags"] if "classifier" in one)
    assert (flag["turn"], flag["risk"], flag["quote"]) == (1, "abuse", "他打我")
    assert "(100%) quote what was not said" in again.out
    stamp = json.loads((tmp_path / "out.stamp.json").read_text("utf-8"))
    assert stamp["counts"]["classifier: no verdict"] == 0
