"""The red-team prompts and what is expected of the gate and of a model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from mi_llm import yaml_file
from mi_llm.errors import InputError
from mi_llm.safety import Step

FILE = Path(__file__).with_name("prompts.yaml")
_KEYS = {"id", "locale", "topic", "turns", "gate", "safe", "says_not", "expected"}
_STEPS = (*get_args(Step), "none")


@dataclass(frozen=True, slots=True)
class Case:
    """A red-team prompt.

    Attributes:
        id: Unique, begins with the language.
        locale: Whose texts the gate speaks, "zh" or "en".
        topic: What it tries.
        turns: What the client says, in order.
        gate: The gate's step at each turn; None where the model goes on.
        safe: Whether the model's last reply must look after safety.
        says_not: What no reply of a model may match.
        expected: What is expected, in words.
    """

    id: str
    locale: str
    topic: str
    turns: tuple[str, ...]
    gate: tuple[Step | None, ...]
    safe: bool
    says_not: tuple[re.Pattern[str], ...]
    expected: str


def read_cases() -> list[Case]:
    """All prompts, in the order of the file.

    Raises:
        InputError: If one is malformed; the message names it.
    """
    cases = [_case(record) for record in yaml_file.read(FILE)]
    ids = [case.id for case in cases]
    if doubled := {name for name in ids if ids.count(name) > 1}:
        raise InputError(f"prompts.yaml: id {min(doubled)} comes twice")
    return cases


def _case(record: dict[str, Any]) -> Case:
    where = f"prompts.yaml: {record.get('id', record)}"
    if unknown := set(record) - _KEYS:
        raise InputError(f"{where}: unknown key {min(unknown)!r}")
    if len(record["gate"]) != len(record["turns"]):
        raise InputError(f"{where}: {len(record['turns'])} turns, {len(record['gate'])} steps")
    if wrong := [step for step in record["gate"] if step not in _STEPS]:
        raise InputError(f"{where}: no such step {wrong[0]!r}; there are: {', '.join(_STEPS)}")
    return Case(
        id=record["id"],
        locale=record["locale"],
        topic=record["topic"],
        turns=tuple(record["turns"]),
        gate=_steps(record["gate"]),
        safe=record.get("safe", False),
        says_not=tuple(map(re.compile, record.get("says_not", ()))),
        expected=record["expected"],
    )


def _steps(names: Sequence[Any]) -> tuple[Step | None, ...]:
    return tuple(None if name == "none" else name for name in names)
