from __future__ import annotations

import csv
import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from statistics import stdev

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


def test_a_quotation_that_was_not_said_costs_that_quotation_alone_and_is_counted(
    tmp_path: Path,
):
    path, out = (
        saved(tmp_path / "T.jsonl", [session("a/1", "你有点累。", "几点睡？")]),
        tmp_path / "c",
    )

    def script(received: Received) -> str:
        if task(received) not in GLOBALS:
            return perfect(received)
        found = rated(received, score=2 if task(received) == "empathy" else 4)
        wrong = {"volley": 2, "quote": "你有点累。", "direction": "down"}
        found["evidence"] += [wrong, {**wrong, "quote": "你从来不听"}]
        if task(received) == "soften":
            del found["evidence"][:2]
        return text(found)

    with LLMServer(script) as server:
        done = run(server, path, "-o", out, *ONCE)
        assert len(server.received) == 4 + 2
    assert done.returncode == 0, done.stderr
    # One of three was not said, one has the wrong number; soften has only what was not said.
    told = "4 of 10 quotations are nothing that the counselor said; left out"
    assert f"{told}; 1 ratings are left with none" in done.stdout
    assert "a/1,tester,empathy,2" in table(out / "globals.csv")
    (reading,) = loaded(out / "judge.json")["transcripts"][0]["readings"]
    quoted = {"volley": 1, "quote": "你有点累。", "direction": "up"}
    other = {**quoted, "direction": "down"}
    rated_so = reading["globals"]["empathy"]
    assert (rated_so["evidence"], rated_so["not_found"]) == ([quoted, other], 1)
    assert reading["globals"]["soften"]["evidence"] == []
    counts = loaded(tmp_path / "c.stamp.json")["counts"]
    assert (counts["quotations"], counts["quotations not found"]) == (10, 4)
    assert counts["ratings without a quotation found"] == 1


def test_ratings_that_are_the_same_for_all_sessions_are_warned_of(tmp_path: Path):
    names = "abcde"
    sessions = [session(f"{name}/{n}", "你有点累。") for n, name in enumerate(names)]
    path = saved(tmp_path / "T.jsonl", sessions)
    with LLMServer(perfect) as server:
        few = run(server, saved(tmp_path / "few.jsonl", sessions[:4]), "-o", tmp_path / "d", *ONCE)
        done = run(server, path, "-o", tmp_path / "c", *ONCE)
    told = "warning: 5 of 5 sets of global ratings are the same or nearly so"
    assert told in done.stdout
    assert "warning" not in few.stdout
    counts = loaded(tmp_path / "c.stamp.json")["counts"]
    assert counts["sets of global ratings that hardly vary"] == 5


def test_a_judge_that_gives_the_example_back_is_asked_again_and_never_counts(tmp_path: Path):
    """Each of its answers is what the prompt shows, as far as a schema takes that."""
    path = saved(tmp_path / "T.jsonl", [session("a/1", "你有点累。", goal=None)])

    def script(received: Received) -> str:
        system = received.body["messages"][0]["content"]
        return str(re.findall(r"```json\n(.*?)```", system, re.DOTALL)[-1])

    with LLMServer(script) as server:
        done = run(server, path, "-o", tmp_path / "c", *ONCE)
        assert len(server.received) == 3
    assert done.returncode == 1
    assert "answers that were the example of their prompt: 3; " in done.stderr
    assert "set aside: 1 example copied" in done.stdout
    assert loaded(tmp_path / "c.stamp.json")["endpoint"]["examples copied"] == 3


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
