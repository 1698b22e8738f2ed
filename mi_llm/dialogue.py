"""A counselling conversation: the one data type that every stage reads and writes.

On disk a dialogue is one line of JSON in UTF-8::

    {"id": "sample/smoking-1", "turns": [{"role": "client", "content": "我想少抽一点。"},
     {"role": "counselor", "content": "你已经在盘算改变了。"}], "meta": {"topic": "吸烟"}}
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args

from mi_llm import characters, file_kind, jsonl
from mi_llm.errors import InputError

Role = Literal["client", "counselor"]
_NO_DIALOGUE = (
    'not a dialogue; expected {"id": "...", "turns": [...], "meta": {}}; '
    "make such a file with python -m converters convert"
)


class DialogueError(InputError):
    """A conversation that breaks a rule stated in `Dialogue`."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One uninterrupted stretch of speech by one side: a volley."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Round:
    """A client turn and the counselor's reply to it."""

    client: str
    counselor: str


@dataclass(frozen=True, slots=True)
class Dialogue:
    """An ordered conversation.

    Rules, checked on construction: at least one turn, no blank turn, and the two sides alternate.
    Either side may open and either may close.

    Attributes:
        id: Where the dialogue stands in its source, e.g. `cpsycound/12`; unique within a file.
        turns: Oldest first.
        meta: What the corpus knows beyond the turns (topic, labels, provenance).
    """

    id: str
    turns: tuple[Turn, ...]
    meta: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.turns:
            raise DialogueError(f"{self.id}: has no turns")
        for number, turn in enumerate(self.turns, start=1):
            if characters.is_blank(turn.content):
                raise DialogueError(f"{self.id}: turn {number} ({turn.role}) is blank")
        for number, (one, two) in enumerate(pairwise(self.turns), start=1):
            if one.role == two.role:
                raise DialogueError(
                    f"{self.id}: turns {number} and {number + 1} are both {two.role}"
                )

    @property
    def rounds(self) -> tuple[Round, ...]:
        """The rounds, oldest first; a leading counselor and a trailing client turn are in none."""
        start = int(self.opens_with_counselor)
        pairs = zip(self.turns[start::2], self.turns[start + 1 :: 2], strict=False)
        return tuple(Round(client.content, reply.content) for client, reply in pairs)

    @property
    def opens_with_counselor(self) -> bool:
        """Whether the first turn is the counselor's, and so belongs to no round."""
        return self.turns[0].role == "counselor"

    @property
    def closes_with_client(self) -> bool:
        """Whether the last turn is the client's, and so belongs to no round."""
        return self.turns[-1].role == "client"


def read_dialogues(path: Path) -> Iterator[Dialogue]:
    """Yield the dialogues of a JSON Lines file, in file order.

    Raises:
        InputError: If a line is not a dialogue, an id comes twice, or the file holds none.
    """
    seen: set[str] = set()
    for line, _, data in jsonl.raw_lines(path):
        dialogue = parsed_dialogue(path, line, data)
        if dialogue.id in seen:
            raise InputError(f"{path}:{line}: id {dialogue.id!r} stands in an earlier line too")
        seen.add(dialogue.id)
        yield dialogue
    if not seen:
        raise InputError(f"{path}: holds no dialogue")


def dialogue_lines(dialogues: Iterable[Dialogue]) -> Iterator[str]:
    """Yield one line of JSON, newline included, for each dialogue."""
    for dialogue in dialogues:
        turns = [{"role": turn.role, "content": turn.content} for turn in dialogue.turns]
        yield jsonl.dumped({"id": dialogue.id, "turns": turns, "meta": dialogue.meta}) + "\n"


def parsed_dialogue(path: Path, line: int, data: bytes) -> Dialogue:
    """The dialogue of one line of JSON.

    Args:
        path: The file, for messages.
        line: The line's number, from 1.
        data: The line.

    Raises:
        InputError: If the line is no dialogue.
    """
    if line == 1 and data.lstrip(b"\xef\xbb\xbf \t").startswith(b"["):
        _refuse_convertible(path, str(path), jsonl.first_of_array(path))
    value, where = jsonl.parsed_line(path, line, data), f"{path}:{line}"
    if isinstance(value, list) and line == 1:
        raise InputError(f"{path}: {jsonl.array_for_lines(value[0] if value else None)}")
    _refuse_convertible(path, where, value)
    kind = file_kind.of_value(value)
    if kind in ("predictions", "a stamp"):
        raise InputError(f"{where}: {kind}, where dialogues are expected; name another file")
    if not isinstance(value, dict) or not isinstance(value.get("id"), str):
        raise InputError(f"{where}: {_NO_DIALOGUE}")
    if characters.may_hold_faults(data):
        jsonl.require_sound(f"{where}: {value['id']}", value)
    turns, meta = value.get("turns"), value.get("meta", {})
    if not isinstance(turns, list) or not isinstance(meta, dict):
        raise InputError(f"{where}: {value['id']}: 'turns' must be a list and 'meta' an object")
    for number, turn in enumerate(turns, start=1):
        if (
            not isinstance(turn, dict)
            or turn.get("role") not in get_args(Role)
            or not isinstance(turn.get("content"), str)
        ):
            raise InputError(
                f"{where}: {value['id']}: turn {number} is not "
                '{"role": "client" or "counselor", "content": "..."}'
            )
    try:
        return Dialogue(value["id"], tuple(Turn(t["role"], t["content"]) for t in turns), meta)
    except DialogueError as error:
        raise InputError(f"{where}: {error}") from None


def _refuse_convertible(path: Path, where: str, record: Any) -> None:
    """Refuse a record that is no dialogue, but can be made one, with the command that does."""
    kind = file_kind.of_value(record)
    if kind not in ("Alpaca rows", "chat messages"):
        return
    raise InputError(
        f"{where}: {kind}, where dialogues are expected; make dialogues of them: "
        f"python -m converters convert {file_kind.corpus_format(record)} {path} -o dialogues.jsonl"
    )
