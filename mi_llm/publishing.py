"""Outputs put in place: one whole or not at all, several that belong together all or refused.

All is written to drafts first. Then come the new stamps, then the files, the first of them last: it
is the one that make and people wait for. A stamp names the hashes of all that was written with it,
so whatever a kill leaves is the old set, the new set, or one that `require_whole` refuses.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from mi_llm import drafts
from mi_llm.errors import InputError
from mi_llm.secret_settings import without_secrets

_INPUTS: ContextVar[tuple[Path, ...]] = ContextVar("inputs", default=())
_FOLDERS: dict[Path, Path] = {}  # folders that are being filled, and what they will be


def stamp_path(output: Path) -> Path:
    """Where the stamp of `output`, a file or a folder, lies."""
    return output.parent / f"{output.name}.stamp.json"


def command_line() -> str:
    """The command being run, as typed from the project's root, but for secrets."""
    package = Path(sys.argv[0]).parent.name
    typed = [without_secrets(word) for word in sys.argv[1:]]
    return shlex.join(["python", "-m", package, *typed])


@contextmanager
def reading_from(inputs: Sequence[Path], outputs: Sequence[Path] = ()) -> Iterator[None]:
    """Let no output of the block be one of these files, and take none that a kill left torn.

    Args:
        inputs: What is read.
        outputs: What is known to be written, files or folders; more may follow.

    Raises:
        InputError: If an input is torn, an output is an input, or a link, device or the like.
    """
    for path in inputs:
        require_whole(path)
    token = _INPUTS.set((*_INPUTS.get(), *inputs))
    try:
        for path in outputs:
            refuse_special(path)
            if path.is_file():
                refuse_existing(path, overwrite=True)
                _refuse_part(path, inputs)
        yield
    finally:
        _INPUTS.reset(token)


def require_whole(path: Path) -> None:
    """Refuse a file or folder that is not what its stamp says, or whose companions are not.

    What has no stamp is taken as it is: somebody else wrote it. A companion may be missing, but for
    the one that is put in place last.

    Raises:
        InputError: With the command to run again.
    """
    file, name = stamp_path(path), path.name
    if not file.is_file():
        file, name = stamp_path(path.parent), f"{path.parent.name}/{path.name}"
        if not file.is_file() or name not in _stamped(file).digests:
            return
    stamp = _stamped(file)
    for other in dict.fromkeys([name, *stamp.digests, stamp.last]):
        beside, digest = file.parent / other, stamp.digests.get(other)
        if beside.exists() and _digest(beside) == digest:  # neither of a folder
            continue
        if not beside.exists() and other not in (name, stamp.last):
            continue
        which = "it" if other == name else f"{beside}, written with it,"
        fault = "is of another run, or was changed" if beside.exists() else "is missing"
        raise InputError(
            f"{path}: {which} {fault}; run again: {stamp.command} (or remove {file} to take it as "
            "it is)"
        )


def _refuse_part(path: Path, folders: Sequence[Path]) -> None:
    """Raise `InputError` if an output is a file of a folder that is read, and was none before."""
    for folder in folders:
        inside = folder.is_dir() and path.resolve().is_relative_to(folder.resolve())
        if inside and not stamp_path(path).exists():
            raise InputError(
                f"{path}: is a file of {folder}, which this command reads; give another"
            )


def refuse_special(path: Path) -> None:
    """Raise `InputError` if a path, or its stamp, names a link, a device or the like.

    Folders on the way may be links.
    """
    for each in (path, stamp_path(path)):
        with naming(each):
            try:
                mode = each.lstat().st_mode
            except FileNotFoundError:
                continue
        if stat.S_ISLNK(mode):
            raise InputError(f"{shown(each)}: is a link; name the file itself, or remove the link")
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise InputError(f"{shown(each)}: is a device, pipe or socket; give a file's name")


def refuse_existing(path: Path, *, overwrite: bool, inputs: Sequence[Path] = ()) -> None:
    """Raise `InputError` if something stands at `path` that may not be replaced by a file.

    Args:
        path: The output.
        overwrite: Whether a file may be replaced.
        inputs: What it may not be, whatever it is called, beside the inputs of the command.
    """
    refuse_special(path)
    with naming(path):
        if path.is_dir():
            raise InputError(f"{shown(path)}: is a folder; give a file's name")
        if not path.exists():
            return
        if any(one.samefile(path) for one in _inputs(inputs)):
            raise InputError(f"{path}: is read by this command; give the output another name")
        if not overwrite and not _begun_by_this_command(path):
            raise InputError(f"{shown(path)}: exists; add --overwrite to replace it")


def refuse_existing_folder(path: Path, *, overwrite: bool, inputs: Sequence[Path] = ()) -> None:
    """Raise `InputError` if something stands at `path` that may not be replaced by a folder."""
    refuse_no_folder(path)
    with naming(path):
        if Path.cwd().is_relative_to(path.resolve()):
            raise InputError(f"{path}: holds the folder that you work in; name one of its own")
        drafts.restore(path)
        if not path.exists() or not any(path.iterdir()):
            return
        for one in _inputs(inputs):
            if one.resolve().is_relative_to(path.resolve()):
                raise InputError(f"{path}: holds {one}, which this command reads; name another")
        if not overwrite:
            raise InputError(f"{shown(path)}: exists; add --overwrite to replace it")


def refuse_no_folder(path: Path) -> None:
    """Raise `InputError` if something other than a folder to work in stands at `path`."""
    refuse_special(path)
    with naming(path):
        if path.exists() and not path.is_dir():
            raise InputError(f"{shown(path)}: is a file; give a folder's name")


def _begun_by_this_command(path: Path) -> bool:
    """Whether an output is left from a killed run of the command being run, and nobody's work.

    It is what its stamp says, and what was to appear last is missing.
    """
    file = stamp_path(path)
    stamp = _stamped(file) if file.is_file() else None
    return (
        stamp is not None
        and stamp.command == command_line()
        and _digest(path) == stamp.digests.get(path.name)
        and not (path.parent / stamp.last).exists()
    )


def shown(path: Path) -> Path:
    """The path as the user knows it: in the folder to be, not in its draft."""
    for draft, folder in _FOLDERS.items():
        if path.is_relative_to(draft):
            return folder / path.relative_to(draft)
    return path


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turn an error of the system into one that names the output.

    Raises:
        InputError: In place of the error.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        where = f"{shown(path)}: cannot be written"
        raise InputError(f"{where}: {reason[:1].lower()}{reason[1:]}") from None


class Publication:
    """Drafts of outputs that appear together, when `publication` ends."""

    def __init__(self, inputs: Sequence[Path]) -> None:
        self._inputs = inputs
        self._drafts: dict[Path, tuple[Path, int]] = {}  # of each output, with its lock
        self._changing: set[Path] = set()  # folders whose files will change
        self._written: dict[Path, set[Path]] = {}  # what was in folders before, by path from them
        self._streams: list[TextIO] = []
        self._made: list[Path] = []  # folders on the way

    @property
    def first(self) -> Path | None:
        """The output that was begun first, and is put in place last; None if there is none."""
        return next(iter(self._drafts), None)

    def file(self, path: Path, *, overwrite: bool = False) -> Path:
        """The empty draft of a file, to be filled by whatever writes to a path."""
        refuse_existing(path, overwrite=overwrite, inputs=self._inputs)
        return self._draft(path, drafts.new_file)

    def text(self, path: Path, *, overwrite: bool = False) -> TextIO:
        """The draft of a UTF-8 text file, open for writing."""
        draft = self.file(path, overwrite=overwrite)
        self._streams.append(draft.open("w", encoding="utf-8", newline="\n"))
        return self._streams[-1]

    def folder(self, path: Path, *, overwrite: bool = False, fixed: bool = True) -> Path:
        """The empty draft of a folder, to be filled; a draft of one is filled itself.

        Args:
            path: The folder.
            overwrite: Whether one that holds something may be replaced.
            fixed: Whether its files stay as they are, so that their hashes tell them.
        """
        if path in _FOLDERS:
            return path
        refuse_existing_folder(path, overwrite=overwrite, inputs=self._inputs)
        self._written[path] = _written_before(path)
        draft = self._draft(path, drafts.new_folder)
        _FOLDERS[draft] = shown(path)
        if not fixed:
            self._changing.add(path)
        return draft

    def digests(self) -> dict[Path, dict[Path, str]]:
        """The SHA-256 by which each output is known again, of all files of a folder.

        Workbooks in a folder have none: people write in them. Nor have weights of models.
        """
        for stream in self._streams:
            stream.flush()
        return {
            path: {} if path in self._changing else dict(_digests(path, draft))
            for path, (draft, _) in self._drafts.items()
        }

    def publish(self) -> None:
        """Put all in place, what was begun last first."""
        for stream in self._streams:
            stream.close()
        for draft, _ in self._drafts.values():
            drafts.sync(draft)
        for path, (draft, _) in reversed(self._drafts.items()):
            with naming(path):
                written, for_people = self._written.get(path, ()), path in self._changing
                drafts.put(draft, path, written, for_people=for_people)

    def discard(self) -> None:
        """Undo everything, the folders on the way as well."""
        for stream in self._streams:
            with suppress(OSError):
                stream.close()
        for draft, _ in self._drafts.values():
            drafts.remove(draft)
        for folder in reversed(self._made):
            with suppress(OSError):
                folder.rmdir()

    def close(self) -> None:
        """Let go of the locks."""
        for draft, lock in self._drafts.values():
            _FOLDERS.pop(draft, None)
            os.close(lock)

    def _draft(self, path: Path, new: Callable[[Path], tuple[Path, int]]) -> Path:
        with naming(path):
            self._made += (missing := [one for one in reversed(path.parents) if not one.exists()])
            if missing:
                path.parent.mkdir(parents=True, exist_ok=True)
            drafts.sweep(path.parent)
            if path in self._drafts:
                raise InputError(f"{path}: is named twice; give each output a name of its own")
            self._drafts[path] = new(path)
        return self._drafts[path][0]


@contextmanager
def publication(*, inputs: Sequence[Path] = ()) -> Iterator[Publication]:
    """Give a place for outputs that appear together, only when the block ends well.

    Args:
        inputs: Files that no output may be, beside those of the command.

    Raises:
        InputError: If something cannot be written, or may not be replaced.
    """
    outputs = Publication(inputs)
    try:
        yield outputs
        outputs.publish()
    except BaseException as error:
        outputs.discard()
        with naming(outputs.first) if outputs.first else nullcontext():
            raise error
    finally:
        outputs.close()


def _inputs(more: Sequence[Path]) -> list[Path]:
    return [one for one in (*_INPUTS.get(), *more) if one.exists()]


_NOT_DIGESTED = (".xlsx", ".safetensors", ".bin")


def _digests(path: Path, draft: Path) -> Iterator[tuple[Path, str]]:
    for file in drafts.files_of(draft):
        if not draft.is_dir() or file.suffix not in _NOT_DIGESTED:
            digest = _digest(file)
            assert digest is not None
            yield path / file.relative_to(draft), digest


def _digest(path: Path) -> str | None:
    """The SHA-256 of a file; None if there is none."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None


@dataclass(frozen=True, slots=True)
class _Stamp:
    """What a stamp says: the command, and by name from its folder what was written, with SHA-256.

    `last` is what was put in place last: without it a run was cut short.
    """

    command: str
    digests: dict[str, str]
    last: str


def _written_before(folder: Path) -> set[Path]:
    """The files of a folder that its stamp names, by path from it."""
    try:
        names = map(Path, _stamped(stamp_path(folder)).digests)
    except InputError:
        return set()
    return {one.relative_to(folder.name) for one in names if one.is_relative_to(folder.name)}


def _stamped(stamp: Path) -> _Stamp:
    own = stamp.name.removesuffix(".stamp.json")
    try:
        facts = json.loads(stamp.read_bytes())
        digests = {own: next(iter(facts["output"].values())), **facts.get("with", {})}
        whole = {name: digest for name, digest in digests.items() if digest}
        return _Stamp(facts["command"], whole, facts.get("last", own))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, StopIteration):
        raise InputError(f"{stamp}: not a stamp; remove it to take {own} as it is") from None
