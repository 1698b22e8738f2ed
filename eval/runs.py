"""A scored prediction run and what lies beside it, as the report needs it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.predictions import Prediction, read_predictions
from mi_llm import files, jsonl
from mi_llm.errors import InputError
from mi_llm.publishing import require_whole
from mi_llm.stamp import stamp_path

_PREDICTIONS = "generated_predictions.jsonl"
_SCORES = "scores.json"
_LOSS = "trainer_log.jsonl"
# glm4_base, llama3_chinese_lora, glm4_lora_dialogue; any other variant is one word.
_NAME = re.compile(r"(?P<model>.+?)_(?P<variant>base|q?lora(?:_.+)?|[^_]+)")


@dataclass(frozen=True, slots=True)
class Run:
    """One folder `<model>_<variant>/predict`.

    Attributes:
        folder: As typed.
        model: The first part of the folder's name: `glm4` of `glm4_lora/predict`.
        variant: What follows it: `base`, or how the model was tuned.
        predictions: In row order.
        scores: The content of scores.json.
        rows: The rows file that the scores name.
        loss: (step, training loss in nats per token) of the tuning, empty where there is no log.
        stamps: By what they describe: `prediction`, `training`, `scores`; those that exist.
    """

    folder: Path
    model: str
    variant: str
    predictions: tuple[Prediction, ...]
    scores: dict[str, Any]
    rows: Path
    loss: tuple[tuple[int, float], ...]
    stamps: dict[str, dict[str, Any]]

    @property
    def name(self) -> str:
        """Model and variant: `glm4_lora`."""
        return f"{self.model}_{self.variant}"

    @property
    def home(self) -> Path:
        """The folder that holds training and predictions."""
        return self.folder.parent if self.folder.resolve().name == "predict" else self.folder

    @property
    def is_base(self) -> bool:
        """Whether the model is as published."""
        return self.variant == "base"

    @property
    def is_stand_in(self) -> bool:
        """Whether the model was made by `converters stand-in`; its scores then mean nothing."""
        model = self.stamps.get("prediction", {}).get("model") or {}
        return "stand_in" in model

    @property
    def files(self) -> tuple[Path, ...]:
        """What the report takes from the run."""
        return (self.folder / _PREDICTIONS, self.folder / _SCORES)

    def estimate(self, measure: str, *, strip: bool) -> dict[str, Any]:
        """The mean, interval and signature of a measure, as scores.json has them."""
        return next(
            one
            for one in self.scores["scores"]
            if one["measure"] == measure and one["strip"] == strip
        )


def read_run(folder: Path) -> Run:
    """Read a run's folder: that of its predictions and scores, or the one above it.

    Raises:
        InputError: If it lacks predictions or scores, its name does not say model and variant, or
            the rows or the predictions that were scored have changed since.
    """
    if not (folder / _SCORES).is_file() and (folder / "predict" / _SCORES).is_file():
        folder = folder / "predict"
    home = folder.parent if folder.resolve().name == "predict" else folder
    named = _NAME.fullmatch(home.resolve().name)
    if named is None:
        raise InputError(f"{folder}: name the run's folder <model>_<variant>/predict")
    model, variant = named["model"], named["variant"]
    scores_path = folder / _SCORES
    if not scores_path.is_file():
        raise InputError(
            f"{folder}: no scores.json; run python -m eval score {folder / _PREDICTIONS} first"
        )
    require_whole(scores_path)
    scores = jsonl.read_json(scores_path)
    scores_stamp = jsonl.read_json(stamp_path(scores_path))
    rows = Path(scores_stamp["rows"])
    if files.sha256(rows) != scores_stamp["inputs"][str(rows)]:
        raise InputError(f"{rows}: has changed since {scores_path} was made; score again")
    predictions_path = folder / _PREDICTIONS
    # By content, since the stamp has the path as it was typed then, perhaps from elsewhere.
    if files.sha256(predictions_path) not in scores_stamp["inputs"].values():
        raise InputError(
            f"{predictions_path}: has changed since {scores_path} was made; score again"
        )
    stamps = {"scores": scores_stamp}
    for name, path in (("prediction", stamp_path(folder)), ("training", stamp_path(home))):
        if path.is_file():
            stamps[name] = jsonl.read_json(path)
    return Run(
        folder=folder,
        model=model,
        variant=variant,
        predictions=tuple(read_predictions(predictions_path)),
        scores=scores,
        rows=rows,
        loss=_loss(home / _LOSS) if variant != "base" else (),
        stamps=stamps,
    )


def same_rows(runs: Sequence[Run]) -> Path:
    """A rows file that holds the rounds that all runs answer.

    Raises:
        InputError: If the runs carry different labels; their numbers do not compare.
    """
    first, *others = runs
    for run in others:
        if _labels(run) != _labels(first):
            raise InputError(
                f"{run.folder} answers {run.rows}, {first.folder} answers {first.rows}, and the "
                "labels differ: their scores do not compare; report them apart"
            )
    return first.rows


def _labels(run: Run) -> list[str]:
    return [prediction.label.strip() for prediction in run.predictions]


def _loss(path: Path) -> tuple[tuple[int, float], ...]:
    if not path.is_file():
        return ()
    # A resumed training writes a step again: its last line counts.
    try:
        steps = {
            int(value["current_steps"]): float(value["loss"])
            for value in _log_entries(path)
            if value.get("loss") is not None
        }
    except (KeyError, OverflowError, TypeError, ValueError):
        raise InputError(f"{path}: a loss without its step, or no number; is it a log?") from None
    return tuple(sorted(steps.items()))


def _log_entries(path: Path) -> Iterator[dict[str, Any]]:
    for number, _, data in jsonl.raw_lines(path):
        try:
            value = jsonl.parsed_line(path, number, data)
        except InputError:  # the line that a killed training was writing
            continue
        if isinstance(value, dict):
            yield value
