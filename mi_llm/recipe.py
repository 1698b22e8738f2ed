"""Recipes and the datasets they name, read as LLaMA-Factory reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mi_llm import files, jsonl, yaml_file
from mi_llm.errors import InputError
from mi_llm.validation import Columns

DATASET_INFO = "dataset_info.json"
_CUTOFF = 2048  # LLaMA-Factory's default
_ROLES = ("prompt", "query", "response", "history", "system", "chosen", "rejected")
_PAIRS = ("dpo", "rm")  # stages that learn from preference pairs
_EXPONENT = re.compile(r"([-+]?)(\d+)(?:\.(\d*))?([eE])([-+]?)(\d+)")


@dataclass(frozen=True, slots=True)
class Dataset:
    """An entry of dataset_info.json.

    Attributes:
        name: Its key there.
        path: Its file; relative to the working directory, as `dataset_dir` is.
        columns: Which key of a row holds what.
    """

    name: str
    path: Path
    columns: Columns


@dataclass(frozen=True, slots=True)
class Recipe:
    """A YAML for `llamafactory-cli`, overrides applied.

    Attributes:
        path: The file.
        settings: Its keys and values as LLaMA-Factory would get them.
        overrides: The `key=value` words that were typed behind it.
    """

    path: Path
    settings: Mapping[str, Any]
    overrides: tuple[str, ...] = ()

    @property
    def trains(self) -> bool:
        """Whether the recipe trains, rather than only predicts."""
        return bool(self.settings.get("do_train"))

    @property
    def stage(self) -> str:
        """What is done: `sft`, `dpo`, ..."""
        return str(self.settings.get("stage", "sft"))

    @property
    def takes_pairs(self) -> bool:
        """Whether its rows are preference pairs, `ranking: true` in dataset_info.json."""
        return self.stage in _PAIRS

    @property
    def output_dir(self) -> Path:
        """The folder that the run writes.

        Raises:
            InputError: If the recipe names none.
        """
        folder = self.settings.get("output_dir")
        if not isinstance(folder, str):
            raise InputError(f"{self.path}: names no output_dir")
        return Path(folder)

    @property
    def cutoff_len(self) -> int:
        """The most tokens of a row; what is over it LLaMA-Factory cuts off without a word."""
        return int(self.settings.get("cutoff_len", _CUTOFF))

    def names(self, key: str) -> list[str]:
        """The names under `dataset`, `eval_dataset` or `adapter_name_or_path`."""
        value = self.settings.get(key) or []
        if not isinstance(value, str | list):
            raise InputError(f"{self.path}: {key}: {value!r} is no name")
        words = value.split(",") if isinstance(value, str) else value
        return [str(word).strip() for word in words]

    def datasets(self) -> dict[str, Dataset]:
        """The datasets named under `dataset` and `eval_dataset`, by name.

        Raises:
            InputError: If one is not in dataset_info.json, is not a plain Alpaca file, or holds
                preference pairs and the recipe's stage takes none, or the other way round.
        """
        named = [*self.names("dataset"), *self.names("eval_dataset")]
        if not named:
            return {}
        info_path = Path(str(self.settings.get("dataset_dir", "data"))) / DATASET_INFO
        info = read_dataset_info(info_path)
        for name in named:
            if name not in info:
                raise InputError(
                    f"{self.path}: dataset {name!r} is not in {info_path}; "
                    f"there are: {', '.join(sorted(info))}"
                )
        found = {name: _dataset(name, info[name], info_path) for name in named}
        for name, one in found.items():
            if one.columns.ranking != self.takes_pairs:
                state = "has ranking: true" if one.columns.ranking else "has no ranking: true"
                fault = "does not take" if one.columns.ranking else "needs"
                raise InputError(f"{info_path}: {name!r} {state}, which stage {self.stage} {fault}")
        return found


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe and lay `key=value` words over it, as `llamafactory-cli` does.

    Raises:
        InputError: If the file is not a YAML mapping, or a word is not `key=value`.
    """
    settings = yaml_file.read(path)
    if not isinstance(settings, dict):
        raise InputError(f"{path}: not a recipe: expected key: value lines")
    for word in overrides:
        key, equals, value = word.partition("=")
        if not equals:
            raise InputError(f"{word!r}: an override is written key=value")
        settings[key] = _value(word, value)
    return Recipe(path, settings, tuple(overrides))


def text_faults(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield the settings that look like numbers and are texts, which training dies of later."""
    for key, value in settings.items():
        if isinstance(value, str) and (number := yaml_number(value)):
            yield f"{key}: {value!r} is text to YAML; write {number}"


def yaml_number(text: str) -> str | None:
    """How YAML wants a number to be written that is text to it: 1e-4 as 1.0e-4; None for others."""
    found = _EXPONENT.fullmatch(text)
    if not found:
        return None
    sign, whole, fraction, e, of_exponent, exponent = found.groups()
    return f"{sign}{whole}.{fraction or '0'}{e}{of_exponent or '+'}{exponent}"


def read_dataset_info(path: Path) -> dict[str, Any]:
    """Return the entries of a dataset_info.json."""
    info = jsonl.read_json(path)
    if not isinstance(info, dict):
        raise InputError(f"{path}: expected an object with one entry per dataset")
    for name, entry in info.items():
        if not isinstance(entry, dict):
            raise InputError(f"{path}: {name!r} is {entry!r}, not an object")
    return info


def register_dataset(name: str, path: Path, columns: Columns, *, info_path: Path) -> None:
    """Enter a dataset in dataset_info.json, all columns listed.

    LLaMA-Factory takes a column that is not listed for absent, even if it has a usual name.

    Raises:
        InputError: If the name is taken by another file.
    """
    info = read_dataset_info(info_path) if info_path.exists() else {}
    entry = {
        "file_name": _file_name(path, info_path.parent),
        **({"ranking": True} if columns.ranking else {}),
        "columns": {role: key for role in _ROLES if (key := getattr(columns, role))},
    }
    taken = info.get(name, entry)
    if taken.get("file_name") != entry["file_name"]:
        raise InputError(
            f"{info_path}: {name!r} is {taken.get('file_name')} already; register another name"
        )
    if info.get(name) == entry:
        return
    with files.whole(info_path, overwrite=True) as stream:
        # ASCII: LLaMA-Factory opens the file in the platform's encoding.
        stream.write(json.dumps({**info, name: entry}, indent=2) + "\n")


def _dataset(name: str, entry: Mapping[str, Any], info_path: Path) -> Dataset:
    file_name = entry.get("file_name")
    if not isinstance(file_name, str) or entry.get("formatting", "alpaca") != "alpaca":
        raise InputError(f"{info_path}: {name!r} is not a local Alpaca file, which can be checked")
    path = info_path.parent / file_name
    listed = entry.get("columns")
    if listed is None and not entry.get("ranking"):
        return Dataset(name, path, Columns(history=None))
    if not isinstance(listed, dict):
        raise InputError(f"{info_path}: {name!r} has columns that are no object")
    keys = {role: listed.get(role) for role in _ROLES}
    if not entry.get("ranking"):
        return Dataset(name, path, Columns(**{**keys, "chosen": None, "rejected": None}))
    if not keys["chosen"] or not keys["rejected"]:
        raise InputError(
            f"{info_path}: {name!r} has ranking: true and must map 'chosen' and 'rejected'"
        )
    return Dataset(name, path, Columns(**{**keys, "response": None}))


def _value(word: str, text: str) -> Any:
    if _EXPONENT.fullmatch(text):
        return float(text)  # YAML 1.1 takes 1e-4 for text, llamafactory-cli for a number
    return yaml_file.parsed(repr(word), text)


def _file_name(path: Path, folder: Path) -> str:
    try:
        return path.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        return str(path.resolve())
