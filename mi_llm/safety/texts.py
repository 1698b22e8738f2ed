"""The gate's texts: fixed words of `texts.yaml`, help lines of `resources.yaml` put in."""

from __future__ import annotations

from functools import cache
from string import Template
from typing import Any

from mi_llm.errors import InputError
from mi_llm.safety import patterns
from mi_llm.safety.lexicon import Risk

# What every text is made of; `texts.yaml` orders them (an emergency begins with the number).
PARTS = ("acknowledge", "question", "boundary", "bridge", "resource", "warmth")

_REGIONS = {"zh": "zh-CN", "en": "en-US"}


def language(locale: str) -> str:
    """The language of a locale's texts.

    Raises:
        InputError: If there are no texts in it.
    """
    found = locale.partition("-")[0].lower()
    if found not in patterns.read("texts.yaml"):
        known = ", ".join(patterns.read("texts.yaml"))
        raise InputError(f"locale {locale!r}: the safety gate speaks {known}; choose one of them")
    return found


def text(locale: str, risk: Risk, step: str, before: int = 0) -> str:
    """What is said at a step, help lines put in.

    Args:
        locale: As `mi_llm.safety.Gate` takes it.
        risk: What it is about.
        step: Where the gate stands.
        before: How often this was said already; each time the next wording is taken, and after
            the last the first again.
    """
    wordings = patterns.read("texts.yaml")[language(locale)][risk][step]
    parts = wordings[before % len(wordings)]
    said = ("" if language(locale) == "zh" else " ").join(parts.values())
    return Template(said).substitute(resources(locale))


def resources(locale: str) -> dict[str, str]:
    """By its role, how each help line of a locale is named in its texts.

    A place without a list of its own gets words without numbers.
    """
    return {role: str(one["named"]) for role, one in _listed(locale).items()}


@cache
def _listed(locale: str) -> dict[str, Any]:
    lists = patterns.read("resources.yaml")
    region = _REGIONS.get(locale, locale)
    found: dict[str, Any] = lists["places"].get(region) or lists["elsewhere"][language(locale)]
    return found
