"""The command `profiles`: check client profiles, list them, write them as JSON Lines."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mi_llm import cli, files
from mi_llm.cli import Overwrite
from mi_llm.errors import InputError

if TYPE_CHECKING:
    from mi_llm.profiles import Profile


def profiles(
    paths: Annotated[
        list[Path], typer.Argument(help="YAML, JSON Lines, or the authors' workbook (XLSX).")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="JSON Lines file to write as well.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Check client profiles and tell one line of each.

    Whatever is wrong in any file is told, one line a fault, with exit code 2; nothing is written.
    """
    if output and output.suffix != ".jsonl":
        raise InputError(f"{output}: profiles are written as JSON Lines; name it .jsonl")
    if output:
        files.refuse_existing(output, overwrite=overwrite)
    found, faults = _read(paths)
    for fault in faults:
        print(" ".join(fault.splitlines()), file=sys.stderr)
    if faults:
        raise typer.Exit(cli.WRONG_INPUT)
    for profile in found:
        print(_line(profile))
    if output:
        _write(output, paths, found, overwrite)
    print(f"{f'{output}: ' if output else ''}{len(found):,} profile{'s' * (len(found) != 1)}")


def _read(paths: list[Path]) -> tuple[list[Profile], list[str]]:
    """The profiles of all files, and all that is wrong in them."""
    from mi_llm.profiles import examine

    found: dict[str, Profile] = {}
    stands_in: dict[str, Path] = {}
    faults: list[str] = []
    for path in paths:
        try:
            examined = examine(path)
        except InputError as error:
            faults.append(str(error))
            continue
        faults += examined.faults
        for profile in examined.profiles:
            if profile.id in found:
                other = stands_in[profile.id]
                faults.append(f"{path}: profile {profile.id!r}: stands in {other} too; rename one")
            found[profile.id], stands_in[profile.id] = profile, path
    return list(found.values()), faults


def _line(profile: Profile) -> str:
    readiness, count = profile.readiness, len(profile.reasons)
    parts = [
        profile.topic or profile.target_behaviour,
        f"importance {readiness.importance}, confidence {readiness.confidence}, "
        f"ready {readiness.ready} ({readiness.stage})",
        f"receptivity {profile.receptivity}",
        f"{count} reason{'s' * (count != 1)}",
        profile.style,
        "no risk" if profile.risk == "none" else f"risk {profile.risk}",
    ]
    return f"{profile.id}: {'; '.join(parts)}"


def _write(output: Path, paths: list[Path], found: list[Profile], overwrite: bool) -> None:
    from mi_llm.profiles import profile_lines
    from mi_llm.stamp import stamped

    packages = ["pydantic", "pyyaml", "openpyxl"]
    with stamped(output, inputs=paths, packages=packages, overwrite=overwrite) as (stream, details):
        stream.writelines(profile_lines(found))
        details["counts"] = {"profiles": len(found)}
