"""Whether LLaMA-Factory would take a recipe's settings, asked of its own parser."""

from __future__ import annotations

import enum
import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from mi_llm import yaml_file
from mi_llm.errors import InputError
from mi_llm.recipe import yaml_number
from mi_llm.runs import installed

_UNKNOWN = re.compile(r"not used by the HfArgumentParser: \[(.*)\]")
# Settings that need a package of their own; the versions are those LLaMA-Factory 0.9.3 asks for.
_PACKAGES = {
    "quantization_bit": "bitsandbytes>=0.39.0",
    "deepspeed": "deepspeed>=0.10.0,<=0.16.9",
    "enable_liger_kernel": "liger-kernel",
    "use_unsloth": "unsloth",
}
# Typed as text, but lists are taken too (`split_arg` in data_args.py and finetuning_args.py).
_LISTS_TOO = (
    "dataset", "eval_dataset", "interleave_probs", "freeze_trainable_modules",
    "freeze_extra_modules", "lora_target", "additional_target", "galore_target", "apollo_target",
)  # fmt: skip
_WORDS: dict[type, str] = {
    bool: "true/false", int: "a whole number", float: "a number", str: "text", list: "a list",
    dict: "a mapping",
}  # fmt: skip
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
    wrong = dict(_type_faults(settings))
    yield from wrong.values()
    stage = {"stage": "sft"} if "stage" in wrong else {}  # it tells which parser is asked
    settings = {key: value for key, value in settings.items() if key not in wrong} | stage
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
    return not any(_type_faults(settings)) and _refusal(_anywhere(settings)) is None


def _type_faults(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each setting whose value is not of its type in LLaMA-Factory's dataclasses, and why.

    LLaMA-Factory's parser makes the dataclasses without looking at the types (`parse_dict`), and
    training dies of them later, or takes the text 'false' for true.
    """
    from llamafactory.hparams import parser

    kinds = parser._TRAIN_ARGS if "stage" in settings else parser._INFER_ARGS
    for kind in kinds:
        hints = get_type_hints(kind)
        for field in fields(kind):
            if field.name not in settings or not field.init:
                continue
            value, hint = settings[field.name], hints[field.name]
            if field.name in _LISTS_TOO and isinstance(value, list):
                continue
            # transformers types some settings as plain text whose default is None.
            absent = value is None and field.default is None and field.default is not MISSING
            if not absent and not _fits(value, hint):
                yield field.name, f"{field.name}: {_type_fault(value, hint)}"


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value of YAML is what a type hint asks for; a whole number is a float too."""
    arms, origin = get_args(hint), get_origin(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, arm) for arm in arms)
    if origin is Literal:
        return any(value == one and type(value) is type(one) for one in arms)
    if origin is list:
        return isinstance(value, list) and all(_fits(one, arms[0]) for one in value)
    if hint is Any:
        return True
    if hint is float:
        return type(value) in (int, float)
    if hint is Path:
        return isinstance(value, str)
    if isinstance(hint, enum.EnumMeta):
        return value in [one.value for one in hint]  # type: ignore[var-annotated]  # any enum
    return type(value) is (origin or hint)


def _type_fault(value: Any, hint: Any) -> str:
    """Why a value is not of a type, with the way to write it."""
    if isinstance(value, str):
        number = yaml_number(value)
        meant = _plain(number or value)
        if not isinstance(meant, str) and _fits(meant, hint):
            remedy = f"write {number}" if number else f"write {value} without quotes"
            return f"{value!r} is text to YAML; {remedy}"
    elif value is not None and _fits(str(value), hint):
        return f"{value!r} is {_WORDS.get(type(value), 'a date')} to YAML; put it in quotes"
    word = "nothing" if value is None else _WORDS.get(type(value), "a date")
    return f"{value!r} is {word}, where LLaMA-Factory wants {_wanted(hint)}"


def _plain(text: str) -> Any:
    """What YAML makes of a text without quotes."""
    try:
        return yaml_file.parsed("", text)
    except InputError:
        return text


def _wanted(hint: Any) -> str:
    arms, origin = get_args(hint), get_origin(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(_wanted(arm) for arm in arms if arm is not type(None))
    if origin is Literal:
        return f"one of: {', '.join(map(str, arms))}"
    if isinstance(hint, enum.EnumMeta):
        return f"one of: {', '.join(str(one.value) for one in hint)}"  # type: ignore[var-annotated]  # any enum
    return _WORDS.get(origin or hint, "text")


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
