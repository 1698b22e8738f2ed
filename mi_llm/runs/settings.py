"""Whether LLaMA-Factory would take a recipe's settings, asked of its own parser."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

from mi_llm.runs import installed

_UNKNOWN = re.compile(r"not used by the HfArgumentParser: \[(.*)\]")
# Settings that need a package of their own; the versions are those LLaMA-Factory 0.9.3 asks for.
_PACKAGES = {
    "quantization_bit": "bitsandbytes>=0.39.0",
    "deepspeed": "deepspeed>=0.10.0,<=0.16.9",
    "enable_liger_kernel": "liger-kernel",
    "use_unsloth": "unsloth",
}
# These are built while they are parsed, which needs the processes that torchrun starts.
_NEEDS_PROCESSES = ("deepspeed", "fsdp", "fsdp_config")


def faults(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the settings of a recipe, each with its remedy.

    Args:
        settings: Keys and values as `llamafactory-cli` would get them.
    """
    for key, requirement in _PACKAGES.items():
        missing = installed.fault(requirement) if settings.get(key) else None
        if missing:
            yield f"{key}: {missing}; pip install '{requirement}'"
    told = {key: value for key, value in settings.items() if key not in _NEEDS_PROCESSES}
    refusal = _refusal(told)
    if refusal and "bf16" in refusal:  # raised first, and alone
        yield (
            "bf16: true needs a GPU of the Ampere generation or newer, and there is none here; on "
            "an older one add bf16=false fp16=true, to try it on a CPU use_cpu=true"
        )
        refusal = _refusal(_anywhere(settings))
    if refusal:
        yield refusal


def readable(settings: Mapping[str, Any]) -> bool:
    """Whether some machine would take them, so that what they say can be relied on."""
    return _refusal(_anywhere(settings)) is None


def _anywhere(settings: Mapping[str, Any]) -> dict[str, Any]:
    told = {key: value for key, value in settings.items() if key not in _NEEDS_PROCESSES}
    return told | {"use_cpu": True} if "stage" in told else told


def _refusal(settings: Mapping[str, Any]) -> str | None:
    from llamafactory.hparams import parser

    # Private, but all that parses without starting processes; the pin keeps them where they are.
    parse = parser._parse_train_args if "stage" in settings else parser._parse_infer_args
    try:
        parse(dict(settings))
    except (ImportError, OSError, TypeError, ValueError) as error:
        unknown = _UNKNOWN.search(str(error))
        return _unknown_names(unknown[1]) if unknown else str(error)
    return None


def _unknown_names(listed: str) -> str:
    from llamafactory.hparams import parser

    known = [field.name for kind in parser._TRAIN_ARGS for field in fields(kind)]
    told = []
    for name in re.findall(r"'([^']*)'", listed):
        near = get_close_matches(name, known, n=1)
        told.append(f"no setting {name!r}" + (f", perhaps {near[0]!r}" if near else ""))
    return f"LLaMA-Factory knows {'; '.join(told)}"
