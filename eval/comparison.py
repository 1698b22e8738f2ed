"""Scored files of several models on the same rows, compared measure by measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eval.scores_file import SCORES, model_name
from eval.similarity import MEASURES
from mi_llm import jsonl
from mi_llm.errors import InputError
from mi_llm.publishing import require_whole
from mi_llm.significance import Comparison, compare
from mi_llm.stamp import stamp_path
from mi_llm.statistics import LEVEL, PERCENT, RESAMPLES


@dataclass(frozen=True, slots=True)
class Scored:
    """A scores.json as far as a comparison needs it.

    Attributes:
        name: Of the model, from the folders that the file lies in.
        path: The file.
        rows: SHA-256 of the rows that were predicted.
        dialogues: The dialogue of each row.
        per_row: The scores of each row, as LLaMA-Factory computes them, by measure.
    """

    name: str
    path: Path
    rows: str
    dialogues: tuple[str, ...]
    per_row: dict[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Family:
    """All pairs of models on one measure; Holm's correction is over these pairs."""

    measure: str
    pairs: tuple[Comparison, ...]


def read_scored(path: Path) -> Scored:
    """Read a scores.json, or the one in a folder.

    Raises:
        InputError: If it is none, or its stamp does not say what was scored.
    """
    path = path / SCORES if path.is_dir() else path
    require_whole(path)
    scores, stamp = jsonl.read_json(path), jsonl.read_json(stamp_path(path))
    try:
        rows = scores["per_row"]
        return Scored(
            name=model_name(path),
            path=path,
            rows=stamp["inputs"][stamp["rows"]],
            dialogues=tuple(row["dialogue"] for row in rows),
            per_row={key: tuple(row["lf"][key] for row in rows) for key in MEASURES},
        )
    except (KeyError, TypeError):
        raise InputError(f"{path}: not a scores.json with its stamp; score again") from None


def comparisons(scored: Sequence[Scored], *, seed: int) -> list[Family]:
    """Compare every pair on every measure.

    Raises:
        InputError: If the files are of other rows, or two models have one name.
    """
    first, *others = scored
    for one in others:
        if one.rows != first.rows:
            raise InputError(
                f"{one.path} and {first.path} were scored on other rows; score both on the same"
            )
    names = [one.name for one in scored]
    for one in scored:
        if names.count(one.name) > 1:
            raise InputError(f"{one.path}: another file is also called {one.name}; rename a folder")
    return [
        Family(
            measure,
            tuple(
                compare(
                    {one.name: one.per_row[measure] for one in scored},
                    first.dialogues,
                    scale=PERCENT,
                    seed=seed,
                )
            ),
        )
        for measure in MEASURES
    ]


def as_json(families: Sequence[Family], *, seed: int) -> dict[str, Any]:
    """The content of a comparison file."""
    return {
        "test": "sign flips of whole dialogues, two-sided; Holm over the pairs of a measure",
        "level": LEVEL,
        "resamples": RESAMPLES,
        "seed": seed,
        "measures": {
            family.measure: [asdict(pair) for pair in family.pairs] for family in families
        },
    }
