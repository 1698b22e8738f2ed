"""Commands run in the tests' own process: as typed, without the second that a new one takes.

What a kill does, and how long `--help` takes, is tested with processes of their own.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from unittest.mock import patch

import typer

from mi_llm import cli


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended, named as in `subprocess.CompletedProcess`."""

    returncode: int
    stdout: str
    stderr: str


def run_here(app: typer.Typer, *words: object, environment: Mapping[str, str]) -> Done:
    """Run a command line to its end."""
    typed = ["program", *map(str, words)]
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.dict(os.environ, environment, clear=True),
        patch.object(sys, "argv", typed),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            cli.run(app)
            code: object = 0
        except SystemExit as end:
            code = end.code
    return Done(code if isinstance(code, int) else 0, out.getvalue(), err.getvalue())
