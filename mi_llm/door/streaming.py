"""One reply for a person who waits for it: no ledger, no second attempt.

It is read as the model writes it, so that --timeout is for a silence and not for the whole, and
handed out when all of it is there: only its end tells that it has one, that no filter took it back,
and what of it was thought and not said.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from mi_llm.characters import is_blank
from mi_llm.door.answer import Outcome, Pieces, outcome
from mi_llm.door.conversation import (
    ASKS,
    Answer,
    Message,
    Request,
    SetAside,
    Tally,
    judged,
    next_messages,
    outgoing,
)
from mi_llm.door.endpoint import Endpoint, api_key, client
from mi_llm.door.faults import Fault, fault_of, no_service
from mi_llm.door.sending import Sender, Unanswered, read
from mi_llm.errors import InputError, Stopped

if TYPE_CHECKING:
    from openai import AsyncOpenAI

Kind = Literal["away", "refused", "filtered", "broken", "blank"]
_KINDS: dict[str, Kind] = {"refused": "refused", "long": "refused", "filtered": "filtered"}


class NoReply(Exception):  # noqa: N818 a result for one request, not the program's error
    """No whole reply came.

    The message says why in one line; it may name address and model, the attributes do not.

    Attributes:
        kind: `away`: no answer, or one that may go well later; `refused`: this will not go well
            again; `filtered`: the service's content filter; `broken`: it ended before its end;
            `blank`: nothing is said in it.
        status: HTTP status; None if none came or it does not matter.
    """

    def __init__(self, kind: Kind, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.kind, self.status = kind, status


async def replied(endpoint: Endpoint, messages: Sequence[Message]) -> Outcome:
    """A model's reply, when all of it is there.

    Personal data is masked before it is sent if `endpoint.mask` says so.

    Returns:
        What it says; `cut off` where the model had no room to say more, `whole` else.

    Raises:
        NoReply: If none comes, or not all of it.
    """
    try:
        key = api_key(endpoint.host)
        async with client(endpoint, key) as connection:
            text, reason = await _received(connection, endpoint, key, messages)
    except InputError as error:
        raise NoReply("refused", str(error)) from None
    except Stopped as error:
        raise NoReply("away", str(error)) from None
    came = outcome(text, reason)
    if came.ending == "refused":
        raise NoReply("filtered", f"the service filtered the reply ({reason})")
    if not came.usable:
        kind: Kind = "away" if came.ending == "passing" else "broken"
        raise NoReply(kind, f"the reply broke off: {came.problem}")
    if is_blank(came.said):
        raise NoReply("blank", f"{endpoint.model} said nothing that can be seen: {came.problem}")
    return came


async def asked(endpoint: Endpoint, request: Request) -> Answer | SetAside:
    """What becomes of a request that somebody waits for; kept in no ledger.

    What does not fit is asked for again as elsewhere; a service that does not answer is not.
    """
    sent, _ = outgoing(request, mask=endpoint.mask)
    reason, text = "", ""
    try:
        sender = Sender(replace(endpoint, attempts=1), Tally())
        try:
            for _ in range(ASKS):
                reply = await sender.send(sent, request.schema)
                came = outcome(reply.text, reply.finish_reason)
                value, problem = judged(request, came)
                if problem is None:
                    tokens = reply.tokens_in, reply.tokens_out
                    return Answer(request.id, came.said, value, *tokens, from_ledger=False)
                reason, text = problem, came.said
                if came.ending == "refused":
                    break
                sent = next_messages(sent, came, problem, endpoint)
        finally:
            await sender.close()
    except Unanswered as none:
        return SetAside(request.id, str(none), text)
    except (InputError, Stopped) as error:
        return SetAside(request.id, f"no answer: {error}", text)
    return SetAside(request.id, reason, text)


async def _received(
    connection: AsyncOpenAI, endpoint: Endpoint, key: str, messages: Sequence[Message]
) -> tuple[str, str]:
    """Text and finish reason of a reply that came to its end."""
    import httpx2
    import openai

    sent, _ = outgoing(Request("stream", tuple(messages)), mask=endpoint.mask)
    body = {"model": endpoint.model, "messages": sent, "stream": True} | endpoint.parameters
    pieces, began, reason = Pieces(), False, ""
    try:
        stream = await connection.post(
            "/chat/completions",
            body=body,
            cast_to=object,
            stream=True,
            stream_cls=openai.AsyncStream[object],
        )
        _refuse_page(stream.response, endpoint)
        if "json" in stream.response.headers.get("content-type", ""):
            return _unstreamed(await stream.response.aread(), endpoint)
        async for chunk in stream:
            began = True
            reason = _read(chunk, pieces) or reason
    except openai.APIError as error:
        fault = fault_of(error, endpoint, key)
        told = fault.reason or str(error)
        if began and fault.status is None and fault.kind != "silent":
            raise NoReply("broken", f"the reply broke off: {told}") from None
        raise NoReply(_KINDS.get(fault.kind, "away"), told, fault.status) from None
    except (httpx2.HTTPError, json.JSONDecodeError) as error:  # what the client does not wrap
        raise NoReply("broken", f"the reply broke off: {error or type(error).__name__}") from None
    if not reason:
        raise NoReply("broken", "the reply broke off: it came without its end")
    return pieces.whole(reason)


def _unstreamed(body: bytes, endpoint: Endpoint) -> tuple[str, str]:
    """Text and finish reason where a service sends all at once, whatever it was asked for."""
    came = read(json.loads(body), endpoint)
    if isinstance(came, Fault):
        raise NoReply("broken", f"the reply broke off: {came.reason}")
    return came[:2]


def _refuse_page(response: Any, endpoint: Endpoint) -> None:
    """Raise `InputError` if a web page came where a reply was expected."""
    if "html" in response.headers.get("content-type", ""):
        raise InputError(no_service("a page", response.status_code, endpoint))


def _read(chunk: Any, pieces: Pieces) -> str:
    """Take what a chunk brings; its finish reason, "" where it has none yet."""
    try:
        choice = chunk["choices"][0]
        pieces.add(choice.get("delta") or {})
        reason = choice.get("finish_reason")
    except (AttributeError, IndexError, KeyError, TypeError):
        return ""  # such as the count of tokens
    return "" if reason in (None, "", "null") else str(reason)
