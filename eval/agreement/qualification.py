"""Whether a rater is ready: agreement with a standard, by the bars that the paper's raters met."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eval.agreement.raters import Codings, PairAgreement, pair_agreement
from mi_llm.coding import Session
from mi_llm.errors import InputError

# Hu et al. 2026: on 4 dialogues with 141 volleys, correlations with the standard of 0.64 and 0.65,
# kappas above 0.58. What was correlated, and over which categories kappa is, is not said.
PEARSON_BAR = 0.64
KAPPA_BAR = 0.58


@dataclass(frozen=True, slots=True)
class Qualification:
    """One rater against the standard.

    Attributes:
        rater: Who.
        pearson: Correlation over all ratings of all sessions; None if undefined.
        kappa: Cohen's over all decisions, a volley and a code each; None if undefined.
        passed: Whether both reach their bars; an undefined one does not.
        agreement: All else, the rater first.
    """

    rater: str
    pearson: float | None
    kappa: float | None
    passed: bool
    agreement: PairAgreement


def qualify(
    raters: Codings,
    standard: Sequence[Session],
    *,
    pearson_bar: float = PEARSON_BAR,
    kappa_bar: float = KAPPA_BAR,
) -> list[Qualification]:
    """Hold every rater against the standard.

    Args:
        raters: Their complete sessions.
        standard: One rater's coding of the same transcripts; only complete ones count.
        pearson_bar: Least correlation of the ratings.
        kappa_bar: Least kappa of the codes.

    Raises:
        InputError: If the standard is of several raters, or a rater shares no transcript with it.
    """
    names = sorted({one.rater for one in standard})
    if len(names) > 1:
        raise InputError(f"the standard has several raters ({', '.join(names)}); it must have one")
    by_transcript = {one.transcript: one for one in standard if one.complete}
    return [
        _qualified(name, own, by_transcript, pearson_bar, kappa_bar) for name, own in raters.items()
    ]


def _qualified(
    name: str,
    own: Mapping[str, Session],
    standard: Mapping[str, Session],
    pearson_bar: float,
    kappa_bar: float,
) -> Qualification:
    if not own.keys() & standard.keys():
        raise InputError(f"rater {name} completed no transcript of the standard")
    found = pair_agreement(own, standard)
    correlation, kappa = found.ratings_pearson, found.kappa
    return Qualification(
        rater=name,
        pearson=correlation,
        kappa=kappa,
        passed=correlation is not None
        and kappa is not None
        and correlation >= pearson_bar
        and kappa >= kappa_bar,
        agreement=found,
    )
