"""The loop between client and counselor, and a client whose model is scripted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mi_llm import annomi
from mi_llm.dialogue import Dialogue, Turn
from mi_llm.errors import Stopped
from mi_llm.llm import Answer, Request, SetAside
from mi_llm.profiles import Profile
from mi_llm.safety import Gate
from mi_llm.simulation import (
    ClientPrompts,
    Conversation,
    EndReason,
    Failed,
    PromptText,
    Said,
    SimulatedClient,
    converse,
)
from mi_llm.simulation.annomi_talk import SESSIONS, TURNS, talk_counts

PROFILE = Profile.model_validate(
    {
        "id": "p",
        "target_behaviour": "早睡",
        "manifestations": ["两点才睡"],
        "reasons": [
            {"id": "r1", "text": "怕黑", "unlock": ["reflected"]},
            {"id": "r2", "text": "怕做梦", "sensitivity": 5},
        ],
        "readiness": 3,
        "facts": {"name": "王小雨", "age": 37},
    }
)
PROMPTS = ClientPrompts(
    PromptText("观察", "aaa"), PromptText("说话", "bbb"), PromptText("阅读", "ccc")
)


class Scripted:
    """A speaker that says its lines, the last one for good."""

    def __init__(self, *lines: str | Said | Exception) -> None:
        self.lines, self.heard = list(lines), list[tuple[Turn, ...]]()

    async def speak(self, turns: tuple[Turn, ...]) -> Said:
        self.heard.append(turns)
        line = self.lines.pop(0) if len(self.lines) > 1 else self.lines[0]
        if isinstance(line, Exception):
            raise line
        return line if isinstance(line, Said) else Said(line)


def talk(
    client: Scripted, counselor: Scripted, *, max_rounds: int = 4, gate: Gate | None = None
) -> Conversation:
    return asyncio.run(converse(client, counselor, gate, max_rounds=max_rounds))


def texts(conversation: Conversation) -> list[str]:
    return [turn.content for turn in conversation.turns]


def test_the_client_opens_and_both_hear_everything_until_the_rounds_are_used_up():
    client, counselor = Scripted("一", "三"), Scripted("二", "四")
    made = talk(client, counselor, max_rounds=2)
    assert texts(made) == ["一", "二", "三", "四"]
    assert made.end_reason is EndReason.MAX_ROUNDS
    assert client.heard[1] == made.turns[:2]
    assert counselor.heard[1] == made.turns[:3]
    Dialogue("d", made.turns)  # alternates, beginning with the client
    assert made.turns[0].role == "client"


def test_a_client_that_leaves_has_the_last_word():
    made = talk(Scripted("一", Said("我走了", {"action": "terminate"}, ends=True)), Scripted("二"))
    assert texts(made) == ["一", "二", "我走了"]
    assert made.end_reason is EndReason.CLIENT_ENDED
    assert made.notes == ({"turn": 3, "role": "client", "action": "terminate"},)


def test_a_client_may_end_without_another_word_and_say_why():
    made = talk(Scripted("一", Said("", ends=True, reason=EndReason.GOODBYE)), Scripted("再见"))
    assert texts(made) == ["一", "再见"]
    assert made.end_reason is EndReason.GOODBYE


def test_a_counselor_may_end_it_too():
    made = talk(Scripted("一"), Scripted(Said("再见", ends=True, reason=EndReason.GOODBYE)))
    assert (texts(made), made.end_reason) == (["一", "再见"], EndReason.GOODBYE)


@pytest.mark.parametrize(
    ("client", "counselor", "said", "why"),
    [
        (Scripted("一", Failed("client: ai")), Scripted("二"), 2, "client: ai"),
        (Scripted("一"), Scripted(Failed("counselor: blank reply")), 1, "counselor: blank reply"),
        (Scripted("一"), Scripted("  "), 1, "the counselor said nothing"),
        (Scripted(" "), Scripted("二"), 0, "the client said nothing"),
    ],
)
def test_a_side_without_a_usable_turn_ends_it_as_an_error(client, counselor, said, why):
    made = talk(client, counselor)
    assert (made.end_reason, made.failure, len(made.turns)) == (EndReason.ERROR, why, said)


def test_what_was_tried_before_it_failed_is_noted():
    made = talk(Scripted("一", Failed("client: ai", {"gates": {"ai": 3}})), Scripted("二"))
    assert made.notes == ({"turn": 3, "role": "client", "gates": {"ai": 3}},)


def test_what_stops_the_program_is_no_end_of_a_conversation():
    with pytest.raises(Stopped, match="quota"):
        talk(Scripted(Stopped("quota")), Scripted("二"))


def test_a_plain_sign_of_danger_ends_it_with_the_gates_text_and_without_the_model():
    client, counselor = Scripted("最近睡不好。", "我不想活了，我想自杀。"), Scripted("嗯？")
    made = talk(client, counselor, gate=Gate("zh"))
    assert made.end_reason is EndReason.SAFETY
    assert len(made.turns) == 4
    assert len(counselor.heard) == 1
    ((volley, intervention),) = made.interventions
    assert (volley, intervention.step, intervention.ends_mi) == (2, "hand_over", True)
    assert texts(made)[-1] == intervention.text
    assert made.safety[0] == {"turn": 2, **intervention.as_record()}


def test_a_hint_is_asked_about_in_the_models_place_and_after_a_no_the_talk_goes_on():
    client = Scripted("活着好累。", "没有，我没有那个意思。", "就是加班多。")
    counselor = Scripted("加班让你很累。")
    made = talk(client, counselor, max_rounds=3, gate=Gate("zh"))
    assert made.end_reason is EndReason.MAX_ROUNDS
    assert [(volley, one.step) for volley, one in made.interventions] == [(1, "ask")]
    assert texts(made)[3::2] == ["加班让你很累。"] * 2
    assert len(counselor.heard) == 2


def test_a_client_that_leaves_with_a_sign_of_danger_is_not_left_without_the_gates_text():
    made = talk(Scripted(Said("我不想活了，再见。", ends=True)), Scripted("嗯"), gate=Gate("zh"))
    assert made.end_reason is EndReason.SAFETY
    assert made.turns[-1].role == "counselor"


# A client's model, scripted: what it answers is a function of the request.

Answers = Callable[[str, dict[str, Any], Request], Any]
COUNSELOR = "你怕黑，所以不关灯。"
SEEN = {
    "acts": [{"act": "reflection", "quote": "你怕黑"}],
    "addressed": [{"reason": "r1", "how": "reflected", "quote": "你怕黑"}],
    "farewell": False,
}
READ = {"talk": "sustain", "contradicts": None}


def kind(request: Request) -> str:
    return {"观察": "observe", "说话": "speak", "阅读": "read"}[request.messages[0]["content"]]


def usual(what: str, about: dict[str, Any], request: Request) -> Any:
    """Reports what the lines above say, and says which action it was given."""
    if what != "speak":
        return SEEN if what == "observe" else READ
    return f"我这一句要做{about['action']}这件事。" if about["conversation"] else "我总是两点才睡。"


class Model:
    """Answers requests by a script, and keeps them."""

    def __init__(self, answers: Answers = usual) -> None:
        self.answers, self.asked = answers, list[Request]()

    async def __call__(self, request: Request) -> Answer | SetAside:
        self.asked.append(request)
        about = json.loads(request.messages[1]["content"])
        answer = self.answers(kind(request), about, request)
        if isinstance(answer, SetAside):
            return answer
        text = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
        value = request.schema.model_validate_json(text) if request.schema else None
        return Answer(request.id, text, value, None, None, from_ledger=False)

    @property
    def kinds(self) -> list[str]:
        return [kind(request) for request in self.asked]


def client(model: Model, profile: Profile = PROFILE, *, seed: int = 0) -> SimulatedClient:
    return SimulatedClient(profile, PROMPTS, model, name="i/m/p/1", session=1, seed=seed)


def after(model: Model, *said: str, profile: Profile = PROFILE) -> list[Said]:
    """A client's turns, the counselor saying these between."""

    async def turns() -> list[Said]:
        one, made, spoken = client(model, profile), list[Said](), tuple[Turn, ...]()
        for reply in (*said, None):
            made.append(await one.speak(spoken))
            if reply is None or made[-1].ends:
                break
            spoken += (Turn("client", made[-1].text), Turn("counselor", reply))
        return made

    return asyncio.run(turns())


def test_a_turn_is_observed_spoken_and_read_and_the_opening_is_not_observed():
    model = Model()
    opening, second = after(model, COUNSELOR)
    assert model.kinds == ["speak", "read", "observe", "speak", "read"]
    assert [request.id for request in model.asked] == [
        "i/m/p/1:speak 1", "i/m/p/1:read 1",
        "i/m/p/1:observe 2", "i/m/p/1:speak 2", "i/m/p/1:read 2",
    ]  # fmt: skip
    assert {request.prompt_sha for request in model.asked} == {"aaa#1", "bbb#1", "ccc#1"}
    assert opening.notes["action"] == "inform"
    assert second.notes["events"] == [
        {"kind": "unlocked", "about": "r1", "how": "reflected"},
        {"kind": "receptivity", "about": "up", "how": ""},
    ]
    assert second.notes["state"]["ready"] == 5
    assert second.notes["talk"] == "sustain"
    # Below 6, what was just unlocked is acknowledged, and nothing else.
    assert second.text == "我这一句要做acknowledge这件事。"


def test_the_speaking_model_gets_reasons_only_once_they_may_be_told_and_no_number():
    model = Model()
    after(model, COUNSELOR)
    first, second = (
        json.loads(request.messages[1]["content"])
        for request in model.asked
        if kind(request) == "speak"
    )
    assert [first["card"]["may_tell"], second["card"]["may_tell"]] == [[], ["怕黑"]]
    assert set(first["card"]) == {
        "language", "style", "target_behaviour", "manifestations", "beliefs", "barriers",
        "strengths", "facts", "never", "may_tell",
    }  # fmt: skip
    assert set(first) == {"card", "conversation", "action"}
    assert "怕做梦" not in json.dumps(second, ensure_ascii=False)


def test_a_counselor_turn_that_is_not_reported_usably_changes_nothing_and_is_counted():
    def silent(what: str, about: dict[str, Any], request: Request) -> Any:
        if what == "observe":
            return SetAside(request.id, "does not fit the schema: acts", "")
        return usual(what, about, request)

    opening, second = after(Model(silent), COUNSELOR)
    assert second.notes["unobserved"]
    assert not opening.notes["unobserved"]
    assert second.notes["state"] == {**opening.notes["state"]}


def test_what_the_turn_does_not_bear_out_is_dropped_and_counted():
    invented = {
        "acts": [{"act": "advice", "quote": "关灯吧"}],
        "addressed": [{"reason": "r9", "how": "asked", "quote": "你怕黑"}],
        "farewell": False,
    }
    model = Model(lambda what, *more: invented if what == "observe" else usual(what, *more))
    second = after(model, COUNSELOR)[1]
    assert second.notes["dropped"] == {"quote": 1, "reason": 1}
    assert second.notes["events"] == []


STOPPED = {
    "role_swap": "有什么可以帮到你的吗？",
    "ai": "作为一个AI，我不睡觉。",
    "echo": "你怕黑，所以不关灯！",
    "premature_acceptance": "好，我答应你。",
    "contradiction": "我叫李强，睡不着。",
}


def saying(bad: str, times: int) -> Answers:
    """A model whose turns in the second round are bad, so many times."""

    def answers(what: str, about: dict[str, Any], request: Request) -> Any:
        if what == "speak" and about["conversation"] and len(request.messages) < 2 + 2 * times:
            return bad
        return usual(what, about, request)

    return answers


@pytest.mark.parametrize("gate", STOPPED)
def test_a_turn_that_trips_a_gate_is_asked_for_again_with_what_was_wrong(gate):
    model = Model(saying(STOPPED[gate], 1))
    second = after(model, COUNSELOR)[1]
    assert second.notes["gates"] == {gate: 1}
    assert second.text == "我这一句要做acknowledge这件事。"
    first, again = [request for request in model.asked if " 2" in request.id][1:3]
    assert again.messages[:2] == first.messages
    assert again.messages[2] == {"role": "assistant", "content": STOPPED[gate]}
    assert again.messages[3]["role"] == "user"
    assert (first.id, again.id) == ("i/m/p/1:speak 2", "i/m/p/1:speak 2/try 2")
    # What a gate of code has stopped is not worth reading.
    assert model.kinds[2:] == ["observe", "speak", "speak", "read"]


@pytest.mark.parametrize("gate", STOPPED)
def test_the_third_turn_that_trips_a_gate_ends_the_session(gate):
    with pytest.raises(Failed, match=gate) as failed:
        after(Model(saying(STOPPED[gate], 9)), COUNSELOR)
    assert failed.value.notes["gates"] == {gate: 3}


def test_a_contradiction_that_a_reader_finds_is_stopped_if_its_words_are_there():
    def reader(what: str, about: dict[str, Any], request: Request) -> Any:
        if what == "read" and "acknowledge" in about["client"] and "/try" not in request.id:
            return {"talk": "change", "contradicts": {"fact": "age", "quote": "这一句"}}
        return usual(what, about, request)

    model = Model(reader)
    second = after(model, COUNSELOR)[1]
    assert second.notes["gates"] == {"contradiction": 1}
    assert second.notes["talk"] == "sustain"  # of the text that stands
    assert "37" in model.asked[5].messages[3]["content"]


def test_a_turn_of_which_no_reading_came_stands_and_its_talk_is_unknown():
    def unread(what: str, about: dict[str, Any], request: Request) -> Any:
        return SetAside(request.id, "x", "") if what == "read" else usual(what, about, request)

    assert after(Model(unread))[0].notes["talk"] is None


def test_no_turn_from_the_model_is_a_failure_with_its_reason():
    with pytest.raises(Failed, match="client: blank answer"):
        after(Model(lambda what, about, request: SetAside(request.id, "blank answer", "")))


def test_a_farewell_is_answered_and_then_both_have_said_goodbye():
    parting = {"acts": [], "addressed": [], "farewell": True}
    model = Model(lambda what, *more: parting if what == "observe" else usual(what, *more))
    made = after(model, "再见。")
    assert [one.ends for one in made] == [False, True]
    assert made[-1].reason is EndReason.GOODBYE
    assert made[-1].text == "我这一句要做terminate这件事。"


def test_a_farewell_to_a_client_that_said_goodbye_already_needs_no_answer():
    parting = {"acts": [], "addressed": [], "farewell": True}

    def answers(what: str, about: dict[str, Any], request: Request) -> Any:
        if what == "speak":
            return "那我先这样，再见。"
        return parting if what == "observe" else READ

    made = after(Model(answers), "再见，保重。")
    assert (made[-1].text, made[-1].reason, made[-1].ends) == ("", EndReason.GOODBYE, True)
    assert len(made) == 2


def test_the_seed_the_profile_and_the_session_decide_what_a_client_does():
    def blank(what: str, about: dict[str, Any], request: Request) -> Any:
        seen: dict[str, Any] = {"acts": [], "addressed": [], "farewell": False}
        return seen if what == "observe" else usual(what, about, request)

    def actions(seed: int, session: int) -> list[Any]:
        async def play() -> list[Any]:
            one = SimulatedClient(
                PROFILE, PROMPTS, Model(blank), name="n", session=session, seed=seed
            )
            spoken = tuple[Turn, ...]()
            made = []
            for number in range(12):
                said = await one.speak(spoken)
                made.append(said.notes["action"])
                spoken += (Turn("client", f"{number}"), Turn("counselor", "嗯"))
            return made

        return asyncio.run(play())

    assert actions(1, 1) == actions(1, 1)
    assert actions(1, 1) != actions(2, 1)
    assert actions(1, 1) != actions(1, 2)


@pytest.mark.real_data
def test_annomis_talk_is_what_the_constants_say(real_data: Path):
    path = real_data / "annomi" / "AnnoMI-full.csv"
    sessions = list(annomi.sessions(path))
    assert len(sessions) == SESSIONS
    assert talk_counts(sessions) == TURNS
