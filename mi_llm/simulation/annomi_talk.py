"""How real clients talk about change: AnnoMI, counted by client turn.

133 sessions, 4,802 client turns (`AnnoMI-full.csv`, see `mi_llm.annomi`). An utterance has the talk
type that most of its annotators gave it; a turn is change or sustain talk if it has more utterances
of the one than of the other, else neutral; ties are neutral. By utterance the shares are the same
to a percent (24.4, 11.2, 64.3), as nearly every turn is one utterance. `tests/mi_llm` counts them
again where AnnoMI is at hand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from mi_llm.annomi import Session

SESSIONS = 133
TURNS = {"change": 1171, "sustain": 537, "neutral": 3094}
SHARES = {kind: count / sum(TURNS.values()) for kind, count in TURNS.items()}


def talk_counts(sessions: Iterable[Session]) -> Counter[str]:
    """Client turns of each kind of talk."""
    counts: Counter[str] = Counter()
    for session in sessions:
        turns: dict[int, list[str]] = {}
        for one in session.utterances:
            if one["interlocutor"] == "client" and one["volley"] is not None:
                given = [labels.get("client_talk_type", "") for labels in one["labels"].values()]
                turns.setdefault(one["volley"], []).append(_most(given))
        counts.update(_balance(kinds) for kinds in turns.values())
    return counts


def _most(given: Sequence[str]) -> str:
    """The label that most annotators gave; neutral if two are level."""
    ranked = Counter(label for label in given if label).most_common(2)
    level = len(ranked) == 2 and ranked[0][1] == ranked[1][1]
    return ranked[0][0] if ranked and not level else "neutral"


def _balance(kinds: Sequence[str]) -> str:
    change, sustain = kinds.count("change"), kinds.count("sustain")
    if change == sustain:
        return "neutral"
    return "change" if change > sustain else "sustain"
