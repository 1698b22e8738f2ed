from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.stats import rankdata

from converters.screening.ranking import ranking
from converters.screening.rubric import MAXIMA, RUBRIC, fault, judgement_schema, points, totals

# The rubric once more, as it was published: criterion -> maxima of its items in their order.
PUBLISHED = {
    "comprehensiveness": [1, 1],
    "professionalism": [0.5, 0.5, 0.5, 0.5, 1, 1],
    "authenticity": [1, 0.5, 0.5, 1],
    "safety": [0.5, 0.5],
}
ITEMS = [(one.name, item) for one in RUBRIC for item in one.items]


def judgement(share: float = 1.0) -> dict[str, dict[str, Any]]:
    """A judgement that gives everything, or nothing with `share` 0."""
    return {
        one.name: {"reason": "有依据", **{item: most * share for item, most in one.items.items()}}
        for one in RUBRIC
    }


def read(value: Any) -> Any:
    return judgement_schema().model_validate_json(json.dumps(value))


def test_the_criteria_have_two_four_three_and_one_points():
    assert {one.name: list(one.items.values()) for one in RUBRIC} == PUBLISHED
    assert MAXIMA == {
        "comprehensiveness": 2,
        "professionalism": 4,
        "authenticity": 3,
        "safety": 1,
        "total": 10,
    }


def test_full_marks_and_none_are_in_range():
    assert fault(read(judgement())) is None
    assert totals(points(read(judgement()))) == MAXIMA
    assert fault(read(judgement(0))) is None
    assert set(totals(points(read(judgement(0)))).values()) == {0}


@pytest.mark.parametrize(("criterion", "item"), ITEMS)
def test_an_item_above_its_maximum_is_named(criterion: str, item: str):
    value = judgement()
    value[criterion][item] += 0.5
    told = fault(read(value))
    assert told
    assert told.startswith(f"{criterion}.{item} is {value[criterion][item]:g}; ")


@pytest.mark.parametrize("given", [-0.5, 0.25, 0.4, 1e300])
def test_a_number_below_zero_or_between_the_half_points_is_a_fault(given: float):
    value = judgement()
    value["safety"]["privacy"] = given
    assert "safety.privacy" in (fault(read(value)) or "")


@pytest.mark.parametrize("given", ["0.5", True, None, [0.5], float("nan"), float("inf")])
def test_what_is_no_number_is_refused(given: Any):
    value = judgement()
    value["safety"]["privacy"] = given
    with pytest.raises(ValidationError, match=r"safety\.privacy"):
        read(value)


@pytest.mark.parametrize(("criterion", "item"), ITEMS)
def test_a_missing_item_is_missing_and_gets_no_default(criterion: str, item: str):
    value = judgement()
    del value[criterion][item]
    with pytest.raises(ValidationError, match=rf"{criterion}\.{item}"):
        read(value)


def test_a_missing_or_further_criterion_is_refused():
    without = judgement()
    del without["safety"]
    for value in (without, {**judgement(), "total": 10}):
        with pytest.raises(ValidationError):
            read(value)


def nodes(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for part in schema.values():
            yield from nodes(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from nodes(part)


def test_the_schema_stays_within_what_strict_mode_takes():
    objects = [one for one in nodes(judgement_schema().model_json_schema()) if "properties" in one]
    assert len(objects) == 5
    for one in objects:
        assert one["additionalProperties"] is False
        assert one["required"] == list(one["properties"])
        assert "description" not in one


# --- ranking ---


def test_ranks_are_those_of_scipy_with_ties_sharing_the_better_one():
    scores = {"c": [4.0, 6.0], "a": [9.0], "d": [5.0, 5.0, 5.0], "b": [1.0, 2.0]}
    found = ranking(scores, seed=0)
    assert found
    theirs = rankdata([-np.mean(one) for one in scores.values()], method="min")
    assert found.ranks == dict(zip(scores, theirs, strict=True))
    assert list(found.ranks) == ["a", "c", "d", "b"]


def test_the_stability_of_two_small_corpora_is_what_counting_by_hand_gives():
    # a resampled: both 0 (1/4), both 1 (1/4), one of each (1/2), so its mean is 0, 1 or 0.5;
    # b is always 0.5. So a is above in 1/4, below in 1/4, equal in 1/2, as it is observed: tied.
    found = ranking({"a": [0.0, 1.0], "b": [0.5]}, seed=3, resamples=40_000)
    assert found
    assert found.ranks == {"a": 1, "b": 1}
    near = pytest.approx
    assert found.same_order is None
    assert found.places == [["a", "b"]]
    assert found.probabilities["a"] == near((0.75, 0.25), abs=0.01)
    assert found.probabilities["b"] == near((0.75, 0.25), abs=0.01)


def test_a_score_that_comes_often_is_drawn_often():
    # The mean of a is 0.25, below 0.5 of b. It stays below when at most one of its four draws is
    # the 1: 0.75^4 + 4 x 0.25 x 0.75^3 = 0.738; with two it is equal, which is another order.
    found = ranking({"a": [0.0, 0.0, 0.0, 1.0], "b": [0.5]}, seed=4, resamples=40_000)
    assert found
    assert found.ranks == {"b": 1, "a": 2}
    assert found.same_order == pytest.approx(0.738, abs=0.01)


def test_corpora_far_apart_keep_their_order_in_every_resample():
    found = ranking({"low": [1.0, 2.0] * 9, "high": [9.0, 10.0] * 9}, seed=1)
    assert found
    assert found.ranks == {"high": 1, "low": 2}
    assert found.same_order == 1
    assert found.probabilities == {"high": (1, 0), "low": (0, 1)}


def test_the_shares_of_all_ranks_of_a_corpus_are_one():
    scores = {name: [float(n % 5) for n in range(k, k + 7)] for k, name in enumerate("abc")}
    found = ranking(scores, seed=1)
    assert found
    assert [sum(one) for one in found.probabilities.values()] == pytest.approx([1, 1, 1])


def test_the_order_of_corpora_and_of_dialogues_changes_nothing_and_the_seed_does():
    scores = {"a": [1.0, 2.5, 3.0, 3.0], "b": [2.0, 2.5, 1.0], "c": [3.0, 0.5]}
    turned = {name: scores[name][::-1] for name in reversed(scores)}
    assert ranking(scores, seed=5) == ranking(turned, seed=5)
    assert ranking(scores, seed=5) != ranking(scores, seed=6)


def test_one_corpus_alone_has_no_order_nor_has_one_without_scores():
    assert ranking({"a": [1.0]}, seed=0) is None
    assert ranking({"a": [1.0], "b": []}, seed=0) is None
