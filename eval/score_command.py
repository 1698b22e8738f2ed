"""The commands that put numbers on predictions: `score` and `compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mi_llm import files
from mi_llm.cli import Output, Overwrite
from mi_llm.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eval.score_tables import Format
    from eval.scoring import Scores

_NAMED = 3  # rows

Table = Annotated[
    list[Path] | None, typer.Option(help="Also write a table, .md or .csv; repeatable.")
]


def score(
    predictions: Annotated[
        list[Path], typer.Argument(help="generated_predictions.jsonl of one or more models.")
    ],
    rows: Annotated[Path, typer.Option(help="The Alpaca rows that were predicted.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write. Default: scores.json beside each."),
    ] = None,
    table: Table = None,
    corpus_bleu: Annotated[
        bool, typer.Option("--corpus-bleu", help="Add sacreBLEU's corpus BLEU (tokenize zh).")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of the intervals.")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Score predictions: BLEU-4 and ROUGE.

    As LLaMA-Factory computes them, and a second time with both sides stripped of white space.
    """
    from eval.predictions import read_rows
    from eval.scores_file import SCORES, model_name, write_scores

    if output and len(predictions) > 1:
        raise InputError("--output is for one file; of several, scores.json is written beside each")
    tables = [(path, _format(path)) for path in table or []]
    outputs = [output] if output else [path.with_name(SCORES) for path in predictions]
    for path in (*outputs, *(path for path, _ in tables)):
        files.refuse_existing(path, overwrite=overwrite)
    wanted = read_rows(rows)
    scored = []
    for path, to in zip(predictions, outputs, strict=True):
        scores = write_scores(
            path,
            rows,
            wanted,
            to,
            seed=seed,
            with_corpus_bleu=corpus_bleu,
            overwrite=overwrite,
        )
        scored.append((model_name(path), scores))
        for line in _told(to, scores):
            print(line)
    if tables:
        from eval.score_tables import score_table
    for path, kind in tables:
        with files.whole(path, overwrite=overwrite) as stream:
            stream.write(score_table(scored, kind))


def compare(
    scores: Annotated[
        list[Path], typer.Argument(help="scores.json files, or folders that hold one, of a model.")
    ],
    output: Output,
    table: Table = None,
    seed: Annotated[int, typer.Option(help="Of resampling and sampled signs.")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Test every pair of models on the same rows: differences, intervals, p.

    Whole dialogues are resampled and flipped; Holm's correction is over the pairs of a measure.
    """
    from eval.comparison import as_json, comparisons, read_scored
    from eval.score_tables import comparison_table
    from mi_llm import jsonl
    from mi_llm.stamp import stamped_set

    if len(scores) < 2:
        raise InputError("one model is nothing to compare; name two files of scores or more")
    tables = [(path, _format(path)) for path in table or []]
    for path, _ in tables:
        files.refuse_existing(path, overwrite=overwrite)
    read = [read_scored(path) for path in scores]
    families = comparisons(read, seed=seed)
    inputs = [one.path for one in read]
    with stamped_set(inputs=inputs, packages=["numpy"]) as (outputs, details):
        stream = outputs.text(output, overwrite=overwrite)
        stream.write(jsonl.dumped(as_json(families, seed=seed), indent=1) + "\n")
        for path, kind in tables:
            outputs.text(path, overwrite=overwrite).write(comparison_table(families, kind))
        details.update(counts={"models": len(read)}, seed=seed)
    for family in families:
        for pair in family.pairs:
            one = pair.by_dialogue
            low, high = one.difference.low, one.difference.high
            interval = "too few" if low is None else f"{low:+.2f} to {high:+.2f}"
            print(
                f"{family.measure:7} {pair.first} - {pair.second}: {one.difference.mean:+.2f} "
                f"({interval}), p {one.p:.4f}, Holm {pair.holm:.4f}"
            )
    warning = families[0].pairs[0].warning
    if warning:
        print(f"note: {warning}")


def _told(output: Path, scores: Scores) -> Sequence[str]:
    lines = [
        f"{output}: {len(scores.ids):,} rounds of {len(set(scores.dialogues)):,} dialogues, "
        f"{scores.empty:,} empty predictions"
    ]
    if scores.thoughts:
        lines.append(_thoughts(scores))
    for one in scores.summary:
        mean, low, high = one.estimate.mean, one.estimate.low, one.estimate.high
        interval = "too few" if low is None else f"{low:.2f}-{high:.2f}"
        lines.append(f"{mean:6.2f}  {interval:13}  {one.signature}")
    if scores.corpus_bleu:
        bleu = scores.corpus_bleu
        lines.append(f"{bleu.score:6.2f}  {'no interval':13}  sacrebleu|{bleu.signature}")
    return [*lines, f"note: {scores.warning}"] if scores.warning else lines


def _thoughts(scores: Scores) -> str:
    """That thoughts are scored as replies, where, and how to have none."""
    named = ", ".join(scores.thoughts[:_NAMED])
    more = len(scores.thoughts) - _NAMED
    rest = f" and {more:,} more" if more > 0 else ""
    return (
        f"{len(scores.thoughts):,} of {len(scores.ids):,} replies hold a thought (<think>), which"
        f" is scored as if it were said: {named}{rest}; predict with enable_thinking: false, or by"
        " eval predict, which leaves thoughts out"
    )


def _format(path: Path) -> Format:
    if path.suffix == ".md":
        return "md"
    if path.suffix == ".csv":
        return "csv"
    raise InputError(f"{path}: a table is .md or .csv")
