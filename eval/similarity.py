"""BLEU-4 and ROUGE of one reply against its reference, to the last bit as LLaMA-Factory has them.

Source: `llamafactory/train/sft/metric.py`, `ComputeSimilarity`, version 0.9.3. BLEU-4 counts
characters and is NLTK's sentence BLEU with smoothing method 3. ROUGE is rouge_chinese on jieba's
words, F1. Every score is a percentage, rounded to 4 places *per row*; rows are averaged later. Both
belong to what the numbers are, so both are kept here. Neither library is imported: their numbers
are computed in the same order of floating-point operations, several times faster, and the tests
compare them for equality with those of LLaMA-Factory's own class.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from rapidfuzz.distance import LCSseq

from eval.segmentation import JIEBA, words

MEASURES = ("bleu4", "rouge1", "rouge2", "rougeL")
_PLACES = 4
_ROUGE_CHINESE = "1.0.3"  # whose numbers these are
_REMEMBERED = 1 << 13
# For the empty word that rouge_chinese counts (`_rouge_words`). No word has a space in it, and an
# empty string would equal the character "\0" in LCSseq, which compares hashes.
_EMPTY = " "


@dataclass(frozen=True, slots=True)
class Similarity:
    """Scores of one reply, percentages in [0, 100]."""

    bleu4: float
    rouge1: float
    rouge2: float
    rougeL: float  # noqa: N815 the measure's name


def similarities(
    predictions: Sequence[str], references: Sequence[str], *, strip: bool = False
) -> list[Similarity]:
    """Score N replies against N references, as `similarity` does each."""
    return [
        similarity(prediction, reference, strip=strip)
        for prediction, reference in zip(predictions, references, strict=True)
    ]


def similarity(prediction: str, reference: str, *, strip: bool = False) -> Similarity:
    """Score one reply. The words of a reference are remembered for other replies to it.

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
    bleu = round(_bleu4(prediction, reference) * 100, _PLACES)
    if not prediction.strip() or not reference.strip():
        return Similarity(bleu, 0.0, 0.0, 0.0)
    rouge = _rouge(_rouge_words(prediction), _reference_words(reference))
    return Similarity(bleu, *(round(f1 * 100, _PLACES) for f1 in rouge))


def signature(measure: str, *, strip: bool) -> str:
    """Everything that the number of a measure depends on, on one line."""
    stripped = f"agg:sentence-mean|strip:{'yes' if strip else 'no'}"
    if measure == "bleu4":
        return f"bleu4|tok:char|smooth:nltk-m3|{stripped}"
    return f"{measure}|tok:jieba-{JIEBA}|impl:rouge-chinese-{_ROUGE_CHINESE}|{stripped}"


def _bleu4(prediction: str, reference: str) -> float:
    """`nltk.translate.bleu_score.sentence_bleu` on characters, with `method3`."""
    matches = _matches(prediction, reference)
    if not matches[0]:
        return 0.0
    logs, halvings = [], 0
    for order, count in enumerate(matches, 1):
        possible = max(1, len(prediction) - order + 1)
        if count:
            precision = count / possible
        else:
            halvings += 1
            precision = 1 / (2**halvings * possible)
        logs.append(0.25 * math.log(precision))
    score = math.exp(math.fsum(logs))
    if len(prediction) > len(reference):
        return score
    return math.exp(1 - len(reference) / len(prediction)) * score


def _matches(prediction: str, reference: str) -> list[int]:
    """N-grams of the prediction found in the reference, orders 1 to 4, each as often as in both."""
    found: list[int] = []
    starts: Sequence[int] = range(len(prediction))
    for order in range(1, 5):
        last = len(prediction) - order
        # An n-gram is in the reference only where the one shorter was.
        starts = [at for at in starts if prediction[at : at + order] in reference and at <= last]
        grams = [prediction[at : at + order] for at in starts]
        repeated = len(grams) > len(set(grams))
        found.append(_clipped(Counter(grams), reference) if repeated else len(grams))
    return found


def _clipped(grams: Counter[str], reference: str) -> int:
    return sum(
        1 if count == 1 else min(count, _occurrences(gram, reference))
        for gram, count in grams.items()
    )


def _occurrences(gram: str, text: str) -> int:
    """How often it is in the text; occurrences may overlap, which `str.count` leaves out."""
    if len(gram) == 1:
        return text.count(gram)
    count, at = 0, text.find(gram)
    while at >= 0:
        count, at = count + 1, text.find(gram, at + 1)
    return count


@lru_cache(_REMEMBERED)
def _reference_words(reference: str) -> tuple[str, ...]:
    return tuple(_rouge_words(reference))


def _rouge_words(text: str) -> list[str]:
    """The words that rouge_chinese counts, of sentences joined again.

    `Rouge.cut_sent` in rouge_chinese/rouge.py breaks jieba's words, joined by spaces, into
    sentences. Two things change the scores: a sentence of nothing but white space (between "。" and
    a line end, say) becomes one empty word, and a run of more than six dots falls apart.
    Its other two patterns, "……" and a full stop right before a quotation mark, are never found:
    jieba cuts between the two characters, so there is a space.
    """
    found = words(text)
    if text.split(None, 1) == [text] and "......" not in text:
        return found
    joined = " ".join(found)
    for mark in "。！？?":
        joined = joined.replace(f"{mark} ", f"{mark}\n ")
    joined = re.sub(r"(\.{6})([^”’])", r"\1\n\2", joined)
    sentences = joined.rstrip().split("\n")
    return [word for sentence in sentences if sentence for word in sentence.split() or [_EMPTY]]


def _rouge(said: Sequence[str], wanted: Sequence[str]) -> tuple[float, float, float]:
    """F1 of distinct words, of distinct pairs of words, and of the longest common subsequence.

    Source: rouge_chinese/rouge_score.py. `rouge_l_summary_level` is not what its name says: it
    takes all words of a text as one sequence.
    """
    pairs, wanted_pairs = set(pairwise(said)), set(pairwise(wanted))
    distinct, wanted_distinct = set(said), set(wanted)
    return (
        _f1(len(distinct & wanted_distinct), len(distinct), len(wanted_distinct)),
        _f1(len(pairs & wanted_pairs), len(pairs), len(wanted_pairs)),
        _f1(LCSseq.similarity(said, wanted), len(said), len(wanted)),
    )


def _f1(common: int, said: int, wanted: int) -> float:
    """`f_r_p_rouge_n`; one word has no pair, and without a pair precision and recall are 0."""
    precision = common / said if said else 0.0
    recall = common / wanted if wanted else 0.0
    return 2.0 * ((precision * recall) / (precision + recall + 1e-8))
