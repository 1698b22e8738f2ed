"""A checkpoint's weights: `.safetensors` or `.bin`, one file or shards with an index, read lazily.

Tensors are views of the mapped file: what is not touched is not read, and what was read can leave
memory again. A shard can therefore be larger than what is free.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mi_llm import jsonl
from mi_llm.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

_SINGLE = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_WEIGHTS = ((_INDEX, _SINGLE), ("pytorch_model.bin.index.json", "pytorch_model.bin"))


def shard_paths(folder: Path) -> list[Path]:
    """The files that hold a checkpoint's weights, in order; `.safetensors` before `.bin`.

    Raises:
        InputError: If there are none, or one that the index names is missing.
    """
    for index, single in _WEIGHTS:
        if (folder / index).exists():
            return _indexed(folder / index)
        if (folder / single).exists():
            return [folder / single]
    names = ", ".join(name for pair in _WEIGHTS for name in pair)
    raise InputError(f"{folder}: no weights; one of these is expected: {names}")


def load(path: Path) -> dict[str, Tensor]:
    """The tensors of one shard by name; no code in the file is run.

    Raises:
        InputError: If the file is missing, cut short or something else.
    """
    import torch
    from safetensors import SafetensorError, safe_open

    tensors: object
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as shard:
                return {name: shard.get_tensor(name) for name in shard.keys()}  # noqa: SIM118 no mapping
        tensors = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except (SafetensorError, RuntimeError, OSError, EOFError, ValueError, pickle.PickleError):
        kind = "safetensors" if path.suffix == ".safetensors" else "PyTorch"
        raise InputError(f"{path}: not a whole {kind} file of weights; fetch it again") from None
    if not isinstance(tensors, Mapping) or not all(map(torch.is_tensor, tensors.values())):
        raise InputError(f"{path}: holds more than tensors; fetch the checkpoint's own file")
    return dict(tensors)


def load_all(paths: list[Path]) -> Iterator[tuple[Path, dict[str, Tensor]]]:
    """Yield each shard with its tensors.

    Raises:
        InputError: As `load` does, and if a tensor is in two shards.
    """
    seen: dict[str, Path] = {}
    for path in paths:
        tensors = load(path)
        for name in tensors:
            if name in seen:
                raise InputError(f"{path}: {name} is in {seen[name].name} as well; leave one out")
            seen[name] = path
        yield path, tensors


def output_name(number: int, count: int) -> str:
    """The name of shard `number` of `count`, from 1, as transformers names them."""
    return _SINGLE if count == 1 else f"model-{number:05}-of-{count:05}.safetensors"


def write_index(folder: Path, weight_map: Mapping[str, str], total_size: int) -> None:
    """Write the index of several shards: each tensor's file, and the sum of their bytes."""
    facts = {"metadata": {"total_size": total_size}, "weight_map": dict(weight_map)}
    (folder / _INDEX).write_text(jsonl.dumped(facts, indent=1) + "\n", encoding="utf-8")


def _indexed(index: Path) -> list[Path]:
    found = jsonl.read_json(index)
    places = found.get("weight_map") if isinstance(found, dict) else None
    if not isinstance(places, dict) or not all(isinstance(one, str) for one in places.values()):
        raise InputError(f"{index}: no 'weight_map' from tensors to files; fetch it again")
    paths = [index.with_name(name) for name in sorted(set(places.values()))]
    for path in paths:
        if not path.is_file():
            raise InputError(f"{path}: missing, but {index.name} names it; fetch it")
    return paths
