"""What a judge says whose readings differ: MITI's rules, and the model decides none of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median_low

from mi_llm.miti import Code

# Codes that share one place in a volley: the one that a tie goes to, and the other.
_ONE_PLACE = (
    (Code.SIMPLE_REFLECTION, Code.COMPLEX_REFLECTION),
    (Code.PERSUADE_WITH_PERMISSION, Code.PERSUADE),
)


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
