"""What a side of a dialogue asks the model, each prompt within a budget.

A prompt is a fixed text, a JSON of what the side knows, and the last turns. What would be over
`PROMPT_TOKENS` is cut from the oldest turns, and counted. A second and third ask for an answer that
did not fit carry that answer in addition (`mi_llm.llm`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mi_llm import jsonl
from mi_llm.dialogue import Turn
from mi_llm.door.conversation import outgoing
from mi_llm.door.spending import estimated_tokens
from mi_llm.llm import Answer, Message, Request, SetAside
from mi_llm.simulation import Failed

if TYPE_CHECKING:
    from pydantic import BaseModel

    from prompts import Prompt

PROMPT_TOKENS = 4000
"""The most that a prompt may hold, as `mi_llm.door.spending` estimates tokens."""

LAST_TURNS = 12
"""Turns that a tracked side sees; its summary stands for what was before."""

LONGEST_TURN = 400
"""Characters of a turn; more is left out of training data by `converters review`."""

LEAST_FOR_TURNS = 1200
"""Tokens that a profile must leave for turns: two of the longest, and room to spare."""

_SPARE = 100  # tokens, as masking personal data may lengthen a prompt a little

Ask = Callable[[Request], Awaitable[Answer | SetAside]]
"""Asks a model; `mi_llm.llm.Door.ask`."""

_LABEL = re.compile(
    r"^\s*(来访者|求助者|咨询师|心理咨询师|client|counsell?or)\s*[:：]\s*", re.IGNORECASE
)


class Asker:
    """Asks for one side of one dialogue.

    Args:
        ask: The model.
        name: The dialogue's id, with which the ids of the requests begin.
        session: Keeps dialogues of one profile apart in the ledger; is not sent.
        counts: What is counted: `requests`, `turns_cut`.
    """

    def __init__(self, ask: Ask, name: str, session: int, counts: Counter[str]) -> None:
        self._ask, self._name, self._session = ask, name, session
        self.counts = counts

    async def value(
        self,
        what: str,
        prompt: Prompt,
        text: str,
        about: Mapping[str, Any],
        turns: Sequence[Turn],
        schema: type[BaseModel],
        check: Callable[[Any], str | None] | None = None,
    ) -> BaseModel | None:
        """What the answer holds; None if none fits."""
        shown = self._shown(text, about, turns, schema)
        answer = await self._answer(what, prompt, _messages(text, about, shown), schema, check)
        return answer.value if isinstance(answer, Answer) else None

    async def said(
        self,
        what: str,
        prompt: Prompt,
        text: str,
        about: Mapping[str, Any],
        turns: Sequence[Turn],
        fault: Callable[[str], str | None] | None = None,
    ) -> str:
        """A turn to say.

        Raises:
            Failed: If none comes that can be used.
        """
        shown = self._shown(text, about, turns, None)
        return await self.reply(what, prompt, _messages(text, about, shown), fault)

    async def reply(
        self,
        what: str,
        prompt: Prompt,
        messages: tuple[Message, ...],
        fault: Callable[[str], str | None] | None = None,
    ) -> str:
        """A turn to say, to messages that are within the budget.

        Raises:
            Failed: If none comes that can be used.
        """

        def check(text: str) -> str | None:
            turn = cleaned(text)
            return _fault(turn) or (fault(turn) if fault else None)

        answer = await self._answer(what, prompt, messages, None, check)
        if isinstance(answer, SetAside):
            raise Failed(f"no turn ({what.partition(' ')[0]}): {answer.reason}")
        return cleaned(answer.text)

    def conversation(self, text: str, turns: Sequence[Turn]) -> tuple[Message, ...]:
        """A prompt and the turns as messages, the client as the user; the last is the client's."""
        made = [
            Message(role="user" if one.role == "client" else "assistant", content=one.content)
            for one in turns
        ]
        room = _room([{"role": "system", "content": text}])
        fitting = _fitting([estimated_tokens([one["content"]]) for one in made], room)
        fitting -= 1 - fitting % 2  # the first message is the client's, as the last one is
        self.counts["turns_cut"] += len(made) - fitting
        return (Message(role="system", content=text), *made[len(made) - fitting :])

    def _shown(
        self,
        text: str,
        about: Mapping[str, Any],
        turns: Sequence[Turn],
        schema: type[BaseModel] | None,
    ) -> Sequence[Turn]:
        room = _room(_messages(text, about, ()), schema)
        sizes = [estimated_tokens([jsonl.dumped(one)]) for one in _as_json(turns)]
        fitting = _fitting(sizes, room)
        self.counts["turns_cut"] += len(turns) - fitting
        return turns[len(turns) - fitting :]

    async def _answer(
        self,
        what: str,
        prompt: Prompt,
        messages: tuple[Message, ...],
        schema: type[BaseModel] | None,
        check: Callable[[Any], str | None] | None,
    ) -> Answer | SetAside:
        self.counts["requests"] += 1
        request = Request(
            id=f"{self._name}:{what}",
            messages=messages,
            schema=schema,
            prompt_sha=f"{prompt.sha}#{self._session}",
            check=check,
        )
        return await self._ask(request)


def last_turns(turns: Sequence[Turn]) -> Sequence[Turn]:
    """Those that a tracked side sees."""
    return turns[-LAST_TURNS:]


def room_for_turns(
    text: str, about: Mapping[str, Any], schema: type[BaseModel] | None = None
) -> int:
    """Tokens that a prompt leaves for turns."""
    return _room(_messages(text, about, ()), schema)


def cleaned(text: str) -> str:
    """A turn without a speaker's label, or marks around the whole of it."""
    said = _LABEL.sub("", text.strip())
    if len(said) > 1 and said[0] + said[-1] in ("“”", '""', "「」"):
        said = said[1:-1] if not set(said[1:-1]) & {said[0], said[-1]} else said
    return said.encode("utf-8", "replace").decode().strip()


def _fault(turn: str) -> str | None:
    if not turn:
        return "没有内容；只说这一轮的话"
    if len(turn) > LONGEST_TURN:
        return f"有{len(turn)}个字，太长；最多{LONGEST_TURN}个字"
    return None


def _messages(text: str, about: Mapping[str, Any], turns: Sequence[Turn]) -> tuple[Message, ...]:
    return (
        Message(role="system", content=text),
        Message(role="user", content=jsonl.dumped({**about, "dialogue": _as_json(turns)})),
    )


def _as_json(turns: Sequence[Turn]) -> list[dict[str, str]]:
    return [{"role": one.role, "content": one.content} for one in turns]


def _room(messages: Sequence[Message], schema: type[BaseModel] | None = None) -> int:
    """What is left of the budget beside some messages and the schema that goes with them."""
    request = Request(id="", messages=tuple(messages), schema=schema)
    sent, _ = outgoing(request, mask=False)
    return PROMPT_TOKENS - _SPARE - estimated_tokens(one["content"] for one in sent)


def _fitting(sizes: Sequence[int], room: int) -> int:
    """How many of the last ones fit into the room; one at least, as the last has to be seen."""
    fitting = 0
    for size in reversed(sizes):
        room -= size
        if room < 0:
            break
        fitting += 1
    return max(fitting, min(1, len(sizes)))
