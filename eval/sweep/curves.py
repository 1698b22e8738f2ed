"""The figure of a sweep: scores by optimizer step, and the training loss under them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from eval.similarity import MEASURES
from eval.sweep.sweep import Point, Sweep
from mi_llm import figures

_NAMES = {"bleu4": "BLEU-4", "rouge1": "ROUGE-1", "rouge2": "ROUGE-2", "rougeL": "ROUGE-L"}
_LOSSES = {"loss": "training loss", "eval_loss": "validation loss"}
_COLOURS = ("#1f6f8b", "#d98e04", "#6b4c9a", "#3d8b37")
_LOSS_COLOURS = {"loss": "#555555", "eval_loss": "#c0392b"}
Words = Callable[[str], str]


def sweep_figure(sweep: Sweep, loss: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """`sweep_drawing` as an `<svg>` element whose text stays text."""
    return figures.svg(sweep_drawing(sweep, loss))


def sweep_drawing(
    sweep: Sweep, loss: Mapping[str, Sequence[tuple[float, float]]], words: Words = str
) -> Figure:
    """Draw all measures with their intervals by step, the best ringed, and the loss under them.

    Args:
        sweep: The scores.
        loss: As `eval.sweep.sweep.training_loss` gives it; may be empty, and then is not drawn.
        words: Those to write for the English ones.
    """
    heights = (3, 1.4) if loss else (3,)
    with figures.style():
        figure = Figure(figsize=(9.6, 1.3 * sum(heights)), layout="constrained")
        axes = figure.subplots(len(heights), sharex=True, squeeze=False, height_ratios=heights)
        upper, *lower = axes[:, 0]
        _draw_scores(upper, sweep, words)
        for axis in lower:
            _draw_loss(axis, loss, words)
        bottom = axes[-1, 0]
        bottom.set_xlabel(words("optimizer step"))
        bottom.xaxis.set_major_locator(MaxNLocator(integer=True))
        return figure


def _draw_scores(axis: Axes, sweep: Sweep, words: Words) -> None:
    steps = [one.step for one in sweep.points]
    span = max(steps) - min(steps) or 1
    for number, (measure, colour) in enumerate(zip(MEASURES, _COLOURS, strict=True)):
        # Side by side, so that intervals of measures that are alike can be told apart.
        shift = (number - 1.5) * span * 0.004
        places = [step + shift for step in steps]
        means = [one.estimates[measure].mean for one in sweep.points]
        axis.plot(places, means, ".-", color=colour, label=_NAMES[measure], markersize=6)
        for place, point in zip(places, sweep.points, strict=True):
            _draw_interval(axis, place, point, measure, colour)
        if measure == sweep.measure:
            best = sweep.points.index(sweep.best)
            ring = (places[best], means[best], colour)
    place, mean, colour = ring
    label = words("best by {measure}").format(measure=_NAMES[sweep.measure])
    axis.plot([place], [mean], "o", color=colour, markersize=12, fillstyle="none", label=label)
    axis.set_ylabel(words("score (%)"))
    axis.grid(axis="y", color=figures.GRID)
    axis.legend(frameon=False, ncols=5, loc="lower left", bbox_to_anchor=(0, 1))


def _draw_interval(axis: Axes, place: float, point: Point, measure: str, colour: str) -> None:
    one = point.estimates[measure]
    if one.low is not None and one.high is not None:
        axis.plot([place, place], [one.low, one.high], color=colour, linewidth=1.2)


def _draw_loss(axis: Axes, loss: Mapping[str, Sequence[tuple[float, float]]], words: Words) -> None:
    for key, points in loss.items():
        colour = _LOSS_COLOURS[key]
        axis.plot(
            *zip(*points, strict=True), ".-", color=colour, label=words(_LOSSES[key]), markersize=3
        )
    axis.set_ylabel(words("nats per token"))
    axis.grid(axis="y", color=figures.GRID)
    axis.legend(frameon=False)
