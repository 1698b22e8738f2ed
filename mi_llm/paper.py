"""What the paper prints: Hu et al., JMIR Form Res 2026;10:e89077."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PaperBleu:
    """BLEU-4 of one model on the paper's 367 test rounds, percentages (Figure 3)."""

    model: str
    base: float
    tuned: float


# By the first part of our recipes' names. ROUGE is drawn there without values.
PAPER_BLEU4 = {
    "baichuan2": PaperBleu("Baichuan2-7B-Chat", 2.10, 5.84),
    "glm4": PaperBleu("ChatGLM-4-9B-Chat", 1.77, 6.47),
    "llama3_chinese": PaperBleu("Llama-3-8B-Chinese-Chat-v2", 2.39, 5.79),
}


@dataclass(frozen=True, slots=True)
class PaperLengths:
    """A line of Table 3: means and standard deviations under the headings that it prints.

    The unit, called words there, is characters without punctuation, and the two columns are
    exchanged: see docs/data.md.
    """

    rounds: tuple[float, float]
    counselor: tuple[float, float]
    client: tuple[float, float]


PAPER_TABLE3 = {
    "CPsyCounD": PaperLengths((7.65, 2.07), (29.95, 18.22), (47.76, 20.78)),
    "PsyDTCorpus": PaperLengths((18.08, 3.15), (28.67, 11.41), (53.74, 17.96)),
    "training": PaperLengths((7.97, 4.56), (29.08, 16.38), (57.33, 17.20)),
    "test": PaperLengths((7.53, 4.12), (29.21, 18.62), (56.42, 15.90)),
}
