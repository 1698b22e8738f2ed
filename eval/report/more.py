"""What other commands wrote, as tables for the report: data funnel, Tables 3 to 6.

A file is recognised by its content: the funnel of a review (`kept.funnel.json`), lengths
(`converters stats -o`), or what `eval miti`, `eval dynamics` and `eval interview` measured, whose
tables lie beside it as Markdown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mi_llm import files, jsonl
from mi_llm.errors import InputError
from mi_llm.paper import PAPER_TABLE3

_UNIT = "characters without punctuation"
# Keys of miti.json, dynamics.json and fidelity.json.
_WITH_TABLES = (
    {"sources", "sessions", "notes"},
    {"groups", "differences", "published"},
    {"by_model", "compared_with"},
)


@dataclass(frozen=True, slots=True)
class Section:
    """A table with a title.

    Attributes:
        title: In English; translated where the page knows it.
        source: The file it is from.
        columns: Headings, likewise translated.
        lines: Cells as text, as many as headings.
        note: What a reader has to know; may be empty.
    """

    title: str
    source: Path
    columns: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    note: str = ""


def sections(path: Path) -> list[Section]:
    """The tables of a file.

    Raises:
        InputError: If it is none of those that are known here.
    """
    facts = jsonl.read_json(path)
    if isinstance(facts, dict) and facts:
        if {"in", "left out by machine", "dropped", "out"} <= facts.keys():
            return [Section("Data funnel", path, ("step", "dialogues"), tuple(_funnel(facts)))]
        if any(keys <= facts.keys() for keys in _WITH_TABLES):
            return list(_markdown(path.with_suffix(".md")))
        if all(isinstance(one, dict) and "volleys" in one for one in facts.values()):
            return [_lengths(path, facts)]
    raise InputError(
        f"{path}: neither a review's funnel, nor of converters stats, nor of eval miti, dynamics "
        "or interview"
    )


def _funnel(facts: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in facts.items():
        if isinstance(value, dict):
            yield from _funnel(value, f"{before}{name}: ")
        elif isinstance(value, float):
            yield f"{before}{name}", f"{value:.3f}"
        else:
            yield f"{before}{name}", "\u2013" if value is None else f"{value:,}"


def _lengths(path: Path, facts: Mapping[str, Any]) -> Section:
    columns = (
        "file or corpus", "rounds per dialogue", "counselor, characters", "client, characters"
    )  # fmt: skip
    own = [
        (
            name,
            _moments(one["rounds"]),
            *(_moments(one["volleys"][_UNIT][role]) for role in ("counselor", "client")),
        )
        for name, one in facts.items()
    ]
    printed = [
        (
            f"paper: {name}",
            *(f"{m:.2f} ({sd:.2f})" for m, sd in (one.rounds, one.counselor, one.client)),
        )
        for name, one in PAPER_TABLE3.items()
    ]
    note = (
        "Characters without punctuation, over all volleys. The paper's two columns of lengths are "
        "exchanged there (docs/data.md); here they stand as printed."
    )
    return Section("Rounds and lengths, mean (SD)", path, columns, (*own, *printed), note)


def _moments(one: Mapping[str, float | None]) -> str:
    mean, sd = one["mean"], one["sd"]
    if mean is None:
        return "\u2013"
    return f"{mean:.2f}" + ("" if sd is None else f" ({sd:.2f})")


def _markdown(path: Path) -> Iterator[Section]:
    """The tables under the headings of a Markdown file that `eval miti` wrote."""
    title, table = "", list[tuple[str, ...]]()
    for line in [*files.read_text(path).splitlines(), ""]:
        if line.startswith("## "):
            title = line.removeprefix("## ")
        elif line.startswith("|"):
            table.append(_cells(line))
        elif table:
            columns, _, *rows = table
            yield Section(title, path, columns, tuple(rows))
            table = []


def _cells(line: str) -> tuple[str, ...]:
    plain = line.strip().removeprefix("|").removesuffix("|").replace("\\|", "\0")
    return tuple(cell.strip().replace("\0", "|") for cell in plain.split("|"))
