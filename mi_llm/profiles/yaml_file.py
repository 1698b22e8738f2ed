"""Profiles as people type them: a YAML list."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from mi_llm import files
from mi_llm.errors import InputError


def records(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the file's name and each entry of its list.

    Raises:
        InputError: If it is not UTF-8, not YAML, names a field twice or is no list.
    """
    entries = _parsed(path, files.read_text(path))
    if not isinstance(entries, list | None):
        raise InputError(f"{path}: expected a list of profiles; begin each with '- id: NAME'")
    for entry in entries or []:
        yield str(path), entry


def _parsed(path: Path, text: str) -> Any:
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f":{mark.line + 1}" if mark else ""
        what = ": ".join(filter(None, (error.context, error.problem)))
        raise InputError(f"{path}{place}: not YAML: {what}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        sign = f"{ord(text[error.position]):#04x}"
        raise InputError(f"{path}:{line}: not YAML: control character {sign}; delete it") from None
    except (ValueError, RecursionError) as error:  # a date that is none, lists in lists in lists
        deep = isinstance(error, RecursionError)
        reason = "nested too deep" if deep else str(error)
        raise InputError(f"{path}: not YAML that can be read: {reason}") from None


class _Loader(yaml.SafeLoader):
    """YAML's plain types; a name that stands twice is refused, not overwritten."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key.value!r} stands twice in one place; keep one", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)
