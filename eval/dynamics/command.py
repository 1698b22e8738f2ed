"""The command `dynamics`: how dialogues go, and what length does to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mi_llm import cli, files, jsonl
from mi_llm.cli import Overwrite
from mi_llm.errors import InputError
from mi_llm.llm_options import Asking, asks_a_model

if TYPE_CHECKING:
    from eval.dynamics.annotations import Annotation
    from eval.dynamics.judge import Judge
    from eval.dynamics.report import Report
    from mi_llm.dialogue import Dialogue
    from mi_llm.service import Alike

NUMBERS, TABLES, ANNOTATIONS, FIGURE = (
    "dynamics.json",
    "dynamics.md",
    "annotations.jsonl",
    "dynamics",
)

_XML = '<?xml version="1.0" encoding="utf-8"?>\n'
_JUDGE_TOKENS = 4096  # a long volley is dozens of utterances


@asks_a_model(max_tokens=_JUDGE_TOKENS, only_with="judge")
def dynamics(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")],
    asking: Asking | None,
    dialogues: Annotated[
        list[Path] | None,
        typer.Argument(help="Dialogues (.jsonl) with meta.transcript.source, their group."),
    ] = None,
    annomi: Annotated[
        Path | None, typer.Option(help="AnnoMI-full.csv: its sessions by its experts' labels.")
    ] = None,
    annotations: Annotated[
        Path | None, typer.Option(help="What was said of the dialogues, as this command writes it.")
    ] = None,
    judge: Annotated[
        bool, typer.Option("--judge", help="Ask a model about dialogues without annotation.")
    ] = False,
    language: Annotated[str, typer.Option("--lang", help="Of tables and figure: en or zh.")] = "en",
    seed: Annotated[int, typer.Option(help="Of the intervals and of the judge's order.")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Measure how dialogues go: redirections and their acceptance, change talk, length.

    Writes dynamics.json (all, unrounded), dynamics.md, annotations.jsonl and a figure. A judge's
    answers are kept in OUTPUT.ledger.jsonl: the same command goes on where it was stopped. Exit
    code 1 if something got no usable answer.
    """
    from eval.dynamics.report import report
    from eval.dynamics.subject import subjects
    from eval.dynamics.words import words
    from mi_llm.stamp import stamped_folder

    t = words(language)
    files.refuse_existing_folder(output, overwrite=overwrite)
    found, said = _read(dialogues or [], annomi, annotations)
    work = _judge(output, asking) if judge and asking else None
    if work:
        left = [one for one in found.values() if one.id not in said]
        if asking and asking.dry_run:
            _tell(_planned(work, left, seed))
            return
        said |= _judged(work, left, seed)
    made = report(subjects(found.values(), said), seed=seed)
    ordered = [said[name] for name in found if name in said]
    opened = stamped_folder(
        output,
        inputs=[*(dialogues or []), *(one for one in (annomi, annotations) if one)],
        packages=["numpy", "scipy", "matplotlib", *(["openai", "pydantic"] if work else [])],
        overwrite=overwrite,
    )
    with opened as (draft, details):
        _write(draft, made, ordered, t)
        details.update(work.as_stamp() if work else {})
        details.update(counts=_counts(made, ordered, work), seed=seed, language=language)
    _close(output, made, ordered, work)


def _read(
    paths: Sequence[Path], annomi: Path | None, annotations: Path | None
) -> tuple[dict[str, Dialogue], dict[str, Annotation]]:
    """The dialogues and what was said of them, both by id."""
    from eval.dynamics import annomi as experts
    from eval.dynamics.annotations import read_annotations
    from eval.transcripts.collection import read_transcripts

    if not paths and annomi is None:
        raise InputError("nothing to measure: name files of dialogues, or --annomi")
    found: dict[str, Dialogue] = {}
    said: dict[str, Annotation] = {}
    for path in paths:
        for one in read_transcripts(path):
            if one.id in found:
                raise InputError(f"{path}: id {one.id!r} stands in an earlier file too")
            found[one.id] = one
    if annotations:
        said = read_annotations(annotations, found)
    if annomi:
        sessions, labels = experts.read(annomi)
        for session in sessions:
            if session.id in found:
                raise InputError(
                    f"{annomi}: {session.id!r} stands among the dialogues too; give one of both"
                )
        found |= {one.id: one for one in sessions}
        said |= labels
    return found, said


def _judge(output: Path, asking: Asking) -> Judge:
    from eval.dynamics.judge import Judge
    from mi_llm.service import Service

    ledger = output.with_name(f"{output.name}.ledger.jsonl")
    return Judge(Service(asking.endpoint, ledger, again=asking.again, progress=True))


def _judged(work: Judge, left: Sequence[Dialogue], seed: int) -> dict[str, Annotation]:
    from eval.judge.material import material

    if not left:
        return {}
    return {one.id: one for one in work.annotations(material(left, seed=seed))}


def _planned(work: Judge, left: Sequence[Dialogue], seed: int) -> list[str]:
    from eval.judge.material import material

    if not left:
        return ["every dialogue is annotated; nothing would be asked"]
    asked = material(left, seed=seed)
    unknown = sum(one.goal is None for one in asked)
    goals = f"; the target behaviour of {unknown:,} is asked for first" if unknown else ""
    rounds = sum(len(one.rounds) for one in left)
    return [
        f"{len(left):,} dialogues, {rounds:,} rounds{goals}",
        *work.plan(asked).lines(),
    ]


def _write(folder: Path, made: Report, said: Iterable[Annotation], t: Callable[[str], str]) -> None:
    """Write all files into a folder."""
    from eval.dynamics.annotations import annotation_lines
    from eval.dynamics.drawing import drawing
    from eval.dynamics.tables import page
    from mi_llm import figures

    texts = {
        NUMBERS: jsonl.dumped(made.as_json(), indent=1) + "\n",
        TABLES: page(made, t),
        ANNOTATIONS: "".join(annotation_lines(said)),
    }
    figure = drawing(made, t)
    for name, text in texts.items():
        with files.whole(folder / name) as stream:
            stream.write(text)
    if figure:
        (folder / f"{FIGURE}.png").write_bytes(figures.png(figure))
        with files.whole(folder / f"{FIGURE}.svg") as stream:
            stream.write(f"{_XML}{figures.svg(figure, label='scores by round')}\n")


def _counts(
    made: Report, said: Sequence[Annotation] = (), work: Judge | None = None
) -> dict[str, int]:
    groups = made.groups.values()
    counts = {
        "dialogues": sum(one.dialogues for one in groups),
        "annotated": sum(one.annotated for one in groups),
        "groups": len(made.groups),
        "redirections without a known answer": sum(one.unanswered for one in groups),
    }
    if work:
        tally = work.service.tally
        counts |= {"answered": tally.answered, "set aside": tally.set_aside}
        counts["quotations not found"] = work.unfound
        counts |= same.counts if (same := _alike(said)) else {}
    return counts


def _alike(said: Iterable[Annotation]) -> Alike | None:
    """The ratings of the blocks, if they hardly vary."""
    from eval.dynamics.annotations import RATINGS
    from mi_llm.service import alike

    rated = [[getattr(block, name) for name in RATINGS] for one in said for block in one.blocks]
    return alike("sets of ratings", [one for one in rated if any(one)])


def _close(output: Path, made: Report, said: Sequence[Annotation], work: Judge | None) -> None:
    """Tell what came of it, and end with exit code 1 if anything was set aside."""
    counts = _counts(made)
    told = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    drawn = "" if any(one.places for one in made.groups.values()) else "; nothing to draw"
    print(f"{output}: {told}{drawn}; tables in {output / TABLES}")
    if work:
        if work.unfound:
            print(
                f"{work.unfound:,} quotations are not in the text; what rests on them is left out"
            )
        if same := _alike(said):
            print(same.line)
    if work and work.asides:
        kinds: Mapping[str, int] = Counter(one.reason.partition(":")[0] for one in work.asides)
        listed = ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items()))
        print(f"set aside: {listed}; --again asks once more")
        raise typer.Exit(cli.CHECK_FOUND_SOMETHING)


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)
