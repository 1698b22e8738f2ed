"""The figures of a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle

from matplotlib.figure import Figure

from eval.breakdown import Breakdown, Group
from eval.report.content import NAMES, Content
from eval.runs import Run
from eval.sweep.curves import sweep_drawing
from mi_llm import figures
from mi_llm.figures import Bar
from mi_llm.paper import PAPER_BLEU4
from mi_llm.statistics import Estimate

Words = Callable[[str], str]
_SHOWN = ("bleu4", "rougeL")


def drawn(found: Content, t: Words) -> dict[str, Figure]:
    """Name -> figure, of those that there is something to draw for.

    Args:
        found: What to draw.
        t: The page's words for English ones.
    """
    made = {"scores": _scores(found, t)}
    colours = _colours(found)
    looks = {run.name: found.looks[run.name] for run in found.runs}
    if len(next(iter(looks.values())).by_round) > 1:
        ticks, panels = _places(looks, lambda one: one.by_round)
        ticks = [tick.replace(" and later", "+") for tick in ticks]
        made["rounds"] = figures.interval_lines(
            panels, ticks, x=t("round of the dialogue"), colours=colours
        )
    ticks, panels = _places(looks, lambda one: one.by_length)
    ticks = [tick.removesuffix(" characters").replace(" to ", "\u2013") for tick in ticks]
    made["lengths"] = figures.grouped_bars(
        panels, ticks, x=t("length of the reference (characters)"), colours=colours
    )
    series = {run.name: run.loss for run in found.runs if run.loss}
    if series:
        labels = {"x": t("optimizer step"), "y": t("nats per token")}
        made["loss"] = figures.lines(series, **labels, colours=colours)
    for swept in found.sweeps:
        made[f"sweep_{swept.run.name}"] = sweep_drawing(swept.sweep, swept.loss, t)
    return made


def _colours(found: Content) -> dict[str, str]:
    """Run's name -> colour: one for each tuned run, its tint for a base model that has it."""
    made: dict[str, str] = {}
    palette = cycle(figures.COLOURS)
    for base, tuned in pairs(found.runs, found.models).values():
        colour = next(palette)
        if base:
            made.setdefault(base.name, figures.tint(colour))
        if tuned:
            made[tuned.name] = colour
    return made


def pairs(runs: Sequence[Run], models: Sequence[str]) -> dict[str, tuple[Run | None, Run | None]]:
    """Label -> (base, tuned): one pair for each tuned run, or for a base model without any."""
    found: dict[str, tuple[Run | None, Run | None]] = {}
    for model in models:
        own = [run for run in runs if run.model == model]
        base = next((run for run in own if run.is_base), None)
        tuned = [run for run in own if not run.is_base]
        for run in tuned:
            label = model if len(tuned) == 1 else run.name
            found[label] = (base, run)
        if not tuned:
            found[model] = (base, None)
    return found


def _scores(found: Content, t: Words) -> Figure:
    def bar(run: Run | None, measure: str) -> Bar | None:
        if run is None:
            return None
        one = run.estimate(measure, strip=False)
        return Bar(one["mean"], one["low"], one["high"])

    placed = pairs(found.runs, found.models)
    panels = {
        name: {
            label: (bar(base, measure), bar(tuned, measure))
            for label, (base, tuned) in placed.items()
        }
        for measure, name in NAMES.items()
    }
    printed = {
        NAMES["bleu4"]: {
            label: (PAPER_BLEU4[run.model].base, PAPER_BLEU4[run.model].tuned)
            for label, (base, tuned) in placed.items()
            if (run := tuned or base) and run.model in PAPER_BLEU4
        }
    }
    return figures.paired_bars(
        panels, printed=printed, sides=(t("base"), t("tuned")), paper=t("the paper's values")
    )


def _places(
    looks: dict[str, Breakdown], groups: Callable[[Breakdown], Sequence[Group]]
) -> tuple[list[str], dict[str, dict[str, list[Bar | None]]]]:
    """Groups are of the same rows in every model, so that one model's names are those of all."""
    ticks = [group.name for group in groups(next(iter(looks.values())))]
    panels: dict[str, dict[str, list[Bar | None]]] = {
        NAMES[measure]: {
            name: [_bar(group.scores[measure]) for group in groups(look)]
            for name, look in looks.items()
        }
        for measure in _SHOWN
    }
    return ticks, panels


def _bar(one: Estimate) -> Bar:
    return Bar(one.mean, one.low, one.high)
