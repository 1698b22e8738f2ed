"""All machine checks of one transcription, by the paper's four grounds and structure."""

from __future__ import annotations

from collections.abc import Sequence

from converters.review import (
    check_codes,
    check_coherence,
    check_mi,
    check_relevance,
    check_safety,
    check_structure,
)
from converters.review.check_codes import Coding
from converters.review.findings import Finding
from mi_llm.dialogue import Dialogue


def check(
    dialogue: Dialogue, source: Dialogue | None, codings: Sequence[Coding] = ()
) -> list[Finding]:
    """Everything that the checks find in one dialogue, hard before soft, then by turn.

    Args:
        dialogue: The transcription.
        source: What it was made from; None leaves out the checks that compare with it.
        codings: MITI codes of its counselor turns, one a rater; none leaves out what needs them.
    """
    found = [
        *check_structure.findings(dialogue),
        *check_relevance.findings(dialogue, source),
        *check_coherence.findings(dialogue),
        *check_safety.findings(dialogue, source),
        *check_mi.findings(dialogue),
        *check_codes.findings(dialogue, codings),
    ]
    return sorted(found, key=lambda one: (not one.hard, one.turn or 0))
