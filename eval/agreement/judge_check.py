"""A judge's codes against AnnoMI's experts: kappa, bias, known groups, and a verdict per code.

The bars are stated in docs/miti.md. A code that AnnoMI cannot calibrate is never better than
"report only", whatever a judge does with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from eval.agreement.annomi_gold import (
    GOLD_LABELS,
    Ceiling,
    GoldLabel,
    ceilings_of_volleys,
    is_standard,
    majority,
    volley_labels,
)
from eval.agreement.known_groups import KnownGroups, known_groups
from eval.agreement.raters import has
from mi_llm import annomi, coding
from mi_llm.agreement import cohen_kappa, confusion
from mi_llm.errors import InputError
from mi_llm.miti import Code
from mi_llm.statistics import SHARE, Estimate, clustered_mean

BELOW_HUMAN = 0.05  # how much below two experts' median kappa a judge may be
LEAST_KAPPA = 0.40  # Cicchetti 1994, Psychological Assessment 6:284-290: below is poor


class Verdict(StrEnum):
    """What a judge's code is good for."""

    USABLE = "usable"
    REPORT_ONLY = "report only"
    DO_NOT_USE = "do not use"


_REPORT = Verdict.REPORT_ONLY

# Codes that are one of AnnoMI's labels, and codes that are only part of one.
_SAME_AS = {Code.QUESTION: "question", Code.GIVE_INFORMATION: "information"}
_KINDS = ("any reflection", "experts hardly agree on simple and complex")
_PERMISSION = ("advice", "AnnoMI does not say whether there was permission")
_NEVER_USABLE = {
    Code.SIMPLE_REFLECTION: _KINDS,
    Code.COMPLEX_REFLECTION: _KINDS,
    Code.PERSUADE: _PERMISSION,
    Code.PERSUADE_WITH_PERMISSION: _PERMISSION,
}


@dataclass(frozen=True, slots=True)
class LabelCheck:
    """A judge against the experts' majority on one of AnnoMI's labels.

    Attributes:
        label: Its name in `GOLD_LABELS`.
        codes: The MITI codes that stand for it.
        volleys: Volleys with a majority.
        ties: Volleys without one, left out.
        kappa: Cohen's, judge and majority; None if either says the same throughout.
        both: Volleys where both have it.
        only_judge: Where only the judge has it.
        only_experts: Where only the majority has it.
        neither: All others.
        human: The experts' agreement on the same label, over all seven transcripts.
        bias: Mean of judge less majority for a volley, with its interval over transcripts.
        verdict: By kappa.
        reason: Why.
    """

    label: str
    codes: tuple[str, ...]
    volleys: int
    ties: int
    kappa: float | None
    both: int
    only_judge: int
    only_experts: int
    neither: int
    human: Ceiling
    bias: Estimate
    verdict: Verdict
    reason: str

    @property
    def correction(self) -> float | None:
        """What the judge's count is to be multiplied by to be the experts'; None if it is 0."""
        judged = self.both + self.only_judge
        return (self.both + self.only_experts) / judged if judged else None


@dataclass(frozen=True, slots=True)
class JudgeCheck:
    """One judge, checked.

    Attributes:
        judge: The rater's name in the codes.
        transcripts: Of the seven standard transcripts those that it coded.
        labels: Label by label.
        groups: R:Q and Relational over all of AnnoMI that it coded.
        verdicts: Code -> verdict and reason.
    """

    judge: str
    transcripts: int
    labels: list[LabelCheck]
    groups: list[KnownGroups]
    verdicts: dict[Code, tuple[Verdict, str]]


def check(
    judge: str,
    coded: Mapping[str, coding.Session],
    experts: Sequence[annomi.Session],
    *,
    seed: int,
) -> JudgeCheck:
    """Check one judge.

    Args:
        judge: Its name.
        coded: AnnoMI's transcript_id -> the judge's complete coding of it.
        experts: All sessions of AnnoMI.
        seed: Of the intervals.

    Raises:
        InputError: If the judge coded none of the standard transcripts, or one has not the volleys
            that AnnoMI has.
    """
    standard = [one for one in experts if is_standard(one) and one.transcript in coded]
    if not standard:
        names = ", ".join(f"annomi/{one.transcript}" for one in experts if is_standard(one))
        raise InputError(
            f"{judge}: none of the transcripts with ten annotators is coded ({names}); "
            "give --key if their ids are neutral"
        )
    ceilings = {one.label: one for one in ceilings_of_volleys(experts)}
    labels = [
        _on_label(label, coded, standard, ceilings[label.name], seed=seed) for label in GOLD_LABELS
    ]
    return JudgeCheck(
        judge=judge,
        transcripts=len(standard),
        labels=labels,
        groups=[
            known_groups(measure, coded, experts)
            for measure in ("reflection_to_question", "relational")
        ],
        verdicts=_verdicts({one.label: one for one in labels}),
    )


def _on_label(
    label: GoldLabel,
    coded: Mapping[str, coding.Session],
    standard: Sequence[annomi.Session],
    human: Ceiling,
    *,
    seed: int,
) -> LabelCheck:
    judged: list[bool] = []
    truth: list[bool] = []
    of: list[str] = []
    ties = 0
    for session in standard:
        for volley, said in _side_by_side(session, coded[session.transcript], label):
            most = majority(said)
            if most is None:
                ties += 1
                continue
            judged.append(has(volley, label.codes))
            truth.append(most)
            of.append(session.transcript)
    cells, kappa = confusion(judged, truth), cohen_kappa(judged, truth)
    differences = [float(a) - float(b) for a, b in zip(judged, truth, strict=True)]
    verdict, reason = _verdict(label, kappa, human)
    return LabelCheck(
        label=label.name,
        codes=tuple(str(code) for code in Code if code in label.codes),
        volleys=len(judged),
        ties=ties,
        kappa=kappa,
        both=cells[True, True],
        only_judge=cells[True, False],
        only_experts=cells[False, True],
        neither=cells[False, False],
        human=human,
        bias=clustered_mean(differences, of, scale=SHARE.of_differences, seed=seed),
        verdict=verdict,
        reason=reason,
    )


def _side_by_side(
    session: annomi.Session, coded: coding.Session, label: GoldLabel
) -> list[tuple[frozenset[Code], list[bool]]]:
    """Each volley as the judge coded it, with what each expert said of the label."""
    said = volley_labels(session, label)
    if len(said) != len(coded.volleys):
        raise InputError(
            f"{coded.rater}: transcript {coded.transcript} has {len(coded.volleys)} volleys, "
            f"AnnoMI's {session.transcript} has {len(said)}; "
            "make the transcript with python -m eval transcripts annomi"
        )
    return list(zip(coded.volleys, said, strict=True))


def _verdict(label: GoldLabel, kappa: float | None, human: Ceiling) -> tuple[Verdict, str]:
    if kappa is None:
        return Verdict.DO_NOT_USE, "kappa undefined: judge or majority says the same throughout"
    if kappa < LEAST_KAPPA and label.calibrates:
        return Verdict.DO_NOT_USE, f"kappa {kappa:.2f} below {LEAST_KAPPA:.2f}"
    if not label.calibrates or human.pairs is None:
        return Verdict.REPORT_ONLY, "the experts themselves hardly agree"
    bar = human.pairs[1] - BELOW_HUMAN
    if kappa < bar:
        return Verdict.REPORT_ONLY, f"kappa {kappa:.2f} below {bar:.2f}, two experts' less 0.05"
    return Verdict.USABLE, f"kappa {kappa:.2f}, at least {bar:.2f}, two experts' less 0.05"


def _verdicts(labels: Mapping[str, LabelCheck]) -> dict[Code, tuple[Verdict, str]]:
    """A verdict for each code, from that of the label that it is held against."""
    found: dict[Code, tuple[Verdict, str]] = {}
    for code in Code:
        if code in _SAME_AS:
            one = labels[_SAME_AS[code]]
            found[code] = one.verdict, one.reason
        elif code in _NEVER_USABLE:
            name, why = _NEVER_USABLE[code]
            one = labels[name]
            bad = one.verdict is Verdict.DO_NOT_USE
            found[code] = (one.verdict, f"{name}: {one.reason}") if bad else (_REPORT, why)
        else:
            found[code] = _REPORT, "AnnoMI has no such label: not calibrated"
    return found
