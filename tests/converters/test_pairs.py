"""Pairs of a constructed coded set: exactly those expected, and why each other is left out."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import prompts
from converters.__main__ import app
from mi_llm.checks import file_report
from mi_llm.coding import Session, write_codings
from mi_llm.dialogue import Dialogue, Turn
from mi_llm.jsonl import dumped
from mi_llm.miti import Code
from mi_llm.neutral_ids import turns_sha256
from tests.commands import run_here
from tests.converters.llm_jobs import asked, environment, lines, loaded, saved, text
from tests.llm_server import LLMServer, Received, Reply, failed

REWRITING = prompts.load("rewrite.v2").fill()
CODING = prompts.load("judge_volley.v2").fill()
INSTRUCTION = prompts.load("counselor.v1").text

SAID = "我知道熬夜不好，可是一到晚上就想把白天没有的时间都补回来。"  # 27 characters
MORE = "第二天上班整个人都是木的，开会的时候差一点睡着，也怕被看出来。"

# What the counselor says, its codes, what a model would say instead, and the codes of that.
CONFRONTS, ROLLS = "你这就是在给自己找借口。", "白天都给了别人，夜里才像是自己的；怎么安排由你定。"
ADVISES, ASKS_LEAVE = (
    "你应该十点半就把手机放到客厅去。",
    "夜里的时间对你很要紧。有个做法想说给你听，愿意听听吗？",
)
QUESTIONS, REFLECTS = "你几点睡？", "你想留住属于自己的那一点时间，又心疼第二天的自己。"
CODES: dict[str, str] = {
    "白天都给了别人，夜里才像是自己的；": "CR",
    "怎么安排由你定。": "EMPH",
    "夜里的时间对你很要紧。": "SR",
    "有个做法想说给你听，愿意听听吗？": "SEEK",
    "你想留住属于自己的那一点时间，又心疼第二天的自己。": "CR",
    "你晚上熬夜。": "SR",
    "你得早点睡。": "P",
}
BETTER = {CONFRONTS: ROLLS, ADVISES: ASKS_LEAVE, QUESTIONS: REFLECTS}


def talk(name: str, *said: str) -> Dialogue:
    """A dialogue that the client opens."""
    turns = [Turn("counselor" if n % 2 else "client", text) for n, text in enumerate(said)]
    return Dialogue(name, tuple(turns), {"transcript": {"source": "not-to-be-sent"}})


def coding(name: str, *volleys: str, rater: str = "R1", uncoded: int = 0) -> Session:
    """A rater's codes, e.g. "Q SR"; "" is nothing to code."""
    codes = tuple(frozenset(map(Code, one.split())) for one in volleys)
    left = frozenset({uncoded} if uncoded else ())
    return Session(name, rater, codes, None, "早睡", complete=not left, uncoded=left)


def rewriting(received: Received) -> dict[str, Any]:
    return {"heard": "……", "reply": BETTER[asked(received)["reply"]]}


def coded(received: Received) -> dict[str, Any]:
    """The volley's sentences with their codes."""
    utterances, said, first = [], "", 1
    for piece in asked(received)["volley"]:
        said += piece["text"]
        if said in CODES:
            one = {"first": first, "last": piece["piece"], "reason": "", "code": CODES[said]}
            utterances.append({**one, "sure": True, "alternative": None})
            said, first = "", piece["piece"] + 1
    assert not said, said
    return {"utterances": utterances}


def task(received: Received) -> str:
    return {REWRITING: "rewrite", CODING: "code"}[received.body["messages"][0]["content"]]


def perfect(received: Received) -> str:
    return text(rewriting(received) if task(received) == "rewrite" else coded(received))


def run(server: LLMServer, *words: object) -> Any:
    where = ["--base-url", server.base_url, "--model", "tester", "--concurrency", 1]
    return run_here(app, "pairs", *where, *words, environment=environment())


def written(tmp_path: Path, dialogues: list[Dialogue], codings: list[Session]) -> tuple[Path, Path]:
    write_codings(tmp_path / "codes", codings)
    return saved(tmp_path / "T.jsonl", dialogues), tmp_path / "codes"


def three_faults(tmp_path: Path) -> tuple[Path, Path]:
    """One dialogue for each fault, at its second volley; in the first nothing is wrong."""
    dialogues = [
        talk(f"a/{n}", "你好。", "你好。", SAID, reply, MORE, "你很累。")
        for n, reply in enumerate(BETTER)
    ]
    codings = [
        coding("a/0", "", "CON P", "SR"),  # the gravest counts
        coding("a/1", "", "P", "SR"),
        coding("a/2", "", "Q GI", "SR"),
    ]
    return written(tmp_path, dialogues, codings)


def test_each_fault_becomes_the_pair_expected(tmp_path: Path):
    path, codes = three_faults(tmp_path)
    out = tmp_path / "pairs.json"
    with LLMServer(perfect) as server:
        done = run(server, path, "--codes", codes, "-o", out)
    assert done.returncode == 0, done.stderr
    assert loaded(out) == [
        {
            "id": f"a/{n}#2",
            "instruction": INSTRUCTION,
            "input": SAID,
            "chosen": better,
            "rejected": reply,
            "history": [["你好。", "你好。"]],
        }
        for n, (reply, better) in enumerate(BETTER.items())
    ]
    assert done.stdout == (
        f"{out}: 3 pairs (1 confrontation, 1 advice_without_permission, 1 question_for_reflection)"
        f"; each in {out}.found.jsonl\n"
    )
    assert [(one["outcome"], one["codes"]) for one in lines(Path(f"{out}.found.jsonl"))] == [
        ("pair", ["CR", "EMPH"]),
        ("pair", ["SR", "SEEK"]),
        ("pair", ["CR"]),
    ]
    assert file_report(out).findings == ()


def test_nothing_but_what_is_needed_is_on_the_wire(tmp_path: Path):
    path, codes = three_faults(tmp_path)
    with LLMServer(perfect) as server:
        assert run(server, path, "--codes", codes, "-o", tmp_path / "p.json").returncode == 0
    assert Counter(map(task, server.received)) == {"rewrite": 3, "code": 3}
    before = [
        {"speaker": "client", "text": "你好。"},
        {"speaker": "counselor", "text": "你好。"},
        {"speaker": "client", "text": SAID},
    ]
    about = {"target_behaviour": "早睡", "before": before}
    rewrites = [asked(one) for one in server.received if task(one) == "rewrite"]
    assert rewrites == [
        {**about, "reply": CONFRONTS, "fault": "confrontation"},
        {**about, "reply": ADVISES, "fault": "advice_without_permission"},
        {**about, "reply": QUESTIONS, "fault": "question_for_reflection"},
    ]
    codings = [asked(one) for one in server.received if task(one) == "code"]
    pieces = ["你想留住属于自己的那一点时间，", "又心疼第二天的自己。"]
    volley = [{"piece": n, "text": piece} for n, piece in enumerate(pieces, start=1)]
    assert codings[2] == {**about, "volley": volley}
    for one in server.received:
        raw = one.raw.decode() + text(one.body)
        assert "a/" not in one.prompt
        assert "not-to-be-sent" not in raw
        assert "R1" not in one.prompt


def long_talk(turns: int) -> Dialogue:
    said = [SAID if n % 2 == 0 else f"你很累，{n}。" for n in range(turns - 1)]
    return talk("a/0", *said, QUESTIONS)


def test_a_rewrite_sees_ten_turns_and_a_coder_five(tmp_path: Path):
    path, codes = written(
        tmp_path, [long_talk(20)], [coding("a/0", *["SR"] * 9, "Q")]
    )  # fmt: skip
    with LLMServer(perfect) as server:
        assert run(server, path, "--codes", codes, "-o", tmp_path / "p.json").returncode == 0
    assert [len(asked(one)["before"]) for one in server.received] == [10, 5]
    (row,) = loaded(tmp_path / "p.json")
    assert len(row["history"]) == 9


ELSEWHERE = [
    ("a/ask", ["你好。", "你好。", SAID + "怎么办？", QUESTIONS], ["", "Q"]),  # the client asks
    ("a/short", ["你好。", "你好。", "是的。", QUESTIONS], ["", "Q"]),
    ("a/open", [SAID, QUESTIONS], ["Q"]),  # the opening
    ("a/both", ["你好。", "你好。", SAID, QUESTIONS], ["", "Q SR"]),
    ("a/seek", ["你好。", "你好。", SAID, ADVISES], ["", "P SEEK"]),
    ("a/leave", ["你好。", "你好。", SAID, ADVISES], ["", "PwP"]),
    ("a/affirm", ["你好。", "你好。", SAID, QUESTIONS], ["", "Q AF"]),
]


def test_what_is_no_fault_is_never_asked_about(tmp_path: Path):
    talks = [talk(name, *said) for name, said, _ in ELSEWHERE]
    path, codes = written(
        tmp_path, talks, [coding(name, *volleys) for name, _, volleys in ELSEWHERE]
    )
    with LLMServer(perfect) as server:
        done = run(server, path, "--codes", codes, "-o", tmp_path / "p.json")
    assert not server.received
    assert done.returncode == 2
    assert done.stderr == (f"{codes}: no reply to reject in 13 volleys; left out: none was found\n")


def test_volleys_that_are_never_taken_are_counted_by_reason(tmp_path: Path):
    crisis = "我真的不想活了，每天晚上都睡不着，也不知道能和谁说这些。"
    young = "我今年十五岁，每天晚上都睡不着，第二天上课整个人都是木的。"
    silent = Dialogue("a/silent", (Turn("counselor", CONFRONTS), Turn("client", SAID)))
    talks = [
        talk("a/kept", "你好。", "你好。", SAID, QUESTIONS),
        talk("a/differ", "你好。", "你好。", SAID, CONFRONTS),
        talk("a/partial", "你好。", "你好。", SAID, CONFRONTS),
        talk("a/crisis", crisis, "我在听。", SAID, CONFRONTS),
        talk("a/young", young, "你好。", SAID, CONFRONTS),
        silent,
        talk("a/uncoded", SAID, CONFRONTS),
    ]
    both = [
        coding(name, "", "CON", rater=rater)
        for name in ("a/crisis", "a/young")
        for rater in ("R1", "R2")
    ]
    codings = [
        coding("a/kept", "", "CON Q"),
        coding("a/kept", "", "Q", rater="R2"),  # what both see is the question
        coding("a/differ", "", "CON"),
        coding("a/differ", "", "SR", rater="R2"),
        coding("a/partial", "", "CON"),
        coding("a/partial", "", "", rater="R2", uncoded=2),
        *both,
        coding("a/silent", "CON"),
        coding("a/other", "CON"),
    ]
    path, codes = written(tmp_path, talks, codings)
    out = tmp_path / "p.json"
    with LLMServer(perfect) as server:
        done = run(server, path, "--codes", codes, "-o", out)
    assert done.returncode == 0, done.stderr
    assert [row["id"] for row in loaded(out)] == ["a/kept#2", "a/young#2"]
    assert loaded(out)[0]["chosen"] == REFLECTS
    assert done.stdout == (
        f"{out}: 2 pairs (1 confrontation, 1 question_for_reflection); left out 4: "
        "2 raters differ, 1 no client turn before it, 1 sign of crisis; "
        f"transcripts without codes: 1; each in {out}.found.jsonl\n"
    )
    assert not any(crisis in one.prompt for one in server.received)
    counts = loaded(tmp_path / "p.json.stamp.json")["counts"]
    assert {key: counts[key] for key in counts if counts[key]} == {
        "volleys": 11,
        "coded transcripts not given": 1,
        "transcripts without codes": 1,
        "faulty replies": 6,
        "pairs": 2,
        "pairs: confrontation": 1,
        "pairs: question_for_reflection": 1,
        "left out: raters differ": 2,
        "left out: no client turn before it": 1,
        "left out: sign of crisis": 1,
    }


REWRITES = {
    # What the model says instead of a question -> what becomes of it.
    REFLECTS: None,
    "你晚上熬夜。": "does not code better",  # a simple reflection
    "你想留住属于自己的那一点时间，又心疼第二天的自己。你得早点睡。": "does not code better",
    "你几点睡呢呢呢？": "no usable rewrite: breaks a rule: the same reply",
    "  。 ": "no usable rewrite: breaks a rule: blank",
    "作为一个AI，我感到你想留住自己的时间。": "no usable rewrite: breaks a rule: speaks as",
    "你" * 61: "no usable rewrite: breaks a rule: too long",
    "你三十五岁了还在留住自己的时间。": "no usable rewrite: breaks a rule: new number",
    "你得了抑郁症，想留住自己的时间。": "no usable rewrite: breaks a rule: harmful advice",
    "咨询师：你想留住自己的时间。": "no usable rewrite: breaks a rule: speaker label",
    "你和【姓名】想留住自己的时间。": "no usable rewrite: breaks a rule: mark of masked",
}


def test_rewrites_that_are_not_better_are_left_out_with_the_reason(tmp_path: Path):
    questions = {f"你几点睡{'呢' * n}？": reply for n, reply in enumerate(REWRITES)}
    talks = [
        talk(f"a/{n}", "你好。", "你好。", SAID, question) for n, question in enumerate(questions)
    ]
    path, codes = written(tmp_path, talks, [coding(one.id, "", "Q") for one in talks])
    out = tmp_path / "p.json"

    def poor(received: Received) -> str:
        if task(received) == "rewrite":
            return text({"heard": "", "reply": questions[asked(received)["reply"]]})
        return perfect(received)

    with LLMServer(poor) as server:
        done = run(server, path, "--codes", codes, "-o", out)
    assert [row["id"] for row in loaded(out)] == ["a/0#2"]
    told = lines(Path(f"{out}.found.jsonl"))
    assert [one["id"] for one in told] == [f"{one.id}#2" for one in talks]
    for one, reason in zip(told, REWRITES.values(), strict=True):
        assert one["outcome"] == ("left out" if reason else "pair")
        assert (one["reason"] or "").startswith(reason or "")
    assert "left out 10: 8 no usable rewrite, 2 does not code better;" in done.stdout
    assert done.returncode == 1  # some got no usable answer


def test_a_rewrite_that_breaks_a_rule_is_asked_for_again_with_what_is_wrong(tmp_path: Path):
    path, codes = three_faults(tmp_path)

    def second_time(received: Received) -> str:
        if task(received) == "rewrite" and len(received.body["messages"]) == 2:
            return text({"heard": "", "reply": asked(received)["reply"]})
        return perfect(received)

    with LLMServer(second_time) as server:
        assert run(server, path, "--codes", codes, "-o", tmp_path / "p.json").returncode == 0
    assert len(loaded(tmp_path / "p.json")) == 3
    again = [one.body["messages"] for one in server.received if len(one.body["messages"]) == 4]
    assert len(again) == 3
    assert all("the same reply: write another one" in each[-1]["content"] for each in again)


def test_a_reply_that_gets_no_codes_is_left_out_until_asked_again(tmp_path: Path):
    path, codes = three_faults(tmp_path)
    out = tmp_path / "p.json"

    def silent(received: Received) -> str:
        if task(received) == "code" and REFLECTS.startswith(asked(received)["volley"][0]["text"]):
            return text({"utterances": []})
        return perfect(received)

    with LLMServer(silent) as server:
        done = run(server, path, "--codes", codes, "-o", out)
        assert done.returncode == 1
        assert "left out 1: 1 not coded;" in done.stdout
        server.script = perfect
        again = run(server, path, "--codes", codes, "-o", out, "--again", "--overwrite")
    assert again.returncode == 0
    assert len(loaded(out)) == 3


def test_a_run_that_was_stopped_goes_on_and_nothing_is_asked_twice(tmp_path: Path):
    path, codes = three_faults(tmp_path)
    out = tmp_path / "p.json"

    def poor(received: Received) -> str | Reply:
        return failed(429, "insufficient_quota") if len(server.received) > 4 else perfect(received)

    with LLMServer(poor) as server:
        stopped = run(server, path, "--codes", codes, "-o", out)
        assert stopped.returncode == 3
        assert not out.exists()
        server.script = perfect
        assert run(server, path, "--codes", codes, "-o", out).returncode == 0
        assert sum(server.answered.values()) == 6
        assert max(server.answered.values()) == 1
        first = out.read_bytes()
        assert run(server, path, "--codes", codes, "-o", out, "--overwrite").returncode == 0
        assert sum(server.answered.values()) == 6
    assert out.read_bytes() == first


def test_candidates_are_taken_where_all_turns_before_are_the_same(tmp_path: Path):
    path, codes = three_faults(tmp_path)
    out = tmp_path / "p.json"
    others = saved(
        tmp_path / "other.jsonl",
        [
            talk("a/0", "你好。", "你好。", SAID, ROLLS),
            talk("a/1", "你好。", "您好。", SAID, ASKS_LEAVE),  # another context
            talk("a/2#2", "你好。", "你好。", SAID, "你晚上熬夜。"),  # by volley
        ],
    )
    with LLMServer(perfect) as server:
        done = run(server, path, "--codes", codes, "-o", out, "--candidates", others)
    assert Counter(map(task, server.received)) == {"code": 2}
    assert [(row["id"], row["chosen"]) for row in loaded(out)] == [("a/0#2", ROLLS)]
    assert done.returncode == 0
    assert "left out 2: 1 does not code better, 1 no candidate in the same context;" in done.stdout
    stamp = loaded(tmp_path / "p.json.stamp.json")
    assert stamp["chosen"] == "candidates"
    assert str(others) in stamp["inputs"]


def test_codes_with_neutral_ids_are_read_through_the_key(tmp_path: Path):
    one = talk("a/0", "你好。", "你好。", SAID, QUESTIONS)
    path, codes = written(tmp_path, [one], [coding("T01", "", "Q")])
    items = {"T01": {"transcript": "a/0", "source": "x", "sha256": turns_sha256(one.turns)}}
    (tmp_path / "key.json").write_text(dumped({"items": items}), encoding="utf-8")
    words = (path, "--codes", codes, "-o", tmp_path / "p.json")
    with LLMServer(perfect) as server:
        without = run(server, *words)
        assert without.returncode == 2
        assert "codes none of the 1 transcripts; do the codes bear the ids of books?" in (
            without.stderr
        )
        assert run(server, *words, "--key", tmp_path / "key.json").returncode == 0
    assert [row["id"] for row in loaded(tmp_path / "p.json")] == ["a/0#2"]


def test_another_text_than_the_coded_one_is_a_mistake(tmp_path: Path):
    path, codes = written(
        tmp_path, [talk("a/0", "你好。", "你好。", SAID)], [coding("a/0", "", "Q")]
    )
    with LLMServer(perfect) as server:
        done = run(server, path, "--codes", codes, "-o", tmp_path / "p.json")
    assert done.returncode == 2
    assert "a/0 has 2 volleys, and 1 in the transcript; give the file that was coded" in done.stderr


def test_a_dry_run_tells_what_would_be_asked_and_sends_nothing(tmp_path: Path):
    path, codes = three_faults(tmp_path)
    with LLMServer(perfect) as server:
        done = run(server, path, "--codes", codes, "-o", tmp_path / "p.json", "--dry-run")
    assert not server.received
    assert done.returncode == 0
    assert done.stdout.startswith("3 replies to reject in 9 volleys: 1 advice_without_permission, ")
    told = done.stdout.splitlines()[1:]
    assert {one.partition(":")[0] for one in told} == {"rewrites", "codes"}
    assert sum("3 requests" in one for one in told) == 2
    assert sorted(one.name for one in tmp_path.iterdir()) == ["T.jsonl", "codes"]


def many(tmp_path: Path) -> tuple[Path, Path]:
    said = [
        "".join(random.Random(n).choices("我想戒烟难受家里工作睡不好", k=40)) for n in range(10)
    ]
    dialogues = [talk(f"a/{n}", "你好。", "你好。", said[n], QUESTIONS) for n in range(10)]
    return written(tmp_path, dialogues, [coding(f"a/{n}", "", "Q") for n in range(10)])


def test_a_share_of_the_dialogues_is_held_out_by_the_seed(tmp_path: Path):
    path, codes = many(tmp_path)
    drawn: list[set[str]] = []
    with LLMServer(perfect) as server:
        for seed in (1, 1, 2):
            out = tmp_path / "p.json"
            words = ("--test", 0.3, "--seed", seed, "--overwrite")
            done = run(server, path, "--codes", codes, "-o", out, *words)
            assert done.returncode == 0, done.stderr
            kept, held = ({row["id"] for row in loaded(one)} for one in (
                out, tmp_path / "p_test.json"
            ))  # fmt: skip
            assert (len(kept), len(held), kept & held) == (7, 3, set())
            drawn.append(held)
    assert drawn[0] == drawn[1] != drawn[2]
    assert f"{tmp_path / 'p_test.json'}: 3 pairs" in done.stdout


def test_related_sessions_are_held_out_together(tmp_path: Path):
    said = [
        "".join(random.Random(n // 4).choices("我想戒烟难受家里工作睡不好", k=40)) for n in range(8)
    ]
    dialogues = [talk(f"a/{n}", "你好。", "你好。", said[n], QUESTIONS) for n in range(8)]
    path, codes = written(tmp_path, dialogues, [coding(f"a/{n}", "", "Q") for n in range(8)])
    out = tmp_path / "p.json"
    with LLMServer(perfect) as server:
        done = run(server, path, "--codes", codes, "-o", out, "--test", 0.2)
    assert done.returncode == 0, done.stderr
    # Two of eight are asked for; there are two groups of four.
    held = {row["id"] for row in loaded(tmp_path / "p_test.json")}
    assert held in ({f"a/{n}#2" for n in range(4)}, {f"a/{n}#2" for n in range(4, 8)})


def test_the_prompt_can_stand_at_the_head(tmp_path: Path):
    path, codes = three_faults(tmp_path)
    out = tmp_path / "p.json"
    with LLMServer(perfect) as server:
        words = ("--prompt-as", "system")
        assert run(server, path, "--codes", codes, "-o", out, *words).returncode == 0
    for row in loaded(out):
        assert row["system"] == INSTRUCTION
        assert "instruction" not in row
    assert file_report(out).findings == ()


def test_another_model_can_code_than_the_one_that_writes(tmp_path: Path):
    path, codes = three_faults(tmp_path)
    words = (path, "--codes", codes, "-o", tmp_path / "p.json", "--judge")
    with LLMServer(perfect) as writer, LLMServer(perfect) as coder:
        assert run(writer, *words, f"other={coder.base_url}").returncode == 0
        wrong = run(writer, *words, "=http://127.0.0.1:1/v1")
    assert {(task(one), one.body["model"]) for one in writer.received} == {("rewrite", "tester")}
    assert {(task(one), one.body["model"]) for one in coder.received} == {("code", "other")}
    stamp = loaded(tmp_path / "p.json.stamp.json")
    assert (stamp["endpoint"]["model"], stamp["judge"]["model"]) == ("tester", "other")
    assert wrong.returncode == 2
    assert "expected NAME or NAME=BASE_URL" in wrong.stderr


def test_a_stamp_tells_what_the_pairs_were_made_with(tmp_path: Path):
    path, codes = three_faults(tmp_path)
    with LLMServer(perfect) as server:
        assert run(server, path, "--codes", codes, "-o", tmp_path / "p.json").returncode == 0
    stamp = loaded(tmp_path / "p.json.stamp.json")
    assert stamp["prompts"] == {
        name: prompts.load(name).sha for name in ("counselor.v1", "judge_volley.v2", "rewrite.v2")
    }
    assert set(stamp["inputs"]) == {
        str(path), *(str(codes / f"{name}.csv") for name in ("codes", "globals", "transcripts"))
    }  # fmt: skip
    assert (stamp["least"], stamp["prompt_as"], stamp["test"], stamp["seed"]) == (
        20, "instruction", 0.0, 42
    )  # fmt: skip
    assert stamp["endpoint"]["model"] == "tester"


def answer_with(value: Any) -> Callable[[Received], str]:
    return lambda received: json.dumps(value)


def test_without_any_pair_the_reasons_are_told_and_nothing_is_written(tmp_path: Path):
    path, codes = three_faults(tmp_path)
    with LLMServer(answer_with({"heard": "", "reply": ""})) as server:
        done = run(server, path, "--codes", codes, "-o", tmp_path / "p.json")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "no pair to write; left out: 3 no usable rewrite"
    assert not (tmp_path / "p.json").exists()
