from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_llm import miti
from mi_llm.errors import InputError
from mi_llm.miti import Code, Counts, Globals, Level, Measure, level, volley_codes

GI, P, PWP, Q = Code("GI"), Code("P"), Code("PwP"), Code("Q")
SR, CR, AF = Code("SR"), Code("CR"), Code("AF")
SEEK, EMPH, CON = Code("SEEK"), Code("EMPH"), Code("CON")

utterances = st.lists(st.none() | st.sampled_from(Code), max_size=12)
sessions = st.lists(utterances.map(volley_codes), max_size=30)


# What a coder gives each utterance of a volley, and the volley's codes by the manual's rules.
@pytest.mark.parametrize(
    ("said", "codes"),
    [
        ("你想少喝。最近好吗？少喝是为了女儿。", ([SR, Q, CR], {CR, Q})),
        ("几点睡？睡得好吗？做梦吗？几点起？", ([Q, Q, Q, Q], {Q})),
        ("你可以自己决定。要是愿意，可以先试试少买一瓶。", ([EMPH, PWP], {EMPH, PWP})),
        ("你应该把烟戒了。", ([P], {P})),
        ("指南里写的是每周不超过这个量。", ([GI], {GI})),
        ("做得好！", ([None], set())),
        ("三天没抽，你顶住了两次饭局。", ([AF], {AF})),
        ("我能和你分享一些资料吗？", ([SEEK], {SEEK})),
        ("你知道哪些戒烟的方法？", ([Q], {Q})),
        ("你就打算这样对你的孩子，是吗？", ([CON], {CON})),
        ("好的，嗯。", ([None, None], set())),
        ("少买一瓶。要是愿意也可以换成小杯。", ([P, PWP], {PWP})),
        ("你想少喝。我说得对吗？", ([SR, Q], {SR, Q})),  # a checking question counts as well
        ("要是愿意，可以换小杯。怎么做由你定。你怎么看？", ([PWP, EMPH, SEEK], {PWP, EMPH, SEEK})),
    ],
)
def test_a_volley_gets_its_utterances_codes_by_the_counting_rules(said, codes):
    given_codes, counted = codes
    assert volley_codes(given_codes) == counted, said


@given(utterances)
def test_no_volley_has_more_than_eight_codes_nor_two_that_exclude_each_other(codes):
    volley = volley_codes(codes)
    assert len(volley) <= 8
    assert not {SR, CR} <= volley
    assert not {P, PWP} <= volley
    miti.check_volley(list(volley))


def test_all_ten_codes_at_once_leave_eight():
    assert volley_codes(Code) == set(Code) - {SR, P}


@given(utterances, st.randoms(use_true_random=False))
def test_the_order_of_utterances_and_saying_things_twice_change_nothing(codes, shuffled):
    other = [*codes, *codes]
    shuffled.shuffle(other)
    assert volley_codes(other) == volley_codes(codes)


@pytest.mark.parametrize(
    ("codes", "told"),
    [
        ([Q, Q], "Q comes 2 times"),
        ([SR, CR], "SR and CR in one volley; leave SR out"),
        ([P, PWP], "P and PwP in one volley; leave P out"),
    ],
)
def test_a_volley_that_breaks_a_rule_is_refused(codes, told):
    with pytest.raises(InputError, match=told):
        miti.check_volley(codes)


def test_every_code_is_named_in_both_languages_and_no_name_comes_twice():
    for names in (miti.ENGLISH_NAMES, miti.CHINESE_NAMES):
        assert list(names) == list(Code)
        assert len(set(names.values())) == 10


def test_volleys_are_counted_by_code_and_those_without_one_are_counted_as_volleys():
    session = [frozenset({CR, Q}), frozenset({SR, Q, AF}), frozenset(), frozenset({P, CON})]
    assert Counts.of(session) == Counts(
        volleys=4,
        persuade=1,
        question=2,
        simple_reflection=1,
        complex_reflection=1,
        affirm=1,
        confront=1,
    )


def test_a_session_that_breaks_a_rule_in_a_volley_is_refused():
    with pytest.raises(InputError, match="SR and CR in one volley"):
        Counts.of([frozenset({Q}), frozenset({SR, CR})])


@given(sessions)
def test_counts_from_volleys_always_hold_the_rules_and_agree_with_a_recount(session):
    counts = Counts.of(session)
    assert counts.volleys == len(session)
    for code in Code:
        assert counts[code] == len([volley for volley in session if code in volley])


def test_summary_measures_are_the_manuals():
    # By hand: 6 reflections, 2 of them complex: 2/6; 6 to 4 questions: 1.5;
    # adherent 1 + 2 + 3 = 6; non-adherent 1 + 2 = 3 (PwP and GI are in neither); paper 6/9.
    counts = Counts(
        volleys=20,
        give_information=5,
        persuade=1,
        persuade_with_permission=7,
        question=4,
        simple_reflection=4,
        complex_reflection=2,
        affirm=1,
        seek_collaboration=2,
        emphasize_autonomy=3,
        confront=2,
    )
    assert counts.reflections == 6
    assert counts.complex_reflection_share == pytest.approx(1 / 3)
    assert counts.reflection_to_question == 1.5
    assert (counts.mi_adherent, counts.mi_non_adherent) == (6, 3)
    assert counts.paper_mi_adherent_ratio == pytest.approx(2 / 3)


def test_a_ratio_over_nothing_is_undefined_and_not_zero():
    silent = Counts(volleys=3)
    assert silent.complex_reflection_share is None
    assert silent.reflection_to_question is None
    assert silent.paper_mi_adherent_ratio is None
    assert (silent.mi_adherent, silent.mi_non_adherent) == (0, 0)
    assert Counts(volleys=3, question=3).reflection_to_question == 0.0


@pytest.mark.parametrize(
    ("given_counts", "told"),
    [
        ({"question": 4}, "question is 4 in 3 volleys"),
        ({"affirm": -1}, "affirm is -1"),
        ({"affirm": 1.5}, "affirm is 1.5"),
        ({"affirm": True}, "affirm is True"),
        ({"simple_reflection": 2, "complex_reflection": 2}, "SR and CR come to 4 in 3 volleys"),
        ({"persuade": 3, "persuade_with_permission": 1}, "P and PwP come to 4 in 3 volleys"),
    ],
)
def test_impossible_counts_are_refused(given_counts, told):
    with pytest.raises(InputError, match=told):
        Counts(volleys=3, **given_counts)


def test_global_summaries_are_means_of_two():
    ratings = Globals(cultivate=3, soften=4, partnership=5, empathy=4)
    assert ratings.technical("每天少抽五支") == 3.5
    assert ratings.relational == 4.5


@pytest.mark.parametrize(
    ("ratings", "goal"),
    [
        (Globals(3, 4, 4, 4), " "),
        (Globals(None, None, 4, 4), "每天少抽五支"),
        (Globals(3, None, 4, 4), "每天少抽五支"),
    ],
)
def test_there_is_no_technical_global_without_a_change_goal_or_a_rating(ratings, goal):
    assert ratings.technical(goal) is None
    assert ratings.relational == 4


@pytest.mark.parametrize("score", [0, 6, 3.5, True, "4"])
def test_a_rating_off_the_scale_is_refused(score):
    with pytest.raises(InputError, match="empathy is"):
        Globals(3, 3, 3, score)


def test_partnership_and_empathy_are_always_rated():
    with pytest.raises(InputError, match="partnership is None"):
        Globals(3, 3, None, 3)  # type: ignore[arg-type]  # what a hole in a sheet gives


# The manual's table of thresholds, each met exactly and missed by a little.
@pytest.mark.parametrize(
    ("measure", "fair", "good"),
    [
        (Measure.RELATIONAL, 3.5, 4),
        (Measure.TECHNICAL, 3, 4),
        (Measure.COMPLEX_REFLECTION_SHARE, 0.4, 0.5),
        (Measure.REFLECTION_TO_QUESTION, 1, 2),
    ],
)
def test_a_threshold_belongs_to_the_level_that_it_opens(measure, fair, good):
    assert level(measure, fair - 0.001) is Level.BELOW_FAIR
    assert level(measure, fair) is Level.FAIR
    assert level(measure, good - 0.001) is Level.FAIR
    assert level(measure, good) is Level.GOOD
    assert level(measure, None) is None
