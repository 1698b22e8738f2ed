"""Whole dialogues by a scripted model: what comes out, and what went over the wire for it."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from converters.asking import ledger_path
from converters.calm_it import generate
from converters.calm_it.asking import LONGEST_TURN, PROMPT_TOKENS
from converters.calm_it.frameworks import PROMPTS, most_requests
from converters.calm_it.generate import Made
from converters.calm_it.names import FRAMEWORKS, Framework
from eval.transcripts.collection import read_transcripts
from mi_llm.dialogue import Dialogue, read_dialogues
from mi_llm.door.spending import estimated_tokens
from mi_llm.errors import InputError
from mi_llm.llm import Endpoint
from mi_llm.profiles import Profile
from mi_llm.service import Service
from mi_llm.simulation.action import Action
from tests.converters.calm_script import (
    MARKS,
    NOT_JSON,
    ScriptedModel,
    asked,
    part,
    profiles,
)
from tests.converters.llm_jobs import lines
from tests.llm_server import LLMServer, Received, Reply, Script


def generated(
    script: Script,
    out: Path,
    framework: Framework = "calm-it",
    *,
    rounds: int = 10,
    people: list[Profile] | None = None,
    each: int = 1,
    seed: int = 42,
    concurrency: int = 4,
) -> tuple[Made, list[Received]]:
    """Make dialogues, and what the server received for them."""
    source = out.with_name("profiles.jsonl")
    source.write_text("{}\n", encoding="utf-8")
    planned = generate.sessions(
        people or profiles(), framework, rounds=rounds, each=each, seed=seed
    )
    with LLMServer(script) as server:
        endpoint = Endpoint(server.base_url, "tester", concurrency=concurrency, first_pause=0.01)
        service = Service(endpoint, ledger_path(out))
        made = generate.write(planned, source, out, service, overwrite=True)
        return made, list(server.received)


def only(out: Path) -> Dialogue:
    (one,) = read_dialogues(out)
    return one


def tokens(received: Received) -> int:
    return estimated_tokens(one["content"] for one in received.body["messages"])


def side(received: Received) -> str:
    """Whose request it is."""
    name = part(received)
    if "script" in name:
        return "script"
    return "client" if "client" in name else "counselor"


def rounds_of(out: Path) -> list[dict[str, Any]]:
    return list(only(out).meta["calm_it"]["rounds"])


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "dialogues.jsonl"


LENGTHS = [
    (framework, rounds)
    for framework in FRAMEWORKS
    for rounds in (10, 20, 40, 80)
    if (framework, rounds) != ("calm-it", 80)  # has a test of its own
]


@pytest.mark.parametrize(
    ("framework", "rounds"),
    [pytest.param(*one, marks=[pytest.mark.slow] if one[1] > 20 else []) for one in LENGTHS],
)
def test_every_framework_goes_on_to_the_last_round_that_was_asked_for(
    framework: Framework, rounds: int, out: Path
):
    made, received = generated(ScriptedModel(), out, framework, rounds=rounds)
    one = only(out)
    assert (made.dialogues, made.asides) == (1, Counter())
    assert one.id == f"calm-it/{framework}/marked-1/{rounds}/1"
    assert len(one.rounds) == rounds
    assert len(one.turns) == 2 * rounds
    assert one.meta["transcript"]["end_reason"] == "max_rounds"
    assert len(received) == most_requests(framework, rounds)
    assert one.meta["calm_it"]["counts"]["requests"] == len(received)
    told = {part(each) for each in received}
    assert told | {"calm_strategies.v1"} == {*PROMPTS[framework], "calm_strategies.v1"}
    if not framework.startswith("roleplay"):
        assert max(map(tokens, received)) <= PROMPT_TOKENS


def test_prompts_and_requests_of_eighty_rounds_do_not_grow_with_the_rounds(out: Path):
    _, received = generated(ScriptedModel(), out, rounds=80, concurrency=1)
    assert only(out).meta["transcript"]["end_reason"] == "max_rounds"
    assert len(received) == 5 * 80 - 1
    # One dialogue at a time: the first round has four requests, each further one the same five.
    by_round = [received[:4], *(received[at : at + 5] for at in range(4, len(received), 5))]
    assert len(by_round) == 80
    assert {tuple(map(part, one)) for one in by_round[1:]} == {
        (
            "calm_client_tracker.v1",
            "calm_client_speaker.v1",
            "calm_counselor_tracker.v1",
            "calm_selector.v2",
            "calm_counselor_speaker.v1",
        )
    }
    assert max(map(tokens, received)) <= PROMPT_TOKENS
    means = [fmean(map(tokens, one)) for one in by_round]
    early, late = fmean(means[10:40]), fmean(means[40:80])
    assert late <= 1.03 * early, (early, late)
    assert max(len(asked(one)["dialogue"]) for one in received) == 12
    # As long as the full history is, cost would grow: that it would is what makes this a test.
    turns = only(out).turns
    assert sum(len(turn.content) for turn in turns) > PROMPT_TOKENS


def test_what_is_over_the_budget_is_cut_from_the_oldest_turns_and_counted(out: Path):
    _, received = generated(ScriptedModel(more=LONGEST_TURN - 80), out, rounds=12)
    one = only(out)
    assert max(len(turn.content) for turn in one.turns) > LONGEST_TURN - 80
    assert max(map(tokens, received)) <= PROMPT_TOKENS
    shown = [asked(each)["dialogue"] for each in received]
    texts = [turn.content for turn in one.turns]
    for dialogue in shown:
        last = [turn["content"] for turn in dialogue]
        if last:  # what is shown is always the newest
            place = texts.index(last[0])
            assert texts[place : place + len(last)] == last
    possible = sum(min(12, len(texts[: _turns_before(one, each)])) for each in received)
    assert one.meta["calm_it"]["counts"]["turns_cut"] == possible - sum(map(len, shown)) > 0


def _turns_before(one: Dialogue, received: Received) -> int:
    """How many turns the dialogue had when a request was made: up to the last that is shown."""
    last = asked(received)["dialogue"]
    return [turn.content for turn in one.turns].index(last[-1]["content"]) + 1 if last else 0


@pytest.mark.parametrize("framework", ["calm-it", "no-counselor-tracker", "no-selector"])
def test_nothing_of_the_profile_reaches_the_counselor_nor_of_its_estimate_the_client(
    framework: Framework, out: Path
):
    def script(received: Received) -> Reply | str:
        answer = ScriptedModel()(received)
        if part(received) in ("calm_counselor_tracker.v1", "calm_selector.v2"):
            value = json.loads(str(answer))
            marked = dict.fromkeys(("short_goal", "focus_topic", "emotion"), "YMARK")
            return json.dumps({**value, **marked, "reason": "YMARK", "summary": "YMARK"})
        if part(received) == "calm_client_tracker.v1":
            value = json.loads(str(answer))
            marked = dict.fromkeys(("short_goal", "emotion", "reason", "summary"), "XMARK")
            return json.dumps({**value, **marked})
        return answer

    _, received = generated(script, out, framework, rounds=10)
    sides = Counter(map(side, received))
    assert set(sides) == {"client", "counselor"}
    for one in received:
        text = one.raw.decode() + json.dumps(one.body, ensure_ascii=False)
        if side(one) == "counselor":
            assert not [mark for mark in (*MARKS, "XMARK", "marked-1") if mark in text]
            assert "action" not in asked(one)
        else:
            assert "YMARK" not in text
    # The marks do come where they belong, or the test would prove nothing.
    everything = "".join(json.dumps(one.body, ensure_ascii=False) for one in received)
    assert [mark for mark in MARKS if mark not in everything] == ["ZTOPIC"]
    assert "XMARK" in everything
    assert ("YMARK" in everything) == (framework != "no-counselor-tracker")


@pytest.mark.parametrize("framework", ["roleplay", "roleplay-strategies", "no-client-tracker"])
def test_nothing_of_the_profile_reaches_the_counselor_of_a_baseline(
    framework: Framework, out: Path
):
    _, received = generated(ScriptedModel(), out, framework)
    seen = [one for one in received if side(one) == "counselor"]
    assert len(seen) >= 10
    assert not [mark for one in seen for mark in MARKS if mark in json.dumps(one.body)]


def test_a_reason_is_told_to_the_speaker_only_once_it_is_disclosed(out: Path):
    _, received = generated(ScriptedModel(), out, rounds=20)
    disclosed = [set(one["client"]["state"]["disclosed"]) for one in rounds_of(out)]
    spoken = [one for one in received if part(one) == "calm_client_speaker.v1"]
    assert len(spoken) == len(disclosed) == 20
    reasons = {"quiet": "ZREASON", "guarded": "ZGUARDED"}
    for one, known in zip(spoken, disclosed, strict=True):
        told = "".join(asked(one)["client"]["may_tell"])
        assert {name for name, mark in reasons.items() if mark in told} == known
        assert "ZPLAN" not in json.dumps(one.body) or asked(one)["action"] in ("accept", "plan")
    assert disclosed[0] == set()
    assert disclosed[-1] == {"quiet", "guarded"}
    alliance = [one["client"]["state"]["alliance_felt"] for one in rounds_of(out)]
    first = next(number for number, known in enumerate(disclosed) if "guarded" in known)
    assert alliance[first - 1] == 5 > max(alliance[0], 4)  # its sensitivity


def test_what_a_simulated_client_reports_without_words_that_were_said_is_counted(out: Path):
    model = ScriptedModel()

    def script(received: Received) -> Reply | str:
        if part(received) != "client_observe.v2":
            return model(received)
        said = {"act": "reflection", "quote": asked(received)["counselor"][:6]}
        acts = [said, {"act": "advice", "quote": "没有说过的话"}]
        return json.dumps({"acts": acts, "addressed": [], "farewell": False}, ensure_ascii=False)

    generated(script, out, "roleplay", rounds=3)
    assert only(out).meta["calm_it"]["counts"]["dropped_quote"] == 2  # the opening is not observed


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_same_seed_gives_the_same_bytes_with_and_without_its_ledger(
    framework: Framework, tmp_path: Path
):
    # A simulated client differs between sessions in what it does alone, not in how it opens.
    rounds = 8 if framework.startswith("roleplay") else 4

    def run(folder: str, seed: int) -> tuple[bytes, int]:
        out = tmp_path / folder / "d.jsonl"
        out.parent.mkdir(exist_ok=True)
        model, people = ScriptedModel(malformed=0.1), profiles(2)
        _, received = generated(
            model, out, framework, people=people, each=2, seed=seed, rounds=rounds
        )
        return out.read_bytes(), len(received)

    first, sent = run("a", 42)
    assert sent
    assert run("a", 42) == (first, 0)
    assert run("b", 42)[0] == first
    other, _ = run("c", 7)
    assert other != first
    found = list(read_dialogues(tmp_path / "a" / "d.jsonl"))
    assert [one.id.split("/", 2)[2] for one in found] == [
        f"marked-1/{rounds}/1",
        f"marked-1/{rounds}/2",
        f"marked-2/{rounds}/1",
        f"marked-2/{rounds}/2",
    ]
    assert found[0].turns != found[1].turns  # sessions of one profile differ


def test_a_malformed_tracker_stops_nothing_leaves_the_state_and_is_counted(out: Path):
    made, received = generated(ScriptedModel(malformed=1.0), out, rounds=10)
    assert made.dialogues == 1
    meta = only(out).meta["calm_it"]
    assert len(only(out).rounds) == 10
    counts = meta["counts"]
    assert counts["client_tracker_malformed"] == 9  # the opening has nothing to track
    assert counts["counselor_tracker_malformed"] == 10
    states = [one["client"]["state"] for one in meta["rounds"]]
    assert states == [states[0]] * 10
    estimates = [one["counselor"]["state"] | {"last_strategies": None} for one in meta["rounds"]]
    assert estimates == [estimates[0]] * 10
    assert all(one["counselor"]["strategy"] for one in meta["rounds"])
    # Each was asked once and twice more with what was wrong, then let go.
    assert sum(NOT_JSON in json.dumps(one.body, ensure_ascii=False) for one in received) == 2 * 19


def test_what_a_tracker_says_too_much_is_bounded_and_counted(out: Path):
    generated(ScriptedModel(), out, rounds=20)
    meta = only(out).meta["calm_it"]
    for who, key in (("client", None), ("counselor", "client")):
        states = [one[who]["state"] for one in meta["rounds"]]
        states = [one[key] for one in states] if key else states
        for before, after in pairwise(states):
            for name in ("importance", "confidence", "readiness", "resistance"):
                assert abs(after[name] - before[name]) <= 1
        assert meta["counts"][f"{who}_moves_clamped"] > 0
        assert meta["counts"][f"{who}_fields_kept"] > 0
    fell_back = sum("reason" not in one["counselor"] for one in meta["rounds"])
    assert meta["counts"]["selector_fallback"] == fell_back > 0
    for one in meta["rounds"]:
        assert one["counselor"]["strategy"] in one["counselor"]["allowed"]


def test_a_round_is_recorded_with_both_minds_and_a_side_without_one_is_absent(tmp_path: Path):
    kept: dict[str, Any] = {}
    for framework in FRAMEWORKS:
        out = tmp_path / f"{framework}.jsonl"
        generated(ScriptedModel(), out, framework)
        kept[framework] = only(out).meta
    one = kept["calm-it"]["calm_it"]
    assert {name: one[name] for name in ("framework", "rounds_asked", "seed", "model")} == {
        "framework": "calm-it",
        "rounds_asked": 10,
        "seed": 42,
        "model": "tester",
    }
    assert [each["round"] for each in one["rounds"]] == list(range(1, 11))
    second = one["rounds"][1]
    assert set(second) == {"round", "client", "counselor"}
    assert set(second["client"]) == {"state", "action", "reason"}
    replies = [each["counselor"] for each in one["rounds"]]
    assert all(set(each) - {"reason"} == {"state", "strategy", "allowed"} for each in replies)
    assert {each.get("reason") for each in replies} >= {"贴着他刚说的话"}
    assert second["client"]["reason"] == "话里有些松动"
    assert set(second["client"]["state"]) >= {"importance", "readiness", "alliance_felt"}
    assert set(second["counselor"]["state"]) >= {"client", "alliance_est", "task", "risk"}
    for each in kept["no-client-tracker"]["calm_it"]["rounds"]:
        assert set(each) == {"round", "counselor"}
    for each in kept["no-counselor-tracker"]["calm_it"]["rounds"]:
        assert "state" not in each["counselor"]
    for each in kept["no-selector"]["calm_it"]["rounds"]:
        assert set(each["counselor"]) == {"state"}
    for each in kept["roleplay"]["calm_it"]["rounds"]:
        assert set(each) == {"round", "client"}
    assert "rounds" not in kept["script"]["calm_it"]
    assert {name for name, meta in kept.items() if "simulation" in meta} == {
        "roleplay",
        "roleplay-strategies",
    }


def test_a_dialogue_is_a_transcript_that_says_how_it_was_made(out: Path):
    generated(ScriptedModel(), out)
    (one,) = read_transcripts(out)
    assert one.meta["transcript"] == {
        "source": "calm-it",
        "model": "tester",
        "profile": "marked-1",
        "topic": "ZTOPIC 晚睡",
        "target_behaviour": "ZTARGET 十一点前睡",
        "settings": {
            "rounds": 10,
            "session": 1,
            "seed": 42,
            "max_tokens": 4096,
            "temperature": 0.0,
        },
        "end_reason": "max_rounds",
        "safety": [],
        "flags": [],
    }


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_sign_of_danger_ends_the_dialogue_with_the_gates_words(framework: Framework, out: Path):
    danger = "我不想活了，昨天买了药想自杀。"
    model = ScriptedModel(client_says={"": danger, **dict.fromkeys(map(str, Action), danger)})
    if framework == "script":
        turns = [{"role": "client", "content": danger}, {"role": "counselor", "content": "加油。"}]
        answer = json.dumps({"turns": turns, "ended": True})
        made, received = generated(lambda _: answer, out, framework)
    else:
        made, received = generated(model, out, framework)
    assert made.dialogues == 1
    one = only(out)
    assert one.meta["transcript"]["end_reason"] == "safety"
    assert [turn.role for turn in one.turns] == ["client", "counselor"]
    assert "加油" not in one.turns[1].content
    (record,) = one.meta["transcript"]["safety"]
    assert (record["turn"], record["risk"], record["step"]) == (1, "self_harm", "hand_over")
    assert "counselor" not in set(map(side, received))


def test_a_risk_that_the_tracker_sees_is_answered_for_safety_and_ends_the_dialogue(out: Path):
    for framework in ("calm-it", "no-selector"):
        _, received = generated(ScriptedModel(risk_at=5), out, framework)
        one = only(out)
        # Turns are shown in fives from the third round's client turn on.
        assert len(one.rounds) == 3
        assert one.meta["transcript"]["end_reason"] == "safety"
        last = one.meta["calm_it"]["rounds"][-1]["counselor"]
        assert (last["strategy"], last["allowed"]) == ("safety_response", ["safety_response"])
        assert last["state"]["risk"] == "self_harm"
        assert asked(received[-1])["strategy"] == "safety_response"
        assert part(received[-2]) == "calm_counselor_tracker.v1"  # nothing was left to select
        out = out.with_name("other.jsonl")


def test_a_client_that_made_its_plan_says_goodbye_and_the_counselor_has_the_last_word(out: Path):
    ready = profiles(readiness={"stage": "action", "importance": 7, "confidence": 6, "ready": 9})
    made, _ = generated(ScriptedModel(ready_to=10), out, rounds=80, people=ready, each=3)
    assert made.ends == {"goodbye": 3}
    for one in read_dialogues(out):
        actions = [each["client"]["action"] for each in one.meta["calm_it"]["rounds"]]
        assert actions.index("plan") < actions.index("terminate") == len(actions) - 1
        assert one.turns[-1].role == "counselor"
        assert len(one.rounds) == len(actions) < 80


def test_a_client_without_a_state_ends_with_a_mark_that_is_not_in_the_dialogue(out: Path):
    model = ScriptedModel(client_says={"": "今天先到这儿，再见。【结束】"})
    generated(model, out, "no-client-tracker")
    one = only(out)
    assert one.turns[0].content == "今天先到这儿，再见。"
    assert [turn.role for turn in one.turns] == ["client", "counselor"]
    assert one.meta["transcript"]["end_reason"] == "client_ended"


def test_a_client_that_moves_nowhere_and_says_nothing_stalls(out: Path):
    silent = dict.fromkeys(map(str, Action), "嗯。")
    generated(ScriptedModel(malformed=1.0, client_says=silent), out, rounds=10)
    one = only(out)
    assert one.meta["transcript"]["end_reason"] == "stall"
    assert len(one.rounds) == 3


def test_a_script_may_end_early_and_must_else_have_the_rounds_that_were_asked_for(out: Path):
    turns = [
        {"role": "client", "content": "来访者：我又熬到两点。"},
        {"role": "counselor", "content": "你不愿意总是这样。"},
    ]

    def short(received: Received) -> str:
        return json.dumps({"turns": turns, "ended": received.time > 1})

    made, received = generated(short, out, "script")
    one = only(out)
    assert made.dialogues == 1
    assert [turn.content for turn in one.turns] == ["我又熬到两点。", "你不愿意总是这样。"]
    assert one.meta["transcript"]["end_reason"] == "goodbye"
    assert len(received) == 2
    assert "要20条" in received[1].body["messages"][-1]["content"]


def test_a_script_goes_on_in_parts_of_twenty_that_see_what_was_written(out: Path):
    _, received = generated(ScriptedModel(), out, "script", rounds=50)
    told = [asked(one) for one in received]
    assert [(one["rounds_before"], one["rounds_now"]) for one in told] == [
        (0, 20),
        (20, 20),
        (40, 10),
    ]
    texts = [turn.content for turn in only(out).turns]
    for one in told[1:]:
        seen = [turn["content"] for turn in one["dialogue"]]
        before = 2 * one["rounds_before"]
        assert seen == texts[before - len(seen) : before]
        assert len(seen) > 10
    assert len(texts) == 100


def test_a_side_without_a_usable_turn_sets_its_dialogue_aside_with_the_reason(out: Path):
    def script(received: Received) -> Reply | str:
        if part(received) == "calm_client_speaker.v1" and "ZOTHER" in received.prompt:
            return "长" * (LONGEST_TURN + 1)
        return ScriptedModel()(received)

    people = profiles(2)
    people[0] = people[0].model_copy(update={"beliefs": ("ZOTHER",)})
    made, received = generated(script, out, people=people)
    assert made.dialogues == 1
    assert only(out).id == "calm-it/calm-it/marked-2/10/1"
    (aside,) = lines(out.with_name("dialogues.jsonl.aside.jsonl"))
    assert aside["id"] == "calm-it/calm-it/marked-1/10/1"
    assert aside["status"] == "set aside"
    assert aside["reason"].startswith("no turn (client-speaker): breaks a rule: 有401个字")
    assert sum("ZOTHER" in one.prompt for one in received) == 3


def test_a_reply_that_is_harmful_advice_is_flagged_and_left_as_it_is(out: Path):
    def script(received: Received) -> Reply | str:
        if part(received) == "calm_counselor_speaker.v1" and len(asked(received)["dialogue"]) == 3:
            return "你就是抑郁症，每天吃两片舍曲林。"
        return ScriptedModel()(received)

    generated(script, out, rounds=3)
    one = only(out)
    assert one.turns[3].content == "你就是抑郁症，每天吃两片舍曲林。"
    found = one.meta["transcript"]["flags"]
    assert {each["turn"] for each in found} == {2}
    assert {each["kind"] for each in found} >= {"diagnosis"}


def test_a_profile_that_leaves_no_room_for_turns_is_refused_before_anything_is_asked(out: Path):
    long = profiles(manifestations=["很" * 3000])
    with pytest.raises(InputError, match="profile marked-1: too long: prompts of 4,000 tokens"):
        generated(ScriptedModel(), out, people=long)
    assert not out.exists()


def test_the_seed_and_the_session_decide_what_a_client_does(out: Path):
    generated(ScriptedModel(malformed=1.0), out, rounds=8, each=2)
    one, other = read_dialogues(out)
    actions = [
        [each["client"]["action"] for each in each_one.meta["calm_it"]["rounds"]]
        for each_one in (one, other)
    ]
    assert actions[0] != actions[1]
    assert one.turns != other.turns


def test_a_client_may_speak_english_and_so_do_the_counselor_and_the_gate(out: Path):
    people = profiles(locale="en")
    _, received = generated(ScriptedModel(), out, rounds=2, people=people)
    spoken = [asked(one) for one in received if "speaker" in part(one)]
    assert [one.get("language") or one["client"]["language"] for one in spoken] == ["en"] * 4
    danger = dict.fromkeys(map(str, Action), "I want to kill myself tonight.")
    out = out.with_name("other.jsonl")  # with a ledger of its own
    generated(ScriptedModel(client_says=danger), out, people=people)
    assert only(out).meta["transcript"]["end_reason"] == "safety"
    assert "988" in only(out).turns[1].content
