"""The options of the commands that talk with counselor models."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

PromptPlace = Annotated[
    Literal["instruction", "system"],
    typer.Option(help="Where the instruction stands: as the model's training rows have it."),
]
Classifier = Annotated[
    str, typer.Option(help="A model, NAME or NAME=BASE_URL, that gives the gate a second look.")
]
