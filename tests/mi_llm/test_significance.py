from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mi_llm.errors import InputError
from mi_llm.significance import DIALOGUES, ROUNDS, compare, holm, randomisation
from mi_llm.statistics import ANY, LEAST, NO_SPREAD, Estimate, clustered_mean

paired_rows = st.lists(
    st.tuples(st.integers(-9, 9), st.integers(-9, 9), st.sampled_from("abcdefghijklmnop")),
    min_size=1,
    max_size=40,
)
p_values = st.lists(st.floats(1e-9, 1), min_size=1, max_size=12)


def outcome(rows, **options):
    one, two, names = ([row[place] for row in rows] for place in range(3))
    return randomisation(one, two, names, scale=ANY, seed=5, resamples=200, **options)


def scipys_p(one, two, sizes, resamples):
    """scipy's randomisation of paired samples, of the dialogues' sums over all rounds."""
    cut = np.cumsum(sizes)[:-1]
    sums = [[part.sum() for part in np.split(np.array(model), cut)] for model in (one, two)]
    return stats.permutation_test(
        sums,
        lambda a, b, axis: (a - b).sum(axis=axis) / sum(sizes),
        permutation_type="samples",
        vectorized=True,
        n_resamples=resamples,
        rng=np.random.default_rng(2),
    ).pvalue


def drawn(sizes, *, gap):
    draw = np.random.default_rng(8)
    names = np.repeat(range(len(sizes)), sizes).tolist()
    one = draw.normal(gap, 1, len(names)) + draw.normal(0, 1, len(sizes))[names]
    return one.tolist(), draw.normal(0, 1, len(names)).tolist(), names


def test_three_dialogues_by_hand():
    # Sums of differences: A 1 + 2 = 3, B 1, C -2; observed 2. Patterns with A +: 3+1-2 = 2,
    # 3+1+2 = 6, 3-1-2 = 0, 3-1+2 = 4: three of four are at least 2 from 0.
    made = randomisation([3, 4, 1, 0], [2, 2, 0, 2], list("AABC"), scale=ANY, seed=0)
    assert (made.p, made.exact, made.units, made.over) == (0.75, True, 3, DIALOGUES)
    assert made.difference.mean == 0.5


@pytest.mark.parametrize("gap", [0.0, 0.5, 1.5])
def test_all_sign_patterns_of_few_dialogues_give_scipys_p(gap: float):
    sizes = [3, 15, 7, 4, 9, 12, 3, 8, 5, 6]
    one, two, names = drawn(sizes, gap=gap)
    made = randomisation(one, two, names, scale=ANY, seed=0)
    assert made.exact
    assert made.p == pytest.approx(scipys_p(one, two, sizes, 2**10))


def test_sampled_sign_patterns_of_many_dialogues_give_nearly_scipys_p():
    sizes = [3, 15, 7, 4, 9, 12, 3, 8] * 5
    one, two, names = drawn(sizes, gap=0.9)
    made = randomisation(one, two, names, scale=ANY, seed=0)
    theirs = scipys_p(one, two, sizes, 9999)
    assert not made.exact
    assert 0.02 < theirs < 0.5
    # Two sampled shares: standard error sqrt(2 p (1 - p) / 10,000), five of them.
    assert made.p == pytest.approx(theirs, abs=5 * (2 * theirs * (1 - theirs) / 10_000) ** 0.5)


def test_patterns_are_all_counted_up_to_the_number_of_resamples():
    # With one sign fixed 14 dialogues have 2^13 = 8,192 patterns and 15 have 16,384.
    made = [randomisation([1.0] * n, [0.0] * n, range(n), scale=ANY, seed=0) for n in (14, 15)]
    assert [one.exact for one in made] == [True, False]
    # All patterns but the observed one (and its mirror) are nearer to 0. None is likely to be drawn
    # in 10,000 of 2^15; whatever is drawn, p is a multiple of 1 / 10,001 above 0.
    assert made[0].p == 2**-13
    assert 1 / 10_001 <= made[1].p <= 6 / 10_001


def test_equal_sums_count_as_ties_despite_rounding():
    # All sums are 0.3 up to rounding, so the patterns as far as 0.3 + 0.3 - 0.3 are all 4.
    made = randomisation(
        [0.1, 0.2, 0.3, 0.0], [0.0, 0.0, 0.0, 0.3], list("AABC"), scale=ANY, seed=0
    )
    assert made.p == 1


@given(rows=paired_rows)
@settings(deadline=None, max_examples=50)
def test_p_lies_above_0_and_up_to_1(rows):
    assert 0 < outcome(rows).p <= 1


@given(rows=paired_rows)
@settings(deadline=None, max_examples=50)
def test_a_model_does_not_differ_from_itself(rows):
    made = outcome([(one, one, name) for one, _, name in rows])
    assert made.p == 1
    assert made.difference.mean == 0
    if made.units >= LEAST:
        assert made.difference == Estimate(0, 0, 0, NO_SPREAD)


@given(rows=paired_rows)
@settings(deadline=None, max_examples=50)
def test_who_comes_first_moves_only_the_sign(rows):
    made, other = outcome(rows), outcome([(two, one, name) for one, two, name in rows])
    assert (other.p, other.exact, other.units) == (made.p, made.exact, made.units)
    assert other.difference.mean == -made.difference.mean
    if 2 < made.units < 5:  # beyond, other resamples are drawn
        low, high = other.difference.low, other.difference.high
        assert (low, high) == pytest.approx((-made.difference.high, -made.difference.low))


@given(rows=paired_rows, shuffled=st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=50)
def test_the_order_of_rows_moves_nothing(rows, shuffled):
    other = list(rows)
    shuffled.shuffle(other)
    assert outcome(other) == outcome(rows)


def test_without_a_difference_one_test_in_twenty_finds_one_but_many_do_over_rounds():
    # 8 dialogues of 4 to 11 rounds whose differences share half of their variance, true mean 0.
    # Standard error of a share of 5% in 1,000 tests: 0.7 points; 4 of them: 2.2% to 7.8%. The least
    # step of p is 1/128, so the chance of p <= 0.05 is 6/128 = 4.7%.
    draw = np.random.default_rng(1)
    sizes = range(4, 12)
    names = np.repeat(range(8), sizes).tolist()
    found = {DIALOGUES: 0, ROUNDS: 0}
    for _ in range(1000):
        one = (draw.normal(0, 1, 8)[names] + draw.normal(0, 1, len(names))).tolist()
        zeros = [0.0] * len(one)
        for over, units in ((DIALOGUES, names), (ROUNDS, range(len(one)))):
            made = randomisation(one, zeros, units, scale=ANY, over=over, seed=0, resamples=199)
            found[over] += made.p <= 0.05
    assert 22 <= found[DIALOGUES] <= 78
    assert found[ROUNDS] > 200


def test_holms_table_by_hand():
    # Sorted: 0.01 x 4 = 0.04; 0.02 x 3 = 0.06; 0.03 x 2 = 0.06; 0.04 x 1 = 0.04, raised to 0.06.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    # 0.005 x 3 = 0.015; 0.4 x 2 = 0.8; 0.9 x 1 = 0.9. And nothing above 1.
    assert holm([0.9, 0.005, 0.4]) == pytest.approx([0.9, 0.015, 0.8])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


@given(values=p_values)
def test_holm_keeps_the_order_and_lies_between_p_and_bonferroni(values):
    made = holm(values)
    pairs = sorted(zip(values, made, strict=True))
    assert [after for _, after in pairs] == sorted(made)
    for before, after in pairs:
        assert before <= after <= min(1.0, len(values) * before) + 1e-12


@given(values=p_values, place=st.integers(0, 11), factor=st.floats(0.01, 1))
def test_a_smaller_p_makes_no_adjusted_p_larger(values, place, factor):
    smaller = list(values)
    smaller[place % len(values)] *= factor
    assert all(new <= old + 1e-12 for new, old in zip(holm(smaller), holm(values), strict=True))


def test_every_pair_is_compared_at_both_levels_and_adjusted_as_one_family():
    sizes = [3, 15, 7, 4, 9, 12, 3, 8, 5, 6]
    one, two, names = drawn(sizes, gap=1.0)
    models = {"glm4": one, "base": two, "half": [value / 2 for value in one]}
    made = compare(models, names, scale=ANY, seed=0)
    assert [(each.first, each.second) for each in made] == [
        ("glm4", "base"),
        ("glm4", "half"),
        ("base", "half"),
    ]
    for each in made:
        first, second = models[each.first], models[each.second]
        apart = [a - b for a, b in zip(first, second, strict=True)]
        assert each.by_dialogue.p == pytest.approx(scipys_p(first, second, sizes, 2**10))
        assert each.by_dialogue.difference == clustered_mean(apart, names, scale=ANY, seed=0)
        assert (each.by_dialogue.over, each.by_dialogue.units) == (DIALOGUES, 10)
        assert (each.by_round.over, each.by_round.units) == (ROUNDS, 72)
        assert each.by_round.difference == clustered_mean(apart, range(72), scale=ANY, seed=0)
        assert each.warning == "only 10 dialogues: intervals and tests below 20 are rough"
    assert [each.holm for each in made] == holm([each.by_dialogue.p for each in made])
    assert [each.holm_by_round for each in made] == holm([each.by_round.p for each in made])
    assert made[0].by_dialogue.p != made[0].by_round.p


def test_from_twenty_dialogues_there_is_no_warning():
    models = {"a": [1.0] * 20, "b": [0.0] * 19 + [1.0]}
    assert [one.warning for one in compare(models, range(20), scale=ANY, seed=0)] == [None]


def test_one_model_or_models_on_other_rows_do_not_compare():
    with pytest.raises(InputError, match="1 model to compare"):
        compare({"a": [1.0]}, ["d"], scale=ANY, seed=0)
    with pytest.raises(InputError, match="a has 2 rows and b 1, of 2"):
        compare({"a": [1.0, 2.0], "b": [1.0]}, ["d", "e"], scale=ANY, seed=0)
