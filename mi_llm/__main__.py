"""Command line for runs of LLaMA-Factory: `python -m mi_llm --help`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mi_llm import cli
from mi_llm.llm_options import PriceFile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mi_llm.runs.readiness import Line

Recipe = Annotated[Path, typer.Argument(help="The recipe, a YAML of llamafactory_configs/.")]
Overrides = Annotated[list[str] | None, typer.Argument(help="The key=value words typed behind it.")]

app = cli.command_group("What surrounds runs of llamafactory-cli and of language models.")


@app.command()
def doctor(
    recipes: Annotated[
        Path, typer.Option(help="Folder of recipes, whose base models are looked at.")
    ] = Path("llamafactory_configs"),
    pins: Annotated[
        Path, typer.Option(help="Constraints file that the packages should be as in.")
    ] = Path("constraints/pins.txt"),
) -> None:
    """Look at this machine: packages, GPU, templates, tokenizers, fonts, disk, hub.

    Nothing is fetched. Exit code 1 if there is a problem.
    """
    from mi_llm.recipe import load_recipe
    from mi_llm.runs.doctor import doctor as looked_at

    _quiet()
    _tell(looked_at([load_recipe(path) for path in sorted(recipes.glob("*.yaml"))], pins))


@app.command()
def preflight(recipe: Recipe, overrides: Overrides = None) -> None:
    """Look, before a run, at all that would end it badly. Exit code 1 if there is a problem.

    Versions, settings, tokenizer, template, data, lengths, adapter, disk; an incomplete newest
    checkpoint is set aside.
    """
    from mi_llm.recipe import load_recipe
    from mi_llm.runs.preflight import preflight as looked_at

    _quiet()
    _tell(looked_at(load_recipe(recipe, overrides or [])))


@app.command()
def stamp(recipe: Recipe, overrides: Overrides = None) -> None:
    """Record beside a finished run what it was run with: <output_dir>.stamp.json."""
    from mi_llm.recipe import load_recipe
    from mi_llm.runs.run import stamp_run

    print(stamp_run(load_recipe(recipe, overrides or [])))


@app.command()
def card(recipe: Recipe, overrides: Overrides = None) -> None:
    """Write the model card of a merged model: <export_dir>/README.md.

    Licence, naming rule, data, settings, limits, as far as stamps know them.
    """
    from mi_llm.recipe import load_recipe
    from mi_llm.runs.card import write_card

    print(write_card(load_recipe(recipe, overrides or [])))


@app.command()
def ledger(
    path: Annotated[Path, typer.Argument(help="Answers of a language model: FILE.ledger.jsonl.")],
    prices: PriceFile = None,
) -> None:
    """Tell what a ledger holds: answers, those of no use and why, tokens, cost."""
    from mi_llm.door.ledger import summary
    from mi_llm.door.spending import read_prices

    for line in summary(path, read_prices(prices) if prices else None):
        print(line)


def _quiet() -> None:
    """Let the libraries say errors only: what they found stands in our own lines."""
    os.environ.setdefault("LLAMAFACTORY_VERBOSITY", "ERROR")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")


def _tell(lines: Iterable[Line]) -> None:
    problems = 0
    for line in lines:
        print(line, flush=True)
        problems += line.state == "problem"
    if problems:
        raise typer.Exit(cli.CHECK_FOUND_SOMETHING)


if __name__ == "__main__":
    cli.run(app)
