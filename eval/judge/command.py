"""The command `judge`: a language model codes transcripts with MITI 4.2.1, blind."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mi_llm import cli, files, jsonl
from mi_llm.cli import Overwrite
from mi_llm.errors import InputError
from mi_llm.llm_options import Asking, asks_a_model

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from eval.judge.judge import Judge, Judged
    from eval.judge.material import Material
    from eval.judge.trial import Trial
    from mi_llm.coding import Session
    from mi_llm.service import Alike

JUDGE = "judge.json"

_LISTED = 10  # transcripts named when the run ends; the tables name all
_JUDGE_TOKENS = 4096  # a long volley is dozens of utterances


@asks_a_model(max_tokens=_JUDGE_TOKENS)
def judge(
    transcripts: Annotated[
        list[Path], typer.Argument(help="Transcripts (.jsonl), as `transcripts` writes them.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of codes to write.")],
    asking: Asking,
    repeats: Annotated[
        int, typer.Option(min=1, help="How often everything is asked; their spread is told.")
    ] = 3,
    name: Annotated[
        str, typer.Option("--judge", help="The rater's name in the codes; else the model's.")
    ] = "",
    key: Annotated[
        Path | None,
        typer.Option(help="The key.json of 'book': codes then bear the raters' neutral ids."),
    ] = None,
    perturb: Annotated[
        int,
        typer.Option(min=0, help="Transcripts to change and judge again: do the counts follow?"),
    ] = 0,
    seed: Annotated[int, typer.Option(help="Of the order of the transcripts.")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Have a language model code transcripts with MITI 4.2.1, blind to where they are from.

    Writes the folder that raters' books become, and in it judge.json: every reading with its
    evidence, and how far the readings differ. Answers are kept in OUTPUT.ledger.jsonl: the same
    command goes on where it was stopped. Exit code 1 if something got no usable answer; what lacks
    it is marked partial.
    """
    from eval.judge.judge import Judge
    from eval.judge.report import as_json, quotations, session
    from eval.judge.trial import trials
    from mi_llm.service import Service
    from mi_llm.stamp import stamped_folder

    name = name.strip() or asking.endpoint.model
    material = _material(transcripts, key, seed)
    ledger = output.with_name(f"{output.name}.ledger.jsonl")
    service = Service(asking.endpoint, ledger, again=asking.again, progress=True)
    work = Judge(service, repeats=repeats)
    if asking.dry_run:
        _tell(_planned(work, material, perturb))
        return
    files.refuse_existing_folder(output, overwrite=overwrite)
    found = work.judged(material)
    sessions = [session(one, name) for one in found]
    tried = trials(work, found, sessions, count=perturb) if perturb else []
    facts = {**work.as_stamp(), "seed": seed, "perturbations": [asdict(one) for one in tried]}
    report = as_json(found, name, work.asides, facts)
    quoted, same = quotations(found), _alike(sessions)
    counts = {**_counts(sessions, work), **quoted, **(same.counts if same else {})}
    inputs = [*transcripts, *([key] if key else [])]
    opened = stamped_folder(
        output, inputs=inputs, packages=["openai", "pydantic"], overwrite=overwrite
    )
    with opened as (draft, details):
        _write(draft, sessions, report)
        details.update(work.as_stamp(), counts=counts, judge=name, seed=seed)
    _tell(_spread_lines(report["spread"], repeats))
    _tell(_trial_lines(tried))
    _tell([*_quotation_lines(quoted), *([same.line] if same else [])])
    _close(output, found, sessions, work)


def _material(paths: Sequence[Path], key: Path | None, seed: int) -> list[Material]:
    from eval.judge.material import material
    from eval.transcripts.collection import read_transcripts
    from mi_llm.neutral_ids import neutral_ids

    for number, path in enumerate(paths):
        if path in paths[:number]:
            raise InputError(f"{path}: is named twice")
    transcripts = [one for path in paths for one in read_transcripts(path)]
    return material(transcripts, seed=seed, ids=neutral_ids(key, transcripts) if key else None)


def _planned(work: Judge, material: Sequence[Material], perturb: int) -> list[str]:
    unknown = sum(one.goal is None for one in material)
    volleys = sum(len(one.volleys) for one in material)
    longest = max(material, key=lambda one: len(one.volleys))
    goals = f"; the target behaviour of {unknown:,} is asked for first" if unknown else ""
    return [
        f"{len(material):,} transcripts, {volleys:,} volleys, readings: {work.repeats}{goals}",
        f"longest: {longest.id} with {len(longest.volleys):,} volleys",
        *(["not counted here: what --perturb asks"] if perturb else []),
        *work.plan(material).lines(),
    ]


def _write(folder: Path, sessions: Sequence[Session], report: Mapping[str, Any]) -> None:
    """Write the tables and the report into a folder."""
    from mi_llm.coding import write_codings

    write_codings(folder, sessions)
    with files.whole(folder / JUDGE) as stream:
        stream.write(jsonl.dumped(report, indent=1) + "\n")


def _counts(sessions: Sequence[Session], work: Judge) -> dict[str, int]:
    return {
        "transcripts": len(sessions),
        "partial": sum(not one.complete for one in sessions),
        "volleys": sum(len(one.volleys) for one in sessions),
        "answered": work.service.tally.answered,
        "set aside": work.service.tally.set_aside,
    }


def _spread_lines(spread: Mapping[str, Mapping[str, Any]], repeats: int) -> list[str]:
    """Mean and greatest SD of each rating and count over the readings."""
    told = [
        (name, one) for kind in ("globals", "counts") for name, one in spread[kind].items()
        if one["mean_sd"] is not None
    ]  # fmt: skip
    if repeats == 1:
        return ["one reading: how much the judge varies is not known; --repeats 3 tells"]
    if told and all(one["greatest_sd"] == 0 for _, one in told):
        return [
            f"{repeats} readings that do not differ: this server varies nothing at this "
            "temperature, so they are one opinion; --temperature 0.7 shows how firm it is"
        ]
    lines = [f"spread over {repeats} readings: mean SD in a transcript (greatest)"]
    for name, one in told:
        lines.append(f"  {name}: {one['mean_sd']:.2f} ({one['greatest_sd']:.2f})")
    return lines


def _alike(sessions: Sequence[Session]) -> Alike | None:
    """The global ratings of the sessions that have all of one set, if they hardly vary."""
    from mi_llm.service import alike

    rated = [asdict(one.globals).values() for one in sessions if one.globals]
    return alike("sets of global ratings", [list(one) for one in rated])


def _quotation_lines(counts: Mapping[str, int]) -> list[str]:
    given, lost, bare, *_ = counts.values()
    told = f"{lost:,} of {given:,} quotations are nothing that the counselor said; left out"
    alone = f"; {bare:,} ratings are left with none" if bare else ""
    return [told + alone] if lost else []


def _trial_lines(tried: Sequence[Trial]) -> list[str]:
    """Of each change in how many transcripts the counts moved as they must."""
    lines = []
    for change in dict.fromkeys(one.change for one in tried):
        own = [one for one in tried if one.change == change]
        whole = [one for one in own if one.faults is not None]
        kept = sum(not one.faults for one in whole)
        aside = f", {len(own) - len(whole)} not answered" if len(own) > len(whole) else ""
        other = sum(bool(one.side_effects) for one in whole)
        moved = f", other counts moved in {other}" if other else ""
        lines.append(f"{change}: counts follow in {kept} of {len(whole)}{moved}{aside}")
    return lines


def _close(output: Path, found: Sequence[Judged], sessions: Sequence[Session], work: Judge) -> None:
    """Tell what came of it, and end with exit code 1 if anything was set aside."""
    partial = [one.transcript for one in sessions if not one.complete]
    without = sum(one.goal_known and one.goal is None for one in found)
    volleys = sum(len(one.volleys) for one in sessions)
    told = f"{len(sessions):,} transcripts, {volleys:,} volleys, {len(partial):,} partial"
    goals = f"; {without:,} without a target behaviour" if without else ""
    print(f"{output}: {told}{goals}; {work.service.tally.answered:,} answers of use")
    if partial:
        more = f" and {len(partial) - _LISTED:,} more" if len(partial) > _LISTED else ""
        print(f"partial: {', '.join(partial[:_LISTED])}{more}")
    if work.asides:
        kinds = Counter(one.reason.partition(":")[0] for one in work.asides)
        listed = ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items()))
        print(f"set aside: {listed}; {output / JUDGE} says which, --again asks once more")
        raise typer.Exit(cli.CHECK_FOUND_SOMETHING)


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)
