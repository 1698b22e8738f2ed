"""All that a report says, before it is drawn or written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.breakdown import Breakdown, breakdown
from eval.comparison import Family
from eval.predictions import match, read_rows
from eval.report.pairs import families
from eval.runs import Run, same_rows
from eval.similarity import MEASURES, Similarity
from eval.sweep.sweep import AgainstLast, Point, Sweep, training_loss
from mi_llm import jsonl
from mi_llm.alpaca import AlpacaRow
from mi_llm.errors import InputError
from mi_llm.publishing import require_whole
from mi_llm.statistics import Estimate, few_dialogues

NAMES = {"bleu4": "BLEU-4", "rouge1": "ROUGE-1", "rouge2": "ROUGE-2", "rougeL": "ROUGE-L"}
_SWEEP = "sweep.json"


@dataclass(frozen=True, slots=True)
class Swept:
    """A training's sweep and the loss to draw under it."""

    run: Run
    sweep: Sweep
    loss: dict[str, list[tuple[int, float]]]
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Content:
    """What the runs of a report have in them.

    Attributes:
        runs: Over the same rounds, models in the order of their first run, base before tuned.
        rows_path: The rounds.
        rows: Likewise, read.
        families: Tests of chosen pairs, by measure; empty with one model.
        looks: Run's name -> its scores taken apart.
        sweeps: Of trainings whose checkpoints were swept.
    """

    runs: tuple[Run, ...]
    rows_path: Path
    rows: tuple[AlpacaRow, ...]
    families: tuple[Family, ...]
    looks: dict[str, Breakdown]
    sweeps: tuple[Swept, ...]

    @property
    def models(self) -> list[str]:
        """Each model once."""
        return list(dict.fromkeys(run.model for run in self.runs))

    @property
    def dialogues(self) -> int:
        """How many dialogues the rounds belong to."""
        return len({row["dialogue"] for row in self.runs[0].scores["per_row"]})

    @property
    def warning(self) -> str | None:
        """What belongs beside intervals and tests over so few dialogues, if anything."""
        return few_dialogues(self.dialogues)


def content(runs: Sequence[Run]) -> Content:
    """Read and compute all that a report of these runs says.

    Raises:
        InputError: If the runs do not compare, or two have one model and variant.
    """
    names = [run.name for run in runs]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two runs are called {name}; report them apart")
    rows_path = same_rows(runs)
    rows = read_rows(rows_path)
    for run in runs:
        match(run.predictions, rows, names=f"{run.folder} and {rows_path}")
    models = list(dict.fromkeys(run.model for run in runs))
    ordered = sorted(runs, key=lambda run: (models.index(run.model), not run.is_base))
    return Content(
        runs=tuple(ordered),
        rows_path=rows_path,
        rows=tuple(rows),
        families=tuple(families(ordered)),
        looks={run.name: _look(run, rows) for run in ordered},
        sweeps=tuple(_swept(run) for run in ordered if (run.home / _SWEEP).is_file()),
    )


def _look(run: Run, rows: Sequence[AlpacaRow]) -> Breakdown:
    scores = [Similarity(**row["lf"]) for row in run.scores["per_row"]]
    return breakdown(run.predictions, rows, scores)


def _swept(run: Run) -> Swept:
    path = run.home / _SWEEP
    require_whole(path)
    facts = jsonl.read_json(path)
    try:
        points = tuple(_point(one, facts) for one in facts["points"])
        against = tuple(
            AgainstLast(**{**one, "difference": Estimate(**one["difference"])})
            for one in facts["against_last"]
        )
        best = next(point for point in points if point.name == facts["best"])
    except (KeyError, TypeError, StopIteration):
        raise InputError(f"{path}: not what eval sweep writes; run it again") from None
    sweep = Sweep(facts["measure"], points, best, against, facts["seed"])
    return Swept(run, sweep, training_loss(run.home), facts)


def _point(facts: dict[str, Any], whole: dict[str, Any]) -> Point:
    return Point(
        name=facts["name"],
        step=facts["step"],
        folder=Path(facts["folder"]),
        estimates={key: Estimate(**facts["scores"][key]) for key in MEASURES},
        values={},
        dialogues=tuple(map(str, range(whole["dialogues"]))),
        empty=facts["empty_predictions"],
    )
