"""The words of a coding book, in Chinese and English: `text.yaml`."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from mi_llm import yaml_file
from mi_llm.coding import NOTHING_TO_CODE

LANGUAGES = ("zh", "en")


@cache
def texts(language: str) -> dict[str, Any]:
    """All that stands in a book of a language, `zh` or `en`; do not change it."""
    loaded: dict[str, dict[str, Any]] = yaml_file.read(Path(__file__).with_name("text.yaml"))
    return loaded[language]


def told(language: str, kind: str, **values: object) -> str:
    """A sentence of `codes` about a book, in the book's language."""
    said: str = texts(language)["told"][kind]
    return said.format(**values)


def named(language: str, marks: Iterable[str]) -> str:
    """Codes as the book names them: `SR（简单反映）`."""
    text = texts(language)
    names = {**text["codes"], NOTHING_TO_CODE: text["columns"]["nothing"]}
    return str(text["told"]["or"]).join(
        told(language, "mark", mark=mark, name=names[mark]) for mark in marks
    )
