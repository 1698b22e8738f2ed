"""Files read with clear errors, and written whole or not at all.

What people entered in workbooks is not replaced but moved aside (`mi_llm.entries`).
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import shutil
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from mi_llm import entries, file_kind
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


def refuse_existing(path: Path, *, overwrite: bool) -> None:
    """Raise `InputError` if something stands at `path` that may not be replaced by a file."""
    with _writing(path):
        if path.is_dir():
            raise InputError(f"{path}: is a folder; give a file's name")
        if path.exists() and not overwrite:
            raise InputError(f"{path}: exists; add --overwrite to replace it")


def refuse_existing_folder(path: Path, *, overwrite: bool) -> None:
    """Raise `InputError` if something stands at `path` that may not be replaced by a folder."""
    with _writing(path):
        if path.exists() and not path.is_dir():
            raise InputError(f"{path}: is a file; give a folder's name")
        if path.exists() and any(path.iterdir()) and not overwrite:
            raise InputError(f"{path}: exists; add --overwrite to replace it")


def free_bytes(path: Path) -> int:
    """Free bytes on the disk where `path` is or will be made."""
    there = next(one for one in (path.absolute(), *path.absolute().parents) if one.exists())
    return shutil.disk_usage(there).free


@contextmanager
def whole(path: Path, *, overwrite: bool = False) -> Iterator[TextIO]:
    """Open a UTF-8 text file for writing that appears at `path` only when the block ends well.

    Folders on the way are made; after an error nothing is left behind, neither file nor folder.

    Raises:
        InputError: If the file exists and `overwrite` is not set, or cannot be written.
    """
    refuse_existing(path, overwrite=overwrite)
    with _draft(path) as draft:
        with draft.open("w", encoding="utf-8", newline="\n") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        entries.make_way(path)
        draft.replace(path)


@contextmanager
def whole_folder(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a folder to fill that appears at `path` only when the block ends well.

    Raises:
        InputError: If `path` is not empty and `overwrite` is not set, or it cannot be written.
    """
    refuse_existing_folder(path, overwrite=overwrite)
    with _draft(path) as draft:
        draft.mkdir()
        yield draft
        entries.make_way(path)
        if path.exists():
            shutil.rmtree(path)
        draft.replace(path)


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


@contextmanager
def _draft(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to; its folders are made, and all is undone after an error."""
    # Shorter than any name that the file system takes, so that it is never what fails.
    name = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:8]
    draft = path.with_name(f".{name}-{os.getpid()}.tmp")
    made = [folder for folder in path.parents if not folder.exists()]
    with _writing(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield draft
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            for undo in (draft.unlink, *(folder.rmdir for folder in made)):
                with suppress(OSError):
                    undo()
            raise


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {_reason(error)}") from None


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
