"""MITI measures of coded sessions: of each session, and of each source in both aggregations.

A session's counts and ratings are the means of its raters', as the paper's half points show that it
did; its ratios are then taken from those means. Measures stay undefined where the whole is nothing:
they are counted, never 0 or infinite.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum, sqrt

import numpy as np

from eval.ratio import pooled_ratio
from mi_llm.coding import Session
from mi_llm.errors import InputError
from mi_llm.miti import Code, Counts
from mi_llm.miti_measures import GLOBALS, MEASURES, POOLED, SCALES, Part, counted
from mi_llm.statistics import (
    Estimate,
    clustered_mean,
)


@dataclass(frozen=True, slots=True)
class Coded:
    """One session with the measures that its raters' codes give on average.

    Attributes:
        transcript: Its id in the codes.
        source: Where it is from.
        raters: Whose codes went in.
        volleys: The counselor's.
        parts: Measure -> part and whole, or None where undefined; all of `MEASURES`.
    """

    transcript: str
    source: str
    raters: tuple[str, ...]
    volleys: int
    parts: Mapping[str, Part]

    def value(self, measure: str) -> float | None:
        """The measure's value in this session; None if undefined."""
        part = self.parts[measure]
        return part[0] / part[1] if part else None


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A measure over the sessions of one source.

    Attributes:
        measure: One of `mi_llm.miti_measures.MEASURES`.
        defined: Sessions in which it is defined.
        undefined: Sessions in which it is not; they are in `mean` and `sd` not at all.
        mean: Mean of the sessions' values with its interval over sessions; None if none is defined.
        sd: Standard deviation of the values (n - 1); None with fewer than two.
        pooled: Sum of parts by sum of wholes; None where the sums are nothing, or where pooling is
            the same as the mean.
        mean_error: Standard error of `mean`; None with fewer than two values.
        pooled_error: Standard error of `pooled`, linearised; likewise.
        pooled_over: Sessions that add to either sum.
    """

    measure: str
    defined: int
    undefined: int
    mean: Estimate | None
    sd: float | None
    pooled: Estimate | None
    mean_error: float | None
    pooled_error: float | None
    pooled_over: int


def coded(sessions: Iterable[Session], sources: Mapping[str, str]) -> list[Coded]:
    """Each transcript once, in the order of first appearance, its raters averaged.

    Args:
        sessions: Only those that are complete.
        sources: Transcript -> where it is from.

    Raises:
        InputError: If a transcript has no source.
    """
    together: dict[str, list[Session]] = defaultdict(list)
    for session in sessions:
        together[session.transcript].append(session)
    if unknown := [name for name in together if name not in sources]:
        raise InputError(
            f"transcript {unknown[0]!r} has codes but no source ({len(unknown)} such); "
            "give the key, or the transcripts, that the codes belong to"
        )
    return [_averaged(name, sources[name], own) for name, own in together.items()]


def _averaged(transcript: str, source: str, sessions: Sequence[Session]) -> Coded:
    counts = [Counts.of(session.volleys) for session in sessions]
    means = {code: fsum(one[code] for one in counts) / len(counts) for code in Code}
    volleys = counts[0].volleys
    parts = {**_ratings(sessions), **counted(means, volleys)}
    raters = tuple(session.rater for session in sessions)
    return Coded(transcript, source, raters, volleys, {name: parts[name] for name in MEASURES})


def _ratings(sessions: Sequence[Session]) -> dict[str, Part]:
    """Global ratings and their two summaries, each the mean over those who could give it."""
    rated = [(one.globals, one.target_behaviour) for one in sessions if one.globals is not None]
    found = {name: _mean(getattr(ratings, name) for ratings, _ in rated) for name in GLOBALS}
    found["technical"] = _mean(ratings.technical(goal) for ratings, goal in rated)
    found["relational"] = _mean(ratings.relational for ratings, _ in rated)
    return found


def _mean(values: Iterable[float | None]) -> Part:
    given = [value for value in values if value is not None]
    return (fsum(given) / len(given), 1) if given else None


def aggregates(sessions: Sequence[Coded], *, seed: int) -> dict[str, Aggregate]:
    """All measures over sessions of one source."""
    return {measure: aggregate(sessions, measure, seed=seed) for measure in MEASURES}


def aggregate(sessions: Sequence[Coded], measure: str, *, seed: int) -> Aggregate:
    """One measure over sessions of one source, as mean of sessions and pooled."""
    values = [value for one in sessions if (value := one.value(measure)) is not None]
    parts = [_sums(one, measure) for one in sessions]
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
    if sd is not None and len(set(values)) == 1:
        sd = 0.0  # else rounding would show
    parts = [one for one in parts if any(one)]
    pooled, pooled_error = (
        (None, None)
        if measure not in POOLED
        else pooled_ratio(parts, scale=SCALES[measure], seed=seed)
    )
    return Aggregate(
        measure=measure,
        defined=len(values),
        undefined=len(sessions) - len(values),
        mean=clustered_mean(values, range(len(values)), scale=SCALES[measure], seed=seed)
        if values
        else None,
        sd=sd,
        pooled=pooled,
        mean_error=None if sd is None else sd / sqrt(len(values)),
        pooled_error=pooled_error,
        pooled_over=len(parts),
    )


def _sums(session: Coded, measure: str) -> tuple[float, float]:
    """Part and whole for pooling: a session without a question still adds its reflections."""
    part = session.parts[measure]
    if part is not None:
        return part
    if measure == "reflection_to_question":
        reflections = session.parts["reflections"]
        return (reflections[0] if reflections else 0.0), 0.0
    return 0.0, 0.0
