"""What people entered in workbooks: found by content, and moved aside before anything replaces it.

Every file and folder that is replaced passes through here (`mi_llm.files`). What counts is whether
anything stands in a workbook that was not written into it: marks, decisions, notes, comments,
colours. A book that cannot be read, is open in a program, or comes from another one counts as
holding some.
In a folder, files of whatever kind that were not written with it are kept likewise.
"""

from __future__ import annotations

import shutil
import sys
import zipfile
from collections.abc import Collection, Sequence
from datetime import datetime
from glob import escape
from itertools import count
from pathlib import Path

from mi_llm.errors import InputError

WORKBOOK = ".xlsx"
# What other programs make of a book, and what of one of its sheets.
_OTHERS, _SHEET = (".xlsm", ".xls", ".xlsb", ".ods", ".et", ".numbers"), ".csv"
_DRAWN = ("xl/drawings/drawing", "xl/media/")  # pictures and shapes in a workbook
_MARK = ".replaced-"
_OURS = (".json", ".jsonl")  # what lies beside books: key, plan, findings
_OF_NOBODY = (".DS_Store", "Thumbs.db", "desktop.ini")  # what file managers leave


def is_lock(path: Path) -> bool:
    """Whether this is a lock file, which Excel, WPS or LibreOffice leaves beside an open book."""
    return path.name.startswith(("~$", ".~")) and path.suffix.rstrip("#") in (WORKBOOK, *_OTHERS)


def books_at(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """The books that are given, and what else lies there: lock files, and files that are no books.

    Args:
        paths: Files, and folders with all folders in them but hidden and moved aside: of these,
            workbooks by name, other programs' and, at the top, lone sheets too.

    Raises:
        InputError: If one of the paths is not there.
    """
    books: dict[Path, None] = {}
    others: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such file or directory")
        for one in _visible(path) if path.is_dir() else [path]:
            sheet = one.suffix.lower() == _SHEET and one.parent == path
            book = one == path or sheet or one.suffix.lower() in (WORKBOOK, *_OTHERS)
            if book and not is_lock(one):
                books[one] = None
            elif one.suffix not in _OURS:
                others[one] = None
    return list(books), list(others)


def _visible(folder: Path) -> list[Path]:
    """The files below a folder, in order, without hidden ones and what was moved aside."""
    found = []
    for one in sorted(folder.rglob("*")):
        *above, name = one.relative_to(folder).parts
        hidden = any(part.startswith(".") or _MARK in part for part in above)
        if not hidden and not one.is_dir() and (not name.startswith(".") or is_lock(one)):
            found.append(one)
    return found


def make_way(path: Path, written: Collection[Path] = ()) -> Path | None:
    """Move aside what people entered at `path`, a file or folder that is about to be replaced.

    It is moved as a whole, since marks are worth nothing without the key or plan beside them, and
    before its books are read, so that one saved meanwhile is not missed. Where it went is said on
    the error stream at once.

    Args:
        path: What is about to be replaced.
        written: Of a folder, the files that were or will be written into it, by path from it; all
            others but workbooks are somebody's.

    Returns:
        The folder that holds it now, `NAME.replaced-2026-12-01T10-30` beside it; None if nobody
        entered anything.

    Raises:
        OSError: If it cannot be moved.
    """
    if not _workbooks(path) and not _strangers(path, written):
        return None
    aside = _free_name(path)
    if path.is_dir():
        path.replace(aside)
    else:
        aside.mkdir()
        path.replace(aside / path.name)
    entered = any(map(has_entries, _workbooks(aside)))
    strangers = [] if entered else _strangers(aside, written)
    if not entered and not strangers:
        shutil.rmtree(aside)
        return None
    lost = f"files that would be lost ({strangers[0]})" if strangers else ""
    what = lost or "what people filled in"
    told = f"{path}: holds {what}; moved aside to {aside}"
    print(told, file=sys.stderr)  # noqa: T201 said at once, whatever happens after
    return aside


def moved_aside(path: Path) -> list[Path]:
    """All that `make_way` ever moved from `path`, oldest first."""
    return sorted(path.parent.glob(f"{escape(path.name)}{_MARK}*"))


def has_entries(path: Path) -> bool:
    """Whether a workbook holds more than was written into it; true if that cannot be told."""
    from mi_llm import sheets

    if path.suffix.lower() != WORKBOOK or is_lock(path):
        return True
    try:
        with zipfile.ZipFile(path) as packed:
            drawn = any(name.startswith(_DRAWN) for name in packed.namelist())
        return drawn or not sheets.is_as_written(sheets.load(path, formulas=True))
    except Exception:  # whatever a broken file makes of the library: people's work is at stake
        return True


def _workbooks(path: Path) -> list[Path]:
    """Workbooks at or below a path, lock files too; lone sheets only in a folder that has some."""
    found = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    books = [one for one in found if is_lock(one) or one.suffix.lower() in (WORKBOOK, *_OTHERS)]
    sheets = [one for one in found if one.suffix.lower() == _SHEET]
    return [*books, *sheets] if books else []


def _strangers(path: Path, written: Collection[Path]) -> list[Path]:
    """Files of a folder that no command wrote, by path from it, in order."""
    if not path.is_dir():
        return []
    files = (one.relative_to(path) for one in sorted(path.rglob("*")) if not one.is_dir())
    return [
        one
        for one in files
        if one not in written and one.suffix != WORKBOOK and one.name not in _OF_NOBODY
    ]


def _free_name(path: Path) -> Path:
    now = datetime.now().astimezone().strftime("%Y-%m-%dT%H-%M")
    names = (f"{path.name}{_MARK}{now}{'' if n == 1 else f'-{n}'}" for n in count(1))
    return next(one for name in names if not (one := path.with_name(name)).exists())
