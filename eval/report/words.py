"""The report's own words in another language; what data and stamps hold stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from mi_llm import yaml_file
from mi_llm.errors import InputError

_FILE = Path(__file__).with_name("words.yaml")


def words(language: str) -> Callable[[str], str]:
    """The words of a language for the English ones; what it has no words for stays English.

    Raises:
        InputError: If it is neither `en` nor `zh`.
    """
    if language == "en":
        return str
    if language == "zh":
        known = chinese()
        return lambda text: known.get(text, text)
    raise InputError(f"--lang {language}: the report is written in en or zh")


@cache
def chinese() -> dict[str, str]:
    """English -> Chinese."""
    return dict(yaml_file.read(_FILE))
