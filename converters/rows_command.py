"""The commands that make rows and check them: `alpaca` and `check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from converters.row_options import CutoffLen, Fit, Register
from mi_llm import cli, files
from mi_llm.cli import Output, Overwrite
from mi_llm.errors import InputError

_DATASET_INFO = Path("dataset_info.json")
_PROMPT = "counselor.v1"
_CUTOFF = 2048


def alpaca(
    path: Annotated[Path, typer.Argument(help="Dialogues, one JSON object a line.")],
    output: Output,
    rows: Annotated[
        Literal["round", "dialogue"],
        typer.Option(help="One row per round (train with mask_history: true) or per dialogue."),
    ] = "round",
    prompt_as: Annotated[
        Literal["instruction", "system"] | None,
        typer.Option(
            help="Where the fixed prompt goes. instruction: before the last client turn. system: "
            "at the head. Default: instruction for rounds, system for dialogues."
        ),
    ] = None,
    register: Register = None,
    fit: Fit = None,
    cutoff_len: CutoffLen = None,
    overwrite: Overwrite = False,
) -> None:
    """Write dialogues as Alpaca rows for LLaMA-Factory."""
    import prompts
    from converters.fit import length_limit
    from converters.rows import RowWriter, columns, fits_always
    from mi_llm import jsonl
    from mi_llm.dialogue import read_dialogues
    from mi_llm.recipe import register_dataset
    from mi_llm.stamp import stamped

    if cutoff_len and not fit:
        raise InputError("--cutoff-len needs --fit TOKENIZER:TEMPLATE to count tokens with")
    placement = prompt_as or ("instruction" if rows == "round" else "system")
    prompt = prompts.load(_PROMPT)
    files.refuse_existing(output, overwrite=overwrite)
    limit = cutoff_len or _CUTOFF
    fits = length_limit(fit, limit) if fit else fits_always
    writer = RowWriter(prompt.text, rows, placement, fits)
    with stamped(output, inputs=[path], overwrite=overwrite) as (stream, details):
        stream.writelines(jsonl.array_text(writer.rows(read_dialogues(path))))
        if not writer.counts["rows"]:
            raise InputError(f"{path}: no dialogue has a round, so there is no row to write")
        details.update(
            counts=writer.counts,
            prompts={prompt.name: prompt.sha},
            rows=rows,
            prompt_as=placement,
            fit=fit or [],
            cutoff_len=limit if fit else None,
            dialogues_without_round=writer.without_round,
        )
        if register:
            register_dataset(register, output, columns(placement), info_path=_DATASET_INFO)
    for line in writer.summary():
        print(f"{output}: {line}")


def check(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Alpaca files (.json, .jsonl), whoever wrote them.")
    ] = None,
    recipe: Annotated[
        list[Path] | None,
        typer.Option(
            help="Recipe (YAML), repeatable. Files named are checked against it; without files, "
            "the datasets that it names."
        ),
    ] = None,
    override: Annotated[
        list[str] | None,
        typer.Option(help="key=value that will be typed behind the recipe, repeatable."),
    ] = None,
) -> None:
    """Find what LLaMA-Factory would die of or learn wrong.

    Exit code 1 if there is any. Nothing is changed.
    """
    from mi_llm.checks import file_report, recipe_reports
    from mi_llm.recipe import load_recipe, text_faults

    recipes = [load_recipe(one, override or []) for one in recipe or []]
    if paths:
        reports = (file_report(path, recipes=recipes) for path in paths)
    elif recipes:
        reports = (report for one in recipes for report in recipe_reports(one))
    else:
        raise InputError("nothing to check; name Alpaca files, --recipe YAML, or both")
    problems = 0
    for one in recipes:
        for fault in text_faults(one.settings):
            problems += 1
            print(f"{one.path}: {fault}")
    for report in reports:
        problems += len(report.findings)
        for line in report.lines():
            print(line)
    if problems:
        raise typer.Exit(cli.CHECK_FOUND_SOMETHING)
