from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from eval.books.blinding import blinded
from mi_llm import jsonl
from mi_llm.coding import read_codings
from mi_llm.dialogue import Turn
from mi_llm.miti import Code
from tests.eval.scripted_judge import (
    KEY,
    asked,
    loaded,
    perfect,
    run,
    saved,
    session,
    table,
    task,
    text,
)
from tests.llm_server import LLMServer, Received

ONCE = ("--repeats", 1)


def test_nothing_that_tells_the_source_is_sent(tmp_path: Path):
    facts: dict[str, Any] = {
        "source": "src-marker-7",
        "model": "THUDM/glm-4-9b-chat",
        "profile": "prof-marker-3",
        "topic": "topic-marker",
        "settings": {"prompt": "setting-marker"},
        "original": ["o1-marker", "o2-marker"],
        "irregular": ["irregular-marker"],
    }
    one = session("id-marker/1", "你有点累。", **facts)
    named = (Turn("client", "你是ChatGLM吗？"), one.turns[1])
    path = saved(tmp_path / "T.jsonl", [replace(one, turns=named)])
    with LLMServer(perfect) as server:
        done = run(server, path, "-o", tmp_path / "c", *ONCE, "--judge", "rater-marker")
    assert done.returncode == 0, done.stderr
    assert len(server.received) == 5
    sent = b"".join(one.raw for one in server.received).decode()
    read = json.dumps([one.body for one in server.received], ensure_ascii=False)
    assert "你有点累" in read
    assert KEY in sent  # the search sees what travels in headers too
    for trace in ("marker", "glm", "GLM", "T.jsonl"):
        assert trace not in sent
        assert trace not in read
    assert [one.rater for one in read_codings(tmp_path / "c")] == ["rater-marker"]


def test_a_missing_goal_is_asked_for_first_and_recorded_as_the_judges(tmp_path: Path):
    path = saved(tmp_path / "T.jsonl", [session("a/1", "你有点累。", goal=None)])
    with LLMServer(perfect) as server:
        assert run(server, path, "-o", tmp_path / "c", *ONCE).returncode == 0
    first, *others = server.received
    assert task(first) == "target"
    assert {asked(one)["target_behaviour"] for one in others} == {"十一点前上床"}
    assert table(tmp_path / "c" / "transcripts.csv") == ["a/1,tester,1,十一点前上床,complete"]
    told = loaded(tmp_path / "c" / "judge.json")["transcripts"][0]
    assert (told["target_behaviour"], told["target_behaviour_by"]) == ("十一点前上床", "judge")


def test_without_any_goal_only_the_relational_globals_and_codes_are_asked_for(tmp_path: Path):
    path = saved(tmp_path / "T.jsonl", [session("a/1", "你有点累。", goal=None)])

    def aimless(received: Received) -> str:
        if task(received) == "target":
            return text({"reason": "只是倾诉", "target_behaviour": None})
        return perfect(received)

    with LLMServer(aimless) as server:
        done = run(server, path, "-o", tmp_path / "c", *ONCE)
    assert done.returncode == 0
    assert "1 without a target behaviour" in done.stdout
    assert Counter(map(task, server.received)) == dict.fromkeys(
        ("target", "partnership", "empathy", "volley"), 1
    )
    (one,) = read_codings(tmp_path / "c")
    assert one.complete
    assert one.globals is not None
    assert (one.globals.cultivate, one.globals.soften, one.globals.empathy) == (None, None, 4)
    assert one.target_behaviour == ""


def test_a_transcript_whose_goal_cannot_be_had_is_partial_and_nothing_else_is_asked(tmp_path: Path):
    path = saved(tmp_path / "T.jsonl", [session("a/1", "你有点累。", goal=None)])
    with LLMServer(lambda _: text({"reason": "", "target_behaviour": " "})) as server:
        done = run(server, path, "-o", tmp_path / "c", *ONCE)
    assert done.returncode == 1
    assert len(server.received) == 3
    (one,) = read_codings(tmp_path / "c")
    assert (one.complete, one.globals, one.uncoded) == (False, None, frozenset({1}))


def test_the_goal_of_a_transcription_is_taken(tmp_path: Path):
    one = session("a/1", "你有点累。", goal=None)
    goal = {"label": "少喝酒", "category": "alcohol", "direction": "decrease"}
    meta = {**one.meta, "transcription": {"target_behaviour": goal}}
    path = saved(tmp_path / "T.jsonl", [replace(one, meta=meta)])
    with LLMServer(perfect) as server:
        assert run(server, path, "-o", tmp_path / "c", *ONCE).returncode == 0
    assert {asked(one)["target_behaviour"] for one in server.received} == {"少喝酒"}
    told = loaded(tmp_path / "c" / "judge.json")["transcripts"][0]
    assert told["target_behaviour_by"] == "transcript"


def test_with_a_key_codes_bear_the_neutral_ids_and_only_the_same_texts_are_taken(tmp_path: Path):
    both = [session("a/1", "你有点累。"), session("a/2", "几点睡？")]
    path, key, out = saved(tmp_path / "T.jsonl", both), tmp_path / "key.json", tmp_path / "c"
    blinding = blinded(both, seed=3)
    key.write_text(jsonl.dumped(blinding.key()), encoding="utf-8")
    changed = saved(tmp_path / "U.jsonl", [session("a/1", "你很累。")])
    foreign = saved(tmp_path / "V.jsonl", [session("a/3", "你很累。")])
    with LLMServer(perfect) as server:
        assert run(server, path, "-o", out, *ONCE, "--key", key).returncode == 0
        other = run(server, changed, "-o", tmp_path / "d", "--key", key)
        unknown = run(server, foreign, "-o", tmp_path / "d", "--key", key)
    names = {one.original: one.id for one in blinding.transcripts}
    assert {one.transcript: one.volleys for one in read_codings(out)} == {
        names["a/1"]: (frozenset({Code.SIMPLE_REFLECTION}),),
        names["a/2"]: (frozenset({Code.QUESTION}),),
    }
    assert "a/" not in (out / "judge.json").read_text(encoding="utf-8")
    assert (other.returncode, unknown.returncode) == (2, 2)
    assert "a/1: its text is not the one in the books" in other.stderr
    assert "knows no transcript 'a/3'" in unknown.stderr


def test_the_order_is_drawn_by_the_seed_whatever_the_order_of_the_file(tmp_path: Path):
    def order(seed: int, numbers: list[int]) -> list[str]:
        path = saved(tmp_path / "T.jsonl", [session(f"a/{n}", "你有点累。") for n in numbers])
        with LLMServer(perfect) as server:
            done = run(server, path, "-o", tmp_path / f"{seed}{numbers[0]}", *ONCE, "--seed", seed)
        assert done.returncode == 0
        said = [asked(one)["transcript"][0]["text"] for one in server.received
                if task(one) == "empathy"]  # fmt: skip
        assert sorted(said) == [f"{n}的第1句。" for n in range(6)]
        return said

    forward, back = list(range(6)), list(range(5, -1, -1))
    drawn = order(1, forward)
    assert drawn == order(1, back) != sorted(drawn)
    assert drawn != order(2, forward)
