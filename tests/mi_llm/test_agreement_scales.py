"""ICC(2,1) against published examples; Pearson against NumPy; and where they are undefined."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_llm.agreement_scales import (
    EXACT,
    FEW_SESSIONS,
    NO_VARIANCE,
    TOO_LITTLE,
    Icc,
    intraclass,
    mean_absolute_difference,
    pearson,
    share_within,
)
from mi_llm.errors import InputError

# Shrout and Fleiss 1979, Table 2: 6 targets, 4 judges.
SHROUT_FLEISS = [
    [9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7],
]  # fmt: skip

# R's `irr` data set `anxiety`: 20 persons, 3 raters.
ANXIETY = list(
    zip(
        [3, 3, 3, 4, 5, 5, 2, 3, 5, 2, 2, 6, 1, 5, 2, 2, 1, 2, 4, 3],
        [3, 6, 4, 6, 2, 4, 2, 4, 3, 3, 2, 3, 3, 3, 2, 2, 1, 3, 3, 4],
        [2, 1, 4, 4, 3, 2, 1, 6, 1, 1, 1, 2, 3, 3, 1, 1, 3, 3, 2, 2],
        strict=True,
    )
)


def test_icc_of_shrout_and_fleiss_own_example():
    found = intraclass(SHROUT_FLEISS)
    # Printed there .29; R's psych and Python's pingouin 0.28976 with 0.02 to 0.76.
    assert found.value == pytest.approx(0.289764, abs=1e-6)
    assert found.low == pytest.approx(0.02, abs=0.005)
    assert found.high == pytest.approx(0.76, abs=0.005)
    assert (found.sessions, found.reason) == (6, "")


def test_icc_and_interval_of_irrs_documented_example():
    # icc(anxiety, "twoway", "agreement"): 0.198, -0.039 < ICC < 0.494
    found = intraclass(ANXIETY)
    assert found.value == pytest.approx(0.198, abs=0.0005)
    assert found.low == pytest.approx(-0.039, abs=0.0005)
    assert found.high == pytest.approx(0.494, abs=0.0005)


def test_a_rater_who_is_always_higher_lowers_icc_but_not_pearson():
    one, two = [1, 2, 3, 4], [2, 3, 4, 5]
    # MSR = 2 * 5 / 3 = 10/3, MSC = 4 * 0.5 = 2, MSE = 0: (10/3) / (10/3 + 2 * 2 / 4) = 10/13
    assert intraclass(list(zip(one, two, strict=True))).value == pytest.approx(10 / 13)
    assert pearson(one, two) == pytest.approx(1)


@pytest.mark.parametrize(
    ("ratings", "told"),
    [
        ([], FEW_SESSIONS),
        ([[4, 3]], FEW_SESSIONS),
        ([[4, 4], [4, 4], [4, 4]], NO_VARIANCE),
        ([[4, 3], [4, 3], [3, 4]], NO_VARIANCE),  # the raters differ; the sessions do not
        ([[0.1, 0.1], [0.1, 0.1], [0.1, 0.1]], NO_VARIANCE),  # whose mean is not 0.1
    ],
)
def test_icc_is_undefined_with_its_reason_where_sessions_do_not_differ(ratings, told):
    assert intraclass(ratings) == Icc(None, None, None, len(ratings), told)


def test_raters_who_agree_exactly_have_an_icc_of_1_without_an_interval():
    assert intraclass([[1, 1], [2, 2], [4, 4]]) == Icc(1.0, None, None, 3, EXACT)


@pytest.mark.parametrize("ratings", [[[1], [2]], [[1, 2], [1, 2, 3]]])
def test_icc_refuses_sessions_without_the_same_raters(ratings):
    with pytest.raises(InputError, match="raters"):
        intraclass(ratings)


@given(st.lists(st.lists(st.integers(1, 5), min_size=3, max_size=3), min_size=2, max_size=12))
def test_icc_is_a_number_or_none_and_its_interval_holds_it(ratings):
    found = intraclass(ratings)
    if found.value is None:
        assert found.reason
        return
    assert found.value <= 1
    if found.low is not None and found.high is not None:
        assert found.low <= found.value <= found.high
    elif found.value < 1:
        assert found.reason == TOO_LITTLE
        assert found.value < 0


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=2, max_size=20))
def test_pearson_is_numpys_or_none(pairs):
    one, two = zip(*pairs, strict=True)
    found = pearson(one, two)
    if len({*one}) == 1 or len({*two}) == 1:
        assert found is None
        return
    assert found == pytest.approx(np.corrcoef(one, two)[0, 1], abs=1e-9)


def test_distances_of_scores():
    one, two = [3, 4, 5, 1], [3, 5, 3, 1]
    assert mean_absolute_difference(one, two) == pytest.approx(3 / 4)
    assert share_within(one, two, 1) == pytest.approx(3 / 4)
    assert share_within(one, two, 0) == pytest.approx(2 / 4)
    with pytest.raises(InputError):
        pearson([], [])


scores = st.lists(
    st.lists(st.integers(1, 5), min_size=2, max_size=2) | st.just([1, 5]) | st.just([5, 1]),
    max_size=8,
)


@given(ratings=scores)
def test_no_coefficient_and_no_end_of_its_interval_lies_beyond_one_either_way(ratings):
    found = intraclass(ratings)
    told = [one for one in (found.low, found.value, found.high) if one is not None]
    assert all(-1 <= one <= 1 for one in told)
    assert told == sorted(told)


def test_where_the_formula_falls_below_minus_one_minus_one_is_told():
    # Mean squares: sessions 1/6 (their means are 3, 3, 3.5), raters 1/6 (3 and 10/3), error 49/6:
    # (1/6 - 49/6) / (1/6 + 49/6 + 2/3 * (1/6 - 49/6)) = -8 / 3.
    assert intraclass([[1, 5], [5, 1], [3, 4]]).value == -1
