"""The tables of `agreement`."""

from __future__ import annotations

from collections.abc import Sequence

from eval.agreement.annomi_gold import Ceiling
from eval.agreement.annomi_groups import QualityGroup
from eval.agreement.judge_check import JudgeCheck
from eval.agreement.many_raters import ManyRaters
from eval.agreement.qualification import Qualification
from eval.agreement.raters import PairAgreement
from eval.miti.tables import Table
from mi_llm.agreement_scales import Icc
from mi_llm.miti_measures import GLOBALS

UNDEFINED = "undefined"


def on_pairs(pairs: Sequence[PairAgreement]) -> Table:
    """What each pair of raters comes to."""
    head = ["raters", "sessions", "volleys", "same set of codes", "kappa, all decisions"]
    head += ["mean kappa of codes", "Pearson of ratings"]
    rows = [
        [
            f"{one.first} and {one.second}",
            str(one.sessions),
            str(one.volleys),
            _number(one.exact_sets),
            _number(one.kappa),
            _number(one.macro_kappa),
            _number(one.ratings_pearson),
        ]
        for one in pairs
    ]
    return [head, *rows]


def on_codes(pair: PairAgreement) -> Table:
    """Two raters code by code, with the confusion."""
    head = ["code", "kappa", "agreement", "both", f"only {pair.first}", f"only {pair.second}"]
    head += ["neither", "note"]
    rows = [
        [
            one.code,
            _number(one.kappa),
            _number(one.agreement),
            *map(str, (one.both, one.only_first, one.only_second, one.neither)),
            one.note,
        ]
        for one in pair.codes
    ]
    return [head, *rows]


def on_scores(pair: PairAgreement) -> Table:
    """Two raters score by score."""
    head = ["score", "sessions", "undefined", "ICC(2,1), 95% interval", "weighted kappa", "Pearson"]
    head += ["MAE", "exact", "within 1", "note"]
    rows = [
        [
            one.score,
            str(one.sessions),
            str(one.undefined),
            _icc(one.icc),
            _number(one.weighted_kappa) if one.score in GLOBALS else "",
            *map(_number, (one.pearson, one.mean_absolute, one.exact)),
            "" if one.within_one is None else _number(one.within_one),
            one.note,
        ]
        for one in pair.scores
    ]
    return [head, *rows]


def on_all(found: Sequence[ManyRaters]) -> Table:
    """All raters together."""
    head = ["what", "items", "Krippendorff's alpha", "by all raters", "Fleiss' kappa", "ICC(2,1)"]
    rows = [
        [
            one.what,
            str(one.items),
            _number(one.alpha),
            str(one.complete),
            "" if one.fleiss is None else _number(one.fleiss),
            "" if one.icc is None else _icc(one.icc),
            one.note,
        ]
        for one in found
    ]
    return [[*head, "note"], *rows]


def on_qualification(found: Sequence[Qualification], pearson: float, kappa: float) -> Table:
    """Each rater against the standard, with the bars."""
    head = ["rater", "sessions", "volleys", f"Pearson (bar {pearson:g})", f"kappa (bar {kappa:g})"]
    rows = [
        [
            one.rater,
            str(one.agreement.sessions),
            str(one.agreement.volleys),
            _number(one.pearson),
            _number(one.kappa),
            "passed" if one.passed else "not passed",
        ]
        for one in found
    ]
    return [[*head, "result"], *rows]


def on_ceilings(found: Sequence[Ceiling]) -> Table:
    """How far AnnoMI's ten experts agree."""
    head = ["label", "items", "Fleiss' kappa", "two experts: least / median / most"]
    head += ["one against the other nine"]
    rows = [
        [
            one.label,
            str(one.items),
            _number(one.fleiss),
            _three(one.pairs),
            _three(one.against_rest),
        ]
        for one in found
    ]
    return [head, *rows]


def on_quality(found: Sequence[QualityGroup]) -> Table:
    """AnnoMI's known groups by its own labels."""
    head = ["quality", "sessions", "pooled R:Q", "pooled %CR", "without a question"]
    rows = [
        [
            one.quality,
            str(one.sessions),
            _number(one.reflection_to_question),
            _number(one.complex_reflection_share),
            str(one.without_question),
            str(one.without_reflection),
        ]
        for one in found
    ]
    return [[*head, "without a reflection"], *rows]


def on_labels(check: JudgeCheck) -> Table:
    """A judge against the experts' majority, label by label."""
    head = ["label", "codes", "volleys", "ties", "kappa", "two experts", "one against nine"]
    head += ["both", "only judge", "only experts", "bias per volley, 95% interval"]
    head += ["correction", "verdict"]
    rows = [
        [
            one.label,
            ", ".join(one.codes),
            str(one.volleys),
            str(one.ties),
            _number(one.kappa),
            _number(one.human.pairs[1] if one.human.pairs else None),
            _number(one.human.against_rest[1] if one.human.against_rest else None),
            *map(str, (one.both, one.only_judge, one.only_experts)),
            f"{one.bias.mean:+.3f} ({_ends(one.bias.low, one.bias.high)})",
            UNDEFINED if one.correction is None else f"x {one.correction:.2f}",
            f"{one.verdict}: {one.reason}",
        ]
        for one in check.labels
    ]
    return [head, *rows]


def on_groups(check: JudgeCheck) -> Table:
    """Whether a judge's measures tell good MI from poor."""
    head = ["measure", "high", "low", "undefined", "area under the curve", "reaches the bar"]
    rows = [
        [
            one.measure,
            *map(str, (one.high, one.low, one.undefined)),
            _number(one.area),
            UNDEFINED if one.passed is None else "yes" if one.passed else "no",
        ]
        for one in check.groups
    ]
    return [head, *rows]


def on_verdicts(check: JudgeCheck) -> Table:
    """What each of the ten codes of a judge is good for."""
    rows = [[str(code), str(verdict), why] for code, (verdict, why) in check.verdicts.items()]
    return [["code", "verdict", "why"], *rows]


def _number(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:.2f}"


def _three(values: tuple[float, float, float] | None) -> str:
    return "" if values is None else " / ".join(f"{one:.2f}" for one in values)


def _icc(icc: Icc) -> str:
    if icc.value is None:
        return UNDEFINED
    return f"{icc.value:.2f} ({_ends(icc.low, icc.high)})"


def _ends(low: float | None, high: float | None) -> str:
    return "no interval" if low is None or high is None else f"{low:.2f} to {high:.2f}"
