"""The names of the ways to make a dialogue, in a module that loads nothing."""

from __future__ import annotations

from typing import Literal, get_args

Framework = Literal[
    "calm-it",
    "script",
    "roleplay",
    "roleplay-strategies",
    "no-client-tracker",
    "no-counselor-tracker",
    "no-selector",
]
FRAMEWORKS: tuple[Framework, ...] = get_args(Framework)
