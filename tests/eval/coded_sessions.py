"""Coded sessions as the tests write them: codes of volleys separated by /."""

from __future__ import annotations

from mi_llm.coding import Session
from mi_llm.miti import Code, Globals


def session(
    transcript: str,
    rater: str,
    volleys: str,
    ratings: tuple[int, int, int, int] | None = None,
    **other: object,
) -> Session:
    """`"SR Q / / P"` is three volleys; ratings are cultivate, soften, partnership, empathy."""
    said = tuple(frozenset(map(Code, one.split())) for one in volleys.split("/"))
    facts = {"target_behaviour": "少喝酒", **other}
    return Session(
        transcript,
        rater,
        said,
        Globals(*ratings) if ratings else None,
        **facts,  # type: ignore[arg-type]
    )
