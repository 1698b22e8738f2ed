"""Sessions of role-play without a browser: what is kept, when, and what is refused."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from eval.counselors import counselors
from eval.roleplay.assignments import codes
from eval.roleplay.desk import Desk, Refused, player_of
from eval.roleplay.folder import Folder
from eval.roleplay.session import Session
from eval.roleplay.study import Study
from eval.roleplay.view import aside, seen
from eval.transcripts.collection import read_transcripts
from mi_llm.errors import InputError
from mi_llm.llm import Endpoint
from mi_llm.profiles import Profile
from mi_llm.safety import Gate
from prompts import load
from tests.llm_server import LLMServer, Reply, failed

PROFILES = {
    name: Profile.model_validate(
        {
            "id": name,
            "target_behaviour": f"{name} 的目标",
            "manifestations": ["天天如此"],
            "reasons": ["因为累"],
            "readiness": 3,
        }
    )
    for name in ("insomnia", "phone")
}
DIES = "我想自杀，已经写好了遗书"


def study(server, *, models=("glm4_lora", "glm4_base"), seed=42, per_cell=1, **more):
    endpoint = Endpoint(server.base_url if server else "http://127.0.0.1:9/v1", "-", mask=False)
    prompt = load("counselor.v1")
    values = {
        "profiles": PROFILES,
        "source": Path("profiles.yaml"),
        "endpoints": counselors(list(models), endpoint),
        "seed": seed,
        "per_cell": per_cell,
        "prompt": prompt.text,
        "prompt_name": prompt.name,
        "prompt_as": "instruction",
        "classifier": None,
        "safety": load("safety.v2"),
    }
    return Study(**{**values, **more})


@contextmanager
def opened(path, server=None, **more):
    """A desk on a folder; the profiles' file is there for the stamp."""
    source = path.parent / "profiles.yaml"
    source.write_text("written by hand\n", encoding="utf-8")
    made = study(server, source=source, **more)
    folder = Folder(path, settings=made.settings(), key=codes(made.endpoints, seed=made.seed))
    lines: list[str] = []
    desk = Desk(made, folder, lines.append)
    try:
        yield desk, lines
    finally:
        folder.close()


def on_disk(path, name):
    return json.loads((path / "sessions" / f"{name}.json").read_text(encoding="utf-8"))


def said(record):
    return [(turn["role"], turn["content"]) for turn in record["turns"]]


async def round_of(desk, session, text):
    """Say something and wait for what comes of it; the session as it is then, and the failure."""
    pending = desk.reply(desk.say(session.id, session.player, len(session.turns), text))
    if pending:
        await pending.task
    now = desk.current(session.player)
    return now, pending and pending.failure


def talk(desk, player, texts):
    """A session of a player, with these turns."""

    async def run():
        session = desk.draw(player)
        for text in texts:
            session, _ = await round_of(desk, session, text)
        return session

    return asyncio.run(run())


def ended(desk, session, choice="goal", words="", note=""):
    shown = len(session.turns)
    return asyncio.run(
        desk.end(session.id, session.player, shown, choice=choice, words=words, note=note)
    )


def test_a_turn_is_on_disk_before_the_model_is_asked_and_the_reply_when_it_is_whole(tmp_path):
    path = tmp_path / "study"
    found = []

    def script(received):
        found.append(said(on_disk(path, "0001-li")))
        return "听起来你很累。"

    with LLMServer(script) as server, opened(path, server) as (desk, _):
        session = talk(desk, "li", ["我睡不着", "三点才睡"])
    first = [("client", "我睡不着")]
    second = [*first, ("counselor", "听起来你很累。"), ("client", "三点才睡")]
    assert found == [first, second]
    assert said(on_disk(path, "0001-li")) == [*second, ("counselor", "听起来你很累。")]
    assert session.rounds == 2


def test_the_model_is_told_what_training_told_it(tmp_path):
    with LLMServer(lambda _: "嗯。") as server, opened(tmp_path / "study", server) as (desk, _):
        talk(desk, "li", ["我睡不着", "三点才睡"])
        body = server.received[1].body
    prompt = load("counselor.v1").text
    assert body["messages"] == [
        {"role": "user", "content": "我睡不着"},
        {"role": "assistant", "content": "嗯。"},
        {"role": "user", "content": f"{prompt}\n三点才睡"},
    ]
    assert body["model"] in ("glm4_base", "glm4_lora")


def test_a_kill_between_turn_and_reply_leaves_a_session_that_waits_and_is_taken_up(tmp_path):
    path = tmp_path / "study"
    with opened(path) as (desk, _):  # no server: nothing is asked
        session = desk.draw("li")
        desk.say(session.id, "li", 0, "我睡不着")
    with LLMServer(lambda _: "嗯。") as server, opened(path, server) as (desk, _):
        session = desk.current("li")
        assert session.waits

        async def again():
            first, second = desk.reply(session), desk.reply(session)
            assert first is second
            await first.task

        asyncio.run(again())
        assert len(server.received) == 1
    assert said(on_disk(path, "0001-li")) == [("client", "我睡不着"), ("counselor", "嗯。")]


@pytest.mark.parametrize(
    ("reply", "word"),
    [
        (failed(500), "reply_away"),
        (failed(400), "reply_refused"),
        (Reply("听起来你很累。", breaks_at=4), "reply_broken"),
        (Reply("\n"), "reply_blank"),
    ],
)
def test_a_reply_that_fails_leaves_the_turn_and_nothing_of_itself(tmp_path, reply, word):
    path = tmp_path / "study"
    answers = [reply, "听起来你很累。"]
    with LLMServer(lambda _: answers.pop(0)) as server, opened(path, server) as (desk, lines):

        async def run():
            session, failure = await round_of(desk, desk.draw("li"), "我睡不着")
            assert failure[0] == word
            assert said(on_disk(path, "0001-li")) == [("client", "我睡不着")]
            pending = desk.reply(session)
            await pending.task
            assert pending.failure is None

        asyncio.run(run())
    record = on_disk(path, "0001-li")
    assert said(record) == [("client", "我睡不着"), ("counselor", "听起来你很累。")]
    assert [one["kind"] for one in record["failures"]] == [word.removeprefix("reply_")]
    assert len(lines) == 1


def test_two_windows_of_a_session_cannot_both_go_on_with_it(tmp_path):
    with LLMServer(lambda _: "嗯。") as server, opened(tmp_path / "study", server) as (desk, _):
        session = talk(desk, "li", ["我睡不着"])
        with pytest.raises(Refused, match="elsewhere"):
            desk.say(session.id, "li", 0, "我睡不着")  # the window that shows no turn yet
        desk.say(session.id, "li", 2, "三点才睡")
        with pytest.raises(Refused, match="elsewhere"):
            desk.say(session.id, "li", 2, "三点才睡")
        with pytest.raises(Refused, match="wait"):
            desk.say(session.id, "li", 3, "还有")
        with pytest.raises(Refused, match="elsewhere"):
            ended(desk, session)
        assert [turn.content for turn in desk.current("li").turns] == [
            "我睡不着",
            "嗯。",
            "三点才睡",
        ]


def test_nobody_goes_on_with_the_session_of_another(tmp_path):
    with opened(tmp_path / "study") as (desk, _):
        session = desk.draw("li")
        for name, player in [(session.id, "wang"), ("../settings", "li"), ("0009-li", "li")]:
            with pytest.raises(Refused, match="elsewhere"):
                desk.say(name, player, 0, "我睡不着")


@pytest.mark.parametrize(
    ("text", "word"), [("", "blank_turn"), (" \n　", "blank_turn"), ("长" * 8001, "long_turn")]
)
def test_a_turn_that_cannot_be_said_is_refused(tmp_path, text, word):
    with opened(tmp_path / "study") as (desk, _):
        session = desk.draw("li")
        with pytest.raises(Refused, match=word):
            desk.say(session.id, "li", 0, text)
        assert desk.current("li").turns == ()


def test_half_a_character_which_cannot_be_sent_is_replaced(tmp_path):
    with LLMServer(lambda _: "嗯。") as server, opened(tmp_path / "study", server) as (desk, _):
        session = talk(desk, "li", ["睡\ud83d不着"])
    assert [turn.content for turn in session.turns] == ["睡?不着", "嗯。"]


def test_who_draws_and_leaves_gets_the_same_again_and_others_get_something_else(tmp_path):
    path = tmp_path / "study"
    with opened(path) as (desk, _):
        first = desk.draw("li")
        other = desk.draw("wang")
    with opened(path) as (desk, _):
        assert desk.draw("li") == first
        assert desk.progress("li") == (0, 0, 4)
    assert (other.profile, other.code) != (first.profile, first.code)
    assert sorted(one.name for one in (path / "sessions").iterdir()) == [
        "0001-li.json",
        "0002-wang.json",
    ]


def test_names_are_the_same_however_they_are_typed():
    assert player_of(" Li ") == player_of("ｌｉ") == "li"
    assert player_of("小李_2") == "小李_2"
    for typed in ("", "a b", "../x", "<b>", "x" * 31, "a.b"):
        with pytest.raises(Refused, match="bad_player"):
            player_of(typed)


def test_a_finished_session_is_a_transcript_that_books_are_made_of(tmp_path):
    path = tmp_path / "study"
    with LLMServer(lambda _: "听起来你很累。") as server, opened(path, server) as (desk, _):
        session = talk(desk, "li", ["我睡不着", "三点才睡"])
        model = desk._folder.key[session.code]
        ended(desk, session, "goal", "想通了", "像咨询师")
        assert desk.current("li") is None
    (found,) = read_transcripts(path / "transcripts.jsonl")
    assert found.id == "roleplay/0001-li"
    assert [turn.content for turn in found.turns] == [
        "我睡不着",
        "听起来你很累。",
        "三点才睡",
        "听起来你很累。",
    ]
    assert found.meta["transcript"] == {
        "source": model,
        "model": model,
        "profile": session.profile,
        "topic": f"{session.profile} 的目标",
        "target_behaviour": f"{session.profile} 的目标",
        "settings": {
            "prompt": "counselor.v1",
            "prompt_as": "instruction",
            "seed": 42,
            "host": "loopback",
            "max_tokens": 4096,
            "temperature": 0.0,
            "personal_data": "as it is",
        },
        "end_reason": "client_ended",
        "end_choice": "goal",
        "end_note": "想通了",
        "note": "像咨询师",
        "player": "li",
        "session": "0001-li",
        "safety": [],
        "flags": [],
    }
    stamp = json.loads((path / "transcripts.jsonl.stamp.json").read_text(encoding="utf-8"))
    assert stamp["counts"] == {
        "sessions": 1, "transcripts": 1, "ended_without_a_reply": 0, "not_ended": 0, "safety": 0,
        "replies_that_did_not_come": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        ("leave", "client_ended"),
        ("no_progress", "client_ended"),
        ("rounds", "max_rounds"),
        ("technical", "error"),
    ],
)
def test_the_reason_that_the_player_gives_is_the_end_reason(tmp_path, choice, reason):
    with LLMServer(lambda _: "嗯。") as server, opened(tmp_path / "study", server) as (desk, _):
        session = ended(desk, talk(desk, "li", ["我睡不着"]), choice)
    assert session.end_reason == reason


@pytest.mark.parametrize(("choice", "words"), [("", ""), ("other", " "), ("declined", "")])
def test_a_session_does_not_end_without_a_reason(tmp_path, choice, words):
    with opened(tmp_path / "study") as (desk, _):
        session = desk.draw("li")
        with pytest.raises(Refused, match="no_reason"):
            ended(desk, session, choice, words)
        assert desk.current("li") == session


def test_a_session_without_a_reply_is_kept_but_is_no_transcript_and_is_drawn_again(tmp_path):
    path = tmp_path / "study"
    with opened(path) as (desk, _):
        session = desk.draw("li")
        waiting = desk.say(session.id, "li", 0, "我睡不着")
        ended(desk, waiting, "technical")
        again = desk.draw("li")
        assert (again.profile, again.code) == (session.profile, session.code)
        assert desk.progress("li") == (0, 0, 4)
    assert not (path / "transcripts.jsonl").exists()
    assert said(on_disk(path, "0001-li")) == [("client", "我睡不着")]


def test_a_role_that_is_declined_is_not_drawn_for_that_player_again(tmp_path):
    with opened(tmp_path / "study") as (desk, _):
        session = desk.draw("li")
        desk.decline(session.id, "li")
        other = desk.draw("li")
        assert other.profile != session.profile
        desk.decline(other.id, "li")
        with pytest.raises(Refused, match="none_left"):
            desk.draw("li")
        assert desk.draw("wang").profile == session.profile


def test_ending_gives_up_a_reply_on_its_way(tmp_path):
    path = tmp_path / "study"
    slow = Reply("听起来你很累。", pause=0.2)
    with LLMServer(lambda _: slow) as server, opened(path, server) as (desk, _):

        async def run():
            session = desk.draw("li")
            session = desk.say(session.id, "li", 0, "我睡不着")
            pending = desk.reply(session)
            await asyncio.sleep(0.3)
            assert not pending.task.done()
            await desk.end(session.id, "li", 1, choice="leave", words="", note="")

        asyncio.run(run())
    record = on_disk(path, "0001-li")
    assert said(record) == [("client", "我睡不着")]
    assert record["end"]["choice"] == "leave"


def test_the_gate_speaks_in_the_models_place_and_from_then_on_the_model_is_not_asked(tmp_path):
    path = tmp_path / "study"
    texts = ["我睡不着", DIES, "嗯"]
    with LLMServer(lambda _: "听起来你很累。") as server:
        with opened(path, server) as (desk, _):
            session = talk(desk, "li", texts[:2])
        with opened(path, server) as (desk, _):  # also after a restart
            session, _ = asyncio.run(round_of(desk, session, texts[2]))
            ended(desk, session, "leave")
        assert len(server.received) == 1
    gate = Gate("zh")
    first = gate.intervene(DIES, [None])
    second = gate.intervene("嗯", [None, first])
    assert first
    assert second
    assert first.ends_mi
    (found,) = read_transcripts(path / "transcripts.jsonl")
    assert [turn.content for turn in found.turns[1::2]] == [
        "听起来你很累。",
        first.text,
        second.text,
    ]
    facts = found.meta["transcript"]
    assert facts["end_reason"] == "safety"
    assert facts["safety"] == [
        {"turn": 2, **first.as_record()},
        {"turn": 3, **second.as_record()},
    ]
    assert [one["step"] for one in facts["safety"]] == ["hand_over", "stay"]


def test_harmful_advice_in_a_reply_is_shown_as_it_is_and_flagged(tmp_path):
    advice = "你应该每天吃两片安眠药。"
    with LLMServer(lambda _: advice) as server, opened(tmp_path / "study", server) as (desk, _):
        session = talk(desk, "li", ["我睡不着"])
    assert session.turns[1].content == advice
    assert [(one["turn"], one["role"], one["harm"]) for one in session.flags] == [
        (1, "counselor", "medication")
    ]


def test_a_study_goes_on_only_as_it_was_begun(tmp_path):
    path = tmp_path / "study"
    with opened(path):
        pass
    other = {**PROFILES, "phone": PROFILES["phone"].model_copy(update={"max_rounds": 9})}
    changes: list[tuple[dict[str, Any], str]] = [
        ({"seed": 7}, "begun with seed 42, now 7"),
        ({"models": ["glm4_lora"]}, "begun with model 'glm4_base', which is missing now"),
        ({"models": ["glm4_lora", "glm4_base", "x"]}, "begun with no model 'x'"),
        ({"profiles": other}, "begun with another profile 'phone' (max_rounds)"),
        ({"prompt_as": "system"}, 'begun with prompt_as "instruction", now "system"'),
    ]
    for change, told in changes:
        with pytest.raises(InputError) as caught, opened(path, **change):
            pass
        assert str(caught.value).startswith(f"{path}: {told}")
    with opened(path, per_cell=3) as (desk, _):  # a study may become larger
        assert desk.progress("li") == (0, 0, 12)


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "scores.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match=r"holds something else \(scores\.json\)"):
        Folder(tmp_path, settings={}, key={})
    with pytest.raises(InputError, match="is a file"):
        Folder(tmp_path / "scores.json", settings={}, key={})
    assert [one.name for one in tmp_path.iterdir()] == ["scores.json"]


def test_two_pages_do_not_work_on_one_folder(tmp_path):
    with (
        opened(tmp_path / "study"),
        pytest.raises(InputError, match="another role-play page"),
        opened(tmp_path / "study"),
    ):
        pass


def test_a_folder_where_nothing_can_be_made_is_told():
    with pytest.raises(InputError, match=r"/proc/study: cannot be written: "):
        Folder(Path("/proc/study"), settings={}, key={})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot be written: permission denied"):
        Folder(tmp_path / "study", settings={}, key={})


def test_a_turn_that_cannot_be_kept_is_not_taken(tmp_path, monkeypatch):
    with opened(tmp_path / "study") as (desk, lines):
        session = desk.draw("li")

        def full(_: Session) -> None:
            raise InputError("sessions/x.json: cannot be written: no space left on device")

        monkeypatch.setattr(desk._folder, "write", full)
        with pytest.raises(Refused, match="not_kept"):
            desk.say(session.id, "li", 0, "我睡不着")
        assert desk.current("li").turns == ()
    assert lines == ["sessions/x.json: cannot be written: no space left on device"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"turns": [{"role": "counselor", "content": "好", "at": ""}]}, "does not open"),
        ({"turns": [{"role": "client", "content": " ", "at": ""}]}, "is blank"),
        ({"profile": "gone"}, "another session, profile or model"),
        ({"id": "0002-li"}, "another session, profile or model"),
        ({"end": {"at": "", "choice": "bored", "words": "", "note": ""}}, "unknown way"),
        ({"safety": None}, "not a session"),
    ],
)
def test_a_damaged_session_is_named(tmp_path, change, told):
    path = tmp_path / "study"
    with opened(path) as (desk, _):
        desk.draw("li")
    file = path / "sessions" / "0001-li.json"
    file.write_text(json.dumps({**on_disk(path, "0001-li"), **change}), encoding="utf-8")
    with opened(path) as (desk, _), pytest.raises(InputError) as caught:
        desk.current("li")
    assert str(caught.value).startswith(f"{file}: ")
    assert told in str(caught.value)


HINT = "灯都关了，我也想关了"  # none of the lexicon's words


def verdict(said, *, level="indirect"):
    found = {"risk": "self_harm", "level": level, "about": "self", "quote": said}
    return json.dumps(found, ensure_ascii=False)


def guard(server):
    return Endpoint(server.base_url, "guard", mask=False)


def classified(path, answer, texts):
    """A session whose turns a classifier looks at; the record, and which models were asked."""

    def script(received):
        return answer(received) if received.body["model"] == "guard" else "听起来你很累。"

    with LLMServer(script) as server:
        with opened(path, server, classifier=guard(server)) as (desk, _):
            talk(desk, "li", texts)
        asked = [received.body["model"] == "guard" for received in server.received]
    return on_disk(path, "0001-li"), asked


def test_a_classifier_adds_what_the_words_miss_and_the_model_is_not_asked(tmp_path):
    assert Gate("zh").intervene(HINT, []) is None
    record, asked = classified(tmp_path / "study", lambda _: verdict(HINT), [HINT])
    assert asked == [True]
    (found,) = record["safety"]
    assert (found["step"], found["source"], found["phrase"]) == ("ask", "classifier", HINT)


def test_a_classifier_is_not_asked_where_the_words_are_plain_and_takes_nothing_away(tmp_path):
    nothing = '{"risk": "none", "level": "none", "about": "none", "quote": ""}'
    record, asked = classified(tmp_path / "study", lambda _: nothing, ["我睡不着", DIES])
    assert asked == [True, False]
    assert [(one["turn"], one["step"]) for one in record["safety"]] == [(2, "hand_over")]


@pytest.mark.parametrize("answer", [failed(500), Reply("我不知道")])
def test_without_a_verdict_the_gate_goes_by_its_words_and_the_turn_is_marked(tmp_path, answer):
    record, asked = classified(tmp_path / "study", lambda _: answer, [HINT])
    assert asked == [True, True, True, False]  # three ways of asking for JSON, or three times
    assert said(record)[-1] == ("counselor", "听起来你很累。")
    assert record["flags"] == [{"turn": 1, "role": "client", "classifier": "no verdict"}]


def test_a_classifier_is_sent_its_schema_and_told_what_does_not_fit(tmp_path):
    with LLMServer(lambda got: "我不知道" if got.time == 1 else verdict(HINT)) as server:
        with opened(tmp_path / "study", server, classifier=guard(server)) as (desk, _):
            talk(desk, "li", [HINT])
        first, second = server.received
    assert first.format == second.format == "json_schema"
    assert "不合要求" in second.body["messages"][-1]["content"]
    (found,) = on_disk(tmp_path / "study", "0001-li")["safety"]
    assert found["step"] == "ask"


def test_an_alarm_whose_words_were_not_said_makes_the_gate_ask_and_is_kept_and_told(tmp_path):
    path = tmp_path / "study"
    with (
        LLMServer(lambda _: verdict("我想死", level="explicit")) as server,
        opened(path, server, classifier=guard(server)) as (desk, told),
    ):
        talk(desk, "li", [HINT])
    record = on_disk(tmp_path / "study", "0001-li")
    (found,) = record["safety"]
    assert (found["step"], found["source"], found["phrase"]) == ("ask", "classifier", "")
    (flag,) = record["flags"]
    assert flag["classifier"] == "alarm without words that were said"
    assert (flag["risk"], flag["quote"]) == ("self_harm", "我想死")
    assert "1 alarms; 1 of them (100%) quote what was not said" in told[-1]


def test_where_a_classifier_is_required_a_turn_without_a_verdict_has_no_reply_until_it_has_one(
    tmp_path,
):
    answers = ["我不知道"] * 3

    def script(received):
        if received.body["model"] != "guard":
            return "听起来你很累。"
        return answers.pop() if answers else verdict("", level="none").replace("self_harm", "none")

    with LLMServer(script) as server:
        required = {"classifier": guard(server), "classifier_required": True}
        with opened(tmp_path / "study", server, **required) as (desk, told):

            async def held():
                session = desk.draw("li")
                session = desk.say(session.id, "li", 0, HINT)
                pending = desk.reply(session)
                await pending.done()
                first = pending.failure, desk.current("li")
                pending = desk.reply(desk.current("li"))
                await pending.done()
                return first, pending.failure

            (failure, waiting), second = asyncio.run(held())
    assert failure == ("no_verdict", None)
    assert waiting.waits
    assert second is None
    assert "NO verdict on safety" in told[0]
    record = on_disk(tmp_path / "study", "0001-li")
    assert said(record)[-1] == ("counselor", "听起来你很累。")
    assert (record["flags"], record["failures"][0]["kind"]) == ([], "no_verdict")


def test_the_page_tells_of_a_turn_that_was_not_judged_until_the_next_one(tmp_path):
    answers = ["我不知道"] * 3

    def script(received):
        if received.body["model"] != "guard":
            return "听起来你很累。"
        return answers.pop() if answers else verdict("", level="none").replace("self_harm", "none")

    path, shown = tmp_path / "study", []
    with (
        LLMServer(script) as server,
        opened(path, server, classifier=guard(server)) as (desk, _),
    ):
        for text in ("睡不着。", "还是睡不着。"):
            talk(desk, "li", [text])
            shown.append(aside(seen(desk, "zh", "li"), desk))
    assert ["安全分类器没有给出判断" in one for one in shown] == [True, False]
