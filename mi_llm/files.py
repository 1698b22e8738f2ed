"""Files read with clear errors, and written whole or not at all.

What people entered in workbooks is not replaced but moved aside (`mi_llm.entries`).
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import shutil
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from mi_llm import file_kind, publishing
from mi_llm.errors import InputError, Stopped

_FULL_DISK = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading bytes; one whose name ends in `.gz` is unpacked on the way.

    Raises:
        InputError: If the file is missing, unreadable or, packed, cut short or broken.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            yield cast(BinaryIO, stream)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: not a whole gzip file: {str(error).lower()}") from None
    except OSError as error:
        raise InputError(f"{path}: {_reason(error)}") from None


def read_bytes(path: Path) -> bytes:
    """Return the whole of a file, unpacked if its name ends in `.gz`."""
    if path.suffix == ".gz":
        with reading(path) as stream:
            return stream.read()
    try:
        with open(path, "rb", buffering=0) as plain:  # noqa: PTH123 twice as fast as Path.open
            return plain.read()
    except OSError as error:
        raise InputError(f"{path}: {_reason(error)}") from None


def decoded(path: Path, data: bytes, *, line: int | None = None) -> str:
    """The text of UTF-8 bytes; a byte order mark is skipped.

    Args:
        path: The file they are from, for messages.
        data: The whole file, or one line of it.
        line: Its number, from 1, if it is one line.

    Raises:
        InputError: If they are not UTF-8, saying what the file is.
    """
    try:
        return data.removeprefix(BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        kind = file_kind.of_file(path)
        if kind and "GB18030" not in kind:
            raise InputError(f"{path}: {kind}") from None
        place = f"{path}:{line}" if line else str(path)
        if error.reason == "unexpected end of data" and error.end >= len(data) - len(BOM_UTF8):
            raise InputError(f"{place}: ends within a character; it is cut short") from None
        told = kind or "save it as text in UTF-8"
        raise InputError(f"{place}: not UTF-8 (byte {data[error.start]:#04x}); {told}") from None


def read_text(path: Path) -> str:
    """Return the whole of a UTF-8 text file."""
    return decoded(path, read_bytes(path))


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, as 64 hex digits."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: {_reason(error)}") from None


def free_bytes(path: Path) -> int:
    """Free bytes on the disk where `path` is or will be made."""
    there = next(one for one in (path.absolute(), *path.absolute().parents) if one.exists())
    return shutil.disk_usage(there).free


refuse_existing = publishing.refuse_existing
refuse_existing_folder = publishing.refuse_existing_folder
refuse_no_folder = publishing.refuse_no_folder


@contextmanager
def whole(path: Path, *, overwrite: bool = False) -> Iterator[TextIO]:
    """Open a UTF-8 text file for writing that appears at `path` only when the block ends well.

    Folders on the way are made; after an error nothing is left behind, neither file nor folder.

    Raises:
        InputError: If the file exists and `overwrite` is not set, or cannot be written.
    """
    with publishing.publication() as outputs:
        yield outputs.text(path, overwrite=overwrite)


@contextmanager
def whole_path(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a path to write a file to, likewise; for what writes to paths alone."""
    with publishing.publication() as outputs:
        yield outputs.file(path, overwrite=overwrite)


@contextmanager
def whole_folder(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a folder to fill that appears at `path` only when the block ends well.

    Raises:
        InputError: If `path` is not empty and `overwrite` is not set, it holds an input of the
            command, or cannot be written.
    """
    with publishing.publication() as outputs:
        yield outputs.folder(path, overwrite=overwrite)


@contextmanager
def full_disk_stops() -> Iterator[None]:
    """Turn a disk that is full into `Stopped`, for work that goes on where it was when run again.

    Raises:
        Stopped: In place of the error.
    """
    try:
        yield
    except (OSError, InputError) as error:
        cause = error if isinstance(error, OSError) else error.__context__
        if isinstance(cause, OSError) and cause.errno in _FULL_DISK:
            raise Stopped(str(error)) from None
        raise


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
