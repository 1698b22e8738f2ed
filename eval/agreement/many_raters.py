"""How far all raters agree together, whoever coded which transcript."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eval.agreement.raters import DECISIONS, NOT_TWICE, ONE_CATEGORY, Codings, has, rating
from mi_llm.agreement import fleiss_kappa, krippendorff_alpha
from mi_llm.agreement_scales import Icc, intraclass
from mi_llm.miti_measures import GLOBALS


@dataclass(frozen=True, slots=True)
class ManyRaters:
    """All raters together on one code or rating.

    Attributes:
        what: A code, or a rating's name.
        items: Volleys, or sessions, that at least two rated.
        alpha: Krippendorff's, nominal for codes and ordinal for ratings, over all `items`.
        complete: Those of the items that all raters rated.
        fleiss: Fleiss' kappa over the complete ones; with three raters or more, for codes only.
        icc: ICC(2,1) over the complete ones; for ratings only.
        note: Why something is undefined; empty if nothing is.
    """

    what: str
    items: int
    alpha: float | None
    complete: int
    fleiss: float | None
    icc: Icc | None
    note: str


def together(by_rater: Codings) -> list[ManyRaters]:
    """All raters on every code and every rating, whoever coded what."""
    names = list(dict.fromkeys(name for own in by_rater.values() for name in own))
    rated = [[own[name] for own in by_rater.values() if name in own] for name in names]
    volleys = [
        [session.volleys[number] for session in sessions]
        for sessions in rated
        for number in range(min(len(one.volleys) for one in sessions))
    ]
    on_codes = [
        _many(name, [[float(has(one, codes)) for one in item] for item in volleys], len(by_rater))
        for name, codes in DECISIONS.items()
    ]
    on_ratings = [
        _many(
            name,
            [[s for one in sessions if (s := rating(one, name)) is not None] for sessions in rated],
            len(by_rater),
            ordinal=True,
        )
        for name in GLOBALS
    ]
    return [*on_codes, *on_ratings]


def _many(
    what: str, items: Sequence[Sequence[float]], raters: int, *, ordinal: bool = False
) -> ManyRaters:
    twice = [one for one in items if len(one) > 1]
    complete = [one for one in twice if len(one) == raters]
    alpha = krippendorff_alpha(twice, ordinal=ordinal)
    icc = intraclass(complete) if ordinal else None
    notes = [] if alpha is not None else [ONE_CATEGORY if twice else NOT_TWICE]
    return ManyRaters(
        what=what,
        items=len(twice),
        alpha=alpha,
        complete=len(complete),
        fleiss=fleiss_kappa(complete) if complete and raters > 2 and not ordinal else None,
        icc=icc,
        note="; ".join([*notes, *([icc.reason] if icc and icc.reason else [])]),
    )
