"""Where a file came from: the small JSON that lies beside each output as `<file>.stamp.json`."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, TextIO

import mi_llm
from mi_llm import files, jsonl, publishing
from mi_llm.publishing import Publication

_ROOT = Path(__file__).resolve().parent.parent


stamp_path = publishing.stamp_path
command_line = publishing.command_line


@contextmanager
def stamped(
    output: Path, *, inputs: Sequence[Path], packages: Sequence[str] = (), overwrite: bool = False
) -> Iterator[tuple[TextIO, dict[str, Any]]]:
    """Open a text file that appears, with its stamp, only when the block ends well.

    As `stamped_set` with one file, which is opened at once.
    """
    files.refuse_existing(output, overwrite=overwrite, inputs=inputs)
    with stamped_set(inputs=inputs, packages=packages) as (outputs, details):
        yield outputs.text(output, overwrite=overwrite), details


@contextmanager
def stamped_set(
    *, inputs: Sequence[Path], packages: Sequence[str] = ()
) -> Iterator[tuple[Publication, dict[str, Any]]]:
    """Give a place for files and folders that appear together, each with its stamp.

    They do so only when the block ends well. The stamp of each names the hashes of all, and
    `mi_llm.publishing.require_whole` tells them from what a kill left torn. The first that is
    opened is put in place last: let it be the one that others wait for.

    Args:
        inputs: Files they are made from, none of which they may be; their SHA-256 is taken at once.
        packages: Distributions whose versions shape the outputs.

    Yields:
        Where to open them, and a dict for `counts` (what went in, came out, was repaired and left
        out) and whatever else shapes the outputs: seed, prompts, settings. Never a secret.

    Raises:
        InputError: If an input cannot be read, or an output or a stamp cannot be written.
    """
    facts = _facts(inputs, packages, command_line())
    details: dict[str, Any] = {}
    with publishing.publication(inputs=inputs) as outputs:
        yield outputs, details
        digests = outputs.digests()
        for output in digests:
            own = {"output": {str(output): digests[output].get(output)}}
            beside = _beside(output, digests, last=next(iter(digests)))
            stream = outputs.text(stamp_path(output), overwrite=True)
            stream.write(_text({**own, **beside, **facts, **details}))


@contextmanager
def stamped_folder(
    output: Path,
    *,
    inputs: Sequence[Path],
    packages: Sequence[str] = (),
    overwrite: bool = False,
    fixed: bool = True,
) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Give a folder to fill that appears, with its stamp, only when the block ends well.

    As `stamped_set` with one folder, which is begun at once; without hashes unless it is `fixed`.
    """
    with stamped_set(inputs=inputs, packages=packages) as (outputs, details):
        yield outputs.folder(output, overwrite=overwrite, fixed=fixed), details


def _beside(
    output: Path, digests: Mapping[Path, Mapping[Path, str]], *, last: Path
) -> dict[str, Any]:
    """The hashes of all that is written with an output, by path from its folder."""
    found = {
        os.path.relpath(file, output.parent): digest
        for one in digests.values()
        for file, digest in one.items()
        if file != output
    }
    return {"with": found, "last": os.path.relpath(last, output.parent)} if found else {}


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
            [
                "git",
                "--no-optional-locks",
                "describe",
                "--always",
                "--dirty",
                "--abbrev=40",
                "--exclude=*",
            ],
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
        stream.write(_text(facts))


def _text(facts: Mapping[str, Any]) -> str:
    return jsonl.dumped(facts, indent=1) + "\n"
