"""The figure of dynamics: scores against the round, a line for each group."""

from __future__ import annotations

from matplotlib.figure import Figure

from eval.dynamics.measures import SHARES
from eval.dynamics.report import Group, Report
from eval.dynamics.stability import SCORED, Place
from eval.dynamics.words import Words
from mi_llm import figures
from mi_llm.figures import Bar

_TITLES = {
    "effectiveness": "Effectiveness (1-5)",
    "goal_alignment": "Goal alignment (1-5)",
    "acceptance": "Accepted redirections (%)",
    "change_talk_share": "Change talk (%)",
}
_FEWEST = 10  # a tenth of the dialogues: what is left of them by then may be unlike the rest
_COLOURS = (*figures.COLOURS, "#c2589b", "#7a6a00")  # as many as there are frameworks, and one


def drawing(report: Report, t: Words) -> Figure | None:
    """The figure; None if no dialogue has a score that could be drawn."""
    measures = [one for one in SCORED if any(one in g.places for g in report.groups.values())]
    if not measures:
        return None
    ticks = _ticks(report)
    panels = {
        t(_TITLES[measure]): {
            name: _bars(group, measure, len(ticks)) for name, group in report.groups.items()
        }
        for measure in measures
    }
    colours = {name: _COLOURS[at % len(_COLOURS)] for at, name in enumerate(report.groups)}
    made = figures.interval_lines(
        panels, ticks, x=t("round (each point: the ten up to it)"), colours=colours
    )
    made.set_size_inches(max(9.6, 3 * len(measures)), 4)
    _scale(made, measures)
    return made


def _ticks(report: Report) -> list[str]:
    """The last round of each ten, "81+" for what comes after 80."""
    most = max((own for group in report.groups.values() for own in group.places.values()), key=len)
    return [one.rounds.rpartition("-")[2] for one in most]


def _bars(group: Group, measure: str, count: int) -> list[Bar | None]:
    """The points of a line; where few of the group's dialogues still go on there is none."""
    by = 100 if measure in SHARES else 1
    places = group.places.get(measure, [])
    bars = [_bar(one, by) if _FEWEST * one.dialogues >= group.dialogues else None for one in places]
    return [*bars, *[None] * (count - len(bars))]


def _bar(place: Place, by: int) -> Bar | None:
    found = place.estimate
    if found is None:
        return None
    low, high = (None if end is None else by * end for end in (found.low, found.high))
    return Bar(by * found.mean, low, high)


def _scale(made: Figure, measures: list[str]) -> None:
    """Each panel's own scale: what it can be."""
    for axis, measure in zip(made.axes, measures, strict=True):
        axis.set_ylabel("")
        axis.set_ylim(*((0, 102) if measure in SHARES else (0.9, 5.1)))
        axis.title.set_fontsize(10)
        axis.xaxis.label.set_fontsize(8)
        axis.tick_params(labelsize=8)
