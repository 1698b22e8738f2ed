"""AnnoMI's expert labels as a standard: how far experts agree, and what their majority says.

AnnoMI has no MITI codes, only what exists in an utterance: a question, a reflection (simple or
complex), therapist input (information, advice, options, negotiation). `GOLD_LABELS` says which MITI
codes each is held against. Affirm, seek, emphasize and confront have no counterpart there.
Seven transcripts have ten annotators: their majority is the standard, and each annotator against
the other nine is the human ceiling.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import median

from mi_llm import annomi
from mi_llm.agreement import cohen_kappa, fleiss_kappa
from mi_llm.annomi import Session, Utterance
from mi_llm.errors import InputError
from mi_llm.miti import QUESTIONS, REFLECTIONS, Code

ANNOTATORS = 10  # of the transcripts that are the standard

Labels = Mapping[str, str]  # column -> label of one annotator; "n/a" is left out

_INPUT = frozenset({Code.GIVE_INFORMATION, Code.PERSUADE, Code.PERSUADE_WITH_PERMISSION})


@dataclass(frozen=True, slots=True)
class GoldLabel:
    """One label of AnnoMI and the codes that it is held against.

    Attributes:
        name: Its name in tables.
        column: Column of the CSV.
        label: What stands there if the label is given.
        codes: A volley agrees if it has one of these.
        calibrates: Whether experts agree on it, and it maps, well enough for a verdict.
    """

    name: str
    column: str
    label: str
    codes: frozenset[Code]
    calibrates: bool = True

    def given(self, labels: Labels) -> bool:
        """Whether one annotator gave the label to one utterance."""
        return labels.get(self.column) == self.label


# A question that shares power is SEEK in MITI, advice may be with or without permission, which
# AnnoMI does not say. Options and negotiation have no code of their own and calibrate nothing.
GOLD_LABELS = (
    GoldLabel("question", "question_exists", "True", QUESTIONS | {Code.SEEK_COLLABORATION}),
    GoldLabel("any reflection", "reflection_exists", "True", REFLECTIONS),
    GoldLabel("any input", "therapist_input_exists", "True", _INPUT),
    GoldLabel(
        "information",
        "therapist_input_subtype",
        "information",
        frozenset({Code.GIVE_INFORMATION}),
    ),
    GoldLabel(
        "advice",
        "therapist_input_subtype",
        "advice",
        frozenset({Code.PERSUADE, Code.PERSUADE_WITH_PERMISSION}),
    ),
    GoldLabel(
        "simple reflection",
        "reflection_subtype",
        "simple",
        frozenset({Code.SIMPLE_REFLECTION}),
        calibrates=False,
    ),
    GoldLabel(
        "complex reflection",
        "reflection_subtype",
        "complex",
        frozenset({Code.COMPLEX_REFLECTION}),
        calibrates=False,
    ),
)

# Column -> who speaks, for the agreement of the experts on the labels as they gave them.
_COLUMNS = {
    "main_therapist_behaviour": "therapist",
    "question_exists": "therapist",
    "reflection_exists": "therapist",
    "therapist_input_exists": "therapist",
    "question_subtype": "therapist",
    "reflection_subtype": "therapist",
    "therapist_input_subtype": "therapist",
    "client_talk_type": "client",
}


@dataclass(frozen=True, slots=True)
class Ceiling:
    """How far experts agree on one label.

    Attributes:
        label: A column of AnnoMI, or a name of `GOLD_LABELS`.
        items: Utterances or volleys, each labelled by all experts.
        fleiss: Fleiss' kappa.
        pairs: Least, median and greatest Cohen's kappa of two of them.
        against_rest: Least, median and greatest Cohen's kappa of one and the majority of the
            others: what a judge's kappa with the majority is to be compared with. None for labels
            of more than two kinds, where there may be no majority.
    """

    label: str
    items: int
    fleiss: float | None
    pairs: tuple[float, float, float] | None
    against_rest: tuple[float, float, float] | None


def read(path: Path) -> list[Session]:
    """All sessions of AnnoMI-full.csv.

    Raises:
        InputError: If the file is not it, or no session has ten annotators.
    """
    found = list(annomi.sessions(path))
    if not any(is_standard(one) for one in found):
        raise InputError(
            f"{path}: no transcript has {ANNOTATORS} annotators; give AnnoMI-full.csv, whole"
        )
    return found


def annotators(session: Session) -> list[str]:
    """Who labelled a session, in the order of its rows."""
    return list(dict.fromkeys(name for one in session.utterances for name in one["labels"]))


def is_standard(session: Session) -> bool:
    """Whether ten annotators labelled the session."""
    return len(annotators(session)) == ANNOTATORS


def ceilings_of_utterances(sessions: Iterable[Session]) -> list[Ceiling]:
    """The experts' agreement on each column, utterance by utterance, where ten labelled."""
    standard = [one for one in sessions if is_standard(one)]
    found = []
    for column, speaker in _COLUMNS.items():
        items = [
            [labels.get(column, "n/a") for labels in _in_order(one, annotators(session))]
            for session in standard
            for one in session.utterances
            if one["interlocutor"] == speaker
        ]
        found.append(_ceiling(column, items))
    return found


def ceilings_of_volleys(sessions: Iterable[Session]) -> list[Ceiling]:
    """The experts' agreement on each of `GOLD_LABELS`, counselor's volley by volley."""
    standard = [one for one in sessions if is_standard(one)]
    return [
        _ceiling(label.name, [item for one in standard for item in volley_labels(one, label)])
        for label in GOLD_LABELS
    ]


def volley_labels(session: Session, label: GoldLabel) -> list[list[bool]]:
    """For each volley of the counselor whether each annotator gave the label to a part of it."""
    names = annotators(session)
    return [
        [any(label.given(one["labels"].get(name, {})) for one in volley) for name in names]
        for volley in counselor_volleys(session)
    ]


def counselor_volleys(session: Session) -> list[list[Utterance]]:
    """The counselor's utterances, those of one turn together, in order."""
    found: dict[int, list[Utterance]] = {}
    for one in session.utterances:
        if one["interlocutor"] == "therapist" and one["volley"] is not None:
            found.setdefault(one["volley"], []).append(one)
    return list(found.values())


def majority(said: Sequence[bool]) -> bool | None:
    """What more than half say; None if as many say the one as the other."""
    return None if 2 * sum(said) == len(said) else 2 * sum(said) > len(said)


def _in_order(utterance: Utterance, names: Sequence[str]) -> list[Labels]:
    return [utterance["labels"].get(name, {}) for name in names]


def _ceiling(label: str, items: Sequence[Sequence[str | bool]]) -> Ceiling:
    by_rater = list(zip(*items, strict=True))
    pairs = [cohen_kappa(one, two) for one, two in combinations(by_rater, 2)]
    rest = None
    if all(isinstance(said, bool) or said in ("True", "False") for one in items for said in one):
        rest = _spread(_against_rest(by_rater, place) for place in range(len(by_rater)))
    return Ceiling(label, len(items), fleiss_kappa(items), _spread(pairs), rest)


def _against_rest(by_rater: Sequence[Sequence[str | bool]], place: int) -> float | None:
    """Kappa of one annotator and the majority of the others."""
    others = [one for number, one in enumerate(by_rater) if number != place]
    truth = [
        majority([said in (True, "True") for said in item]) for item in zip(*others, strict=True)
    ]
    kept = [
        (mine in (True, "True"), theirs)
        for mine, theirs in zip(by_rater[place], truth, strict=True)
        if theirs is not None
    ]
    return cohen_kappa(*zip(*kept, strict=True)) if kept else None


def _spread(kappas: Iterable[float | None]) -> tuple[float, float, float] | None:
    known = [one for one in kappas if one is not None]
    return (min(known), median(known), max(known)) if known else None
