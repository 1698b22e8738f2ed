from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from statistics import stdev
from typing import Any

import pytest

from eval import transcript_annomi
from eval.blinding import blinded
from eval.transcripts import Collection
from mi_llm import jsonl
from mi_llm.coding import read_codings
from mi_llm.dialogue import dialogue_lines
from mi_llm.miti import Code
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


@pytest.mark.parametrize(
    ("volley", "codes"),
    [
        ("你有点累。几点睡？一边是难得的清静，一边是第二天的懊恼。", "Q CR"),
        ("几点睡？在哪里睡？和谁住？要紧吗？", "Q"),
        ("怎么做由你决定。有人睡前一小时关机。", "PwP EMPH"),
        ("你应该十点关机。", "P"),
        ("你应该十点关机。有人睡前一小时关机。", "PwP"),
        ("强光会推迟入睡。", "GI"),
        ("做得好！", "NC"),
        ("连着三个晚上都做到了，这样的决心不容易。", "AF"),
        ("我能和你分享一些资料吗？", "SEEK"),
        ("你怎么又说话不算数？", "CON"),
        ("你觉得烦，也许还有点怕。", "SR"),  # unsure which: the simple one
        ("你并不真的想改。", "NC"),  # unsure whether it confronts or reflects: no code
        ("你看呢？", "Q"),  # unsure whether it is adherent: it is not
    ],
)
def test_rules_are_applied_to_what_the_judge_says_of_each_sentence(
    tmp_path: Path, volley: str, codes: str
):
    path, out = (
        saved(tmp_path / "T.jsonl", [session("a/1", "你好，请坐。", volley)]),
        tmp_path / "c",
    )
    with LLMServer(perfect) as server:
        done = run(server, path, "-o", out, *ONCE)
    assert done.returncode == 0, done.stderr
    assert table(out / "codes.csv") == [
        "a/1,1,tester,NC",
        *(f"a/1,2,tester,{code}" for code in codes.split()),
    ]
    assert table(out / "globals.csv") == [f"a/1,tester,{name},4" for name in GLOBALS]
    assert table(out / "transcripts.csv") == ["a/1,tester,2,十一点前上床,complete"]


def test_each_volley_is_asked_with_at_most_five_turns_before_it_and_each_global_by_itself(
    tmp_path: Path,
):
    volleys = ["你好，请坐。", "你有点累。", "几点睡？", "强光会推迟入睡。"]
    path = saved(tmp_path / "T.jsonl", [session("a/1", *volleys)])
    with LLMServer(perfect) as server:
        assert run(server, path, "-o", tmp_path / "c", *ONCE).returncode == 0
    assert Counter(map(task, server.received)) == {**dict.fromkeys(GLOBALS, 1), "volley": 4}
    last = asked(server.received[-1])
    assert [one["text"] for one in last["before"]] == [
        "1的第2句。",
        "你有点累。",
        "1的第3句。",
        "几点睡？",
        "1的第4句。",
    ][-5:]
    assert last["volley"] == [{"piece": 1, "text": "强光会推迟入睡。"}]
    assert last["target_behaviour"] == "十一点前上床"
    assert [len(asked(one)["before"]) for one in server.received if task(one) == "volley"] == [
        1,
        3,
        5,
        5,
    ]
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
    path, out = (
        saved(tmp_path / "T.jsonl", [session("a/1", "你有点累。", "几点睡？")]),
        tmp_path / "c",
    )

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
    named = type(one)(
        one.id, (type(one.turns[0])("client", "你是ChatGLM吗？"), one.turns[1]), one.meta
    )
    path = saved(tmp_path / "T.jsonl", [named])
    with LLMServer(perfect) as server:
        done = run(server, path, "-o", tmp_path / "c", *ONCE, "--judge", "rater-marker")
    assert done.returncode == 0, done.stderr
    assert len(server.received) == 5
    sent = b"".join(one.raw for one in server.received).decode()
    assert (
        "你有点累"
        in json.loads(server.received[0].raw.split(b"\r\n\r\n", 1)[1])["messages"][1]["content"]
    )
    for trace in ("marker", "glm", "GLM", "T.jsonl"):
        assert trace not in sent
        assert trace not in json.dumps([one.body for one in server.received], ensure_ascii=False)
    assert KEY in sent  # what travels in the header is seen here: the search is not blind
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
        "2 transcripts, 3 volleys, 3 readings; the target behaviour of 1 is asked for first",
        "longest: a/2 with 2 volleys",
    ]
    assert "34 requests" in done.stdout  # 1 goal, 3 x (2 x 4 globals and 3 volleys)
    assert "cost at most: 0." in done.stdout


def test_a_stamp_names_every_prompt_by_its_hash_and_holds_no_key(tmp_path: Path):
    import prompts

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
    mute = saved(
        tmp_path / "U.jsonl", [type(one := session("a/2", "嗯。"))(one.id, one.turns[:1], one.meta)]
    )
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
    assert no_key.returncode == 2


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
