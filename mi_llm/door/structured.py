"""Values out of a model's text: asked for by JSON schema, found in whatever came, always checked.

A server may refuse a response format, ignore it without a word, or honour it; and a model may put
JSON in a code fence, behind other words, with full-width punctuation. So the schema is always told
in words too, whatever JSON there is in the text is tried, and only pydantic decides.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

Mode = Literal["json_schema", "json_object", "plain"]
MODES: tuple[Mode, ...] = ("json_schema", "json_object", "plain")  # best first

_DECODER = json.JSONDecoder(strict=False)  # strict would refuse a line break within a string
_OPENING = re.compile("[{｛]")
_FULL_WIDTH = str.maketrans("｛｝［］：，", "{}[]:,")
_QUOTES = {'"': '"', "＂": "＂", "“": "”", "”": "”"}  # opening to closing; some write ”so”
_TRIES = 50  # opening braces that are looked at: each may cost a pass over the text


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a model, without docstrings, which speak to readers of code.

    A model takes them for words to say; and rewording one would make every answer in the ledger
    one to another question. What a `Field` says of itself stays: it is written for the model.
    """
    made = model.model_json_schema()
    for one in (made, *made.get("$defs", {}).values()):
        one.pop("description", None)
    return made


def instruction(schema: type[BaseModel]) -> str:
    """What is put behind the last message: the schema in words that every model understands."""
    text = json.dumps(schema_of(schema), ensure_ascii=False)
    return f"只输出一个 JSON 对象，不要输出其他文字。它必须符合这个 JSON Schema：\n{text}"


def correction(problem: str) -> str:
    """What a model is told about an answer that does not fit."""
    return f"上面的回答不合要求：{problem}\n请改正，重新输出完整的回答，不要解释。"


def response_format(schema: type[BaseModel], mode: Mode) -> dict[str, Any]:
    """The parameters that ask for structure in a mode; none in plain mode."""
    if mode == "plain":
        return {}
    if mode == "json_object":
        return {"response_format": {"type": "json_object"}}
    named = {"name": schema.__name__, "strict": True, "schema": strict(schema_of(schema))}
    return {"response_format": {"type": "json_schema", "json_schema": named}}


def strict(schema: Any) -> Any:
    """A JSON schema as OpenAI's strict mode wants it: every property required, no other allowed.

    https://platform.openai.com/docs/guides/structured-outputs (read 2026-11)
    """
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: strict(part) for name, part in schema.items() if name != "default"}
    if isinstance(schema.get("properties"), dict):
        made["properties"] = {name: strict(part) for name, part in schema["properties"].items()}
        made["required"] = list(made["properties"])
        made.setdefault("additionalProperties", False)
    return made


def value_of(text: str, schema: type[BaseModel]) -> tuple[BaseModel | None, str]:
    """The value in a text, or what is wrong with it.

    Args:
        text: What the model says, without thoughts.
        schema: What the value has to be.

    Returns:
        The first JSON object in the text that fits the schema, and ""; or None, and a line that
        says what does not fit in the first object there is.
    """
    from pydantic import ValidationError

    problem = ""
    for found in objects(text):
        try:
            return schema.model_validate_json(json.dumps(found)), ""
        except ValidationError as error:
            problem = problem or _described(error)
    return None, problem or "no JSON object in it"


def objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield the outermost JSON objects in a text, mended where that makes them readable.

    One that never closes ends the search: what it holds is part of it, no answer of its own.
    """
    end = 0
    for start in [match.start() for match in _OPENING.finditer(text)][:_TRIES]:
        if start >= end:
            found, end = _object_at(text, start)
            if found is not None:
                yield found


def _object_at(text: str, start: int) -> tuple[dict[str, Any] | None, int]:
    """The object that begins there, None if it cannot be read; and where it ends."""
    with suppress(ValueError, RecursionError):
        return _DECODER.raw_decode(text, start)
    mended, end = _mended(text, start)
    with suppress(ValueError, RecursionError):
        return _DECODER.decode(mended), end
    return None, end


def _mended(text: str, start: int) -> tuple[str, int]:
    """The brackets that open there, up to where they close, put right; and where that is.

    Outside strings, full-width punctuation and quotes become plain ones, and a comma before a
    closing bracket goes.
    """
    made: list[str] = []
    position, depth = start, 0
    while position < len(text):
        character = text[position].translate(_FULL_WIDTH)
        if closing := _QUOTES.get(character):
            string, position = _string(text, position + 1, closing)
            made.append(string)
            continue
        depth += (character in "{[") - (character in "}]")
        if character in "}]" and made[-1] == ",":
            made.pop()
        if not character.isspace():
            made.append(character)
        position += 1
        if depth == 0:
            break
    return "".join(made), position


def _string(text: str, start: int, closing: str) -> tuple[str, int]:
    """A JSON string from its first character on, and where the text goes on behind it."""
    made, position = ['"'], start
    while position < len(text) and text[position] != closing:
        if text[position] == "\\":
            made.append(text[position : position + 2])
            position += 2
            continue
        made.append('\\"' if text[position] == '"' else text[position])
        position += 1
    return "".join(made) + '"', position + 1


def _described(error: ValidationError) -> str:
    """What pydantic found, in one line; not the text itself, which the model knows."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    places = [(".".join(map(str, each["loc"])), each["msg"]) for each in found[:10]]
    more = f"; and {len(found) - 10} more" if len(found) > 10 else ""
    return "; ".join(f"{place}: {what}" if place else what for place, what in places) + more
