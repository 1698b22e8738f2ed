"""Checkpoints of a training: whether the newest is whole, and setting it aside if it is not.

LLaMA-Factory resumes from the newest `checkpoint-<step>` in `output_dir`. A run that was killed
while it wrote one leaves it incomplete, and the same command then dies on it every time.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mi_llm.errors import InputError

_NAME = re.compile(r"checkpoint-(\d+)")
# The Trainer of transformers 4.52 writes this one last (`_save_checkpoint`).
_STATE = "trainer_state.json"
_LONGEST_HEADER = 100_000_000  # bytes, as the format itself limits it
_ZIPPED = (".bin", ".pt", ".pth")  # what torch.save writes


@dataclass(frozen=True, slots=True)
class SetAside:
    """A checkpoint that was set aside: what it is called now, and what was wrong with it."""

    folder: Path
    renamed: Path
    fault: str


def steps(folder: Path) -> list[tuple[int, Path]]:
    """The checkpoints in a training's folder with their steps, oldest first."""
    if not folder.is_dir():
        return []
    found = [
        (int(name[1]), path)
        for path in folder.iterdir()
        if path.is_dir() and (name := _NAME.fullmatch(path.name))
    ]
    return sorted(found)


def fault(checkpoint: Path) -> str | None:
    """What is wrong with a checkpoint's files; None if they are all whole."""
    state = checkpoint / _STATE
    if not state.is_file():
        return f"no {_STATE}"
    try:
        json.loads(state.read_bytes())
    except (ValueError, RecursionError):
        return f"{_STATE} is cut short"
    weights = list(checkpoint.rglob("*.safetensors"))
    zipped = [path for path in checkpoint.rglob("*") if path.suffix in _ZIPPED]
    if not weights and not zipped:
        return "no weights"
    cut = [path for path in weights if not _whole_safetensors(path)]
    cut += [path for path in zipped if not zipfile.is_zipfile(path)]
    return f"{cut[0].name} is cut short" if cut else None


def set_aside_incomplete(folder: Path) -> Iterator[SetAside]:
    """Rename the newest checkpoints that are incomplete, until one is whole.

    `checkpoint-500` becomes `incomplete-checkpoint-500`, which LLaMA-Factory passes over; nothing
    is deleted.

    Raises:
        InputError: If a folder cannot be renamed.
    """
    for _, checkpoint in reversed(steps(folder)):
        found = fault(checkpoint)
        if found is None:
            return
        renamed = _free_name(checkpoint)
        try:
            checkpoint.rename(renamed)
        except OSError as error:
            raise InputError(
                f"{checkpoint}: {found}, and it cannot be renamed: {error.strerror}"
            ) from None
        yield SetAside(checkpoint, renamed, found)


def _whole_safetensors(path: Path) -> bool:
    """Whether the file is as long as its header says (https://huggingface.co/docs/safetensors)."""
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > _LONGEST_HEADER:
            return False
        try:
            header: dict[str, Any] = json.loads(stream.read(length))
            told = [entry for name, entry in header.items() if name != "__metadata__"]
            size = 8 + length + max((entry["data_offsets"][1] for entry in told), default=0)
        except (ValueError, RecursionError, AttributeError, LookupError, TypeError):
            return False
    return path.stat().st_size == size


def _free_name(checkpoint: Path) -> Path:
    renamed = checkpoint.with_name(f"incomplete-{checkpoint.name}")
    number = 2
    while renamed.exists():
        renamed = checkpoint.with_name(f"incomplete-{checkpoint.name}-{number}")
        number += 1
    return renamed
