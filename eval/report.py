"""The report: one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import mi_llm
from eval.predictions import read_rows
from eval.runs import Run, same_rows
from eval.similarity import MEASURES
from mi_llm import figures
from mi_llm.errors import InputError
from mi_llm.figures import Bar
from mi_llm.paper import PAPER_BLEU4

NAMES = {"bleu4": "BLEU-4", "rouge1": "ROUGE-1", "rouge2": "ROUGE-2", "rougeL": "ROUGE-L"}
EXAMPLES = 10


def page(runs: Sequence[Run]) -> str:
    """The whole page for runs over one rows file.

    Raises:
        InputError: If the runs do not compare, or two have one model and variant.
    """
    names = [(run.model, run.variant) for run in runs]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two runs are called {'_'.join(name)}; report them apart")
    rows_path = same_rows(runs)
    models = list(dict.fromkeys(run.model for run in runs))
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        version=mi_llm.__version__,
        runs=runs,
        rows_path=rows_path,
        names=NAMES,
        stand_ins=any(run.is_stand_in for run in runs),
        bars=_bars(runs, models),
        loss=_loss(runs),
        tables=[_table(runs, models, strip=strip) for strip in (False, True)],
        examples=_examples(runs, rows_path),
        provenance=[_provenance(run) for run in runs],
        paper=PAPER_BLEU4,
    )


def _pairs(runs: Sequence[Run], models: Sequence[str]) -> dict[str, tuple[Run | None, Run | None]]:
    """Label -> (base, tuned): one pair for each tuned run, or for a base model without any."""
    pairs: dict[str, tuple[Run | None, Run | None]] = {}
    for model in models:
        own = [run for run in runs if run.model == model]
        base = next((run for run in own if run.is_base), None)
        tuned = [run for run in own if not run.is_base]
        for run in tuned:
            label = model if len(tuned) == 1 else f"{model}_{run.variant}"
            pairs[label] = (base, run)
        if not tuned:
            pairs[model] = (base, None)
    return pairs


def _bars(runs: Sequence[Run], models: Sequence[str]) -> str:
    def bar(run: Run | None, measure: str) -> Bar | None:
        if run is None:
            return None
        one = run.estimate(measure, strip=False)
        return Bar(one["mean"], one["low"], one["high"])

    pairs = _pairs(runs, models)
    panels = {
        NAMES[measure]: {
            label: (bar(base, measure), bar(tuned, measure))
            for label, (base, tuned) in pairs.items()
        }
        for measure in MEASURES
    }
    printed = {
        NAMES["bleu4"]: {
            label: (PAPER_BLEU4[run.model].base, PAPER_BLEU4[run.model].tuned)
            for label, (base, tuned) in pairs.items()
            if (run := tuned or base) and run.model in PAPER_BLEU4
        }
    }
    return figures.paired_bars(panels, printed=printed)


def _loss(runs: Sequence[Run]) -> str | None:
    series = {f"{run.model} {run.variant}": run.loss for run in runs if run.loss}
    if not series:
        return None
    return figures.lines(series, x="optimizer step", y="training loss (nats per token)")


def _table(runs: Sequence[Run], models: Sequence[str], *, strip: bool) -> dict[str, Any]:
    lines = []
    for model in models:
        for run in (one for one in runs if one.model == model):
            lines.append(
                {
                    "model": model,
                    "variant": run.variant,
                    "estimates": [run.estimate(measure, strip=strip) for measure in MEASURES],
                    "empty": run.scores["empty_predictions"],
                    "printed": _printed(run) if not strip else None,
                }
            )
    signatures = [one["signature"] for one in lines[0]["estimates"]] if lines else []
    return {"strip": strip, "lines": lines, "signatures": signatures}


def _printed(run: Run) -> float | None:
    known = PAPER_BLEU4.get(run.model)
    if known is None:
        return None
    return known.base if run.is_base else known.tuned


def _examples(runs: Sequence[Run], rows_path: Path) -> list[dict[str, Any]]:
    rows = read_rows(rows_path)
    count = min(EXAMPLES, len(rows))
    return [
        {
            "id": rows[number].get("id", f"row {number}"),
            "earlier": len(rows[number]["history"]),
            "client": rows[number]["input"],
            "counselor": rows[number]["output"],
            "replies": [(run, run.predictions[number].predict.strip()) for run in runs],
        }
        for number in (index * len(rows) // count for index in range(count))
    ]


def _provenance(run: Run) -> dict[str, Any]:
    stamps = run.stamps
    return {
        "run": run,
        "prediction": stamps.get("prediction"),
        "training": stamps.get("training"),
        "scores": stamps["scores"],
    }
