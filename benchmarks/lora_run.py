"""One run of a recipe with `llamafactory-cli`, and what its log says of speed and memory."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mi_llm import jsonl
from mi_llm.recipe import Recipe, load_recipe

ROOT = Path(__file__).resolve().parent.parent
# LLaMA-Factory 0.9.3 goes on without the option after these (`model_utils`).
_WARNINGS = ("does not support liger kernel", "FlashAttention-2 is not installed")
_PADDED_TO = 8  # LLaMA-Factory pads a batch to a multiple of it

Status = Literal["ok", "ignored", "refused", "out-of-memory", "failed"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run went; the numbers are None unless its status is `ok`.

    Attributes:
        status: `ignored`: LLaMA-Factory warned and ran without the option. `refused`: it ended
            before the first step. `failed`: it ended later, or its log disagrees with its rows.
        reason: The line that says why; empty if `ok`.
        lengths: Tokens of each row trained on after the warm-up, padding left out.
        padded: Tokens after the warm-up, padding included.
        seconds: From the end of the warm-up's last step to the end of the last step.
        peak: GiB that PyTorch reserved on the GPU at most, loading included; 0 on a CPU.
    """

    status: Status
    reason: str = ""
    lengths: tuple[int, ...] = ()
    padded: int = 0
    seconds: float = 0.0
    peak: float = 0.0

    @property
    def speed(self) -> float | None:
        """Real tokens per second; None if the run gave no numbers."""
        return sum(self.lengths) / self.seconds if self.status == "ok" else None


def measured(
    path: Path, overrides: Sequence[str], *, folder: Path, rows: Path, steps: int, warm_up: int
) -> Outcome:
    """Run a recipe and read its log.

    Args:
        path: The recipe.
        overrides: `key=value` words: the model and the setting.
        folder: The run's own folder, emptied first.
        rows: Folder of the dataset `bench`; what LLaMA-Factory tokenizes is kept there.
        steps: Optimizer steps.
        warm_up: How many of them are not measured; at least one.
    """
    shutil.rmtree(folder, ignore_errors=True)
    recipe = load_recipe(path, [*overrides, f"output_dir={folder}"])
    tokenized = rows / ("packed" if recipe.settings.get("packing") else "single")
    words = [
        *overrides,
        f"output_dir={folder}",
        f"dataset_dir={rows}",
        "dataset=bench",
        f"tokenized_path={tokenized}",
        f"max_steps={steps}",
        "logging_steps=1",
        "save_strategy='no'",  # unquoted it is YAML's false
        "plot_loss=false",
        "include_num_input_tokens_seen=true",
        "disable_shuffling=true",  # so that every setting meets the same rows in the same order
    ]
    program = Path(sys.executable).parent / "llamafactory-cli"
    done = subprocess.run(
        [str(program), "train", str(path), *words],
        cwd=ROOT,
        env=_environment(rows),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "output.txt").write_text(done.stdout, encoding="utf-8")
    log = _log(folder / "trainer_log.jsonl")
    found = fault(done.returncode, done.stdout, begun=bool(log))
    return found or _numbers(recipe, log, tokenized, warm_up)


def _environment(rows: Path) -> dict[str, str]:
    # Of several GPUs LLaMA-Factory would use all, and the effective batch would grow with them.
    first_gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    return {
        **os.environ,
        "CUDA_VISIBLE_DEVICES": first_gpu,
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_CACHE": str(rows / "cache"),
        "RECORD_VRAM": "1",  # peak memory into trainer_log.jsonl
    }


def _log(path: Path) -> dict[int, dict[str, Any]]:
    """The first record of each step; a summary follows the last step under the same number."""
    if not path.exists():
        return {}
    found: dict[int, dict[str, Any]] = {}
    for _, record in jsonl.read_lines(path):
        found.setdefault(record["current_steps"], record)
    return found


def fault(code: int, output: str, *, begun: bool) -> Outcome | None:
    """What a run's exit code and output say against it; None if nothing.

    Args:
        code: Its exit code, negative for a signal.
        output: All it printed.
        begun: Whether it finished a step.
    """
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    if not code:
        warned = [line for line in lines if any(warning in line for warning in _WARNINGS)]
        return Outcome("ignored", warned[0].rpartition(">> ")[2]) if warned else None
    memory = [line for line in lines if "OutOfMemoryError" in line or "out of memory" in line]
    if memory:
        return Outcome("out-of-memory", memory[-1])
    if code < 0:
        return Outcome("failed", f"ended by signal {-code}")
    errors = [line for line in lines if "Error" in line.partition(":")[0]]
    reason = (errors or lines or [f"exit code {code}"])[-1]
    return Outcome("failed" if begun else "refused", reason)


def _numbers(
    recipe: Recipe, log: dict[int, dict[str, Any]], tokenized: Path, warm_up: int
) -> Outcome:
    micro = int(recipe.settings["per_device_train_batch_size"])
    batch = micro * int(recipe.settings["gradient_accumulation_steps"])
    last = max(log)
    rows = _rows(tokenized, warm_up * batch, last * batch)
    padded = log[last]["total_tokens"] - log[warm_up]["total_tokens"]
    expected = padded_tokens([length for length, _ in rows], micro)
    if padded != expected:
        reason = f"the log counts {padded} tokens with padding, the rows have {expected}"
        return Outcome("failed", reason)
    return Outcome(
        "ok",
        lengths=tuple(length for _, parts in rows for length in parts),
        padded=padded,
        seconds=_seconds(log[last]) - _seconds(log[warm_up]),
        peak=max(record.get("vram_reserved", 0.0) for record in log.values()),
    )


def _seconds(record: dict[str, Any]) -> float:
    """Since training began; `elapsed_time` is cut to whole seconds, this is exact."""
    return float(record["total_tokens"] / record["throughput"])


def _rows(tokenized: Path, first: int, end: int) -> list[tuple[int, tuple[int, ...]]]:
    """Tokens that the model is fed of each row, and those of the dialogues packed into it."""
    from datasets import load_from_disk

    data = load_from_disk(str(tokenized))["train"]
    # Where rows run short the next epoch begins, and the log's tokens are not these rows'.
    masks = data.select(range(first, min(end, len(data))))["attention_mask"]
    # A neatly packed row numbers its dialogues from 1; 0 is padding.
    counts = [Counter(mask) for mask in masks]
    return [
        (len(mask), tuple(number for part, number in sorted(count.items()) if part))
        for mask, count in zip(masks, counts, strict=True)
    ]


def padded_tokens(lengths: Sequence[int], micro: int) -> int:
    """Tokens of these rows in batches of `micro`, each padded to its longest row."""
    batches = [lengths[start : start + micro] for start in range(0, len(lengths), micro)]
    return sum(len(batch) * -(-max(batch) // _PADDED_TO) * _PADDED_TO for batch in batches)
