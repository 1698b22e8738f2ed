"""What a simulated client must not say, and what of a model's report is believed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from mi_llm import annomi
from mi_llm.profiles import Profile, Readiness, Reason
from mi_llm.repair import Repairer
from mi_llm.simulation import gates
from mi_llm.simulation.asking import cleaned
from mi_llm.simulation.reports import (
    Contradiction,
    Observed,
    Reading,
    believed,
    contradiction,
)
from mi_llm.simulation.stall import Stall
from mi_llm.simulation.state import Act, Addressed

PROFILE = Profile(
    id="p",
    target_behaviour="早睡",
    manifestations=("两点才睡",),
    reasons=(Reason(id="r1", text="怕黑"), Reason(id="r2", text="加班")),
    readiness=Readiness(stage="contemplation", importance=3, confidence=3, ready=3),
    facts={"name": "王小雨", "age": 37, "occupation": "出纳"},
    red_lines=("吃安眠药我可以",),
)
COUNSELOR = "你每天躺下以后还会刷很久的手机，是这样吗？"
OWN = "我一躺下就想再看一会儿视频。"


def kind(text: str, *, may_accept: bool = False) -> str | None:
    found = gates.trip(text, counselor=COUNSELOR, own=OWN, may_accept=may_accept, profile=PROFILE)
    return found.kind if found else None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("你好，有什么可以帮到你的吗？", "role_swap"),
        ("作为你的咨询师，我理解你。", "role_swap"),
        ("咨询师：你睡得怎么样？", "role_swap"),
        ("How can I help you today?", "role_swap"),
        ("作为一个AI，我不睡觉。", "ai"),
        ("我只是一个语言模型。", "ai"),
        ("As an AI language model I do not sleep.", "ai"),
        ("每天躺下以后还会刷很久的手机，是这样", "echo"),
        ("我一躺下，就想再看一会儿视频", "echo"),
        ("好，我答应你。", "premature_acceptance"),
        ("从明天开始我就十一点睡。", "premature_acceptance"),
        ("那就按你说的办吧。", "premature_acceptance"),
        ("我一定会改。", "premature_acceptance"),
        ("Okay, I am ready to change.", "premature_acceptance"),
        ("我叫李强。", "contradiction"),
        ("我今年52岁了。", "contradiction"),
        ("我五十二岁，还行。", "contradiction"),
        ("吃安眠药，我可以。", "contradiction"),
    ],
)
def test_each_gate_stops_what_it_is_for(text, expected):
    assert kind(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "嗯。",
        "就是睡不着，心里烦。",
        "你能帮我看看怎么办吗？",
        "我没答应过谁要改。",
        "我不会从明天开始就早睡的。",
        "如果我决定了，会告诉你。",
        "老婆每次都让我答应她早点睡。",
        "我答应过她，后来没做到。",
        "我叫小雨。",
        "我叫他别等我。",
        "我叫王小雨，三十七岁。",
        "我37岁了还这样。",
        "我二十岁的时候也这样。",
        "我在一家机器人公司做出纳。",
        "孩子不用吃安眠药。",
        "I am not ready to change.",
        "I am 37.",
    ],
)
def test_what_a_client_may_well_say_passes(text):
    assert kind(text) is None


def test_a_client_that_is_ready_may_commit_itself():
    assert kind("好，我答应你。", may_accept=True) is None


def test_short_turns_may_come_twice():
    found = gates.trip("是的", counselor="是的？", own="是的", may_accept=True, profile=PROFILE)
    assert found is None


def test_a_report_is_believed_as_far_as_the_turn_has_its_words_and_the_profile_its_reasons():
    turn = "你怕黑，所以开着灯。你愿意说说吗？"
    report = Observed.model_validate(
        {
            "acts": [
                {"act": "question", "quote": "你愿意说说吗"},
                {"act": "advice", "quote": "你应该关灯"},
                {"act": "affirmation", "quote": " 。"},
            ],
            "addressed": [
                {"reason": "r1", "how": "reflected", "quote": "你怕黑"},
                {"reason": "r2", "how": "asked", "quote": "加班"},
                {"reason": "r7", "how": "asked", "quote": "开着灯"},
            ],
            "farewell": True,
        }
    )
    seen, dropped = believed(report, turn, PROFILE)
    assert seen.acts == {Act.QUESTION}
    assert seen.addressed == (Addressed("r1", "reflected"),)
    assert seen.farewell
    assert dropped == {"quote": 3, "reason": 1}


@pytest.mark.parametrize(
    ("fact", "quote", "expected"),
    [
        ("occupation", "我是老师", "occupation"),
        ("red_line", "老师", "red_line"),
        ("occupation", "我是医生", None),
        ("hobby", "我是老师", None),
    ],
)
def test_a_contradiction_needs_a_known_fact_and_the_words(fact, quote, expected):
    report = Reading(talk="neutral", contradicts=Contradiction(fact=fact, quote=quote))
    assert contradiction(report, "我是老师，累。", ["occupation", "red_line"]) == expected


def test_three_turns_that_lead_nowhere_are_a_stall():
    stall = Stall()
    texts = ["晚上总睡不着觉", "嗯。", "晚上总是睡不着觉", "不知道。"]
    assert [stall.after(text, moved=False) for text in texts] == [False, False, False, True]


def test_a_change_or_a_new_thought_ends_what_might_become_a_stall():
    stall = Stall()
    moved = ["嗯。", "嗯。", "那是的。"]  # the third comes with a change
    still = ["嗯。", "嗯。", "白天在公司老打瞌睡", "嗯。"]
    turns = [*((text, text == moved[2]) for text in moved), *((text, False) for text in still)]
    assert not any(stall.after(text, moved=changed) for text, changed in turns)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("来访者：睡不着。", "睡不着。"),
        ("“睡不着。”", "睡不着。"),
        ("他说“行”，我说“好”", "他说“行”，我说“好”"),
        ("  ", ""),
    ],
)
def test_a_turn_is_freed_of_what_was_not_said(text, expected):
    assert cleaned(text) == expected


@pytest.mark.real_data
def test_real_clients_hardly_ever_trip_a_gate(real_data: Path):
    """As if none of them were ready, which some are: what trips it is then no false alarm."""
    tripped, turns = Counter[str](), 0
    for session in annomi.sessions(real_data / "annomi" / "AnnoMI-full.csv"):
        said = Repairer().repaired(session.transcript, session.turns)
        for place, turn in enumerate(said):
            if turn.role != "client":
                continue
            turns += 1
            before = [one.content for one in said[max(0, place - 2) : place]]
            found = gates.trip(
                turn.content,
                counselor=before[-1] if before else "",
                own=before[0] if len(before) == 2 else "",
                may_accept=False,
                profile=PROFILE.model_copy(update={"facts": {}}),
            )
            tripped.update([found.kind] if found else [])
    assert turns == 4802
    assert set(tripped) == {"premature_acceptance", "echo"}
    assert max(tripped.values()) < 0.01 * turns
