"""The tables of `miti`: the paper's Tables 4 to 6 with its printed values, and all as CSV."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from statistics import fmean, stdev

from eval.miti.report import GOOD, REAL, Report, level_of
from eval.miti.summary import Aggregate
from eval.transcripts.collection import rounds_by_source, source
from mi_llm import csv_file
from mi_llm.dialogue import Dialogue, Role
from mi_llm.miti_measures import POOLED
from mi_llm.paper import PAPER_TABLE4, PAPER_TABLE5, PAPER_TABLE6, paper_system
from mi_llm.statistics import Estimate

Table = list[list[str]]
"""Rows of cells; the first row is the heading."""

_BEYOND_TABLE6 = (
    "mi_adherent",
    "mi_non_adherent",
    "mi_adherent_per_10_volleys",
    "mi_non_adherent_per_10_volleys",
)
_COMPARED = (
    "technical",
    "relational",
    "complex_reflection_share",
    "reflection_to_question",
    "mi_adherent_per_10_volleys",
    "mi_non_adherent_per_10_volleys",
    "paper_mi_adherent_ratio",
)
_PAPERS_OWN = {"paper_mi_adherent_ratio": "MI-adherent ratio (the paper's, not MITI 4.2.1's)"}


def markdown(table: Table) -> str:
    """A table as Markdown, without a newline at the end."""
    head, *rows = [[" ".join(cell.replace("|", "/").split()) for cell in row] for row in table]
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def sections(tables: Mapping[str, Table]) -> str:
    """Tables as Markdown, each under its title, with a blank line behind each."""
    return "".join(f"## {title}\n\n{markdown(table)}\n\n" for title, table in tables.items())


def csv_text(table: Table) -> str:
    """A table as CSV, with the mark that lets Excel read Chinese."""
    return csv_file.text(table)


def table6(report: Report) -> Table:
    """Mean (SD) of each measure and source, mean of sessions, with the paper's printed values."""
    head = ["measure"]
    for name, found in report.sources.items():
        count = found["question"].defined + found["question"].undefined
        head.append(f"{name} (n={count})")
        if system := _paper_system(report, name):
            head.append(f"paper: {system}")
    rows = [_row6(report, measure) for measure in (*PAPER_TABLE6, *_BEYOND_TABLE6)]
    return [head, *rows]


def _row6(report: Report, measure: str) -> list[str]:
    row = [_PAPERS_OWN.get(measure, measure)]
    for name, found in report.sources.items():
        one = found[measure]
        missing = f"; {one.undefined} undefined" if one.undefined else ""
        row.append(_mean_sd(one.mean.mean if one.mean else None, one.sd) + missing)
        if system := _paper_system(report, name):
            printed = PAPER_TABLE6.get(measure, {}).get(system)
            row.append(_mean_sd(*printed) if printed else "not printed")
    return row


def _paper_system(report: Report, source: str) -> str | None:
    """What the paper prints for a source; its real MI is held against all of ours where we can."""
    if source == GOOD and REAL in report.sources:
        return None
    return paper_system(source)


def aggregations(report: Report) -> Table:
    """Both aggregations of the measures that they can change, with 95% intervals and levels."""
    head = [
        "measure",
        "source",
        "n",
        "undefined",
        "mean of sessions",
        "pooled",
        "mean is",
        "pooled is",
    ]
    rows = []
    for measure in _COMPARED:
        for name, found in report.sources.items():
            one = found[measure]
            rows.append(
                [
                    _PAPERS_OWN.get(measure, measure),
                    name,
                    str(one.defined),
                    str(one.undefined),
                    _interval(one.mean),
                    _interval(one.pooled) if measure in POOLED else "same",
                    _level(measure, one.mean),
                    _level(measure, one.pooled),
                ]
            )
    return [head, *rows]


def differences(report: Report) -> Table:
    """Differences between sources on the chief measures; all of them are in miti.json."""
    head = ["measure", "aggregation", "first less second", "difference", "95% interval"]
    rows = [
        [
            _PAPERS_OWN.get(one.measure, one.measure),
            one.aggregation,
            f"{one.first} - {one.second}",
            f"{one.value:+.2f}",
            (f"{one.low:.2f} to {one.high:.2f}" if one.low is not None else "none")
            + (f" ({one.note})" if one.note else ""),
        ]
        for one in report.differences
        if one.measure in _COMPARED
    ]
    return [head, *rows]


def raters_apart(report: Report) -> Table:
    """The chief measures as each rater alone gives them, mean of sessions (SD)."""
    head = ["measure", "source", *report.raters]
    rows = [
        [
            _PAPERS_OWN.get(measure, measure),
            name,
            *(_alone(own.get(name, {}).get(measure)) for own in report.raters.values()),
        ]
        for measure in _COMPARED
        for name in report.sources
    ]
    return [head, *rows]


def _alone(one: Aggregate | None) -> str:
    return "not coded" if one is None else _mean_sd(one.mean.mean if one.mean else None, one.sd)


def long_table(report: Report) -> Table:
    """Every aggregate of every source, one a row, raters averaged and alone."""
    head = "source,raters,measure,aggregation,sessions,undefined,value,sd,low,high,interval,level"
    rows = []
    for raters, sources in (("averaged", report.sources), *report.raters.items()):
        for name, found in sources.items():
            for one in found.values():
                rows += [[name, raters, *row] for row in _long_rows(one)]
    return [head.split(","), *rows]


def _long_rows(one: Aggregate) -> list[list[str]]:
    shown = [("mean of sessions", one.mean, one.sd)]
    if one.measure in POOLED:
        shown.append(("pooled", one.pooled, None))
    counts = [str(one.defined + one.undefined), str(one.undefined)]
    return [
        [one.measure, label, *counts, *_numbers(estimate, sd), _level(one.measure, estimate)]
        for label, estimate, sd in shown
    ]


def _numbers(estimate: Estimate | None, sd: float | None) -> list[str]:
    """Value, SD, ends and method; blank where undefined."""
    if estimate is None:
        return [""] * 5
    numbers = (estimate.mean, sd, estimate.low, estimate.high)
    return [*("" if one is None else f"{one:.6g}" for one in numbers), estimate.method]


def table4(transcripts: Sequence[Dialogue]) -> Table:
    """Dialogues, rounds and lengths of each source, with the paper's printed values.

    Lengths as the paper's are: characters, punctuation and all, mean over the volleys of all rounds
    with the standard deviation of the dialogues' means. So counted, the authors' workbook gives the
    printed 52.28 (10.30) and 11.45 (4.93) of GLM-4 and 43.79 (8.70) of Llama-3.
    """
    head = ["source", "dialogues", "rounds", "counselor volley", "client volley"]
    head += ["paper: dialogues", "rounds", "counselor", "client"]
    rows = []
    for name, rounds in rounds_by_source(transcripts).items():
        own = [one for one in transcripts if source(one) == name]
        lengths = [_lengths(own, role) for role in ("counselor", "client")]
        printed = PAPER_TABLE4.get(paper_system(name) or "")
        theirs = ["-"] * 4
        if printed:
            pairs = (printed.rounds, printed.counselor, printed.client)
            theirs = [str(printed.dialogues), *(_mean_sd(*pair) for pair in pairs)]
        rows.append([name, str(rounds.count), str(rounds), *lengths, *theirs])
    return [head, *rows]


def _lengths(transcripts: Iterable[Dialogue], role: Role) -> str:
    by_dialogue = [
        [len(one.client if role == "client" else one.counselor) for one in dialogue.rounds]
        for dialogue in transcripts
        if dialogue.rounds
    ]
    means = [fmean(one) for one in by_dialogue]
    sd = stdev(means) if len(means) > 1 else None
    return _mean_sd(fmean(chain.from_iterable(by_dialogue)) if means else None, sd)


def table5(transcripts: Sequence[Dialogue]) -> Table:
    """Dialogues by topic and source, with the paper's printed values."""
    topics = Counter(
        (source(one), str(one.meta["transcript"].get("topic", "not stated"))) for one in transcripts
    )
    rows = [[name, topic, str(count)] for (name, topic), count in sorted(topics.items())]
    for name, printed in PAPER_TABLE5.items():
        rows += [[f"paper: {name}", topic, str(count)] for topic, count in printed.items()]
    return [["source", "topic", "dialogues"], *rows]


def _mean_sd(mean: float | None, sd: float | None) -> str:
    if mean is None:
        return "undefined"
    return f"{mean:.2f}" + ("" if sd is None else f" ({sd:.2f})")


def _interval(estimate: Estimate | None) -> str:
    if estimate is None:
        return "undefined"
    if estimate.low is None:
        return f"{estimate.mean:.2f} (too few)"
    if estimate.low == estimate.high:
        return f"{estimate.mean:.2f} (no interval)"
    return f"{estimate.mean:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"


def _level(measure: str, estimate: Estimate | None) -> str:
    return str(level_of(measure, estimate.mean if estimate else None) or "")
