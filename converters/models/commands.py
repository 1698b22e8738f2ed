"""The commands that make models: `baichuan2` and `stand-in`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mi_llm import cli
from mi_llm.cli import Overwrite

_SAMPLE = Path("data/sample/train.json")


def baichuan2(
    source: Annotated[Path, typer.Argument(help="Folder of Baichuan2-7B as published.")],
    output: Annotated[Path, typer.Argument(help="Folder to write.")],
    verify: Annotated[
        Path | None,
        typer.Option(
            help="Text file (UTF-8). Compare token ids on it, and every weight with its source. An "
            "output that is there already is compared and not written."
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Convert Baichuan2-7B to the Llama architecture.

    With --verify, exit code 1 if anything differs.
    """
    from converters.models import baichuan2 as conversion
    from converters.models import baichuan2_verify

    lines = baichuan2_verify.sample_lines(verify) if verify else None
    if lines is None or overwrite or not conversion.is_there(output):
        made = conversion.convert(source, output, overwrite=overwrite)
        print(f"{output}: {made.summary()}")
    checks = baichuan2_verify.verify(source, output, lines) if lines else iter(())
    different = False
    for check in checks:
        different |= bool(check.differing)
        print(check.line())
    if different:
        raise typer.Exit(cli.CHECK_FOUND_SOMETHING)


def stand_in(
    family: Annotated[str, typer.Argument(help="baichuan2, glm4 or llama3_chinese.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")],
    text: Annotated[
        Path, typer.Option(help="Conversations (mi_conversations format) to learn a little from.")
    ] = _SAMPLE,
    steps: Annotated[int, typer.Option(min=0, help="Steps of language-model warm-up.")] = 300,
    seed: Annotated[int, typer.Option(help="The same seed gives the same weights.")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Make a tiny model to try the recipes with on a CPU.

    It has the base model's architecture, special tokens and chat template, and no ability.
    """
    from converters.models import stand_ins
    from mi_llm.stamp import write_stamp

    made = stand_ins.make(family, output, text=text, steps=steps, seed=seed, overwrite=overwrite)
    write_stamp(
        output,
        inputs=[text],
        counts={"parameters": made.parameters, "vocabulary": made.vocabulary, "steps": steps},
        packages=["torch", "transformers", "tokenizers", "sentencepiece"],
        stand_in=family,
        seed=seed,
    )
    print(
        f"{output}: {family} stand-in, {made.parameters:,} parameters, "
        f"{made.vocabulary:,} tokens, warm-up loss {made.first_loss:.2f} -> {made.last_loss:.2f}"
    )
