"""The report: one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

import mi_llm
from eval.report.content import NAMES, Content, Swept, content
from eval.report.examples import VIEWS, examples
from eval.report.figures import drawn
from eval.report.methods import FOR_THE_AUTHORS, methods
from eval.report.more import Section
from eval.report.records import interval_method, printed
from eval.report.words import words
from eval.runs import Run
from eval.similarity import MEASURES
from mi_llm import figures
from mi_llm.paper import PAPER_BLEU4
from mi_llm.statistics import FEW


def page(runs: Sequence[Run], *, language: str = "en", more: Sequence[Section] = ()) -> str:
    """The whole page for runs over one rows file.

    Raises:
        InputError: If the runs do not compare, or two have one model and variant.
    """
    return rendered(content(runs), language=language, more=more)


def rendered(found: Content, *, language: str, more: Sequence[Section] = ()) -> str:
    """The page for what was found in the runs.

    Args:
        found: The runs' content.
        language: Of the page's own words, `en` or `zh`; data and stamps stay as they are.
        more: Tables of other commands.
    """
    t = words(language)
    return _template("page.html.j2").render(
        t=t,
        signed=_signed,
        few=FEW,
        language=language,
        version=mi_llm.__version__,
        found=found,
        names=NAMES,
        measures=MEASURES,
        stand_ins=any(run.is_stand_in for run in found.runs),
        figures={name: figures.svg(one, label=name) for name, one in drawn(found, t).items()},
        tables=[_table(found, strip=strip) for strip in (False, True)],
        intervals=_intervals(found),
        sweeps=[_sweep(one) for one in found.sweeps],
        views=VIEWS,
        examples=examples(found),
        methods=methods(found),
        for_the_authors=FOR_THE_AUTHORS,
        more=more,
        paper=PAPER_BLEU4,
    )


def tables_page(more: Sequence[Section], *, language: str) -> str:
    """The page of a study that has coded sessions and no predictions.

    Args:
        more: Tables of other commands, at least one.
        language: Of the page's own words, `en` or `zh`.
    """
    return _template("sessions.html.j2").render(
        t=words(language), language=language, version=mi_llm.__version__, more=more
    )


def _template(name: str) -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def _signed(value: float) -> str:
    """With a sign that is as wide as a digit; no sign for what rounds to nothing."""
    text = f"{value:+.2f}"
    return "0.00" if text in ("-0.00", "+0.00") else text.replace("-", "\u2212")


def _table(found: Content, *, strip: bool) -> dict[str, Any]:
    lines = [
        {
            "run": run,
            "estimates": [run.estimate(measure, strip=strip) for measure in MEASURES],
            "empty": run.scores["empty_predictions"],
            "printed": None if strip else printed(run),
        }
        for run in found.runs
    ]
    signatures = list(
        dict.fromkeys(
            run.estimate(measure, strip=strip)["signature"]
            for run in found.runs
            for measure in MEASURES
        )
    )
    return {"strip": strip, "lines": lines, "signatures": signatures}


def _intervals(found: Content) -> dict[str, str]:
    """How the intervals of the summary were made: every way that occurs."""
    ways = dict.fromkeys(
        str(interval_method(run, one)) for run in found.runs for one in run.scores["scores"]
    )
    seeds = dict.fromkeys(str(run.scores.get("interval", {}).get("seed")) for run in found.runs)
    return {"method": ", ".join(ways), "seed": ", ".join(seeds)}


def _sweep(swept: Swept) -> dict[str, Any]:
    return {
        "run": swept.run,
        "sweep": swept.sweep,
        "caution": swept.facts.get("caution"),
    }
