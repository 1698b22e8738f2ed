"""MITI's rules where a model is unsure between two codes: the model decides none of them.

Source: MITI 4.2.1 manual, "Behavior Counts", paraphrased. Marked (ours) where it is silent.
"""

from __future__ import annotations

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
