"""What the paper prints of its machine evaluation (JMIR Form Res 2026;10:e89077, Figure 3)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PaperBleu:
    """BLEU-4 of one model on the paper's 367 test rounds, percentages."""

    model: str
    base: float
    tuned: float


# By the first part of our recipes' names. ROUGE is drawn there without values.
PAPER_BLEU4 = {
    "baichuan2": PaperBleu("Baichuan2-7B-Chat", 2.10, 5.84),
    "glm4": PaperBleu("ChatGLM-4-9B-Chat", 1.77, 6.47),
    "llama3_chinese": PaperBleu("Llama-3-8B-Chinese-Chat-v2", 2.39, 5.79),
}
