"""Drafts of outputs: locked while their process lives, put in place by renaming, swept when left.

The lock (flock) ends with the process, however that ends. The number of a process would tell
nothing: it is another's soon, and on a shared disk it is another machine's.
"""

from __future__ import annotations

import fcntl
import filecmp
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from mi_llm import entries

_DRAFT = re.compile(r"\.([0-9a-f]{8})-\d+(?:-\d+)?\.(tmp|old)")


def new_file(path: Path) -> tuple[Path, int]:
    """An empty draft beside `path`, and its lock: a file descriptor to be closed."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    return _locked(path, lambda draft: os.open(draft, flags, 0o666))


def new_folder(path: Path) -> tuple[Path, int]:
    """An empty folder as the draft of `path`, and its lock likewise."""

    def made(draft: Path) -> int:
        draft.mkdir()
        return os.open(draft, os.O_RDONLY | os.O_CLOEXEC)

    return _locked(path, made)


def put(
    draft: Path, path: Path, written: Collection[Path] = (), *, for_people: bool = False
) -> None:
    """Rename a draft; what people entered there is kept, another folder moved aside and removed.

    Args:
        draft: To be renamed.
        path: What it becomes.
        written: What was written into a folder of that name before, by path from it.
        for_people: Whether people get copies of what is in it: then a key or plan that is not
            written again just so is kept too, as what comes back is worth nothing without.
    """
    again = (one.relative_to(draft) for one in files_of(draft))
    if for_people:
        again = (one for one in again if _same(path / one, draft / one))
    entries.make_way(path, {*written, *again})
    if not draft.is_dir() or not path.exists() or not any(path.iterdir()):
        draft.replace(path)
        return
    lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        old = draft.with_suffix(".old")
        path.rename(old)
        draft.replace(path)
        shutil.rmtree(old)
    finally:
        os.close(lock)


def sync(draft: Path) -> None:
    """Wait until a draft is on disk."""
    for file in files_of(draft):
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove(draft: Path) -> None:
    """Remove a draft, if it is there."""
    shutil.rmtree(draft, ignore_errors=True)
    with suppress(OSError):
        draft.unlink()


def files_of(path: Path) -> list[Path]:
    """All files of a folder, in order, or the file itself."""
    return sorted(filter(Path.is_file, path.rglob("*"))) if path.is_dir() else [path]


def _same(one: Path, two: Path) -> bool:
    return one.is_file() and filecmp.cmp(one, two, shallow=False)


def restore(path: Path) -> None:
    """Bring back a folder that a kill left moved aside, its successor not yet in place."""
    if not path.exists():
        for old in path.parent.glob(f".{_mark(path.name)}-*.old"):
            with _abandoned(old) as is_abandoned:
                if is_abandoned and not path.exists():
                    old.rename(path)


def sweep(folder: Path) -> None:
    """Remove drafts in a folder whose process is no more."""
    names = [one.name for one in folder.iterdir()]
    found = [match for match in map(_DRAFT.fullmatch, names) if match]
    marks = {_mark(name) for name in names} if found else set()
    for match in found:
        mark, kind = match.groups()
        if kind == "tmp" or mark in marks:  # else what was moved aside is all there is
            with _abandoned(folder / match.string) as is_abandoned:
                if is_abandoned:
                    remove(folder / match.string)


@contextmanager
def _abandoned(draft: Path) -> Iterator[bool]:
    """Whether nobody holds a draft's lock; it is held within the block."""
    try:
        lock = os.open(draft, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        yield False
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # held, or the file system has no locks
        yield False
    else:
        yield True
    finally:
        os.close(lock)


def _locked(path: Path, new: Callable[[Path], int]) -> tuple[Path, int]:
    """A new draft beside `path` with its lock."""
    for number in count():
        # Shorter than any name that the file system takes, so that it is never what fails.
        draft = path.with_name(f".{_mark(path.name)}-{os.getpid()}-{number}.tmp")
        try:
            lock = new(draft)
        except FileExistsError:
            continue
        with suppress(OSError):  # a file system without locks
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with suppress(OSError):  # swept before it was locked
            if draft.stat().st_ino == os.fstat(lock).st_ino:
                return draft, lock
        os.close(lock)
    raise AssertionError("count() does not end")


def _mark(name: str) -> str:
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:8]
