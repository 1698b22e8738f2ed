"""All that `dynamics` says of dialogues, as data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from eval.dynamics.measures import MEASURES, parts, scale_of, value
from eval.dynamics.published import PUBLISHED
from eval.dynamics.redirections import redirections
from eval.dynamics.stability import SCORED, Place, Trend, places, scores, trend
from eval.dynamics.subject import Subject
from eval.dynamics.summary import Aggregate, Difference, aggregate, differences
from eval.dynamics.tracking import Tracking, tracking
from mi_llm.statistics import few_dialogues

NOTES = (
    "A redirection is a volley that moves the talk from the problem, sustain talk or another topic "
    "to the target change; it is accepted if the client's next turn is change talk, or neutral "
    "without refusal or exit. Both definitions are ours: those of the paper could not be had.",
    "A redirection that no annotated client turn follows is in no acceptance; a dialogue without "
    "one has no acceptance (undefined, not 0).",
    "10 turns are ten turns of the counselor's.",
    "Effectiveness, goal alignment and MITI's globals are rated 1 to 5 for each block of ten "
    "rounds.",
    "pooled: sum of parts by sum of wholes. mean: of the dialogues where it is defined. Intervals "
    "are 95%, over dialogues; those of differences are Welch's, unadjusted. Fewer than three "
    "dialogues, or dialogues that are all alike, give none.",
    "A judge's tags of redirections have not been checked against people.",
)


@dataclass(frozen=True, slots=True)
class Group:
    """What is said of the dialogues of one framework or source.

    Attributes:
        dialogues: How many.
        annotated: Of them.
        unanswered: Redirections whose acceptance is not known.
        measures: All of `eval.dynamics.measures.MEASURES`.
        trends: Of `eval.dynamics.stability.SCORED`; without a score it is missing.
        places: The same measures by ten rounds.
        by_asked: Rounds asked for (None: not known) -> dialogues, and the same measures there.
        tracking: Errors of the counselor's estimate; empty without one.
        warning: Why the intervals are rough; None if they are not.
    """

    dialogues: int
    annotated: int
    unanswered: int
    measures: dict[str, Aggregate]
    trends: dict[str, Trend]
    places: dict[str, list[Place]]
    by_asked: dict[int | None, tuple[int, dict[str, Aggregate]]]
    tracking: list[Tracking]
    warning: str | None


@dataclass(frozen=True, slots=True)
class Report:
    """Measures of all dialogues and groups.

    Attributes:
        subjects: The dialogues.
        groups: By name, in order.
        differences: Between groups.
        seed: Of the intervals.
    """

    subjects: list[Subject]
    groups: dict[str, Group]
    differences: list[Difference]
    seed: int

    def as_json(self) -> dict[str, Any]:
        """The content of dynamics.json; nothing is rounded."""
        return {
            "notes": NOTES,
            "seed": self.seed,
            "groups": {name: _group(one) for name, one in self.groups.items()},
            "differences": [asdict(one) for one in self.differences],
            "published": [asdict(one) for one in PUBLISHED],
            "dialogues": [_dialogue(one) for one in self.subjects],
        }


def report(subjects: Sequence[Subject], *, seed: int) -> Report:
    """Measure dialogues.

    Args:
        subjects: At least one; their order moves nothing but the list of dialogues.
        seed: Of the intervals.
    """
    by_group: dict[str, list[Subject]] = {}
    for one in sorted(subjects, key=lambda one: one.id):
        by_group.setdefault(one.group, []).append(one)
    groups = {name: _measured(by_group[name], seed) for name in sorted(by_group)}
    compared = differences({name: one.measures for name, one in groups.items()})
    return Report(list(subjects), groups, compared, seed)


def _measured(own: Sequence[Subject], seed: int) -> Group:
    found = {measure: scores(own, measure) for measure in SCORED}
    found = {measure: known for measure, known in found.items() if known}
    by_asked: dict[int | None, list[Subject]] = {}
    for one in sorted(own, key=lambda one: (one.asked is None, one.asked)):
        by_asked.setdefault(one.asked, []).append(one)
    return Group(
        dialogues=len(own),
        annotated=sum(one.annotation is not None for one in own),
        unanswered=sum(_unanswered(one) for one in own),
        measures=_aggregates(own, MEASURES, seed),
        trends={measure: trend(known, seed=seed) for measure, known in found.items()},
        places={
            measure: places(known, scale=scale_of(measure), seed=seed)
            for measure, known in found.items()
        },
        by_asked={
            asked: (len(some), _aggregates(some, SCORED, seed)) for asked, some in by_asked.items()
        },
        tracking=tracking(own, seed=seed),
        warning=few_dialogues(len(own)),
    )


def _aggregates(own: Sequence[Subject], measures: Iterable[str], seed: int) -> dict[str, Aggregate]:
    of_each = [parts(one) for one in own]
    return {
        name: aggregate([one[name] for one in of_each], scale=scale_of(name), seed=seed)
        for name in measures
    }


def _unanswered(subject: Subject) -> int:
    return sum(one.accepted is None for one in redirections(subject))


def _group(one: Group) -> dict[str, Any]:
    return {
        "dialogues": one.dialogues,
        "annotated": one.annotated,
        "redirections_without_a_known_answer": one.unanswered,
        "warning": one.warning,
        "measures": _plain(one.measures),
        "slopes_per_10_rounds": _plain(one.trends),
        "by_round": {name: [asdict(place) for place in own] for name, own in one.places.items()},
        "by_rounds_asked": [
            {"rounds_asked": asked, "dialogues": count, "measures": _plain(measures)}
            for asked, (count, measures) in one.by_asked.items()
        ],
        "tracker": [asdict(each) for each in one.tracking],
    }


def _plain(found: Mapping[str, Aggregate | Trend]) -> dict[str, Any]:
    return {name: asdict(one) for name, one in found.items()}


def _dialogue(one: Subject) -> dict[str, Any]:
    return {
        "id": one.id,
        "group": one.group,
        "rounds": one.rounds,
        "rounds_asked": one.asked,
        "annotated_by": one.annotation.by if one.annotation else None,
        "redirections": [asdict(each) for each in redirections(one)],
        "measures": {name: value(part) for name, part in parts(one).items()},
    }
