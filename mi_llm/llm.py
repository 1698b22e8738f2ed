"""The one door to language models: `ask_all` for a job, `Door` for conversations.

    request -> masked -> in the ledger? -> a turn -> endpoint -> ledger -> judged -> Answer
                                             ^                                |
                                             +----- asked again, twice -------+--> SetAside

Nothing whose answer the ledger holds is asked again, whatever happened in between.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import current_thread, main_thread

from mi_llm.door import conversation
from mi_llm.door.conversation import Answer, Message, Request, SetAside, Tally
from mi_llm.door.door import Door
from mi_llm.door.endpoint import Endpoint
from mi_llm.door.ledger import Ledger
from mi_llm.door.progress import Progress
from mi_llm.door.spending import Plan, estimated_tokens
from mi_llm.errors import InputError, Stopped

__all__ = [
    "Answer",
    "Door",
    "Endpoint",
    "Message",
    "Plan",
    "Request",
    "SetAside",
    "Tally",
    "ask_all",
    "plan",
]

_Task = asyncio.Task[Answer | SetAside]


def ask_all(
    requests: Iterable[Request],
    endpoint: Endpoint,
    ledger: Path,
    *,
    progress: bool,
    again: bool = False,
    tally: Tally | None = None,
) -> Iterator[Answer | SetAside]:
    """Ask many; yield what becomes of each, as it comes, not in their order.

    Requests are read as they are needed. What is in flight when something ends the run is waited
    for, recorded and yielded first.

    Args:
        requests: What to ask.
        endpoint: Whom.
        ledger: The file of answers.
        progress: Show how far it is on standard error.
        again: Ask once more for what the ledger holds no answer of use for.
        tally: Counts to fill, for a report.

    Raises:
        InputError: If the key, the address, the model or a request is wrong.
        Stopped: If the service, the budget or the disk ended it.
    """
    currency = endpoint.prices.currency if endpoint.prices else ""
    with asyncio.Runner() as runner, Progress(requests, currency, shown=progress) as shown:
        door = Door(endpoint, ledger, again=again, tally=tally)
        runner.run(door.__aenter__())
        tasks: set[_Task] = set()
        with _interrupts(runner.get_loop()) as interrupted:
            try:
                for result in _results(runner, door, iter(requests), tasks, interrupted):
                    shown.update(door.tally)
                    yield result
            finally:
                runner.run(_leave(door, tasks))


def _results(
    runner: asyncio.Runner,
    door: Door,
    requests: Iterator[Request],
    tasks: set[_Task],
    interrupted: asyncio.Event,
) -> Iterator[Answer | SetAside]:
    """Keep the door busy and yield what is done; at the end raise what ended it, if anything."""
    end: Exception | None = None
    more = True
    while more or tasks:
        # What waits for another process is no reason to be idle: it shares the work.
        while more and len(tasks) - door.waiting < 2 * door.endpoint.concurrency:
            try:
                request = next(requests)
            except StopIteration:
                more = False
            except (InputError, Stopped) as error:
                more, end = False, error
            else:
                tasks.add(runner.get_loop().create_task(door.ask(request)))
        done = runner.run(_some(tasks, interrupted))
        if interrupted.is_set():
            raise KeyboardInterrupt
        for task in done:
            tasks.discard(task)
            try:
                result = task.result()
            except (InputError, Stopped) as error:
                more, end = False, end or error
            else:
                yield result
    if end:
        raise end


async def _some(tasks: set[_Task], interrupted: asyncio.Event) -> set[_Task]:
    """Those that are done, as soon as one is; none if Ctrl-C came first."""
    if not tasks:
        return set()
    ctrl_c = asyncio.ensure_future(interrupted.wait())
    await asyncio.wait({*tasks, ctrl_c}, return_when=asyncio.FIRST_COMPLETED)
    ctrl_c.cancel()
    return {task for task in tasks if task.done()}


@contextmanager
def _interrupts(loop: asyncio.AbstractEventLoop) -> Iterator[asyncio.Event]:
    """An event that Ctrl-C sets, between two steps of the loop.

    Python's own handler would break into whatever step is running; what that leaves half done, in
    a connection say, then fails when it is closed.
    """
    interrupted = asyncio.Event()
    if current_thread() is not main_thread():  # signals are the main thread's
        yield interrupted
        return
    before = signal.getsignal(signal.SIGINT)
    loop.add_signal_handler(signal.SIGINT, interrupted.set)
    try:
        yield interrupted
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)


async def _leave(door: Door, tasks: set[_Task]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await door.__aexit__(None, None, None)


def plan(requests: Iterable[Request], endpoint: Endpoint, ledger: Path) -> Plan:
    """What `ask_all` would send and what it may cost; nothing is sent, no file is made."""
    count = held = tokens = 0
    keys = _held_keys(ledger)
    for request in requests:
        messages, _ = conversation.outgoing(request, mask=endpoint.mask)
        count += 1
        if conversation.key(request, messages, 0, endpoint) in keys:
            held += 1
        else:
            tokens += estimated_tokens(message["content"] for message in messages)
    most = (count - held) * endpoint.max_tokens
    prices = endpoint.prices
    cost = prices.cost(endpoint.model, tokens, most) if prices else None
    return Plan(count, held, tokens, most, cost, prices.currency if prices else "")


def _held_keys(path: Path) -> set[str]:
    if not path.exists():
        return set()
    with Ledger(path) as ledger:
        return {line.key for line in ledger.refresh()}
