"""Machine checks of flow: turns that come again, and an end that is none. All are soft.

Whether a reply answers what was said, and whether two turns contradict each other, needs a reader.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from converters.review.findings import Finding
from mi_llm.dialogue import Dialogue

LIKE = 80.0  # rapidfuzz ratio, in [0, 100]
SHORTEST = 8  # characters that are no punctuation: 嗯，我明白 may come again

_WORD = re.compile(r"[^\W_]+")
_ENDS_SENTENCE = re.compile(r"[。！？!?….~～）)”\"’」』]\s*$")


def findings(dialogue: Dialogue) -> Iterator[Finding]:
    """Yield turns that repeat an earlier one of the same side, and a broken end."""
    yield from _repeated(dialogue)
    last, number = dialogue.turns[-1], len(dialogue.turns)
    if dialogue.closes_with_client:
        yield Finding("ends with the client", number, "最后一句是来访者的，没有回应")
    if not _ENDS_SENTENCE.search(last.content):
        yield Finding("cut off", number, f"最后一句没有说完：“…{last.content[-8:]}”")


def _repeated(dialogue: Dialogue) -> Iterator[Finding]:
    from rapidfuzz import fuzz

    plain = ["".join(_WORD.findall(turn.content)) for turn in dialogue.turns]
    for number, text in enumerate(plain):
        if len(text) < SHORTEST:
            continue
        # Same side: every second turn before it.
        earlier = [one for one in range(number % 2, number, 2) if len(plain[one]) >= SHORTEST]
        same = next((one for one in earlier if plain[one] == text), None)
        if same is not None:
            yield Finding("same turn again", number + 1, f"与第{same + 1}句完全相同")
            continue
        ratio, near = max(((fuzz.ratio(plain[one], text), one) for one in earlier), default=(0, 0))
        if ratio >= LIKE:
            yield Finding("nearly the same turn", number + 1, f"与第{near + 1}句几乎相同")
