"""The options of every command that asks a language model, and what they say.

Keys are no options: they come from the environment (`mi_llm.secret_settings.KEY_VARIABLES`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mi_llm import files
from mi_llm.errors import InputError
from mi_llm.secret_settings import is_secret

if TYPE_CHECKING:
    from mi_llm.door.endpoint import Endpoint

_Command = Callable[..., None]

BaseUrl = Annotated[
    str,
    typer.Option(envvar="MI_LLM_BASE_URL", help="Address of an OpenAI-compatible service."),
]
Model = Annotated[
    str, typer.Option(envvar="MI_LLM_MODEL", help="Name of the model there; Azure: deployment.")
]
Concurrency = Annotated[int, typer.Option(help="Requests in flight at once, at most.")]
Rpm = Annotated[float | None, typer.Option(help="Requests begun per minute, at most.")]
Temperature = Annotated[
    float, typer.Option(help="Sampling temperature; below 0 leaves it to the service.")
]
MaxTokens = Annotated[int, typer.Option(help="Longest answer, in tokens.")]
MaxCompletionTokens = Annotated[
    bool,
    typer.Option(
        "--max-completion-tokens", help="Send the limit by this name, as newer OpenAI models want."
    ),
]
Extra = Annotated[
    str,
    typer.Option(
        help="More of the request's body, as JSON; this switches thinking off: "
        '\'{"chat_template_kwargs": {"enable_thinking": false}}\'.'
    ),
]
Timeout = Annotated[float, typer.Option(help="Seconds to wait for an answer, twice at most.")]
AllowHost = Annotated[
    list[str] | None,
    typer.Option(help="A host other than this machine that dialogues may go to; repeatable."),
]
InsecureHttp = Annotated[
    bool,
    typer.Option("--insecure-http", help="Ask another machine over http://, open to all."),
]
NoMask = Annotated[
    bool, typer.Option("--no-mask", help="Send personal data as it is; the stamp says so.")
]
PriceFile = Annotated[
    Path | None,
    typer.Option("--prices", help='JSON {"MODEL": {"input", "output", "currency"}}, per million.'),
]
Budget = Annotated[
    float | None,
    typer.Option(help="Money that the ledger's answers together may cost; needs --prices."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be asked and its cost; send nothing.")
]
Again = Annotated[
    bool, typer.Option("--again", help="Ask once more what was set aside in an earlier run.")
]

DEFAULT_BASE_URL = "http://127.0.0.1:8000/v1"
_LONGEST = "max_tokens"


@dataclass(frozen=True, slots=True)
class Asking:
    """What the options of a command say.

    Attributes:
        endpoint: Whom to ask, and how.
        dry_run: Whether nothing is to be sent.
        again: Whether to ask once more what was set aside in an earlier run.
    """

    endpoint: Endpoint
    dry_run: bool
    again: bool


def asks_a_model(
    *, max_tokens: int, only_with: str | None = None
) -> Callable[[_Command], _Command]:
    """Give a command all options of this module; it gets them as its parameter `asking`.

    Args:
        max_tokens: Default of --max-tokens.
        only_with: The command's own option without which it asks no model: then no --model is
            needed, and `asking` is None.
    """

    def with_options(command: _Command) -> _Command:
        own = signature(command, eval_str=True).parameters
        options = dict(signature(asking_from, eval_str=True).parameters)
        options[_LONGEST] = options[_LONGEST].replace(default=max_tokens)
        if only_with:
            options["model"] = options["model"].replace(default="")

        @wraps(command)
        def told(**values: Any) -> None:
            said = {name: values.pop(name) for name in options}
            if only_with and not _is_asked(only_with, values[only_with], said):
                command(**values, asking=None)
                return
            asking = asking_from(**said)
            with files.full_disk_stops(), told_at_the_end(asking.endpoint):
                command(**values, asking=asking)  # what was answered is in the ledger

        shown = [*(own[name] for name in own if name != "asking"), *options.values()]
        # What typer makes the options of; without annotations it looks nowhere else.
        told.__annotations__ = {}
        told.__dict__["__signature__"] = Signature(
            [one.replace(kind=Parameter.KEYWORD_ONLY) for one in shown]
        )
        return told

    return with_options


def asking_from(
    model: Model,
    base_url: BaseUrl = DEFAULT_BASE_URL,
    concurrency: Concurrency = 8,
    rpm: Rpm = None,
    temperature: Temperature = 0.0,
    max_tokens: MaxTokens = 4096,
    max_completion_tokens: MaxCompletionTokens = False,
    extra: Extra = "{}",
    timeout: Timeout = 300.0,
    allow_host: AllowHost = None,
    insecure_http: InsecureHttp = False,
    no_mask: NoMask = False,
    prices: PriceFile = None,
    budget: Budget = None,
    dry_run: DryRun = False,
    again: Again = False,
) -> Asking:
    """What the options say together.

    Raises:
        InputError: If an option is out of range, the host is not allowed, or a file is unreadable.
    """
    from mi_llm.door.endpoint import Endpoint
    from mi_llm.door.spending import read_prices

    endpoint = Endpoint(
        base_url=base_url,
        model=model,
        concurrency=concurrency,
        rpm=rpm,
        temperature=None if temperature < 0 else temperature,
        max_tokens=max_tokens,
        new_token_limit=max_completion_tokens,
        extra=json_object("--extra", extra),
        timeout=timeout,
        allow_hosts=tuple(allow_host or ()),
        insecure_http=insecure_http,
        mask=not no_mask,
        budget=budget,
        prices=read_prices(prices) if prices else None,
    )
    return Asking(endpoint, dry_run, again)


@contextmanager
def told_at_the_end(endpoint: Endpoint) -> Iterator[None]:
    """Tell on standard error what a command's answers were like, however it ends."""
    try:
        yield
    finally:
        for line in endpoint.notes.lines():
            typer.echo(line, err=True)


def _is_asked(option: str, value: Any, said: Mapping[str, Any]) -> bool:
    """Whether the option is given, without which no model is asked."""
    if value and not said["model"]:
        raise InputError(f"--{option} asks a model; name it with --model")
    if not value and said["dry_run"]:
        raise InputError(f"--dry-run tells what --{option} would ask; give both, or neither")
    return bool(value)


def json_object(option: str, text: str) -> dict[str, Any]:
    """The JSON object that an option holds.

    Raises:
        InputError: If it is none; what was typed is not repeated where it may hold a secret.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        shown = "" if any(map(is_secret, re.findall(r"[\w-]+", text))) else f" {text!r}"
        raise InputError(f"{option}{shown}: expected a JSON object")
    return value
