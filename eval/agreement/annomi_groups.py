"""AnnoMI's high- and low-quality sessions by its own labels: ratios that should tell them apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eval.agreement.annomi_gold import annotators
from mi_llm.annomi import Session


@dataclass(frozen=True, slots=True)
class QualityGroup:
    """One quality, each utterance counted as the session's first annotator labelled it.

    Attributes:
        quality: `high` or `low`.
        sessions: How many.
        questions: Utterances with a question.
        reflections: Utterances with a reflection.
        complex_reflections: Those whose reflection is complex.
        without_question: Sessions whose R:Q is undefined.
        without_reflection: Sessions whose %CR is undefined.
    """

    quality: str
    sessions: int
    questions: int
    reflections: int
    complex_reflections: int
    without_question: int
    without_reflection: int

    @property
    def reflection_to_question(self) -> float | None:
        """Pooled R:Q; None without a question."""
        return self.reflections / self.questions if self.questions else None

    @property
    def complex_reflection_share(self) -> float | None:
        """Pooled %CR, in [0, 1]; None without a reflection."""
        return self.complex_reflections / self.reflections if self.reflections else None


def quality_groups(sessions: Sequence[Session]) -> list[QualityGroup]:
    """High and low quality, in the order of their first session."""
    by_quality: dict[str, list[tuple[int, int, int]]] = {}
    for one in sessions:
        by_quality.setdefault(one.facts["mi_quality"], []).append(_counts(one))
    return [
        QualityGroup(
            quality=quality,
            sessions=len(counts),
            questions=sum(one[0] for one in counts),
            reflections=sum(one[1] for one in counts),
            complex_reflections=sum(one[2] for one in counts),
            without_question=sum(not one[0] for one in counts),
            without_reflection=sum(not one[1] for one in counts),
        )
        for quality, counts in by_quality.items()
    ]


def _counts(session: Session) -> tuple[int, int, int]:
    """Utterances with a question, a reflection, and a complex reflection."""
    first = annotators(session)[0]
    labels = [one["labels"].get(first, {}) for one in session.utterances]
    return (
        sum(one.get("question_exists") == "True" for one in labels),
        sum(one.get("reflection_exists") == "True" for one in labels),
        sum(one.get("reflection_subtype") == "complex" for one in labels),
    )
