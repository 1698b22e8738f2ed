"""Breakdowns checked by hand, against scipy, and by simulation."""

import json
from math import exp, sqrt
from typing import Any

import numpy as np
import pytest
from scipy.stats import linregress
from scipy.stats import t as student

from eval.breakdown import NO_TOPIC, breakdown, round_numbers, topics_of
from eval.predictions import Prediction
from eval.ratio import ratio_of_sums
from eval.shares import mean_lengths, share
from eval.similarity import Similarity
from eval.slope import slope_per_round
from mi_llm.dialogue import Dialogue, Turn
from mi_llm.errors import InputError
from mi_llm.statistics import ANY, NO_SPREAD, PERCENT, STUDENTISED, T_BASED, TOO_FEW, clustered_mean


def rows_of(*lengths):
    """Rows of dialogues d0, d1, ... with so many rounds; references of 11, 12, ... characters."""
    numbers = [(f"d{at}", one + 1) for at, count in enumerate(lengths) for one in range(count)]
    rows: list[Any] = [
        {"id": f"{name}#{one}", "input": "嗯", "output": "说" * (9 + at) + "。", "history": []}
        for at, (name, one) in enumerate(numbers, start=1)
    ]
    return rows


def looked_at(rows, bleu, answers=None, **more):
    answers = answers or ["好的，我们慢慢来说说。"] * len(rows)
    pairs = zip(answers, rows, strict=True)
    predictions = [Prediction(answer, f"\n{row['output']}") for answer, row in pairs]
    scores = [Similarity(float(one), float(one) + 1, 0.0, 50.0) for one in bleu]
    return breakdown(predictions, rows, scores, **more)


def test_rounds_are_groups_and_those_that_few_dialogues_reach_are_one():
    # 12 dialogues reach round 2, 10 reach round 3, 9 round 4 and 1 round 5.
    lengths = [2, 2, 3] + [4] * 8 + [5]
    rows = rows_of(*lengths)
    bleu = [10 * number for number in round_numbers(rows)]
    found = looked_at(rows, bleu).by_round
    assert [(one.name, one.rounds, one.dialogues) for one in found] == [
        ("1", 12, 12),
        ("2", 12, 12),
        ("3", 10, 10),
        ("4 and later", 10, 9),
    ]
    assert [(one.first, one.last) for one in found] == [(1, 1), (2, 2), (3, 3), (4, 5)]
    # Nine fourth rounds and a fifth.
    assert [one.scores["bleu4"].mean for one in found] == [10, 20, 30, (9 * 40 + 50) / 10]
    assert found[3].warning == ("only 9 dialogues: intervals and tests below 20 are rough")


def test_a_groups_interval_is_that_of_its_rounds_alone():
    rows = rows_of(*[2] * 25)
    bleu = np.random.default_rng(0).normal(20, 5, 50)
    group = looked_at(rows, bleu).by_round[1]
    names = [f"d{at}" for at in range(25)]
    expected = clustered_mean(bleu[1::2].tolist(), names, scale=PERCENT, seed=0)
    assert group.scores["bleu4"] == expected
    assert group.warning is None


def test_the_rounds_number_is_the_ids_or_else_counted_from_the_history():
    rows: list[Any] = [
        {"id": "cpsycound/12#7", "history": []},  # --fit dropped the history
        {"id": "a#2-5", "history": []},
        {"id": "a#b#3", "history": []},
        {"history": [["一", "二"]]},
        {"id": "12", "history": [["一", "二"], ["三", "四"]]},
        {"id": "a#x", "history": []},
    ]
    assert round_numbers(rows) == [7, 5, 3, 2, 3, 1]


def test_lengths_are_quarters_of_the_references_with_their_bounds():
    rows = rows_of(*[2] * 4)  # references of 11 to 18 characters
    found = looked_at(rows, range(8)).by_length
    assert [(one.first, one.last) for one in found] == [(11, 12), (13, 14), (15, 16), (17, 18)]
    assert [one.name for one in found][:1] == ["11 to 12 characters"]
    assert [one.scores["bleu4"].mean for one in found] == [0.5, 2.5, 4.5, 6.5]


def test_references_of_one_length_are_one_group():
    rows = rows_of(1, 1, 1)
    for row in rows:
        row["output"] = "一样长。"
    (group,) = looked_at(rows, [1, 2, 3]).by_length
    assert (group.first, group.last, group.rounds) == (4, 4, 3)


def test_topics_are_groups_the_largest_first():
    rows = rows_of(1, 2, 1, 1)
    topics = {"d0": "Sleep", "d1": "Career", "d3": "Career", "other": "Grief"}
    found = looked_at(rows, [10, 20, 30, 40, 50], topics=topics).by_topic
    assert [(one.name, one.rounds, one.dialogues) for one in found] == [
        ("Career", 3, 2),
        ("Sleep", 1, 1),
        (NO_TOPIC, 1, 1),
    ]
    assert found[0].scores["bleu4"].mean == pytest.approx((20 + 30 + 50) / 3)
    assert looked_at(rows, [1] * 5).by_topic == ()
    with pytest.raises(InputError, match="no dialogue of the rows has a topic, 'd0' for one"):
        looked_at(rows, [1] * 5, topics={"x": "Sleep"})


def test_topics_come_from_the_dialogues_meta():
    turns = (Turn("client", "累"),)
    dialogues = [
        Dialogue("a", turns, {"topic": "Sleep"}),
        Dialogue("b", turns, {"topic": ""}),
        Dialogue("c", turns, {}),
    ]
    assert topics_of(dialogues) == {"a": "Sleep"}


def test_shares_count_each_fault_beside_the_counselors_own():
    rows = rows_of(2, 2)
    rows[0]["output"] = "没有句号"
    answers = ["", "Yes.", "听起来你很不容易，", "听起来你很不容易。"]
    finish = [None, "stop", "length", "stop"]
    found = {one.name: one for one in looked_at(rows, [0] * 4, answers, finish=finish).shares}
    assert {name: (one.count, one.rounds) for name, one in found.items()} == {
        "empty": (1, 4),
        "cut_off": (1, 4),
        "repeats_itself": (1, 4),
        "repeats_counselor": (0, 4),
        "loops": (0, 4),
        "not_chinese": (1, 4),
        "thought": (0, 4),
        "token_limit": (1, 3),
    }
    assert found["cut_off"].references == 0.25
    assert found["token_limit"].references is None
    assert found["empty"].estimate.mean == 0.25
    unknown = looked_at(rows, [0] * 4, answers, finish=[None] * 4).shares
    assert "token_limit" not in {one.name for one in unknown}


def test_a_share_is_marked_where_its_interval_is_not_to_be_relied_on():
    clusters = [at // 10 for at in range(400)]  # 40 dialogues

    def warning(has):
        return share("loops", has, clusters[: len(has)], seed=0).warning

    # 3 / 40 dialogues = 7.5%
    assert warning([False] * 400) == (
        "in none of 400 rounds: no interval; about 8% of dialogues may have it all the same "
        "(3 / dialogues)"
    )
    first_two, first_three = ([at < one * 10 for at in range(400)] for one in (2, 3))
    assert warning(first_two) == "only 2 dialogues with it: the interval is too narrow"
    assert warning(first_three) is None
    assert warning([not one for one in first_three]) is None
    assert warning([not one for one in first_two]) == (
        "only 2 dialogues without it: the interval is too narrow"
    )
    assert warning([True] * 400) == "only 0 dialogues without it: the interval is too narrow"
    half = [at % 2 == 0 for at in range(110)]
    assert warning(half) == "only 11 dialogues: intervals and tests below 20 are rough"


def test_lengths_are_means_and_their_ratio():
    pairs = [("ab\n", "\nabcd"), ("abcd", "abcd"), ("", "abcd"), ("ab", "abcd")]
    found = mean_lengths([Prediction(*pair) for pair in pairs], ["a", "a", "b", "c"], seed=0)
    assert (found.answers, found.references) == (2, 4)
    assert found.ratio is not None
    # Dialogue a: 6 of 8, b: 0 of 4, c: 2 of 4. Residuals 6 - 8/2 = 2, -2 and 0; error
    # sqrt(3/2 * 8) / 16; that of the log twice as much; t with 2 degrees of freedom.
    half = student.ppf(0.975, 2) * sqrt(12) / 16 / 0.5
    assert (found.ratio.mean, found.ratio.method) == (0.5, T_BASED)
    assert (found.ratio.low, found.ratio.high) == pytest.approx((0.5 / exp(half), 0.5 * exp(half)))


def test_a_mean_is_the_ratio_whose_denominators_are_one():
    draw = np.random.default_rng(4)
    values, clusters = draw.normal(3, 1, 90).tolist(), [at // 3 for at in range(90)]
    ratio = ratio_of_sums(values, [1.0] * 90, clusters, scale=ANY, seed=5)
    mean = clustered_mean(values, clusters, scale=ANY, seed=5)
    assert ratio is not None
    assert ratio.method == mean.method == STUDENTISED
    # Clusters of one size are drawn in the same order of their sums.
    assert (ratio.mean, ratio.low, ratio.high) == pytest.approx((mean.mean, mean.low, mean.high))


def test_ratios_without_spread_without_denominator_and_of_one_dialogue():
    assert ratio_of_sums([1, 2], [0, 0], ["a", "b"], scale=ANY, seed=0) is None
    one = ratio_of_sums([1, 2, 9], [2, 2, 0], ["a", "a", "b"], scale=ANY, seed=0)
    assert one is not None
    assert (one.mean, one.low, one.method) == (0.75, None, TOO_FEW)
    same = ratio_of_sums([1, 2, 3], [2, 4, 6], ["a", "b", "c"], scale=ANY, seed=0)
    assert same is not None
    assert (same.low, same.high, same.method) == (0.5, 0.5, NO_SPREAD)


def test_with_one_round_of_each_dialogue_the_slope_is_scipys_and_its_error_the_robust_one():
    draw = np.random.default_rng(1)
    rounds = draw.integers(1, 15, 300)
    values = 30 - 0.4 * rounds + draw.normal(0, 1 + rounds / 5, 300)
    slope = slope_per_round(values.tolist(), rounds.tolist(), list(range(300)), seed=0)
    line = linregress(rounds, values)
    assert slope.within is None
    assert slope.dialogues == 0
    assert slope.overall is not None
    assert slope.overall.mean == pytest.approx(line.slope)
    # White's error with 300 / 299, and t: there are more than 200 clusters.
    x = rounds - rounds.mean()
    rest = values - line.intercept - line.slope * rounds
    error = np.sqrt(300 / 299 * ((x * rest) ** 2).sum()) / (x**2).sum()
    assert slope.overall.high is not None
    assert slope.overall.high - slope.overall.mean == pytest.approx(student.ppf(0.975, 299) * error)
    assert slope.overall.method == T_BASED


def test_the_slope_within_dialogues_is_that_of_a_regression_with_a_level_for_each():
    draw = np.random.default_rng(2)
    lengths = draw.integers(1, 12, 40)
    dialogues = np.repeat(np.arange(40), lengths)
    rounds = np.concatenate([np.arange(1, one + 1) for one in lengths])
    # Longer dialogues are easier, and every one gets harder as it goes on.
    values = 3 * lengths[dialogues] - 0.5 * rounds + draw.normal(0, 1, len(rounds))
    slope = slope_per_round(values.tolist(), rounds.tolist(), dialogues.tolist(), seed=0)
    levels = (dialogues[:, None] == np.arange(40)).astype(float)
    fitted, *_ = np.linalg.lstsq(np.column_stack([rounds, levels]), values, rcond=None)
    assert slope.within is not None
    assert slope.overall is not None
    assert slope.within.mean == pytest.approx(fitted[0])
    assert slope.within.low is not None
    assert slope.within.high is not None
    assert slope.within.low < -0.5 < slope.within.high < 0
    assert slope.overall.mean == pytest.approx(linregress(rounds, values).slope)
    assert slope.overall.mean > 0  # what a curve by round would show
    assert slope.dialogues == int((lengths > 1).sum())


def test_the_slopes_interval_covers_where_that_of_independent_rounds_does_not():
    draw = np.random.default_rng(7)
    covered, naive, replications = 0, 0, 400
    dialogues = np.repeat(np.arange(20), 8)
    rounds = np.tile(np.arange(1, 9), 20)
    for _ in range(replications):
        own_slopes = draw.normal(-0.5, 1, 20)  # dialogues differ in how they go on
        values = own_slopes[dialogues] * rounds + draw.normal(0, 1, 160)
        within = slope_per_round(
            values.tolist(), rounds.tolist(), dialogues.tolist(), seed=0
        ).within
        assert within is not None
        assert within.low is not None
        assert within.high is not None
        covered += within.low <= -0.5 <= within.high
        line = linregress(rounds, values)
        naive += abs(line.slope + 0.5) <= student.ppf(0.975, 158) * line.stderr
    assert 0.92 <= covered / replications <= 0.98
    assert naive / replications < 0.9


def test_the_same_round_in_all_rows_has_no_slope():
    slope = slope_per_round([1.0, 2.0], [1, 1], ["a", "b"], seed=0)
    assert (slope.within, slope.overall) == (None, None)


def test_nothing_to_look_at_is_refused_and_everything_is_json():
    with pytest.raises(InputError, match="no predictions to break down"):
        breakdown([], [], [])
    rows = rows_of(3, 2)
    facts = looked_at(rows, range(5), topics={"d0": "Sleep"}).as_json()
    assert json.loads(json.dumps(facts))["slopes"]["bleu4"]["dialogues"] == 2
    assert set(facts) == {
        "by_round", "slopes", "by_length", "by_topic", "shares", "lengths", "seed"
    }  # fmt: skip


def test_the_same_seed_gives_the_same_breakdown_whatever_the_dialogues_are_called():
    draw = np.random.default_rng(9)
    rows, bleu = rows_of(*[4] * 12), draw.normal(20, 5, 48)
    first = looked_at(rows, bleu, seed=3)
    assert looked_at(rows, bleu, seed=3) == first
    for row in rows:
        row["id"] = "z" + row["id"]
    assert looked_at(rows, bleu, seed=3) == first
    assert looked_at(rows, bleu, seed=4) != first
