"""Command line for runs of LLaMA-Factory: `python -m mi_llm --help`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mi_llm import cli

app = cli.command_group("What surrounds a run of llamafactory-cli.")


@app.callback()
def _group() -> None:
    """Keep `stamp` a command of its own while it is the only one."""


@app.command()
def stamp(
    recipe: Annotated[Path, typer.Argument(help="The recipe that was run.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="The key=value words typed behind it.")
    ] = None,
) -> None:
    """Record beside a finished run what it was run with: <output_dir>.stamp.json."""
    from mi_llm.recipe import load_recipe
    from mi_llm.run import stamp_run

    print(stamp_run(load_recipe(recipe, overrides or [])))


if __name__ == "__main__":
    cli.run(app)
