"""The words of a coding book, in Chinese and English: `text.yaml`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from mi_llm import yaml_file

LANGUAGES = ("zh", "en")


@cache
def texts(language: str) -> dict[str, Any]:
    """All that stands in a book of a language, `zh` or `en`; do not change it."""
    loaded: dict[str, dict[str, Any]] = yaml_file.read(Path(__file__).with_name("text.yaml"))
    return loaded[language]
