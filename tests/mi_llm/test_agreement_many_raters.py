"""Fleiss' kappa, weighted kappa and alpha against published examples and other implementations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nltk.metrics.agreement import AnnotationTask

from mi_llm.agreement import confusion, fleiss_kappa, krippendorff_alpha, weighted_kappa
from mi_llm.errors import InputError

# Fleiss 1971, Table 1: 30 patients, 6 psychiatrists each, 5 diagnoses, as R's `irr` has them.
DIAGNOSES = """444444 222555 233335 555555 222444 113333 333355 113334 114444 555555 144444 124444
222333 144444 224445 333335 111455 111112 224444 133555 555555 244444 224555 114444 144445 222224
111155 224444 133333 555555""".split()

# The data of Krippendorff 2011, Computing Krippendorff's Alpha-Reliability: 4 observers, 12 units.
KRIPPENDORFF = [
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
]
UNITS = [
    [int(said) for said in unit if said != "."]
    for unit in zip(*(row.split() for row in KRIPPENDORFF), strict=True)
]

# The first and second rater of R's `irr` data set `anxiety`, 20 persons on a scale of 1 to 6.
SECOND = [3, 6, 4, 6, 2, 4, 2, 4, 3, 3, 2, 3, 3, 3, 2, 2, 1, 3, 3, 4]
THIRD = [2, 1, 4, 4, 3, 2, 1, 6, 1, 1, 1, 2, 3, 3, 1, 1, 3, 3, 2, 2]

scores = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=2, max_size=25)


def test_fleiss_kappa_of_fleiss_own_example():
    assert len(DIAGNOSES) == 30
    assert fleiss_kappa(DIAGNOSES) == pytest.approx(0.4302445, abs=1e-7)  # printed .430


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=4, max_size=4), min_size=1, max_size=20))
def test_fleiss_kappa_is_multi_pi_of_nltk_wherever_it_is_defined(items):
    found = fleiss_kappa(items)
    if len({one for item in items for one in item}) == 1:
        assert found is None
        return
    data = [(str(r), str(n), one) for n, item in enumerate(items) for r, one in enumerate(item)]
    assert found == pytest.approx(AnnotationTask(data=data).pi())


@pytest.mark.parametrize("items", [[], ["a"], ["ab", "abc"]])
def test_fleiss_kappa_refuses_items_without_the_same_two_raters_or_more(items):
    with pytest.raises(InputError):
        fleiss_kappa(items)


def test_weighted_kappa_is_what_irr_prints():
    # kappa2(anxiety[,2:3], "squared") prints 0.252; irr drops the score 5 that nobody gave, so 6
    # stands in the fifth place there. As scores 6 is 6, which gives another number.
    closed = {6: 5}
    one, two = ([closed.get(score, score) for score in side] for side in (SECOND, THIRD))
    assert weighted_kappa(one, two) == pytest.approx(0.2520325, abs=1e-7)
    assert weighted_kappa(SECOND, THIRD) != pytest.approx(0.2520325, abs=1e-3)


@given(scores)
def test_weighted_kappa_is_nltks_wherever_it_is_defined(pairs):
    one, two = zip(*pairs, strict=True)
    found = weighted_kappa(one, two)
    if len({*one, *two}) == 1:
        assert found is None
        return
    data = [(rater, str(n), score) for rater, said in (("1", one), ("2", two))
            for n, score in enumerate(said)]  # fmt: skip
    task = AnnotationTask(data=data, distance=lambda a, b: float((a - b) ** 2))
    assert found == pytest.approx(task.weighted_kappa_pairwise("1", "2"))


def test_a_constant_bias_lowers_weighted_kappa_and_one_score_leaves_it_undefined():
    assert weighted_kappa([1, 2, 3], [1, 2, 3]) == 1
    assert weighted_kappa([1, 2, 3], [2, 3, 4]) == pytest.approx(1 - 3 * 3 / 21)  # by hand
    assert weighted_kappa([4, 4], [4, 4]) is None


def test_alpha_of_krippendorffs_own_example():
    # Printed there: nominal .743, ordinal .815. The package `krippendorff` 0.9.0 gives the digits.
    assert len(UNITS) == 12
    assert krippendorff_alpha(UNITS) == pytest.approx(0.743421052631579)
    assert krippendorff_alpha(UNITS, ordinal=True) == pytest.approx(0.8153875037548814)


def test_alpha_is_undefined_where_nothing_varies_or_nothing_was_rated_twice():
    assert krippendorff_alpha([[4, 4], [4, 4, 4]]) is None
    assert krippendorff_alpha([[4], [3], []]) is None
    assert krippendorff_alpha([[4, 4], [4, 4], [3]]) is None  # the 3 can be paired with nothing


def test_confusion_counts_pairs():
    assert confusion("aab", "abb") == {("a", "a"): 1, ("a", "b"): 1, ("b", "b"): 1}
