"""The command that predicts from a server: `predict`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mi_llm import cli
from mi_llm import llm_options as options
from mi_llm.cli import Overwrite
from mi_llm.errors import InputError
from mi_llm.llm_options import Asking

if TYPE_CHECKING:
    from eval.predict import Replies
    from mi_llm.llm import Endpoint, Tally

_MAX_TOKENS = 512  # as the recipes of predict/
_TOLD = 3  # rows without a reply that are named


@options.asks_a_model(max_tokens=_MAX_TOKENS)
def predict(
    rows: Annotated[Path, typer.Argument(help="Alpaca rows.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder, such as saves/glm4_lora/predict.")
    ],
    *,
    asking: Asking,
    template: Annotated[
        str | None,
        typer.Option(help="The recipe's: labels as LLaMA-Factory writes them (glm4: a newline)."),
    ] = None,
    mask: Annotated[
        bool,
        typer.Option("--mask", help="Mask personal data also if the server is on this machine."),
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Ask a server for the reply to every row; write what LLaMA-Factory's prediction writes.

    Replies are kept in OUTPUT.ledger.jsonl: the same command goes on where it was stopped. Exit
    code 1, and no file, if some rows got no reply.
    """
    from eval import predict as job
    from eval.prediction_settings import begin, require_unchanged, settings
    from mi_llm.llm import Tally, ask_all, plan

    job.require_known(template)
    endpoint = _masking(asking.endpoint, mask=mask)
    ledger = output.with_name(f"{output.name}.ledger.jsonl")
    wanted = settings(endpoint, rows)
    asked = job.questions(rows)
    if asking.dry_run:
        for line in plan(job.requests(asked), endpoint, ledger).lines():
            print(line)
        return
    begin(output, wanted, output=job.PREDICTIONS, overwrite=overwrite)
    tally = Tally()
    found = job.replies(
        asked,
        endpoint,
        lambda requests: ask_all(
            requests, endpoint, ledger, progress=True, again=asking.again, tally=tally
        ),
    )
    endpoint.notes.reasons.clear()  # told below, by row
    _refuse_gaps(output, found)
    require_unchanged(rows, wanted)
    job.write(
        output,
        found,
        rows=rows,
        template=template,
        overwrite=overwrite,
        details=_details(endpoint, wanted, tally),
    )
    print(f"{output}: {found.summary()}")
    if tally.from_ledger:  # of an older checkpoint, if another is served under its name
        print(f"{tally.from_ledger:,} replies were in {ledger} already")
    if tally.masked:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(tally.masked.items()))
        print(f"masked in what was sent: {kinds}; the labels are as they were")


def _masking(endpoint: Endpoint, *, mask: bool) -> Endpoint:
    """On this machine the model sees the rows as LLaMA-Factory's prediction shows them.

    Masking would change the scores, and elsewhere not masking would let personal data leave.
    """
    if mask and not endpoint.mask:
        raise InputError("--mask and --no-mask: give one of them")
    return replace(endpoint, mask=mask or endpoint.masked_elsewhere().mask)


def _details(endpoint: Endpoint, wanted: dict[str, Any], tally: Tally) -> dict[str, Any]:
    """What the stamp says of the server."""
    return {
        "backend": "an OpenAI-compatible server, asked by python -m eval predict",
        "server": {
            **endpoint.as_stamp(),
            "personal_data": wanted["personal_data"],
            "masked": dict(sorted(tally.masked.items())),
            "from_ledger": tally.from_ledger,
        },
        "settings": wanted,
    }


def _refuse_gaps(output: Path, found: Replies) -> None:
    """End with exit code 1 if a row has no reply: scores of the rest would not be those of all."""
    missing = found.unanswered
    if not missing:
        return
    for line in missing[:_TOLD]:
        print(line, file=sys.stderr)
    if len(missing) > _TOLD:
        print(f"and {len(missing) - _TOLD:,} more", file=sys.stderr)
    print(
        f"{output}: {len(missing):,} of {len(found.results):,} rows without a reply, so nothing was"
        " written; the same command asks for these again",
        file=sys.stderr,
    )
    raise typer.Exit(cli.CHECK_FOUND_SOMETHING)
