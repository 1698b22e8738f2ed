"""BLEU of all rounds at once, by sacreBLEU: the number that other tools can repeat.

LLaMA-Factory's BLEU-4 is the mean of BLEU per reply and follows no other implementation. This one
adds up the n-grams of all replies first, as BLEU was defined (Papineni et al. 2002), and carries
sacreBLEU's own signature (Post 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mi_llm.errors import InputError


@dataclass(frozen=True, slots=True)
class CorpusBleu:
    """BLEU of a corpus, a percentage in [0, 100], and what it depends on."""

    score: float
    signature: str


def corpus_bleu(predictions: Sequence[str], references: Sequence[str]) -> CorpusBleu:
    """Score N replies against N references with the tokenizer `zh`.

    It takes Chinese characters one by one and other words whole, and ignores white space around
    both. Beyond Unicode's basic plane (rare Han, CJK extension B on) it does not separate
    characters, and it does separate quotation marks and dashes.

    Raises:
        InputError: If there is nothing to score.
    """
    if not references:
        raise InputError("no reply to score")
    if len(predictions) != len(references):  # sacreBLEU would leave out what is too many
        raise ValueError(f"{len(predictions)} predictions for {len(references)} references")
    from sacrebleu.metrics.bleu import BLEU

    metric = BLEU(tokenize="zh")
    score = metric.corpus_score(list(predictions), [list(references)]).score
    return CorpusBleu(score, str(metric.get_signature()))
