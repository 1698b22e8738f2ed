"""What characters a text may hold: one rule of blankness, and the marks that harm unseen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

# White space, control characters and what Unicode calls Default_Ignorable_Code_Point (16.0,
# DerivedCoreProperties.txt): zero-width spaces and joiners, the byte order mark, fillers.
_UNSEEN = re.compile(
    r"[\s\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    r"\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]*"
)
_ODD = re.compile("[\0\ufeff\ud800-\udfff]")
# The same in bytes of JSON, where most lines hold none and need no further look.
_ODD_JSON = re.compile(rb"\\u(?:0000|[dD][89a-fA-F]|[fF][eE][fF][fF])|\xef\xbb\xbf")
_NAMES = {
    "\0": ("NUL", "holds a NUL character, which ends a text in many programs; take it out"),
    "\ufeff": ("byte order mark", "holds a byte order mark (U+FEFF) inside; take it out"),
}
_SURROGATE = ("surrogate", "holds half a character (a lone surrogate); repair the text")


def is_blank(text: str) -> bool:
    """Whether a text shows nothing: it is empty, white space, or zero-width characters only."""
    return _UNSEEN.fullmatch(text) is not None


def fault(text: str) -> tuple[str, str] | None:
    """The kind and the words of what harms unseen in a text: NUL, half a character, an inner BOM.

    Zero-width characters between visible ones are no fault: emoji are joined by them.
    """
    found = set(_ODD.findall(text))
    half = any(one not in _NAMES for one in found)
    return _SURROGATE if half else _NAMES[min(found)] if found else None


def may_hold_faults(source: bytes) -> bool:
    """Whether JSON in UTF-8 can hold any string with a fault, told without parsing it."""
    return _ODD_JSON.search(source) is not None


def faults_within(value: Any, place: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield place, kind and words of the faults in the texts and keys of a JSON value.

    Args:
        value: As parsed.
        place: What leads to it, `'turns'[0]` for instance.
    """
    if isinstance(value, str):
        if found := fault(value):
            yield place, *found
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from faults_within(one, f"{place}[{number}]")
    elif isinstance(value, dict):
        for key, one in value.items():
            if found := fault(key):
                yield f"a key of {place}" if place else "a key", *found
            inner = f"{place}[{key!r}]" if place else repr(key)
            yield from faults_within(one, inner)


# What tokenizers of chat models take for marks of their own, wherever it stands: the templates of
# the recipes' base models (Baichuan2, GLM-4, Llama 3, Qwen; LLaMA-Factory 0.9.3, data/template.py)
# and those that other common templates write (DeepSeek, Gemma, Llama 2, Mistral).
CONTROL_TOKEN = re.compile(
    r"<\|[A-Za-z0-9_]{1,40}\|>|<｜[^<>｜\n]{1,40}｜>|<reserved_[0-9]+>|</?s>|<unk>|<pad>|<bos>|<eos>"
    r"|<sop>|<eop>|<(?:start|end)_of_turn>|<</?SYS>>|\[/?INST\]|\[[gs]?MASK\]"
)


def control_token(text: str) -> str | None:
    """The first control token of a chat template in a text: `<|im_end|>`, `</s>`, `[INST]`."""
    found = CONTROL_TOKEN.search(text)
    return found[0] if found else None
