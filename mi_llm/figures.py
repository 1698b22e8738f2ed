"""Figures whose text stays text in an SVG, so that the reader's fonts draw Chinese; PNG beside it.

A function that draws returns a matplotlib Figure; `svg` and `png` make a file's content of it.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from matplotlib import font_manager, rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

BASE_COLOUR = "#9aa5b1"
TUNED_COLOUR = "#1f6f8b"
PAPER_COLOUR = "#c0392b"
COLOURS = ("#1f6f8b", "#d98e04", "#6b4c9a", "#3d8b37", "#c0392b", "#555555")
GRID = "#e5e8eb"
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "mi-llm",  # the same figure gives the same bytes
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
}
_ROOM: Any = {
    "figure.constrained_layout.w_pad": 0.12,  # inches: the reader's font may be wider than ours
}
# Of a file with several faces matplotlib reads the first. Noto's is the Japanese one, which has the
# simplified characters too.
CHINESE_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Source Han Sans SC",
    "Microsoft YaHei",
    "PingFang SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "SimHei",
)
_FONT_FILES = re.compile("NotoSansCJK-R|SourceHanSans|msyh|PingFang|wqy|simhei", re.IGNORECASE)
_NUMBERED_ID = re.compile(r' id="[A-Za-z0-9.]+_\d+"')


@dataclass(frozen=True, slots=True)
class Bar:
    """A value with its interval; the ends are None where there is none."""

    value: float
    low: float | None = None
    high: float | None = None


@contextmanager
def style() -> Iterator[None]:
    """Matplotlib as all figures here want it, for drawing and for saving."""
    chinese = chinese_font()
    family = ["sans-serif", chinese] if chinese else ["sans-serif"]
    with rc_context({**STYLE, **_ROOM, "font.family": family}), warnings.catch_warnings():
        # What this machine's fonts lack, those of the SVG's reader have.
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        yield


def paired_bars(
    panels: Mapping[str, Mapping[str, tuple[Bar | None, Bar | None]]],
    *,
    printed: Mapping[str, Mapping[str, tuple[float, float]]],
    sides: tuple[str, str] = ("base", "tuned"),
    paper: str = "paper",
) -> Figure:
    """A panel per measure, two bars (base, tuned) per model, printed values as diamonds.

    Args:
        panels: Measure -> model -> (base, tuned); percentages.
        printed: Measure -> model -> (base, tuned) as a publication prints them.
        sides: What the legend calls the two bars.
        paper: What it calls the diamonds.
    """
    with style():
        figure = Figure(figsize=(9.6, 3.1), layout="constrained")
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for axis, (measure, models) in zip(axes, panels.items(), strict=True):
            _bars(axis, measure, models, sides)
            _printed(axis, models, printed.get(measure, {}), paper)
            axis.set_ylim(bottom=0)
        axes[0].set_ylabel("%")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
        return figure


def lines(
    series: Mapping[str, Sequence[tuple[float, float]]],
    *,
    x: str,
    y: str,
    colours: Mapping[str, str],
) -> Figure:
    """One line per name."""
    with style():
        figure = Figure(figsize=(9.6, 2.8), layout="constrained")
        axis = figure.subplots()
        for name, points in series.items():
            axis.plot(
                *zip(*points, strict=True),
                label=name,
                color=colours[name],
                marker=".",
                markersize=4,
            )
        axis.set_xlabel(x)
        axis.set_ylabel(y)
        axis.grid(axis="y", color=GRID)
        figure.legend(loc="outside upper center", ncols=3, frameon=False)
        return figure


def interval_lines(
    panels: Mapping[str, Mapping[str, Sequence[Bar | None]]],
    ticks: Sequence[str],
    *,
    x: str,
    colours: Mapping[str, str],
) -> Figure:
    """A panel per measure, a line with intervals per model over named places.

    Args:
        panels: Measure -> model -> a bar for each place; percentages.
        ticks: Names of the places, same order.
        x: What the places are.
        colours: Model -> colour.
    """
    with style():
        figure, axes = _panels(panels, ticks, x)
        for axis, models in zip(axes, panels.values(), strict=True):
            for number, (name, bars) in enumerate(models.items()):
                colour = colours[name]
                # Side by side, so that intervals can be told apart.
                shift = (number - (len(models) - 1) / 2) * 0.5 / len(models)
                drawn = [(at + shift, bar) for at, bar in enumerate(bars) if bar]
                places, values = [at for at, _ in drawn], [bar.value for _, bar in drawn]
                axis.plot(places, values, ".-", color=colour, label=name)
                _whiskers(axis, drawn, colour)
            axis.set_ylim(bottom=0)  # intervals may reach below, scores do not
        _legend(figure, axes[0])
        return figure


def grouped_bars(
    panels: Mapping[str, Mapping[str, Sequence[Bar | None]]],
    ticks: Sequence[str],
    *,
    x: str,
    colours: Mapping[str, str],
) -> Figure:
    """A panel per measure, a bar per model at each named place; arguments as `interval_lines`."""
    with style():
        figure, axes = _panels(panels, ticks, x)
        for axis, models in zip(axes, panels.values(), strict=True):
            width = 0.84 / len(models)
            for number, (name, bars) in enumerate(models.items()):
                shift = (number - (len(models) - 1) / 2) * width
                drawn = [(at + shift, bar) for at, bar in enumerate(bars) if bar]
                places, values = [at for at, _ in drawn], [bar.value for _, bar in drawn]
                axis.bar(places, values, width * 0.92, color=colours[name], label=name)
                _whiskers(axis, drawn, "#333333")
            axis.set_ylim(bottom=0)
        _legend(figure, axes[0])
        return figure


def svg(figure: Figure, *, label: str = "") -> str:
    """A figure as an `<svg>` element that scales with the page.

    Args:
        figure: What to save.
        label: What the figure shows, for a reader who cannot see it.
    """
    with style():
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    opening, rest = text[text.index("<svg") :].split(">", 1)
    # The viewBox stays and the fixed size goes, so that the figure scales with the page.
    opening = re.sub(r' (width|height)="[^"]*"', "", opening)
    if label:
        opening += f' role="img" aria-label="{_attribute(label)}"'
    # Several figures stand on one page, and nothing refers to these names.
    return opening + ">" + _NUMBERED_ID.sub("", rest)


def png(figure: Figure) -> bytes:
    """A figure as a PNG of 300 dots per inch."""
    with style():
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=300, metadata={"Software": None})
    return buffer.getvalue()


@cache
def chinese_font() -> str | None:
    """The name of an installed font that draws Chinese; None if there is none."""
    if found := _known_font():
        return found
    # matplotlib remembers the fonts that there were when it ran first; one may be new.
    for path in font_manager.findSystemFonts():
        if _FONT_FILES.search(Path(path).name):
            font_manager.fontManager.addfont(path)
    return _known_font()


def _known_font() -> str | None:
    known = {font.name for font in font_manager.fontManager.ttflist}
    return next((name for name in CHINESE_FONTS if name in known), None)


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


def _panels(
    panels: Mapping[str, Any], ticks: Sequence[str], x: str
) -> tuple[Figure, Sequence[Axes]]:
    figure = Figure(figsize=(9.6, 3.4), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, measure in zip(axes, panels, strict=True):
        axis.set_title(measure)
        axis.set_xlabel(x)
        axis.set_xticks(range(len(ticks)), ticks)
        axis.grid(axis="y", color=GRID)
    axes[0].set_ylabel("%")
    return figure, axes


def _whiskers(axis: Axes, drawn: Sequence[tuple[float, Bar]], colour: str) -> None:
    for at, bar in drawn:
        if bar.low is not None and bar.high is not None:
            axis.plot([at, at], [bar.low, bar.high], color=colour, linewidth=1)


def _legend(figure: Figure, axis: Axes) -> None:
    handles, labels = axis.get_legend_handles_labels()
    # Two lines at most, filled column by column: a base model stands over its tuned one.
    columns = len(labels) if len(labels) < 4 else (len(labels) + 1) // 2
    figure.legend(handles, labels, loc="outside upper center", ncols=columns, frameon=False)


def _bars(
    axis: Axes,
    measure: str,
    models: Mapping[str, tuple[Bar | None, Bar | None]],
    sides: tuple[str, str],
) -> None:
    width = 0.38
    for side, colour in enumerate((BASE_COLOUR, TUNED_COLOUR)):
        placed = [(n, pair[side]) for n, pair in enumerate(models.values())]
        drawn = [(n + (side - 0.5) * width, bar) for n, bar in placed if bar]
        places, values = [at for at, _ in drawn], [bar.value for _, bar in drawn]
        axis.bar(places, values, width, color=colour, label=sides[side])
        _whiskers(axis, drawn, "#333333")
    axis.set_title(measure)
    axis.set_xticks(range(len(models)), [name.replace("_", "\n") for name in models], fontsize=8)
    axis.yaxis.set_major_locator(MaxNLocator(nbins=6))
    axis.grid(axis="y", color=GRID)


def _printed(
    axis: Axes,
    models: Mapping[str, Any],
    printed: Mapping[str, tuple[float, float]],
    label: str,
) -> None:
    marks = [
        (n + (side - 0.5) * 0.38, printed[name][side])
        for n, name in enumerate(models)
        if name in printed
        for side in (0, 1)
    ]
    if marks:
        marker: Any = {"color": PAPER_COLOUR, "markersize": 5, "fillstyle": "none"}
        axis.plot(*zip(*marks, strict=True), "D", label=label, **marker)


def tint(colour: str) -> str:
    """A colour halfway to white, for the base model of the tuned one that has the colour."""
    parts = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return "#" + "".join(f"{(part + 255) // 2:02x}" for part in parts)
