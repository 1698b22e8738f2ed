"""A model that is asked one request at a time, by many callers at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from mi_llm.door import conversation, examples
from mi_llm.door.answer import ending, outcome
from mi_llm.door.conversation import Answer, Message, Request, SetAside, Tally
from mi_llm.door.endpoint import Endpoint
from mi_llm.door.ledger import Ledger, Line
from mi_llm.door.sending import Sender, Unanswered
from mi_llm.door.spending import Purse, estimated_tokens
from mi_llm.errors import InputError, Stopped
from mi_llm.publishing import refuse_special

if TYPE_CHECKING:
    from types import TracebackType

_LOOK = 0.1  # seconds between looks at what another process is asking


class Door:
    """An endpoint with its ledger; an async context manager.

    Args:
        endpoint: Whom to ask.
        ledger: The file of answers; made if there is none.
        again: Ask once more for what the ledger holds no answer of use for.
        tally: Counts to fill.
    """

    def __init__(
        self, endpoint: Endpoint, ledger: Path, *, again: bool = False, tally: Tally | None = None
    ) -> None:
        self.endpoint, self.tally = endpoint, Tally() if tally is None else tally
        self._path, self._again = ledger, again
        self._waiting = 0

    async def __aenter__(self) -> Door:
        self._sender = Sender(self.endpoint, self.tally)
        self._purse = Purse(self.endpoint.prices, self.endpoint.budget)
        try:
            refuse_special(self._path)
            self._ledger = Ledger(self._path)
            self._see(self._ledger.refresh())
            self._see(self._ledger.repair())
        except BaseException:
            await self._sender.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._sender.close()
        self._ledger.close()

    @property
    def waiting(self) -> int:
        """Requests that wait for what another process is asking just now."""
        return self._waiting

    async def ask(self, request: Request) -> Answer | SetAside:
        """Ask, unless the ledger knows; ask again where the answer does not fit.

        Raises:
            InputError: If no request can go well: wrong key, address, model or parameter.
            Stopped: If the service is down, or quota, budget or disk are used up.
        """
        messages, masked = conversation.outgoing(request, mask=self.endpoint.mask)
        try:
            result, sent = await self._conversation(request, messages, fresh=False)
            if self._again and not sent and isinstance(result, SetAside):
                result, sent = await self._conversation(request, messages, fresh=True)
        except (InputError, Stopped) as error:
            self._sender.end(error)
            raise
        self.tally.count(result, masked, from_ledger=not sent)
        if isinstance(result, SetAside):
            self.endpoint.notes.take_reason(result.reason)
        else:
            self.endpoint.notes.take_answer(thought=result.thought)
        return result

    async def _conversation(
        self, request: Request, messages: tuple[Message, ...], *, fresh: bool
    ) -> tuple[Answer | SetAside, bool]:
        """What becomes of a request, and whether anything was sent for it."""
        sent, reason, text = False, "", ""
        for number in range(conversation.ASKS):
            try:
                line, held = await self._line(request, messages, number, fresh=fresh)
            except Unanswered as none:
                return SetAside(request.id, str(none), text), True
            sent = sent or not held
            came = outcome(line.text, line.finish_reason)
            value, problem = conversation.judged(request, came)
            if problem is None:
                answer = Answer(
                    request.id,
                    came.said,
                    value,
                    line.tokens_in,
                    line.tokens_out,
                    from_ledger=not sent,
                    finish_reason=line.finish_reason,
                    cut_off=came.ending == "cut off",
                    thought=came.thought != "",
                )
                return answer, sent
            reason, text = problem, came.said
            if problem.startswith(examples.COPIED):
                self.tally.copied += 1
                self.endpoint.notes.copies += 1
            if came.ending == "refused":
                break
            messages = conversation.next_messages(messages, came, problem, self.endpoint)
        return SetAside(request.id, reason, text), sent

    async def _line(
        self, request: Request, messages: tuple[Message, ...], number: int, *, fresh: bool
    ) -> tuple[Line, bool]:
        """The answer to these messages, and whether the ledger held it."""
        key = conversation.key(request, messages, number, self.endpoint)
        claimed = False
        try:
            while True:
                self._see(self._ledger.refresh())  # others append to it too
                line = None if fresh else self._ledger.get(key)
                # Earlier versions kept what a service had broken off; that is asked again.
                if line and ending(line.finish_reason) != "passing":
                    return line, True
                if claimed:
                    return await self._paid(request, messages, key), False
                self._sender.require_open()
                claimed = self._ledger.claim(key)
                if not claimed:
                    await self._wait()
        finally:
            if claimed:
                self._ledger.release(key)

    async def _wait(self) -> None:
        self._waiting += 1
        try:
            await asyncio.sleep(_LOOK)
        finally:
            self._waiting -= 1

    async def _paid(self, request: Request, messages: tuple[Message, ...], key: str) -> Line:
        """The endpoint's answer to these messages, paid for and in the ledger."""
        endpoint = self.endpoint
        most = (estimated_tokens(each["content"] for each in messages), endpoint.max_tokens)
        async with self._purse.reserved(endpoint.model, most):
            self._ledger.require_room()
            reply = await self._sender.send(messages, request.schema)
            _, problem = conversation.judged(request, outcome(reply.text, reply.finish_reason))
            line = Line(
                key=key,
                id=request.id,
                model=endpoint.model,
                host=endpoint.host,
                at_most_in=most[0],
                at_most_out=most[1],
                prompt=request.prompt_sha,
                problem=problem,
                **asdict(reply),
            )
            self.tally.cost += self._purse.cost(line.model, line.tokens)
            self.tally.uncounted += line.tokens_in is None or line.tokens_out is None
            self._see(self._ledger.append(line))
            await self._ledger.sync()
        return line

    def _see(self, lines: Iterable[Line]) -> None:
        """Count what was paid for, by this run, an earlier one or another process."""
        for line in lines:
            self._purse.pay(line.model, line.tokens)
