"""The command that writes the page: `report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mi_llm import files
from mi_llm.cli import Output, Overwrite
from mi_llm.errors import InputError


def report(
    output: Output,
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Folders <model>_base/predict and <model>_<variant>/predict, each with "
            "generated_predictions.jsonl and scores.json; none for tables of --with alone."
        ),
    ] = None,
    language: Annotated[str, typer.Option("--lang", help="Of the page: en or zh.")] = "en",
    with_: Annotated[
        list[Path] | None,
        typer.Option(
            "--with",
            help="Also show a review's kept.funnel.json, a file of converters stats -o, miti.json, "
            "dynamics.json or fidelity.json; repeatable.",
        ),
    ] = None,
    assets: Annotated[
        Path | None, typer.Option(help="Folder for figures (SVG, PNG) and tables (CSV).")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write the report: base against tuned.

    One self-contained HTML page, with the paper's values beside ours. Without runs it shows what
    --with names: the MITI tables of sessions, say.
    """
    from eval.report.assets import write_assets
    from eval.report.content import content
    from eval.report.figures import drawn
    from eval.report.more import sections
    from eval.report.page import rendered, tables_page
    from eval.report.words import words
    from eval.runs import read_run
    from mi_llm.stamp import stamped_set

    words(language)
    runs = runs or []
    if not runs and (assets or not with_):
        raise InputError("no run to report; without runs only tables of --with can be shown")
    if assets:
        files.refuse_existing_folder(assets, overwrite=overwrite)
    found = [read_run(folder) for folder in runs]
    more = [section for path in with_ or [] for section in sections(path)]
    inputs = [path for run in found for path in run.files] + list(with_ or [])
    with stamped_set(inputs=inputs, packages=["matplotlib", "jinja2"]) as (outputs, details):
        stream = outputs.text(output, overwrite=overwrite)
        whole = content(found) if found else None
        stream.write(
            rendered(whole, language=language, more=more)
            if whole
            else tables_page(more, language=language)
        )
        if assets and whole:
            folder = outputs.folder(assets, overwrite=overwrite)
            names = write_assets(whole, drawn(whole, words(language)), folder)
        details.update(counts={"runs": len(found)}, language=language)
    print(f"{output}: {len(found)} runs, {len(more)} further tables")
    if assets and whole:
        print(f"{assets}: {len(names)} files, {', '.join(names)}")
