"""A small command that asks a model, as the real ones do; tests kill it, starve it and start two.

Usage: python -m tests.llm_driver LEDGER --base-url URL --model tester --count 500
It prints its tally as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel

from mi_llm import cli
from mi_llm import llm_options as options
from mi_llm.llm import Request, Tally, ask_all, plan

app = cli.command_group("Ask a model.")
ROOT = Path(__file__).resolve().parent.parent
FIRST_PAUSE = 0.02  # seconds; tests do not wait as people do


class Reply(BaseModel):
    """What every answer has to be."""

    reply: str


def requests(count: int) -> list[Request]:
    """Requests whose prompts are their ids."""
    names = [f"job/{number}" for number in range(count)]
    return [Request(name, ({"role": "user", "content": name},), schema=Reply) for name in names]


@app.command()
@options.asks_a_model(max_tokens=1000)
def ask(
    ledger: Path,
    asking: options.Asking,
    count: int = 20,
    attempts: Annotated[int, typer.Option()] = 6,
) -> None:
    """Ask; exit code 1 if something was set aside."""
    from dataclasses import replace

    endpoint = replace(asking.endpoint, first_pause=FIRST_PAUSE, attempts=attempts)
    if asking.dry_run:
        typer.echo("\n".join(plan(requests(count), endpoint, ledger).lines()))
        return
    tally = Tally()
    results = ask_all(requests(count), endpoint, ledger, progress=True, tally=tally)
    ids = sorted(result.id for result in results)
    typer.echo(json.dumps({**asdict(tally), "ids": len(set(ids))}))
    if tally.set_aside:
        raise typer.Exit(cli.CHECK_FOUND_SOMETHING)


def words(base_url: str, ledger: Path, *more: object) -> list[str]:
    """What is typed behind the program's name."""
    return [str(ledger), "--base-url", base_url, "--model", "tester", *map(str, more)]


def command(base_url: str, ledger: Path, *more: object) -> list[str]:
    """The command line that runs this."""
    program = [sys.executable, "-W", "error", "-m", "tests.llm_driver"]
    return [*program, *words(base_url, ledger, *more)]


def environment(**more: str) -> dict[str, str]:
    """The tests' environment without keys or proxies, and what is named."""
    hidden = ("OPENAI_API_KEY", "MI_LLM_API_KEY")
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    return {**kept, **more}


if __name__ == "__main__":
    cli.run(app)
