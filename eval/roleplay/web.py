"""The page on this machine's own address: what it answers, and what it lets a browser do.

Gradio's index page names outside addresses (fonts, a script for frames, pictures). They are taken
out here, and a Content-Security-Policy forbids the browser to ask any but this server. Of Gradio's
many paths only those stay open that the page needs: none that reads a file, takes an upload or
describes an interface.
"""

from __future__ import annotations

import errno
import re
import socket
from collections import defaultdict
from collections.abc import Awaitable, Callable, MutableMapping
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
_OUTSIDE = re.compile(
    r"<(?P<tag>link|meta|script)\b[^>]*?(?:https?://|/manifest\.json)[^>]*>(?:\s*</script>)?"
)

_Scope = MutableMapping[str, Any]
_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[_Scope, _Receive, _Send], Awaitable[None]]


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

    config = uvicorn.Config(
        guarded(_mounted(page)),
        log_level="error",
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=1,  # an open page never ends its connection by itself
    )
    uvicorn.Server(config).run(sockets=[listening])


def guarded(app: _App) -> _App:
    """The app behind what the head of this file says."""

    async def guard(scope: _Scope, receive: _Receive, send: _Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await app(scope, receive, send)
            return
        refused = _refusal(scope)
        if refused:
            await _answer(send, *refused)
            return
        is_index = scope["path"] == "/"
        if is_index:  # or it might come compressed
            kept = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
            scope = {**scope, "headers": kept}
        await app(scope, receive, _Index(send) if is_index else _headed(send))

    return guard


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
