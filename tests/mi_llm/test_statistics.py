from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap

from mi_llm.errors import InputError
from mi_llm.statistics import Estimate, clustered_mean

# Whole numbers: their sums are exact in any order.
clustered_values = st.lists(
    st.tuples(st.integers(-50, 50), st.sampled_from("abcd")), min_size=1, max_size=30
)


@given(values=st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=400))
def test_the_mean_is_numpys_to_the_last_bit(values: list[float]):
    made = clustered_mean(values, ["a"] * len(values), seed=0)
    assert made == Estimate(float(np.mean(values)), None, None)


@given(rows=clustered_values, shuffled=st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=50)
def test_the_order_of_rows_moves_nothing(rows: list[tuple[int, str]], shuffled):
    other = list(rows)
    shuffled.shuffle(other)
    one, two = (
        clustered_mean([v for v, _ in some], [c for _, c in some], seed=3, resamples=200)
        for some in (rows, other)
    )
    assert one == two


@given(rows=clustered_values)
@settings(deadline=None, max_examples=50)
def test_the_names_of_clusters_move_nothing(rows: list[tuple[int, str]]):
    values = [value for value, _ in rows]
    one = clustered_mean(values, [name for _, name in rows], seed=3, resamples=200)
    two = clustered_mean(values, [("d", name) for _, name in rows], seed=3, resamples=200)
    assert one == two


@given(rows=clustered_values)
@settings(deadline=None, max_examples=50)
def test_the_interval_lies_between_the_lowest_and_the_highest_cluster_mean(
    rows: list[tuple[int, str]],
):
    values, names = [value for value, _ in rows], [name for _, name in rows]
    made = clustered_mean(values, names, seed=0, resamples=200)
    means = [np.mean([v for v, n in rows if n == name]) for name in set(names)]
    if len(means) == 1:
        assert (made.low, made.high) == (None, None)
    else:
        assert made.low is not None
        assert made.high is not None
        assert min(means) - 1e-9 <= made.low <= made.high <= max(means) + 1e-9


def test_two_clusters_give_their_own_means_as_ends():
    # A resample is AA, AB or BB with chances 1/4, 1/2, 1/4: the 2.5% quantile is A's mean and the
    # 97.5% quantile B's. A: (1 + 2 + 3) / 3 = 2. B: 10. Mean of all: 16 / 4 = 4.
    made = clustered_mean([1.0, 10.0, 2.0, 3.0], ["A", "B", "A", "A"], seed=0)
    assert made == Estimate(4.0, 2.0, 10.0)


def test_a_resampled_mean_weighs_clusters_by_their_size():
    # A, B, C = {0} and D = {9, 9}: mean of all 18 / 5. Of four draws D is drawn 4 times with chance
    # 1/256 = 0.4% and 3 times with 4 * 3 / 256 = 4.7%, so the 97.5% quantile is the mean of D, D, D
    # and a single 0: 54 / 7 = 7.71, where the mean of cluster means would be 27 / 4 = 6.75. D is
    # never drawn with chance (3/4)^4 = 32%, so the 2.5% quantile is 0.
    made = clustered_mean([0.0, 0.0, 0.0, 9.0, 9.0], list("ABCDD"), seed=0)
    assert (made.mean, made.low) == (3.6, 0.0)
    assert made.high == pytest.approx(54 / 7)


def test_one_cluster_has_no_interval():
    assert clustered_mean([1.0, 2.0], ["a", "a"], seed=0) == Estimate(1.5, None, None)


def test_equal_values_have_an_interval_of_no_width():
    assert clustered_mean([2.0] * 4, list("abcd"), seed=0) == Estimate(2.0, 2.0, 2.0)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    values = [float(n * n) for n in range(20)]
    one, two, three = (clustered_mean(values, range(20), seed=seed) for seed in (0, 0, 1))
    assert one == two
    assert one != three


def test_the_interval_of_single_row_clusters_is_near_scipys():
    values = np.random.default_rng(7).gamma(2.0, 10.0, 60)
    made = clustered_mean(values.tolist(), range(60), seed=0)
    assert made.low is not None
    assert made.high is not None
    theirs = bootstrap(
        (values,), np.mean, n_resamples=10_000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    # Monte-Carlo error of the q-quantile of B normal means with deviation s is
    # sqrt(q (1 - q) / B) / density; at q = 2.5%, B = 10,000, the density is 0.0584 / s, so
    # 0.00156 / 0.0584 s = 0.0267 s; for the difference of two such, sqrt(2) times that: 0.0378 s.
    # Five of these: 0.19 s.
    tolerance = 0.19 * values.std() / math.sqrt(60)
    assert made.low == pytest.approx(theirs.low, abs=tolerance)
    assert made.high == pytest.approx(theirs.high, abs=tolerance)
    # The tolerance is far below the interval's half width, about 1.96 s.


def test_the_mean_of_nothing_is_a_mistake():
    with pytest.raises(InputError):
        clustered_mean([], [], seed=0)


def test_a_cluster_name_for_each_value_is_asked_for():
    with pytest.raises(ValueError, match="2 values but 1 cluster"):
        clustered_mean([1.0, 2.0], ["a"], seed=0)
