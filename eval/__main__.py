"""Command line of the evaluation: `python -m eval --help`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mi_llm import cli, jsonl
from mi_llm.cli import Output, Overwrite

# Everything else is imported inside the commands, so that --help answers at once.

app = cli.command_group("Predictions in; scores and the report out.")


@app.command()
def score(
    predictions: Annotated[Path, typer.Argument(help="A generated_predictions.jsonl.")],
    rows: Annotated[Path, typer.Option(help="The Alpaca rows that were predicted.")],
    output: Output,
    seed: Annotated[int, typer.Option(help="Of the intervals.")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Score predictions: BLEU-4 and ROUGE.

    As LLaMA-Factory computes them, and a second time with both sides stripped of white space.
    """
    from eval.predictions import match, read_predictions, read_rows
    from eval.scoring import score as scored
    from mi_llm.stamp import stamped

    with stamped(
        output,
        inputs=[predictions, rows],
        packages=["nltk", "rouge-chinese", "jieba", "numpy"],
        overwrite=overwrite,
    ) as (stream, details):
        found, wanted = read_predictions(predictions), read_rows(rows)
        match(found, wanted, names=f"{predictions} and {rows}")
        scores = scored(found, wanted, seed=seed)
        facts = scores.as_json()
        stream.write(jsonl.dumped(facts, indent=1) + "\n")
        counts = {key: facts[key] for key in ("rows", "dialogues", "empty_predictions")}
        details.update(counts=counts, rows=str(rows), seed=seed)
    print(
        f"{output}: {facts['rows']:,} rounds of {facts['dialogues']:,} dialogues, "
        f"{facts['empty_predictions']:,} empty predictions"
    )
    for one in scores.summary():
        mean, low, high = one.estimate.mean, one.estimate.low, one.estimate.high
        interval = "no interval" if low is None else f"{low:.2f}-{high:.2f}"
        print(f"{mean:6.2f}  {interval:13}  {one.signature}")


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


if __name__ == "__main__":
    cli.run(app)
