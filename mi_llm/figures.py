"""Figures as inline SVG whose text stays text, so that the reader's fonts draw Chinese."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

BASE_COLOUR = "#9aa5b1"
TUNED_COLOUR = "#1f6f8b"
PAPER_COLOUR = "#c0392b"
_LINE_COLOURS = ("#1f6f8b", "#d98e04", "#6b4c9a", "#3d8b37", "#c0392b", "#555555")
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "mi-llm",  # the same figure gives the same bytes
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
}


@dataclass(frozen=True, slots=True)
class Bar:
    """A value with its interval; the ends are None where there is none."""

    value: float
    low: float | None = None
    high: float | None = None


def paired_bars(
    panels: Mapping[str, Mapping[str, tuple[Bar | None, Bar | None]]],
    *,
    printed: Mapping[str, Mapping[str, tuple[float, float]]],
) -> str:
    """A panel per measure, two bars (base, tuned) per model, printed values as diamonds.

    Args:
        panels: Measure -> model -> (base, tuned); percentages.
        printed: Measure -> model -> (base, tuned) as a publication prints them.

    Returns:
        An `<svg>` element.
    """
    with rc_context(_STYLE):
        figure = Figure(figsize=(9.6, 3.1), layout="constrained")
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for axis, (measure, models) in zip(axes, panels.items(), strict=True):
            _bars(axis, measure, models, printed.get(measure, {}))
        axes[0].set_ylabel("%")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
        return _svg(figure)


def lines(series: Mapping[str, Sequence[tuple[float, float]]], *, x: str, y: str) -> str:
    """One line per name; returns an `<svg>` element."""
    with rc_context(_STYLE):
        figure = Figure(figsize=(9.6, 2.8), layout="constrained")
        axis = figure.subplots()
        for colour, (name, points) in zip(_cycled(len(series)), series.items(), strict=True):
            axis.plot(
                *zip(*points, strict=True), label=name, color=colour, marker=".", markersize=4
            )
        axis.set_xlabel(x)
        axis.set_ylabel(y)
        axis.grid(axis="y", color="#e5e8eb")
        axis.legend(frameon=False)
        return _svg(figure)


def _bars(
    axis: Axes,
    measure: str,
    models: Mapping[str, tuple[Bar | None, Bar | None]],
    printed: Mapping[str, tuple[float, float]],
) -> None:
    width = 0.38
    for side, (label, colour) in enumerate((("base", BASE_COLOUR), ("tuned", TUNED_COLOUR))):
        placed = [(n, pair[side]) for n, pair in enumerate(models.values())]
        drawn = [(n + (side - 0.5) * width, bar) for n, bar in placed if bar]
        axis.bar(
            [at for at, _ in drawn],
            [bar.value for _, bar in drawn],
            width,
            color=colour,
            label=label,
        )
        for at, bar in drawn:
            if bar.low is not None and bar.high is not None:
                axis.plot([at, at], [bar.low, bar.high], color="#333333", linewidth=1)
    marks = [
        (n + (side - 0.5) * width, printed[name][side])
        for n, name in enumerate(models)
        if name in printed
        for side in (0, 1)
    ]
    if marks:
        axis.plot(
            *zip(*marks, strict=True),
            "D",
            color=PAPER_COLOUR,
            markersize=5,
            fillstyle="none",
            label="paper",
        )
    axis.set_title(measure)
    axis.set_xticks(range(len(models)), [name.replace("_", "\n") for name in models], fontsize=8)
    axis.grid(axis="y", color="#e5e8eb")
    axis.set_ylim(bottom=0)


def _cycled(count: int) -> list[str]:
    return [_LINE_COLOURS[number % len(_LINE_COLOURS)] for number in range(count)]


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    opening, rest = text[text.index("<svg") :].split(">", 1)
    # The viewBox stays and the fixed size goes, so that the figure scales with the page.
    return re.sub(r' (width|height)="[^"]*"', "", opening) + ">" + rest
