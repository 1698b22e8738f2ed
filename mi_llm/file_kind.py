"""What a file is, so that an error can say it before saying what the file is not."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from codecs import (
    BOM_UTF16_BE,
    BOM_UTF16_LE,
    BOM_UTF32_BE,
    BOM_UTF32_LE,
    getincrementaldecoder,
)
from pathlib import Path
from typing import Any

_HEAD = 1 << 16  # bytes looked at
_LONGEST_NAME = 40  # characters of a column's
_SAVE_AS = "save it as text in UTF-8"
_MAGIC = {
    b"%PDF": ("a PDF", "take the text out of it"),
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": (
        "an old Office file (.xls or .doc)",
        f"open it and {_SAVE_AS}, or as .xlsx where a workbook is read",
    ),
    b"\x1f\x8b": ("gzip", "unpack it, or let its name end in .gz"),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", "unpack it"),
    b"Rar!": ("a RAR archive", "unpack it"),
    b"BZh": ("bzip2", "unpack it"),
    b"\xfd7zXZ": ("xz", "unpack it"),
    b"\x28\xb5\x2f\xfd": ("zstd", "unpack it"),
    b"PAR1": ("a Parquet file", "write it as JSON Lines"),
    b"ARROW1": ("an Arrow file", "write it as JSON Lines"),
    b"SQLite format 3": ("an SQLite database", "export it as JSON Lines"),
    b"\x89PNG": ("a picture", "name the file with the text"),
    b"\xff\xd8\xff": ("a picture", "name the file with the text"),
}
_ZIPPED = {
    "xl/": ("an Excel workbook (XLSX)", f"open it and {_SAVE_AS}"),
    "word/": ("a Word document (DOCX)", f"open it and {_SAVE_AS}"),
    "ppt/": ("a presentation (PPTX)", f"open it and {_SAVE_AS}"),
    "content.xml": ("an OpenDocument file (ODS or ODT)", f"open it and {_SAVE_AS}"),
}
_CHINESE = re.compile(r"[\u4e00-\u9fff\u3000-\u303f\uff00-\uffef]")


def of_file(path: Path) -> str | None:
    """What a file is that could not be read as text or JSON, and the way out.

    Returns:
        `is an Excel workbook (XLSX); ...`, or None if nothing is known of it.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            head = stream.read(_HEAD)
    except (OSError, EOFError, zlib.error):
        return None
    if head.startswith(b"PK\x03\x04"):
        return _said(*_zipped(path))
    for magic, (name, remedy) in _MAGIC.items():
        if head.startswith(magic):
            return _said(name, remedy)
    encoding = _wide(head) or _eight_bit(head)
    if encoding:
        remedy = f"convert it first, for instance: iconv -f {encoding} -t utf-8"
        return _said(f"{encoding.upper()} text", remedy)
    text = _decoded(head, "utf-8") or ""
    found = _text(text.lstrip("\ufeff \t\r\n").lower())
    return _said(*found) if found else None


def of_value(value: Any) -> str | None:
    """What a parsed record is, or the first of a list, by its keys; None if it is nothing known.

    One of: `dialogues`, `Alpaca rows`, `predictions`, `a stamp`, `chat messages`.
    """
    if isinstance(value, list):
        return of_value(value[0]) if value else None
    if not isinstance(value, dict):
        return None
    keys = value.keys()
    if keys >= {"id", "turns"}:
        return "dialogues"
    if keys >= {"command", "versions"}:
        return "a stamp"
    if keys >= {"predict", "label"}:
        return "predictions"
    if "messages" in keys or "conversations" in keys:
        return "chat messages"
    if keys & {"output", "chosen"} and keys & {"instruction", "input", "system"}:
        return "Alpaca rows"
    return None


def corpus_format(record: Any) -> str:
    """The format by which `converters convert` reads Alpaca rows or chat messages, by the first."""
    if isinstance(record, list):
        return corpus_format(record[0])
    turns = record.get("conversations")
    first = turns[0] if isinstance(turns, list) and turns else None
    return "mi_conversations" if isinstance(first, dict) and "role" in first else "messages"


def _said(name: str, remedy: str) -> str:
    return f"is {name}; {remedy}"


def _text(start: str) -> tuple[str, str] | None:
    """What is written in a text, by its beginning in small letters."""
    if start.startswith(("<!doctype html", "<html")):
        return "an HTML page", "name the file with the data"
    if start.startswith("<?xml"):
        return "XML", "write it as JSON Lines"
    if start.startswith("---\n"):
        return "YAML", "write it as JSON"
    head = start.partition("\n")[0]
    for mark, name in ((",", "CSV"), ("\t", "a table with tabs")):
        if not re.search(r"[\[{:#]", head) and _is_table(start, mark):
            return name, "write it as JSON Lines"
    return None


def _is_table(start: str, mark: str) -> bool:
    """Whether two rows have as many cells, the first short ones as names of columns are."""
    try:
        rows = csv.reader(io.StringIO(start), delimiter=mark)
        names, cells = next(rows, []), next(rows, [])
    except csv.Error:
        return False
    return len(cells) == len(names) > 1 and max(map(len, names)) <= _LONGEST_NAME


def _zipped(path: Path) -> tuple[str, str]:
    import zipfile  # late: every command imports this module, and few meet a ZIP archive

    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError):
        return "an Office file or ZIP archive that is cut short", "get it anew"
    for start, told in _ZIPPED.items():
        if any(name.startswith(start) for name in names):
            return told
    return "a ZIP archive", "unpack it"


def _wide(data: bytes) -> str | None:
    """UTF-32 or UTF-16, by its mark or, without one, by the zero half of its ASCII characters."""
    if data.startswith((BOM_UTF32_LE, BOM_UTF32_BE)):
        return "utf-32"
    if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return "utf-16"
    half = len(data) // 2
    for name, zeros in (("utf-16le", data[1::2]), ("utf-16be", data[::2])):
        if half >= 2 and zeros.count(0) * 5 > half and b"\0" in data[:4]:
            return name
    return None


def _eight_bit(data: bytes) -> str | None:
    """GB18030, if the bytes are no UTF-8 and what is not ASCII reads as Chinese in it."""
    if _decoded(data, "utf-8") is not None:
        return None
    others = [one for one in _decoded(data, "gb18030") or "" if one > "\x7f"]
    chinese = sum(_CHINESE.match(one) is not None for one in others)
    return "gb18030" if others and chinese * 10 >= len(others) * 9 else None


def _decoded(data: bytes, encoding: str) -> str | None:
    """The text of the beginning of a file, whose last character may be cut."""
    try:
        return getincrementaldecoder(encoding)().decode(data)
    except UnicodeDecodeError:
        return None
