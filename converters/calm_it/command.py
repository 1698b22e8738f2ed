"""The command `calm-it`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from converters.calm_it.names import Framework
from mi_llm import cli
from mi_llm.cli import Output, Overwrite
from mi_llm.llm_options import Asking, asks_a_model

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAX_TOKENS = 4096  # a script of twenty rounds is the longest answer


@asks_a_model(max_tokens=_MAX_TOKENS)
def calm_it(
    path: Annotated[
        Path, typer.Argument(metavar="PROFILES", help="Client profiles: .yaml, .jsonl or .xlsx.")
    ],
    output: Output,
    asking: Asking,
    rounds: Annotated[
        int, typer.Option(min=1, max=100, help="The most of a dialogue; 10, 20, 40 or 80.")
    ] = 20,
    framework: Annotated[
        Framework, typer.Option(help="How: calm-it, a baseline, or calm-it without a part.")
    ] = "calm-it",
    sessions: Annotated[int, typer.Option(min=1, help="Dialogues of each profile.")] = 1,
    seed: Annotated[int, typer.Option(help="Of what is drawn: actions and openings.")] = 42,
    overwrite: Overwrite = False,
) -> None:
    """Generate long MI dialogues from client profiles; one model plays all parts.

    Answers are kept in OUTPUT.ledger.jsonl: the same command goes on where it was stopped. What is
    not in OUTPUT stands in OUTPUT.aside.jsonl with the reason. Exit code 1 if some dialogues were
    set aside. --concurrency is how many dialogues go on at once.
    """
    from converters.asking import tally
    from converters.calm_it import generate
    from mi_llm.profiles import read_profiles

    planned = generate.sessions(
        read_profiles(path), framework, rounds=rounds, each=sessions, seed=seed
    )
    if asking.dry_run:
        _tell(generate.plan_lines(planned, asking.endpoint))
        return
    service = generate.service_for(asking.endpoint, output, again=asking.again)
    made = generate.write(planned, path, output, service, overwrite=overwrite)
    told = [one.line for one in made.alike]
    _tell([made.line(), *told, f"{output}: {tally(made.dialogues, made.asides, word='made')}"])
    if made.asides:
        raise typer.Exit(cli.CHECK_FOUND_SOMETHING)


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)
