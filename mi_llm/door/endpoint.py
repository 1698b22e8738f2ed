"""Where a language model answers, with which settings, and who may be asked.

Only loopback addresses are asked unless a host is named (`allow_hosts`): counselling dialogues do
not leave the machine by a slip. Nothing is resolved, so that no name server can change that; the
client follows no redirect, and uses no proxy for a loopback address.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mi_llm.door.notes import Notes
from mi_llm.errors import InputError
from mi_llm.secret_settings import KEY_VARIABLES, secrets_in, without_secrets

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from mi_llm.door.spending import Prices

AZURE_HOSTS = ".openai.azure.com"
AZURE_VERSION_VARIABLE = "OPENAI_API_VERSION"
_MOST = 10_000_000
_NAME = re.compile(r"[^\s=]+")
_CONNECT = 10.0  # seconds to wait for a connection; an answer may take as long as --timeout says


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model behind an OpenAI-compatible address, and how it is asked.

    Attributes:
        base_url: Up to and with `/v1`, as OpenAI's client takes it.
        model: Its name there; for Azure the deployment.
        concurrency: Requests in flight at once, at most.
        rpm: Requests begun per minute, at most; None is no limit.
        temperature: Sampling temperature; None leaves it to the server.
        max_tokens: Longest answer, in tokens.
        new_token_limit: Send it as `max_completion_tokens`, as newer OpenAI models want it.
        extra: More parameters of the request body, such as `{"enable_thinking": false}`.
        timeout: Seconds to wait for an answer.
        attempts: How often a request is sent before a fault of the service is taken as lasting.
        first_pause: Seconds to wait after a first fault; doubled with every further one.
        allow_hosts: Hosts other than loopback that may be asked, each by its exact name.
        insecure_http: Whether they may be asked over `http://`, which anyone on the way can read.
        mask: Mask personal data before anything is sent.
        budget: Money that all answers of the ledger together may cost; needs `prices`.
        prices: What the models cost; None is unknown.
        notes: What is to be told at the end; shared by all endpoints made from one.
    """

    base_url: str
    model: str
    concurrency: int = 8
    rpm: float | None = None
    temperature: float | None = 0.0
    max_tokens: int = 4096
    new_token_limit: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)
    timeout: float = 300.0
    attempts: int = 6
    first_pause: float = 0.5
    allow_hosts: tuple[str, ...] = ()
    insecure_http: bool = False
    mask: bool = True
    budget: float | None = None
    prices: Prices | None = None
    notes: Notes = field(default_factory=Notes, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Raise `InputError` for an address that may not be asked or a number out of range."""
        object.__setattr__(self, "base_url", self.base_url.strip())
        host = _host_of(self.base_url)
        if not is_loopback(host) and host not in {name.lower() for name in self.allow_hosts}:
            raise InputError(
                f"--base-url {self.base_url}: {host} is not this machine, and dialogues would leave"
                f" it; add --allow-host {host} if they may"
            )
        if self.base_url.lower().startswith("http:") and not (
            is_loopback(host) or self.insecure_http
        ):
            raise InputError(
                f"--base-url {self.base_url}: anyone on the way to {host} reads along, and gets the"
                " key; use https://, or add --insecure-http if the way is safe"
            )
        for name in secrets_in(self.extra):
            raise InputError(
                f"extra parameter {name!r} holds a secret, and what is typed ends up in stamps; "
                f"a key goes into {KEY_VARIABLES[0]}"
            )
        for name in ("concurrency", "rpm", "max_tokens", "timeout", "attempts", "budget"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InputError(f"--{name.replace('_', '-')} {value}: must be above 0")
        for name in ("concurrency", "max_tokens", "timeout"):
            if getattr(self, name) > _MOST:
                told = f"must be at most {_MOST:,}"
                raise InputError(f"--{name.replace('_', '-')} {getattr(self, name)}: {told}")
        priced = self.prices is not None and self.model in self.prices.by_model
        if self.budget is not None and not priced:
            raise InputError(f"--budget needs --prices with a line for the model {self.model!r}")

    @property
    def host(self) -> str:
        """The host's name; `loopback` for every name of this machine, whatever the port.

        It is part of what shapes an answer (the same model name elsewhere may be another model);
        a port is not, as a local server or a tunnel gets a new one without being another.
        """
        host = _host_of(self.base_url)
        return "loopback" if is_loopback(host) else host

    @property
    def parameters(self) -> dict[str, Any]:
        """What is sent beside model and messages."""
        limit = "max_completion_tokens" if self.new_token_limit else "max_tokens"
        sent: dict[str, Any] = {limit: self.max_tokens, **self.extra}
        if self.temperature is not None:
            sent["temperature"] = self.temperature
        return sent

    def masked_elsewhere(self) -> Endpoint:
        """The same, but that a model on this machine sees what was said as it is."""
        return replace(self, mask=self.mask and self.host != "loopback")

    def as_stamp(self) -> dict[str, Any]:
        """What a stamp records; no secret is in it, as none is in an endpoint."""
        return {
            "base_url": self.base_url,
            "model": self.model,
            "parameters": self.parameters,
            "personal_data": "masked" if self.mask else "NOT masked (--no-mask)",
        }


def named(option: str, model: str, endpoint: Endpoint) -> Endpoint:
    """The endpoint of a model that an option names.

    Args:
        option: Its name, for the message.
        model: `NAME`, or `NAME=BASE_URL` where another server than `endpoint` has it.
        endpoint: How it is asked.

    Raises:
        InputError: If that is malformed, or the address may not be asked.
    """
    name, equals, url = model.partition("=")
    if not _NAME.fullmatch(name) or not name.isprintable() or (equals and not url):
        raise InputError(
            f"{option} {without_secrets(model)!r}: expected NAME or NAME=BASE_URL, "
            "such as glm4_lora=http://127.0.0.1:8000/v1"
        )
    return replace(endpoint, model=name, base_url=url or endpoint.base_url)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its very name: localhost, 127.0.0.0/8 or ::1."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def api_key(host: str) -> str:
    """The key from the environment; a word that says there is none, for a server that needs none.

    Raises:
        InputError: If no variable is set and the host is not this machine, or it cannot be a key.
    """
    for name in KEY_VARIABLES:
        if key := os.environ.get(name, "").strip():
            if not (key.isascii() and key.isprintable()):
                raise InputError(f"{name}: holds characters that no key has; copy it once more")
            return key
    if host != "loopback":
        raise InputError(f"no key for {host}: set {' or '.join(KEY_VARIABLES)}")
    return "none"


def client(endpoint: Endpoint, key: str) -> AsyncOpenAI:
    """OpenAI's client for an endpoint, without its own retries (pauses are shared by all workers).

    Raises:
        InputError: If an Azure address lacks its version, or the client reads the address in
            another way than `Endpoint` did.
    """
    import openai

    host = _host_of(endpoint.base_url)
    timeout = openai.Timeout(endpoint.timeout, connect=min(endpoint.timeout, _CONNECT))
    connection = openai.DefaultAsyncHttpxClient(
        trust_env=not is_loopback(host),  # proxies of the environment
        follow_redirects=False,  # a redirect would carry the dialogue to another host
        timeout=timeout,
    )
    made: AsyncOpenAI
    if _is_azure(endpoint.base_url):
        made = openai.AsyncAzureOpenAI(
            azure_endpoint=endpoint.base_url,
            api_version=_azure_version(),
            api_key=key,
            max_retries=0,
            timeout=timeout,
            http_client=connection,
        )
    else:
        made = openai.AsyncOpenAI(
            base_url=endpoint.base_url,
            api_key=key,
            max_retries=0,
            timeout=timeout,
            http_client=connection,
        )
    if made.base_url.host != host:
        raise InputError(f"--base-url {endpoint.base_url}: which host that is, is not clear")
    return made


def _host_of(base_url: str) -> str:
    shown = without_secrets(base_url)
    try:
        parts = urlsplit(base_url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise InputError(f"--base-url {shown!r}: {str(error).lower()}") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise InputError(f"--base-url {shown!r}: expected such as http://127.0.0.1:8000/v1")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise InputError(
            f"--base-url of {host}: only scheme, host, port and path; "
            f"a key goes into {KEY_VARIABLES[0]}"
        )
    return host.lower()


def _is_azure(base_url: str) -> bool:
    """Whether the address speaks Azure's dialect; its newer `/openai/v1` speaks OpenAI's own."""
    return _host_of(base_url).endswith(AZURE_HOSTS) and "/openai/v1" not in base_url


def _azure_version() -> str:
    version = os.environ.get(AZURE_VERSION_VARIABLE, "")
    if not version:
        raise InputError(f"Azure needs a version: set {AZURE_VERSION_VARIABLE}, as its page shows")
    return version
