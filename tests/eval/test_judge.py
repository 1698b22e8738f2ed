from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from statistics import stdev
from typing import Any

import pytest

import prompts
from eval.transcripts import annomi as transcript_annomi
from eval.transcripts.collection import Collection
from mi_llm.dialogue import dialogue_lines
from tests.eval.scripted_judge import (
    GLOBALS,
    KEY,
    asked,
    coded,
    loaded,
    numbered,
    perfect,
    rated,
    run,
    saved,
    session,
    table,
    task,
    text,
)
from tests.llm_server import LLMServer, Received, Reply, failed

ONCE = ("--repeats", 1)


# By the rules of the manual, in sentences of our own; `scripted_judge` codes them one by one.
RULES = {
    "你好，请坐。": "NC",
    "你有点累。几点睡？一边是难得的清静，一边是第二天的懊恼。": "Q CR",
    "几点睡？在哪里睡？和谁住？要紧吗？": "Q",
    "怎么做由你决定。有人睡前一小时关机。": "PwP EMPH",
    "你应该十点关机。": "P",
    "你应该十点关机。有人睡前一小时关机。": "PwP",
    "强光会推迟入睡。": "GI",
    "做得好！": "NC",
    "连着三个晚上都做到了，这样的决心不容易。": "AF",
    "我能和你分享一些资料吗？": "SEEK",
    "你怎么又说话不算数？": "CON",
    "你觉得烦，也许还有点怕。": "SR",  # unsure which: the simple one
    "你并不真的想改。": "NC",  # unsure whether it confronts or reflects: no code
    "你看呢？": "Q",  # unsure whether it is adherent: it is not
}


def test_rules_are_applied_to_what_the_judge_says_of_each_sentence(tmp_path: Path):
    path, out = saved(tmp_path / "T.jsonl", [session("a/1", *RULES)]), tmp_path / "c"
    with LLMServer(perfect) as server:
        done = run(server, path, "-o", out, *ONCE)
    assert done.returncode == 0, done.stderr
    assert table(out / "codes.csv") == [
        f"a/1,{number},tester,{code}"
        for number, codes in enumerate(RULES.values(), start=1)
        for code in codes.split()
    ]
    assert table(out / "globals.csv") == [f"a/1,tester,{name},4" for name in GLOBALS]
    assert table(out / "transcripts.csv") == ["a/1,tester,14,十一点前上床,complete"]


def test_each_volley_is_asked_with_at_most_five_turns_before_it_and_each_global_by_itself(
    tmp_path: Path,
):
    volleys = ["你好，请坐。", "你有点累。", "几点睡？", "强光会推迟入睡。"]
    path = saved(tmp_path / "T.jsonl", [session("a/1", *volleys)])
    with LLMServer(perfect) as server:
        assert run(server, path, "-o", tmp_path / "c", *ONCE).returncode == 0
    assert Counter(map(task, server.received)) == {**dict.fromkeys(GLOBALS, 1), "volley": 4}
    last = asked(server.received[-1])
    before = ["1的第2句。", "你有点累。", "1的第3句。", "几点睡？", "1的第4句。"]
    assert [one["text"] for one in last["before"]] == before
    assert last["volley"] == [{"piece": 1, "text": "强光会推迟入睡。"}]
    assert last["target_behaviour"] == "十一点前上床"
    of_volleys = [asked(one) for one in server.received if task(one) == "volley"]
    assert [len(one["before"]) for one in of_volleys] == [1, 3, 5, 5]
    whole = asked(next(one for one in server.received if task(one) == "empathy"))["transcript"]
    assert [one.get("volley") for one in whole] == [None, 1, None, 2, None, 3, None, 4]


def quoting(wrong: int) -> Any:
    """A judge whose first quotations for empathy are in the wrong volley, so many times."""

    def answer(received: Received, time: int) -> str:
        if task(received) != "empathy" or time > wrong:
            return perfect(received)
        bad = rated(received, score=1)
        bad["evidence"][0]["volley"] = 2
        return text(bad)

    return numbered(answer)


def test_a_quotation_from_the_wrong_volley_is_asked_about_again_with_the_reason(tmp_path: Path):
    path = saved(tmp_path / "T.jsonl", [session("a/1", "你有点累。", "几点睡？")])
    with LLMServer(quoting(1)) as server:
        assert run(server, path, "-o", tmp_path / "c", *ONCE).returncode == 0
    first, second = (one for one in server.received if task(one) == "empathy")
    assert len(first.body["messages"]) == 2
    assert "'你有点累。' does not stand in volley 2" in second.body["messages"][-1]["content"]
    assert "a/1,tester,empathy,4" in table(tmp_path / "c" / "globals.csv")


def test_what_gets_no_usable_answer_makes_the_transcript_partial_until_asked_again(tmp_path: Path):
    path = saved(tmp_path / "T.jsonl", [session("a/1", "你有点累。", "几点睡？")])
    out = tmp_path / "c"

    def failing(received: Received) -> str:
        if task(received) == "volley" and asked(received)["volley"][0]["text"] == "几点睡？":
            return text({"utterances": []})
        return perfect(received)

    with LLMServer(failing) as server:
        done = run(server, path, "-o", out, *ONCE)
        assert done.returncode == 1
        assert "1 partial" in done.stdout
        assert "set aside: 1 breaks a rule" in done.stdout
        assert table(out / "codes.csv") == ["a/1,1,tester,SR"]
        assert table(out / "transcripts.csv") == ["a/1,tester,2,十一点前上床,partial"]
        (aside,) = loaded(out / "judge.json")["set_aside"]
        assert aside["request"] == "judge:a/1:volley 2#1"
        (reading,) = loaded(out / "judge.json")["transcripts"][0]["readings"]
        assert reading["volleys"][1] is None
        assert len(server.received) == 4 + 1 + 3
        server.script = perfect
        assert run(server, path, "-o", out, *ONCE, "--again", "--overwrite").returncode == 0
        assert len(server.received) == 8 + 1
    assert table(out / "codes.csv") == ["a/1,1,tester,SR", "a/1,2,tester,Q"]


def test_readings_are_asked_for_apart_and_their_spread_is_told(tmp_path: Path):
    path = saved(tmp_path / "T.jsonl", [session("a/1", "你有点累。", "几点睡？")])
    scores, codes = {1: 2, 2: 5, 3: 3}, {1: "SR", 2: "CR", 3: "CR"}

    def varying(received: Received, time: int) -> str:
        if task(received) == "empathy":
            return text(rated(received, scores[time]))
        if task(received) == "volley":
            return text(coded(received, {"你有点累。": codes[time], "几点睡？": "Q"}))
        return perfect(received)

    with LLMServer(numbered(varying)) as server:
        done = run(server, path, "-o", tmp_path / "c")
    assert done.returncode == 0, done.stderr
    bodies = Counter(json.dumps(one.body) for one in server.received)
    assert list(bodies.values()) == [3] * 6  # nothing that is sent tells the readings apart
    assert table(tmp_path / "c" / "codes.csv") == ["a/1,1,tester,CR", "a/1,2,tester,Q"]
    assert "a/1,tester,empathy,3" in table(tmp_path / "c" / "globals.csv")
    report = loaded(tmp_path / "c" / "judge.json")
    spread = report["transcripts"][0]["spread"]
    assert spread["globals"]["empathy"] == {"values": [2, 5, 3], "sd": pytest.approx(1.5275, 1e-4)}
    assert spread["counts"]["complex_reflection"]["values"] == [0, 1, 1]
    assert spread["counts"]["complex_reflection"]["sd"] == pytest.approx(stdev([0, 1, 1]))
    assert spread["counts"]["question"] == {"values": [1, 1, 1], "sd": 0}
    assert report["spread"]["volleys"]["simple_reflection"] == {"volleys": 2, "not_unanimous": 1}
    assert report["spread"]["volleys"]["question"] == {"volleys": 2, "not_unanimous": 0}
    assert "empathy: 1.53 (1.53)" in done.stdout
    readings = report["transcripts"][0]["readings"]
    assert [one["volleys"][0]["codes"] for one in readings] == [["SR"], ["CR"], ["CR"]]
    assert readings[0]["globals"]["empathy"]["evidence"][0]["quote"] == "你有点累。"


def test_readings_that_do_not_differ_are_called_one_opinion(tmp_path: Path):
    path = saved(tmp_path / "T.jsonl", [session("a/1", "你有点累。")])
    with LLMServer(perfect) as server:
        done = run(server, path, "-o", tmp_path / "c", "--repeats", 2)
    assert "2 readings that do not differ" in done.stdout


def test_a_run_that_was_stopped_goes_on_and_nothing_is_asked_twice(tmp_path: Path):
    path = saved(
        tmp_path / "T.jsonl", [session(f"a/{n}", "你有点累。", "几点睡？") for n in (1, 2)]
    )
    out = tmp_path / "c"

    def poor(received: Received) -> str | Reply:
        return failed(429, "insufficient_quota") if len(server.received) > 7 else perfect(received)

    with LLMServer(poor) as server:
        stopped = run(server, path, "-o", out, *ONCE)
        assert stopped.returncode == 3
        assert stopped.stderr.splitlines()[-1].endswith("run the same command again to go on")
        assert not out.exists()
        server.script = perfect
        assert run(server, path, "-o", out, *ONCE).returncode == 0
        assert len({json.dumps(one.body) for one in server.received}) == 12
        assert sum(server.answered.values()) == 12
        whole = len(server.received)
        before = (out / "codes.csv").read_bytes(), (out / "judge.json").read_bytes()
        assert run(server, path, "-o", out, *ONCE, "--overwrite").returncode == 0
        assert len(server.received) == whole
    assert before == ((out / "codes.csv").read_bytes(), (out / "judge.json").read_bytes())


def test_a_dry_run_tells_what_would_be_asked_and_sends_nothing(tmp_path: Path):
    both = [session("a/1", "你有点累。", goal=None), session("a/2", "几点睡？", "嗯。")]
    path, prices = saved(tmp_path / "T.jsonl", both), tmp_path / "prices.json"
    prices.write_text('{"tester": {"input": 1, "output": 2, "currency": "CNY"}}')
    with LLMServer(perfect) as server:
        done = run(server, path, "-o", tmp_path / "c", "--dry-run", "--prices", prices)
    assert done.returncode == 0
    assert not server.received
    assert sorted(one.name for one in tmp_path.iterdir()) == ["T.jsonl", "prices.json"]
    assert done.stdout.splitlines()[:2] == [
        "2 transcripts, 3 volleys, readings: 3; the target behaviour of 1 is asked for first",
        "longest: a/2 with 2 volleys",
    ]
    assert "34 requests" in done.stdout  # 1 goal, 3 x (2 x 4 globals and 3 volleys)
    assert "cost at most: 0." in done.stdout


def test_a_stamp_names_every_prompt_by_its_hash_and_holds_no_key(tmp_path: Path):
    path = saved(tmp_path / "T.jsonl", [session("a/1", "你有点累。")])
    with LLMServer(perfect) as server:
        assert run(server, path, "-o", tmp_path / "c", *ONCE).returncode == 0
    stamp = loaded(tmp_path / "c.stamp.json")
    assert len(stamp["prompts"]) == 6
    for name, sha in stamp["prompts"].items():
        assert sha == prompts.load(name).sha
    assert (stamp["repeats"], stamp["judge"], stamp["seed"]) == (1, "tester", 0)
    assert stamp["endpoint"]["model"] == "tester"
    assert stamp["inputs"].keys() == {str(path)}
    for written in (tmp_path / "c").iterdir():
        assert KEY not in written.read_text(encoding="utf-8")


def test_mistakes_are_told_before_anything_is_asked(tmp_path: Path):
    path, out = saved(tmp_path / "T.jsonl", [session("a/1", "你有点累。")]), tmp_path / "c"
    two = session("a/2", "嗯。")
    mute = saved(tmp_path / "U.jsonl", [replace(two, turns=two.turns[:1])])
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "codes.csv").touch()
    with LLMServer(perfect) as server:
        twice = run(server, path, path, "-o", out)
        silent = run(server, mute, "-o", out)
        there = run(server, path, "-o", tmp_path / "full")
        no_key = run(server, path, "-o", out, "--key", path)
        assert not server.received
    assert {one.returncode for one in (twice, silent, there, no_key)} == {2}
    assert twice.stderr == f"{path}: is named twice\n"
    assert silent.stderr == "a/2: the counselor says nothing; leave it out\n"
    assert there.stderr == f"{tmp_path / 'full'}: exists; add --overwrite to replace it\n"
    assert no_key.stderr.startswith(f"{path}")


ANNOMI = [
    ("therapist", "You smoke when you are stressed."),
    ("client", "Yeah."),
    ("therapist", "What would help?"),
    ("therapist", "It is up to you."),
]


def test_english_transcripts_are_judged_with_the_same_prompts(tmp_path: Path):
    columns = [
        "mi_quality", "transcript_id", "video_title", "video_url", "topic", "utterance_id",
        "interlocutor", "timestamp", "utterance_text", "main_therapist_behaviour",
        "client_talk_type",
    ]  # fmt: skip
    with (tmp_path / "AnnoMI.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        for number, (who, said) in enumerate(ANNOMI):
            writer.writerow(
                ["high", "7", "t", "u", "smoking", number, who, "0", said, "n/a", "n/a"]
            )
    collection = Collection()
    transcript_annomi.read(tmp_path / "AnnoMI.csv", collection)
    path = tmp_path / "T.jsonl"
    path.write_text("".join(dialogue_lines(collection.transcripts)), encoding="utf-8")
    with LLMServer(perfect) as server:
        assert run(server, path, "-o", tmp_path / "c", *ONCE).returncode == 0
    assert Counter(map(task, server.received)) == {
        "target": 1, **dict.fromkeys(GLOBALS, 1), "volley": 2
    }  # fmt: skip
    assert table(tmp_path / "c" / "codes.csv") == [
        "annomi/7,1,tester,SR",
        "annomi/7,2,tester,Q",
        "annomi/7,2,tester,EMPH",
    ]
