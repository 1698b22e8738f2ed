"""JSON and JSON Lines in and out, with errors that name the file and the line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mi_llm import files
from mi_llm.errors import InputError


def read_json(path: Path) -> Any:
    """Return the value of a JSON file in UTF-8, with or without a byte order mark.

    Raises:
        InputError: If the file is missing, not UTF-8 or not JSON.
    """
    text = files.read_text(path)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(_not_json(path, error)) from None


def read_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield the number, from 1, and the value of each line that is not blank.

    Raises:
        InputError: If the file is missing, not UTF-8, or a line is not JSON.
    """
    with files.reading(path) as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InputError(_not_json(path, error, line=number)) from None


def dumped(value: Any, *, indent: int | None = None) -> str:
    """The value as JSON, on one line unless indented, Chinese left readable.

    A lone surrogate, which UTF-8 cannot hold, is written as its escape.
    """
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return text if _encodable(text) else json.dumps(value, indent=indent)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _not_json(path: Path, error: Exception, line: int | None = None) -> str:
    if isinstance(error, json.JSONDecodeError):
        place = f"{path}:{line or error.lineno}"
        return f"{place}: not JSON: {error.msg} at column {error.colno}"
    place = f"{path}:{line}" if line else str(path)
    reason = "nested too deep" if isinstance(error, RecursionError) else "a number too long"
    return f"{place}: not JSON that can be read: {reason}"
