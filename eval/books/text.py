"""The words of a coding book, in Chinese and English: `text.yaml`."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import yaml

LANGUAGES = ("zh", "en")


@cache
def texts(language: str) -> dict[str, Any]:
    """All that stands in a book of a language, `zh` or `en`; do not change it."""
    loaded: dict[str, dict[str, Any]] = yaml.safe_load(
        (files("eval.books") / "text.yaml").read_text("utf-8")
    )
    return loaded[language]
