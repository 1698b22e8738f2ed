"""Scores of a sweep's predictions: written as `eval score` writes them, and read again."""

from __future__ import annotations

from pathlib import Path

import mi_llm
from eval.predictions import read_rows
from eval.scores_file import SCORES, write_scores
from eval.similarity import MEASURES
from eval.sweep.run import PREDICTIONS
from eval.sweep.sweep import Candidate, Point
from mi_llm import files, jsonl
from mi_llm.errors import InputError
from mi_llm.stamp import stamp_path
from mi_llm.statistics import Estimate


def scored(folder: Path, rows: Path, *, seed: int) -> Path:
    """Write a folder's scores.json unless it is there and up to date; return its path.

    Raises:
        InputError: If the predictions do not answer the rows.
    """
    predictions, output = folder / PREDICTIONS, folder / SCORES
    if _is_scored(output, predictions, rows, seed):
        return output
    write_scores(predictions, rows, read_rows(rows), output, seed=seed, overwrite=True)
    return output


def read_point(candidate: Candidate, scores: Path) -> Point:
    """A candidate's scores from its scores.json."""
    facts = jsonl.read_json(scores)
    plain = {one["measure"]: one for one in facts["scores"] if not one["strip"]}
    keys = ("mean", "low", "high", "method")
    return Point(
        name=candidate.name,
        step=candidate.step,
        folder=scores.parent,
        estimates={
            measure: Estimate(*(plain[measure][key] for key in keys)) for measure in MEASURES
        },
        values={
            measure: tuple(row["lf"][measure] for row in facts["per_row"]) for measure in MEASURES
        },
        dialogues=tuple(row["dialogue"] for row in facts["per_row"]),
        empty=facts["empty_predictions"],
    )


def _is_scored(output: Path, predictions: Path, rows: Path, seed: int) -> bool:
    """Whether the scores are of these files and this version, and whole."""
    stamp = stamp_path(output)
    if not output.is_file() or not stamp.is_file():
        return False
    try:
        facts = jsonl.read_json(stamp)
        return bool(
            list(facts["inputs"].values()) == [files.sha256(predictions), files.sha256(rows)]
            and list(facts["output"].values()) == [files.sha256(output)]
            and facts["seed"] == seed
            and facts["versions"]["mi-llm"] == mi_llm.__version__
        )
    except (InputError, KeyError, TypeError):  # not such a stamp
        return False
