"""One reply, piece by piece as the model writes it, for a person who waits for it.

No ledger, no second attempt: a reply comes whole or not at all, and the person decides what then.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Literal

from mi_llm.door.conversation import FILTERED, Answer, Message, Request, SetAside, judged, outgoing
from mi_llm.door.endpoint import Endpoint, api_key, client
from mi_llm.door.faults import fault_of
from mi_llm.errors import InputError, Stopped

if TYPE_CHECKING:
    from openai import AsyncOpenAI

Kind = Literal["away", "refused", "filtered", "broken", "blank"]


class NoReply(Exception):  # noqa: N818 a result for one request, not the program's error
    """No whole reply came.

    The message says why in one line; it may name address and model, the attributes do not.

    Attributes:
        kind: `away`: no answer, or one that may go well later; `refused`: this will not go well
            again; `filtered`: the service's content filter; `broken`: it ended before its end;
            `blank`: nothing can be seen in it.
        status: HTTP status; None if none came or it does not matter.
    """

    def __init__(self, kind: Kind, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.kind, self.status = kind, status


async def streamed(endpoint: Endpoint, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
    """Yield the pieces of a reply; together they are the whole of it.

    Personal data is masked before it is sent if `endpoint.mask` says so. A reply cut off at
    `max_tokens` is whole: it is what the model had to say within the limit.

    Raises:
        NoReply: If none comes, or not all of it; what was yielded before is then no reply.
    """
    text = ""
    try:
        key = api_key(endpoint.host)
        async with client(endpoint, key) as connection:
            async for piece in _pieces(connection, endpoint, key, messages):
                text += piece
                yield piece
    except InputError as error:
        raise NoReply("refused", str(error)) from None
    except Stopped as error:
        raise NoReply("away", str(error)) from None
    if not text.strip():
        raise NoReply("blank", f"{endpoint.model} answered without a visible character")


async def asked_once(endpoint: Endpoint, request: Request) -> Answer | SetAside:
    """What becomes of a request that somebody waits for: asked once, kept in no ledger."""
    messages, _ = outgoing(request, mask=endpoint.mask)
    text = ""
    try:
        async with aclosing(streamed(endpoint, messages)) as pieces:
            async for piece in pieces:
                text += piece
    except NoReply as error:
        return SetAside(request.id, f"no answer: {error}", text)
    value, problem = judged(request, text, "stop")
    if problem:
        return SetAside(request.id, problem, text)
    return Answer(request.id, text, value, None, None, from_ledger=False)


async def _pieces(
    connection: AsyncOpenAI, endpoint: Endpoint, key: str, messages: Sequence[Message]
) -> AsyncIterator[str]:
    import httpx2
    import openai

    sent, _ = outgoing(Request("stream", tuple(messages)), mask=endpoint.mask)
    messages_out: Any = list(sent)  # OpenAI's union of message types, of which ours is a part
    began, ended = False, None
    try:
        stream = await connection.chat.completions.create(
            model=endpoint.model,
            messages=messages_out,
            stream=True,
            extra_body=endpoint.parameters,
        )
        async for chunk in stream:
            began = True
            piece, reason = _read(chunk)
            ended = reason or ended
            if piece:
                yield piece
    except openai.APIError as error:
        fault = fault_of(error, endpoint, key)
        reason = fault.reason or str(error)  # httpx2's own timeouts say nothing
        if began and fault.status is None:
            raise NoReply("broken", f"the reply broke off: {reason}") from None
        kind: Kind = "away" if fault.kind == "passing" else fault.kind
        raise NoReply(kind, reason, fault.status) from None
    except (httpx2.HTTPError, json.JSONDecodeError) as error:  # where the client does not wrap them
        raise NoReply("broken", f"the reply broke off: {error or type(error).__name__}") from None
    if ended is None:
        raise NoReply("broken", "the reply broke off: it came without its end")
    if ended in FILTERED:
        raise NoReply("filtered", f"the service filtered the reply ({ended})")


def _read(chunk: Any) -> tuple[str, str | None]:
    """Text and finish reason of a chunk; one may have neither, such as the count of tokens."""
    try:
        choice = chunk.choices[0]
        return choice.delta.content or "", choice.finish_reason
    except (AttributeError, IndexError, TypeError):
        return "", None
