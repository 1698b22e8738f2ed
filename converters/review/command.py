"""The command `review`: machine checks and review books out, decisions in."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mi_llm import cli, entries, files
from mi_llm.cli import Overwrite
from mi_llm.errors import InputError

if TYPE_CHECKING:
    from converters.library import Library
    from converters.review.apply import Funnel, Settled
    from converters.review.folder import Plan
    from converters.review.prepare import Sources
    from mi_llm.dialogue import Dialogue

_LOCK = "表格软件的锁定文件，略过；审阅册可能还开着，请保存并关闭后再读一次"
_NO_WORKBOOK = "不是表格文件，略过；里面若有审阅册，请解压或另存为 .xlsx 再交"
_PACKAGES = ("openpyxl",)
_REVIEWER = re.compile(r"[\w.-]{1,30}")


def review(
    paths: Annotated[
        list[Path],
        typer.Argument(
            help="Transcriptions, one JSON object a line. With --apply: review books, or folders."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="Folder to write. With --apply: file of what is kept."),
    ],
    sources: Annotated[
        list[Path] | None,
        typer.Option(help="Dialogues that the transcriptions were made from, repeatable."),
    ] = None,
    codes: Annotated[
        Path | None,
        typer.Option(
            help="MITI codes (transcript,volley,rater,code) for the checks that need them."
        ),
    ] = None,
    sample: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of what the checks pass that is read all the same."),
    ] = 0.1,
    double: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of what is read that two read, beside crises."),
    ] = 0.1,
    seed: Annotated[int, typer.Option(help="The same seed draws the same dialogues.")] = 42,
    reviewer: Annotated[
        list[str] | None,
        typer.Option(help="Who reads, repeatable: one book each. Default: one book for anyone."),
    ] = None,
    apply: Annotated[
        bool,
        typer.Option("--apply", help="Read books that were filled in, and write what is kept."),
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option(
            help="With --apply: the review's folder. Default: the one given that has a plan."
        ),
    ] = None,
    partial: Annotated[
        bool,
        typer.Option(
            "--partial",
            help="With --apply: go on without books, and leave out what is undecided, counted.",
        ),
    ] = False,
    disputed: Annotated[
        Path | None,
        typer.Option(help="With --apply: book to write for a third reviewer, where two disagree."),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Check transcriptions, have people decide, keep what stands.

    First: `review MI.jsonl --sources IN.jsonl -o FOLDER` writes findings and XLSX books; given
    again, they stay as they are. Then: `review --apply FOLDER -o KEPT.jsonl`. Exit code 1 if a book
    has faults: nothing is kept. --overwrite moves aside what people filled in.
    """
    if apply:
        if sources or codes or reviewer:
            raise InputError(
                "--sources, --codes and --reviewer belong to preparing, not to --apply"
            )
        _apply(paths, output, folder, disputed, partial, overwrite)
        return
    if folder or partial or disputed:
        raise InputError("--folder, --partial and --disputed need --apply")
    if len(paths) > 1:
        raise InputError("one file of transcriptions at a time; with review books add --apply")
    _prepare(
        paths[0], output, sources or [], codes, (sample, double), seed, reviewer or [], overwrite
    )


def _prepare(
    path: Path,
    output: Path,
    sources: list[Path],
    codes: Path | None,
    shares: tuple[float, float],
    seed: int,
    reviewers: list[str],
    overwrite: bool,
) -> None:
    from converters.library import Library
    from converters.review import folder as review_folder
    from converters.review import prepare as preparing
    from converters.review.check_codes import read_codings
    from mi_llm.stamp import stamped_folder

    alike = [one.casefold() for one in reviewers]  # one file where the system knows no case
    for one in reviewers:
        if not _REVIEWER.fullmatch(one) or alike.count(one.casefold()) > 1:
            raise InputError(
                f"--reviewer {one!r}: letters, digits, _ . - only, each name once, large and small "
                "letters being the same: it names a file"
            )
    again = (output / review_folder.PLAN).is_file() and not overwrite
    if not again:
        files.refuse_existing_folder(output, overwrite=overwrite)
    library, origins = Library([path]), preparing.Sources(sources)
    draws: dict[str, Any] = {
        "sample": shares[0],
        "double": shares[1],
        "seed": seed,
        "reviewers": reviewers,
    }
    facts = review_folder.plan_facts(path, sources, codes, **draws)
    if again:
        for _ in library:
            pass  # so that it knows its ids
        plan = review_folder.read_plan(output)
        review_folder.refuse_other_review(output, plan, facts, library, origins)
        print(f"{output}: books are up to date")
        return
    prepared = preparing.prepare(
        library,
        origins,
        read_codings(codes) if codes else {},
        **draws,
    )
    opened = stamped_folder(
        output,
        inputs=[path, *sources, *([codes] if codes else [])],
        packages=["openpyxl", "numpy", "rapidfuzz"],
        overwrite=overwrite,
        fixed=False,
    )
    with opened as (draft, details):
        books = review_folder.write(prepared, library, origins, draft, facts)
        details.update(counts=preparing.counts(prepared), seed=seed)
    for line in preparing.summary(prepared):
        print(line)
    for book in books:
        print(f"to be filled in: {output / book.name}")
    for path in _earlier(output).values():
        print(f"written before, with their plan: {path}")


def _apply(
    given: list[Path],
    output: Path,
    folder: Path | None,
    disputed: Path | None,
    partial: bool,
    overwrite: bool,
) -> None:
    from converters.library import Library
    from converters.review import apply as review_apply
    from converters.review import folder as review_folder
    from converters.review.prepare import Sources

    paths, others = entries.books_at(given)
    for one in others:
        print(f"{one}：{_LOCK if entries.is_lock(one) else _NO_WORKBOOK}", file=sys.stderr)
    if not paths:
        raise InputError(f"{', '.join(map(str, given))}: no book there; give those that came back")
    home = folder or _home(given)
    plan = review_folder.read_plan(home)
    inputs = [plan.dialogues, *plan.sources, *paths]
    if _is_current(output, inputs, plan, partial):
        print(f"{output}: up to date")
        return
    files.refuse_existing(output, overwrite=overwrite, inputs=inputs)
    library, sources = Library([plan.dialogues]), Sources(plan.sources)
    dialogues = {one.id: one for one in library}
    if odd := review_folder.changes(plan, library, sources):
        raise InputError(
            f"{plan.dialogues}: {review_folder.listed(odd)}; put back what the books were made "
            "from, or prepare the review again"
        )
    settled, faults = _read(paths, plan, dialogues, sources, partial, _earlier(home))
    if disputed and settled.disputed:
        review_folder.write_disputed(disputed, settled.disputed, library, plan, overwrite=overwrite)
        print(f"for a third reviewer: {disputed}")
    if faults:
        for fault in faults:
            print(fault, file=sys.stderr)
        print(f"共 {len(faults):,} 处问题，没有写入 {output}", file=sys.stderr)
        raise typer.Exit(cli.CHECK_FOUND_SOMETHING)
    funnel = review_apply.Funnel()
    _write_kept(output, inputs, plan, library, sources, settled, funnel, partial, overwrite)
    for line in review_apply.summary(funnel, settled):
        print(line)


def _home(given: Sequence[Path]) -> Path:
    """The review's folder, if it is among what is given or holds the first of it."""
    from converters.review.folder import PLAN

    folders = [one if one.is_dir() else one.parent for one in given]
    return next((one for one in folders if (one / PLAN).is_file()), folders[0])


def _earlier(folder: Path) -> dict[str, Path]:
    """Where reviews of this folder were moved to, by their identity."""
    from converters.review.folder import PLAN

    moved = [one for one in entries.moved_aside(folder) if (one / PLAN).is_file()]
    return {files.sha256(one / PLAN): one for one in moved}


def _is_current(output: Path, inputs: Sequence[Path], plan: Plan, partial: bool) -> bool:
    """Whether the output was made by this program from just these files, and is whole."""
    from mi_llm import jsonl, stamp
    from mi_llm.publishing import require_whole

    try:
        require_whole(output)
        facts = jsonl.read_json(stamp.stamp_path(output))
        made_from = {str(path): files.sha256(path) for path in inputs}
        return output.is_file() and facts == {
            **facts,
            "inputs": made_from,
            "plan": plan.identity,
            "partial": partial,
            "versions": stamp.versions(_PACKAGES),
            "commit": stamp.commit(),
        }
    except (InputError, TypeError):
        return False


def _read(
    paths: Sequence[Path],
    plan: Plan,
    dialogues: dict[str, Dialogue],
    sources: Sources,
    partial: bool,
    earlier: dict[str, Path],
) -> tuple[Settled, list[str]]:
    """What all books say together, and all that is wrong."""
    from converters.review import apply as review_apply
    from converters.review.decisions import read_book
    from converters.review.prepare import WHY

    to_read = {name: dialogues[name] for name, one in plan.items.items() if one["state"] in WHY}
    read = [read_book(path, plan.identity, to_read, earlier) for path in paths]
    books, told = review_apply.without_copies(read)
    for line in told:
        print(line, file=sys.stderr)
    settled = review_apply.settle([one for book in books for one in book.decisions], plan.items)
    faults = [fault for book in books for fault in book.faults] + settled.faults
    faults += review_apply.disputes(settled)
    if not partial:
        here = {book.reviewer for book in books}
        absent = {name: who for name, who in plan.books.items() if who not in here}
        faults += review_apply.undecided(settled, books, absent)
    for name, decision in settled.decisions.items():
        faults += review_apply.applied(to_read[name], sources.of(to_read[name]), decision)[2]
    return settled, faults


def _write_kept(
    output: Path,
    inputs: Sequence[Path],
    plan: Plan,
    library: Library,
    sources: Sources,
    settled: Settled,
    funnel: Funnel,
    partial: bool,
    overwrite: bool,
) -> None:
    """Write what is kept, and the funnel beside it: both or neither."""
    from converters.review import apply as review_apply
    from mi_llm import jsonl
    from mi_llm.dialogue import dialogue_lines
    from mi_llm.stamp import stamped_set

    with stamped_set(inputs=inputs, packages=_PACKAGES) as (outputs, details):
        kept = outputs.text(output, overwrite=overwrite)
        stream = outputs.text(output.with_suffix(".funnel.json"), overwrite=True)
        dialogues = map(library.dialogue, library.ids)
        outcomes = review_apply.outcomes(dialogues, sources.of, plan.items, settled, funnel)
        kept.writelines(dialogue_lines(outcomes))
        if not funnel.counts["out"]:
            raise InputError(f"{output}: no dialogue is kept, so there is nothing to write")
        facts = review_apply.as_json(funnel, settled)
        stream.write(jsonl.dumped(facts, indent=1) + "\n")
        details.update(counts=facts, plan=plan.identity, partial=partial)
