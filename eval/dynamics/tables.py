"""The tables of dynamics.md."""

from __future__ import annotations

from eval.dynamics.measures import MEASURES, SHARES
from eval.dynamics.published import PUBLISHED
from eval.dynamics.report import NOTES, Group, Report
from eval.dynamics.stability import SCORED, Place
from eval.dynamics.summary import MEAN, POOL, Aggregate
from eval.dynamics.words import Words
from eval.miti.tables import Table, sections
from mi_llm.statistics import NO_SPREAD, Estimate

_NONE = "\u2013"
_MOST_COMPARED = 3  # groups; of more, dynamics.json alone has the differences
_HEADLINES = (*SCORED, "reflection_to_question", "complex_reflection_share")


def page(report: Report, t: Words) -> str:
    """All tables as Markdown, and the notes."""
    tables = {
        t("Pooled, 95% intervals over dialogues"): _measures(report, POOL, t),
        t("Mean of dialogues, 95% intervals"): _measures(report, MEAN, t),
        t("Stability with length: change in ten rounds, 95% intervals"): _trends(report, t),
        t("By round, mean and 95% interval"): _by_round(report, t),
        t("By rounds asked for, pooled"): _by_asked(report, t),
        t("Error of the counselor's estimate, mean absolute"): _tracking(report, t),
    }
    if len(report.groups) <= _MOST_COMPARED:
        tables[t("Differences between groups")] = _differences(report, t)
    tables[t("Beside what is printed of CALM-IT")] = _published(report, t)
    told = {title: table for title, table in tables.items() if len(table) > 1}
    warnings = {f"{name}: {one.warning}" for name, one in report.groups.items() if one.warning}
    notes = "\n".join(f"- {note}" for note in (*NOTES, *sorted(warnings)))
    return f"{sections(told)}{notes}\n"


def told(estimate: Estimate | None, measure: str, *, signed: bool = False) -> str:
    """An estimate with its interval, shares in percent; a dash if there is none.

    Dialogues that are all alike give no interval that says anything, and none is shown.
    """
    if estimate is None:
        return _NONE
    ends = None
    if estimate.low is not None and estimate.high is not None and estimate.method != NO_SPREAD:
        ends = (estimate.low, estimate.high)
    return _interval(estimate.mean, ends, measure, signed=signed)


def _interval(mean: float, ends: tuple[float, float] | None, measure: str, *, signed: bool) -> str:
    percent = measure in SHARES
    sign = "+" if signed else ""

    def number(value: float) -> str:
        return f"{100 * value:{sign}.1f}" if percent else f"{value:{sign}.2f}"

    unit = (" points" if signed else "%") if percent else ""
    text = number(mean) + unit
    return text if ends is None else f"{text} [{number(ends[0])}, {number(ends[1])}]"


def _measures(report: Report, how: str, t: Words) -> Table:
    """A line for each measure that some group has defined, a column for each group."""
    head = [t("measure"), *(_named(name, one, t) for name, one in report.groups.items())]
    own = list(report.groups.values())
    rows = [
        [t(measure), *(_cell(one.measures[measure], measure, how, t) for one in own)]
        for measure in MEASURES
        if any(one.measures[measure].pooled for one in own)
    ]
    return [head, *rows]


def _named(name: str, one: Group, t: Words) -> str:
    return f"{name} (n={one.dialogues}, {t('annotated')} {one.annotated})"


def _cell(found: Aggregate, measure: str, how: str, t: Words) -> str:
    text = told(found.mean if how == MEAN else found.pooled, measure)
    return f"{text}; {found.undefined} {t('undefined')}" if found.undefined else text


def _trends(report: Report, t: Words) -> Table:
    head = ["measure", "group", "within dialogues", "over all", "dialogues", "scores"]
    return [
        [t(one) for one in head],
        *(
            [
                t(measure),
                name,
                told(one.within, measure, signed=True),
                told(one.overall, measure, signed=True),
                str(one.dialogues),
                str(one.scores),
            ]
            for measure in SCORED
            for name, group in report.groups.items()
            if (one := group.trends.get(measure))
        ),
    ]


def _by_round(report: Report, t: Words) -> Table:
    """A line for each measure and group, a column for each ten rounds; n counts dialogues."""
    lines = [
        (measure, name, group.places[measure])
        for measure in SCORED
        for name, group in report.groups.items()
        if measure in group.places
    ]
    most = max((own for _, _, own in lines), key=len, default=[])
    rows = [
        [t(measure), name, *(_place(own[at], measure) if at < len(own) else _NONE
                             for at in range(len(most)))]
        for measure, name, own in lines
    ]  # fmt: skip
    return [[t("measure"), t("group"), *(one.rounds for one in most)], *rows]


def _place(one: Place, measure: str) -> str:
    return f"{told(one.estimate, measure)} (n={one.dialogues})" if one.estimate else _NONE


def _by_asked(report: Report, t: Words) -> Table:
    head = [t("group"), t("rounds asked"), t("dialogues"), *map(t, SCORED)]
    asked_for = [own for group in report.groups.values() for own in group.by_asked.items()]
    scored = any(one.defined for _, (_, measures) in asked_for for one in measures.values())
    if not scored or all(asked is None for asked, _ in asked_for):
        return [head]
    rows = [
        [
            name,
            t("not known") if asked is None else str(asked),
            str(count),
            *(_cell(measures[measure], measure, POOL, t) for measure in SCORED),
        ]
        for name, group in report.groups.items()
        for asked, (count, measures) in group.by_asked.items()
    ]
    return [head, *rows]


def _tracking(report: Report, t: Words) -> Table:
    head = ["group", "field", "tracker", "first estimate kept", "estimate before kept",
            "less first", "less before", "rounds", "dialogues"]  # fmt: skip
    rows = [
        [
            name,
            t(one.field),
            *(told(each, "") for each in (one.tracker, one.first, one.previous)),
            told(one.better_than_first, "", signed=True),
            told(one.better_than_previous, "", signed=True),
            str(one.rounds),
            f"{one.dialogues}; {one.undefined} {t('undefined')}"
            if one.undefined
            else str(one.dialogues),
        ]
        for name, group in report.groups.items()
        for one in group.tracking
    ]
    return [[t(one) for one in head], *rows]


def _differences(report: Report, t: Words) -> Table:
    head = ["measure", "aggregation", "group", "difference"]
    rows = [
        [
            t(one.measure),
            t(one.aggregation),
            f"{one.first} - {one.second}",
            _interval(
                one.value,
                None if one.low is None or one.high is None else (one.low, one.high),
                one.measure,
                signed=True,
            ),
        ]
        for one in report.differences
        if one.measure in _HEADLINES
    ]
    return [[t(one) for one in head], *rows]


def _published(report: Report, t: Words) -> Table:
    """The printed figures that some group of ours has the measure of."""
    head = ["measure", "printed", "source", "of the paper itself"]
    own = list(report.groups.values())
    rows = [
        [
            t(one.measure),
            f"{_interval(one.value, None, one.measure, signed=False)} ({one.system})",
            one.source,
            t("yes") if one.reliable else t("no"),
            *(told(group.measures[one.measure].pooled, one.measure) for group in own),
        ]
        for one in PUBLISHED
        if any(group.measures[one.measure].pooled for group in own)
    ]
    return [[*map(t, head), *report.groups], *rows]
