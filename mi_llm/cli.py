"""How every command line here ends: one line and exit code 2 for a user's mistake, 3 for a stop."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mi_llm.errors import InputError, Stopped

Output = Annotated[Path, typer.Option("--output", "-o", help="File to write.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the output if it exists.")]

CHECK_FOUND_SOMETHING = 1
WRONG_INPUT = 2
STOPPED = 3
INTERRUPTED = 130


def command_group(help_text: str) -> typer.Typer:
    """An empty group of commands, with plain messages and no traceback decoration."""
    return typer.Typer(
        help=help_text,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )


def run(app: typer.Typer) -> None:
    """Run the command that was typed; end with its exit code."""
    try:
        app()
    except InputError as error:
        print(" ".join(str(error).splitlines()), file=sys.stderr)
        sys.exit(WRONG_INPUT)
    except Stopped as stop:
        reason = " ".join(str(stop).splitlines())
        print(f"stopped: {reason}; run the same command again to go on", file=sys.stderr)
        sys.exit(STOPPED)
    except SystemExit as end:
        if end.code == INTERRUPTED:  # typer's answer to Ctrl-C
            print("interrupted", file=sys.stderr)
        raise
