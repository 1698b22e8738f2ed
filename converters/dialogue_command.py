"""The commands that make dialogues and look at them: `convert`, `stats` and `split`."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mi_llm import files
from mi_llm.cli import Output, Overwrite
from mi_llm.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

_FAULTS_TOLD = 10


def convert(
    corpus: Annotated[str, typer.Argument(help="Source format, e.g. mi_conversations.")],
    path: Annotated[Path, typer.Argument(help="The corpus: a file, or a folder where it is one.")],
    output: Output,
    pairing: Annotated[
        Literal["role", "position"],
        typer.Option(
            help="role: the corpus says who speaks. position: turns 1, 3, ... are the client's "
            "whatever they are called and no text is changed, as in the paper's 367 rows."
        ),
    ] = "role",
    repair: Annotated[
        Literal["all", "none"],
        typer.Option(help="all: mend turns, and count. none: refuse what needs mending."),
    ] = "all",
    clients: Annotated[
        Literal["one", "any"],
        typer.Option(help="one: leave sessions with several clients out, and count. any: keep."),
    ] = "one",
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave unreadable records out, and count.")
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Turn a corpus into dialogues, one JSON object a line."""
    from converters.corpora.formats import CORPORA
    from converters.corpora.intake import Intake, take_in, wanted
    from mi_llm.dialogue import dialogue_lines
    from mi_llm.repair import Repairer
    from mi_llm.stamp import stamped

    if corpus not in CORPORA:
        raise InputError(f"no corpus format {corpus!r}; there are: {', '.join(CORPORA)}")
    intake, counts = Intake(Repairer(repair, pairing), skip_bad, clients), Counter[str]()
    source = [path] if path.is_file() else []
    with stamped(output, inputs=source, overwrite=overwrite) as (stream, details):
        for dialogue in take_in(CORPORA[corpus], path, intake):
            if wanted(dialogue, intake):
                counts["dialogues"] += 1
                counts["turns"] += len(dialogue.turns)
                stream.writelines(dialogue_lines([dialogue]))
        if not counts["dialogues"]:
            raise InputError(f"{path}: every dialogue has several clients; add --clients any")
        details.update(
            counts={**counts, **intake.repairer.counts, **intake.left_out},
            corpus=corpus,
            pairing=pairing,
            repair=repair,
            clients=clients,
            skipped=intake.bad,
        )
        if not source:
            details["inputs"] = {str(path): intake.digest.hexdigest()}
    for fault in intake.bad[:_FAULTS_TOLD]:
        print(f"left out: {fault}", file=sys.stderr)
    if len(intake.bad) > _FAULTS_TOLD:
        print(f"left out: {len(intake.bad):,} in all, listed in the stamp", file=sys.stderr)
    print(
        f"{output}: {counts['dialogues']:,} dialogues, {counts['turns']:,} turns; "
        f"{intake.summary()}"
    )


def stats(
    paths: Annotated[list[Path], typer.Argument(help="Dialogues, one JSON object a line.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="JSON file to write as well.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Tell rounds and lengths, beside the paper's Table 3.

    Lengths per volley come in four units, pooled and as means of dialogues.
    """
    from converters.lengths import lengths
    from converters.tables import length_tables
    from mi_llm import jsonl
    from mi_llm.dialogue import read_dialogues
    from mi_llm.stamp import stamped

    if output:
        files.refuse_existing(output, overwrite=overwrite)
    found = {str(path): lengths(read_dialogues(path)) for path in paths}
    if output:
        with stamped(output, inputs=paths, packages=["jieba"], overwrite=overwrite) as (
            stream,
            details,
        ):
            facts = {name: one.as_json() for name, one in found.items()}
            stream.write(jsonl.dumped(facts, indent=1) + "\n")
            details["counts"] = {name: one.rounds.count for name, one in found.items()}
    for line in length_tables(found):
        print(line)


def split(
    paths: Annotated[list[Path], typer.Argument(help="Dialogues, one JSON object a line.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for train.jsonl and test.jsonl.")
    ],
    test: Annotated[int, typer.Option(min=1, help="Dialogues in the test set.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same split anywhere.")],
    train: Annotated[
        int | None, typer.Option(min=1, help="Dialogues in the training set. Default: the rest.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Draw train and test sets by dialogue.

    Sources are represented in proportion. Related dialogues (duplicates, near copies, parts of one
    another, rows of one dialogue's rounds) are found first, written to duplicates.json and never
    parted. Ends with 1, and writes nothing, if test rounds stand in train all the same.
    """
    from converters import splitting
    from converters.library import Library
    from converters.relatives import Relatives
    from mi_llm import jsonl
    from mi_llm.stamp import stamped_set

    for name in ("train.jsonl", "test.jsonl", "duplicates.json"):
        files.refuse_existing(output / name, overwrite=overwrite)
    library = Library(paths)
    relatives = Relatives(library.dialogue)
    for dialogue in library:
        relatives.add(dialogue)
    families, common = relatives.families()
    groups = splitting.groups(library.ids, families)
    drawn = splitting.split(groups, test=test, train=train, seed=seed)
    training, asked = (map(library.dialogue, ids) for ids in (drawn.train, drawn.test))
    repeats = splitting.repeats(training, asked, common)
    if repeats.repeated:
        print(*splitting.repeats_summary(repeats), sep="\n", file=sys.stderr)
        print(f"{output}: not written; please report this", file=sys.stderr)
        raise typer.Exit(1)
    facts = [{"ids": one.ids, "near": one.near} for one in families]
    written: dict[str, Iterable[str]] = {
        "train.jsonl": map(library.line, drawn.train),
        "test.jsonl": map(library.line, drawn.test),
        "duplicates.json": [jsonl.dumped(facts, indent=1), "\n"],
    }
    counts = {"train": len(drawn.train), "test": len(drawn.test), "left out": len(drawn.left_out)}
    with stamped_set(inputs=paths, packages=["numpy"]) as (outputs, details):
        for name, lines in written.items():
            outputs.text(output / name, overwrite=overwrite).writelines(lines)
        details.update(counts=counts, seed=seed)
    for line in (
        *splitting.summary(output, drawn, families),
        *splitting.repeats_summary(repeats),
    ):
        print(line)
