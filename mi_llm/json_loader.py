"""What datasets' JSON loader makes of a file of rows, told by rule, without datasets or pyarrow.

LLaMA-Factory 0.9.3 loads rows with datasets 3.6, whose loader (`packaged_modules/json/json.py`)

- gives JSON Lines to pyarrow in blocks of 10 MB (plus the rest of the line). Within a block a place
  (a column, the items of a list, a field of an object) holds one kind of value; texts that all look
  like dates become times. What the first block decided, later blocks are cast to;
- gives whatever pyarrow cannot read, an array above all, to pandas and its JSON reader as a whole,
  and then to pyarrow, which infers types from Python values.

The rules are pyarrow's (24, `cpp/src/arrow/json`, `python/inference.cc`), pandas' (2.3, `ujson`)
and datasets' (`table.py`, `cast_array_to_feature`). A property test holds them against the loader.
"""

from __future__ import annotations

import json
import math
import re
from calendar import monthrange
from codecs import BOM_UTF8
from collections.abc import Callable, Collection, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from mi_llm import characters, files, jsonl
from mi_llm.errors import InputError
from mi_llm.validation import Finding

BLOCK = 10 << 20  # bytes, plus the rest of the line (`chunksize`)
SLID = "null in list"  # a finding after which pyarrow may abort the process that reads the values
_LEAST_PART = 16 << 10  # bytes; pyarrow reads a block in parts of 1/32 of it, or so many
_DEEPEST = 62  # lists and objects within one another that an Arrow file can hold
_INT64 = range(-(1 << 63), 1 << 63)
_UINT64 = range(1 << 64)
_LONGEST = 20  # digits of a number that is worth a look
_EXACT = 1 << 53  # the largest number up to which a float holds every whole number
_GAP = re.compile(r"[ \t\r\n]*")

_Step = str | None  # to a field of an object, or to the items of a list

_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[ T](?:[01][0-9]|2[0-3])(?::[0-5][0-9](?::[0-5][0-9])?)?"
    r"(?:Z|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)?)?"
)
# `keep_default_dates` of pandas.read_json.
_DATE_NAME = re.compile(r".*_at|.*_time|timestamp.*|modified|date|datetime", re.S)
_PLAIN_TIME = re.compile(r"[0-9-]{10} [0-9]{2}:[0-9]{2}:[0-9]{2}")
_FLOAT = re.compile(r"(-?[0-9]+)(?:\.([0-9]*))?(?:[eE]([-+]?[0-9]+))?")
_TEXT_INT = re.compile(r"-?[0-9]+|0[xX][0-9a-fA-F]{1,16}")
_TEXT_FLOAT = re.compile(
    r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?(?:nan|inf|infinity)", re.I
)
_TEXT_BOOL = re.compile(r"0|1|true|false", re.I)


@dataclass(slots=True)
class Block:
    """Rows that the loader reads together.

    Attributes:
        start: The number of the first row.
        rows: Their values.
        odd: Whether NUL, half a character or a byte order mark can stand in a text of them.
    """

    start: int
    rows: list[Any]
    odd: bool


@dataclass(slots=True)
class Source:
    """A file of rows as the loader meets it.

    Attributes:
        array: Whether it is one JSON array, which is read as a whole.
        blocks: The rows.
        twice: Keys that stand twice in an object.
        findings: What else the reading itself showed.
    """

    array: bool
    blocks: list[Block] = field(default_factory=list)
    twice: list[Finding] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def rows(self) -> list[Any]:
        """All rows."""
        return list(chain.from_iterable(block.rows for block in self.blocks))


class _Number(float):
    """A number that the loader's parsers see otherwise than Python's: NaN, 1e400, 1.5 of 25 digits.

    Attributes:
        source: As it is written.
    """

    __slots__ = ("source",)
    source: str


def read(path: Path) -> Source:
    """Read a file of rows in the blocks of the loader.

    Raises:
        InputError: If it is missing, or neither a JSON array nor JSON values one after another.
    """
    if jsonl.is_array(path):
        return _array(path)
    return _lines(path)


# --- reading ---


class _Decoder:
    """Parses JSON and keeps the keys that stand twice in an object."""

    def __init__(self) -> None:
        self.twice: list[str] = []
        self._decoder = json.JSONDecoder(
            object_pairs_hook=self._object, parse_float=_float, parse_constant=_number
        )
        self.decode = self._decoder.decode
        self.raw_decode = self._decoder.raw_decode

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            keys = [key for key, _ in pairs]
            self.twice += [key for key in made if keys.count(key) > 1]
        return made

    def doubled(self, row: int) -> Iterator[Finding]:
        """Yield, once, the keys that stood twice since the last call."""
        for key in self.twice:
            yield Finding("key twice", f"key {key!r} stands twice in one object; keep one", row)
        self.twice.clear()


def _number(source: str) -> _Number:
    number = _Number(source)
    number.source = source
    return number


def _float(source: str) -> float:
    """A float; one that a parser of the loader refuses or overflows keeps its text."""
    number = float(source)
    if math.isinf(number) or len(source) > 18 or (number == 0 and "e" in source.lower()):
        return _number(source)
    return number


def _array(path: Path) -> Source:
    data = files.read_bytes(path)
    source, decoder = Source(array=True), _Decoder()
    text = files.decoded(path, data)
    if data.startswith(BOM_UTF8):
        source.findings.append(
            Finding(
                "byte order mark",
                "begins with a byte order mark, which the loader cannot read before a JSON array; "
                "save it as UTF-8 without one",
            )
        )
    try:
        rows = decoder.decode(text)
    except (ValueError, RecursionError):
        rows = jsonl.parsed(path, text)  # says what is wrong
    if decoder.twice:
        source.twice += _doubled_in_array(text)
    source.blocks.append(_block(0, rows, data))
    return source


def _doubled_in_array(text: str) -> Iterator[Finding]:
    decoder, place, row = _Decoder(), text.index("[") + 1, 0
    while True:
        while text[place] in " \t\r\n,":
            place += 1
        if text[place] == "]":
            return
        _, place = decoder.raw_decode(text, place)
        yield from decoder.doubled(row)
        row += 1


def _lines(path: Path) -> Source:
    source, decoder = Source(array=False), _Decoder()
    row = line = 0
    with files.reading(path) as stream:
        while data := stream.read(BLOCK) + stream.readline():
            block = _block(row, [], data)
            for one in data.split(b"\n"):
                line += 1
                if not one.strip():
                    continue
                if line > 1 and one.startswith(BOM_UTF8):
                    source.findings.append(_inner_mark(row))
                try:
                    block.rows.append(decoder.decode(files.decoded(path, one, line=line)))
                except (ValueError, RecursionError):
                    return _values(path, line)
                source.twice += decoder.doubled(row)
                row += 1
            line -= data.endswith(b"\n")
            if block.rows:
                source.blocks.append(block)
    return source


def _inner_mark(row: int) -> Finding:
    return Finding(
        "byte order mark",
        "begins with a byte order mark, as where files were joined; take it out",
        row,
    )


def _values(path: Path, line: int) -> Source:
    """Read values that stand over several lines, or several on a line.

    The loader takes them, as long as no value goes on where a part that it reads ends.
    """
    data = files.read_bytes(path)
    text = files.decoded(path, data)
    source, decoder = Source(array=False), _Decoder()
    rows: list[Any] = []
    spans: list[tuple[int, int]] = []  # in bytes
    place, offset = 0, len(data) - len(data.removeprefix(BOM_UTF8))
    while (start := _GAP.match(text, place).end()) < len(text):  # type: ignore[union-attr]  # it matches nothing, too
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            _refuse(path, line)
        begin = offset + len(text[place:start].encode())
        offset = begin + len(text[start:end].encode())
        spans.append((begin, offset))
        source.twice += decoder.doubled(len(rows))
        rows.append(value)
        place = end
    return _in_blocks(source, rows, spans, data)


def _refuse(path: Path, line: int) -> None:
    """Raise what is wrong with a line."""
    for number, _, data in jsonl.raw_lines(path):
        if number >= line:
            jsonl.parsed_line(path, number, data)
    raise InputError(f"{path}:{line}: not JSON")


def _in_blocks(
    source: Source, rows: list[Any], spans: list[tuple[int, int]], data: bytes
) -> Source:
    start = number = 0
    part = max(BLOCK // 32, _LEAST_PART)
    while start < len(data):
        end = data.find(b"\n", start + BLOCK)
        end = len(data) if end < 0 or start + BLOCK >= len(data) else end + 1
        part, cuts = _cuts(data[start:end], part)
        block = _block(number, [], data[start:end])
        while number < len(rows) and spans[number][0] < end:
            begin, over = spans[number]
            if over > end or any(begin - start < cut < over - start for cut in cuts):
                message = (
                    "stands over several lines where the loader reads on in another part of the "
                    "file, and it fails; write each row on one line"
                )
                source.findings.append(Finding("cut row", message, number))
            block.rows.append(rows[number])
            number += 1
        if block.rows:
            source.blocks.append(block)
        start = end
    return source


def _cuts(data: bytes, part: int) -> tuple[int, list[int]]:
    """Where pyarrow cuts a block into parts: around each part's end, at the ends of lines.

    Returns:
        The size of a part, doubled until each holds the end of a line, and the cuts.
    """
    while part <= len(data):
        cuts: list[int] = []
        for end in range(part, len(data), part):
            before = max(data.rfind(b"\n", end - part, end), data.rfind(b"\r", end - part, end))
            after = min(
                (at for at in (data.find(b"\n", end), data.find(b"\r", end)) if at >= 0),
                default=len(data),
            )
            if before < 0 or after >= end + part:
                break
            cuts += [before + 1, after + 1]
        else:
            return part, cuts
        part *= 2
    return part, []


def _block(start: int, rows: list[Any], data: bytes) -> Block:
    return Block(start, rows, odd=characters.may_hold_faults(data))


# --- what a place holds ---

_GROUPS = {"bool": "true/false", "int": "a number", "float": "a number", "nan": "a number",
           "text": "text", "list": "a list", "object": "an object"}  # fmt: skip
_KINDS = {
    type(None): "null", bool: "bool", int: "int", float: "float", str: "text", list: "list",
    dict: "object",
}  # fmt: skip


class _Place:
    """What stands at one place of the rows: in a column, the items of a list, a field.

    Attributes:
        kinds: The row in which each kind of value stands first.
        times: Whether all its texts look like dates.
        numbers: Numbers that need a closer look, with their rows.
        negative: Whether a whole number below 0 is among them.
        items: What the items of its lists are.
        fields: What the fields of its objects are.
        slid: The row of the first list whose nulls pyarrow miscounts: one that begins with null
            and goes on, before any list has held more than null.
    """

    __slots__ = ("fields", "items", "kinds", "negative", "numbers", "slid", "times")

    def __init__(self) -> None:
        self.kinds: dict[str, int] = {}
        self.times = True
        self.negative = False
        self.numbers: list[tuple[float, int]] = []
        self.items: _Place | None = None
        self.fields: dict[str, _Place] = {}
        self.slid: int | None = None

    def add(self, value: Any, row: int) -> None:
        """Take a value in."""
        kind = _KINDS.get(type(value)) or ("nan" if math.isnan(value) else "float")
        if kind == "null":
            return
        if kind not in self.kinds:
            self.kinds[kind] = row
        if kind == "text":
            self.times = self.times and _is_time(value)
        elif kind == "list":
            self._add_items(value, row)
        elif kind == "object":
            for key, one in value.items():
                _at(self.fields, key).add(one, row)
        elif kind == "int":
            self.negative = self.negative or value < 0
            if not -_EXACT <= value <= _EXACT:
                self.numbers.append((value, row))
        elif type(value) is _Number:
            self.numbers.append((value, row))

    def _add_items(self, values: list[Any], row: int) -> None:
        if values and self.items is None:
            self.items = _Place()
        if self.items is None:
            return
        if self.slid is None and len(values) > 1 and values[0] is None and not self.items.kinds:
            self.slid = row
        for one in values:
            self.items.add(one, row)

    def inner(self) -> Iterator[tuple[_Step, _Place]]:
        """Yield the steps to the places within it, None for the items of lists."""
        if self.items is not None:
            yield None, self.items
        yield from self.fields.items()

    def depth(self) -> int:
        """How many lists and objects stand within one another here."""
        return max((1 + place.depth() for _, place in self.inner()), default=0) or len(
            self.kinds.keys() & {"list", "object"}
        )

    def schema(self) -> tuple[Any, ...]:
        """The type of the place and of all within it, to be compared."""
        return (self.type, *((step, place.schema()) for step, place in self.inner()))

    @property
    def groups(self) -> dict[str, int]:
        """The kinds of values as people tell them apart, with the row of each one's first."""
        found: dict[str, int] = {}
        for kind, row in self.kinds.items():
            found.setdefault(_GROUPS[kind], row)
        return found

    @property
    def type(self) -> str:
        """The type that pyarrow's JSON reader gives the place."""
        if not self.kinds:
            return "nothing"
        group = next(iter(self.groups))
        if group == "text":
            return "time" if self.times else "text"
        if group == "a number":
            whole = self.kinds.keys() == {"int"} and all(n in _INT64 for n, _ in self.numbers)
            return "a whole number" if whole else "a number"
        return group


def _at(places: dict[str, _Place], key: str) -> _Place:
    place = places.get(key)
    if place is None:
        place = places[key] = _Place()
    return place


def _columns(block: Block) -> dict[str, _Place]:
    columns: dict[str, _Place] = {}
    for number, row in enumerate(block.rows, block.start):
        if isinstance(row, dict):
            for key, value in row.items():
                _at(columns, key).add(value, number)
    return columns


def _is_time(text: str) -> bool:
    """Whether pyarrow takes a text for a time (`ParseTimestampISO8601`, to the second)."""
    if len(text) < 10 or text[4] != "-":
        return False
    found = _TIME.fullmatch(text)
    if not found:
        return False
    year, month, day = map(int, found.groups())
    return 1 <= month <= 12 and 1 <= day <= monthrange(year or 400, month)[1]  # 0 is a leap year


# --- what becomes of it ---


def findings(source: Source, texts: Collection[str]) -> Iterator[Finding]:
    """Yield what the loader dies of, and what comes back changed in the columns that matter.

    Args:
        source: As read.
        texts: The columns that LLaMA-Factory learns from.
    """
    yield from source.findings
    if not source.array:
        yield from source.twice
    first: dict[str, _Place] = {}
    for number, block in enumerate(source.blocks):
        columns = _columns(block)
        if not columns and not number:
            yield Finding("no keys", "has no key at all, and the loader drops it", block.start)
        cast = number and _schema(columns) != _schema(first)
        for name, place in columns.items():
            spot = _Spot(block, name)
            if cast or (name in texts and not source.array):
                yield from _slid(place, spot)
            yield from _too_deep(place, spot)
            yield from (_array_faults if source.array else _line_faults)(place, spot)
            if not source.array and name in texts:
                yield from _times(place, first.get(name), spot)
            if number and name in first:
                yield from _cast_faults(place, first[name], spot)
            elif number:
                yield _new_key(place, spot)
        first = first or columns


def _schema(columns: Mapping[str, _Place]) -> list[tuple[str, tuple[Any, ...]]]:
    return [(name, place.schema()) for name, place in columns.items()]


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where a place is: the rows, the column and the steps within it."""

    block: Block
    column: str
    steps: tuple[_Step, ...] = ()

    def __str__(self) -> str:
        inner = ("[]" if step is None else f"[{step!r}]" for step in self.steps)
        return repr(self.column) + "".join(inner)

    def within(self, step: _Step) -> _Spot:
        """The place one step on."""
        return _Spot(self.block, self.column, (*self.steps, step))

    def sequences(self) -> Iterator[list[tuple[Any, int]]]:
        """Yield the values here as pyarrow meets them: a column, each list, each field's value."""
        rows = enumerate(self.block.rows, self.block.start)
        values = [(row.get(self.column), n) for n, row in rows if isinstance(row, dict)]
        found: list[list[tuple[Any, int]]] = [values]
        for step in self.steps:
            if step is None:
                lists = (one for one in chain(*found) if type(one[0]) is list)
                found = [[(item, n) for item in value] for value, n in lists]
            else:
                objects = (one for one in chain(*found) if type(one[0]) is dict)
                found = [[(value.get(step), n)] for value, n in objects]
        yield from found


def _too_deep(place: _Place, spot: _Spot) -> Iterator[Finding]:
    if place.depth() > _DEEPEST:
        yield Finding("depth", f"{spot} is nested deeper than {_DEEPEST}; leave the key out")


def _slid(place: _Place, spot: _Spot) -> Iterator[Finding]:
    """Yield lists whose nulls are miscounted, which shows where they are cast or learned from."""
    if place.slid is not None:
        message = f"{spot} is a list that begins with null, which the loader miscounts"
        yield Finding(SLID, f"{message}; leave the nulls out", place.slid)
    for step, inner in place.inner():
        yield from _slid(inner, spot.within(step))


def _line_faults(place: _Place, spot: _Spot) -> Iterator[Finding]:
    """Yield what pyarrow's JSON reader refuses."""
    if len(place.groups) > 1:
        yield _mixed(place.groups, spot)
    for number, row in place.numbers:
        if type(number) is _Number and _exponent_too_large(number.source):
            yield _bad_number(number.source, row, spot)
    for step, inner in place.inner():
        yield from _line_faults(inner, spot.within(step))


def _exponent_too_large(source: str) -> bool:
    found = _FLOAT.fullmatch(source)
    if not found or (found[3] or "").startswith("-"):
        return False
    exponent = (found[3] or "").lstrip("+0")
    return len(exponent) > _LONGEST or int(exponent or 0) > 308 + len(found[2] or "")


def _array_faults(place: _Place, spot: _Spot) -> Iterator[Finding]:
    """Yield what pandas' JSON reader refuses, and what pyarrow cannot make of its values."""
    for number, row in place.numbers:
        if _as_pandas_reads(number) is None:
            yield _bad_number(_source(number), row, spot)
            return
    kinds = place.kinds.keys() - {"nan"}
    groups = {_GROUPS[kind]: place.kinds[kind] for kind in place.kinds if kind in kinds}
    if len(groups) > 1 and not (_floats_first(kinds, spot) or _made_dates(kinds, spot)):
        yield _mixed(groups, spot)
    elif large := _too_large_beside(place, kinds, in_column=not spot.steps):
        yield _bad_number(_source(large[0]), large[1], spot)
    for step, inner in place.inner():
        yield from _array_faults(inner, spot.within(step))


def _made_dates(kinds: AbstractSet[str], spot: _Spot) -> bool:
    """Whether pandas makes times of a column's texts and numbers, as it does by its name."""
    dated = _DATE_NAME.fullmatch(spot.column.lower()) and not spot.steps
    if not dated or not kinds <= {"text", "int", "float"}:
        return False
    texts = [value for value, _ in chain(*spot.sequences()) if isinstance(value, str)]
    return all(
        _is_time(text) and not set("Z+-") & set(text[10:]) and "1678" <= text[:4] < "2262"
        for text in texts
    )


def _floats_first(kinds: AbstractSet[str], spot: _Spot) -> bool:
    """Whether pyarrow meets a fraction before true or false, and then takes these as 1 and 0."""
    if not kinds <= {"bool", "int", "float"}:
        return False
    for values in spot.sequences():
        stops = (type(v) for v, _ in values if v is not None and type(v) is not int and v == v)
        if issubclass(next(stops, str), float):
            return True
    return False


def _source(number: float) -> str:
    return number.source if isinstance(number, _Number) else str(number)


def _as_pandas_reads(number: float) -> int | None:
    """The whole part of a number, which ujson counts in 64 bits; None where it refuses it."""
    found = _FLOAT.fullmatch(_source(number))
    if not found:  # NaN, Infinity
        return 0
    negative, digits = found[1].startswith("-"), found[1].lstrip("-")
    whole = 0
    for digit in digits:
        more = (whole * 10 + int(digit)) % (1 << 64)
        if more < whole or more > (1 << 63 if negative else (1 << 64) - 1):
            return None
        whole = more
    return -whole if negative else whole


def _too_large_beside(
    place: _Place, kinds: AbstractSet[str], *, in_column: bool
) -> tuple[float, int] | None:
    """The first whole number that is too large for the type that its neighbours ask for."""
    wholes = [(n, _as_pandas_reads(n) or 0, row) for n, row in place.numbers if type(n) is int]
    if in_column and kinds <= {"int", "float"}:  # pandas makes numbers of them
        found = ((n, row) for n, whole, row in wholes if whole not in _INT64)
        return next(found, None) if place.negative else None
    fits = range(-_EXACT, _EXACT + 1) if "float" in kinds else _INT64
    return next(((n, row) for n, whole, row in wholes if whole not in fits), None)


def _cast_faults(place: _Place, first: _Place, spot: _Spot) -> Iterator[Finding]:
    """Yield what cannot be cast to what the first block decided (`cast_array_to_feature`)."""
    if len(place.groups) > 1:
        return  # told by `_line_faults`
    was, now = first.type, place.type
    if was == now == "a list":
        if place.items is not None:
            yield from _cast_faults(place.items, first.items or _Place(), spot.within(None))
    elif was == now == "an object":
        for key, inner in place.fields.items():
            if key not in first.fields:
                yield _new_key(inner, spot.within(key))
            else:
                yield from _cast_faults(inner, first.fields[key], spot.within(key))
    elif now not in ("nothing", was):
        fits = _CASTS.get((was, now), _never)
        values = chain(*spot.sequences())
        row = next((row for value, row in values if value is not None and not fits(value)), None)
        if row is not None:
            yield _uncast(was, now, row, spot)


def _never(value: Any) -> bool:
    return False


def _always(value: Any) -> bool:
    return True


def _is_whole(value: float) -> bool:
    return math.isfinite(value) and value == int(value) and int(float(value)) in _INT64


def _is_exact(value: int) -> bool:
    return -_EXACT <= value <= _EXACT


def _reads_as_int(text: str) -> bool:
    if not _TEXT_INT.fullmatch(text):
        return False
    sign, digits = "-" * text.startswith("-"), text.lstrip("-0") or "0"
    return "x" in text.lower() or (len(digits) <= _LONGEST and int(sign + digits) in _INT64)


# What a value of a later block must be, by the type that the first block decided and its own.
_CASTS: dict[tuple[str, str], Callable[[Any], bool]] = {
    ("true/false", "a whole number"): _always,
    ("true/false", "a number"): _always,
    ("true/false", "text"): lambda text: bool(_TEXT_BOOL.fullmatch(text)),
    ("a whole number", "true/false"): _always,
    ("a whole number", "a number"): _is_whole,
    ("a whole number", "text"): _reads_as_int,
    ("a whole number", "time"): _always,
    ("a number", "true/false"): _always,
    ("a number", "a whole number"): _is_exact,
    ("a number", "text"): lambda text: bool(_TEXT_FLOAT.fullmatch(text)),
    ("text", "true/false"): _always,
    ("text", "a whole number"): _always,
    ("text", "a number"): _always,
    ("text", "time"): _always,
    ("time", "a whole number"): _always,
}


def _times(place: _Place, first: _Place | None, spot: _Spot) -> Iterator[Finding]:
    """Yield texts that come back as times, or as texts written as times are."""
    if place.type == "time" and not (first and first.type == "text" and _written_as_times(spot)):
        yield Finding(
            "dates",
            f"{spot} is a date wherever it is not null, which the loader turns into times; "
            "write the rows as a JSON array (.json)",
            place.kinds["text"],
        )
    for step, inner in place.inner():
        before = (first.items if step is None else first.fields.get(step)) if first else None
        yield from _times(inner, before, spot.within(step))


def _written_as_times(spot: _Spot) -> bool:
    return all(v is None or _PLAIN_TIME.fullmatch(v) for v, _ in chain(*spot.sequences()))


def _mixed(groups: Mapping[str, int], spot: _Spot) -> Finding:
    (first, row), (other, where), *_ = sorted(groups.items(), key=lambda one: one[1])
    return Finding(
        f"{spot} types",
        f"{spot} is {other} but {first} in row {row}; the loader refuses mixed types: make them "
        "one, or leave the key out",
        where,
    )


def _bad_number(source: str, row: int, spot: _Spot) -> Finding:
    shown = source if len(source) <= 40 else source[:40] + "…"
    return Finding(
        "number",
        f"{spot} is {shown}, a number that the loader cannot hold; write it as text, or leave the "
        "key out",
        row,
    )


def _uncast(was: str, now: str, row: int, spot: _Spot) -> Finding:
    return Finding(
        "first block",
        f"{spot} is {now} here but {was} in the first rows ({BLOCK >> 20} MB), from which the "
        "loader takes the type of every key, and it fails; shuffle the rows or write a .json array",
        row,
    )


def _new_key(place: _Place, spot: _Spot) -> Finding:
    return Finding(
        "first block",
        f"{spot} stands in none of the first rows ({BLOCK >> 20} MB), from which the loader takes "
        "its keys, and it fails; leave the key out, or write a .json array",
        min(place.kinds.values(), default=spot.block.start),
    )
