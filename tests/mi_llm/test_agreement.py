"""Agreement against NLTK's own, and where it is undefined."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nltk.metrics.agreement import AnnotationTask

from mi_llm.agreement import cohen_kappa, percent_agreement
from mi_llm.errors import InputError

ratings = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=30
)


def test_kappa_of_a_case_worked_by_hand():
    # 50 items: both yes 20, only the first 5, only the second 10, neither 15. Observed 0.7; the
    # first says yes to 25, the second to 30: by chance 0.5*0.6 + 0.5*0.4 = 0.5; 0.2/0.5 = 0.4.
    one = ["y"] * 20 + ["y"] * 5 + ["n"] * 10 + ["n"] * 15
    two = ["y"] * 20 + ["n"] * 5 + ["y"] * 10 + ["n"] * 15
    assert percent_agreement(one, two) == pytest.approx(0.7)
    assert cohen_kappa(one, two) == pytest.approx(0.4)


@given(ratings)
def test_kappa_is_nltks_wherever_it_is_defined(pairs):
    one, two = zip(*pairs, strict=True)
    if len({*one, *two}) == 1:
        assert cohen_kappa(one, two) is None
        return
    data = [(rater, str(n), label) for rater, said in (("1", one), ("2", two))
            for n, label in enumerate(said)]  # fmt: skip
    assert cohen_kappa(one, two) == pytest.approx(AnnotationTask(data=data).kappa())


def test_kappa_is_symmetric_and_undefined_not_one_if_one_category_is_all_there_is():
    assert cohen_kappa("aab", "abb") == cohen_kappa("abb", "aab")
    assert cohen_kappa("aaa", "aaa") is None


def test_nothing_rated_is_an_error():
    with pytest.raises(InputError, match="no item"):
        cohen_kappa([], [])
