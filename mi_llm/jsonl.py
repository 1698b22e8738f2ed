"""JSON and JSON Lines in and out, with errors that name the file and the line."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mi_llm import files
from mi_llm.errors import InputError

_ENCODER = json.JSONEncoder(ensure_ascii=False)  # made once: json.dumps would make one a call

LONGEST_LINE = 16 << 20  # bytes; a dialogue of a thousand turns has a hundredth of it


def read_json(path: Path) -> Any:
    """Return the value of a JSON file in UTF-8, with or without a byte order mark.

    Raises:
        InputError: If the file is missing, not UTF-8 or not JSON.
    """
    return parsed(path, files.read_text(path))


def parsed(path: Path, text: str, *, line: int | None = None) -> Any:
    """The value of a JSON text.

    Args:
        path: Where it is from, for messages.
        text: The whole file, or one line of it.
        line: Its number, from 1, if it is one line.

    Raises:
        InputError: If it is not JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(_not_json(path, error, line=line)) from None


def full_list(path: Path, value: Any, expected: str) -> list[Any]:
    """The value of a file that must be a list with something in it.

    Raises:
        InputError: If it is not, naming what was expected: `a list of {"id", "messages"}`.
    """
    if not isinstance(value, list) or not value:
        raise InputError(f"{path}: expected {expected} that is not empty")
    return value


def is_array(path: Path) -> bool:
    """Whether a file begins as a JSON array, rather than as JSON Lines."""
    with files.reading(path) as stream:
        return stream.read(1 << 16).removeprefix(BOM_UTF8).lstrip().startswith(b"[")


def read_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield the number, from 1, and the value of each line that is not blank.

    Raises:
        InputError: If the file is missing, not UTF-8, or a line is too long or not JSON.
    """
    for number, _, data in raw_lines(path):
        yield number, parsed_line(path, number, data)


def raw_lines(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """Yield number, from 1, byte offset and bytes of each line that is not blank.

    A line longer than `LONGEST_LINE` comes cut, so that no file is ever held whole;
    `parsed_line` refuses it.
    """
    with files.reading(path) as stream:
        number = offset = 0
        while data := stream.readline(LONGEST_LINE + 1):
            number, start = number + 1, offset
            offset += len(data)
            if data.strip():
                yield number, start, data
            while len(data) > LONGEST_LINE and not data.endswith(b"\n"):
                data = stream.readline(LONGEST_LINE + 1)
                offset += len(data)


def parsed_line(path: Path, number: int, data: bytes) -> Any:
    """The value of one line that `raw_lines` gave.

    Raises:
        InputError: If it is too long, not UTF-8 or not JSON, naming file and line.
    """
    if len(data) > LONGEST_LINE:
        raise InputError(
            f"{path}:{number}: line longer than {LONGEST_LINE >> 20} MB; "
            "if the file is one JSON array, indent it"
        )
    try:
        text = files.decoded(path, data)
    except InputError as error:
        raise InputError(f"{path}:{number}{str(error).removeprefix(str(path))}") from None
    return parsed(path, text, line=number)


def line_at(path: Path, offset: int) -> bytes:
    """The line that begins at a byte offset that `raw_lines` gave."""
    with files.reading(path) as stream:
        stream.seek(offset)
        return stream.readline(LONGEST_LINE + 1)


def dumped(value: Any, *, indent: int | None = None) -> str:
    """The value as JSON, on one line unless indented, Chinese left readable.

    A lone surrogate, which UTF-8 cannot hold, is written as its escape.
    """
    text = _ENCODER.encode(value) if indent is None else _dumps(value, indent)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, indent=indent)
    return text


def array_text(values: Iterable[Any]) -> Iterator[str]:
    """Yield the text of a JSON array piece by piece, one value a line."""
    separator = "[\n"
    for value in values:
        yield separator + dumped(value)
        separator = ",\n"
    yield "[]\n" if separator == "[\n" else "\n]\n"


def _dumps(value: Any, indent: int) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _not_json(path: Path, error: Exception, line: int | None = None) -> str:
    if isinstance(error, json.JSONDecodeError):
        place = f"{path}:{line or error.lineno}"
        return f"{place}: not JSON: {error.msg} at column {error.colno}"
    place = f"{path}:{line}" if line else str(path)
    reason = "nested too deep" if isinstance(error, RecursionError) else "a number too long"
    return f"{place}: not JSON that can be read: {reason}"
