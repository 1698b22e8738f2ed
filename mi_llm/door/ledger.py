"""Answers that were paid for, kept for good: an append-only file, one JSON line an answer.

Several processes may work on one ledger. Each appends under a lock, reads what others appended, and
claims a key while it asks, so that nobody else asks the same. Locks and claims are POSIX record
locks on the ledger itself: they end with the process, however it ends. (They also end when the same
process opens and closes the file a second time; then the worst is that two ask the same.)

A line holds no message and no secret: messages are known by their hash alone.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import stat
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from mi_llm import files, jsonl
from mi_llm.errors import InputError, Stopped

if TYPE_CHECKING:
    from mi_llm.door.spending import Prices

_APPENDING = 0  # the byte whose lock is held while appending; every other byte stands for a key
_ROOM = 1 << 20  # bytes; with less on the disk nothing more is asked, as its answer might be lost


@dataclass(frozen=True, slots=True)
class Line:
    """One answer, as the ledger holds it.

    Attributes:
        key: Hash of everything that shapes the answer (`key_of`).
        id: What the answer is for.
        model: As asked for.
        host: Of the endpoint.
        text: The answer as it came.
        finish_reason: As the server gave it; `content_filter` also where it refused to answer.
        tokens_in: Of the prompt; None if the server did not say.
        tokens_out: Of the answer; None if the server did not say.
        at_most_in: Estimate of `tokens_in`.
        at_most_out: What `tokens_out` cannot exceed.
        asked: When, UTC.
        attempts: How often it was sent until the answer came.
        prompt: Hash of the prompt file it was made with, or "".
        mode: How structure was asked for; "" if it was not.
        problem: Why the answer is of no use; None if it is.
    """

    key: str
    id: str
    model: str
    host: str
    text: str
    finish_reason: str
    tokens_in: int | None
    tokens_out: int | None
    at_most_in: int
    at_most_out: int
    asked: str
    attempts: int
    prompt: str
    mode: str
    problem: str | None

    @property
    def tokens(self) -> tuple[int, int]:
        """Tokens in and out; the most they can be where the server did not say."""
        return (
            self.at_most_in if self.tokens_in is None else self.tokens_in,
            self.at_most_out if self.tokens_out is None else self.tokens_out,
        )


_KINDS = {str: "a text", int: "a count", NoneType: "null"}
_FIELDS = {name: get_args(kind) or (kind,) for name, kind in get_type_hints(Line).items()}
MOST = 10**15  # of anything counted: beyond it a float is not exact


def key_of(**shaping: Any) -> str:
    """The SHA-256 of all that shapes an answer, as 64 hex digits."""
    text = json.dumps(shaping, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


class Ledger:
    """The answers of a file, open for more; a context manager.

    Args:
        path: The file; made, with its folders, if there is none.

    Raises:
        InputError: If it cannot be opened, or a line is not one of a ledger.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._places: dict[str, tuple[int, int]] = {}  # key to offset and length: texts stay there
        self._claimed: set[str] = set()
        self._end, self._lines = 0, 0
        self._syncing, self._synced = asyncio.Lock(), 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise InputError(f"{path}: {(error.strerror or str(error)).lower()}") from None
        if not stat.S_ISREG(os.fstat(self._file).st_mode):
            self.close()
            raise InputError(f"{path}: is no plain file; a ledger keeps what was paid for")

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; locks and claims end."""
        os.close(self._file)

    def refresh(self) -> Iterator[Line]:
        """Read, and yield, what was appended since, by anyone else; a torn last line waits."""
        size = os.fstat(self._file).st_size
        while self._end < size:
            data = self._line_at(self._end, size)
            if not data.endswith(b"\n"):
                return
            self._lines += 1
            line = _read(self.path, self._lines, data)
            self._places[line.key] = (self._end, len(data))
            self._end += len(data)
            yield line

    def get(self, key: str) -> Line | None:
        """The newest answer with that key among those read."""
        if key not in self._places:
            return None
        offset, length = self._places[key]
        return _read(self.path, 0, os.pread(self._file, length, offset))

    def claim(self, key: str) -> bool:
        """Take a key for asking; False if it is being asked already, here or elsewhere."""
        if key in self._claimed:
            return False
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _byte(key))
        except (BlockingIOError, PermissionError):
            return False
        except OSError as error:
            raise self._stopped(error) from None
        self._claimed.add(key)
        return True

    def release(self, key: str) -> None:
        """Give a claimed key back."""
        self._claimed.discard(key)
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _byte(key))

    def require_room(self) -> None:
        """Raise `Stopped` if the disk is so full that an answer might not fit."""
        if files.free_bytes(self.path) < _ROOM:
            raise Stopped(f"{self.path}: the disk is full")

    def repair(self) -> list[Line]:
        """Cut off a torn last line, left by a process that was killed; return what is new."""
        with self._lock():
            return self._repaired()

    def append(self, line: Line) -> list[Line]:
        """Write an answer; it outlives this process at once, and a power cut after `sync`.

        Returns:
            All lines that the file got since it was last read, this one last.

        Raises:
            Stopped: If it cannot be written; then nothing of it stays in the file.
        """
        data = (jsonl.dumped(asdict(line)) + "\n").encode()
        with self._lock():
            new = self._repaired()
            try:
                self._write(data)
            except OSError as error:
                with suppress(OSError):  # then the next reader cuts it off
                    os.ftruncate(self._file, self._end)
                raise self._stopped(error) from None
            return new + list(self.refresh())

    async def sync(self) -> None:
        """Wait until all that was appended before this call is on disk.

        One wait serves all who ask for it meanwhile: a disk may need longer than a model.

        Raises:
            Stopped: If the disk says that it is not.
        """
        wanted = self._end
        async with self._syncing:
            if self._synced >= wanted:
                return
            end = self._end
            try:
                await asyncio.to_thread(os.fsync, self._file)
            except OSError as error:
                raise self._stopped(error) from None
            self._synced = end

    def _stopped(self, error: OSError) -> Stopped:
        return Stopped(f"{self.path}: {(error.strerror or str(error)).lower()}")

    def _repaired(self) -> list[Line]:
        new = list(self.refresh())
        if os.fstat(self._file).st_size > self._end:
            os.ftruncate(self._file, self._end)
        return new

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._file, data) :]

    def _line_at(self, offset: int, size: int) -> bytes:
        """The bytes from there to the line's end, or to the file's."""
        data = b""
        while not data.endswith(b"\n") and offset + len(data) < size:
            more = os.pread(self._file, 1 << 14, offset + len(data))
            data += more[: more.find(b"\n") + 1] or more
            if not more:
                break
        return data

    @contextmanager
    def _lock(self) -> Iterator[None]:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX, 1, _APPENDING)
        except OSError as error:  # some network disks have no locks
            raise self._stopped(error) from None
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _APPENDING)


def summary(path: Path, prices: Prices | None = None) -> list[str]:
    """What a ledger holds, in lines for people: answers, those of no use, tokens and cost by model.

    Raises:
        InputError: If there is none, or it is not one.
    """
    answers: Counter[str] = Counter()
    tokens: Counter[tuple[str, str]] = Counter()
    cost: dict[str, float] = defaultdict(float)
    unknown = 0
    last: dict[str, Line] = {}
    if not path.is_file():
        raise InputError(f"{path}: no such ledger")
    with Ledger(path) as ledger:
        for line in ledger.refresh():
            name = f"{line.model} at {line.host}"
            answers[name] += 1
            unknown += line.tokens_in is None or line.tokens_out is None
            tokens[name, "in"] += line.tokens_in or 0
            tokens[name, "out"] += line.tokens_out or 0
            last[line.id] = line
            cost[name] += (prices.cost(line.model, *line.tokens) if prices else None) or 0.0
    useless = Counter(line.problem.split(":")[0] for line in last.values() if line.problem)
    return [
        f"{sum(answers.values()):,} answers for {len(last):,} requests;"
        f" {sum(useless.values()):,} of them without one that is of use",
        *(f"{count:,} without: {reason}" for reason, count in useless.most_common()),
        *(
            f"{name}: {count:,} answers, {tokens[name, 'in']:,} tokens in,"
            f" {tokens[name, 'out']:,} out{_money(cost[name], prices)}"
            for name, count in answers.most_common()
        ),
        *([f"{unknown:,} answers came without a count of tokens"] if unknown else []),
    ]


def _money(cost: float, prices: Prices | None) -> str:
    return f", {cost:.2f} {prices.currency}" if prices else ""


def _read(path: Path, number: int, data: bytes) -> Line:
    value = jsonl.parsed_line(path, number, data)
    if not isinstance(value, dict) or value.keys() != _FIELDS.keys():
        raise InputError(f"{path}:{number}: not a line of a ledger of answers")
    for name, kinds in _FIELDS.items():
        one = value[name]
        if type(one) not in kinds or (isinstance(one, int) and not 0 <= one <= MOST):
            expected = " or ".join(_KINDS[kind] for kind in kinds)
            raise InputError(f"{path}:{number}: {name} of an answer is not {expected}")
    return Line(**value)


def _byte(key: str) -> int:
    """The byte of the file, far behind its end, that stands for a key."""
    return 1 + int(key[:15], 16)
