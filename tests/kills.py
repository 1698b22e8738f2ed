"""Kills at chosen moments: before the nth event that changes a file below a folder.

Python's audit hooks fire before the call and see no writes, so a kill is also tried where writing
stops short (`limit`, in bytes a file). Work of one process is forked from a warm one: a kill costs
milliseconds. The processes of a make target share a counter, which `tests/killing` sets up in each.
"""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
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
_HERE = Path(__file__).parent
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


def make_killed(
    words: Sequence[str], below: Path, number: int, *, counter: Path, alone: bool = False
) -> bool:
    """Run a command of many processes and kill it before the nth change below a folder.

    Args:
        words: The command line.
        below: The folder whose changes count, of all its Pythons together.
        number: Which change, from 1.
        counter: File to count in.
        alone: Kill only the process that would change something; make then ends by itself.

    Returns:
        Whether it came to that.
    """
    counter.write_text("0")
    asked = {"MI_LLM_KILL_AT": f"{number} {int(alone)} {counter} {below}"}
    path = os.pathsep.join([str(_HERE / "killing"), str(_HERE.parent)])
    dropped = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    subprocess.run(
        words,
        cwd=_HERE.parent,
        env={**kept, **asked, "PYTHONPATH": path},
        capture_output=True,
        start_new_session=True,  # so that all of it can be killed, and nothing else
        check=False,
        timeout=300,
    )
    return int(counter.read_text()) >= number


def kill_as_asked() -> None:
    """Watch this process as `make_killed` asked in the environment."""
    number, alone, counter, below = os.environ["MI_LLM_KILL_AT"].split(maxsplit=3)
    lock = os.open(counter, os.O_RDWR)

    def count() -> None:
        fcntl.flock(lock, fcntl.LOCK_EX)
        so_far = int(os.pread(lock, 20, 0)) + 1
        os.pwrite(lock, str(so_far).encode(), 0)
        fcntl.flock(lock, fcntl.LOCK_UN)
        if so_far == int(number):
            pid = os.getpid() if alone == "1" else 0
            os.kill(pid, signal.SIGKILL)  # 0: all of the session's group

    watch(Path(below), count)
