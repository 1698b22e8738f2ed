"""The command that takes a score apart: `breakdown`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mi_llm.cli import Output, Overwrite


def breakdown(
    predictions: Annotated[Path, typer.Argument(help="A generated_predictions.jsonl.")],
    rows: Annotated[Path, typer.Option(help="The Alpaca rows that were predicted.")],
    output: Output,
    dialogues: Annotated[
        Path | None, typer.Option(help="The rows' dialogues, whose meta names a topic.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the intervals.")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Take scores apart: by round, by length, by topic; and faults of single answers."""
    from eval.breakdown import breakdown as taken_apart
    from eval.breakdown import topics_of
    from eval.breakdown_tables import lines
    from eval.predictions import match, read_predictions, read_rows
    from eval.scoring import score
    from mi_llm import jsonl
    from mi_llm.dialogue import read_dialogues
    from mi_llm.stamp import stamped

    inputs = [predictions, rows, *([dialogues] if dialogues else [])]
    with stamped(output, inputs=inputs, packages=["numpy"], overwrite=overwrite) as (
        stream,
        details,
    ):
        found, wanted = read_predictions(predictions), read_rows(rows)
        match(found, wanted, names=f"{predictions} and {rows}")
        scores = score(found, wanted, seed=seed)
        topics = topics_of(read_dialogues(dialogues)) if dialogues else None
        result = taken_apart(found, wanted, scores.plain, topics=topics, seed=seed)
        stream.write(jsonl.dumped(result.as_json(), indent=1) + "\n")
        details.update(counts=scores.counts, rows=str(rows), seed=seed)
    for line in lines(result):
        print(line)
