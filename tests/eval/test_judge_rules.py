from __future__ import annotations

import re
from dataclasses import replace
from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

import prompts
from eval.judge.judge import Judged, Reading
from eval.judge.material import Material
from eval.judge.report import session
from eval.judge.requests import GLOBAL_PROMPTS, PROMPTS
from eval.judge.rules import agreed_codes, agreed_score
from eval.judge.schema import Evidence, Rating, borne_out, rating_fault
from mi_llm.coding import Session
from mi_llm.dialogue import Turn
from mi_llm.judging.pieces import pieces
from mi_llm.judging.rules import settled
from mi_llm.judging.schema import Label, Utterance, VolleyCoding, coding_fault
from mi_llm.miti import MI_ADHERENT, Code, Globals, check_volley, volley_codes

C = Code


@pytest.mark.parametrize(
    ("one", "two", "taken"),
    [
        (C("SR"), C("CR"), C("SR")),
        (C("GI"), C("P"), C("GI")),
        (C("GI"), C("PwP"), C("GI")),
        (C("P"), C("PwP"), C("PwP")),
        (C("EMPH"), C("SEEK"), C("SEEK")),
        (C("SEEK"), C("AF"), C("AF")),
        (C("EMPH"), C("AF"), C("AF")),
        (C("SEEK"), C("Q"), C("Q")),
        (C("AF"), C("CR"), C("CR")),
        (C("EMPH"), C("PwP"), C("PwP")),
        (C("AF"), None, None),
        (C("CON"), C("P"), C("P")),
        (C("CON"), C("Q"), C("Q")),
        (C("CON"), C("CR"), None),
        (C("CON"), C("SR"), None),
        (C("CON"), C("AF"), None),
        (C("CON"), None, None),
        (C("Q"), None, None),
        (C("AF"), C("AF"), C("AF")),
    ],
)
def test_a_doubt_goes_the_way_of_the_manual_whichever_code_came_first(
    one: Code | None, two: Code | None, taken: Code | None
):
    assert settled(one, two) == settled(two, one) == taken


def test_a_doubt_between_codes_that_the_manual_does_not_rank_leaves_the_likelier_one():
    assert (settled(C("Q"), C("SR")), settled(C("SR"), C("Q"))) == (C("Q"), C("SR"))


def test_no_doubt_ends_in_an_adherent_code_or_a_confrontation_unless_the_other_is_adherent_too():
    labels = [*Code, None]
    for one, two in product(labels, labels):
        if one != two and not {one, two} <= MI_ADHERENT:
            assert settled(one, two) not in {*MI_ADHERENT, C("CON")}


@pytest.mark.parametrize(
    ("repeats", "agreed"),
    [
        (["Q SR", "Q", "SR"], "Q SR"),
        (["Q", "", ""], ""),
        (["Q", ""], ""),  # a tie is no majority
        (["SR", "CR", ""], "SR"),  # two of three reflect; which kind is a tie
        (["SR", "CR", "CR"], "CR"),
        (["P", "PwP"], "PwP"),
        (["P", "P", "PwP"], "P"),
        (["AF CON", "AF", "CON"], "AF CON"),
    ],
)
def test_readings_agree_by_majority_and_codes_that_share_a_place_count_together(
    repeats: list[str], agreed: str
):
    def codes(text: str) -> frozenset[Code]:
        return frozenset(map(Code, text.split()))

    assert agreed_codes([codes(one) for one in repeats]) == codes(agreed)


@given(st.lists(st.frozensets(st.sampled_from(list(Code))), min_size=1, max_size=5))
def test_what_readings_agree_on_never_breaks_a_rule_of_the_volley(repeats: list[frozenset[Code]]):
    legal = [volley_codes(one) for one in repeats]
    check_volley(sorted(agreed_codes(legal)))
    assert agreed_codes([legal[0]]) == legal[0]


def test_the_score_is_the_median_and_of_two_in_the_middle_the_lower():
    assert (agreed_score([5, 2, 3]), agreed_score([4, 3]), agreed_score([2])) == (3, 3, 2)


@pytest.mark.parametrize(
    ("volley", "cut"),
    [
        ("嗯。", ["嗯。"]),
        ("你可以自己决定，不过有人早睡。几点？", ["你可以自己决定，", "不过有人早睡。", "几点？"]),
        ("“好吧……”你说，不想。", ["“好吧……”", "你说，", "不想。"]),
        (
            "Well, 1.5 or 1,000 a day. OK?",
            ["Well, ", "1.5 or 1,000 a day. ", "OK?"],
        ),
        ("……嗯", ["……嗯"]),
        ("……", ["……"]),
        ("没有标点的一整段话", ["没有标点的一整段话"]),
    ],
)
def test_a_volley_is_cut_where_a_thought_may_end(volley: str, cut: list[str]):
    assert pieces(volley) == cut


@given(st.text(alphabet="好a1 。，,.?！…\n”", min_size=1))
def test_pieces_joined_are_the_volley_and_each_says_something_if_the_volley_does(volley: str):
    found = pieces(volley)
    assert "".join(found) == volley
    if any(character.isalnum() for character in volley):
        assert all(any(character.isalnum() for character in one) for one in found)


def rating(*evidence: tuple[int, str]) -> Rating:
    told = [Evidence(volley=place, quote=quote, direction="up") for place, quote in evidence]
    return Rating(evidence=told, reason="", score=4)


VOLLEYS = ["你晚上，会看很久手机。", "一边想清静，一边又懊恼。", "……"]


def test_evidence_that_the_counselor_did_not_say_costs_that_item_and_not_the_rating():
    found, lost = (1, "“你晚上会看很久手机”"), [(2, "你白天"), (4, "嗯"), (0, "嗯"), (1, "")]
    whole = rating(*lost[:2], found, *lost[2:])
    assert rating_fault(whole) is None
    assert borne_out(whole, VOLLEYS) == rating(found)
    assert borne_out(rating(*lost), VOLLEYS) == rating()


def test_evidence_with_a_wrong_number_is_given_the_nearest_volley_that_holds_it():
    volleys = ["嗯，你说。", "你晚上睡不好。", "嗯，还有呢？"]
    assert borne_out(rating((1, "睡不好"), (9, "嗯"), (3, "嗯")), volleys) == rating(
        (2, "睡不好"), (3, "嗯"), (3, "嗯")
    )


def test_a_rating_without_any_evidence_is_none():
    assert "evidence is empty" in (rating_fault(rating()) or "")


def coding(*spans: tuple[int, int], sure: bool = True, other: Label | None = None) -> VolleyCoding:
    return VolleyCoding(
        utterances=[
            Utterance(first=a, last=b, reason="", code="Q", sure=sure, alternative=other)
            for a, b in spans
        ]
    )


def test_utterances_use_all_pieces_in_order_and_may_share_one():
    assert coding_fault(coding((1, 1), (2, 4)), 4) is None
    assert coding_fault(coding((1, 2), (2, 3), (3, 3)), 3) is None
    assert coding_fault(coding((1, 1), sure=False, other="SEEK"), 1) is None


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (coding(), "reach piece 0; pieces 1 to 3"),
        (coding((1, 2)), "reach piece 2; pieces 1 to 3"),
        (coding((1, 4)), "reach piece 4"),
        (coding((2, 3)), "utterance 1 spans pieces 2 to 3"),
        (coding((1, 1), (3, 3)), "utterance 2 spans pieces 3 to 3"),
        (coding((0, 3)), "utterance 1 spans pieces 0 to 3"),
        (coding((1, 2), (3, 2)), "utterance 2 spans pieces 3 to 2"),
        (coding((1, 3), sure=False), "utterance 1 is not sure"),
        (coding((1, 3), sure=False, other="Q"), "utterance 1 is not sure"),
    ],
)
def test_utterances_that_leave_a_gap_or_a_doubt_without_its_other_code_are_told(
    answer: VolleyCoding, told: str
):
    assert told in (coding_fault(answer, 3) or "")


def test_every_code_stands_in_the_prompt_for_volleys():
    text = prompts.load("judge_volley.v2").text
    assert len(get_args(Label)) == 11
    for label in get_args(Label):
        assert re.search(rf"^- {label} \S+：", text, re.MULTILINE), label


def test_the_prompts_for_ratings_differ_only_in_what_is_rated_and_have_five_anchors():
    texts = [prompts.load(name).text for name in GLOBAL_PROMPTS.values()]
    parted = [re.split(r"# 评分项\n|# 怎么评\n", text) for text in texts]
    assert {len(parts) for parts in parted} == {3}
    assert len({parts[0] for parts in parted}) == len({parts[2] for parts in parted}) == 1
    for parts in parted:
        assert re.findall(r"^- (\d)：", parts[1], re.MULTILINE) == list("12345")
    assert "从 3 分开始" in parted[0][2]
    assert len(PROMPTS) == 6


def test_what_half_of_the_readings_cannot_answer_is_left_out_and_the_session_is_partial():
    said = Utterance(first=1, last=1, reason="", code="Q", sure=True, alternative=None)
    material = Material("T1", (Turn("counselor", "几点睡？"),), "早睡")

    def coded(*volleys: tuple[Utterance, ...] | None) -> Session:
        full = {name: rating((1, "几点")) for name in GLOBAL_PROMPTS}
        readings = tuple(Reading({**full}, (one,)) for one in volleys)
        return session(Judged(material, "早睡", True, None, readings), "J")

    question = frozenset({C("Q")})
    whole = Session("T1", "J", (question,), Globals(4, 4, 4, 4), "早睡")
    assert coded((said,), (said,), None) == whole
    assert coded((said,), None) == replace(
        whole, volleys=(frozenset(),), complete=False, uncoded=frozenset({1})
    )
