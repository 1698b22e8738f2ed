"""Scores of a predictions file: per row, their means and intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from eval.corpus_bleu import CorpusBleu, corpus_bleu
from eval.predictions import Prediction
from eval.similarity import MEASURES, Similarity, signature, similarities, similarity
from mi_llm import jsonl
from mi_llm.alpaca import AlpacaRow, dialogue_ids
from mi_llm.door.thoughts import holds_thought
from mi_llm.statistics import LEVEL, PERCENT, RESAMPLES, Estimate, clustered_means, few_dialogues


@dataclass(frozen=True, slots=True)
class Score:
    """A measure over all rows.

    Attributes:
        measure: One of `bleu4`, `rouge1`, `rouge2`, `rougeL`.
        strip: Whether both sides were stripped first; LLaMA-Factory does not.
        signature: What the number depends on.
        estimate: Mean over rows, a percentage, with the interval over dialogues.
    """

    measure: str
    strip: bool
    signature: str
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class Scores:
    """All scores of one predictions file.

    Attributes:
        ids: The rows' ids, or `row <number>` where a row has none.
        dialogues: The dialogue of each row, same order.
        plain: Scores of each row as LLaMA-Factory computes them, same order.
        stripped: The same with both sides stripped.
        empty: Predictions without any visible character.
        thoughts: Ids of the rows whose prediction holds a thought, which is scored with it.
        seed: Of the intervals.
        summary: The eight means: four measures as LLaMA-Factory, then four stripped.
        corpus_bleu: sacreBLEU's BLEU of all replies at once; None if it was not asked for.
    """

    ids: tuple[str, ...]
    dialogues: tuple[str, ...]
    plain: tuple[Similarity, ...]
    stripped: tuple[Similarity, ...]
    empty: int
    thoughts: tuple[str, ...]
    seed: int
    summary: tuple[Score, ...]
    corpus_bleu: CorpusBleu | None

    @property
    def warning(self) -> str | None:
        """What to print beside intervals over few dialogues; None from 20."""
        return few_dialogues(len(set(self.dialogues)))

    @property
    def counts(self) -> dict[str, int]:
        """Rows, their dialogues, and predictions that are empty or hold a thought."""
        return {
            "rows": len(self.ids),
            "dialogues": len(set(self.dialogues)),
            "empty_predictions": self.empty,
            "predictions_with_thoughts": len(self.thoughts),
        }

    def as_json(self) -> dict[str, Any]:
        """The content of scores.json but for `per_row`."""
        return {
            **self.counts,
            "interval": {
                "level": LEVEL,
                "over": "dialogues",
                "resamples": RESAMPLES,
                "seed": self.seed,
                "warning": self.warning,
            },
            "scores": [
                {
                    "measure": score.measure,
                    "strip": score.strip,
                    "signature": score.signature,
                    **asdict(score.estimate),
                }
                for score in self.summary
            ],
            "corpus_bleu": self.corpus_bleu and asdict(self.corpus_bleu),
        }

    def json_text(self) -> Iterator[str]:
        """Yield the text of scores.json, a line for each row.

        The rows are written by hand: json's encoder in C does not indent, and the one in Python
        takes as long as the scores do.
        """
        head = jsonl.dumped(self.as_json(), indent=1)
        yield head.removesuffix("\n}") + ',\n "per_row": '
        yield from jsonl.array_text(
            {"id": name, "dialogue": dialogue, "lf": _json(plain), "strip": _json(stripped)}
            for name, dialogue, plain, stripped in zip(
                self.ids, self.dialogues, self.plain, self.stripped, strict=True
            )
        )
        yield "}\n"


def score(
    predictions: Sequence[Prediction],
    rows: Sequence[AlpacaRow],
    *,
    seed: int = 0,
    with_corpus_bleu: bool = False,
) -> Scores:
    """Score predictions against the labels that they carry.

    Args:
        predictions: N predictions.
        rows: The N rows that they answer, matched by `eval.predictions.match`.
        seed: Of the intervals.
        with_corpus_bleu: Add sacreBLEU's corpus BLEU, which other tools can repeat.
    """
    said, wanted = [one.predict for one in predictions], [one.label for one in predictions]
    plain = tuple(similarities(said, wanted))
    stripped = tuple(map(_stripped, predictions, plain))
    dialogues = tuple(dialogue_ids(rows))
    ids = tuple(row.get("id", f"row {number}") for number, row in enumerate(rows))
    return Scores(
        ids=ids,
        dialogues=dialogues,
        plain=plain,
        stripped=stripped,
        empty=sum(not text.strip() for text in said),
        thoughts=tuple(name for name, one in zip(ids, said, strict=True) if holds_thought(one)),
        seed=seed,
        summary=tuple(_summary(plain, stripped, dialogues, seed)),
        corpus_bleu=corpus_bleu(said, wanted) if with_corpus_bleu else None,
    )


def _summary(
    plain: Sequence[Similarity],
    stripped: Sequence[Similarity],
    dialogues: Sequence[str],
    seed: int,
) -> Iterator[Score]:
    for strip, rows in ((False, plain), (True, stripped)):
        columns = [[getattr(row, measure) for row in rows] for measure in MEASURES]
        estimates = clustered_means(columns, dialogues, scales=[PERCENT] * 4, seed=seed)
        for measure, estimate in zip(MEASURES, estimates, strict=True):
            yield Score(measure, strip, signature(measure, strip=strip), estimate)


def _stripped(prediction: Prediction, plain: Similarity) -> Similarity:
    """The scores with both sides stripped, computed only if that changes a side."""
    texts = (prediction.predict, prediction.label)
    if all(text == text.strip() for text in texts):
        return plain
    return similarity(*texts, strip=True)


def _json(row: Similarity) -> dict[str, float]:
    """As `dataclasses.asdict`, which is slow enough to be felt on thousands of rows."""
    return {measure: getattr(row, measure) for measure in MEASURES}
