"""How large a training's checkpoints will be, from the base model's config and the recipe."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_RANK = 8  # LLaMA-Factory's default lora_rank
# A weight is kept in float32 while it is trained, and Adam keeps two more numbers for it.
_BYTES = 4 * 3
_FILES_BESIDE = 32 << 20  # tokenizer, random state, log: 20 MB with the largest of our models


def checkpoint_bytes(config: Any, settings: Mapping[str, Any]) -> int:
    """Bytes of one checkpoint of the model that `config` describes.

    Args:
        config: A transformers config; no weights are loaded.
        settings: A recipe's settings: finetuning_type, lora_rank, lora_target, additional_target.
    """
    if settings.get("finetuning_type", "lora") == "lora":
        trained = lora_parameters(config, settings)
    else:
        trained = sum(weight.numel() for weight in _empty_model(config).parameters())
    return trained * _BYTES + _FILES_BESIDE


def lora_parameters(config: Any, settings: Mapping[str, Any]) -> int:
    """Weights that LoRA trains: rank x (in + out) per targeted layer, and whole extra modules."""
    import torch

    rank = int(settings.get("lora_rank", _RANK))
    targets = _names(settings.get("lora_target", "all"))
    whole = _names(settings.get("additional_target"))
    count = 0
    for name, module in _empty_model(config).named_modules():
        last = name.rpartition(".")[2]
        if last in whole:
            count += sum(weight.numel() for weight in module.parameters())
        elif isinstance(module, torch.nn.Linear) and (
            last in targets or ("all" in targets and last != "lm_head")
        ):
            count += rank * (module.in_features + module.out_features)
    return count


def optimizer_steps(rows: int, settings: Mapping[str, Any], *, processes: int = 1) -> int:
    """Steps that a training takes, as the Trainer of transformers 4.52 counts them."""
    most = int(settings.get("max_steps", -1))
    if most > 0:
        return most
    rows = min(rows, int(settings.get("max_samples") or rows))
    batches = math.ceil(rows / (int(settings.get("per_device_train_batch_size", 8)) * processes))
    an_epoch = max(math.ceil(batches / int(settings.get("gradient_accumulation_steps", 1))), 1)
    return math.ceil(float(settings.get("num_train_epochs", 3.0)) * an_epoch)


def checkpoints(steps: int, settings: Mapping[str, Any]) -> int:
    """The most checkpoints that lie on the disk at once, the adapter at the end counted as one."""
    if settings.get("save_strategy", "steps") == "no":
        return 1
    every = float(settings.get("save_steps", 500))
    saved = math.ceil(steps / (every if every >= 1 else max(every * steps, 1)))
    limit = settings.get("save_total_limit")
    # The next one is written before the oldest goes.
    return 1 + (min(saved, int(limit) + 1) if limit else saved)


def effective_batch(settings: Mapping[str, Any], *, processes: int) -> int:
    """Rows per optimizer step over all processes."""
    micro = int(settings.get("per_device_train_batch_size", 8))
    return micro * int(settings.get("gradient_accumulation_steps", 1)) * processes


def _empty_model(config: Any) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):  # shapes without memory
        return AutoModelForCausalLM.from_config(config)


def _names(value: Any) -> list[str]:
    if not value:
        return []
    words = value.split(",") if isinstance(value, str) else value
    return [str(word).strip() for word in words]
