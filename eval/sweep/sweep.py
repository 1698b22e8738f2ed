"""The checkpoints of a training: which there are to predict with, and what their scores say.

Adapters that are the same to the byte are one candidate: the last checkpoint is usually the final
adapter, and predicting it twice would take hours for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eval.similarity import signature
from mi_llm import files, jsonl
from mi_llm.errors import InputError
from mi_llm.runs import checkpoints
from mi_llm.significance import holm, randomisation
from mi_llm.statistics import PERCENT, Estimate, few_dialogues

FINAL = "final"
CAUTION = (
    "the best was chosen by its score on these rows, so that score overstates it; choose on rows "
    "held out from both training and test, or report the last"
)
_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
_CONFIG = "adapter_config.json"
_STATE = "trainer_state.json"


@dataclass(frozen=True, slots=True)
class Candidate:
    """An adapter to predict with.

    Attributes:
        step: Optimizer steps that it was trained for.
        folders: Where it lies, identical: a checkpoint, the training's own folder, or both.
        final: Whether the training's own folder is among them.
        adapter: File's name -> SHA-256, of weights and configuration.
    """

    step: int
    folders: tuple[Path, ...]
    final: bool
    adapter: dict[str, str]

    @property
    def name(self) -> str:
        """`checkpoint-500`, `final`, or `checkpoint-1000 (final)`."""
        own = [folder.name for folder in self.folders[: len(self.folders) - self.final]]
        if not own:
            return FINAL
        return " = ".join(own) + (f" ({FINAL})" if self.final else "")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A checkpoint that cannot be predicted with, and why."""

    folder: Path
    fault: str


@dataclass(frozen=True, slots=True)
class Point:
    """A candidate's scores, as scores.json has them.

    Attributes:
        name: The candidate's.
        step: Likewise.
        folder: Of its predictions and scores.
        estimates: Measure -> mean over rows, a percentage, with its interval; not stripped.
        values: Measure -> score of each row.
        dialogues: The dialogue of each row.
        empty: Predictions without any visible character.
    """

    name: str
    step: int
    folder: Path
    estimates: dict[str, Estimate]
    values: dict[str, tuple[float, ...]]
    dialogues: tuple[str, ...]
    empty: int


@dataclass(frozen=True, slots=True)
class AgainstLast:
    """An earlier candidate compared with the last on the same rows.

    Attributes:
        name: Of the earlier one.
        difference: Its mean less the last's, in percentage points, with its interval.
        p: Of the sign-flip test over dialogues.
        holm: The same, adjusted over all candidates that are compared with the last.
        exact: Whether all sign patterns were counted.
    """

    name: str
    difference: Estimate
    p: float
    holm: float
    exact: bool


@dataclass(frozen=True, slots=True)
class Sweep:
    """What the scores of all candidates say.

    Attributes:
        measure: What the best is chosen by.
        points: By step.
        best: The highest mean; among equals the earliest.
        against_last: Every other point, in order.
        seed: Of intervals and tests.
    """

    measure: str
    points: tuple[Point, ...]
    best: Point
    against_last: tuple[AgainstLast, ...]
    seed: int

    @property
    def last(self) -> Point:
        """The candidate that was trained longest."""
        return self.points[-1]

    @property
    def verdict(self) -> AgainstLast | None:
        """The best against the last; None if they are one."""
        return next((one for one in self.against_last if one.name == self.best.name), None)

    @property
    def warning(self) -> str | None:
        """What belongs beside intervals and tests over so few dialogues, if anything."""
        return few_dialogues(len(set(self.last.dialogues)))

    def as_json(self) -> dict[str, Any]:
        """The content of sweep.json, without the rows."""
        return {
            "measure": self.measure,
            "signature": signature(self.measure, strip=False),
            "rows": len(self.last.dialogues),
            "dialogues": len(set(self.last.dialogues)),
            "seed": self.seed,
            "points": [
                {
                    "name": one.name,
                    "step": one.step,
                    "folder": str(one.folder),
                    "empty_predictions": one.empty,
                    "scores": {key: asdict(value) for key, value in one.estimates.items()},
                }
                for one in self.points
            ],
            "best": self.best.name,
            "last": self.last.name,
            "against_last": [asdict(one) for one in self.against_last],
            "warning": self.warning,
            "caution": CAUTION,
        }


def candidates(folder: Path) -> tuple[list[Candidate], list[LeftOut]]:
    """The adapters of a training by step, and the checkpoints that are left out.

    Raises:
        InputError: If there is no whole adapter.
    """
    whole: list[tuple[int, Path]] = []
    left_out: list[LeftOut] = []
    for step, checkpoint in checkpoints.steps(folder):
        fault = checkpoints.fault(checkpoint) or _no_adapter(checkpoint)
        if fault:
            left_out.append(LeftOut(checkpoint, fault))
        else:
            whole.append((step, checkpoint))
    if _no_adapter(folder) is None:
        whole.append((_final_step(folder, default=whole[-1][0] if whole else 0), folder))
    if not whole:
        more = f"; {left_out[0].folder}: {left_out[0].fault}" if left_out else ""
        raise InputError(f"{folder}: no adapter and no whole checkpoint-<step> of one{more}")
    return _distinct(whole, folder), left_out


def _distinct(whole: Sequence[tuple[int, Path]], final: Path) -> list[Candidate]:
    groups: dict[tuple[tuple[str, str], ...], list[tuple[int, Path]]] = {}
    for step, folder in whole:
        groups.setdefault(tuple(_adapter_files(folder).items()), []).append((step, folder))
    found = [
        Candidate(
            step=members[0][0],
            folders=tuple(folder for _, folder in members),
            final=members[-1][1] == final,
            adapter=dict(adapter),
        )
        for adapter, members in groups.items()
    ]
    return sorted(found, key=lambda one: (one.step, one.final))


def training_loss(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """`loss` and, where there was validation, `eval_loss` by step: nats per token.

    From the state of the whole training, or of its newest whole checkpoint while that is missing.
    """
    states = [folder / _STATE]
    states += [path / _STATE for _, path in reversed(checkpoints.steps(folder))]
    for path in states:
        try:
            log = jsonl.read_json(path)["log_history"]
            series = {
                key: [(int(one["step"]), float(one[key])) for one in log if key in one]
                for key in ("loss", "eval_loss")
            }
        except (InputError, KeyError, OverflowError, TypeError, ValueError):
            continue  # missing, or cut short and told elsewhere
        return {key: points for key, points in series.items() if points}
    return {}


def summed_up(points: Sequence[Point], *, measure: str, seed: int) -> Sweep:
    """Choose the best of N points over the same rows and compare all with the last.

    The family of tests is every other candidate against the last: the best is one of them,
    whichever it turns out to be, so Holm's adjustment also covers that it was chosen.

    Raises:
        InputError: If there is no point.
    """
    if not points:
        raise InputError("no checkpoint has scores")
    ordered = sorted(points, key=lambda one: one.step)
    *others, last = ordered
    tests = [
        randomisation(
            one.values[measure], last.values[measure], last.dialogues, scale=PERCENT, seed=seed
        )
        for one in others
    ]
    adjusted = holm([test.p for test in tests])
    return Sweep(
        measure=measure,
        points=tuple(ordered),
        best=max(ordered, key=lambda one: one.estimates[measure].mean),
        against_last=tuple(
            AgainstLast(one.name, test.difference, test.p, p, test.exact)
            for one, test, p in zip(others, tests, adjusted, strict=True)
        ),
        seed=seed,
    )


def _no_adapter(folder: Path) -> str | None:
    if not (folder / _CONFIG).is_file():
        return f"no {_CONFIG}: a sweep predicts with adapters"
    if not any((folder / name).is_file() for name in _WEIGHTS):
        return "no adapter weights"
    return None


def _adapter_files(folder: Path) -> dict[str, str]:
    names = (_CONFIG, *_WEIGHTS)
    return {name: files.sha256(folder / name) for name in names if (folder / name).is_file()}


def _final_step(folder: Path, *, default: int) -> int:
    """The steps of the whole training; the newest checkpoint's where its state is missing."""
    path = folder / _STATE
    state = jsonl.read_json(path) if path.is_file() else None
    step = state.get("global_step") if isinstance(state, dict) else None
    return step if isinstance(step, int) else default
