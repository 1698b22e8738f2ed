"""MITI's rules where a judge is unsure, or differs from itself: the model decides none of them.

Source: MITI 4.2.1 manual, "Behavior Counts", paraphrased. Marked (ours) where it is silent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median_low

from mi_llm.miti import MI_ADHERENT, REFLECTIONS, Code

# From low to high; when unsure between two the lower one is taken.
_ADHERENT_ORDER = (Code.AFFIRM, Code.SEEK_COLLABORATION, Code.EMPHASIZE_AUTONOMY)

_UNSURE = {
    REFLECTIONS: Code.SIMPLE_REFLECTION,
    frozenset({Code.GIVE_INFORMATION, Code.PERSUADE}): Code.GIVE_INFORMATION,
    frozenset({Code.GIVE_INFORMATION, Code.PERSUADE_WITH_PERMISSION}): Code.GIVE_INFORMATION,
    # As where both fit one utterance.
    frozenset({Code.PERSUADE, Code.PERSUADE_WITH_PERMISSION}): Code.PERSUADE_WITH_PERMISSION,
}

# Codes that share one place in a volley: the one that a tie goes to, and the other.
_ONE_PLACE = (
    (Code.SIMPLE_REFLECTION, Code.COMPLEX_REFLECTION),
    (Code.PERSUADE_WITH_PERMISSION, Code.PERSUADE),
)


def settled(code: Code | None, other: Code | None) -> Code | None:
    """The code of an utterance that may have either of two; None is no code.

    Args:
        code: The one that the judge finds likelier.
        other: Its second thought; the same one if it is sure.
    """
    if code == other:
        return code
    if code is None or other is None:
        return None  # nothing coded unless it is clear (ours, as for Confront and a reflection)
    both = frozenset({code, other})
    if both in _UNSURE:
        return _UNSURE[both]
    if both <= MI_ADHERENT:
        return min(both, key=_ADHERENT_ORDER.index)
    if Code.CONFRONT in both and both & (REFLECTIONS | MI_ADHERENT):
        return None  # both want clear cases (for the adherent ones: ours)
    for doubtful in (*_ADHERENT_ORDER, Code.CONFRONT):
        if doubtful in both:
            (clear,) = both - {doubtful}
            return clear
    return code  # the manual ranks no other pair (ours)


def agreed_codes(readings: Sequence[frozenset[Code]]) -> frozenset[Code]:
    """The codes that more than half of the readings give a volley.

    Of two codes that share one place either counts for it; which one, the more frequent says. A tie
    goes to no code, to the simple reflection, and to persuasion with permission.

    Args:
        readings: What each reading gave; at least one.
    """
    counts = Counter(code for codes in readings for code in codes)
    shared = {code for pair in _ONE_PLACE for code in pair}
    agreed = {code for code in Code if code not in shared and 2 * counts[code] > len(readings)}
    for first, second in _ONE_PLACE:
        if 2 * (counts[first] + counts[second]) > len(readings):
            agreed.add(second if counts[second] > counts[first] else first)
    return frozenset(agreed)


def agreed_score(readings: Sequence[int]) -> int:
    """The median of ratings; of two in the middle the lower."""
    return median_low(readings)
