"""The words of tables and figure in another language; names of groups and notes stay."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from mi_llm import yaml_file
from mi_llm.errors import InputError

_FILE = Path(__file__).with_name("words.yaml")

Words = Callable[[str], str]


def words(language: str) -> Words:
    """The words of a language for English ones; names of measures are read as words in English.

    Raises:
        InputError: If it is neither `en` nor `zh`.
    """
    if language == "en":
        return lambda text: text.replace("_", " ")
    if language == "zh":
        known = chinese()
        return lambda text: known.get(text, text.replace("_", " "))
    raise InputError(f"--lang {language}: tables and figure are written in en or zh")


@cache
def chinese() -> dict[str, str]:
    """English -> Chinese."""
    return dict(yaml_file.read(_FILE))
