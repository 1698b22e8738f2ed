"""Command line of the evaluation: `python -m eval --help`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from eval import breakdown_command, predict_command, score_command
from eval.agreement import command as agreement_command
from eval.books import command as book_command
from eval.miti import command as miti_command
from eval.sweep import command as sweep_command
from eval.transcripts import command as transcripts_command
from mi_llm import cli
from mi_llm.cli import Output, Overwrite

# Everything else is imported inside the commands, so that --help answers at once.

# Matrices here are small: NumPy's threads on them take time and give none back.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

app = cli.command_group("Predictions and transcripts in; scores, tests and reports out.")


@app.command()
def report(
    runs: Annotated[
        list[Path],
        typer.Argument(
            help="Folders <model>_base/predict and <model>_<variant>/predict, each with "
            "generated_predictions.jsonl and scores.json."
        ),
    ],
    output: Output,
    overwrite: Overwrite = False,
) -> None:
    """Write the report: base against tuned.

    One self-contained HTML page, with the paper's values beside ours.
    """
    from eval.report import page
    from eval.runs import read_run
    from mi_llm.stamp import stamped

    found = [read_run(folder) for folder in runs]
    inputs = [path for run in found for path in run.files]
    with stamped(output, inputs=inputs, packages=["matplotlib", "jinja2"], overwrite=overwrite) as (
        stream,
        details,
    ):
        stream.write(page(found))
        details.update(counts={"runs": len(found)})
    print(f"{output}: {len(found)} runs")


app.command()(score_command.score)
app.command()(score_command.compare)
app.command()(breakdown_command.breakdown)
app.command()(predict_command.predict)
app.command()(sweep_command.sweep)
app.command()(transcripts_command.transcripts)
app.command()(book_command.book)
app.command()(book_command.codes)
app.command()(miti_command.miti)
app.command()(agreement_command.agreement)


if __name__ == "__main__":
    cli.run(app)
