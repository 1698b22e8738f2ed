"""JSON and JSON Lines in and out, with errors that name the file and the line."""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mi_llm import characters, file_kind, files
from mi_llm.errors import InputError

_ENCODER = json.JSONEncoder(ensure_ascii=False)  # made once: json.dumps would make one a call

_GAP = re.compile(r"[\s,]*")

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
        return json.loads(text, object_pairs_hook=unique)
    except DuplicateKeyError as error:
        raise InputError(f"{_place(path, text, line)}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(_not_json(path, text, error, line=line)) from None


class DuplicateKeyError(ValueError):
    """An object of JSON that has a key twice, of which parsers keep one and drop the other."""


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, for `object_pairs_hook`.

    Raises:
        DuplicateKeyError: If a key stands in it twice.
    """
    made = dict(pairs)
    if len(made) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise DuplicateKeyError(f"key {twice!r} stands twice in one object; keep one of them")
    return made


def require_sound(where: str, value: Any) -> None:
    """Make sure that no text of a value harms unseen.

    Raises:
        InputError: Naming the first that holds NUL, half a character or an inner byte order mark.
    """
    for place, _, words in characters.faults_within(value):
        raise InputError(f"{where}: {place} {words}")


def full_list(path: Path, value: Any, expected: str) -> list[Any]:
    """The value of a file that must be a list with something in it.

    Raises:
        InputError: If it is not, naming what was expected: `a list of {"id", "messages"}`.
    """
    if not isinstance(value, list) or not value:
        kind = file_kind.of_value(value)
        held = f"; it holds {kind}" if kind else ""
        raise InputError(f"{path}: expected {expected} that is not empty{held}")
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
    if number > 1 and data.startswith(BOM_UTF8):
        raise InputError(
            f"{path}:{number}: begins with a byte order mark, as where files were joined; take it "
            "out (it may stand at the very beginning of a file alone)"
        )
    return parsed(path, files.decoded(path, data, line=number), line=number)


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


def _place(path: Path, text: str, line: int | None) -> str:
    """Where the first record with a key twice stands: its line in the file."""
    if line is not None or not text.lstrip("\ufeff \t\r\n").startswith("["):
        return f"{path}:{line or 1}"
    start = text.index("[") + 1
    decoder = json.JSONDecoder(object_pairs_hook=unique)
    while True:
        start = _GAP.match(text, start).end()  # type: ignore[union-attr]  # it matches nothing, too
        try:
            _, start = decoder.raw_decode(text, start)
        except ValueError:
            return f"{path}:{text.count(chr(10), 0, start) + 1}"


def _not_json(path: Path, text: str, error: Exception, line: int | None = None) -> str:
    if isinstance(error, json.JSONDecodeError):
        if kind := _kind(path, text, line):
            return f"{path}: {kind}"
        place = f"{path}:{line or error.lineno}"
        return f"{place}: not JSON: {error.msg} at column {error.colno}"
    place = f"{path}:{line}" if line else str(path)
    reason = "nested too deep" if isinstance(error, RecursionError) else "a number too long"
    return f"{place}: not JSON that can be read: {reason}"


def _kind(path: Path, text: str, line: int | None) -> str | None:
    """What a text is that did not parse, where more can be said of it than that it is no JSON."""
    kind = file_kind.of_file(path)
    if kind is None and line is None and _is_lines(text):
        return "is JSON Lines, one value a line, where one JSON value is expected; write an array"
    if kind is None and line is not None:
        return _kind_of_first(path, text.strip("\ufeff \t\r\n"))
    return kind


def _kind_of_first(path: Path, line: str) -> str | None:
    """What a file is whose first line, and this is it, begins a value and does not end it."""
    if not line.startswith(("[", "{")):
        return None
    head = _head(path)
    if head.partition("\n")[0].strip() != line:
        return None
    if line.startswith("["):
        return array_for_lines(_first_of(head))
    try:
        _, end = json.JSONDecoder().raw_decode(head)
    except (ValueError, RecursionError):
        return None
    return (
        None
        if end <= len(line)
        else (
            "is a JSON record over several lines where JSON Lines is expected; write each record "
            "on one line, or all of them as an array, [ ... ]"
        )
    )


def array_for_lines(first: Any) -> str:
    """What is wrong with an array, whose first value is given, where JSON Lines is expected."""
    kind = file_kind.of_value(first)
    return (
        f"is a JSON array{f' of {kind}' if kind else ''} where JSON Lines is expected; write one "
        "record a line, without [ and ]"
    )


def first_of_array(path: Path) -> Any:
    """The first value of a file that is a JSON array; None if it is none, or not in UTF-8."""
    return None if file_kind.of_file(path) else _first_of(_head(path))


def _head(path: Path) -> str:
    """What a file begins with, as far as the longest line may be, without blanks before it."""
    with files.reading(path) as stream:
        return stream.read(LONGEST_LINE).decode(errors="replace").lstrip("\ufeff \t\r\n")


def _first_of(array: str) -> Any:
    try:
        return json.JSONDecoder().raw_decode(array, _GAP.match(array, 1).end())[0]  # type: ignore[union-attr]  # it matches nothing, too
    except (ValueError, RecursionError):
        return None


def _is_lines(text: str) -> bool:
    """Whether a text begins with two objects on lines of their own."""
    lines = [line for line in text[:LONGEST_LINE].split("\n", 64) if line.strip()][:2]
    try:
        return len(lines) == 2 and all(isinstance(json.loads(one), dict) for one in lines)
    except (ValueError, RecursionError):
        return False
