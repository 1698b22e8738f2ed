"""Where a file came from: the small JSON that lies beside each output as `<file>.stamp.json`."""

from __future__ import annotations

import platform
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, TextIO

import mi_llm
from mi_llm import files, jsonl

_ROOT = Path(__file__).resolve().parent.parent


def stamp_path(output: Path) -> Path:
    """Where the stamp of `output`, a file or a folder, lies."""
    return output.with_name(f"{output.name}.stamp.json")


@contextmanager
def stamped(
    output: Path, *, inputs: Sequence[Path], packages: Sequence[str] = (), overwrite: bool = False
) -> Iterator[tuple[TextIO, dict[str, Any]]]:
    """Open a text file that appears, with its stamp, only when the block ends well.

    Args:
        output: The file; written as `mi_llm.files.whole` writes.
        inputs: Files it is made from; their SHA-256 is taken at once.
        packages: Distributions whose versions shape the output.
        overwrite: Whether the output may exist.

    Yields:
        The open file, and a dict for `counts` (what went in, came out, was repaired and left out)
        and whatever else shapes the output: seed, prompts, settings. Never a secret.

    Raises:
        InputError: If an input cannot be read, or file or stamp cannot be written.
    """
    files.refuse_existing(output, overwrite=overwrite)
    facts = _facts(inputs, packages, command_line())
    details: dict[str, Any] = {}
    with files.whole(output, overwrite=overwrite) as stream:
        yield stream, details
        stream.flush()
        digest = {str(output): files.sha256(Path(stream.name))}
        _write(stamp_path(output), {"output": digest, **facts, **details})


def write_stamp(
    output: Path,
    *,
    inputs: Sequence[Path],
    counts: Mapping[str, int],
    packages: Sequence[str] = (),
    command: str | None = None,
    **details: Any,
) -> None:
    """Write the stamp of an output that is complete, usually a folder.

    Args:
        output: The folder, or a file (then its SHA-256 is recorded).
        inputs: Files it was made from, recorded as typed with their SHA-256.
        counts: What went in, came out, was repaired and was left out, by kind.
        packages: Distributions whose versions shape the output.
        command: What made the output; None is the command being run.
        **details: Whatever else does: seed, prompts, settings. Never a secret.
    """
    digest = {str(output): files.sha256(output) if output.is_file() else None}
    facts = _facts(inputs, packages, command or command_line())
    _write(stamp_path(output), {"output": digest, **facts, "counts": dict(counts), **details})


def command_line() -> str:
    """The command being run, as typed from the project's root."""
    package = Path(sys.argv[0]).parent.name
    return shlex.join(["python", "-m", package, *sys.argv[1:]])


def versions(packages: Sequence[str]) -> dict[str, str]:
    """The versions of Python, of mi-llm and of the named distributions that are installed."""
    found = {"python": platform.python_version(), "mi-llm": mi_llm.__version__}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def commit() -> str | None:
    """The checkout's commit, `-dirty` behind it when tracked files differ; None outside git."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=_ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.strip()


def _facts(inputs: Sequence[Path], packages: Sequence[str], command: str) -> dict[str, Any]:
    return {
        "command": command,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(packages),
        "commit": commit(),
        "inputs": {str(path): files.sha256(path) for path in inputs},
    }


def _write(path: Path, facts: Mapping[str, Any]) -> None:
    with files.whole(path, overwrite=True) as stream:
        stream.write(jsonl.dumped(facts, indent=1) + "\n")
