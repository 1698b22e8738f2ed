"""LoRA training speed of the recipes at full size, with random weights: no download.

Usage: python benchmarks/train.py [--models glm4,baichuan2] [--settings paper,4x2+liger] [-o FILE]

A setting is `paper`, the recipe as it is, or words joined by +, each standing for overrides:

    2x4 4x2 8x1   micro batch x accumulation; the effective batch stays 8
    liger         enable_liger_kernel=true
    sdpa fa2      flash_attn
    packed        packing=true neat_packing=true
    nocheck       disable_gradient_checkpointing=true

Without a GPU the table says "not run"; --tiny tries everything on the CPU with stand-ins.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path

from benchmarks import drawn_rows, lora_run, speed_table
from benchmarks.full_size import GEOMETRIES, ROOT
from benchmarks.speed_table import Line
from benchmarks.training_flops import shape
from mi_llm import files
from mi_llm.errors import InputError
from mi_llm.recipe import load_recipe

WORDS: dict[str, tuple[str, ...]] = {
    "paper": (),
    "2x4": ("per_device_train_batch_size=2", "gradient_accumulation_steps=4"),
    "4x2": ("per_device_train_batch_size=4", "gradient_accumulation_steps=2"),
    "8x1": ("per_device_train_batch_size=8", "gradient_accumulation_steps=1"),
    "liger": ("enable_liger_kernel=true",),
    "sdpa": ("flash_attn=sdpa",),
    "fa2": ("flash_attn=fa2",),
    "packed": ("packing=true", "neat_packing=true"),
    "nocheck": ("disable_gradient_checkpointing=true",),
}
SETTINGS = (
    "paper 2x4 4x2 8x1 liger 2x4+liger 4x2+liger 8x1+liger sdpa fa2 8x1+fa2 nocheck 4x2+nocheck "
    "packed 4x2+packed 4x2+packed+fa2 4x2+packed+liger 4x2+packed+liger+nocheck"
).split()
_BATCH = 8  # rows per optimizer step, in every setting
_CPU = ("use_cpu=true", "preprocessing_num_workers=1")
_DISK = 22_000_000_000  # bytes: the largest checkpoint is 18.8 GB


def main() -> None:
    """Measure what was asked for and print the table; a file of it is written after every run."""
    args = _arguments()
    models = chosen(args.models.split(","), GEOMETRIES)
    settings = args.settings.split(",")
    chosen([word for setting in settings for word in setting.split("+")], WORDS)
    if args.output:
        files.refuse_existing(args.output, overwrite=args.overwrite)
    if args.rows:
        drawn_rows.read(args.rows)  # what is wrong with them is said before the work begins
    lines = [Line(model, setting) for model in models for setting in settings]
    device = "CPU with tiny stand-ins, no measure of speed" if args.tiny else gpu()
    if device:
        with ExitStack() as stack:
            work = args.work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
            for model in models:
                _measure(model, lines, args, work.resolve(), device)
    else:
        print("no GPU that PyTorch can use: nothing was run")
    print(_published(lines, args, device or "none"))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--models", default=",".join(GEOMETRIES))
    add("--settings", default=",".join(SETTINGS))
    add("--steps", type=int, default=30, help="optimizer steps of a run")
    add("--warm-up", type=int, default=5, help="first steps, which are not measured")
    add("--rows", type=Path, help="Alpaca rows to train on instead of drawn ones")
    add("--work", type=Path, help="folder for the checkpoints instead of a temporary one")
    add("--keep", action="store_true", help="leave the checkpoints in --work for the next call")
    add("--tiny", action="store_true", help="stand-ins on the CPU, to try the script")
    add("-o", "--output", type=Path, help="Markdown file for the table")
    add("--overwrite", action="store_true", help="replace the output if it exists")
    args = parser.parse_args()
    if not 0 < args.warm_up < args.steps:
        raise InputError(f"--warm-up {args.warm_up}: give at least 1 and less than --steps")
    if args.keep and not args.work:
        raise InputError("--keep: a temporary folder is not kept; give --work FOLDER")
    return args


def chosen(names: list[str], known: Collection[str]) -> list[str]:
    """The names as they are.

    Raises:
        InputError: If one is not known.
    """
    for name in names:
        if name not in known:
            raise InputError(f"no {name!r}; there are: {', '.join(known)}")
    return names


def gpu() -> str | None:
    """The name of the first GPU that PyTorch can use; None if there is none.

    Asked in another process, so that this one holds none of the GPU's memory.
    """
    asked = "import torch; torch.cuda.is_available() and print(torch.cuda.get_device_name(0))"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True)
    return done.stdout.strip() or None


def _measure(
    model: str, lines: list[Line], args: argparse.Namespace, work: Path, device: str
) -> None:
    """Run every line of a model, in its place."""
    folder = work / (f"{model}-tiny" if args.tiny else model)
    path = Path(f"configs/{model}_lora.yaml")
    checkpoint, rows = folder / "checkpoint", folder / "rows"
    _make_checkpoint(model, checkpoint, tiny=args.tiny)
    _write_rows(checkpoint, rows, args, load_recipe(ROOT / path).cutoff_len)
    facts = shape(checkpoint)
    for index, line in enumerate(lines):
        if line.model != model:
            continue
        outcome = lora_run.measured(
            path,
            [*overrides(line.setting, checkpoint), *(_CPU if args.tiny else ())],
            folder=folder / "runs" / line.setting,
            rows=rows,
            steps=args.steps,
            warm_up=args.warm_up,
        )
        lines[index] = Line(model, line.setting, outcome, facts)
        print(model, line.setting, outcome.status, outcome.reason, flush=True)
        _published(lines, args, device)
    if not args.keep:
        shutil.rmtree(folder)


def _make_checkpoint(model: str, checkpoint: Path, *, tiny: bool) -> None:
    if checkpoint.exists():
        return
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(checkpoint.parent).free
    if free < _DISK and not tiny:
        raise InputError(
            f"{checkpoint.parent}: {free / 1e9:.0f} GB free, {_DISK / 1e9:.0f} GB needed; "
            "give --work FOLDER on another disk"
        )
    command = [sys.executable, "-m", "benchmarks.full_size", model, str(checkpoint)]
    subprocess.run([*command, *(["--tiny"] if tiny else [])], cwd=ROOT, check=True)


def _write_rows(checkpoint: Path, folder: Path, args: argparse.Namespace, cutoff: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # with what was tokenized of other rows
    count = _BATCH * args.steps
    # A packed row is cutoff tokens long: this many tokens fill as many packed rows as are needed.
    drawn_rows.write(
        checkpoint, folder, given=args.rows, rows=count, tokens=count * cutoff, cutoff=cutoff
    )


def overrides(setting: str, checkpoint: Path) -> list[str]:
    """The `key=value` words of a setting on a checkpoint."""
    words = [word for name in setting.split("+") for word in WORDS[name]]
    return [f"model_name_or_path={checkpoint}", *words]


def _published(lines: list[Line], args: argparse.Namespace, device: str) -> str:
    """The report, which is also written if a file was asked for."""
    text = speed_table.report(
        lines,
        device=device,
        steps=args.steps,
        warm_up=args.warm_up,
        rows=args.rows.name if args.rows else drawn_rows.STATED,
    )
    if args.output:
        with files.whole(args.output, overwrite=True) as stream:
            stream.write(text)
    return text


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
