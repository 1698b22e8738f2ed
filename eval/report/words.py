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
        return _translated
    raise InputError(f"--lang {language}: the report is written in en or zh")


def _translated(text: str) -> str:
    """The Chinese for a text, or for what stands before a colon in it."""
    known = chinese()
    head, colon, tail = text.partition(": ")
    if text not in known and colon and head in known:
        return f"{known[head]}：{_translated(tail)}"
    return known.get(text, text)


@cache
def chinese() -> dict[str, str]:
    """English -> Chinese."""
    return dict(yaml_file.read(_FILE))
