"""`dynamics --judge` against a scripted server: what is asked, what becomes of the answers."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import prompts
from eval.dynamics.annotations import Annotation
from eval.dynamics.requests import CLIENT, RATED, REDIRECTION
from mi_llm.dialogue import Dialogue, Turn
from tests.eval import scripted_judge
from tests.eval.dynamics_dialogues import KEY, loaded, run, saved_annotations, talk
from tests.eval.scripted_judge import asked, saved, text
from tests.llm_server import LLMServer, Received, Reply

TASKS = {
    **scripted_judge.TASKS,
    prompts.load(CLIENT).fill(): "client",
    prompts.load(REDIRECTION).fill(): "redirection",
    **{prompts.load(prompt).fill(): name for name, prompt in RATED.items()},
}
# Client's turns with what they are, and volleys with the words that point to the change.
CLIENT_TURNS = {
    "晚上就是睡不着。": ("neutral", False, False),
    "我不想早睡。": ("sustain", False, False),
    "我想试试早点睡。": ("change", False, False),
    "别问这个了。": ("neutral", True, False),
}
POINTING = {"你看呢？": "你看呢", "怎么做由你决定。": "由你决定"}


def task(received: Received) -> str:
    return TASKS[received.body["messages"][0]["content"]]


def perfect(received: Received) -> str:
    """The answer of a judge that makes no mistake."""
    what = task(received)
    if what in ("target", "volley", *scripted_judge.GLOBALS):
        return scripted_judge.perfect(received)
    about = asked(received)
    if what == "client":
        talk, refusal, leaves = CLIENT_TURNS[about["turn"]]
        return text({"quote": about["turn"], "talk": talk, "refusal": refusal, "exit": leaves})
    if what == "redirection":
        quote = POINTING.get(about["volley"], "")
        last = [one["text"] for one in about["before"] if one["speaker"] == "client"][-1]
        origin = {"change": "change", "sustain": "sustain"}.get(CLIENT_TURNS[last][0], "problem")
        return text({"origin": origin, "toward_change": bool(quote), "quote": quote})
    first = about["transcript"][0]
    return text(
        {
            "evidence": [{"turn": 1, "quote": first["text"], "direction": "up"}],
            "reason": "",
            "score": 4 if what == "effectiveness" else 5,
        }
    )


def spoken(name: str, *said: str, source: str = "calm-it") -> Dialogue:
    """Turns one after the other, the client first unless the first is blank."""
    first = 0 if said[0] else 1
    turns = [
        Turn("client" if at % 2 == 0 else "counselor", one)
        for at, one in enumerate(said)
        if at >= first
    ]
    facts = {"source": source, "target_behaviour": "十一点前上床"}
    return Dialogue(name, tuple(turns), {"transcript": facts})


# Two redirections: from sustain talk, met by change talk; from a problem, met by a refusal. What
# points to the change after change talk is none.
TALK = spoken(
    "calm-it/p1/4/1",
    "我不想早睡。", "你看呢？",
    "我想试试早点睡。", "怎么做由你决定。",
    "晚上就是睡不着。", "你看呢？",
    "别问这个了。", "你有点累。",
)  # fmt: skip


def judged(server: LLMServer, tmp_path: Path, *dialogues: Dialogue, words: Any = ()) -> Any:
    source = saved(tmp_path / "dialogues.jsonl", dialogues)
    return run(source, "--judge", "-o", tmp_path / "out", *words, url=server.base_url)


def lines(tmp_path: Path) -> list[Any]:
    path = tmp_path / "out/annotations.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_answers_become_annotations_and_measures(tmp_path: Path):
    with LLMServer(perfect) as server:
        done = judged(server, tmp_path, TALK)
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
    assert "dialogues 1, annotated 1, groups 1" in done.stdout
    stamp = loaded(tmp_path / "out.stamp.json")
    for name in (CLIENT, REDIRECTION, *RATED.values(), "judge_volley.v2"):
        assert stamp["prompts"][name] == prompts.load(name).sha
    assert (stamp["counts"]["answered"], stamp["endpoint"]["model"]) == (18, "tester")
    (said,) = lines(tmp_path)
    assert (said["id"], said["by"]) == ("calm-it/p1/4/1", "tester")
    assert said["client"][0] == {
        "turn": 1,
        "talk": "sustain",
        "refusal": False,
        "exit": False,
        "quote": "我不想早睡。",
    }
    assert [one["redirection"] for one in said["counselor"]] == [True, False, True, False]
    # "你看呢？" may be SEEK or Q, and Q is what MITI's rule settles on; the last is a reflection.
    assert [one["codes"] for one in said["counselor"]] == [["Q"], ["EMPH"], ["Q"], ["SR"]]
    assert [one["reflection"] for one in said["counselor"]] == ["none", "none", "none", "simple"]
    assert said["blocks"] == [
        {
            "first_round": 1,
            "last_round": 4,
            "effectiveness": 4,
            "goal_alignment": 5,
            "cultivate": 4,
            "soften": 4,
            "partnership": 4,
            "empathy": 4,
        }
    ]
    (found,) = loaded(tmp_path / "out/dynamics.json")["dialogues"]
    told = {name: found["measures"][name] for name in (
        "acceptance", "redirections_per_10_turns", "change_talk_share", "reflection_to_question",
        "repeated_codes",
    )}  # fmt: skip
    assert told == {
        "acceptance": 1 / 2,
        "redirections_per_10_turns": 5,
        "change_talk_share": 1 / 2,
        "reflection_to_question": 1 / 2,
        "repeated_codes": 1 / 3,
    }


def dull(received: Received) -> str:
    """The answer of a judge to whom nothing is anything."""
    what, about = task(received), asked(received)
    if what == "volley":
        whole = {"first": 1, "last": len(about["volley"]), "reason": ""}
        return text({"utterances": [whole | {"code": "NC", "sure": True, "alternative": None}]})
    if what == "client":
        return text({"quote": "", "talk": "neutral", "refusal": False, "exit": False})
    if what == "redirection":
        return text({"origin": "problem", "toward_change": False, "quote": ""})
    number = "turn" if what in RATED else "volley"
    first = next(one for one in about["transcript"] if one.get(number) == 1)
    evidence = [{number: 1, "quote": first["text"], "direction": "none"}]
    return text({"evidence": evidence, "reason": "", "score": 3})


def test_each_turn_is_asked_about_once_and_each_block_with_its_own_rounds_and_few_before(
    tmp_path: Path,
):
    said = [f"第{number}句" for number in range(1, 51)]  # 25 rounds: blocks of 10, 10 and 5
    with LLMServer(dull) as server:
        done = judged(server, tmp_path, spoken("calm-it/p1/40/1", *said))
    assert done.returncode == 0, done.stderr
    shown = [(task(one), asked(one)) for one in server.received]
    each = dict.fromkeys([*RATED, *scripted_judge.GLOBALS], 3)
    assert Counter(what for what, _ in shown) == {
        "volley": 25, "redirection": 25, "client": 25, **each
    }  # fmt: skip
    for what, about in shown:
        before = [one["text"] for one in about.get("before", [])]
        if what == "client":
            place = said.index(about["turn"])
            assert before == said[max(place - 5, 0) : place]
        if what == "redirection":
            place = said.index(about["volley"])
            assert before == said[max(place - 5, 0) : place]
        if what in RATED:
            texts = [one["text"] for one in about["transcript"]]
            place = said.index(texts[0])
            assert texts == said[place : place + len(texts)]
            assert before == said[max(place - 5, 0) : place]
            assert [one["turn"] for one in about["transcript"]] == list(range(1, len(texts) + 1))
    for name in each:
        lengths = [len(about["transcript"]) for what, about in shown if what == name]
        assert sorted(lengths) == [10, 20, 20]


def test_nothing_that_names_the_source_or_the_key_is_sent(tmp_path: Path):
    named = spoken("calm-it/secret-9/4/1", *[turn.content for turn in TALK.turns], source="marker7")
    with LLMServer(perfect) as server:
        assert judged(server, tmp_path, named).returncode == 0
    assert len(server.received) == 18  # 4 volleys twice, 4 client turns, 6 ratings
    for one in server.received:
        body = scripted_judge.text(one.body)
        assert not any(word in body for word in ("secret-9", "marker7", "calm-it", KEY))
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes()


def test_without_a_goal_only_codes_and_two_ratings_are_asked_for(tmp_path: Path):
    aimless = Dialogue("one", TALK.turns, {"transcript": {"source": "a"}})

    def script(received: Received) -> str:
        if task(received) == "target":
            return text({"reason": "", "target_behaviour": None})
        return perfect(received)

    with LLMServer(script) as server:
        done = judged(server, tmp_path, aimless)
    assert done.returncode == 0, done.stderr
    assert Counter(task(one) for one in server.received) == {
        "target": 1, "volley": 4, "partnership": 1, "empathy": 1
    }  # fmt: skip
    measures = loaded(tmp_path / "out/dynamics.json")["dialogues"][0]["measures"]
    assert (measures["empathy"], measures["reflection_to_question"]) == (4, 1 / 2)
    for name in ("acceptance", "redirections_per_10_turns", "change_talk_of_all", "effectiveness"):
        assert measures[name] is None, name


def test_what_rests_on_a_quotation_that_is_not_there_is_not_known_and_the_rest_is_believed(
    tmp_path: Path,
):
    def script(received: Received) -> str:
        if task(received) == "redirection" and asked(received)["volley"] in POINTING:
            return text({"origin": "sustain", "toward_change": True, "quote": "早点睡吧"})
        if task(received) == "client" and asked(received)["turn"] == "我想试试早点睡。":
            return text({"quote": "我一定改", "talk": "change", "refusal": True, "exit": False})
        if task(received) == "effectiveness":
            wrong = {"turn": 9, "quote": "你看呢", "direction": "up"}
            unsaid = {**wrong, "quote": "你为什么不早点睡"}
            return text({"evidence": [wrong, unsaid], "reason": "", "score": 2})
        return perfect(received)

    with LLMServer(script) as server:
        done = judged(server, tmp_path, TALK)
        assert len(server.received) == 18
    assert done.returncode == 0, done.stderr
    (said,) = lines(tmp_path)
    assert "redirection" not in said["counselor"][0]
    assert said["counselor"][3]["redirection"] is False
    assert said["client"][1] == {"turn": 2, "refusal": True, "exit": False, "quote": ""}
    assert said["blocks"][0]["effectiveness"] == 2
    # Three volleys are said to redirect; the client's turn; what nobody said.
    assert "5 quotations are not in the text; what rests on them is left out" in done.stdout
    assert loaded(tmp_path / "out.stamp.json")["counts"]["quotations not found"] == 5
    again = run(
        "--annotations",
        tmp_path / "out/annotations.jsonl",
        tmp_path / "dialogues.jsonl",
        "-o",
        tmp_path / "two",
    )
    assert again.returncode == 0, again.stderr


def test_what_gets_no_usable_answer_is_missing_until_asked_again(tmp_path: Path):
    broken = True

    def script(received: Received) -> str:
        is_bad = task(received) == "client" and asked(received)["turn"] == "我想试试早点睡。"
        return "no" if broken and is_bad else perfect(received)

    with LLMServer(script) as server:
        done = judged(server, tmp_path, TALK)
        assert done.returncode == 1
        assert "set aside: 1 does not fit the schema; --again asks once more" in done.stdout
        assert [one["turn"] for one in lines(tmp_path)[0]["client"]] == [1, 3, 4]
        (found,) = loaded(tmp_path / "out/dynamics.json")["dialogues"]
        assert [one["accepted"] for one in found["redirections"]] == [None, False]
        broken = False
        before = len(server.received)
        done = judged(server, tmp_path, TALK, words=["--again", "--overwrite"])
    assert done.returncode == 0, done.stderr
    assert len(server.received) == before + 1
    assert [one["turn"] for one in lines(tmp_path)[0]["client"]] == [1, 2, 3, 4]


def test_a_run_that_was_stopped_goes_on_and_gives_the_same_numbers(tmp_path: Path):
    count = 0

    def poor(received: Received) -> str | Reply:
        nonlocal count
        count += 1
        if count > 7:
            error = {"message": "no money", "type": "scripted", "code": "insufficient_quota"}
            return Reply(status=429, error=error)
        return perfect(received)

    with LLMServer(poor) as server:
        done = judged(server, tmp_path, TALK)
        assert done.returncode == 3, done.stdout + done.stderr
        assert not (tmp_path / "out").exists()
        server.script = perfect
        sent = len(server.received)
        # The port is the server's own, so the host is the same and the ledger's answers count.
        assert judged(server, tmp_path, TALK).returncode == 0
        assert len(server.received) == sent + 18 - 7
        first = (tmp_path / "out/dynamics.json").read_bytes()
        assert judged(server, tmp_path, TALK, words=["--overwrite"]).returncode == 0
        assert len(server.received) == sent + 18 - 7
    assert (tmp_path / "out/dynamics.json").read_bytes() == first


def test_dialogues_that_people_annotated_are_not_asked_about(tmp_path: Path):
    people = Annotation(id="people", by="R1", client=talk("cccc"))
    said = saved_annotations(tmp_path / "said.jsonl", [people])
    other = Dialogue("people", TALK.turns, TALK.meta)
    with LLMServer(perfect) as server:
        done = judged(server, tmp_path, TALK, other, words=["--annotations", said])
    assert done.returncode == 0, done.stderr
    assert len(server.received) == 18
    assert [one["by"] for one in lines(tmp_path)] == ["tester", "R1"]


def test_a_dry_run_tells_what_would_be_asked_and_sends_nothing(tmp_path: Path):
    with LLMServer(perfect) as server:
        done = judged(server, tmp_path, TALK, words=["--dry-run"])
        assert server.received == []
    assert done.returncode == 0, done.stderr
    assert "1 dialogues, 4 rounds" in done.stdout
    assert "18 requests" in done.stdout
    assert not (tmp_path / "out").exists()
