"""How every command line here ends: one line and exit code 2 for a user's mistake, 3 for a stop."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from mi_llm.errors import InputError, Stopped
from mi_llm.publishing import reading_from
from mi_llm.secret_settings import without_secrets

_Command = TypeVar("_Command", bound=Callable[..., Any])

Output = Annotated[Path, typer.Option("--output", "-o", help="File to write.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the output if it exists.")]

# The parameters of commands that name what is written; every other path is read.
OUTPUTS = frozenset({"output", "table", "figure", "assets", "disputed"})

CHECK_FOUND_SOMETHING = 1
WRONG_INPUT = 2
STOPPED = 3
INTERRUPTED = 130


def command_group(help_text: str) -> typer.Typer:
    """An empty group of commands, with plain messages and no traceback decoration."""
    return _Commands(
        help=help_text,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )


class _Commands(typer.Typer):
    """Commands whose files are looked at before they begin: inputs whole, no output among them."""

    def command(self, *args: Any, **kwargs: Any) -> Callable[[_Command], _Command]:
        register = super().command(*args, **kwargs)

        def added(command: _Command) -> _Command:
            @wraps(command)
            def begun(**values: Any) -> Any:
                with reading_from(_paths(values, written=False), _paths(values, written=True)):
                    return command(**values)

            register(begun)
            return command

        return added


def _paths(values: Mapping[str, Any], *, written: bool) -> list[Path]:
    """The paths among a command's parameters that it writes, or those that it reads."""
    given = [value for name, value in values.items() if (name in OUTPUTS) == written]
    listed = [value if isinstance(value, list | tuple) else [value] for value in given]
    return [one for several in listed for one in several if isinstance(one, Path)]


def run(app: typer.Typer) -> None:
    """Run the command that was typed; end with its exit code."""
    try:
        app()
    except InputError as error:
        print(_line(error), file=sys.stderr)
        sys.exit(WRONG_INPUT)
    except Stopped as stop:
        print(f"stopped: {_line(stop)}; run the same command again to go on", file=sys.stderr)
        sys.exit(STOPPED)
    except SystemExit as end:
        if end.code == INTERRUPTED:  # typer's answer to Ctrl-C
            print("interrupted", file=sys.stderr)
        raise


def _line(error: Exception) -> str:
    return without_secrets(" ".join(str(error).splitlines()))
