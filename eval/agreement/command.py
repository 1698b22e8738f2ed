"""The command `agreement`: how far raters agree, with each other or with a standard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eval.miti.command import Key, Seed, coded_files
from mi_llm import cli, files, jsonl
from mi_llm.cli import Overwrite
from mi_llm.errors import InputError

if TYPE_CHECKING:
    from eval.miti.tables import Table
    from mi_llm.coding import Session


def agreement(
    codes: Annotated[
        Path | None,
        typer.Argument(help="Folder of codes. None with AnnoMI as --gold: the experts alone."),
    ] = None,
    gold: Annotated[
        Path | None,
        typer.Option(help="A standard: a folder of one rater's codes, or AnnoMI-full.csv."),
    ] = None,
    key: Key = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write all numbers to, JSON.")
    ] = None,
    pearson_bar: Annotated[
        float, typer.Option(help="Least correlation with the standard; the paper's is 0.64.")
    ] = 0.64,
    kappa_bar: Annotated[
        float, typer.Option(help="Least kappa with the standard; the paper's is 0.58.")
    ] = 0.58,
    seed: Seed = 0,
    overwrite: Overwrite = False,
) -> None:
    """Say how far raters agree, with each other or with a standard.

    With a folder as --gold each rater must reach both bars: exit code 1 if one does not. With
    AnnoMI-full.csv a judge is held against its experts, beside the experts against each other.
    """
    from eval.miti.tables import sections

    if output:
        files.refuse_existing(output, overwrite=overwrite)
    if codes is None and (gold is None or gold.is_dir()):
        raise InputError("give a folder of codes, or --gold AnnoMI-full.csv for the experts alone")
    failed = False
    if gold is None and codes is not None:
        facts, tables = _among_raters(codes)
    elif codes is not None and gold is not None and gold.is_dir():
        facts, tables, failed = _against_standard(codes, gold, pearson_bar, kappa_bar)
    else:
        assert gold is not None
        facts, tables = _against_annomi(codes, gold, key, seed)
    print(sections(tables), end="")
    if facts["partial_left_out"]:
        print(f"codings left out, not complete: {facts['partial_left_out']}")
    if output:
        _write(output, facts, codes, gold, key, seed, overwrite=overwrite)
    if failed:
        raise typer.Exit(cli.CHECK_FOUND_SOMETHING)


def _among_raters(codes: Path) -> tuple[dict[str, Any], dict[str, Table]]:
    from eval.agreement.among import among_raters
    from mi_llm.coding import read_codings

    sessions = read_codings(codes)
    facts, tables = among_raters(sessions)
    return {**facts, "partial_left_out": _partial(sessions)}, tables


def _against_standard(
    codes: Path, gold: Path, pearson_bar: float, kappa_bar: float
) -> tuple[dict[str, Any], dict[str, Table], bool]:
    from eval.agreement import tables as show
    from eval.agreement.qualification import qualify
    from eval.agreement.raters import codings
    from mi_llm.coding import read_codings

    sessions = read_codings(codes)
    found = qualify(
        codings(sessions),
        read_codings(gold),
        pearson_bar=pearson_bar,
        kappa_bar=kappa_bar,
    )
    tables = {"Raters and the standard": show.on_qualification(found, pearson_bar, kappa_bar)}
    for one in found:
        tables[f"Codes: {one.rater}"] = show.on_codes(one.agreement)
        tables[f"Scores: {one.rater}"] = show.on_scores(one.agreement)
    bars = {"pearson": pearson_bar, "kappa": kappa_bar}
    facts = {
        "bars": bars,
        "raters": list(map(asdict, found)),
        "partial_left_out": _partial(sessions),
    }
    return facts, tables, not all(one.passed for one in found)


def _against_annomi(
    codes: Path | None, gold: Path, key: Path | None, seed: int
) -> tuple[dict[str, Any], dict[str, Table]]:
    from eval.agreement import annomi_gold, annomi_groups
    from eval.agreement import tables as show
    from mi_llm.coding import read_codings

    sessions = read_codings(codes) if codes else []
    experts = annomi_gold.read(gold)
    utterances = annomi_gold.ceilings_of_utterances(experts)
    volleys = annomi_gold.ceilings_of_volleys(experts)
    groups = annomi_groups.quality_groups(experts)
    facts: dict[str, Any] = {
        "experts_on_utterances": list(map(asdict, utterances)),
        "experts_on_volleys": list(map(asdict, volleys)),
        "quality": list(map(asdict, groups)),
        "partial_left_out": _partial(sessions),
    }
    tables = {
        "Human ceiling: ten experts on utterances": show.on_ceilings(utterances),
        "Human ceiling: ten experts on volleys": show.on_ceilings(volleys),
        "High and low quality by the experts' labels": show.on_quality(groups),
    }
    for check in _judge_checks(sessions, key, experts, seed):
        facts.setdefault("judges", []).append(asdict(check))
        tables[f"{check.judge} and the experts' majority"] = show.on_labels(check)
        tables[f"{check.judge} on high and low quality"] = show.on_groups(check)
        tables[f"{check.judge}: verdicts"] = show.on_verdicts(check)
    return facts, tables


def _judge_checks(
    sessions: Sequence[Session], key: Path | None, experts: Sequence[Any], seed: int
) -> list[Any]:
    from eval.agreement.judge_check import check
    from eval.agreement.raters import codings
    from eval.miti.coding_key import read_key

    known = read_key(key) if key else {}
    found = []
    for judge, own in codings(sessions).items():
        real = {known[name].transcript if name in known else name: one for name, one in own.items()}
        coded = {name.removeprefix("annomi/"): one for name, one in real.items()
                 if name.startswith("annomi/")}  # fmt: skip
        found.append(check(judge, coded, experts, seed=seed))
    return found


def _partial(sessions: Sequence[Session]) -> int:
    return sum(not one.complete for one in sessions)


def _write(
    output: Path,
    facts: Mapping[str, Any],
    codes: Path | None,
    gold: Path | None,
    key: Path | None,
    seed: int,
    *,
    overwrite: bool,
) -> None:
    from mi_llm.stamp import stamped

    inputs = [path for one in (codes, gold, key) if one for path in coded_files(one)]
    packages = ["numpy", "scipy", "nltk"]
    with stamped(output, inputs=inputs, packages=packages, overwrite=overwrite) as (
        stream,
        details,
    ):
        stream.write(jsonl.dumped(facts, indent=1) + "\n")
        details.update(counts={}, seed=seed)
    print(output)
