"""One request and what becomes of it: the messages that go out, and the judgement of what comes.

Everything here follows from the request and the answers alone. So a run that goes on after a kill
replays the answers in the ledger and comes to the same next message, without asking.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from mi_llm.characters import is_blank
from mi_llm.door import examples, structured
from mi_llm.door.answer import Outcome
from mi_llm.door.ledger import key_of

if TYPE_CHECKING:
    from pydantic import BaseModel

    from mi_llm.door.endpoint import Endpoint

ASKS = 3  # once, and at most twice more with what was wrong


class Message(TypedDict):
    """A message of OpenAI's chat protocol."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Request:
    """A question to a model.

    Attributes:
        id: What the answer is for, unique in a job: `transcribe:cpsycound/12`.
        messages: What is said, the last one by the user.
        schema: What the answer has to be; None takes any text.
        prompt_sha: SHA-256 of the prompt file that the messages were made with.
        check: Rules that a schema cannot say; takes the value (the text without a schema) and
            returns what is wrong, in words for the model, or None.
        any_text: Take blank and cut-off answers too, as the model itself is what is measured.
    """

    id: str
    messages: tuple[Message, ...]
    schema: type[BaseModel] | None = None
    prompt_sha: str = ""
    check: Callable[[Any], str | None] | None = None
    any_text: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that fits.

    Attributes:
        id: The request's.
        text: What it says; thoughts are left out.
        value: What the schema made of it; None without a schema.
        tokens_in: Of the prompt; None if the server did not say.
        tokens_out: Of the answer; None if the server did not say.
        from_ledger: Whether it was there already.
        finish_reason: Why it ended, as the server gave it: `stop`, `length`.
        cut_off: Whether it is not all of the answer; only with `Request.any_text`.
        thought: Whether a thought came with it.
    """

    id: str
    text: str
    value: BaseModel | None
    tokens_in: int | None
    tokens_out: int | None
    from_ledger: bool
    finish_reason: str = "stop"
    cut_off: bool = False
    thought: bool = False


@dataclass(frozen=True, slots=True)
class SetAside:
    """A request that got no answer that fits.

    Attributes:
        id: The request's.
        reason: Why; up to a colon the kind, for counting.
        text: What the last answer says, or "".
    """

    id: str
    reason: str
    text: str


@dataclass(slots=True)
class Tally:
    """What became of requests so far.

    Attributes:
        answered: Requests with an answer that fits.
        set_aside: Requests without one.
        from_ledger: Requests for which nothing was sent, of either kind.
        sent: Requests that went out, repeated ones counted each time.
        masked: Personal data masked in requests, by kind.
        cost: Of the answers that came; 0 without prices.
        uncounted: Answers without a count of tokens; their cost is taken as the most it can be.
        copied: Answers that were the prompt's example; each was asked again or set aside.
        thoughts: Answers with a thought, which was left out.
    """

    answered: int = 0
    set_aside: int = 0
    from_ledger: int = 0
    sent: int = 0
    masked: Counter[str] = field(default_factory=Counter)
    cost: float = 0.0
    uncounted: int = 0
    copied: int = 0
    thoughts: int = 0

    @property
    def done(self) -> int:
        """Requests that something became of."""
        return self.answered + self.set_aside

    def count(self, result: Answer | SetAside, masked: Counter[str], *, from_ledger: bool) -> None:
        """Count what became of a request, and what was masked in it."""
        self.answered += isinstance(result, Answer)
        self.set_aside += isinstance(result, SetAside)
        self.thoughts += isinstance(result, Answer) and result.thought
        self.from_ledger += from_ledger
        self.masked += masked


def outgoing(request: Request, *, mask: bool) -> tuple[tuple[Message, ...], Counter[str]]:
    """The messages as they leave, the schema told in words; and what was masked, by kind."""
    messages, counts = request.messages, Counter[str]()
    if mask:
        messages, counts = _masked(messages)
    if request.schema is not None:
        *before, last = messages
        content = f"{last['content']}\n\n{_instruction(request.schema)}"
        messages = (*before, Message(role=last["role"], content=content))
    return messages, counts


def next_messages(
    messages: tuple[Message, ...], came: Outcome, problem: str, endpoint: Endpoint
) -> tuple[Message, ...]:
    """What is asked after an answer that does not fit: the same again if nothing whole came."""
    if is_blank(came.said) or came.ending != "whole":
        return messages
    more = (
        Message(role="assistant", content=came.said),
        Message(role="user", content=structured.correction(problem)),
    )
    return messages + (_masked(more)[0] if endpoint.mask else more)


def key(request: Request, messages: tuple[Message, ...], ask: int, endpoint: Endpoint) -> str:
    """The key of an answer: the hash of all that shapes it.

    Args:
        request: Whose schema and prompt count.
        messages: As they leave.
        ask: 0 the first time, then 1 and 2: the same messages may have to be asked again.
        endpoint: Whose host, model and parameters count. How structure is asked for does not, as a
            server's answer to that is no choice of the user's.
    """
    schema = _schema(request.schema) if request.schema else None
    return key_of(
        host=endpoint.host,
        model=endpoint.model,
        parameters=endpoint.parameters,
        messages=messages,
        schema=schema,
        prompt=request.prompt_sha,
        ask=ask,
    )


def judged(request: Request, came: Outcome) -> tuple[BaseModel | None, str | None]:
    """The value of an answer and None, or None and what is wrong with it."""
    if came.problem and not (request.any_text and came.usable):
        return None, came.problem
    value = None
    if request.schema is not None:
        value, problem = structured.value_of(came.said, request.schema)
        if echo := _copied(request, came.said, value):
            return None, f"{examples.COPIED}: {echo}"
        if problem:
            return None, f"does not fit the schema: {problem}"
    wrong = request.check(came.said if value is None else value) if request.check else None
    return (None, f"breaks a rule: {wrong}") if wrong else (value, None)


def _copied(request: Request, text: str, value: BaseModel | None) -> str | None:
    """What of an answer is the example of the request's instructions; None if nothing is."""
    first, last = request.messages[0], request.messages[-1]
    if first["role"] != "system":
        return None
    said = text if value is None else value.model_dump_json()
    found = next(structured.objects(text), None) if value is None else value.model_dump()
    return examples.copied(first["content"], last["content"], said, found)


def _masked(messages: tuple[Message, ...]) -> tuple[tuple[Message, ...], Counter[str]]:
    from mi_llm.personal_data import mask

    made, counts = [], Counter[str]()
    for message in messages:
        content, found = mask(message["content"])
        made.append(Message(role=message["role"], content=content))
        counts += found
    return tuple(made), counts


@cache
def _schema(schema: type[BaseModel]) -> dict[str, Any]:
    return structured.schema_of(schema)


@cache
def _instruction(schema: type[BaseModel]) -> str:
    return structured.instruction(schema)
