"""A scores.json: written from predictions and rows, with its stamp."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from eval.predictions import match, read_predictions
from eval.scoring import Scores, score
from mi_llm.alpaca import AlpacaRow
from mi_llm.stamp import stamped

SCORES = "scores.json"
_PACKAGES = ("jieba", "numpy", "rapidfuzz")


def write_scores(
    predictions: Path,
    rows: Path,
    wanted: Sequence[AlpacaRow],
    output: Path,
    *,
    seed: int,
    with_corpus_bleu: bool = False,
    overwrite: bool = False,
) -> Scores:
    """Score a file of predictions and write the scores.

    Args:
        predictions: A generated_predictions.jsonl.
        rows: The file of rows that it answers, for the stamp.
        wanted: Its rows, read.
        output: The scores.json.
        seed: Of the intervals.
        with_corpus_bleu: Add sacreBLEU's corpus BLEU.
        overwrite: Whether the output may exist.

    Raises:
        InputError: If the predictions do not answer the rows.
    """
    packages = [*_PACKAGES, *(["sacrebleu"] if with_corpus_bleu else [])]
    with stamped(output, inputs=[predictions, rows], packages=packages, overwrite=overwrite) as (
        stream,
        details,
    ):
        found = read_predictions(predictions)
        match(found, wanted, names=f"{predictions} and {rows}")
        scores = score(found, wanted, seed=seed, with_corpus_bleu=with_corpus_bleu)
        stream.writelines(scores.json_text())
        details.update(counts=scores.counts, rows=str(rows), seed=seed)
    return scores


def model_name(path: Path) -> str:
    """What a model is called by the folders that a file of its run lies in."""
    folder = path.resolve().parent
    return folder.parent.name if folder.name == "predict" else folder.name
