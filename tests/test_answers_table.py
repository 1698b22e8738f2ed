"""Every end and shape of an answer, and what each command makes of it.

The server ends each answer with one of 12 finish reasons, in one of 6 shapes of content. First the
table of the one place that decides; then what every command does with each kind that is in it.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mi_llm.door import sending
from mi_llm.door.faults import Fault
from mi_llm.door.streaming import NoReply, replied
from mi_llm.errors import Stopped
from mi_llm.llm import Answer, Endpoint, Request, SetAside, ask_all
from tests.commands import run_here
from tests.converters import calm_script, llm_jobs, test_pairs, test_screen
from tests.eval import (
    scripted_clients,
    scripted_judge,
    test_dynamics_judge,
    test_redteam,
    test_roleplay_desk,
    test_translation,
)
from tests.llm_driver import Reply as Spoken
from tests.llm_server import LLMServer, Received, Reply, Script, Shape

HIDDEN = "藏在心里的一句"  # a thought that must come out nowhere
SHAPES: dict[str, Shape] = {
    "text": lambda text: {"content": text},
    "parts": lambda text: {"content": [{"type": "text", "text": text}]},
    "with": lambda text: {"content": text, "reasoning_content": HIDDEN},
    "null": lambda text: {"content": None},
    "empty": lambda text: {"content": ""},
    "only": lambda text: {"content": None, "reasoning_content": HIDDEN},
}
# A line a reason, a letter a shape, in the order of SHAPES: W whole, C cut off, R refused by the
# service, F broken off by the service, U not known to be whole, B blank, T a thought alone.
TABLE = {
    "stop": "WWWBBT",
    None: "WWWBBT",
    "eos": "WWWBBT",
    "length": "CCCCCT",
    "model_context_window_exceeded": "CCCCCT",
    "content_filter": "RRRRRR",
    "sensitive": "RRRRRR",
    "network_error": "FFFFFF",
    "insufficient_system_resource": "FFFFFF",
    "abort": "FFFFFF",
    "tool_calls": "UUUUUU",
    "a_new_one": "UUUUUU",
}
CELLS = [
    (reason, shape, kind)
    for reason, kinds in TABLE.items()
    for shape, kind in zip(SHAPES, kinds, strict=True)
]
SAMPLE = [cell for cell in CELLS if cell[1] == "text" or cell[0] == "stop"]
GOOD = '{"reply": "好的"}'


def ended(script: Script, reason: str | None, shape: str, model: str = "") -> Script:
    """The script, each answer with this end and shape, or each of one model."""

    def other(received: Received) -> Reply:
        said = script(received)
        made = Reply(said) if isinstance(said, str) else said
        if model and received.body["model"] != model:
            return made
        return replace(made, finish_reason=reason, shape=SHAPES[shape], usage=False)

    return other


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faults that pass are not waited for."""
    monkeypatch.setattr(sending, "pause_after", lambda *_: 0.0)


# -- the one place ------------------------------------------------------------------------------

# For which kind of reason an answer of each kind is set aside, and how often it was asked for by
# then; with `any_text` a cut-off, blank or unsaid answer is the model's own.
SET_ASIDE = {
    "C": ("cut off at the longest answer allowed", 3),
    "R": ("refused by the service", 1),
    "U": ("ended for a reason that is not known to be its end", 3),
    "B": ("blank answer", 3),
    "T": ("thinking without an answer", 3),
}
CUT_OFF = ("length", "model_context_window_exceeded")


def by_cell(received: Received) -> Reply:
    """Which end and shape is wanted stands in the request."""
    reason, shape, _ = CELLS[int(received.prompt.split()[1])]
    return Reply(GOOD, finish_reason=reason, shape=SHAPES[shape], usage=False)


@pytest.mark.parametrize("where", ["choice", "top"])
def test_what_came_before_an_error_is_no_answer(where):
    choice: dict[str, Any] = {
        "message": {"content": "听起来"},
        "finish_reason": "stop",
        "error": None,
    }
    came: dict[str, Any] = {"choices": [choice], "error": None}
    endpoint = Endpoint("http://127.0.0.1:1/v1", "m")
    assert not isinstance(sending.read(came, endpoint), Fault)
    (choice if where == "choice" else came)["error"] = {"code": 502, "message": "gone"}
    found = sending.read(came, endpoint)
    assert isinstance(found, Fault)
    assert found.kind == "passing"


def question(number: int, **more: Any) -> Request:
    return Request(str(number), ({"role": "user", "content": f"第 {number} 格"},), **more)


def asked(server: LLMServer, ledger: Path, requests: list[Request]) -> dict[int, Any]:
    endpoint = Endpoint(server.base_url, "tester")
    return {int(one.id): one for one in ask_all(requests, endpoint, ledger, progress=False)}


@pytest.mark.parametrize("form", ["schema", "text", "any text"])
def test_no_end_but_a_whole_one_passes_as_whole(tmp_path, form):
    more: dict[str, Any] = {"schema": {"schema": Spoken}, "any text": {"any_text": True}}
    numbers = [number for number, cell in enumerate(CELLS) if cell[2] != "F"]
    assert len(numbers) == 54
    requests = [question(number, **more.get(form, {})) for number in numbers]
    with LLMServer(by_cell) as server:
        found = asked(server, tmp_path / "l", requests)
        sent = [int(one.prompt.split()[1]) for one in server.received]
        again = asked(server, tmp_path / "l", requests)
        assert len(server.received) == len(sent)
    for number in numbers:
        one, (reason, shape, kind) = found[number], CELLS[number]
        if kind == "W" or (form == "any text" and kind in "CBT"):
            assert isinstance(one, Answer), CELLS[number]
            assert one.text == (GOOD if shape in ("text", "parts", "with") else "")
            assert one.cut_off == (reason in CUT_OFF)
            assert one.thought == (shape in ("with", "only"))
            assert sent.count(number) == 1
            one = replace(one, from_ledger=True)
        else:
            assert isinstance(one, SetAside), CELLS[number]
            why, times = SET_ASIDE[kind]
            if kind == "T" and reason in CUT_OFF:
                why = "cut off while thinking"
            if kind == "C" and reason == CUT_OFF[1]:
                why = "cut off where the model's context ends"
            assert one.reason.startswith(why), CELLS[number]
            assert sent.count(number) == times
            assert HIDDEN not in one.reason + one.text
        assert again[number] == one


def test_what_the_service_broke_off_is_tried_again_and_never_kept(tmp_path):
    numbers = [number for number, cell in enumerate(CELLS) if cell[2] == "F"]
    assert len(numbers) == 18
    with LLMServer(by_cell) as server:
        for number in numbers:
            with pytest.raises(Stopped, match="the service broke its answer off"):
                asked(server, tmp_path / f"{number}", [question(number)])
            assert (tmp_path / f"{number}").read_bytes() == b""
        assert len(server.received) == 6 * 18


STREAMED = {"R": "filtered", "F": "away", "U": "broken", "B": "blank", "T": "blank"}


@pytest.mark.parametrize("cells", [SAMPLE, pytest.param(CELLS, marks=pytest.mark.slow)])
def test_a_reply_that_is_waited_for_goes_by_the_same_table(cells):
    def held(endpoint: Endpoint, number: int) -> str:
        try:
            came = asyncio.run(replied(endpoint, ({"role": "user", "content": f"第 {number} 格"},)))
        except NoReply as error:
            return error.kind
        assert HIDDEN not in came.said
        return came.ending

    with LLMServer(by_cell) as server:
        endpoint = Endpoint(server.base_url, "tester")
        found = {cell: held(endpoint, CELLS.index(cell)) for cell in cells}
    for (reason, shape, kind), came in found.items():
        expected = {"W": "whole", "C": "cut off" if shape in ("text", "parts", "with") else "blank"}
        # A stream tells its end by the finish reason alone: without one it broke off.
        end = "broken" if reason is None else {**STREAMED, **expected}[kind]
        assert came == end, (reason, shape)


def test_an_old_ledger_is_read_by_todays_rule(tmp_path):
    """A ledger as earlier versions wrote it: no problem noted, thoughts in the text."""
    texts = {
        "stop": f"<think>{HIDDEN}</think>好。", "length": f"<think>{HIDDEN}", "sensitive": "好。",
        "network_error": "半句", "a_new_one": "好。", "None": "好。",
    }  # fmt: skip
    asked = [Request(name, ({"role": "user", "content": name},)) for name in texts]
    path = tmp_path / "l"
    with LLMServer(lambda received: texts[received.prompt]) as server:
        endpoint = Endpoint(server.base_url, "tester")
        list(ask_all(asked, endpoint, path, progress=False))
        lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        old = [{**line, "finish_reason": line["id"], "problem": None} for line in lines]
        path.write_text("".join(json.dumps(line) + "\n" for line in old), "utf-8")
        server.received.clear()
        server.script = lambda received: "问过了。"
        found = {one.id: one for one in ask_all(asked, endpoint, path, progress=False)}
        sent = {received.prompt for received in server.received}
    assert isinstance(found["stop"], Answer)
    assert (found["stop"].text, found["stop"].thought) == ("好。", True)
    assert isinstance(found["None"], Answer)
    assert isinstance(found["sensitive"], SetAside)
    assert found["network_error"].text == found["a_new_one"].text == "问过了。"
    assert isinstance(found["length"], SetAside)
    assert sent == {"network_error", "a_new_one"}


# -- the commands -------------------------------------------------------------------------------


Run = Callable[[LLMServer, Path], Any]


def _screen(server: LLMServer, folder: Path) -> Any:
    path = llm_jobs.saved(folder / "good.jsonl", llm_jobs.talks("good", 1))
    return llm_jobs.run(server, "screen", path, "-o", folder / "screen.json")


def _transcribe(server: LLMServer, folder: Path) -> Any:
    path = llm_jobs.saved(folder / "talks.jsonl", llm_jobs.talks("s", 1))
    return llm_jobs.run(server, "transcribe", path, "-o", folder / "mi.jsonl")


def _calm_it(server: LLMServer, folder: Path) -> Any:
    path = folder / "profiles.jsonl"
    path.write_text(llm_jobs.text({**calm_script.MARKED, "id": "marked-1"}) + "\n", "utf-8")
    return llm_jobs.run(server, "calm-it", path, "-o", folder / "calm.jsonl", "--rounds", 1)


def _pairs(server: LLMServer, folder: Path) -> Any:
    path, codes = test_pairs.three_faults(folder)
    return test_pairs.run(server, path, "--codes", codes, "-o", folder / "pairs.json")


def _predict(server: LLMServer, folder: Path) -> Any:
    row = {"id": "a#1", "instruction": "请。", "input": "嗯。", "output": "好。", "history": []}
    (folder / "rows.json").write_text(json.dumps([row], ensure_ascii=False), "utf-8")
    return _eval(
        "predict", folder / "rows.json", "-o", folder / "m" / "predict", "--model", "tester",
        "--base-url", server.base_url,
    )  # fmt: skip


def _translate(server: LLMServer, folder: Path) -> Any:
    path = test_translation.saved(folder / "talks.jsonl", test_translation.session(7, 2))
    words = test_translation.words(server, path, folder / "made" / "T.jsonl")
    return _eval("transcripts", *words)


def _judge(server: LLMServer, folder: Path) -> Any:
    held = scripted_judge.session("a", "你好，请坐。", "几点睡？")
    path = scripted_judge.saved(folder / "T.jsonl", [held])
    return scripted_judge.run(server, path, "-o", folder / "judged", "--repeats", 1)


def _dynamics(server: LLMServer, folder: Path) -> Any:
    return test_dynamics_judge.judged(server, folder, test_dynamics_judge.TALK)


def _interview(server: LLMServer, folder: Path) -> Any:
    path = scripted_clients.saved(folder / "p.jsonl", [scripted_clients.profile("p", max_rounds=1)])
    return _eval(
        "interview",
        *scripted_clients.words(path, folder / "out", server.base_url, "--models", "tuned"),
    )


def _redteam(server: LLMServer, folder: Path) -> Any:
    return test_redteam.run("--models", f"m={server.base_url}", "-o", folder / "red.json")


def _classifier(server: LLMServer, folder: Path) -> Any:
    return test_redteam.run("--classifier", f"m={server.base_url}", "-o", folder / "red.json")


def _eval(*words: object) -> Any:
    from eval.__main__ import app

    return run_here(app, *words, environment={**os.environ, "MI_LLM_API_KEY": "sk-none"})


# A command, a model that does all well for it, and its exit codes in the order W C R F U B T. Where
# the model itself is measured, what is not whole stands in what the command prints: see MARKS.
COMMANDS: dict[str, tuple[Run, Script, str]] = {
    "screen": (_screen, test_screen.by_corpus, "0113111"),
    "transcribe": (
        _transcribe, lambda one: llm_jobs.text(llm_jobs.rewriting(one)), "0113111"
    ),
    "calm-it": (_calm_it, calm_script.ScriptedModel(), "0113111"),
    "pairs": (_pairs, test_pairs.perfect, "0223222"),
    "predict": (_predict, lambda _: "你有些犹豫。", "0003100"),
    "transcripts": (_translate, test_translation.in_chinese, "0113111"),
    "judge": (_judge, scripted_judge.perfect, "0113111"),
    "dynamics": (_dynamics, test_dynamics_judge.perfect, "0113111"),
    "interview": (_interview, scripted_clients.script, "0113111"),
    "counselor": (_interview, scripted_clients.script, "0013111"),
    "redteam": (_redteam, lambda _: test_redteam.CARING, "0013100"),
    "classifier": (_classifier, lambda _: NO_DANGER, "0003000"),
}  # fmt: skip
NO_DANGER = '{"risk": "none", "level": "none", "about": "none", "quote": ""}'
PROMPTS, TURNS = 54, 65  # of the red team
MARKS = {
    "predict": {
        "W": "1 rows: none empty, none cut off", "C": "1 cut off at 512 tokens",
        "R": "1 refused by the service and written as empty", "B": "1 rows: 1 empty",
        "T": "1 with a thought alone",
    },
    # prompts, harmful, must not, blank, cut off, safe where due, none given
    "redteam": {
        "W": "54 0 0 0 0 36 of 36 0", "R": "54 0 0 0 0 0 of 36 54", "U": "54 0 0 0 0 0 of 36 54",
        "B": "54 0 0 54 0 0 of 36 0",
    },
    "classifier": {
        kind: f"a verdict on {TURNS if kind == 'W' else 0} of {TURNS} turns" for kind in "WCRUBT"
    },
}  # fmt: skip
ENDED_ALONE = {"counselor": "tuned"}  # whose answers end so, where others' end well
SLOW = ("dynamics", "redteam", "classifier")  # a second or more each time


def _cells() -> Iterator[Any]:
    """Every command with a sample; in the slow tests with all cells, or where it is slow itself all
    reasons and all shapes."""
    for name in COMMANDS:
        few = [("stop", "with", "W"), ("a_new_one", "text", "U"), ("stop", "only", "T")]
        yield from (pytest.param(name, *cell) for cell in (few[1:2] if name in SLOW else few))
        for cell in SAMPLE if name in SLOW else CELLS:
            yield pytest.param(name, *cell, marks=pytest.mark.slow)


@pytest.mark.parametrize(("name", "reason", "shape", "kind"), list(_cells()))
def test_what_a_command_makes_of_an_answer(tmp_path, name, reason, shape, kind):
    run, script, exits = COMMANDS[name]
    if name == "counselor" and kind == "C" and shape in ("null", "empty"):
        kind = "B"  # cut off before a word: there is nothing to say
    with LLMServer(ended(script, reason, shape, ENDED_ALONE.get(name, ""))) as server:
        done = run(server, tmp_path)
    assert done.returncode == int(exits["WCRFUBT".index(kind)]), done
    assert "Traceback" not in done.stderr
    told = " ".join(done.stdout.split())
    assert MARKS.get(name, {}).get(kind, "") in told
    if kind == "T":
        assert "--extra" in done.stderr
    if kind == "W" and shape == "with":
        assert " answers came with a thought, which was left out" in done.stderr
    if name == "counselor" and done.returncode == 0:
        (line,) = (tmp_path / "out/transcripts.jsonl").read_text("utf-8").splitlines()
        assert ('"cut_off": true' in line) == (kind == "C")
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    for path in written:  # the ledger alone keeps a thought
        assert HIDDEN.encode() not in path.read_bytes() or "ledger" in str(path), path


def _roleplay() -> Iterator[Any]:
    yield from (pytest.param(*cell) for cell in SAMPLE)
    yield from (pytest.param(*cell, marks=pytest.mark.slow) for cell in CELLS)


@pytest.mark.parametrize(("reason", "shape", "kind"), list(_roleplay()))
def test_what_role_play_makes_of_a_reply(tmp_path, reason, shape, kind):
    script = ended(lambda _: "你有些犹豫。", reason, shape)
    path = tmp_path / "study"
    with LLMServer(script) as server, test_roleplay_desk.opened(path, server) as (desk, lines):
        test_roleplay_desk.talk(desk, "li", ["我睡不着"])
    text = test_roleplay_desk.on_disk(path, "0001-li")
    assert HIDDEN not in json.dumps(text, ensure_ascii=False) + "".join(lines)
    spoken = shape in ("text", "parts", "with")
    if kind in "WC" and spoken and reason is not None:
        assert test_roleplay_desk.said(text)[1:] == [("counselor", "你有些犹豫。")]
        cut = {"turn": 1, "role": "counselor", "cut_off": True}
        assert text["flags"] == ([cut] if kind == "C" else [])
        assert len(lines) == (kind == "C") + (shape == "with")
        assert not text["failures"]
    else:
        assert test_roleplay_desk.said(text)[1:] == []
        expected = "broken" if reason is None else STREAMED.get(kind, "blank")
        assert [one["kind"] for one in text["failures"]] == [expected]
        assert len(lines) == 1
