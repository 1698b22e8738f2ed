"""Where a file came from: the small JSON that lies beside each output as `<file>.stamp.json`."""

from __future__ import annotations

import json
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import mi_llm
from mi_llm import files

_ROOT = Path(__file__).resolve().parent.parent


def stamp_path(output: Path) -> Path:
    """Where the stamp of `output`, a file or a folder, lies."""
    return output.with_name(f"{output.name}.stamp.json")


def write_stamp(
    output: Path,
    *,
    inputs: Sequence[Path],
    counts: Mapping[str, int],
    packages: Sequence[str] = (),
    command: str | None = None,
    **details: Any,
) -> None:
    """Write the stamp of an output that is complete.

    Args:
        output: The file (its SHA-256 is recorded) or folder.
        inputs: Files it was made from, recorded as typed with their SHA-256.
        counts: What went in, came out, was repaired and was left out, by kind.
        packages: Distributions whose versions shape the output.
        command: What made the output; None is the command being run.
        **details: Whatever else does: seed, prompts, settings. Never a secret.
    """
    facts = {
        "output": {str(output): files.sha256(output) if output.is_file() else None},
        "command": command or command_line(),
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(packages),
        "commit": commit(),
        "inputs": {str(path): files.sha256(path) for path in inputs},
        "counts": dict(counts),
        **details,
    }
    with files.whole(stamp_path(output), overwrite=True) as stream:
        stream.write(json.dumps(facts, ensure_ascii=False, indent=1) + "\n")


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
