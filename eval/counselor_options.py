"""The options of the commands that talk with counselor models."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from mi_llm.errors import InputError

PromptPlace = Annotated[
    Literal["instruction", "system"],
    typer.Option(help="Where the instruction stands: as the model's training rows have it."),
]
ClassifierRequired = Annotated[
    bool,
    typer.Option(
        "--classifier-required", help="Go on with no client turn that the classifier did not judge."
    ),
]
Classifier = Annotated[
    str, typer.Option(help="A model, NAME or NAME=BASE_URL, that gives the gate a second look.")
]


def require_named(classifier: str, *, required: bool) -> None:
    """Raise `InputError` if a classifier is required and none is named."""
    if required and not classifier:
        raise InputError("--classifier-required: name one with --classifier NAME=BASE_URL")
