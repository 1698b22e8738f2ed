"""One request to an endpoint until it is answered: its turn, faults, pauses, response formats."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from mi_llm.door import structured
from mi_llm.door.answer import completion, ending
from mi_llm.door.endpoint import Endpoint, api_key, client
from mi_llm.door.faults import Fault, fault_of, is_service, no_service, page_in
from mi_llm.door.ledger import MOST
from mi_llm.door.pacing import Pace, pause_after
from mi_llm.door.reaching import look_at
from mi_llm.errors import InputError, Stopped

if TYPE_CHECKING:
    from pydantic import BaseModel

    from mi_llm.door.conversation import Message, Tally

_OK, _TOO_MANY = 200, 429
_REFUSED_MODE = {400, 422}  # what servers say to a response_format that they do not know
_FAILED_MODE = {500, 501}  # what some say, each time, to one that they fail at
_PAGES = 3  # how often a web page is looked at before anything was ever answered
_SILENCES = 2  # how often --timeout is waited out before it is taken as lasting

_Content = tuple[str, str, int | None, int | None]  # text, finish reason, tokens in and out


@dataclass(frozen=True, slots=True)
class Reply:
    """What an endpoint answered; the attributes are those of `mi_llm.door.ledger.Line`."""

    text: str
    finish_reason: str
    tokens_in: int | None
    tokens_out: int | None
    asked: str
    attempts: int
    mode: str


class Unanswered(Exception):  # noqa: N818 a result for one request, not the program's error
    """One request gets no answer, though others do; the message says why, first the kind."""


class Sender:
    """An endpoint's client, with the pace that all its callers share.

    Args:
        endpoint: Whom to ask.
        tally: Where requests that go out are counted.
    """

    def __init__(self, endpoint: Endpoint, tally: Tally) -> None:
        self._endpoint, self._tally = endpoint, tally
        self._key = api_key(endpoint.host)
        self._client = client(endpoint, self._key)
        self._pace = Pace(endpoint.concurrency, endpoint.rpm)
        self._modes: dict[type[BaseModel], structured.Mode] = {}  # those that the server took
        self._answers = 0
        self._looking, self._served = asyncio.Lock(), False
        self._is_llamafactory = False
        self._end: InputError | Stopped | None = None

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def end(self, error: InputError | Stopped) -> None:
        """Send nothing more: whoever wants to is told why; what is in flight may still come."""
        self._end = self._end or error
        self._pace.end_pause()

    def require_open(self) -> None:
        """Raise what ended the sending, if anything did."""
        if self._end:
            raise self._end

    async def send(self, messages: tuple[Message, ...], schema: type[BaseModel] | None) -> Reply:
        """The answer to some messages.

        Raises:
            Unanswered: If this request is refused, or fails again and again while others do not.
            InputError: If no request can go well as they are made.
            Stopped: If the service stays away or has no quota left.
        """
        await self._require_served()
        attempt, total, answers_before = 0, 0, self._answers
        mode = structured.MODES[0] if schema else None
        while True:
            attempt, total = attempt + 1, total + 1
            asked = datetime.now(UTC).isoformat(timespec="seconds")
            came, mode = await self._once(messages, schema, mode)
            if not isinstance(came, Fault):
                self._answers += 1
                if schema and mode:
                    self._modes[schema] = mode
                return Reply(*came, asked, total, mode or "")
            if came.kind == "filtered":
                return Reply(came.reason, "content_filter", None, None, asked, total, mode or "")
            if came.kind == "long":
                raise Unanswered(came.reason)
            if came.kind == "refused":
                mode = self._simpler(schema, mode, came)
                attempt -= 1
                continue
            failed = came.status in _FAILED_MODE and attempt >= min(2, self._endpoint.attempts)
            if failed and self._may_be_simpler(schema, mode):
                mode, attempt = self._next(mode), 0
            if attempt >= self._attempts(came):
                self._give_up(came, others_fared_better=self._answers > answers_before)
                attempt, answers_before = 0, self._answers
            self._pace.pause(pause_after(max(attempt, 1), self._endpoint.first_pause, came.wait))

    async def _once(
        self,
        messages: tuple[Message, ...],
        schema: type[BaseModel] | None,
        mode: structured.Mode | None,
    ) -> tuple[_Content | Fault, structured.Mode | None]:
        """What comes of sending once, and how structure was asked for: as is known by then."""
        import openai

        body: dict[str, Any] = {"model": self._endpoint.model, "messages": messages}
        async with self._pace.turn():
            self.require_open()
            self._tally.sent += 1
            if schema and mode:
                mode = self._modes.get(schema, mode)
                body |= structured.response_format(schema, mode)
            try:
                # Not chat.completions.create: it takes a third more CPU to walk through messages
                # and schema, and to build an object of what may be no completion.
                came = await self._client.post(
                    "/chat/completions", body=body | self._endpoint.parameters, cast_to=object
                )
            except (openai.APIError, json.JSONDecodeError) as error:
                failed: Exception = error
            else:
                return self._meant(read(came, self._endpoint)), mode
        return fault_of(failed, self._endpoint, self._key), mode

    def _meant(self, came: _Content | Fault) -> _Content | Fault:
        """An answer with `stop` where LLaMA-Factory's server says `length` of an end below it.

        It says so of one that ends with a token of the template's that is not the tokenizer's end:
        glm4's `<|user|>` (`hf_engine.py` of 0.9.3).
        """
        if not self._is_llamafactory or isinstance(came, Fault):
            return came
        text, reason, tokens_in, tokens_out = came
        below = tokens_out is not None and tokens_out < self._endpoint.max_tokens
        reason = "stop" if reason == "length" and below else reason
        return text, reason, tokens_in, tokens_out

    def _simpler(
        self, schema: type[BaseModel] | None, mode: structured.Mode | None, fault: Fault
    ) -> structured.Mode | None:
        """The next way to ask for structure, if the refusal may have been for this one.

        Only an answer tells that a server knows a way: then a refusal of it is for the request.
        """
        if fault.status not in _REFUSED_MODE or not self._may_be_simpler(schema, mode):
            raise Unanswered(f"no answer: {fault.reason}")
        return self._next(mode)

    def _may_be_simpler(self, schema: type[BaseModel] | None, mode: structured.Mode | None) -> bool:
        last = mode == structured.MODES[-1]
        known = schema is not None and self._modes.get(schema) == mode
        return not (mode is None or last or known)

    def _next(self, mode: structured.Mode | None) -> structured.Mode:
        return structured.MODES[structured.MODES.index(mode or structured.MODES[0]) + 1]

    def _attempts(self, fault: Fault) -> int:
        """How often a request is sent that meets this fault."""
        most = self._endpoint.attempts
        if fault.kind == "page" and not self._answers:
            return min(most, _PAGES)
        return min(most, _SILENCES) if fault.kind == "silent" else most

    def _give_up(self, fault: Fault, *, others_fared_better: bool) -> None:
        """End the run if the fault is everyone's, the request if it is its own.

        "Too many" while others are answered is neither: its turn will come.
        """
        attempts = self._attempts(fault)
        told = f"{fault.reason} ({attempts} attempt{'s' if attempts > 1 else ''})"
        if not others_fared_better:
            never = fault.kind == "page" and fault.status == _OK and not self._answers
            raise (InputError if never else Stopped)(
                f"{self._endpoint.base_url} does not answer: {told}"
            )
        if fault.status != _TOO_MANY:
            raise Unanswered(f"no answer: {told}")

    async def _require_served(self) -> None:
        """Before the first request of all: is anybody there?"""
        async with self._looking:
            self.require_open()
            if self._served:
                return
            try:
                self._is_llamafactory = await look_at(self._client, self._endpoint, down=Stopped)
            except (InputError, Stopped) as error:
                self.end(error)
                raise
            self._served = True


def _count(told: Any) -> int | None:
    """A count of tokens; None where the server told none, or one that no answer can have."""
    return told if type(told) is int and 0 <= told <= MOST else None


def read(came: Any, endpoint: Endpoint) -> _Content | Fault:
    """Text, finish reason and tokens; a fault if it is no completion, whatever its status was."""
    if isinstance(came, str) and (page := page_in(came)) is not None:
        return Fault("page", 200, no_service(page, 200, endpoint))
    try:
        if came.get("error"):  # whatever came beside it
            raise KeyError("choices")
        text, reason = completion(came["choices"][0])
        usage = came.get("usage") or {}
        tokens = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    except (AttributeError, IndexError, KeyError, TypeError):
        # What is no service says neither an answer nor an error, however often it is asked.
        kind: Literal["passing", "page"] = "passing" if is_service(came) else "page"
        return Fault(kind, _OK, f"no completion came, but {str(came)[:80]!r}")
    if ending(reason) == "passing":
        return Fault("passing", 200, f"the service broke its answer off ({reason})")
    return text, reason, *tokens
