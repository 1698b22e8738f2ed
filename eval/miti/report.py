"""All that `miti` says of a folder of codes, as data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from eval.miti.differences import Difference, differences
from eval.miti.summary import Aggregate, Coded, aggregates, coded
from mi_llm.coding import Session
from mi_llm.errors import InputError
from mi_llm.miti import Level, Measure, level
from mi_llm.miti_measures import MEASURES

REAL, GOOD, POOR = "real", "real_high", "real_low"
_REAL_PARTS = (GOOD, POOR)
_WITH_LEVELS = {str(measure): measure for measure in Measure}

NOTES = (
    "MITI 4.2.1, made for audio; coding texts is an adaptation.",
    "Thresholds (fair, good) are the manual's expert opinion, without normative data.",
    "paper_mi_adherent_ratio is the paper's measure, not MITI 4.2.1's: the manual dropped it as "
    "misleading. Read it beside mi_adherent and mi_non_adherent.",
    "Counts and ratings of a session are its raters' mean; its ratios are taken from those means.",
    "mean: of the sessions where it is defined. pooled: sum of parts by sum of wholes. Intervals "
    "are 95%, over sessions, three or more; those of differences Welch's, unadjusted.",
)


@dataclass(frozen=True, slots=True)
class Report:
    """Measures of all sessions and sources.

    Attributes:
        sessions: Each transcript once, raters averaged.
        sources: Source -> measure -> aggregate, raters averaged.
        raters: Rater -> source -> measure -> aggregate, of that rater alone.
        by_rater: Each session as each rater coded it.
        differences: Between sources.
        partial: Codings left out because a rater had not finished.
        seed: Of the intervals.
    """

    sessions: list[Coded]
    sources: dict[str, dict[str, Aggregate]]
    raters: dict[str, dict[str, dict[str, Aggregate]]]
    by_rater: list[Coded]
    differences: list[Difference]
    partial: int
    seed: int

    def as_json(self) -> dict[str, Any]:
        """The content of miti.json."""
        return {
            "notes": NOTES,
            "seed": self.seed,
            "partial_left_out": self.partial,
            "sessions": [_session(one) for one in self.sessions],
            "sessions_by_rater": [_session(one) for one in self.by_rater],
            "sources": _sources(self.sources),
            "sources_by_rater": {name: _sources(own) for name, own in self.raters.items()},
            "differences": [asdict(one) for one in self.differences],
        }


def report(sessions: Sequence[Session], sources: Mapping[str, str], *, seed: int) -> Report:
    """Measure coded sessions.

    Args:
        sessions: Of any number of raters. Those that are not complete are left out and counted.
        sources: Transcript, as in the codes, -> where it is from.
        seed: Of the intervals.

    Raises:
        InputError: If no session is complete, or one has no source.
    """
    complete = [one for one in sessions if one.complete]
    if not complete:
        raise InputError(f"none of {len(sessions)} codings is complete; nothing can be measured")
    averaged = coded(complete, sources)
    names = list(dict.fromkeys(one.rater for one in complete))
    alone = {name: coded([one for one in complete if one.rater == name], sources) for name in names}
    found = _by_source(averaged, seed)
    return Report(
        sessions=averaged,
        sources=found,
        raters={name: _by_source(own, seed) for name, own in alone.items()},
        by_rater=[one for own in alone.values() for one in own],
        differences=[one for one in differences(found) if not _overlap(one.first, one.second)],
        partial=len(sessions) - len(complete),
        seed=seed,
    )


def _by_source(sessions: Iterable[Coded], seed: int) -> dict[str, dict[str, Aggregate]]:
    """Aggregates by source; good and poor demonstrations of MI also together, as in the paper."""
    groups: dict[str, list[Coded]] = {}
    for one in sessions:
        groups.setdefault(one.source, []).append(one)
    if REAL not in groups and all(part in groups for part in _REAL_PARTS):
        groups[REAL] = [one for part in _REAL_PARTS for one in groups[part]]
    return {name: aggregates(groups[name], seed=seed) for name in sorted(groups)}


def _overlap(one: str, two: str) -> bool:
    return REAL in (one, two) and (one in _REAL_PARTS or two in _REAL_PARTS)


def level_of(measure: str, value: float | None) -> Level | None:
    """Where a value stands against the manual's thresholds; None where there are none."""
    return level(_WITH_LEVELS[measure], value) if measure in _WITH_LEVELS else None


def _session(one: Coded) -> dict[str, Any]:
    return {
        "transcript": one.transcript,
        "source": one.source,
        "raters": one.raters,
        "volleys": one.volleys,
        "measures": {measure: one.value(measure) for measure in MEASURES},
        "levels": {measure: level_of(measure, one.value(measure)) for measure in _WITH_LEVELS},
    }


def _sources(sources: Mapping[str, Mapping[str, Aggregate]]) -> dict[str, Any]:
    return {
        source: {measure: _aggregate(one) for measure, one in found.items()}
        for source, found in sources.items()
    }


def _aggregate(one: Aggregate) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "sessions": one.defined + one.undefined,
        "undefined": one.undefined,
        "mean_of_sessions": one.mean and asdict(one.mean),
        "sd": one.sd,
        "pooled": one.pooled and asdict(one.pooled),
    }
    if one.measure in _WITH_LEVELS:
        mean = one.mean.mean if one.mean else None
        facts["level"] = {"mean_of_sessions": level_of(one.measure, mean)}
        if one.pooled:
            facts["level"]["pooled"] = level_of(one.measure, one.pooled.mean)
    return facts
