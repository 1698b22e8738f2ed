"""The figure of dynamics: what is drawn, by its lines and its words."""

from __future__ import annotations

from typing import Any

import pytest

from eval.dynamics.annotations import Annotation
from eval.dynamics.drawing import drawing
from eval.dynamics.words import words
from mi_llm import figures
from tests.eval.dynamics_dialogues import blocks, dialogue, measured, talk, volleys

GROUPS = ("calm-it", "roleplay", "script")


def drawn(report: Any, language: str = "en") -> Any:
    return drawing(report, words(language))


def told(longest: int = 80):
    """Three frameworks, two dialogues each, all four scores in every ten rounds."""
    pairs = []
    for fall, group in enumerate(GROUPS):
        for number, rounds in enumerate((longest // 2, longest)):
            name = f"{group}/{number}"
            said = Annotation(
                id=name,
                client=talk("sccn" * (rounds // 4)),
                counselor=volleys("+---" * (rounds // 4)),
                blocks=tuple(
                    one.model_copy(update={"goal_alignment": 4})
                    for one in blocks("effectiveness", *[5 - (fall * n) // 4 for n in range(
                        rounds // 10)])
                ),
            )  # fmt: skip
            pairs.append((dialogue(name, 2 * rounds, group), said))
    return measured(*pairs)


@pytest.mark.parametrize(
    ("language", "title", "place"),
    [
        ("en", "Accepted redirections (%)", "round (each point: the ten up to it)"),
        ("zh", "被接受的引导（%）", "轮次（每点为截至该轮的十轮）"),
    ],
)
def test_a_panel_for_each_score_with_a_line_for_each_group(language, title, place):
    made = drawn(told(), language)
    assert len(made.axes) == 4
    assert title in [axis.get_title() for axis in made.axes]
    assert {axis.get_xlabel() for axis in made.axes} == {place}
    for axis in made.axes:
        lines = [one for one in axis.lines if one.get_label() in GROUPS]
        assert [one.get_label() for one in lines] == list(GROUPS)
        assert [len(one.get_ydata()) for one in lines] == [8, 8, 8]
        assert [one.get_text() for one in axis.get_xticklabels()][-1] == "80"
    picture = figures.svg(made, label="x")
    assert title in picture  # text stays text
    assert figures.png(made)[1:4] == b"PNG"


def test_points_are_the_means_and_shares_are_percentages():
    made = drawn(told())
    panels = {axis.get_title(): axis for axis in made.axes}
    script = {
        name: next(one for one in axis.lines if one.get_label() == "script").get_ydata()
        for name, axis in panels.items()
    }
    # Of the third group a block loses half a point in every ten rounds, rounded down.
    assert list(script["Effectiveness (1-5)"]) == [5, 5, 4, 4, 3, 3, 2, 2]
    # Of the client's turns s c c n two of three are change talk; a redirection in round 1, 5, ...
    # meets the turn of the round after it, c.
    assert script["Accepted redirections (%)"][0] == 100
    assert script["Change talk (%)"][-1] == pytest.approx(100 * 5 / 7)  # rounds 71-80: cnsccnsccn
    assert panels["Effectiveness (1-5)"].get_ylim() == (0.9, 5.1)


def test_where_less_than_a_tenth_of_a_group_goes_on_no_point_is_drawn():
    pairs = [
        (dialogue(str(n), 20, "a"), Annotation(id=str(n), client=talk("sc" * 5))) for n in range(11)
    ]
    long = (dialogue("long", 60, "a"), Annotation(id="long", client=talk("sc" * 15)))
    (axis,) = drawn(measured(*pairs, long)).axes
    (line,) = (one for one in axis.lines if one.get_label() == "a")
    assert len(line.get_ydata()) == 1  # of 12 dialogues one has rounds beyond the tenth
    (axis,) = drawn(measured(*pairs[:9], long)).axes
    (line,) = (one for one in axis.lines if one.get_label() == "a")
    assert len(line.get_ydata()) == 3


def test_without_any_score_there_is_no_figure():
    assert drawn(measured((dialogue("one", 4), None))) is None
