"""Command line of the evaluation: `python -m eval --help`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mi_llm import cli, files

# Everything else is imported inside the commands, so that --help answers at once.

app = cli.command_group("Predictions in; scores and the report out.")

Output = Annotated[Path, typer.Option("--output", "-o", help="File to write.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the output if it exists.")]


@app.command()
def score(
    predictions: Annotated[Path, typer.Argument(help="A generated_predictions.jsonl.")],
    rows: Annotated[Path, typer.Option(help="The Alpaca rows that were predicted.")],
    output: Output,
    seed: Annotated[int, typer.Option(help="Of the intervals.")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """BLEU-4 and ROUGE as LLaMA-Factory computes them, and with both sides stripped."""
    files.refuse_existing(output, overwrite=overwrite)
    from eval.predictions import match, read_predictions, read_rows
    from eval.scoring import score as scored
    from mi_llm.stamp import write_stamp

    found, wanted = read_predictions(predictions), read_rows(rows)
    match(found, wanted, names=f"{predictions} and {rows}")
    scores = scored(found, wanted, seed=seed)
    facts = scores.as_json()
    with files.whole(output, overwrite=overwrite) as stream:
        stream.write(json.dumps(facts, ensure_ascii=False, indent=1) + "\n")
    write_stamp(
        output,
        inputs=[predictions, rows],
        counts={key: facts[key] for key in ("rows", "dialogues", "empty_predictions")},
        packages=["nltk", "rouge-chinese", "jieba", "numpy"],
        rows=str(rows),
        seed=seed,
    )
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
    """One self-contained HTML page: base against tuned, beside the paper's values."""
    files.refuse_existing(output, overwrite=overwrite)
    from eval.report import page
    from eval.runs import read_run
    from mi_llm.stamp import write_stamp

    found = [read_run(folder) for folder in runs]
    html = page(found)
    with files.whole(output, overwrite=overwrite) as stream:
        stream.write(html)
    write_stamp(
        output,
        inputs=[path for run in found for path in run.files],
        counts={"runs": len(found)},
        packages=["matplotlib", "jinja2"],
    )
    print(f"{output}: {len(found)} runs")


if __name__ == "__main__":
    cli.run(app)
