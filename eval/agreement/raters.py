"""How far raters agree on the sessions that both coded: volley by volley, and on sessions.

Volleys carry several codes, so each code is a decision of its own, present or absent, beside the
exact agreement of whole sets. Counts of a session can agree where its volleys do not: both levels
are given. What has no variance is None, and `note` says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

from mi_llm.agreement import (
    cohen_kappa,
    confusion,
    percent_agreement,
    weighted_kappa,
)
from mi_llm.agreement_scales import (
    Icc,
    intraclass,
    mean_absolute_difference,
    pearson,
    share_within,
)
from mi_llm.coding import Session
from mi_llm.errors import InputError
from mi_llm.miti import REFLECTIONS, Code, Counts
from mi_llm.miti_measures import COUNTS, GLOBAL_SUMMARIES, GLOBALS, RATIOS, counted

ONE_CATEGORY = "all ratings are the same: no variance, so chance alone agrees fully"
NOT_TWICE = "nothing was rated by two"
CONSTANT = "a rater gave one value throughout: no variance"

# What is decided about a volley: the ten codes, and whether there is a reflection of either kind.
DECISIONS: dict[str, frozenset[Code]] = {
    **{str(code): frozenset({code}) for code in Code},
    "any reflection": REFLECTIONS,
}
SCORES = (*GLOBALS, *GLOBAL_SUMMARIES, *COUNTS, *RATIOS)

Codings = Mapping[str, Mapping[str, Session]]
"""Rater -> transcript -> session."""


@dataclass(frozen=True, slots=True)
class CodeAgreement:
    """Two raters on one code, over N volleys.

    Attributes:
        code: A code, or "any reflection".
        kappa: Cohen's; None if neither ever, or both always, gave the code.
        agreement: Share of volleys where they agree, in [0, 1].
        both: Volleys where both gave it.
        only_first: Volleys where only the first rater did.
        only_second: Volleys where only the second did.
        neither: All others.
        note: Why kappa is undefined; empty if it is not.
    """

    code: str
    kappa: float | None
    agreement: float
    both: int
    only_first: int
    only_second: int
    neither: int
    note: str


@dataclass(frozen=True, slots=True)
class ScoreAgreement:
    """Two raters on one score of a session: a rating, a count or a ratio.

    Attributes:
        score: Its name.
        sessions: Where both have it.
        undefined: Where one has not.
        icc: ICC(2,1).
        weighted_kappa: With squared weights; for the four ratings only.
        pearson: Correlation, which no constant bias lowers.
        mean_absolute: Mean absolute difference, in the score's unit.
        exact: Share of sessions with the same score.
        within_one: Share with scores at most 1 apart; None for ratios, whose unit is not 1.
        note: Why something is undefined; empty if nothing is.
    """

    score: str
    sessions: int
    undefined: int
    icc: Icc
    weighted_kappa: float | None
    pearson: float | None
    mean_absolute: float | None
    exact: float | None
    within_one: float | None
    note: str


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """All that two raters agree on.

    Attributes:
        first: A rater.
        second: Another one.
        sessions: That both completed.
        volleys: In them.
        exact_sets: Share of volleys with the same set of codes.
        kappa: Cohen's over all decisions, a volley and a code each; what the paper's bar is held
            against here. None if undefined.
        macro_kappa: Mean of the codes' kappas that are defined.
        ratings_pearson: Correlation over all ratings of all sessions, as the paper gives it.
        codes: Code by code.
        scores: Score by score.
    """

    first: str
    second: str
    sessions: int
    volleys: int
    exact_sets: float
    kappa: float | None
    macro_kappa: float | None
    ratings_pearson: float | None
    codes: list[CodeAgreement]
    scores: list[ScoreAgreement]


def codings(sessions: Sequence[Session]) -> dict[str, dict[str, Session]]:
    """The complete sessions by rater and transcript."""
    found: dict[str, dict[str, Session]] = {}
    for one in sessions:
        if one.complete:
            found.setdefault(one.rater, {})[one.transcript] = one
    return found


def overlapping(by_rater: Codings) -> list[tuple[str, str]]:
    """The pairs of raters who both completed a transcript."""
    return [
        (one, two)
        for one, two in combinations(by_rater, 2)
        if by_rater[one].keys() & by_rater[two].keys()
    ]


def all_pairs(by_rater: Codings) -> list[PairAgreement]:
    """Every pair of raters who both completed a transcript.

    Raises:
        InputError: If there is no such pair.
    """
    pairs = overlapping(by_rater)
    if not pairs:
        raise InputError(
            f"no transcript was completed by two raters (raters: {', '.join(by_rater) or 'none'}); "
            "agreement needs the same transcripts coded twice"
        )
    return [pair_agreement(by_rater[one], by_rater[two]) for one, two in pairs]


def pair_agreement(one: Mapping[str, Session], two: Mapping[str, Session]) -> PairAgreement:
    """Two raters on the transcripts that both completed, of which there is at least one.

    Raises:
        InputError: If the two have a transcript's volleys in different numbers.
    """
    shared = [(one[name], two[name]) for name in one if name in two]
    first, second = _volleys(shared)
    decided = [
        [has(volley, codes) for volley in side for codes in (frozenset({c}) for c in Code)]
        for side in (first, second)
    ]
    codes = [_on_code(name, codes, first, second) for name, codes in DECISIONS.items()]
    kappas = [
        found.kappa for found in codes if found.code in tuple(Code) and found.kappa is not None
    ]
    ratings = [
        (a, b) for pair in shared for name in GLOBALS if (a := rating(pair[0], name)) is not None
        and (b := rating(pair[1], name)) is not None
    ]  # fmt: skip
    return PairAgreement(
        first=shared[0][0].rater,
        second=shared[0][1].rater,
        sessions=len(shared),
        volleys=len(first),
        exact_sets=percent_agreement(first, second),
        kappa=cohen_kappa(*decided),
        macro_kappa=fmean(kappas) if kappas else None,
        ratings_pearson=pearson(*zip(*ratings, strict=True)) if ratings else None,
        codes=codes,
        scores=[_on_score(name, shared) for name in SCORES],
    )


def _volleys(
    shared: Sequence[tuple[Session, Session]],
) -> tuple[list[frozenset[Code]], list[frozenset[Code]]]:
    for one, two in shared:
        if len(one.volleys) != len(two.volleys):
            raise InputError(
                f"transcript {one.transcript} has {len(one.volleys)} volleys for {one.rater} and "
                f"{len(two.volleys)} for {two.rater}; they did not code the same text"
            )
    first = [volley for one, _ in shared for volley in one.volleys]
    if not first:
        raise InputError("the transcripts that two raters share hold no volley")
    return first, [volley for _, two in shared for volley in two.volleys]


def has(volley: frozenset[Code], codes: frozenset[Code]) -> bool:
    """Whether a volley has one of the codes."""
    return bool(volley & codes)


def _on_code(
    name: str,
    codes: frozenset[Code],
    first: Sequence[frozenset[Code]],
    second: Sequence[frozenset[Code]],
) -> CodeAgreement:
    one, two = ([has(volley, codes) for volley in side] for side in (first, second))
    cells, kappa = confusion(one, two), cohen_kappa(one, two)
    return CodeAgreement(
        code=name,
        kappa=kappa,
        agreement=percent_agreement(one, two),
        both=cells[True, True],
        only_first=cells[True, False],
        only_second=cells[False, True],
        neither=cells[False, False],
        note="" if kappa is not None else ONE_CATEGORY,
    )


def _on_score(name: str, shared: Sequence[tuple[Session, Session]]) -> ScoreAgreement:
    both = [
        (a, b)
        for one, two in shared
        if (a := score(one, name)) is not None and (b := score(two, name)) is not None
    ]
    icc = intraclass(both)
    if not both:
        return ScoreAgreement(name, 0, len(shared), icc, None, None, None, None, None, NOT_TWICE)
    one, two = zip(*both, strict=True)
    correlation = pearson(one, two)
    notes = [icc.reason] + ([CONSTANT] if correlation is None else [])
    return ScoreAgreement(
        score=name,
        sessions=len(both),
        undefined=len(shared) - len(both),
        icc=icc,
        weighted_kappa=weighted_kappa(one, two) if name in GLOBALS else None,
        pearson=correlation,
        mean_absolute=mean_absolute_difference(one, two),
        exact=share_within(one, two, 0),
        within_one=None if name in RATIOS else share_within(one, two, 1),
        note="; ".join(note for note in notes if note),
    )


def score(session: Session, name: str) -> float | None:
    """One of `SCORES` as one rater's codes give it; None if undefined there."""
    if name in GLOBALS or name in GLOBAL_SUMMARIES:
        return rating(session, name)
    counts = Counts.of(session.volleys)
    part = counted({code: counts[code] for code in Code}, counts.volleys)[name]
    return part[0] / part[1] if part else None


def rating(session: Session, name: str) -> float | None:
    """A global rating or one of their two summaries; None if not given."""
    if session.globals is None:
        return None
    if name == "technical":
        return session.globals.technical(session.target_behaviour)
    found: float | None = getattr(session.globals, name)
    return found
