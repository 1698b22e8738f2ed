"""Kills at chosen moments: before the nth event that changes a file below a folder.

Python's audit hooks fire before the call and see no writes, so a kill is also tried where writing
stops short (`limit`, in bytes a file). The work is forked from a warm process: a kill costs
milliseconds.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

# By event, the places of the paths among its arguments, and that of the folder they start from.
_CHANGES = {
    "os.rename": ((0, 2), (1, 3)),
    "os.remove": ((0, 1),),
    "os.rmdir": ((0, 1),),
    "os.mkdir": ((0, 2),),
    "os.link": ((0, 2), (1, 3)),
    "os.symlink": ((1, 2),),
    "os.truncate": ((0, None),),
}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def changed_paths(event: str, arguments: tuple[Any, ...]) -> list[str]:
    """The absolute paths that an audited event is about to change."""
    if event == "open":
        path, _, flags = arguments
        return [_absolute(path, -1)] if flags & _WRITES and not isinstance(path, int) else []
    return [
        _absolute(arguments[path], -1 if folder is None else arguments[folder])
        for path, folder in _CHANGES.get(event, ())
        if not isinstance(arguments[path], int)
    ]


def _absolute(path: Any, folder: int) -> str:
    base = Path.cwd() if folder < 0 else Path(f"/proc/self/fd/{folder}").readlink()
    return os.path.normpath(base / os.fsdecode(path))


def watch(below: Path, at: Callable[[], None]) -> None:
    """Call `at` before each change below a folder, as long as this process lives."""
    start = f"{below.resolve()}{os.sep}"

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if any(one.startswith(start) for one in changed_paths(event, arguments)):
            at()

    sys.addaudithook(hook)


def killed(work: Callable[[], object], below: Path, number: int, *, limit: int = 0) -> bool:
    """Fork, do the work and kill it before its nth change below a folder, counted from 1.

    Args:
        work: What is done.
        below: The folder whose changes count.
        number: Which change; 0 for none.
        limit: Bytes at which writing to a file stops short, 0 for no limit.

    Returns:
        Whether it came to that; else it ended by itself.
    """
    child = os.fork()
    if not child:
        _work_and_end(work, below, number, limit)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def _work_and_end(work: Callable[[], object], below: Path, number: int, limit: int) -> None:
    left = number

    def count() -> None:
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    code = 1
    try:
        watch(below, count)
        if limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        work()
        code = 0
    finally:
        os._exit(code)
