"""Chat data in the three shapes that most tools write: messages, ShareGPT, Alpaca with history.

Source: anyone's own data; licence and permission are that data's. The shapes are those of
OpenAI's API and of LLaMA-Factory (https://github.com/hiyouga/LLaMA-Factory, v0.9.3, `data/`).
A file is a JSON array or JSON Lines, packed as `.gz` or not; which one its first character tells.
Each record's keys tell its shape.

One record in, in any of these::

    {"messages": [{"role": "system", "content": "倾听。"}, {"role": "user", "content": "我累。"},
     {"role": "assistant", "content": "你累了。"}], "topic": "工作"}
    {"conversations": [{"from": "system", "value": "倾听。"}, {"from": "human", "value": "我累。"},
     {"from": "gpt", "value": "你累了。"}], "topic": "工作"}
    {"instruction": "我累。", "input": "", "output": "你累了。", "history": [], "system": "倾听。",
     "topic": "工作"}

One dialogue out::

    {"id": "mine/0", "turns": [{"role": "client", "content": "我累。"},
     {"role": "counselor", "content": "你累了。"}], "meta": {"topic": "工作", "system": "倾听。"}}

The id is `<file's name>/<id>` where a record has an `id`, or `<file's name>/<index>` from 0. System
messages go to `meta["system"]`, joined by a newline. Functions and tools have no place in
counselling: an error.

Alpaca: the client's last turn is `instruction` and `input`, joined by a newline if both are there,
as LLaMA-Factory does. But where at least two records of a file have this shape, all with one and
the same instruction and each with an input, the instruction is a prompt, as in our own rows: it
goes to `meta["system"]`, before what the record has there, and the client says the input alone.

Files with one record per round, each with everything said before, are known by that: a record that
the next one repeats from its beginning and continues is left out, and counted. A row whose history
was cut to fit a model cannot be known so: convert from the dialogues instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from converters.corpora.cumulative import whole_records
from converters.corpora.intake import Intake
from mi_llm import file_kind, jsonl
from mi_llm.dialogue import Dialogue, Role, Turn
from mi_llm.errors import InputError

_ROLES: dict[str, Role] = {
    "user": "client",
    "human": "client",
    "client": "client",
    "assistant": "counselor",
    "gpt": "counselor",
    "counselor": "counselor",
}
_TOOLS = {"function", "tool", "function_call", "observation"}
_TAGS = {"messages": ("role", "content"), "conversations": ("from", "value")}
_SHAPES = (
    '{"messages": [{"role", "content"}]}, {"conversations": [{"from", "value"}]} '
    'or {"instruction" or "system", "input", "output", "history"}'
)

# The place of each record, and what parses it or raises InputError.
_Records = Callable[[], Iterable[tuple[str, Callable[[], Any]]]]


@dataclass(frozen=True, slots=True)
class _Found:
    """What a record says; `fault` if it cannot be read."""

    where: str
    name: str = ""
    turns: Sequence[Turn] = ()
    meta: dict[str, Any] | None = None
    fault: InputError | None = None


def read(path: Path, intake: Intake) -> Iterator[Dialogue]:
    """Yield the dialogues of one file, in file order.

    Raises:
        InputError: If the file is neither JSON nor JSON Lines, or a dialogue cannot be read.
    """
    for found in whole_records(_all_found(path), lambda found: found.turns, intake):
        yield from intake.attempt(_dialogue, found, intake)


def _dialogue(found: _Found, intake: Intake) -> Dialogue:
    if found.fault:
        raise found.fault
    return intake.dialogue(found.name, found.where, found.turns, found.meta or {})


def _all_found(path: Path) -> Iterator[_Found]:
    records = _records(path)
    prompt = cache(lambda: _prompt(records()))
    stem = Path(path.name.removesuffix(".gz")).stem
    for index, (where, record) in enumerate(records()):
        try:
            turns, meta = _parsed(where, record(), prompt)
        except InputError as error:
            yield _Found(where, fault=error)
            continue
        name = meta.pop("id", None)
        yield _Found(where, f"{stem}/{index if name is None else name}", turns, meta)


def _records(path: Path) -> _Records:
    """A function that gives each record of a file with its place, as often as it is called."""
    if not jsonl.is_array(path):
        return lambda: (
            (f"{path}:{line}", partial(jsonl.parsed_line, path, line, data))
            for line, _, data in jsonl.raw_lines(path)
        )
    array = jsonl.read_json(path)
    return lambda: (
        (f"{path}: record {number}", partial(_itself, record))
        for number, record in enumerate(array, start=1)
    )


def _itself(record: Any) -> Any:
    return record


def _parsed(
    where: str, record: Any, prompt: Callable[[], str]
) -> tuple[list[Turn], dict[str, Any]]:
    if not isinstance(record, dict):
        raise InputError(f"{where}: expected {_SHAPES}")
    if file_kind.of_value(record) == "dialogues":
        raise InputError(f"{where}: a dialogue already; use the file as it is")
    lists = [key for key in _TAGS if key in record]
    if len(lists) + _is_alpaca(record) != 1:
        seen = ", ".join(map(repr, record)) or "none"
        raise InputError(f"{where}: expected one of {_SHAPES}; the keys are: {seen}")
    if lists:
        return _chat(where, record, lists[0])
    return _alpaca(where, record, prompt())


def _is_alpaca(record: dict[str, Any]) -> bool:
    # Rows with the prompt under `system` have no instruction.
    return "output" in record and ("instruction" in record or record.keys() >= {"input", "system"})


def _chat(where: str, record: dict[str, Any], key: str) -> tuple[list[Turn], dict[str, Any]]:
    messages = record[key]
    if not isinstance(messages, list):
        raise InputError(f"{where}: {key!r} must be a list")
    turns: list[Turn] = []
    systems = [_text(where, record, "system")]
    for number, message in enumerate(messages, start=1):
        role, text = _message(f"{where}, message {number}", message, *_TAGS[key])
        if role == "system":
            systems.append(text)
        else:
            turns.append(Turn(_ROLES[role], text))
    return turns, _meta(record, {key}, systems)


def _message(where: str, message: Any, role_tag: str, text_tag: str) -> tuple[str, str]:
    role = message.get(role_tag) if isinstance(message, dict) else None
    if isinstance(role, str) and role in _TOOLS:
        raise InputError(f"{where}: role {role!r}: functions and tools are no counselling")
    text = message.get(text_tag) if isinstance(message, dict) else None
    if not isinstance(role, str) or not isinstance(text, str):
        other = isinstance(message, dict) and role_tag == "from" and "role" in message
        hint = "; with roles it is of the format mi_conversations" if other else ""
        raise InputError(
            f'{where}: expected {{"{role_tag}": "...", "{text_tag}": "..."}} as texts{hint}'
        )
    if role != "system" and role not in _ROLES:
        raise InputError(f"{where}: unknown role {role!r}; known are: system, {', '.join(_ROLES)}")
    return role, text


def _alpaca(where: str, record: dict[str, Any], prompt: str) -> tuple[list[Turn], dict[str, Any]]:
    turns = _history(where, record)
    asked = [_text(where, record, "instruction"), _text(where, record, "input")]
    if prompt:
        del asked[0]
    turns.append(Turn("client", "\n".join(text for text in asked if text)))
    turns.append(Turn("counselor", _text(where, record, "output")))
    used = {"instruction", "input", "output", "history"}
    return turns, _meta(record, used, [prompt, _text(where, record, "system")])


def _history(where: str, record: dict[str, Any]) -> list[Turn]:
    turns: list[Turn] = []
    history = record.get("history") or []
    if not isinstance(history, list):
        raise InputError(f"{where}: 'history' must be a list of [client, counselor]")
    for number, pair in enumerate(history, start=1):
        match pair:
            case [str(client), str(counselor)]:
                turns += [Turn("client", client), Turn("counselor", counselor)]
            case _:
                raise InputError(f"{where}, history {number}: expected [client, counselor], texts")
    return turns


def _text(where: str, record: dict[str, Any], key: str) -> str:
    """The text of a key; nothing if it is absent or null, as in LLaMA-Factory."""
    value = record.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InputError(f"{where}: {key!r} must be a text")
    return value


def _meta(record: dict[str, Any], used: set[str], systems: list[str]) -> dict[str, Any]:
    meta = {key: value for key, value in record.items() if key not in used and key != "system"}
    if system := "\n".join(text for text in systems if text.strip()):
        meta["system"] = system
    return meta


def _prompt(records: Iterable[tuple[str, Callable[[], Any]]]) -> str:
    """The one instruction of all Alpaca records if it is a prompt, else nothing."""
    prompt, count = "", 0
    for _, parse in records:
        try:
            record = parse()
        except InputError:  # told where the record itself is read
            continue
        if not isinstance(record, dict) or not _is_alpaca(record):
            continue
        match record:
            case {"instruction": str(one), "input": str(said)} if said.strip() and one.strip():
                if count and one != prompt:
                    return ""
                prompt, count = one, count + 1
            case _:
                return ""
    return prompt if count > 1 else ""
