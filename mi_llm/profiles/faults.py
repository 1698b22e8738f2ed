"""What is wrong with a profile, told in one line by the field's name."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from mi_llm.profiles.schema import Profile, Readiness, Reason

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_UNKNOWN = "extra_forbidden"
_MODELS = {"readiness": Readiness, "reasons": Reason}
_LONGEST = 40  # characters of a value that are shown
_WORDS = {"True": "true", "False": "false", "None": "nothing"}  # as YAML has them

_MESSAGES = {
    "missing": "is missing",
    "greater_than_equal": "{value} is below {ge}",
    "less_than_equal": "{value} is above {le}",
    "int_type": "expected a whole number, not {value}",
    "string_type": "expected text, not {value}; put it in quotes",
    "string_too_short": "is blank",
    "string_pattern_mismatch": "{value} is no id: at most 60 letters, digits, _ . -, no . - first",
    "string_unicode": "holds half a character (a lone surrogate); repair the text",
    "tuple_type": "expected a list, not {value}; write [one, another]",
    "too_short": "is empty; at least one is needed",
    "literal_error": "{value} is not one of {choices}",
    "dict_type": "expected name: value lines, not {value}",
    "model_type": "expected name: value lines, not {value}",
    "invalid_key": "expected text, not {value}; put it in quotes",
    "fact_type": "{value} is neither text nor a whole number; put it in quotes",
    "readiness_type": "{value} is neither a whole number 0-10 nor "
    "stage, importance, confidence and ready",
    "value_error": "{error}",
}


def faults(error: ValidationError, record: Any) -> list[str]:
    """One line a fault, unknown fields first: `readiness.importance: 12 is above 10`.

    Args:
        error: What pydantic found.
        record: What was to be a profile; a reason is named by its id there.
    """
    found = sorted(error.errors(include_url=False), key=lambda one: one["type"] != _UNKNOWN)
    # A list whose entries are all wrong is called too short as well.
    return [_line(one, record) for one in found if one["type"] != "too_short" or not one["input"]]


def shown(value: Any) -> str:
    """A value as a message shows it, cut if it is long."""
    text = _WORDS.get(repr(value), repr(value))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _line(error: ErrorDetails, record: Any) -> str:
    place = tuple(part for part in error["loc"] if part != "[key]")
    if error["type"] == _UNKNOWN:
        *above, name = place
        return ": ".join(filter(None, (_path(tuple(above), record), _unknown(above, str(name)))))
    context = error.get("ctx", {})
    known = {
        "value": shown(error["input"]),
        "choices": str(context.get("expected", "")).replace("'", "").replace(" or ", ", "),
    }
    message = _MESSAGES.get(error["type"], error["msg"].replace("{", "{{").replace("}", "}}"))
    return ": ".join(filter(None, (_path(place, record), message.format(**{**context, **known}))))


def _path(place: tuple[Any, ...], record: Any) -> str:
    """`reasons.family.text`: places in a list are counted from 1, reasons named by id."""
    names = []
    for number, part in enumerate(place):
        if place[:number] == ("reasons",):
            names.append(_reason(record["reasons"][part], part + 1))
        else:
            in_list = isinstance(part, int) and number > 0 and place[0] != "facts"
            names.append(str(part + 1 if in_list else part))
    return ".".join(names)


def _reason(reason: Any, number: int) -> str:
    name = reason.get("id") if isinstance(reason, Mapping) else None
    usable = isinstance(name, str) and name.isprintable() and 0 < len(name) <= _LONGEST
    return str(name) if usable else f"r{number}"


def _unknown(above: list[Any], name: str) -> str:
    known = list((_MODELS[above[0]] if above else Profile).model_fields)
    near = get_close_matches(name.lower(), known, n=1)
    way_out = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
    return f"unknown field {shown(name)}; {way_out}"
