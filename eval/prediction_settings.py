"""What shapes the replies in an output folder, recorded before anything is asked.

A run that goes on after a kill must not go on with other settings: replies of both would stand in
one file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mi_llm import files, jsonl
from mi_llm.errors import InputError

if TYPE_CHECKING:
    from mi_llm.llm import Endpoint

SETTINGS = "generation_settings.json"


def settings(endpoint: Endpoint, rows: Path) -> dict[str, Any]:
    """All that shapes the replies: server, model, parameters, masking, rows.

    How fast they are asked for does not, nor a local server's port.
    """
    return {
        "host": endpoint.host,
        "model": endpoint.model,
        **dict(sorted(endpoint.parameters.items())),
        "personal_data": "masked" if endpoint.mask else "as it is",
        "rows_sha256": files.sha256(rows),
    }


def require_unchanged(rows: Path, wanted: Mapping[str, Any]) -> None:
    """Raise `InputError` if the rows are no longer those that were asked."""
    if files.sha256(rows) != wanted["rows_sha256"]:
        raise InputError(f"{rows}: has changed while it was predicted; add --overwrite to go on")


def begin(folder: Path, wanted: Mapping[str, Any], *, output: str, overwrite: bool) -> None:
    """Record the settings in the folder; go on there only with the same ones.

    Args:
        folder: The output folder, made if there is none.
        wanted: As `settings` has them.
        output: Name of the file that stands in the folder when all is done.
        overwrite: Whether what the folder holds may be replaced.

    Raises:
        InputError: If it is a file, holds another run's files, other settings or the output.
    """
    files.refuse_no_folder(folder)
    _refuse_others(folder)
    path = folder / SETTINGS
    held = jsonl.read_json(path) if path.is_file() else wanted
    changes = "; ".join(_changes(held, wanted))
    if changes and not overwrite:
        raise InputError(
            f"{folder}: begun with {changes}; take another -o, or --overwrite to begin anew"
        )
    files.refuse_existing(folder / output, overwrite=overwrite)
    if changes:  # what stands there would pass for the new settings' if this run were killed
        (folder / output).unlink(missing_ok=True)
    if changes or not path.is_file():
        with files.whole(path, overwrite=True) as stream:
            stream.write(jsonl.dumped(dict(wanted), indent=1) + "\n")


def _refuse_others(folder: Path) -> None:
    """Refuse a folder that anything else has written to: scores and predictions would not fit."""
    names = [path.name for path in folder.glob("[!.]*")]
    if names and SETTINGS not in names:
        raise InputError(
            f"{folder}: holds another run's {min(names)}; give a folder of its own with -o"
        )


def _changes(held: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    for name in dict.fromkeys([*held, *wanted]):
        before, now = (_told(each, name) for each in (held, wanted))
        if before != now:
            yield f"{name} {before}, now {now}"


def _told(values: Mapping[str, Any], name: str) -> str:
    return jsonl.dumped(values[name]) if name in values else "not set"
