"""The command `transcripts`: the authors' workbook, AnnoMI or our own sessions in one form."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mi_llm import cli, files
from mi_llm.cli import Output, Overwrite
from mi_llm.errors import InputError
from mi_llm.llm_options import Asking, asks_a_model

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from eval.transcripts.collection import Collection
    from eval.transcripts.translation import Translator, Untranslated
    from mi_llm.dialogue import Dialogue

Kind = Literal["workbook", "annomi", "sessions"]

_TRANSLATE_TOKENS = 8192  # twenty turns as JSON


@asks_a_model(max_tokens=_TRANSLATE_TOKENS, only_with="translate")
def transcripts(
    kind: Annotated[
        Kind,
        typer.Argument(
            help="workbook: the authors' simulated dialogues (.xlsx); annomi: AnnoMI's CSV; "
            "sessions: recorded here, or any dialogues."
        ),
    ],
    paths: Annotated[list[Path], typer.Argument(help="Files of that kind.")],
    output: Output,
    asking: Asking | None,
    sample: Annotated[
        int | None, typer.Option(min=1, help="Transcripts drawn of each source; all without it.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
    translate: Annotated[
        Literal["zh"] | None,
        typer.Option(help="Have a language model translate what is not Chinese."),
    ] = None,
    prompt: Annotated[str, typer.Option(help="Prompt, by its name in prompts/.")] = "translate.v2",
    overwrite: Overwrite = False,
) -> None:
    """Make transcripts of one form, for coding books and judges.

    With --translate, answers are kept in OUTPUT.ledger.jsonl: the same command goes on where it was
    stopped. Transcripts without a usable translation stand in OUTPUT.aside.jsonl with the reason,
    and the exit code is 1.
    """
    translator = _translator(prompt, asking, output) if asking else None
    collection = _collected(kind, paths)
    drawn = _drawn(collection, sample, seed)
    if asking and translator and asking.dry_run:
        _tell(translator.plan(drawn).lines())
        return
    files.refuse_existing(output, overwrite=overwrite)
    results = translator.translated(drawn) if translator else list(drawn)
    draw = {"sample": sample, "seed": seed} if sample else {}
    _publish(output, paths, collection, results, draw, translator, overwrite=overwrite)
    _close(output, collection, results)


def _translator(prompt: str, asking: Asking, output: Path) -> Translator:
    import prompts
    from eval.transcripts.translation import Translator

    ledger = output.with_name(f"{output.name}.ledger.jsonl")
    return Translator(prompts.load(prompt), asking.endpoint, ledger, again=asking.again)


def _collected(kind: Kind, paths: Sequence[Path]) -> Collection:
    from eval.transcripts import annomi as transcript_annomi
    from eval.transcripts import sessions as transcript_sessions
    from eval.transcripts import workbook as transcript_workbook
    from eval.transcripts.collection import Collection

    readers = {
        "workbook": transcript_workbook.read,
        "annomi": transcript_annomi.read,
        "sessions": transcript_sessions.read,
    }
    collection = Collection()
    for number, path in enumerate(paths):
        if path in paths[:number]:
            raise InputError(f"{path}: is named twice")
        readers[kind](path, collection)
    if not collection.transcripts:
        raise InputError(f"{paths[0]}: no transcript with a counselor's turn")
    return collection


def _drawn(collection: Collection, sample: int | None, seed: int) -> list[Dialogue]:
    """The transcripts that are wanted; a source with fewer than asked for gets a note."""
    from eval.transcripts.collection import rounds_by_source
    from eval.transcripts.collection import sample as drawn

    if sample is None:
        return collection.transcripts
    for name, rounds in rounds_by_source(collection.transcripts).items():
        if rounds.count < sample:
            collection.notes.append(f"{name}: all {rounds.count} taken, {sample} asked for")
    return drawn(collection.transcripts, sample, seed=seed)


def _publish(
    output: Path,
    paths: Sequence[Path],
    collection: Collection,
    results: Sequence[Dialogue | Untranslated],
    draw: Mapping[str, int | None],
    translator: Translator | None,
    *,
    overwrite: bool,
) -> None:
    """Write the transcripts, the file of those set aside, and the stamp."""
    from mi_llm.dialogue import dialogue_lines
    from mi_llm.stamp import stamped_set

    kept, aside = _sorted_out(results)
    packages = ["openpyxl", *(["openai"] if translator else [])]
    with stamped_set(inputs=paths, packages=packages) as (outputs, details):
        outputs.text(output, overwrite=overwrite).writelines(dialogue_lines(kept))
        details.update(
            counts={
                "read": len(collection.transcripts),
                "drawn": len(results),
                "transcripts": len(kept),
                "set aside": len(aside),
            },
            sources=_sources(kept),
            repaired=dict(sorted(collection.repairer.counts.items())),
            left_out=dict(sorted(collection.left_out.items())),
            notes=collection.notes,
            **draw,
        )
        if translator:
            details.update(translator.as_stamp())
            beside = outputs.text(_aside_path(output), overwrite=True)
            beside.writelines(one.line() for one in aside)


def _close(
    output: Path, collection: Collection, results: Sequence[Dialogue | Untranslated]
) -> None:
    """Tell what came of it; exit code 1 if anything was set aside."""
    from eval.transcripts.collection import listed, rounds_by_source
    from eval.transcripts.workbook import PAPER_ROUNDS

    kept, aside = _sorted_out(results)
    _tell(collection.notes)
    for name, rounds in rounds_by_source(kept).items():
        paper = f"; the paper's Table 4: {PAPER_ROUNDS[name]}" if name in PAPER_ROUNDS else ""
        print(f"{name}: {rounds.count} transcripts, rounds {rounds}{paper}")
    counts = ", ".join(f"{name} {count}" for name, count in _sources(kept).items()) or "none"
    set_aside = f"; set aside: {listed(Counter(one.kind for one in aside))}" if aside else ""
    told = f"{len(kept):,} of {len(collection.transcripts):,} transcripts"
    print(f"{output}: {told}: {counts}; {collection.summary()}{set_aside}")
    if aside:
        raise typer.Exit(cli.CHECK_FOUND_SOMETHING)


def _sorted_out(
    results: Sequence[Dialogue | Untranslated],
) -> tuple[list[Dialogue], list[Untranslated]]:
    from mi_llm.dialogue import Dialogue

    kept = [one for one in results if isinstance(one, Dialogue)]
    return kept, [one for one in results if not isinstance(one, Dialogue)]


def _sources(kept: Sequence[Dialogue]) -> dict[str, int]:
    from eval.transcripts.collection import source

    return dict(Counter(source(one) for one in kept))


def _aside_path(output: Path) -> Path:
    return output.with_name(f"{output.name}.aside.jsonl")


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)
