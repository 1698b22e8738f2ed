"""The options of the commands that write rows for LLaMA-Factory."""

from __future__ import annotations

from typing import Annotated

import typer

Register = Annotated[
    str | None, typer.Option(help="Name to enter in dataset_info.json, for recipes.")
]
Fit = Annotated[
    list[str] | None,
    typer.Option(
        help="TOKENIZER:TEMPLATE, repeatable. Nothing is longer than --cutoff-len with any."
    ),
]
CutoffLen = Annotated[
    int | None,
    typer.Option(min=1, help="Tokens, with --fit: the recipes' cutoff_len. Default: 2048."),
]
