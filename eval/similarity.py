"""BLEU-4 and ROUGE of one reply against its reference, exactly as LLaMA-Factory computes them.

Source: `llamafactory/train/sft/metric.py`, `ComputeSimilarity`, version 0.9.3. BLEU-4 counts
characters and is NLTK's sentence BLEU with smoothing method 3. ROUGE is rouge_chinese on jieba's
words, F1. Every score is a percentage, rounded to 4 places *per row*; rows are averaged later. Both
belong to what the numbers are, so both are kept here.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache
from importlib import metadata

import jieba
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
from rouge_chinese import Rouge

MEASURES = ("bleu4", "rouge1", "rouge2", "rougeL")
_PLACES = 4

jieba.setLogLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Similarity:
    """Scores of one reply, percentages in [0, 100]."""

    bleu4: float
    rouge1: float
    rouge2: float
    rougeL: float  # noqa: N815 the measure's name


def similarity(prediction: str, reference: str, *, strip: bool = False) -> Similarity:
    """Score one reply.

    Args:
        prediction: The model's reply.
        reference: The counselor's.
        strip: Whether white space around both is removed first. LLaMA-Factory does not, and every
            glm4 label begins with a newline: a character that a tuned model matches for nothing.

    Returns:
        All four scores. A side without a word gives ROUGE 0, no common character gives BLEU 0.
        A short reply cannot reach BLEU 100: one character equal to its reference gives 35.36.
    """
    if strip:
        prediction, reference = prediction.strip(), reference.strip()
    bleu = sentence_bleu(
        [list(reference)], list(prediction), smoothing_function=SmoothingFunction().method3
    )
    said, wanted = _words(prediction), _words(reference)
    if not said.split() or not wanted.split():
        return Similarity(round(bleu * 100, _PLACES), 0.0, 0.0, 0.0)
    rouge = Rouge().get_scores(said, wanted)[0]
    return Similarity(
        round(bleu * 100, _PLACES),
        *(round(rouge[name]["f"] * 100, _PLACES) for name in ("rouge-1", "rouge-2", "rouge-l")),
    )


def signature(measure: str, *, strip: bool) -> str:
    """Everything that the number of a measure depends on, on one line."""
    stripped = f"agg:sentence-mean|strip:{'yes' if strip else 'no'}"
    if measure == "bleu4":
        return f"bleu4|tok:char|smooth:nltk-m3|{stripped}"
    tools = f"tok:jieba-{_version('jieba')}|impl:rouge-chinese-{_version('rouge-chinese')}"
    return f"{measure}|{tools}|{stripped}"


@cache
def _version(distribution: str) -> str:
    return metadata.version(distribution)


@cache
def _words(text: str) -> str:
    return " ".join(jieba.cut(text))
