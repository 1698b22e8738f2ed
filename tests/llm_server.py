"""A real HTTP server on loopback that speaks OpenAI's chat protocol, with answers from a script.

In a test: `with LLMServer(script) as server: ... server.base_url, server.received`.
As its own process: `python -m tests.llm_server --port 0 --faults 0.1 --seed 1 --latency 0.2 0.8`;
it prints its address, and answers `GET /stats`.
A request with `"stream": true` is answered in pieces. `GET .../models` names the model, if there is
only one; else the server knows no such path.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

REASONS = {200: "OK", 429: "Too Many Requests", 307: "Temporary Redirect"}


@dataclass(frozen=True, slots=True)
class Received:
    """A request that arrived: all its bytes, and which one it is for its prompt, from 1."""

    raw: bytes
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    time: int

    @property
    def prompt(self) -> str:
        """The first message of the user."""
        said = [each["content"] for each in self.body["messages"] if each["role"] == "user"]
        return str(said[0])

    @property
    def format(self) -> str:
        """The response format it asks for: json_schema, json_object or ""."""
        return str(self.body.get("response_format", {}).get("type", ""))


Shape = Callable[[str], dict[str, Any]]
"""From a text, or a piece of one in a stream, to the parts of a message."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server does: an answer, or an error if the status is not 200."""

    text: str = ""
    finish_reason: str | None = "stop"
    usage: bool = True
    status: int = 200
    error: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    reset: bool = False
    body: str | None = None  # sent as it is, instead of a completion
    piece: int = 3  # characters in each piece of a stream
    pause: float = 0.0  # seconds before each piece
    breaks_at: int | None = None  # the connection is cut after so many characters of a stream
    shape: Shape = lambda text: {"content": text}  # what the message holds beside its role


Script = Callable[[Received], Reply | str]


def too_many(retry_after: str = "0.05", code: str = "rate_limit_exceeded") -> Reply:
    return failed(429, code, headers={"Retry-After": retry_after})


def failed(
    status: int, code: str | None = None, message: str = "", headers: dict[str, str] | None = None
) -> Reply:
    return Reply(
        status=status,
        error={"message": message or f"scripted {status}", "type": "scripted", "code": code},
        headers=headers or {},
    )


BLANK = Reply("  \n")
CUT_OFF = Reply('{"reply": "我们可以', finish_reason="length")
NOT_JSON = Reply('{"reply": "好的"')
RESET = Reply(reset=True)
FAULTS: tuple[Reply, ...] = (too_many(), failed(500), RESET, BLANK, CUT_OFF, NOT_JSON)


def with_faults(
    script: Script, *, share: float, seed: int, faults: Sequence[Reply] = FAULTS
) -> Script:
    """The script with a share of faults; which request gets which depends on seed and prompt."""

    def faulty(received: Received) -> Reply | str:
        draw = random.Random(f"{seed} {received.prompt} {received.time}")
        return draw.choice(faults) if draw.random() < share else script(received)

    return faulty


def with_latency(script: Script, shortest: float, longest: float, *, seed: int) -> Script:
    """The script, each answer after a time drawn evenly from a span of seconds."""

    def slow(received: Received) -> Reply | str:
        answer = script(received)
        draw = random.Random(f"{seed} {received.prompt} {received.time}")
        reply = Reply(answer) if isinstance(answer, str) else answer
        return replace(reply, delay=draw.uniform(shortest, longest))

    return slow


def refusing(script: Script, *formats: str) -> Script:
    """The script of a server that answers 400 to some response formats."""

    def choosy(received: Received) -> Reply | str:
        if received.format in formats:
            return failed(400, message=f"type {received.format} is unavailable now")
        return script(received)

    return choosy


class LLMServer:
    """The server, in a thread of its own while the `with` block runs.

    Args:
        script: From a request to its answer.
        port: 0 takes a free one.
        key: If given, the only key that is taken.
        model: If given, the only model there is.
        owner: Whose the list of models says it is; LLaMA-Factory's server says `owner`.
    """

    def __init__(
        self,
        script: Script,
        *,
        port: int = 0,
        key: str | None = None,
        model: str | None = None,
        owner: str = "tests",
    ) -> None:
        self.owner = owner
        self.script, self.port, self.key, self.model = script, port, key, model
        self.received: list[Received] = []
        self.answered: Counter[str] = Counter()  # by prompt: with status 200, whole
        self.open = self.most_open = 0  # requests being worked on, now and at most
        self.latency = 0.0  # seconds, of all answers together
        self._times: Counter[str] = Counter()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def prompts(self) -> Counter[str]:
        """How many requests arrived for each prompt."""
        return Counter(received.prompt for received in self.received)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _stop(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, kept for as many requests as come."""
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")[:-2]
        method, path, _ = first.split(" ")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        if method == "GET":
            status, value = self._known(path)
            self._write(writer, status, json.dumps(value), {})
            return True
        received = self._noted(head + body, path, headers, json.loads(body))
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            return await self._answer(received, writer)
        finally:
            self.open -= 1

    def _noted(
        self, raw: bytes, path: str, headers: dict[str, str], body: dict[str, Any]
    ) -> Received:
        received = Received(raw, path, headers, body, 0)
        self._times[received.prompt] += 1
        received = replace(received, time=self._times[received.prompt])
        self.received.append(received)
        return received

    async def _answer(self, received: Received, writer: asyncio.StreamWriter) -> bool:
        answer = self._refusal(received) or self.script(received)
        reply = Reply(answer) if isinstance(answer, str) else answer
        self.latency += reply.delay
        await asyncio.sleep(reply.delay)
        if reply.reset:
            _cut(writer)
            return False
        if received.body.get("stream") and reply.status == 200 and reply.body is None:
            return await self._stream(received, reply, writer)
        text = reply.body if reply.body is not None else json.dumps(_completion(received, reply))
        self._write(writer, reply.status, text, reply.headers)
        await writer.drain()
        if reply.status == 200:
            self.answered[received.prompt] += 1
        return True

    async def _stream(self, received: Received, reply: Reply, writer: asyncio.StreamWriter) -> bool:
        """The answer as server-sent events; False if it was cut."""
        head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked"
        writer.write(f"{head}\r\n\r\n".encode())
        told = reply.text[: reply.breaks_at]
        for start in range(0, len(told), reply.piece):
            await asyncio.sleep(reply.pause)
            told_now = reply.shape(told[start : start + reply.piece])
            _write_event(writer, _piece(received, told_now, None))
            await writer.drain()
        if reply.breaks_at is not None:
            await asyncio.sleep(0.05)  # or what was sent before may be lost with the connection
            _cut(writer)
            return False
        _write_event(writer, _piece(received, {}, reply.finish_reason))
        if reply.usage:
            _write_event(writer, {**_completion(received, reply), "choices": []})
        _write_event(writer, "[DONE]")
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        self.answered[received.prompt] += 1
        return True

    def _known(self, path: str) -> tuple[int, dict[str, Any]]:
        """What GET answers: the models, or the counts."""
        if not path.endswith("/models"):
            return 200, self.stats()
        if self.model is None:
            return 404, {"error": {"message": "no such path"}}
        return 200, {"object": "list", "data": [{"id": self.model, "owned_by": self.owner}]}

    def _refusal(self, received: Received) -> Reply | None:
        if not received.path.endswith("/chat/completions"):
            return failed(404, message="no such path")
        if self.key and received.headers.get("authorization") != f"Bearer {self.key}":
            given = received.headers.get("authorization", "")
            return failed(401, "invalid_api_key", f"Incorrect API key provided: {given}")
        if self.model and received.body["model"] != self.model:
            return failed(404, "model_not_found", "no such model")
        return None

    def _write(
        self, writer: asyncio.StreamWriter, status: int, text: str, headers: dict[str, str]
    ) -> None:
        body = text.encode()
        sent = {"content-type": "application/json", "content-length": str(len(body)), **headers}
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Scripted')}"]
        lines += [f"{name}: {value}" for name, value in sent.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)

    def stats(self) -> dict[str, Any]:
        return {
            "received": len(self.received),
            "answered": sum(self.answered.values()),
            "latency": self.latency,
            "most_open": self.most_open,
        }


def _cut(writer: asyncio.StreamWriter) -> None:
    """End a connection without a farewell."""
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _write_event(writer: asyncio.StreamWriter, value: dict[str, Any] | str) -> None:
    text = value if isinstance(value, str) else json.dumps(value)
    data = f"data: {text}\n\n".encode()
    writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


def _piece(received: Received, delta: dict[str, Any], finish_reason: str | None) -> dict[str, Any]:
    return {
        "id": "chatcmpl-test",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": received.body["model"],
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
    }


def _completion(received: Received, reply: Reply) -> dict[str, Any]:
    if reply.status != 200:
        return {"error": reply.error}
    asked = sum(len(each["content"]) for each in received.body["messages"])
    made: dict[str, Any] = {
        "id": "chatcmpl-test",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": received.body["model"],
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", **reply.shape(reply.text)},
                "finish_reason": reply.finish_reason,
            }
        ],
    }
    if reply.usage:
        count = len(reply.text)
        made["usage"] = {
            "prompt_tokens": asked,
            "completion_tokens": count,
            "total_tokens": asked + count,
        }
    return made


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--faults", type=float, default=0.0, help="share of requests")
    parser.add_argument("--latency", type=float, nargs=2, default=(0.0, 0.0), help="seconds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--answer", default='{"reply": "好的"}')
    options = parser.parse_args()
    script: Script = lambda received: options.answer  # noqa: E731
    script = with_faults(script, share=options.faults, seed=options.seed)
    with LLMServer(
        with_latency(script, *options.latency, seed=options.seed), port=options.port
    ) as server:
        sys.stdout.write(server.base_url + "\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
