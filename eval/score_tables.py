"""Scores and comparisons as tables: Markdown for people, CSV for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from eval.comparison import Family
from eval.scoring import Scores
from mi_llm import csv_file

Format = Literal["md", "csv"]
_SCORE_COLUMNS = ("model", "score", "mean", "low", "high", "interval", "rounds", "dialogues")
_PAIR_COLUMNS = (
    "measure", "first", "second", "difference", "low", "high", "p", "Holm",
    "p over rounds", "Holm over rounds",
)  # fmt: skip


def score_table(scores: Sequence[tuple[str, Scores]], kind: Format) -> str:
    """A line for each model and score, signatures in full."""
    return _table(_SCORE_COLUMNS, _score_lines(scores), kind)


def comparison_table(families: Sequence[Family], kind: Format) -> str:
    """A line for each measure and pair; p over rounds is what papers print."""
    return _table(_PAIR_COLUMNS, _pair_lines(families), kind)


def _score_lines(scores: Sequence[tuple[str, Scores]]) -> Iterator[list[str]]:
    for name, one in scores:
        counts = [str(len(one.ids)), str(len(set(one.dialogues)))]
        for score in one.summary:
            ends = (score.estimate.low, score.estimate.high)
            numbers = [f"{score.estimate.mean:.2f}", *map(_number, ends)]
            yield [name, score.signature, *numbers, score.estimate.method, *counts]
        if one.corpus_bleu:
            bleu = one.corpus_bleu
            yield [
                name,
                f"sacrebleu|{bleu.signature}",
                f"{bleu.score:.2f}",
                "",
                "",
                "none",
                *counts,
            ]


def _pair_lines(families: Sequence[Family]) -> Iterator[list[str]]:
    for family in families:
        for pair in family.pairs:
            difference = pair.by_dialogue.difference
            ends = (difference.low, difference.high)
            chances = (pair.by_dialogue.p, pair.holm, pair.by_round.p, pair.holm_by_round)
            yield [
                family.measure, pair.first, pair.second, f"{difference.mean:+.2f}",
                *map(_number, ends), *(f"{p:.4f}" for p in chances),
            ]  # fmt: skip


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _table(columns: Sequence[str], lines: Iterator[list[str]], kind: Format) -> str:
    if kind == "csv":
        return csv_file.text([columns, *lines], mark=False)
    rows = [columns, ["---"] * len(columns), *lines]
    # A signature holds bars, which would end a cell; a line break in a name would end the row.
    cells = [[" ".join(cell.split()).replace("|", "\\|") for cell in row] for row in rows]
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)
