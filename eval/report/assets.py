"""A report's figures and tables as files for a manuscript."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from eval.report.content import Content
from eval.report.records import csv_text, records
from mi_llm import figures

_HEAD = '<?xml version="1.0" encoding="utf-8"?>\n'


def write_assets(found: Content, drawn: Mapping[str, Figure], folder: Path) -> Sequence[str]:
    """Write each figure as SVG and PNG (300 dpi) and each table as CSV; return the files' names."""
    for name, figure in drawn.items():
        _text(folder / f"{name}.svg", _HEAD + figures.svg(figure) + "\n")
        (folder / f"{name}.png").write_bytes(figures.png(figure))
    for name, lines in records(found).items():
        _text(folder / f"{name}.csv", csv_text(lines))
    return sorted(path.name for path in folder.iterdir())


def _text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
