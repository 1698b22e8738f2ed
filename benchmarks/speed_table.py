"""The table of training speeds, in Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from benchmarks.lora_run import Outcome
from benchmarks.training_flops import PEAK_TFLOPS, Shape
from mi_llm import stamp

PACKAGES = ("torch", "transformers", "llamafactory", "peft", "liger-kernel", "flash-attn")
_HEAD = (
    "model",
    "setting",
    "tokens/s",
    "x paper",
    "padding",
    "peak GiB",
    "share of peak",
    "with recomputing",
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table.

    Attributes:
        model: The recipe's name without `_lora`.
        setting: `paper`, or words of `benchmarks/train.py` joined by `+`.
        outcome: None if nothing was run.
        shape: The model's; None if nothing was run.
    """

    model: str
    setting: str
    outcome: Outcome | None = None
    shape: Shape | None = None


def report(lines: Sequence[Line], *, device: str, steps: int, warm_up: int, rows: str) -> str:
    """The table with what is needed to read it.

    Args:
        lines: In the order of the table.
        device: As the driver names it; its peak may be unknown.
        steps: Optimizer steps of each run.
        warm_up: How many of them were not measured.
        rows: Where the rows are from.
    """
    versions = ", ".join(f"{name} {version}" for name, version in stamp.versions(PACKAGES).items())
    table = [_HEAD, ("---",) * 2 + ("---:",) * 6, *(_cells(one, lines, device) for one in lines)]
    parts = [
        f"Device: {device}. {datetime.now(UTC):%Y-%m-%d}. {versions}. Commit {stamp.commit()}.",
        "\n".join(f"| {' | '.join(cells)} |" for cells in table),
        "\n".join(_notes(lines, steps=steps, warm_up=warm_up, rows=rows)),
    ]
    return "\n\n".join(parts) + "\n"


def _cells(line: Line, lines: Sequence[Line], device: str) -> tuple[str, ...]:
    outcome, shape = line.outcome, line.shape
    if outcome is None or shape is None:
        return (line.model, line.setting, *("not run",) * 6)
    if outcome.speed is None:
        return (line.model, line.setting, outcome.status, *("-",) * 5)
    paper = next(
        (one.outcome for one in lines if (one.model, one.setting) == (line.model, "paper")), None
    )
    base = paper.speed if paper else None
    checkpointing = "nocheck" not in line.setting.split("+")
    return (
        line.model,
        line.setting,
        f"{outcome.speed:,.0f}",
        f"{outcome.speed / base:.2f}" if base else "-",
        f"{1 - sum(outcome.lengths) / outcome.padded:.1%}",
        f"{outcome.peak:.1f}" if outcome.peak else "-",
        _share(shape.model_flops(outcome.lengths), outcome.seconds, device),
        _share(
            shape.hardware_flops(outcome.lengths, checkpointing=checkpointing),
            outcome.seconds,
            device,
        ),
    )


def _share(flops: int, seconds: float, device: str) -> str:
    peak = PEAK_TFLOPS.get(device)
    return f"{flops / seconds / (peak * 1e12):.1%}" if peak else "unknown"


def _notes(lines: Sequence[Line], *, steps: int, warm_up: int, rows: str) -> Iterator[str]:
    yield (
        f"- tokens/s: tokens of the rows, padding left out, over steps {warm_up + 1} to {steps}; "
        "weights are random, the effective batch is 8 rows, one GPU."
    )
    yield f"- Rows: {rows}."
    for model in dict.fromkeys(line.model for line in lines):
        yield from _lengths([one for one in lines if one.model == model])
    yield (
        "- packed: a row is as many dialogues as fit into cutoff_len, so a step learns from more "
        "of them and an epoch has fewer steps; it is another training, not only a faster one."
    )
    yield (
        "- peak GiB: what PyTorch reserved at most, loading included; the CUDA context comes on "
        "top. liger is applied to Llama shapes only: LLaMA-Factory 0.9.3 knows no kernel for GLM "
        "(model_type glm) and says so."
    )
    yield (
        "- share of peak: model FLOPs (4 N a token and causal attention three times) against dense "
        "bfloat16; with recomputing: the layers' second forward of gradient checkpointing too."
    )
    for line in lines:
        if line.outcome and line.outcome.reason:
            outcome = line.outcome
            yield f"- {line.model} {line.setting}: {outcome.status}: {outcome.reason[:200]}"


def _lengths(lines: Sequence[Line]) -> Iterator[str]:
    measured = [one for one in lines if one.outcome and one.outcome.lengths]
    for line in measured[:1]:
        assert line.outcome
        lengths = line.outcome.lengths
        yield (
            f"- {line.model} {line.setting}: {len(lengths)} rows measured, tokens median "
            f"{statistics.median(lengths):.0f}, mean {statistics.mean(lengths):.0f}, "
            f"{min(lengths)} to {max(lengths)}."
        )
