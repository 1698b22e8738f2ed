"""The tables of a report as records: the page shows them, CSV files hold them unrounded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from eval.breakdown import Breakdown
from eval.report.content import Content
from eval.runs import Run
from eval.similarity import MEASURES
from mi_llm import csv_file
from mi_llm.paper import PAPER_BLEU4
from mi_llm.statistics import Estimate

Record = dict[str, Any]


def records(found: Content) -> dict[str, list[Record]]:
    """Table's name -> its lines; a table without any is left out."""
    tables = {
        "scores": [line for run in found.runs for line in _scores(run)],
        "significance": list(_significance(found)),
        "breakdown": [
            line for run in found.runs for line in _groups(run.name, found.looks[run.name])
        ],
        "slopes": [line for run in found.runs for line in _slopes(run.name, found.looks[run.name])],
        "faults": [line for run in found.runs for line in _faults(run.name, found.looks[run.name])],
        "checkpoints": list(_checkpoints(found)),
    }
    return {name: lines for name, lines in tables.items() if lines}


def csv_text(lines: Sequence[Mapping[str, Any]]) -> str:
    """Records as CSV, with the mark that lets Excel read Chinese."""
    return csv_file.text([list(lines[0]), *(list(line.values()) for line in lines)])


def printed(run: Run) -> float | None:
    """The BLEU-4 that the paper prints for this model; None if it has none."""
    known = PAPER_BLEU4.get(run.model)
    if known is None:
        return None
    return known.base if run.is_base else known.tuned


def interval_method(run: Run, one: Mapping[str, Any]) -> str | None:
    """How an interval was made; scores of earlier versions say it once for all."""
    method: str | None = one.get("method") or run.scores.get("interval", {}).get("method")
    return method


def _scores(run: Run) -> Iterator[Record]:
    for one in run.scores["scores"]:
        yield {
            "model": run.model,
            "variant": run.variant,
            "measure": one["measure"],
            "signature": one["signature"],
            "mean": one["mean"],
            "low": one["low"],
            "high": one["high"],
            "interval": interval_method(run, one),
            "rounds": run.scores["rows"],
            "dialogues": run.scores["dialogues"],
            "empty_predictions": run.scores["empty_predictions"],
            "paper": printed(run) if one["measure"] == "bleu4" and not one["strip"] else None,
        }


def _significance(found: Content) -> Iterator[Record]:
    for family in found.families:
        for pair in family.pairs:
            yield {
                "measure": family.measure,
                "first": pair.first,
                "second": pair.second,
                **_ends("difference", pair.by_dialogue.difference),
                "p": pair.by_dialogue.p,
                "holm": pair.holm,
                "exact": pair.by_dialogue.exact,
                "dialogues": pair.by_dialogue.units,
                "p_over_rounds": pair.by_round.p,
                "holm_over_rounds": pair.holm_by_round,
                "rounds": pair.by_round.units,
            }


def _groups(name: str, look: Breakdown) -> Iterator[Record]:
    kinds = {"round": look.by_round, "reference length": look.by_length, "topic": look.by_topic}
    for kind, groups in kinds.items():
        for group in groups:
            for measure in MEASURES:
                yield {
                    "model": name,
                    "by": kind,
                    "group": group.name,
                    "measure": measure,
                    **_ends("mean", group.scores[measure]),
                    "rounds": group.rounds,
                    "dialogues": group.dialogues,
                }


def _slopes(name: str, look: Breakdown) -> Iterator[Record]:
    for measure in MEASURES:
        within = look.slopes[measure].within
        if within:
            yield {"model": name, "measure": measure, **_ends("per_round", within)}


def _faults(name: str, look: Breakdown) -> Iterator[Record]:
    for share in look.shares:
        yield {
            "model": name,
            "fault": share.name,
            "count": share.count,
            "rounds": share.rounds,
            **_ends("share", share.estimate),
            "counselors": share.references,
            "warning": share.warning,
        }


def _checkpoints(found: Content) -> Iterator[Record]:
    for swept in found.sweeps:
        for point in swept.sweep.points:
            for measure in MEASURES:
                yield {
                    "training": str(swept.run.home),
                    "checkpoint": point.name,
                    "step": point.step,
                    "measure": measure,
                    **_ends("mean", point.estimates[measure]),
                }


def _ends(name: str, one: Estimate) -> Record:
    return {name: one.mean, "low": one.low, "high": one.high}
