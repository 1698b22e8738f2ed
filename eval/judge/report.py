"""What a judge's readings come to: one coding a transcript, and how far the readings differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from eval.judge.judge import Judged, Reading
from eval.judge.rules import agreed_codes, agreed_score
from eval.judge.schema import Rating, borne_out
from mi_llm.coding import DIMENSIONS, NOTHING_TO_CODE, Session
from mi_llm.judging.pieces import pieces
from mi_llm.judging.volleys import counted
from mi_llm.llm import SetAside
from mi_llm.miti import Code, Counts, Globals

COUNTED = {code.name.lower(): code for code in Code}


def session(judged: Judged, judge: str) -> Session:
    """What more than half of the readings say.

    A volley or rating that half of the readings or more have no usable answer for is left out, and
    the session is then not complete.

    Args:
        judged: A transcript with its readings.
        judge: The rater's name.
    """
    volleys: list[frozenset[Code]] = []
    uncoded: set[int] = set()
    for number in range(1, len(judged.material.volleys) + 1):
        given = [one.codes[number - 1] for one in judged.readings]
        usable = [codes for codes in given if codes is not None]
        if not _enough(usable, given):
            uncoded.add(number)
        volleys.append(agreed_codes(usable) if _enough(usable, given) else frozenset())
    scores = _agreed_scores(judged)
    expected = judged.readings[0].ratings if judged.readings else ()
    return Session(
        transcript=judged.material.id,
        rater=judge,
        volleys=tuple(volleys),
        globals=_globals(scores),
        target_behaviour=judged.goal or "",
        complete=judged.goal_known and not uncoded and all(name in scores for name in expected),
        uncoded=frozenset(uncoded),
    )


def as_json(
    found: Sequence[Judged], judge: str, asides: Sequence[SetAside], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Each reading of each transcript, their spread, and what was set aside.

    Args:
        found: The transcripts.
        judge: The rater's name.
        asides: Requests without a usable answer.
        facts: What else shaped the answers: model, prompts.
    """
    told = [_transcript(one, judge) for one in found]
    return {
        "judge": judge,
        **facts,
        "spread": summary(found),
        "set_aside": [
            {"request": one.id, "reason": one.reason, "text": one.text}
            for one in sorted(asides, key=lambda one: one.id)
        ],
        "transcripts": told,
    }


def spread(judged: Judged) -> dict[str, dict[str, Any]]:
    """The values and the standard deviation (n - 1) of each global rating and count.

    Readings with a volley that has no usable answer have no counts. The deviation is None for fewer
    than two values.
    """
    counts = [counts for one in judged.readings if (counts := _counts(one)) is not None]
    return {
        "globals": {name: _spread(_scores(judged, name)) for name in DIMENSIONS},
        "counts": {name: _spread([one[code] for one in counts]) for name, code in COUNTED.items()},
    }


def summary(found: Sequence[Judged]) -> dict[str, dict[str, Any]]:
    """Over all transcripts: mean and greatest standard deviation of each rating and count.

    `volleys` says of each code in how many volleys the readings do not all agree, of those that two
    readings or more coded.
    """
    each = [spread(one) for one in found]
    told: dict[str, dict[str, Any]] = {}
    for kind in ("globals", "counts"):
        told[kind] = {}
        for name in each[0][kind]:
            sds = [one[kind][name]["sd"] for one in each if one[kind][name]["sd"] is not None]
            told[kind][name] = {
                "transcripts": len(sds),
                "mean_sd": fmean(sds) if sds else None,
                "greatest_sd": max(sds, default=None),
            }
    coded = [codes for one in found for codes in _readings_of_volleys(one) if len(codes) > 1]
    told["volleys"] = {
        name: {
            "volleys": len(coded),
            "not_unanimous": sum(len({code in one for one in codes}) > 1 for codes in coded),
        }
        for name, code in COUNTED.items()
    }
    return told


def quotations(found: Sequence[Judged]) -> dict[str, int]:
    """Quotations given, those that the counselor did not say, and ratings left with none."""
    ratings = [
        (one.material, rating)
        for one in found
        for reading in one.readings
        for rating in reading.ratings.values()
        if rating is not None
    ]
    given = [len(rating.evidence) for _, rating in ratings]
    kept = [len(borne_out(rating, material.volleys).evidence) for material, rating in ratings]
    return {
        "quotations": sum(given),
        "quotations not found": sum(given) - sum(kept),
        "ratings without a quotation found": kept.count(0),
    }


def _enough(usable: Sequence[object], asked: Sequence[object]) -> bool:
    return 2 * len(usable) > len(asked)


def _agreed_scores(judged: Judged) -> dict[str, int]:
    found = {name: _scores(judged, name) for name in DIMENSIONS}
    return {
        name: agreed_score(scores)
        for name, scores in found.items()
        if _enough(scores, judged.readings)
    }


def _scores(judged: Judged, name: str) -> list[int]:
    ratings = (one.ratings.get(name) for one in judged.readings)
    return [rating.score for rating in ratings if rating is not None]


def _globals(scores: Mapping[str, int]) -> Globals | None:
    """The ratings; None without the two that every session has."""
    if not {"partnership", "empathy"} <= scores.keys():
        return None
    return Globals(
        cultivate=scores.get("cultivate"),
        soften=scores.get("soften"),
        partnership=scores["partnership"],
        empathy=scores["empathy"],
    )


def _counts(reading: Reading) -> Counts | None:
    volleys = [codes for codes in reading.codes if codes is not None]
    return Counts.of(volleys) if len(volleys) == len(reading.codes) else None


def _readings_of_volleys(judged: Judged) -> list[list[frozenset[Code]]]:
    by_reading = [one.codes for one in judged.readings]
    return [[codes for codes in one if codes is not None] for one in zip(*by_reading, strict=True)]


def _spread(values: Sequence[int]) -> dict[str, Any]:
    return {"values": list(values), "sd": stdev(values) if len(values) > 1 else None}


def _transcript(judged: Judged, judge: str) -> dict[str, Any]:
    coded = session(judged, judge)
    return {
        "transcript": coded.transcript,
        "status": "complete" if coded.complete else "partial",
        "target_behaviour": judged.goal,
        "target_behaviour_by": _named_by(judged),
        "target_behaviour_reason": judged.reason,
        "spread": spread(judged),
        "readings": [_reading(judged, one) for one in judged.readings],
    }


def _named_by(judged: Judged) -> str | None:
    """Who named the goal, or said that there is none; None if nobody did."""
    if judged.material.goal is not None:
        return "transcript"
    return "judge" if judged.goal_known else None


def _reading(judged: Judged, reading: Reading) -> dict[str, Any]:
    ratings = {name: one and _rating(judged, one) for name, one in reading.ratings.items()}
    volleys = zip(judged.material.volleys, reading.volleys, reading.codes, strict=True)
    return {"globals": ratings, "volleys": [_volley(*one) for one in volleys]}


def _rating(judged: Judged, rating: Rating) -> dict[str, Any]:
    kept = borne_out(rating, judged.material.volleys)
    return {**kept.model_dump(), "not_found": len(rating.evidence) - len(kept.evidence)}


def _volley(text: str, utterances: Any, codes: frozenset[Code] | None) -> dict[str, Any] | None:
    if utterances is None or codes is None:
        return None
    cut = pieces(text)
    return {
        "codes": [code for code in Code if code in codes],
        "utterances": [
            {
                "text": "".join(cut[one.first - 1 : one.last]).strip(),
                **one.model_dump(exclude={"first", "last"}),
                "counted": counted(one) or NOTHING_TO_CODE,
            }
            for one in utterances
        ],
    }
