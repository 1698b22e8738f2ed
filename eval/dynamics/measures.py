"""The measures of one dialogue, each a part and a whole, which can be averaged and pooled.

The dialogue's value is part / whole, and undefined where the whole is 0: never 0 or infinite.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import groupby

from eval.dynamics.annotations import RATINGS, Annotation
from eval.dynamics.redirections import redirections
from eval.dynamics.subject import Subject
from mi_llm.statistics import AMOUNT, RATING, SHARE, Scale

Part = tuple[float, float]
"""Part and whole."""

NOTHING: Part = (0.0, 0.0)

# Shown as percentages; all other measures as they are.
SHARES = frozenset(
    {
        "acceptance",
        "change_talk_share",
        "change_talk_of_all",
        "complex_reflection_share",
        "repeated_strategies",
        "repeated_codes",
    }
)
MEASURES = (
    "redirections_per_10_turns",
    "acceptance",
    *RATINGS,
    "change_talk_share",
    "change_talk_of_all",
    "reflection_to_question",
    "complex_reflection_share",
    "repeated_strategies",
    "longest_run_strategies",
    "repeated_codes",
    "longest_run_codes",
)


def scale_of(measure: str) -> Scale:
    """What a measure can be."""
    if measure == "redirections_per_10_turns":
        return Scale(0, 10)
    return SHARE if measure in SHARES else RATING if measure in RATINGS else AMOUNT


def parts(subject: Subject) -> dict[str, Part]:
    """All of `MEASURES`."""
    strategies = [one.strategy for one in subject.tracked]
    found = dict.fromkeys(MEASURES, NOTHING)
    found["repeated_strategies"] = repeated(strategies)
    found["longest_run_strategies"] = longest_run(strategies)
    if subject.annotation:
        found |= _redirected(subject, subject.annotation)
        found |= {name: _rated(subject.annotation, name) for name in RATINGS}
        found |= _change_talk(subject.annotation)
        found |= _reflected(subject.annotation)
        codes = _codes(subject.annotation)
        found["repeated_codes"] = repeated(codes)
        found["longest_run_codes"] = longest_run(codes)
    return found


def value(part: Part) -> float | None:
    """Part by whole; None if the whole is 0."""
    return part[0] / part[1] if part[1] else None


def repeated(labels: Sequence[Hashable | None]) -> Part:
    """How many labels equal one of the two before, of those that have a known one before.

    Args:
        labels: One for each volley, in order; None where not known.
    """
    again = [
        one in labels[max(place - 2, 0) : place]
        for place, one in enumerate(labels)
        if one is not None and any(x is not None for x in labels[max(place - 2, 0) : place])
    ]
    return float(sum(again)), float(len(again))


def longest_run(labels: Sequence[Hashable | None]) -> Part:
    """The most volleys running with one label; the whole is 1, or 0 if no label is known."""
    runs = [len(list(run)) for label, run in groupby(labels) if label is not None]
    return (float(max(runs)), 1.0) if runs else NOTHING


def _redirected(subject: Subject, said: Annotation) -> dict[str, Part]:
    """Redirections by ten of the counselor's turns of which it is known; those accepted."""
    known = sum(one.redirection is not None for one in said.counselor)
    found = redirections(subject)
    answered = [one.accepted for one in found if one.accepted is not None]
    return {
        "redirections_per_10_turns": (10.0 * len(found), float(known)),
        "acceptance": (float(sum(answered)), float(len(answered))),
    }


def _rated(said: Annotation, name: str) -> Part:
    scores = [score for one in said.blocks if (score := getattr(one, name)) is not None]
    return float(sum(scores)), float(len(scores))


def _change_talk(said: Annotation) -> dict[str, Part]:
    talk = [one.talk for one in said.client if one.talk]
    change = float(talk.count("change"))
    return {
        "change_talk_share": (change, change + talk.count("sustain")),
        "change_talk_of_all": (change, float(len(talk))),
    }


def _reflected(said: Annotation) -> dict[str, Part]:
    """R:Q and %CR; a volley counts once for each."""
    questions = sum(bool(one.question) for one in said.counselor)
    kinds = [one.reflection for one in said.counselor]
    complex_ = float(kinds.count("complex"))
    reflections = complex_ + kinds.count("simple")
    return {
        "reflection_to_question": (reflections, float(questions)),
        "complex_reflection_share": (complex_, reflections),
    }


def _codes(said: Annotation) -> list[frozenset[str] | None]:
    """The set of codes of each volley from the first to the last that is annotated."""
    known = {one.volley: frozenset(one.codes) for one in said.counselor if one.codes is not None}
    return [known.get(number) for number in range(1, max(known, default=0) + 1)]
