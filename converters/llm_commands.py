"""The commands that ask a language model about dialogues: `screen` and `transcribe`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mi_llm import cli, files
from mi_llm.cli import Output, Overwrite
from mi_llm.llm_options import Asking, asks_a_model

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from converters.asking import Asides
    from converters.screening.figure import Format
    from converters.screening.report import Report
    from mi_llm.publishing import Publication

PromptName = Annotated[str, typer.Option(help="Prompt, by its name in prompts/.")]

_SCREEN_TOKENS = 2048  # a judgement is short
_TRANSCRIBE_TOKENS = 8192  # forty rounds with their annotations


@asks_a_model(max_tokens=_SCREEN_TOKENS)
def screen(
    paths: Annotated[list[Path], typer.Argument(help="Dialogues; each file is one corpus.")],
    output: Output,
    asking: Asking,
    sample: Annotated[int, typer.Option(min=1, help="Dialogues drawn from each corpus.")] = 50,
    seed: Annotated[int, typer.Option(help="Of the draw and of the resampling.")] = 0,
    figure: Annotated[
        list[Path] | None,
        typer.Option(help="Draw the means, .svg or .png, repeatable; the paper's Figure 2."),
    ] = None,
    prompt: PromptName = "screen.v2",
    overwrite: Overwrite = False,
) -> None:
    """Score a sample of each corpus with CPsyCoun's rubric, and rank the corpora.

    Answers are kept in OUTPUT.ledger.jsonl: the same command goes on where it was stopped. Exit
    code 1 if some dialogues got no usable judgement.
    """
    import prompts
    from converters.asking import ledger_path
    from converters.screening import screen as job
    from converters.screening.report import as_json, report, table
    from mi_llm import jsonl
    from mi_llm.service import Service
    from mi_llm.stamp import stamped_set

    figures = _formats(figure) if figure else []
    service = Service(asking.endpoint, ledger_path(output), again=asking.again, progress=True)
    text = prompts.load(prompt)
    drawn = job.corpora(paths, sample=sample, seed=seed)
    if asking.dry_run:
        _tell(service.plan(one for _, one in job.requests(drawn, text)).lines())
        return
    for path in (output, *(path for path, _ in figures)):
        files.refuse_existing(path, overwrite=overwrite)
    found = report(drawn, job.judged(drawn, text, service), seed=seed)
    packages = ["openai", "numpy", *(["matplotlib"] if figures else [])]
    with stamped_set(inputs=paths, packages=packages) as (outputs, details):
        stream = outputs.text(output, overwrite=overwrite)
        stream.write(jsonl.dumped(as_json(found), indent=1) + "\n")
        for path, kind in figures:
            _draw(found, path, kind, outputs, overwrite=overwrite)
        details.update(
            counts=_counts(found),
            prompts={text.name: text.sha},
            sample=sample,
            seed=seed,
            endpoint=service.as_stamp(),
        )
    _tell([*table(found), *([found.alike.line] if found.alike else [])])
    _close(output, "scored", found.scored, found.asides)


@asks_a_model(max_tokens=_TRANSCRIBE_TOKENS)
def transcribe(
    path: Annotated[Path, typer.Argument(help="Dialogues, one JSON object a line.")],
    output: Output,
    asking: Asking,
    prompt: PromptName = "transcribe.v1",
    overwrite: Overwrite = False,
) -> None:
    """Rewrite dialogues in MI style.

    Answers are kept in OUTPUT.ledger.jsonl: the same command goes on where it was stopped. What is
    not in OUTPUT stands in OUTPUT.aside.jsonl with the reason. Exit code 1 if some dialogues got no
    usable answer.
    """
    import prompts
    from converters.asking import ledger_path
    from converters.transcription import transcribe as job
    from mi_llm.service import Service

    service = Service(asking.endpoint, ledger_path(output), again=asking.again, progress=True)
    text = prompts.load(prompt)
    if asking.dry_run:
        _tell(service.plan(one for _, one in job.requests(path, text)).lines())
        return
    files.refuse_existing(output, overwrite=overwrite)
    kept, asides, same = job.write(path, output, text, service, overwrite=overwrite)
    _tell([*([same.line] if same else [])])
    _close(output, "kept", kept, asides)


def _formats(paths: Sequence[Path]) -> list[tuple[Path, Format]]:
    from converters.screening.figure import figure_format

    return [(path, figure_format(path.name)) for path in paths]


def _draw(
    found: Report, path: Path, kind: Format, outputs: Publication, *, overwrite: bool
) -> None:
    from converters.screening.figure import drawing

    means = {one.corpus.name: one.means for one in found.corpora if one.means}
    if not means:
        print(f"{path}: not drawn, since nothing was scored", file=sys.stderr)
        return
    drawn = drawing(means, kind)
    outputs.file(path, overwrite=overwrite).write_bytes(drawn.data)
    if drawn.numbered:
        print(
            f"{path}: no font here draws {', '.join(drawn.numbered)}, so corpora are numbered in "
            "their order; install one (Debian: fonts-wqy-microhei), or draw an .svg",
            file=sys.stderr,
        )


def _counts(found: Report) -> dict[str, int]:
    set_aside = {kind: count for (_, kind), count in sorted(found.asides.items())}
    alike = found.alike.counts if found.alike else {}
    return {"scored": found.scored, **set_aside, **alike}


def _close(output: Path, word: str, done: int, asides: Asides) -> None:
    """Tell what came of it, and end with exit code 1 if anything was set aside."""
    from converters.asking import tally

    print(f"{output}: {tally(done, asides, word=word)}")
    if any(status == "set aside" for status, _ in asides):
        raise typer.Exit(cli.CHECK_FOUND_SOMETHING)


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)
