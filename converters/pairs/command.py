"""The command `pairs`: coded dialogues in, preference pairs out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from converters.row_options import CutoffLen, Fit, Register
from mi_llm import cli, files
from mi_llm.cli import Output, Overwrite
from mi_llm.errors import InputError
from mi_llm.llm_options import Asking, asks_a_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from converters.pairs.find import Found
    from converters.pairs.writing import Written
    from mi_llm.door.endpoint import Endpoint
    from mi_llm.service import Service

_TOKENS = 4096  # as for `eval judge`: a long volley is dozens of utterances
_CUTOFF = 2048
_INSTRUCTION = "counselor.v1"
_DATASET_INFO = Path("dataset_info.json")


@asks_a_model(max_tokens=_TOKENS)
def pairs(
    transcripts: Annotated[
        list[Path], typer.Argument(help="Coded dialogues or transcripts, one JSON object a line.")
    ],
    codes: Annotated[
        Path, typer.Option(help="Folder of codes, as 'eval codes' and 'eval judge' write it.")
    ],
    output: Output,
    asking: Asking,
    key: Annotated[
        Path | None, typer.Option(help="The key.json of 'book', if the codes bear its ids.")
    ] = None,
    candidates: Annotated[
        Path | None,
        typer.Option(
            help="Another model's replies in the same contexts, taken instead of rewrites."
        ),
    ] = None,
    judge: Annotated[
        str,
        typer.Option(
            help="NAME or NAME=BASE_URL of the model that codes, best of another family than the "
            "writer; else --model codes what it wrote."
        ),
    ] = "",
    least: Annotated[
        int,
        typer.Option(
            min=1,
            help="A reflection was due after so many Chinese characters and words of the client.",
        ),
    ] = 20,
    prompt_as: Annotated[
        Literal["instruction", "system"],
        typer.Option(help="Where the fixed prompt goes: as in the rows of the training before."),
    ] = "instruction",
    test: Annotated[
        float,
        typer.Option(min=0, max=0.9, help="Share of the dialogues held out, in OUTPUT_test.json."),
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="The same seed holds out the same dialogues.")] = 42,
    register: Register = None,
    fit: Fit = None,
    cutoff_len: CutoffLen = None,
    overwrite: Overwrite = False,
) -> None:
    """Write preference pairs: replies that MITI counts against, and better ones.

    Answers are kept in OUTPUT.ledger.jsonl: the same command goes on where it was stopped. What
    became of every faulty reply stands in OUTPUT.found.jsonl. Exit code 1 if some got no usable
    answer.
    """
    import prompts
    from converters.asking import ledger_path
    from converters.fit import length_limit
    from converters.pairs import job, writing
    from converters.rows import fits_always
    from mi_llm.service import Service

    if cutoff_len and not fit:
        raise InputError("--cutoff-len needs --fit TOKENIZER:TEMPLATE to count tokens with")
    counts: Counter[str] = Counter()
    found = _found(transcripts, codes, key, counts, least=least)
    others = job.read_candidates(candidates) if candidates else None
    writer, coder = (
        Service(endpoint, ledger_path(output), again=asking.again, progress=True)
        for endpoint in (asking.endpoint, _judging(asking.endpoint, judge))
    )
    if asking.dry_run:
        _tell_plan(found, counts, None if others else writer, coder)
        return
    limit = cutoff_len or _CUTOFF
    fits = length_limit(fit, limit) if fit else fits_always
    form = writing.Form(prompts.load(_INSTRUCTION).text, prompt_as, fits, test, seed)
    for path in writing.outputs(output, form):
        files.refuse_existing(path, overwrite=overwrite)
    outcomes = job.judged(job.proposals(found, others, writer), coder)
    shaped = {"least": least, "prompt_as": prompt_as, "fit": fit or []}
    done = writing.write(
        output,
        outcomes,
        form,
        inputs=_inputs(transcripts, codes, key, candidates),
        counts=counts,
        details={
            **shaped,
            "cutoff_len": limit if fit else None,
            "chosen": "candidates" if candidates else "rewrites",
            "prompts": _prompts(rewrites=others is None),
            "endpoint": None if others else writer.as_stamp(),
            "judge": coder.as_stamp(),
        },
        overwrite=overwrite,
    )
    if register:
        writing.register(register, output, form, _DATASET_INFO)
    _close(output, done)


def _found(
    paths: Sequence[Path], codes: Path, key: Path | None, counts: Counter[str], *, least: int
) -> list[Found]:
    """The faulty replies of all transcripts.

    Raises:
        InputError: If there is none, or transcripts and codes do not go together.
    """
    from converters.library import Library
    from converters.pairs.coded import coded
    from converters.pairs.find import find
    from converters.pairs.writing import left_out, listed

    known = coded(list(Library(paths)), codes, key, counts)
    found = list(find(known, counts, least=least))
    if not found:
        aside = left_out((), counts)
        raise InputError(
            f"{codes}: no reply to reject in {counts['volleys']:,} volleys; left out: "
            f"{listed(aside)}"
        )
    return found


def _inputs(
    transcripts: Sequence[Path], codes: Path, key: Path | None, candidates: Path | None
) -> list[Path]:
    from mi_llm.coding import CODES, GLOBALS, TRANSCRIPTS

    tables = [codes / name for name in (CODES, GLOBALS, TRANSCRIPTS)]
    return [*transcripts, *tables, *(one for one in (key, candidates) if one)]


def _prompts(*, rewrites: bool) -> dict[str, str]:
    """The prompts that shape the pairs, with their hashes."""
    import prompts
    from converters.pairs.job import REWRITE_PROMPT, VOLLEY_PROMPT

    used = [_INSTRUCTION, VOLLEY_PROMPT, *([REWRITE_PROMPT] if rewrites else [])]
    return {name: prompts.load(name).sha for name in used}


def _judging(endpoint: Endpoint, judge: str) -> Endpoint:
    """Whom to ask for codes.

    Args:
        endpoint: Who writes; whatever is not named is as there.
        judge: NAME, or NAME=BASE_URL; blank is the same model.
    """
    from mi_llm.door.endpoint import named

    return named("--judge", judge, endpoint) if judge else endpoint


def _tell_plan(
    found: Sequence[Found], counts: Counter[str], writer: Service | None, coder: Service
) -> None:
    """Tell what would be asked, about what; a reply still to be had is taken for the old one."""
    import prompts
    from converters.pairs import job, rewrite
    from converters.pairs.writing import left_out, listed

    kinds = Counter(str(one.fault) for one in found)
    aside = left_out((), counts)
    left = f"; left out: {listed(aside)}" if aside else ""
    print(
        f"{len(found):,} replies to reject in {counts['volleys']:,} volleys: {listed(kinds)}{left}"
    )
    if writer:
        asked = rewrite.requests(found, prompts.load(job.REWRITE_PROMPT))
        for line in writer.plan(asked).lines():
            print(f"rewrites: {line}")
    coded = job.coding_requests(job.Outcome(one, None, None, None) for one in found)
    for line in coder.plan(coded).lines():
        print(f"codes: {line}")


def _close(output: Path, done: Written) -> None:
    """Tell what came of it, and end with exit code 1 if anything got no usable answer."""
    from converters.pairs.writing import found_path

    print(f"{done.line()}; each in {found_path(output)}")
    if done.unanswered:
        raise typer.Exit(cli.CHECK_FOUND_SOMETHING)
