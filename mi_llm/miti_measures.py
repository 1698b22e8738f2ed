"""The measures of a MITI session as a part and a whole, which can be averaged and pooled.

The session's value is part / whole. A mean of sessions averages the values; pooling divides the sum
of the parts by the sum of the wholes. The two can rank sources differently: see docs/miti.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mi_llm.miti import (
    MI_ADHERENT,
    MI_NON_ADHERENT,
    QUESTIONS,
    REFLECTIONS,
    Code,
    most_in_a_volley,
)
from mi_llm.statistics import AMOUNT, RATING, SHARE, Scale

GLOBALS = ("cultivate", "soften", "empathy", "partnership")
GLOBAL_SUMMARIES = ("technical", "relational")

# What is counted: the ten codes, then the manual's sums of them.
COUNTS: dict[str, frozenset[Code]] = {
    **{code.name.lower(): frozenset({code}) for code in Code},
    "reflections": REFLECTIONS,
    "mi_adherent": MI_ADHERENT,
    "mi_non_adherent": MI_NON_ADHERENT,
}

# Numerator and denominator; the last is the paper's, which the manual dropped.
RATIOS: dict[str, tuple[frozenset[Code], frozenset[Code]]] = {
    "complex_reflection_share": (frozenset({Code.COMPLEX_REFLECTION}), REFLECTIONS),
    "reflection_to_question": (REFLECTIONS, QUESTIONS),
    "paper_mi_adherent_ratio": (MI_ADHERENT, MI_ADHERENT | MI_NON_ADHERENT),
}

RATES = tuple(f"{name}_per_10_volleys" for name in COUNTS)

MEASURES = (*GLOBALS, *COUNTS, *GLOBAL_SUMMARIES, *RATIOS, *RATES)

# What each can be.
SCALES: dict[str, Scale] = {
    **dict.fromkeys(MEASURES, AMOUNT),
    **dict.fromkeys((*GLOBALS, *GLOBAL_SUMMARIES), RATING),
    "complex_reflection_share": SHARE,
    "paper_mi_adherent_ratio": SHARE,
    **{
        f"{name}_per_10_volleys": Scale(0, 10 * most_in_a_volley(codes))
        for name, codes in COUNTS.items()
    },
}

# Only for these does pooling say something else than the mean.
POOLED = (*RATIOS, *RATES)

Part = tuple[float, float] | None
"""A part and a whole above 0; None for a measure that is undefined in the session."""


def per_ten_volleys(count: float, volleys: int) -> float | None:
    """A count for each ten counselor volleys, so that long and short sessions compare; or None.

    Not a measure of the manual, which has coders listen to 20 minutes of any session instead.
    """
    return 10 * count / volleys if volleys else None


def counted(counts: Mapping[Code, float], volleys: int) -> dict[str, Part]:
    """The measures that are made of counts.

    Args:
        counts: Volleys of the session that have each code; a mean over raters may be a fraction.
        volleys: The counselor's volleys.
    """
    found: dict[str, Part] = {}
    for name, codes in COUNTS.items():
        number = _total(counts, codes)
        found[name] = (number, 1)
        found[f"{name}_per_10_volleys"] = (10 * number, volleys) if volleys else None
    for name, (above, below) in RATIOS.items():
        whole = _total(counts, below)
        found[name] = (_total(counts, above), whole) if whole else None
    return found


def _total(counts: Mapping[Code, float], codes: Iterable[Code]) -> float:
    return sum(counts[code] for code in codes)
