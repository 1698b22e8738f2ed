from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from benchmarks.interval_coverage import coverage
from mi_llm.errors import InputError
from mi_llm.statistics import (
    AMOUNT,
    ANY,
    FEW,
    NO_SPREAD,
    PERCENT,
    RATING,
    SHARE,
    STUDENTISED,
    T_BASED,
    TOO_FEW,
    Estimate,
    Scale,
    clustered_mean,
    few_dialogues,
    interval_halves,
)

# Whole numbers: their sums are exact in any order.
clustered_values = st.lists(
    st.tuples(st.integers(-50, 50), st.sampled_from("abcdefgh")), min_size=1, max_size=40
)


def ends(made: Estimate) -> tuple[float, float]:
    assert made.low is not None
    assert made.high is not None
    return made.low, made.high


@given(values=st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=400))
def test_the_mean_is_numpys_to_the_last_bit(values: list[float]):
    made = clustered_mean(values, ["a"] * len(values), scale=ANY, seed=0)
    assert made == Estimate(float(np.mean(values)), None, None, TOO_FEW)


@given(rows=clustered_values, shuffled=st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=50)
def test_the_order_of_rows_moves_nothing(rows: list[tuple[int, str]], shuffled):
    other = list(rows)
    shuffled.shuffle(other)
    one, two = (
        clustered_mean([v for v, _ in some], [c for _, c in some], scale=ANY, seed=3, resamples=200)
        for some in (rows, other)
    )
    assert one == two


@given(rows=clustered_values)
@settings(deadline=None, max_examples=50)
def test_the_names_of_clusters_move_nothing(rows: list[tuple[int, str]]):
    values = [value for value, _ in rows]
    one = clustered_mean(values, [name for _, name in rows], scale=ANY, seed=3, resamples=200)
    two = clustered_mean(
        values, [("d", name) for _, name in rows], scale=ANY, seed=3, resamples=200
    )
    assert one == two


@given(rows=clustered_values, power=st.integers(-20, 20))
@settings(deadline=None, max_examples=50)
def test_another_unit_scales_the_interval(rows: list[tuple[int, str]], power: int):
    names = [name for _, name in rows]
    one = clustered_mean([float(v) for v, _ in rows], names, scale=ANY, seed=3, resamples=200)
    two = clustered_mean([v * 2.0**power for v, _ in rows], names, scale=ANY, seed=3, resamples=200)
    # A power of 2 scales without rounding.
    assert two.method == one.method
    if one.low is None:
        assert two.low is None
    else:
        assert ends(two) == tuple(end * 2.0**power for end in ends(one))


def test_few_clusters_have_students_interval_by_hand():
    # A: n 3, sum 6. B: n 1, sum 10. C: n 1, sum 4. Mean 20 / 5 = 4; residuals 6 - 4 * 3 = -6,
    # 10 - 4 = 6 and 0; standard error sqrt(3 / 2 * (36 + 36)) / 5 = sqrt(108) / 5. Student's 97.5%
    # point with 2 degrees of freedom is 1.9 / sqrt(2 * 0.975 * 0.025 * 2) = 4.303.
    values, names = [1.0, 10.0, 2.0, 3.0, 4.0], ["A", "B", "A", "A", "C"]
    made = clustered_mean(values, names, scale=ANY, seed=0)
    half = math.sqrt(108) / 5 * 0.95 / math.sqrt(2 * 0.975 * 0.025)
    assert ends(made) == pytest.approx((4 - half, 4 + half))
    assert (made.mean, made.method) == (4.0, T_BASED)
    # The same on the scale of amounts: of the log of 4, whose error is a fourth; and on that from 0
    # to 16: of the logit of 1/4, whose error is 16 / (4 * 12) = a third.
    amount = clustered_mean(values, names, scale=AMOUNT, seed=0)
    assert ends(amount) == pytest.approx((4 * math.exp(-half / 4), 4 * math.exp(half / 4)))
    share = clustered_mean(values, names, scale=Scale(0, 16), seed=0)
    logits = [math.log(1 / 3) - half / 3, math.log(1 / 3) + half / 3]
    assert ends(share) == pytest.approx([16 / (1 + math.exp(-logit)) for logit in logits])


def test_two_clusters_are_too_few_for_an_interval():
    made = clustered_mean([1.0, 10.0, 2.0, 3.0], ["A", "B", "A", "A"], scale=AMOUNT, seed=0)
    assert made == Estimate(4.0, None, None, TOO_FEW)


SCALES = [SHARE, PERCENT, RATING, AMOUNT, SHARE.of_differences, RATING.of_differences]


@given(
    scale=st.sampled_from(SCALES),
    places=st.lists(st.sampled_from([0.0, 0.001, 0.1, 0.5, 0.9, 1.0]), min_size=3, max_size=40),
    clusters=st.integers(3, 12),
)
@settings(deadline=None, max_examples=150)
def test_no_interval_leaves_its_scale_and_each_holds_its_mean(scale, places, clusters):
    high = scale.high if math.isfinite(scale.high) else 1000
    values = [scale.low + (high - scale.low) * place for place in places]
    names = [number % clusters for number in range(len(values))]
    made = clustered_mean(values, names, scale=scale, seed=0, resamples=99)
    assert made.method in {NO_SPREAD, STUDENTISED, T_BASED}
    low, high_end = ends(made)
    assert scale.low <= low <= made.mean <= high_end <= scale.high


@given(mean=st.floats(0.01, 0.99), half=st.floats(1e-9, 1e6))
def test_a_scale_from_either_side_gives_the_same_interval(mean: float, half: float):
    low, high = SHARE.interval(mean, half)
    other = SHARE.interval(1 - mean, half)
    assert (1 - other[1], 1 - other[0]) == pytest.approx((low, high), abs=1e-9)


@given(mean=st.floats(0.2, 0.8), scale=st.sampled_from(SCALES))
def test_a_narrow_interval_is_the_same_with_ends_and_without(mean: float, scale: Scale):
    value = scale.low + mean * (scale.high - scale.low if math.isfinite(scale.high) else 1)
    half = 1e-6 * mean
    assert scale.interval(value, half) == pytest.approx(
        ANY.interval(value, half), rel=1e-9, abs=1e-9
    )


def test_a_mean_that_is_not_on_its_scale_is_our_mistake():
    with pytest.raises(ValueError, match=r"5\.5 is not on the scale from 1 to 5"):
        RATING.interval(5.5, 0.1)


@pytest.mark.parametrize("dialogues", [3, 4, 201])
def test_with_equal_sizes_students_interval_is_scipys_of_cluster_means(dialogues: int):
    values = np.random.default_rng(3).normal(5, 2, (dialogues, 4))
    names = np.repeat(np.arange(dialogues), 4).tolist()
    made = clustered_mean(values.ravel().tolist(), names, scale=ANY, seed=0)
    theirs = stats.ttest_1samp(values.mean(1), 0).confidence_interval()
    assert ends(made) == pytest.approx((theirs.low, theirs.high))
    assert made.method == T_BASED


# Monte-Carlo error of the 95% quantile of B values of |t| is sqrt(0.95 * 0.05 / B) / density.
# At B = 100,000 and a density of about 0.1 (Student's with 23 degrees of freedom has 0.095 there)
# it is 0.007; for the difference of two such 0.010; five of these: 0.05 standard errors. The
# studentised multiple of the samples below is at least 0.1 from Student's.
RESAMPLES = 100_000
TOLERANCE = 0.05


def test_with_equal_sizes_the_studentised_interval_is_near_scipys_bootstrap():
    means = np.random.default_rng(7).gamma(1.0, 10.0, 24)
    values = (means[:, None] + [-1.0, 0.0, 1.0]).ravel().tolist()
    made = clustered_mean(
        values, np.repeat(range(24), 3).tolist(), scale=ANY, seed=0, resamples=RESAMPLES
    )

    def distance(sample, axis):
        error = sample.std(axis=axis, ddof=1) / math.sqrt(24)
        return np.abs(sample.mean(axis=axis) - means.mean()) / error

    multiple = stats.bootstrap(
        (means,),
        distance,
        n_resamples=RESAMPLES,
        batch=10_000,
        method="percentile",
        alternative="less",
        rng=np.random.default_rng(1),
    ).confidence_interval.high
    error = means.std(ddof=1) / math.sqrt(24)
    low, high = ends(made)
    assert (high - low) / 2 / error == pytest.approx(multiple, abs=TOLERANCE)
    assert (high + low) / 2 == pytest.approx(means.mean())
    assert multiple > stats.t.ppf(0.975, 23) + 0.1
    assert made.method == STUDENTISED


def test_with_unequal_sizes_the_studentised_interval_is_near_a_plain_resampling_of_rows():
    draw = np.random.default_rng(11)
    # Sizes so uneven that the resampled number of rows matters.
    sizes = np.array([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 40, 60])
    dialogues = [draw.gamma(1.0, 10.0) + draw.normal(0, 1, size) for size in sizes]
    names = np.repeat(range(12), sizes).tolist()
    made = clustered_mean(
        np.concatenate(dialogues).tolist(), names, scale=ANY, seed=0, resamples=RESAMPLES
    )
    sums = np.array([one.sum() for one in dialogues])

    def mean_and_error(drawn):
        n, total = sizes[drawn], sums[drawn]
        mean = total.sum(-1) / n.sum(-1)
        squares = (total - mean[..., None] * n) ** 2
        return mean, np.sqrt(squares.sum(-1) / (12 * 11)) / n.mean(-1)

    mean, error = mean_and_error(np.arange(12))
    means, errors = mean_and_error(draw.integers(0, 12, (RESAMPLES, 12)))
    multiple = np.quantile(np.abs(means - mean) / errors, 0.95)
    low, high = ends(made)
    assert (high - low) / 2 / error == pytest.approx(multiple, abs=TOLERANCE)
    assert (high + low) / 2 == pytest.approx(mean)
    assert multiple > stats.t.ppf(0.975, 11) + 0.1


@pytest.mark.parametrize(
    ("dialogues", "method"),
    [
        (2, TOO_FEW),
        (3, T_BASED),
        (4, T_BASED),
        (5, STUDENTISED),
        (200, STUDENTISED),
        (201, T_BASED),
    ],
)
def test_the_method_follows_the_number_of_clusters(dialogues: int, method: str):
    values = np.random.default_rng(0).normal(0, 1, dialogues).tolist()
    assert (
        clustered_mean(values, range(dialogues), scale=ANY, seed=0, resamples=999).method == method
    )


@pytest.mark.parametrize("step", [0.0, 0.01])
def test_one_dialogue_unlike_all_others_gets_twice_students_interval(step: float):
    # Of 20 the odd one is not drawn with chance 0.95^20 = 36%. What is left has no standard error,
    # or one of about 0.01 beside an error of the mean of 5: the quantile of |t| is in the hundreds.
    values = [step * (number % 2) for number in range(19)] + [100.0]
    made = clustered_mean(values, range(20), scale=ANY, seed=0)
    theirs = stats.ttest_1samp(values, 0).confidence_interval()
    low, high = ends(made)
    assert high - low == pytest.approx(2 * (theirs.high - theirs.low))
    assert (high + low) / 2 == pytest.approx((theirs.high + theirs.low) / 2)
    assert made.method == STUDENTISED


def test_one_cluster_has_no_interval():
    assert clustered_mean([1.0, 2.0], ["a", "a"], scale=ANY, seed=0) == Estimate(
        1.5, None, None, TOO_FEW
    )
    assert clustered_mean([3.0], ["a"], scale=ANY, seed=0) == Estimate(3.0, None, None, TOO_FEW)


@given(value=st.floats(-1e6, 1e6), sizes=st.lists(st.integers(1, 9), min_size=3, max_size=12))
@settings(deadline=None, max_examples=50)
def test_equal_values_have_an_interval_of_no_width(value: float, sizes: list[int]):
    names = [number for number, size in enumerate(sizes) for _ in range(size)]
    made = clustered_mean([value] * len(names), names, scale=ANY, seed=0, resamples=200)
    mean = float(np.mean([value] * len(names)))
    assert made == Estimate(mean, mean, mean, NO_SPREAD)


@pytest.mark.parametrize("values", [[2.0], [2.0, 2.0], [0.0, 0.0], [1.0, 3.0]])
def test_one_or_two_dialogues_have_no_interval_even_if_they_are_equal(values: list[float]):
    made = clustered_mean(values, range(len(values)), scale=ANY, seed=0)
    assert made == Estimate(float(np.mean(values)), None, None, TOO_FEW)


def test_dialogues_of_one_mean_have_an_interval_of_no_width():
    made = clustered_mean([1.0, 3.0, 2.0, 0.0, 4.0], ["a", "a", "b", "c", "c"], scale=ANY, seed=0)
    assert made == Estimate(2.0, 2.0, 2.0, NO_SPREAD)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    values = [float(n * n) for n in range(20)]
    one, two, three = (
        clustered_mean(values, range(20), scale=ANY, seed=seed) for seed in (0, 0, 1)
    )
    assert one == two
    assert one != three


def test_several_means_at_once_have_the_intervals_of_each():
    draw = np.random.default_rng(5)
    sizes = draw.integers(1, 9, (12, 3)).astype(float)
    sums = draw.gamma(2, 3, (12, 3)) * sizes
    together = interval_halves(sizes, sums, seed=4)
    alone = [interval_halves(sizes[:, [n]], sums[:, [n]], seed=4)[0] for n in range(3)]
    assert together == pytest.approx(alone, rel=1e-12)


# The standard error of a share of 95% in 8,000 replications is 0.24 points, of 92.7% 0.29.
@pytest.mark.parametrize("shape", ["normal", "lognormal, skewness 1.8", "gamma, skewness 2"])
@pytest.mark.parametrize("dialogues", [10, 20, 40])
def test_intervals_hold_a_known_mean_where_rounds_taken_as_independent_do_not(
    shape: str, dialogues: int
):
    made = coverage(shape, dialogues, replications=8000, seed=1)
    assert 92 <= made["here"] <= 98
    assert made["t over rounds"] < 65
    assert made["percentile"] < made["here"]


@pytest.mark.parametrize(
    "shape",
    ["event in half of rounds", "event in 10% of rounds", "rating, mean 4.6 of 5",
     "reflections to questions"],
)  # fmt: skip
def test_on_scales_with_ends_the_interval_holds_the_mean_at_least_as_often(
    shape: str,
):
    made = coverage(shape, 20, replications=2000, seed=1)
    assert made["here"] >= 93
    assert made["as if without ends"] < made["here"]


def test_below_twenty_dialogues_a_reader_is_warned():
    assert FEW == 20
    assert few_dialogues(20) is None
    assert few_dialogues(19) == "only 19 dialogues: intervals and tests below 20 are rough"
    # 2 / 2^6 = 0.031, 2 / 2^5 = 0.0625.
    assert "p < 0.05" not in str(few_dialogues(6))
    assert "p < 0.05" in str(few_dialogues(5))


def test_the_mean_of_nothing_is_a_mistake():
    with pytest.raises(InputError):
        clustered_mean([], [], scale=ANY, seed=0)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_a_number_is_named(value: float):
    with pytest.raises(InputError, match=f"value 1 is {value}"):
        clustered_mean([1.0, value], ["a", "b"], scale=ANY, seed=0)


def test_a_cluster_name_for_each_value_is_asked_for():
    with pytest.raises(ValueError, match="2 values but 1 cluster"):
        clustered_mean([1.0, 2.0], ["a"], scale=ANY, seed=0)
