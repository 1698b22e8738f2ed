"""What the machine checks find, one by one, and how much of the seeded set they catch."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from benchmarks import screening
from converters.corpora.formats import CORPORA
from converters.corpora.intake import Intake, take_in
from converters.review import check_mi, check_relevance, check_structure
from converters.review.findings import GROUNDS, KINDS, Finding
from converters.review.machine_checks import check
from mi_llm.dialogue import Dialogue, Turn

ROOT = Path(__file__).parents[2]


def spoken(*texts, **facts):
    turns = tuple(Turn("counselor" if n % 2 else "client", text) for n, text in enumerate(texts))
    return Dialogue("d/1", turns, {"transcription": facts} if facts else {})


PLAIN = (
    *("我总是睡不好，白天没精神。", "夜里没歇着，白天就更难熬。"),
    *("翻来覆去的，脑子停不下来。", "身子躺下了，心还在外头跑。"),
    *("就是这样，想到工作就心慌。", "工作的事一直跟到了枕头边上。"),
)


def kinds(*texts, source=None, **facts):
    return [(one.kind, one.turn) for one in check(spoken(*texts, **facts), source)]


def changed(number, text):
    return (*PLAIN[: number - 1], text, *PLAIN[number:])


def test_the_seeded_set_has_five_of_each_ground_in_sum_and_twelve_good_ones():
    by_ground = Counter(case.ground for case in screening.bad_cases())
    assert set(by_ground) == set(GROUNDS)
    assert min(by_ground.values()) >= 5
    assert len(screening.good_cases()) >= 12
    assert {case.part for case in screening.bad_cases()} == set(screening.SETS)


# Floors, somewhat under what docs/screening.md states: faults caught on their own ground, in the
# order of GROUNDS.
@pytest.mark.parametrize(
    ("part", "floors"), [("tuning", (4, 4, 4, 4, 5)), ("held out", (3, 3, 3, 3, 5))]
)
def test_the_checks_catch_most_planted_faults_on_their_ground(part, floors):
    caught = Counter(
        case.ground
        for case in screening.bad_cases(part)
        if any(one.ground == case.ground for one in case.findings())
    )
    short = {
        ground: caught[ground]
        for ground, floor in zip(GROUNDS, floors, strict=True)
        if caught[ground] < floor
    }
    assert short == {}


def test_at_most_one_good_transcription_of_the_seeded_set_is_flagged():
    flagged = [case.dialogue.id for case in screening.good_cases() if case.findings()]
    assert len(flagged) <= 1


def test_at_most_four_of_the_forty_sample_dialogues_are_flagged_and_none_is_hard():
    found = {}
    for name in ("train", "test"):
        path = ROOT / "data" / "sample" / f"{name}.json"
        for dialogue in take_in(CORPORA["mi_conversations"], path, Intake()):
            found[dialogue.id] = check(dialogue, None)
    assert len(found) == 40
    assert sum(map(bool, found.values())) <= 4
    assert not any(one.hard for of in found.values() for one in of)


@pytest.mark.real_data
def test_what_is_flagged_of_the_authors_forty_dialogues_is_at_most_what_was_read(real_data):
    # Read one by one when the checks were tuned: docs/screening.md.
    path = real_data / "mi_llm_authors" / "eval_40_dialogues.json"
    found = [check(one, None) for one in take_in(CORPORA["mi_conversations"], path, Intake())]
    assert len(found) == 40
    assert sum(map(bool, found)) <= 22
    assert sum(any(one.hard for one in of) for of in found) <= 3


def test_a_crisis_that_is_answered_is_no_hard_finding_but_goes_to_two_reviewers():
    (case,) = screening.watched_cases()
    assert [(one.kind, one.turn, one.hard) for one in case.findings()] == [("crisis", 1, False)]


def test_a_plain_dialogue_has_no_finding():
    assert kinds(*PLAIN) == []


@pytest.mark.parametrize(
    ("number", "text", "kind"),
    [
        (4, "来访者：那我怎么办。", "speaker label"),
        (4, "作为一个人工智能，我理解。", "speaks as a machine"),
        (4, "（复杂反映）心还在外头跑。", "annotation in the text"),
        (4, "可以这样：\n- 少想\n- 早睡。", "markdown"),
        (4, "I hear that your mind keeps running.", "other language"),
        (4, "心还在外头\N{REPLACEMENT CHARACTER}跑。", "broken characters"),
        (4, "跑" * 401 + "。", "turn too long"),
        (4, "您说得对，" * 31 + "。", "long reply"),
        (4, PLAIN[1], "same turn again"),
        (4, "夜里没有歇着，白天就更难熬。", "nearly the same turn"),
        (6, "工作的事一直跟到了", "cut off"),
        (3, "我真的不想活了。", "crisis unanswered"),
        (4, "您这就是抑郁症，我可以确定。", "harmful advice"),
        (3, "我电话13800138000，你打给我。", "personal data"),
        (4, "您这分明是在找借口。", "confronting words"),
        (2, "建议您睡前泡脚。", "early advice"),
    ],
)
def test_each_fault_in_one_turn_is_named_with_its_turn(number, text, kind):
    assert (kind, number) in kinds(*changed(number, text))


def test_rounds_are_counted_from_three_to_forty():
    assert kinds(*PLAIN[:4]) == [("too few rounds", None)]
    many = [f"{'甲乙丙丁戊己庚辛'[n % 8] * 3}事第{n}件，{chr(0x5000 + n) * 9}。" for n in range(82)]
    assert ("too many rounds", None) in kinds(*many)
    assert ("too many rounds", None) not in kinds(*many[:80])
    turns = tuple(Turn(("client", "counselor")[n % 2], text) for n, text in enumerate(many))
    for asked, found in ((41, []), (40, ["too many rounds"])):
        longer = Dialogue("d", turns, {"calm_it": {"rounds_asked": asked}})
        assert [one.kind for one in check_structure.findings(longer)] == found


def test_an_end_on_the_client_is_queued():
    assert kinds(*PLAIN, "那我先走了。") == [("ends with the client", 7)]


def test_brand_names_are_no_other_language():
    # 14 foreign letters of 20; 3 of 11 are too few to count.
    assert check_structure.foreign_share("我想 listen to music 一下吧") == pytest.approx(13 / 18)
    assert check_structure.foreign_share("我在KTV唱歌，很开心呢") == 0.0


def test_several_questions_count_in_more_than_three_of_ten_replies_and_a_tag_is_none():
    assert check_mi.questions("你累吗？怕吗？") == 2
    assert check_mi.questions("你累了，是吗？从什么时候开始的？") == 1
    two = ("白天难熬。你累吗？夜里醒几回？", "你怕吗？怕什么呢？", "工作的事一直跟着你。")
    texts = [text for pair in zip(PLAIN[::2], two, strict=True) for text in pair]
    assert kinds(*texts) == [("several questions", 2)]


def test_advice_that_was_asked_for_or_permitted_is_none_of_the_early_kind():
    asked = ("我睡不好，该怎么办？", "您可以试试晚点上床。", *PLAIN[2:])
    permitted = (PLAIN[0], "我有个想法，您想听听吗？建议您试着晚点上床。", *PLAIN[2:])
    late = changed(6, "您可以试试晚点上床。")
    assert kinds(*asked) == kinds(*permitted) == kinds(*late) == []


def test_likeness_is_the_share_of_the_clients_character_pairs_that_the_source_has():
    # 我想戒烟: 我想, 想戒, 戒烟; the source has 戒烟 only.
    dialogue = spoken("我想戒烟。", "您自己想要戒烟。")
    assert check_relevance.likeness(dialogue, spoken("他戒烟了。")) == pytest.approx(1 / 3)
    assert check_relevance.likeness(spoken("嗯。"), spoken("他戒烟了。")) == 1.0


def test_numbers_names_and_places_that_the_source_has_not_are_queued_once():
    source = spoken(*PLAIN, "我今年35岁。")
    new = changed(3, "我三十五岁，在四川有两个孩子，欠了八万，李经理都知道，欠八万不是小数。")
    found = check(spoken(*new), source)
    assert [(one.kind, one.turn, one.reason) for one in found] == [
        ("new number", 3, "原文没有的数字：两个孩子、八万"),
        ("new name", 3, "原文没有的人名：李经理"),
        ("new place", 3, "原文没有的地点或单位：四川"),
    ]


def test_the_target_behaviour_must_be_spoken_of():
    named = {"label": "减少吸烟", "category": "smoking"}
    assert kinds(*PLAIN, target_behaviour=named) == [("target behaviour absent", None)]
    said = changed(5, "就是这样，抽完烟更清醒。")
    assert kinds(*said, target_behaviour=named) == []


def test_a_crisis_of_the_source_that_the_transcription_leaves_out_goes_to_two_reviewers():
    source = spoken(*PLAIN[:4], "有时候我真不想活了，工作也没意思。")
    assert kinds(*PLAIN, source=source) == [("crisis left out", None)]


def test_a_risk_flag_that_no_words_show_is_queued():
    assert kinds(*PLAIN, risk_flags=["psychosis"]) == [("risk flag", None)]
    assert kinds(*PLAIN, risk_flags=["none"]) == []


def test_personal_data_is_not_repeated_in_the_reason():
    (found,) = check(spoken(*changed(3, "我电话13800138000，你打给我。")), None)
    assert "13800138000" not in found.reason
    assert "【电话】" in found.reason


def test_hard_findings_stand_before_soft_ones():
    texts = changed(2, "建议您睡前泡脚。")
    found = check(spoken(*texts[:3], "您这就是抑郁症，我可以确定。", *texts[4:]), None)
    assert [one.hard for one in found] == sorted((one.hard for one in found), reverse=True)


def test_a_finding_has_a_known_kind_and_every_kind_a_known_ground():
    with pytest.raises(ValueError, match="no kind"):
        Finding("odd", None, "")
    assert {ground for ground, _ in KINDS.values()} == set(GROUNDS)
