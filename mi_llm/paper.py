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


# Tables 4 to 6 by the first part of our recipes' names; `real` is the 30 AnnoMI transcripts.
PAPER_SYSTEMS = {
    "baichuan2": "Baichuan2-7B-Chat",
    "glm4": "ChatGLM-4-9B-Chat",
    "llama3_chinese": "Llama-3-8B-Chinese-Chat-v2",
    "real": "real MI",
}


@dataclass(frozen=True, slots=True)
class PaperSessions:
    """A line of Table 4: how many dialogues, then means and standard deviations.

    Lengths, in words by the heading, are characters with punctuation: mean over the volleys of all
    rounds, standard deviation of the dialogues' means (see docs/miti.md).
    """

    dialogues: int
    rounds: tuple[float, float]
    counselor: tuple[float, float]
    client: tuple[float, float]


PAPER_TABLE4 = {
    "real": PaperSessions(30, (57.93, 65.95), (24.26, 13.04), (21.38, 9.74)),
    "baichuan2": PaperSessions(10, (18.30, 7.27), (49.11, 6.57), (14.80, 5.67)),
    "glm4": PaperSessions(10, (17.40, 5.17), (52.28, 10.30), (11.45, 4.93)),
    "llama3_chinese": PaperSessions(10, (18.90, 5.80), (43.79, 8.70), (10.71, 5.80)),
}

# Dialogues by topic; `simulated` is each of the three models.
PAPER_TABLE5 = {
    "real": {
        "exercise": 6,
        "chronic disease self-management": 6,
        "weight and diet": 3,
        "recidivism": 3,
        "drugs": 2,
        "alcohol": 2,
        "smoking": 1,
        "other": 7,
    },
    "simulated": {
        "weight and diet": 4,
        "phone use": 2,
        "insomnia": 2,
        "exercise": 1,
        "excessive consumption": 1,
    },
}

# Means and standard deviations over dialogues, by our names of the measures, in the paper's order.
# ChatGLM-4's persuading with permission is printed "0.00 (0.00-0.00)".
_TABLE6 = """
cultivate                  4.00 0.00   4.00 0.00   4.00 0.00   3.97 0.89
soften                     3.89 0.33   4.00 0.00   3.90 0.32   3.87 0.86
empathy                    3.78 0.44   4.00 0.00   3.80 0.67   4.07 1.11
partnership                3.44 0.88   4.00 0.00   4.00 0.67   3.83 0.95
give_information           3.22 1.56   4.00 2.75   4.50 1.78   1.07 1.48
persuade_with_permission   0.33 0.50   0.00 0.00   0.10 0.32   0.80 1.56
question                  15.56 7.24  14.20 5.15  16.00 5.10  13.43 11.68
simple_reflection         13.50 6.08  13.25 4.58  13.10 3.77  14.17 23.76
complex_reflection         6.00 2.52   4.25 2.03   5.00 2.33   6.13 8.54
reflections               19.5  8.50  17.5  6.09  18.1  5.74  20.3 28.15
affirm                     4.44 1.81   3.75 0.79   3.35 1.20   3.30 3.84
seek_collaboration         1.78 0.57   1.60 0.52   1.40 0.70   1.53 1.89
emphasize_autonomy         1.06 0.39   1.25 0.26   0.45 0.50   0.60 0.86
persuade                   3.83 2.78   2.30 1.58   3.40 1.26   1.57 1.65
confront                   0.11 0.22   0.00 0.00   0.00 0.00   0.10 0.40
complex_reflection_share   0.31 0.03   0.24 0.08   0.26 0.06   0.37 0.35
reflection_to_question     1.27 0.09   1.25 0.10   1.11 0.14   1.44 0.93
technical                  3.94 0.17   4.00 0.00   3.95 0.16   3.92 0.80
relational                 3.61 0.65   4.00 0.00   3.90 0.46   3.95 0.95
paper_mi_adherent_ratio    0.75 0.08   0.78 0.12   0.72 0.06   0.73 0.33
"""

# Measure -> system -> mean and standard deviation.
PAPER_TABLE6: dict[str, dict[str, tuple[float, float]]] = {
    name: {
        system: (float(numbers[2 * place]), float(numbers[2 * place + 1]))
        for place, system in enumerate(PAPER_SYSTEMS)
    }
    for name, *numbers in map(str.split, _TABLE6.strip().splitlines())
}


def paper_system(source: str) -> str | None:
    """The paper's system that a source of ours is compared with: `glm4` for `glm4_lora`.

    Base models, poor demonstrations of MI and whatever else the paper did not have coded get None.
    """
    if source.endswith(("_base", "_low")):
        return None
    for system in PAPER_SYSTEMS:
        if source == system or source.startswith(f"{system}_"):
            return system
    return None
