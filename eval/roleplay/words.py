"""The page's words in Chinese and English."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal, get_args

from mi_llm import yaml_file

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)


class Words:
    """The words of a language: `Words("en")("round", now=3, most=20)`."""

    def __init__(self, language: Language) -> None:
        self.language = language

    def __call__(self, name: str, **values: object) -> str:
        """The words of that name, their blanks filled."""
        return _table()[name][self.language].format(**values)

    def known(self, name: str, otherwise: str) -> str:
        """The words of that name, or others where there are none."""
        return self(name) if name in _table() else otherwise


@cache
def _table() -> dict[str, dict[str, str]]:
    path = Path(__file__).with_name("words.yaml")
    table: dict[str, dict[str, str]] = yaml_file.read(path)
    return table
