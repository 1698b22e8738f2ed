"""Whether a judge's measure tells good MI from poor: AnnoMI's high- and low-quality sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eval.agreement.raters import score
from mi_llm import annomi, coding

LEAST_AREA = 0.75  # this project's own bar


@dataclass(frozen=True, slots=True)
class KnownGroups:
    """Whether a measure of the judge's tells high from low quality.

    Attributes:
        measure: Its name.
        high: Sessions of high quality with it defined.
        low: Sessions of low quality, likewise.
        undefined: Sessions without it.
        area: Chance that a session of high quality scores above one of low quality, ties half (the
            area under the ROC curve); None if a group is empty.
        passed: Whether it reaches `LEAST_AREA`; None if it is undefined.
    """

    measure: str
    high: int
    low: int
    undefined: int
    area: float | None
    passed: bool | None


def known_groups(
    measure: str, coded: Mapping[str, coding.Session], experts: Sequence[annomi.Session]
) -> KnownGroups:
    """Compare a measure of one judge's between the two qualities of AnnoMI.

    Args:
        measure: One of `eval.agreement.raters.SCORES`.
        coded: AnnoMI's transcript_id -> the judge's complete coding of it.
        experts: All sessions of AnnoMI.
    """
    values: dict[str, list[float]] = {"high": [], "low": []}
    undefined = 0
    for one in experts:
        if one.transcript not in coded:
            continue
        value = score(coded[one.transcript], measure)
        if value is None:
            undefined += 1
        else:
            values.setdefault(one.facts["mi_quality"], []).append(value)
    area = area_under_curve(values["high"], values["low"])
    return KnownGroups(
        measure=measure,
        high=len(values["high"]),
        low=len(values["low"]),
        undefined=undefined,
        area=area,
        passed=None if area is None else area >= LEAST_AREA,
    )


def area_under_curve(higher: Sequence[float], lower: Sequence[float]) -> float | None:
    """Share of pairs in which the first group's value is above the second's, ties half.

    Mann-Whitney's U by the number of pairs; None if a group is empty.
    """
    if not higher or not lower:
        return None
    wins = sum((a > b) + 0.5 * (a == b) for a in higher for b in lower)
    return float(wins / (len(higher) * len(lower)))
