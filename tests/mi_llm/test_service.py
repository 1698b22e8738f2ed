"""Answers of a job that hardly vary."""

from __future__ import annotations

import pytest

from mi_llm.service import Alike, alike

USUAL = [0.5, 1.0, 0.5, 0.0, 0.5, 0.5, 0.5, 0.0, 0.5, 0.5, 0.0, 1.0, 0.5, 0.5]


def changed(*places: int) -> list[float]:
    """The usual fourteen scores, but for some."""
    return [value + 0.25 if at in places else value for at, value in enumerate(USUAL)]


@pytest.mark.parametrize(
    ("answers", "same"),
    [
        ([USUAL] * 5, 5),
        ([USUAL] * 4 + [changed(3)], 5),
        ([changed(place) for place in range(5)], 5),  # no two of them are the same
        ([USUAL] * 4 + [changed(1, 2, 3)], 4),
        ([USUAL] * 8 + [changed(1, 2), changed(3, 4)], 8),
        ([["他说到怕"]] * 4 + [["他 说到怕。"]], 5),
    ],
)
def test_four_in_five_answers_that_are_the_same_or_nearly_are_told(answers, same):
    assert alike("answers", answers) == Alike("answers", same, len(answers))


@pytest.mark.parametrize(
    "answers",
    [
        [USUAL] * 4,  # too few to tell
        [],
        [USUAL] * 3 + [changed(1, 2), changed(3, 4)],
        [[3, 4, 3, 4]] * 3 + [[3, 4, 3, 5], [3, 4, 2, 4]],  # one of four ratings is a difference
        [[n] for n in range(9)],
    ],
)
def test_others_are_not(answers):
    assert alike("answers", answers) is None


def test_a_warning_names_what_and_how_many_and_a_stamp_counts_them():
    found = Alike("judgements", 9, 10)
    assert found.line.startswith("warning: 9 of 10 judgements are the same or nearly so")
    assert found.counts == {"judgements that hardly vary": 9}
