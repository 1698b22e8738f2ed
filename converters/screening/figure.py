"""The paper's Figure 2: the mean of each criterion for each corpus, as bars side by side.

An SVG keeps its text as text, so that the reader's fonts draw Chinese names. A PNG needs a font
here; without one, corpora with names that no font can draw are numbered.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from converters.screening.rubric import MAXIMA, TOTAL
from mi_llm.errors import InputError
from mi_llm.figures import STYLE, chinese_font
from mi_llm.statistics import Estimate

Format = Literal["svg", "png"]
Means = Mapping[str, Estimate]

_COLOURS = ("#1f6f8b", "#d98e04", "#6b4c9a", "#3d8b37", "#c0392b", "#9aa5b1", "#555555")
_BARS_WIDTH = 0.82  # of the room that a criterion has
_MOST_NUMBERS = 6  # corpora; with more, the numbers above the bars would run into each other


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure as bytes of a file.

    Attributes:
        data: The file's content.
        numbered: Names that stand as `corpus 1`, ... since no font here can draw them.
    """

    data: bytes
    numbered: tuple[str, ...] = ()


def figure_format(name: str) -> Format:
    """The format that a file's name asks for.

    Raises:
        InputError: If it ends in neither `.svg` nor `.png`.
    """
    ending = Path(name).suffix.lower()
    if ending == ".svg":
        return "svg"
    if ending == ".png":
        return "png"
    raise InputError(f"{name}: a figure is drawn as .svg or .png; end the name in one of them")


def drawing(corpora: Mapping[str, Means], kind: Format) -> Drawing:
    """Draw the four criteria and the total of some corpora, each with its 95% interval.

    Args:
        corpora: Corpus -> criterion (or `total`) -> mean points; one corpus at least.
        kind: The file's format.
    """
    beyond = _beyond_ascii(list(corpora)) if kind == "png" else ()
    installed = chinese_font() if beyond else None
    numbered = () if installed else beyond
    labels = {name: _label(name, number, numbered) for number, name in enumerate(corpora, start=1)}
    fonts = ["DejaVu Sans", installed] if installed else ["sans-serif"]
    style = {**STYLE, "font.family": fonts}
    with rc_context(style), warnings.catch_warnings():
        # What this machine's fonts lack, those of the SVG's reader have; a PNG has it numbered.
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        figure = _figure({labels[name]: means for name, means in corpora.items()})
        return Drawing(_saved(figure, kind), numbered)


def _figure(corpora: Mapping[str, Means]) -> Figure:
    figure = Figure(figsize=(9.6, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[len(MAXIMA) - 1, 1.25])
    _bars(left, corpora, [name for name in MAXIMA if name != TOTAL])
    _bars(right, corpora, [TOTAL])
    left.set_ylabel("points (mean, 95% interval)")
    handles, labels = left.get_legend_handles_labels()
    columns = min(len(labels), 5)
    figure.legend(handles, labels, loc="outside upper center", ncols=columns, frameon=False)
    return figure


def _bars(axis: Axes, corpora: Mapping[str, Means], criteria: Sequence[str]) -> None:
    width = _BARS_WIDTH / len(corpora)
    for number, (name, means) in enumerate(corpora.items()):
        shift = (number - (len(corpora) - 1) / 2) * width
        places = [at + shift for at in range(len(criteria))]
        heights = [means[criterion].mean for criterion in criteria]
        colour = _COLOURS[number % len(_COLOURS)]
        axis.bar(places, heights, width * 0.92, color=colour, label=name)
        for at, criterion in zip(places, criteria, strict=True):
            _whisker(axis, at, means[criterion])
            if len(corpora) <= _MOST_NUMBERS:
                _number(axis, at, means[criterion])
    ticks = [f"{name.capitalize()}\n(of {MAXIMA[name]:g})" for name in criteria]
    axis.set_xticks(range(len(criteria)), ticks)
    axis.set_ylim(0, max(MAXIMA[name] for name in criteria))
    axis.grid(axis="y", color="#e5e8eb")


def _whisker(axis: Axes, at: float, estimate: Estimate) -> None:
    if estimate.low is not None and estimate.high is not None:
        ends = [estimate.low, estimate.high]
        axis.plot([at, at], ends, color="#333333", linewidth=1, clip_on=False)


def _number(axis: Axes, at: float, estimate: Estimate) -> None:
    axis.annotate(
        f"{estimate.mean:.2f}",
        (at, estimate.high if estimate.high is not None else estimate.mean),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        fontsize=7,
    )


def _saved(figure: Figure, kind: Format) -> bytes:
    buffer = io.BytesIO()
    metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    figure.savefig(buffer, format=kind, dpi=300, metadata=metadata)
    return buffer.getvalue()


def _beyond_ascii(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in names if not name.isascii())


def _label(name: str, number: int, numbered: Sequence[str]) -> str:
    # A name that begins with an underscore is left out of a legend, and dollars mean formulas.
    return f"corpus {number}" if name in numbered else name.lstrip("_").replace("$", r"\$") or name
