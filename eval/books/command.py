"""The commands `book` and `codes`: coding books out, and what raters coded in."""

from __future__ import annotations

import re
import sys
from functools import partial as curried
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mi_llm import cli, files
from mi_llm.cli import Overwrite
from mi_llm.errors import InputError

if TYPE_CHECKING:
    from eval.books.blinding import Blinding

_RATER = re.compile(r"[\w-]{1,30}")


def book(
    transcripts: Annotated[
        list[Path], typer.Argument(help="Transcripts (.jsonl), as `transcripts` writes them.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")],
    raters: Annotated[
        list[str], typer.Option("--raters", "--rater", help="Who codes: one book each; repeatable.")
    ],
    seed: Annotated[int, typer.Option(help="Draws the neutral ids and each rater's order.")],
    lang: Annotated[Literal["zh", "en"], typer.Option(help="Language of the books.")] = "zh",
    overwrite: Overwrite = False,
) -> None:
    """Write blind MITI 4.2.1 coding books, one XLSX for each rater.

    `--raters R1 R2` and `--raters R1 --raters R2` mean the same. key.json undoes the blinding: keep
    it from the raters. Given again, books stay as they are; a new rater, or transcripts that came
    since, get books of their own. --overwrite begins anew, and moves aside what people filled in.
    """
    from eval.books.blinding import blinded
    from eval.books.book import add_books, lacking, name_in_key, write_books
    from eval.books.key import KEY, read_key, refuse_other_set
    from mi_llm import entries
    from mi_llm.dialogue import read_dialogues
    from mi_llm.stamp import stamped_folder, write_stamp

    transcripts, raters = _parted(transcripts, raters)
    again = (output / KEY).is_file() and not overwrite
    if not again and not overwrite and any(output.glob("*.xlsx")):
        raise InputError(
            f"{output}: holds books, but not their {KEY}; put it back. If it is lost: the same "
            "transcripts and seed give the same again, in another folder"
        )
    if not again:
        files.refuse_existing_folder(output, overwrite=overwrite)
    dialogues = [one for path in transcripts for one in read_dialogues(path)]
    key = read_key(output / KEY) if again else None
    if key:
        refuse_other_set(output, key, dialogues, seed=seed, language=lang)
    blinding = blinded(dialogues, seed=seed, key=key)
    volleys = sum(turn.role == "counselor" for one in blinding.transcripts for turn in one.turns)
    counts = {"transcripts": len(blinding.transcripts), "volleys": volleys, **blinding.removed}
    made_with: dict[str, Any] = {"inputs": transcripts, "packages": ["openpyxl"]}
    facts: dict[str, Any] = {"counts": counts, "seed": seed, "language": lang}
    if key:
        added = lacking(output, blinding, raters, key)
        if not added:
            print(f"{output}: books are up to date")
            return
        books = add_books(output, blinding, added, language=lang)
        write_stamp(output, **made_with, **facts)
        name_in_key(output, blinding, added, key, language=lang)
    else:
        opened = stamped_folder(output, **made_with, overwrite=overwrite, fixed=False)
        with opened as (draft, details):
            books = write_books(draft, blinding, raters, language=lang)
            details.update(facts)
    print(f"{len(blinding.transcripts):,} transcripts, {volleys:,} volleys to code")
    for line in _told(blinding):
        print(line)
    for path in books:
        print(f"to be filled in: {output / path.name}")
    print(f"keep from the raters: {output / KEY} undoes the blinding")
    for path in (one for one in entries.moved_aside(output) if (one / KEY).is_file()):
        print(f"written before, with their key: {path}")


def _parted(transcripts: list[Path], raters: list[str]) -> tuple[list[Path], list[str]]:
    """Files and raters; a plain word that names no file, after `--raters R1`, is a rater too."""
    words = [one for one in transcripts if not one.suffix and not one.exists()]
    paths = [one for one in transcripts if one not in words]
    named = [*raters, *map(str, words)]
    alike = [one.casefold() for one in named]  # one file where the system knows no case
    for one in named:
        if not _RATER.fullmatch(one) or alike.count(one.casefold()) > 1:
            raise InputError(
                f"rater {one!r}: letters, digits, _ and - only, each name once, large and small "
                "letters being the same: it names a file"
            )
    if not paths:
        raise InputError("no file of transcripts; give those that transcripts wrote")
    return paths, named


def _told(blinding: Blinding) -> list[str]:
    removed = [f"{count:,} {kind}" for kind, count in blinding.removed.most_common()]
    lines = [f"taken out of the texts: {', '.join(removed) or 'nothing'}"]
    count, total = blinding.prefilled, len(blinding.transcripts)
    if count == total:
        lines.append("target behaviours are filled in from the transcripts")
    elif count:
        lines.append(
            f"only {count:,} of {total:,} transcripts have a target behaviour: none is filled in, "
            "since that would tell them apart"
        )
    return lines


def codes(
    books: Annotated[
        list[Path], typer.Argument(help="Coding books that raters filled in, or folders of them.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")],
    key: Annotated[
        Path | None,
        typer.Option(help="The key.json of the books: they must belong to it, and all be there."),
    ] = None,
    partial: Annotated[
        bool,
        typer.Option("--partial", help="Read drafts, go on without books, say what is missing."),
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Read coding books, check every cell, and write the codes.

    Exit code 1 if a book has faults or, without --partial, something missing: nothing is written.
    """
    from eval.books.book_set import read_books
    from eval.books.text import told
    from mi_llm.coding import write_codings
    from mi_llm.stamp import stamped_folder

    files.refuse_existing_folder(output, overwrite=overwrite)
    found = read_books(books, key=key)
    say = curried(told, found.language)
    for line in [*found.passed_over, *found.faults, *([] if partial else found.missing)]:
        print(line, file=sys.stderr)
    count = len(found.faults) + (0 if partial else len(found.missing))
    if count:
        drafts = "" if partial or found.faults else say("drafts")
        print(say("faults", count=f"{count:,}", drafts=drafts, output=output), file=sys.stderr)
        raise typer.Exit(cli.CHECK_FOUND_SOMETHING)
    counts = {
        "books": len(found.paths),
        "sessions": len(found.sessions),
        "complete": sum(one.complete for one in found.sessions),
        "volleys": sum(len(one.volleys) for one in found.sessions),
        "uncoded": sum(len(one.uncoded) for one in found.sessions),
        "missing": len(found.missing),
    }
    inputs = [*found.paths, *([key] if key else [])]
    opened = stamped_folder(output, inputs=inputs, packages=["openpyxl"], overwrite=overwrite)
    with opened as (draft, details):
        write_codings(draft, found.sessions, notes=found.notes)
        details["counts"] = counts
    for line in found.missing:
        print(say("missing", what=line))
    print(say("summary", output=output, **{name: f"{n:,}" for name, n in counts.items()}))
