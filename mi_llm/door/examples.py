"""A prompt's example that comes back as the answer.

The JSON in a prompt shows the form of an answer; a model that is too weak, or asked too much, gives
it back. What is looked for is read from the prompt itself: placeholders (`<...>`), the words that
say what a field holds, and the values of a worked example. What the material holds as well is no
echo.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from mi_llm.door.structured import objects
from mi_llm.quotation import bare

COPIED = "example copied"
"""The kind of problem that such an answer has."""

_FENCED = re.compile(r"```\w*\n(.*?)```", re.DOTALL)
_PLACEHOLDER = re.compile(r"<[^<>\n]*>")
_FIELD = re.compile(r"^- [\w、]+：(.+)$", re.MULTILINE)
_SENTENCE = re.compile("[。；]")
_WORDED = re.compile(r"[^\x00-\x7f]|\s")  # a name from a list is ASCII without a blank
# Letters and digits from which an equal text is no chance.
_SHORTEST = {"placeholder": 2, "sentence": 4, "text": 6}
_MANY, _NEARLY_ALL = 6, 0.9  # numbers of an answer, and the share of them that is no chance

_Leaves = dict[tuple[str | int, ...], Any]


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a prompt shows: its placeholders as they stand, bare texts, and worked examples."""

    placeholders: frozenset[str]
    texts: frozenset[str]
    examples: tuple[_Leaves, ...]


def copied(prompt: str, material: str, answer: str, value: Any) -> str | None:
    """What of an answer is the example of its prompt, in words for the model; None if nothing is.

    Args:
        prompt: The instructions, in which the example stands.
        material: What the answer is about.
        answer: As it came.
        value: The JSON that was found in it; None if there is none.
    """
    shown = _shown(prompt)
    narrow = _narrow(answer)
    if found := next((one for one in shown.placeholders if one in narrow), None):
        return f"{found} is a placeholder; put what you find in its place"
    given = dict(_leaves(value))
    for path, text in given.items():
        if not isinstance(text, str) or _holds(material, text):
            continue
        if _PLACEHOLDER.fullmatch(_narrow(text)):  # one of the model's own
            return f"{text} is a placeholder; put what you find in its place"
        if bare(text) in shown.texts:
            place = ".".join(map(str, path))
            return f"{place} repeats the instructions; answer about the material"
    if any(_is_same(given, example, material) for example in shown.examples):
        return "this is the example of the instructions; answer about the material"
    return None


@cache
def _shown(prompt: str) -> _Shown:
    examples = [dict(_leaves(one)) for one in objects(prompt)]
    values = [value for leaves in examples for value in leaves.values()]
    said = _FIELD.findall(prompt.partition("\n# 输出\n")[2])
    found = {
        "placeholder": _PLACEHOLDER.findall("".join(_FENCED.findall(prompt))),
        "sentence": [*said, *(part for one in said for part in _SENTENCE.split(one))],
        "text": [one for one in values if isinstance(one, str) and _WORDED.search(one)],
    }
    texts = {
        words
        for kind, shown in found.items()
        for words in map(bare, shown)
        if len(words) >= _SHORTEST[kind]
    }
    return _Shown(frozenset(map(_narrow, found["placeholder"])), frozenset(texts), tuple(examples))


def _is_same(given: _Leaves, example: _Leaves, material: str) -> bool:
    """Whether all values that could be chosen are the example's, or nearly all of many numbers."""

    def equal(path: tuple[str | int, ...]) -> bool:
        one, other = given.get(path), example[path]
        if isinstance(one, str) and isinstance(other, str):
            return bare(one) == bare(other)
        return bool(one == other)

    numbers = [path for path, value in example.items() if _is_number(value)]
    if len(numbers) >= _MANY and sum(map(equal, numbers)) >= _NEARLY_ALL * len(numbers):
        return True
    held = {path for path, one in given.items() if isinstance(one, str) and _holds(material, one)}
    if any(equal(path) and _WORDED.search(given[path]) for path in held & example.keys()):
        return False  # words that were found in the material
    free = example.keys() - held
    more = {path for path, one in given.items() if one is not None} - held - example.keys()
    return len(free) > 1 and not more and all(map(equal, free))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _holds(material: str, text: str) -> bool:
    return bool(bare(text)) and bare(text) in bare(material)


def _leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[Any, Any]]:
    """Yield the values in some JSON that hold no others, each with where it stands."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _leaves(part, (*path, name))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _leaves(part, (*path, number))
    elif path:
        yield path, value


def _narrow(text: str) -> str:
    """A text in one width, without white space."""
    return "".join(unicodedata.normalize("NFKC", text).split())
