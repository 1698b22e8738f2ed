"""Whether a service is there at all and has the model, asked before anything long is begun.

What is asked for is the list of its models, which costs nothing and takes no time: so a silence
here is no slow model, and a wrong address is told in seconds.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mi_llm.door.endpoint import AZURE_HOSTS, Endpoint, api_key, client
from mi_llm.door.faults import (
    address_hint,
    is_service,
    likely_url,
    no_service,
    page_in,
    raise_redirect,
)
from mi_llm.errors import InputError, Stopped

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_SECONDS = 6.0  # to wait for the list
_BESIDE = 3.0  # to wait for what another address of a server that answered says
_ASIDE = 1.0  # seconds for each further look, once it is known that something is wrong
_LISTED = 10  # names told
_NO_SUCH_NAME = (
    "name or service not known",
    "nodename nor servname",
    "name resolution",
    "no address",
)
_KEY_REFUSED = {401, 403}
_LEAST_ERROR, _INTERNAL = 400, 500
_NOT_THERE = {404, 405, 501}  # what servers without a list of models say, or at a wrong path


def require_served(endpoint: Endpoint) -> None:
    """Make sure, for a command that talks with a model later, that it is there now.

    Raises:
        InputError: If it cannot be reached, refuses the key, or lists other models only.
    """

    async def look() -> None:
        async with client(endpoint, api_key(endpoint.host)) as connection:
            await look_at(connection, endpoint, down=InputError)

    # Not asyncio.run, which leaves the thread without a loop: Gradio looks for one later.
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(look())
    finally:
        loop.close()


async def look_at(
    connection: AsyncOpenAI, endpoint: Endpoint, *, down: type[InputError | Stopped]
) -> bool:
    """Make sure that a service is there and has the model.

    A service that keeps no list of its models passes, as does one elsewhere whose list has not the
    model: lists of large services leave some out. Azure, which lists no deployments, is not asked.

    Args:
        connection: The client that will ask it.
        endpoint: What is asked; without a model's name any list will do.
        down: What to raise where nobody answers.

    Returns:
        Whether it is LLaMA-Factory's own server, by its list.

    Raises:
        InputError: If the address, the key or the model is wrong.
        Stopped: If nobody answers for now and `down` says so.
    """
    import openai

    if endpoint.host.endswith(AZURE_HOSTS):
        return False
    try:
        came = await asyncio.wait_for(_got(connection, "/models"), _SECONDS)
    except openai.APIStatusError as error:
        await _judge_status(connection, endpoint, error, down)
    except (openai.APIError, TimeoutError) as error:
        reason, lasting = await asyncio.to_thread(_why, endpoint, error)
        wanted = f" for model {endpoint.model!r}" if endpoint.model else ""
        kind = InputError if lasting else down
        raise kind(f"{endpoint.base_url}: no server answers{wanted} ({reason})") from None
    except json.JSONDecodeError:
        return False
    else:
        await _judge_list(connection, endpoint, came, down)
        return _is_llamafactory(came)
    return False


async def _got(connection: AsyncOpenAI, path: str) -> Any:
    return await connection.get(path, cast_to=object)


async def _judge_status(
    connection: AsyncOpenAI,
    endpoint: Endpoint,
    error: Any,
    down: type[InputError | Stopped],
) -> None:
    status, page = error.status_code, page_in(error.response.text)
    if status < _LEAST_ERROR:
        raise_redirect(error, endpoint)
    if status in _NOT_THERE:
        await _require_no_better(connection, endpoint)
        if down is InputError:
            await _require_chat(connection, endpoint)
    elif page is not None and status != _INTERNAL:
        kind = down if status >= _INTERNAL else InputError
        raise kind(no_service(page, status, endpoint))
    elif down is Stopped:
        return  # a key may be good for answers and not for the list: the first answer tells
    elif status in _KEY_REFUSED:
        raise InputError(f"{endpoint.base_url} refuses the key; set MI_LLM_API_KEY")
    elif status >= _INTERNAL:
        raise InputError(
            f"{endpoint.base_url}: the server answers HTTP {status}; is it still starting?"
        )


async def _judge_list(
    connection: AsyncOpenAI, endpoint: Endpoint, came: Any, down: type[InputError | Stopped]
) -> None:
    if isinstance(came, str) and (page := page_in(came)) is not None:
        await _require_no_better(connection, endpoint)
        raise InputError(no_service(page, 200, endpoint))
    names = _names(came)
    if names is None:  # LM Studio answers 200 to whatever it does not know
        await _require_no_better(connection, endpoint)
        if down is InputError:
            await _require_chat(connection, endpoint)
    if names is None or endpoint.model in ("", *names) or f"{endpoint.model}:latest" in names:
        return
    if endpoint.host == "loopback":
        raise InputError(_other_models(endpoint, names))


def _other_models(endpoint: Endpoint, names: list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return (
        f"model {endpoint.model!r} is not served at {endpoint.base_url}; "
        f"there are: {', '.join(names[:_LISTED]) or 'none'}{more}"
    )


async def _require_no_better(connection: AsyncOpenAI, endpoint: Endpoint) -> None:
    """Raise `InputError` if models are listed at an address that was likely meant."""
    import openai

    parts = urlsplit(endpoint.base_url)
    likely = (likely_url(endpoint.base_url), f"{parts.scheme}://{parts.netloc}/v1")
    for meant in dict.fromkeys(likely):
        if meant == endpoint.base_url.rstrip("/"):
            continue
        with suppress(openai.APIError, TimeoutError, json.JSONDecodeError):
            there = connection.with_options(base_url=meant)
            if _names(await asyncio.wait_for(_got(there, "/models"), _BESIDE)) is not None:
                raise InputError(
                    f"{endpoint.base_url} is not where the model answers; give --base-url {meant}"
                )


async def _require_chat(connection: AsyncOpenAI, endpoint: Endpoint) -> None:
    """Raise `InputError` if no service stands there either where answers are asked for.

    An empty request is refused by every one that is there, and costs nothing.
    """
    import openai

    try:
        asked = connection.post("/chat/completions", body={}, cast_to=object)
        came = await asyncio.wait_for(asked, _BESIDE)
    except openai.APIStatusError as error:
        if error.status_code in _NOT_THERE and "model" not in error.response.text.lower():
            raise InputError(
                f"{endpoint.base_url}: no model answers there (HTTP {error.status_code} to"
                f" /models and to /chat/completions); {address_hint(endpoint)}"
            ) from None
    except (openai.APIError, TimeoutError, json.JSONDecodeError):
        return  # whatever it is, something is there
    else:
        if not is_service(came):
            raise InputError(
                f"{endpoint.base_url}: no model answers there, but {str(came)[:80]!r}"
                f" comes; {address_hint(endpoint)}"
            )


def _names(came: Any) -> list[str] | None:
    """The names in a list of models; None if it is not one."""
    try:
        return sorted(str(one["id"]) for one in came["data"])
    except (KeyError, TypeError):
        return None


def _is_llamafactory(came: Any) -> bool:
    """Whether a list of models is that of `llamafactory-cli api` (its `ModelCard`)."""
    try:
        return [one["owned_by"] for one in came["data"]] == ["owner"]
    except (KeyError, TypeError):
        return False


def _why(endpoint: Endpoint, error: BaseException) -> tuple[str, bool]:
    """Why nobody answers, and what to do; and whether that address will never answer."""
    parts = urlsplit(endpoint.base_url)
    other = {"https": "http", "http": "https"}[parts.scheme]
    said = " ".join(str(error.__cause__ or error).split()).lower()
    if any(each in said for each in _NO_SUCH_NAME):
        passing = "temporary" in said  # a network that is away knows no name
        return f"no host {parts.hostname!r} is known; correct the address", not passing
    port = parts.port or {"https": 443, "http": 80}[parts.scheme]
    if _speaks(parts.hostname or "", port, secure=other == "https"):
        right = endpoint.base_url.replace(parts.scheme, other, 1)
        return f"it speaks {other}, not {parts.scheme}; try --base-url {right}", True
    if "certificate" in said:
        told = said.partition("failed: ")[2].partition(" (_ssl")[0] or said
        return f"its certificate is not trusted: {told}; SSL_CERT_FILE may name one that is", True
    if "attempts failed" in said or "refused" in said:
        told = "connection refused: nothing listens there; start the server, or correct the port"
        return told, False
    silent = isinstance(error, TimeoutError) or type(error).__name__ == "APITimeoutError"
    if not silent and (not said or "disconnected" in said):
        return "it hangs up without an answer; is it another program's port?", False
    if silent or "timed out" in said:
        told = f"not a word within {_SECONDS:g} s; is it another program's port, or does it hang?"
        return told, False
    return said, False


def _speaks(host: str, port: int, *, secure: bool) -> bool:
    """Whether a port speaks http, or https; nothing but a bare question is sent, no key."""
    try:
        with socket.create_connection((host, port), timeout=_ASIDE) as plain:
            if secure:
                context = ssl.create_default_context()
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                with context.wrap_socket(plain, server_hostname=host):
                    return True
            asked = f"GET /v1/models HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            plain.sendall(asked.encode())
            return plain.recv(5) == b"HTTP/"
    except (OSError, ValueError):
        return False
