"""The page on this machine's own address: what it answers, and what it lets a browser do.

Gradio's index page names outside addresses (fonts, a script for frames, pictures). They are taken
out here, and a Content-Security-Policy forbids the browser to ask any but this server. Of Gradio's
many paths only those stay open that the page needs: none that reads a file, takes an upload or
describes an interface.
"""

from __future__ import annotations

import errno
import json
import logging
import re
import socket
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mi_llm.door.endpoint import is_loopback
from mi_llm.errors import InputError

if TYPE_CHECKING:
    import gradio as gr

HOST = "127.0.0.1"

# Gradio's own scripts are inline, and it makes functions of text.
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
    "connect-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
)
_OPEN = re.compile(
    r"/|/(theme\.css|favicon\.ico)|/(assets|static)/[\w./-]+|"
    r"/gradio_api/(queue/(join|data)|heartbeat/\w+|cancel|reset|startup-events)"
)
_JOIN = "/gradio_api/queue/join"
_LONGEST = 1 << 20  # bytes of a body; the longest turn has 8,000 characters
_OUTSIDE = re.compile(
    r"<(?P<tag>link|meta|script)\b[^>]*?(?:https?://|/manifest\.json)[^>]*>(?:\s*</script>)?"
)

_Scope = MutableMapping[str, Any]
_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[_Scope, _Receive, _Send], Awaitable[None]]
_Inputs = Mapping[int, list[tuple[str, ...] | None]]


def bound(port: int) -> socket.socket:
    """A socket on this machine's own address alone; port 0 takes a free one.

    Raises:
        InputError: If the port is taken or cannot be used.
    """
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # not to wait after a restart
    try:
        made.bind((HOST, port))
        made.listen(128)
    except (OSError, OverflowError) as error:
        made.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise InputError(
                f"--port {port}: is taken; end what runs there, or give another, such as "
                f"--port {port + 1}"
            ) from None
        raise InputError(f"--port {port}: cannot be used: {str(error).lower()}") from None
    return made


def serve(page: gr.Blocks, listening: socket.socket) -> None:
    """Serve a page until the process is told to end."""
    import uvicorn

    inputs = {number: list(map(_choices, act.inputs)) for number, act in page.fns.items()}
    config = uvicorn.Config(
        guarded(_mounted(page), inputs),
        log_level="error",
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=1,  # an open page never ends its connection by itself
    )
    uvicorn.Server(config).run(sockets=[listening])


def guarded(app: _App, inputs: _Inputs | None = None) -> _App:
    """The app behind what the head of this file says.

    Args:
        app: What answers.
        inputs: What each act of the page takes, by its number: for each value the choices that
            there are, or None for any text; None: not looked at.
    """

    async def guard(scope: _Scope, receive: _Receive, send: _Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await app(scope, receive, send)
            return
        refused = _refusal(scope)
        if refused:
            await _answer(send, *refused)
            return
        if scope["path"] == _JOIN and inputs is not None:
            body = await _whole(receive)
            if not _can_be_done(body, inputs):
                await _answer(send, 400, "not what this page sends")
                return
            receive = _again(body, receive)
        is_index = scope["path"] == "/"
        if is_index:  # or it might come compressed
            kept = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
            scope = {**scope, "headers": kept}
        answer = _Index(send) if is_index else _headed(send)
        began = False

        async def answering(message: _Message) -> None:
            nonlocal began
            if message["type"] == "http.response.start" and message["status"] >= 500:
                raise _FailedError  # its body would tell the program's inside
            began = True
            await answer(message)

        try:
            await app(scope, receive, answering)
        except Exception as error:  # of Gradio or below: whatever a browser sent
            told = " ".join(str(error).split()) or type(error).__name__
            logging.getLogger("uvicorn.error").error("%s: %s", scope["path"], told)
            if began:
                await answer({"type": "http.response.body", "body": b""})
            else:
                await _answer(send, 400, "not what this page sends")

    return guard


class _FailedError(Exception):
    """An app says itself that it failed."""


async def _whole(receive: _Receive) -> bytes:
    """A request's body; what is beyond all that the page sends is left out."""
    body, more = b"", True
    while more:
        message = await receive()
        body = (body + message.get("body", b""))[: _LONGEST + 1]
        more = message.get("more_body", False)
    return body


def _again(body: bytes, receive: _Receive) -> _Receive:
    """A body that was read, once more, then what comes after it."""
    parts: list[_Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def received() -> _Message:
        return parts.pop() if parts else await receive()

    return received


def _can_be_done(body: bytes, inputs: _Inputs) -> bool:
    """Whether a body asks for an act of the page, with values that it takes."""
    try:
        told = json.loads(body) if len(body) <= _LONGEST else None
    except (ValueError, RecursionError):
        return False
    if not isinstance(told, dict) or not isinstance(told.get("data"), list):
        return False
    number, values = told.get("fn_index"), told["data"]
    if type(number) is not int or number not in inputs or len(inputs[number]) != len(values):
        return False
    pairs = zip(inputs[number], values, strict=True)
    return all(choices is None or value in (None, *choices) for choices, value in pairs)


def _choices(part: Any) -> tuple[str, ...] | None:
    """The values that a part of the page can have; None if it takes whatever is typed."""
    found = getattr(part, "choices", None)
    return None if found is None else tuple(value for _, value in found)


def without_outside(html: str) -> str:
    """Gradio's index page without the tags that name an outside address."""
    return _OUTSIDE.sub("", html)


class _Index:
    """Sends an index page whole, changed."""

    def __init__(self, send: _Send) -> None:
        self._send, self._body = send, b""
        self._start: _Message | None = None

    async def __call__(self, message: _Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._body += message.get("body", b"")
        if message.get("more_body") or self._start is None:
            return
        body = without_outside(self._body.decode()).encode()
        length = (b"content-length", str(len(body)).encode())
        kept = [one for one in self._start["headers"] if one[0] != b"content-length"]
        await _headed(self._send)({**self._start, "headers": [*kept, length]})
        await self._send({"type": "http.response.body", "body": body})


def _headed(send: _Send) -> _Send:
    async def headed(message: _Message) -> None:
        if message["type"] == "http.response.start":
            names = {name for name, _ in _HEADERS}
            kept = [one for one in message.get("headers", []) if one[0].lower() not in names]
            message = {**message, "headers": [*kept, *_HEADERS]}
        await send(message)

    return headed


def _refusal(scope: _Scope) -> tuple[int, str] | None:
    """Why a request is not answered.

    Another page, of a site or of another port of this machine, could send requests here from a
    player's browser, or come under a name of its own that leads to this address. A browser says
    where a request comes from, in one header or the other; who sends none is no browser.
    """
    headers: dict[bytes, list[str]] = defaultdict(list)
    for name, value in scope["headers"]:
        headers[name.lower()].append(value.decode("latin-1").lower())
    host = "".join(headers[b"host"])
    if not is_loopback(_host(f"//{host}")):
        return 403, "only by the address of this machine"
    opened = scope["method"] == "GET" and headers[b"sec-fetch-mode"] == ["navigate"]
    if any(origin != f"http://{host}" for origin in headers[b"origin"]) or not (
        opened or set(headers[b"sec-fetch-site"]) <= {"same-origin", "none"}
    ):
        return 403, "only from this page"
    if not _OPEN.fullmatch(scope["path"]) or ".." in scope["path"]:
        return 404, "no such path"
    return None


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


async def _answer(send: _Send, status: int, text: str) -> None:
    headers = [(b"content-type", b"text/plain"), *_HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})


def _mounted(page: gr.Blocks) -> _App:
    import fastapi
    import gradio as gr

    outer = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app: _App = gr.mount_gradio_app(
        outer,
        page,
        path="",  # "/" redirects to itself with current releases of FastAPI
        server_name=HOST,
        allowed_paths=[],
        show_error=False,
        show_api=False,
        ssr_mode=False,
        max_file_size=1,
    )
    return app
