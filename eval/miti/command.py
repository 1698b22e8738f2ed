"""The command `miti`: coded sessions measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mi_llm import files, jsonl
from mi_llm.cli import Output, Overwrite
from mi_llm.errors import InputError

if TYPE_CHECKING:
    from eval.miti.coding_key import Origin
    from eval.miti.report import Report
    from eval.miti.tables import Table
    from mi_llm.coding import Session
    from mi_llm.dialogue import Dialogue

Key = Annotated[
    Path | None, typer.Option(help="The key.json of 'book', which tells each transcript's source.")
]
Seed = Annotated[int, typer.Option(help="Of the intervals.")]


def miti(
    codes: Annotated[Path, typer.Argument(help="Folder of codes, from 'codes' or 'judge'.")],
    output: Output,
    key: Key = None,
    transcripts: Annotated[
        list[Path] | None,
        typer.Option(
            help="Transcripts, for Tables 4 and 5, and for sources if there is no key; repeatable."
        ),
    ] = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
) -> None:
    """Measure coded sessions: MITI summary scores by source, as Table 6 has them.

    Where two raters coded the same transcripts, how far they agree is a part of it. Writes OUTPUT
    (all, unrounded), and beside it the same as .csv and the tables as .md.
    """
    from eval.miti.coding_key import origins, read_key
    from eval.miti.report import report
    from mi_llm.coding import read_codings
    from mi_llm.stamp import stamped_set

    if output.suffix != ".json":
        raise InputError(f"{output}: give a name that ends in .json; .csv and .md go beside it")
    beside = [output.with_suffix(suffix) for suffix in (".csv", ".md")]
    for path in beside:
        files.refuse_existing(path, overwrite=overwrite)
    sessions = read_codings(codes)
    texts = _transcripts(transcripts or [])
    known = origins(sessions, read_key(key) if key else None, texts)
    found = report(sessions, {name: one.source for name, one in known.items()}, seed=seed)
    inputs = [*coded_files(codes), *([key] if key else []), *(transcripts or [])]
    agreement, agreed = _agreement(sessions)
    page = _page(found, _coded_texts(sessions, known, texts), agreed)
    numbers = jsonl.dumped({**found.as_json(), "agreement": agreement}, indent=1) + "\n"
    with stamped_set(inputs=inputs, packages=["numpy", "scipy"]) as (outputs, details):
        for path, text in zip((output, *beside), (numbers, _long(found), page), strict=True):
            outputs.text(path, overwrite=overwrite).write(text)
        counts = {"sessions": len(found.sessions), "partial_left_out": found.partial}
        details.update(counts=counts, seed=seed)
    print(page)
    told = f"sessions: {len(found.sessions)}, sources: {len(found.sources)}"
    left = f"; codings left out, not complete: {found.partial}" if found.partial else ""
    if len(found.raters) > 1 and agreement is None:
        left += "; agreement of raters: no transcript was completed by two of them"
    print(f"{output}, {beside[0].name}, {beside[1].name}: {told}{left}")


def _transcripts(paths: Sequence[Path]) -> dict[str, Dialogue] | None:
    from eval.transcripts.collection import read_transcripts

    return {one.id: one for path in paths for one in read_transcripts(path)} or None


def _coded_texts(
    sessions: Sequence[Session],
    known: Mapping[str, Origin],
    texts: Mapping[str, Dialogue] | None,
) -> list[Dialogue]:
    """The transcripts that were coded; none if no texts were given.

    Raises:
        InputError: If one that was coded is not among the texts.
    """
    if texts is None:
        return []
    names = dict.fromkeys(known[one.transcript].transcript for one in sessions if one.complete)
    if missing := [name for name in names if name not in texts]:
        raise InputError(
            f"{missing[0]} was coded but is not in --transcripts ({len(missing)} such); "
            "give the file that the books were made from"
        )
    return [texts[name] for name in names]


def _agreement(sessions: Sequence[Session]) -> tuple[dict[str, Any] | None, dict[str, Table]]:
    """How far raters agree; nothing if no transcript was completed by two."""
    from eval.agreement.among import among_raters
    from eval.agreement.raters import codings, overlapping

    return among_raters(sessions) if overlapping(codings(sessions)) else (None, {})


def _page(found: Report, texts: Sequence[Dialogue], agreement: Mapping[str, Table]) -> str:
    from eval.miti import tables as show
    from eval.miti.report import NOTES

    tables = {}
    if texts:
        tables["Table 4: rounds, and characters in a volley, mean (SD)"] = show.table4(texts)
        tables["Table 5: topics"] = show.table5(texts)
    tables["Table 6: mean of sessions (SD)"] = show.table6(found)
    tables["Both aggregations, 95% intervals over sessions"] = show.aggregations(found)
    if len(found.sources) > 1:
        tables["Differences between sources"] = show.differences(found)
    if len(found.raters) > 1:
        tables["Each rater alone, mean of sessions (SD)"] = show.raters_apart(found)
    tables |= {f"Agreement: {title}": table for title, table in agreement.items()}
    notes = "\n".join(f"- {note}" for note in NOTES)
    return f"{show.sections(tables)}{notes}\n"


def _long(found: Report) -> str:
    from eval.miti.tables import csv_text, long_table

    return csv_text(long_table(found))


def coded_files(path: Path) -> list[Path]:
    """The files that a stamp names: those of a folder of codes, or the file itself."""
    from mi_llm.coding import CODES, GLOBALS, TRANSCRIPTS

    return [path / name for name in (CODES, GLOBALS, TRANSCRIPTS)] if path.is_dir() else [path]
