"""Scores of a predictions file: per row, their means and intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from eval.predictions import Prediction
from eval.similarity import MEASURES, Similarity, signature, similarity
from mi_llm.alpaca import AlpacaRow, dialogue_ids
from mi_llm.statistics import LEVEL, RESAMPLES, Estimate, clustered_mean


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
        seed: Of the intervals.
    """

    ids: tuple[str, ...]
    dialogues: tuple[str, ...]
    plain: tuple[Similarity, ...]
    stripped: tuple[Similarity, ...]
    empty: int
    seed: int

    def summary(self) -> list[Score]:
        """The eight means: four measures as LLaMA-Factory, then four stripped."""
        return [
            Score(
                measure,
                strip,
                signature(measure, strip=strip),
                clustered_mean(
                    [getattr(row, measure) for row in rows], self.dialogues, seed=self.seed
                ),
            )
            for strip, rows in ((False, self.plain), (True, self.stripped))
            for measure in MEASURES
        ]

    def as_json(self) -> dict[str, Any]:
        """The content of scores.json."""
        return {
            "rows": len(self.ids),
            "dialogues": len(set(self.dialogues)),
            "empty_predictions": self.empty,
            "interval": {
                "level": LEVEL,
                "method": "percentile bootstrap over dialogues",
                "resamples": RESAMPLES,
                "seed": self.seed,
            },
            "scores": [
                {
                    "measure": score.measure,
                    "strip": score.strip,
                    "signature": score.signature,
                    **asdict(score.estimate),
                }
                for score in self.summary()
            ],
            "per_row": [
                {"id": name, "dialogue": dialogue, "lf": asdict(plain), "strip": asdict(stripped)}
                for name, dialogue, plain, stripped in zip(
                    self.ids, self.dialogues, self.plain, self.stripped, strict=True
                )
            ],
        }


def score(predictions: Sequence[Prediction], rows: Sequence[AlpacaRow], *, seed: int = 0) -> Scores:
    """Score predictions against the labels that they carry.

    Args:
        predictions: N predictions.
        rows: The N rows that they answer, matched by `eval.predictions.match`.
        seed: Of the intervals.
    """
    pairs = [(one.predict, one.label) for one in predictions]
    return Scores(
        ids=tuple(row.get("id", f"row {number}") for number, row in enumerate(rows)),
        dialogues=tuple(dialogue_ids(rows)),
        plain=tuple(similarity(*pair) for pair in pairs),
        stripped=tuple(similarity(*pair, strip=True) for pair in pairs),
        empty=sum(not one.predict.strip() for one in predictions),
        seed=seed,
    )
