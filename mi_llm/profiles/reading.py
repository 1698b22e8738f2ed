"""Profiles from YAML (typed by people), JSON Lines (written by programs) or the authors' sheet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mi_llm import jsonl, yaml_file
from mi_llm.errors import InputError
from mi_llm.profiles import authors_sheet
from mi_llm.profiles.faults import faults, shown
from mi_llm.profiles.schema import Profile

_Records = Callable[[Path], Iterable[tuple[str, Any]]]


@dataclass(frozen=True, slots=True)
class Examined:
    """A file of profiles with all that is wrong in it.

    Attributes:
        profiles: Those without a fault, in the file's order.
        faults: One line each, naming file, profile and field.
    """

    profiles: tuple[Profile, ...]
    faults: tuple[str, ...]


def read_profiles(path: Path) -> list[Profile]:
    """The profiles of a file, in its order; at least one, ids unique.

    Args:
        path: `.yaml` or `.yml` (a list of profiles), `.jsonl` (one a line) or `.xlsx` (the MI-LLM
            authors' sheet 对话纲要).

    Raises:
        InputError: If anything is wrong in it; the first fault, and how many more there are.
    """
    examined = examine(path)
    if examined.faults:
        first, *others = examined.faults
        raise InputError(first + (f" (and {len(others):,} more)" if others else ""))
    return list(examined.profiles)


def examine(path: Path) -> Examined:
    """Read a file of profiles to its end, whatever is wrong with single profiles.

    Raises:
        InputError: If the file cannot be read at all, or holds no profile.
    """
    kind = _KINDS.get(path.suffix.lower())
    if kind is None:
        raise InputError(f"{path}: profiles stand in {', '.join(_KINDS)} files; rename or convert")
    profiles: dict[str, Profile] = {}
    found: list[str] = []
    number = 0
    for number, (where, record) in enumerate(kind(path), start=1):
        name = f"{where}: profile {_name(record, number)}"
        try:
            profile = Profile.model_validate(record)
        except ValidationError as error:
            found += [f"{name}: {fault}" for fault in faults(error, record)]
            continue
        if profile.id in profiles:
            found.append(f"{name}: id is used twice; give each profile its own")
        else:
            profiles[profile.id] = profile
    if not number:
        raise InputError(f"{path}: holds no profile")
    return Examined(tuple(profiles.values()), tuple(found))


def profile_lines(profiles: Iterable[Profile]) -> Iterator[str]:
    """Yield each profile as a line of JSON with all its fields."""
    for profile in profiles:
        yield jsonl.dumped(profile.model_dump(mode="json")) + "\n"


def _yaml_list(path: Path) -> Iterator[tuple[str, Any]]:
    entries = yaml_file.read(path)
    if not isinstance(entries, list | None):
        raise InputError(f"{path}: expected a list of profiles; begin each with '- id: NAME'")
    for entry in entries or []:
        yield str(path), entry


def _json_lines(path: Path) -> Iterator[tuple[str, Any]]:
    for number, value in jsonl.read_lines(path):
        yield f"{path}:{number}", value


_KINDS: dict[str, _Records] = {
    ".yaml": _yaml_list,
    ".yml": _yaml_list,
    ".jsonl": _json_lines,
    ".xlsx": authors_sheet.records,
}


def _name(record: Any, number: int) -> str:
    """`'phone-1'`, or `number 3` where the id is missing or no text."""
    name = record.get("id") if isinstance(record, dict) else None
    return shown(name) if isinstance(name, str) and name.strip() else f"number {number}"
