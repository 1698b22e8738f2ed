"""How far raters agree with each other: all that `agreement` and `miti` say of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from eval.agreement import tables as show
from eval.agreement.many_raters import together
from eval.agreement.raters import all_pairs, codings
from mi_llm.coding import Session

if TYPE_CHECKING:
    from eval.miti.tables import Table


def among_raters(sessions: Sequence[Session]) -> tuple[dict[str, Any], dict[str, Table]]:
    """Every pair of raters, code by code and score by score, and all raters together.

    Returns:
        All numbers for a file of JSON, and tables by title.

    Raises:
        InputError: If no transcript was completed by two raters.
    """
    by_rater = codings(sessions)
    pairs, everyone = all_pairs(by_rater), together(by_rater)
    tables = {"Raters in pairs": show.on_pairs(pairs)}
    for one in pairs:
        names = f"{one.first} and {one.second}"
        tables[f"Codes, volley by volley: {names}"] = show.on_codes(one)
        tables[f"Scores, session by session: {names}"] = show.on_scores(one)
    tables["All raters"] = show.on_all(everyone)
    return {"pairs": list(map(asdict, pairs)), "all": list(map(asdict, everyone))}, tables
