"""What it means when an endpoint does not answer: wait, give up on one request, or end the run.

Services say it in their own ways; the codes and words looked for are those of OpenAI, Azure,
DeepSeek, DashScope, Zhipu and vLLM, as their pages and users' reports show them (read 2026-11).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from mi_llm.errors import InputError, Stopped

if TYPE_CHECKING:
    import openai

    from mi_llm.door.endpoint import Endpoint

_WORDS = re.IGNORECASE
_QUOTA = re.compile(
    r"insufficient.?(quota|balance)|billing_hard_limit|arrear|AllocationQuota\.FreeTierOnly|"
    r"余额不足|欠费",
    _WORDS,
)
_FILTER = re.compile(
    r"content_filter|ResponsibleAIPolicy|content_policy_violation|data_?inspection_?failed|"
    r"content exists risk|sensitive word|敏感",
    _WORDS,
)
# OpenAI, vLLM, SGLang, llama.cpp, TGI, LM Studio, Mistral, Anthropic, Moonshot, DashScope, Zhipu.
_TOO_LONG = re.compile(
    r"context.{0,3}(length|size|window)|context_size|max(imum)?.(model|sequence).(len|length)|"
    r"(prompt|input|request|message)s?\b.{0,40}\b(too (long|large)|exceed)|model token limit|"
    r"inputs?` tokens|inputs?`? must have less than|range of input length|with context length|"
    r"(输入|提示|内容|[Pp]rompt).{0,12}(超长|过长|太长)|超[出过].{0,8}(上下文|最大长度|长度限制)",
    _WORDS,
)
_NO_MODEL = re.compile(r"model.{0,80}(not.{0,5}exist|not.{0,5}found)|model_not_found", _WORDS)
_ABOUT_THE_REQUEST = {400, 413, 422, 500}
_PASSING = {408, 409, 425, 429}
_PROXY_LOGIN = 407
_TOO_LARGE = 413  # for this one request, also where a proxy says so on a page
_ENDS_TOO_LATE = re.compile(r"/(chat/completions|completions|chat|models|responses)$")
_LONGEST_TITLE = 80  # characters
_LONGEST_REASON = 300  # characters of a server's message
_PAGE = re.compile(r"\s*(<!doctype|<html|<head|<body|<\?xml|<h1|<center)", _WORDS)
_TITLE = re.compile(r"<(title|h1)[^>]*>(.*?)</\1>", re.DOTALL | _WORDS)


@dataclass(frozen=True, slots=True)
class Fault:
    """A request that got no answer.

    Attributes:
        kind: `passing` may go well later; `silent` may too, but each time costs all of --timeout;
            `refused` will not, for this request; `long` will not, whatever else is changed about
            it; `filtered` is the service's content filter, which is a result; `page` is no service
            at all, unless it has answered before.
        status: HTTP status; None if no response came.
        reason: What was said, in one line, without the key.
        wait: Seconds that the server asked to wait; None if it did not.
    """

    kind: Literal["passing", "silent", "refused", "long", "filtered", "page"]
    status: int | None
    reason: str
    wait: float | None = None


def fault_of(error: Exception, endpoint: Endpoint, key: str) -> Fault:
    """What an error of OpenAI's client means for one request.

    Raises:
        InputError: If no request can go well as they are made: key, address, model, parameter.
        Stopped: If the account has no money left.
    """
    import openai

    if isinstance(error, json.JSONDecodeError) and (page := page_in(error.doc)):
        return Fault("page", 200, no_service(page, 200, endpoint))
    if isinstance(error, openai.APITimeoutError):
        return Fault("silent", None, silence(error, endpoint))
    if not isinstance(error, openai.APIStatusError):
        return Fault("passing", None, _one_line(str(error.__cause__ or error), key))
    page = page_in(error.response.text)
    if page and error.status_code != _TOO_LARGE:
        return _page_fault(error, page, endpoint)
    said = _one_line(f"HTTP {error.status_code}: {_message(error)}", key)
    codes = f"{error.code} {error.type} {said} {_inner_code(error.body)}"
    if error.status_code == 402 or (error.status_code != 200 and _QUOTA.search(codes)):
        raise Stopped(f"no quota left at {endpoint.host} ({said})")
    if error.status_code < 500 and _FILTER.search(codes):
        return Fault("filtered", error.status_code, said)
    if error.status_code in _ABOUT_THE_REQUEST and _TOO_LONG.search(codes):
        return Fault("long", error.status_code, _too_long(said, endpoint))
    if error.status_code in _PASSING or error.status_code >= 500:
        return Fault("passing", error.status_code, said, _asked_wait(error))
    _raise_if_hopeless(error, said, endpoint)
    return Fault("refused", error.status_code, said)


def _raise_if_hopeless(error: openai.APIStatusError, said: str, endpoint: Endpoint) -> None:
    """Raise `InputError` for what every request would get."""
    if error.status_code in {401, 403}:
        raise InputError(f"{endpoint.base_url} refuses the key ({said}); set MI_LLM_API_KEY")
    if error.status_code == 404 or _NO_MODEL.search(said):
        raise InputError(
            f"{endpoint.base_url} has no model {endpoint.model!r}, or the address is wrong"
            f" ({said}); {address_hint(endpoint)}"
        )
    if error.status_code == _PROXY_LOGIN:
        raise InputError(
            f"a proxy before {endpoint.base_url} wants a login ({said}); see HTTPS_PROXY"
        )
    if error.status_code < 400:
        raise_redirect(error, endpoint)
    if error.param in endpoint.parameters:
        raise InputError(f"{endpoint.model} does not take {error.param} so ({said})")


def raise_redirect(error: openai.APIStatusError, endpoint: Endpoint) -> NoReturn:
    """Raise `InputError` for an answer that names another address, which is not gone to."""
    to = error.response.headers.get("location", "an address that is not told").partition("?")[0]
    raise InputError(
        f"{endpoint.base_url} redirects elsewhere (to {to}), which is not followed;"
        " give --base-url as it is meant"
    )


def is_service(came: Any) -> bool:
    """Whether a model's service speaks: with an answer or with an error, but not with a page."""
    return isinstance(came, dict) and bool({"choices", "error"} & came.keys())


def address_hint(endpoint: Endpoint) -> str:
    """What to look at when an address is wrong: the one that was meant, if that can be guessed."""
    meant = likely_url(endpoint.base_url)
    if meant != endpoint.base_url:
        return f"try --base-url {meant}"
    return "see --model and --base-url"


def likely_url(base_url: str) -> str:
    """An address as it is usually meant: up to and with one `/v1`."""
    url = _ENDS_TOO_LATE.sub("", base_url.rstrip("/"))
    url = re.sub(r"(/v\d+\w*)(\1)+$", r"\1", url)
    return url if re.search(r"/v\d", url) else f"{url}/v1"


def page_in(text: str) -> str | None:
    """What a web page is called, if a text is one; None if it is none."""
    if not _PAGE.match(text):
        return None
    title = _TITLE.search(text)
    return " ".join(title[2].split())[:_LONGEST_TITLE] if title else "without a title"


def silence(error: Exception, endpoint: Endpoint) -> str:
    """How long an answer was waited for, and which option changes that."""
    if type(error.__cause__).__name__ == "ConnectTimeout":
        return "no connection; is the address right?"
    return f"no answer within {endpoint.timeout:g} s; a slow model needs a longer --timeout"


def no_service(page: str, status: int, endpoint: Endpoint) -> str:
    """What to say of a web page where an answer was expected."""
    return (
        f"a web page ({page!r}, HTTP {status}) came from {endpoint.base_url}, no model's answer: a"
        f" proxy, a sign-in page or another program stands there; {address_hint(endpoint)}"
    )


def _page_fault(error: openai.APIStatusError, page: str, endpoint: Endpoint) -> Fault:
    """A web page in an error: passing where a service stands behind what showed it."""
    said = no_service(page, error.status_code, endpoint)
    if error.status_code in _PASSING or error.status_code >= 500:
        return Fault("page", error.status_code, said, _asked_wait(error))
    raise InputError(said)


def _too_long(said: str, endpoint: Endpoint) -> str:
    return (
        f"longer than the model's context, with --max-tokens {endpoint.max_tokens}; lower that, or"
        f" serve the model with a longer context: {said}"
    )


def _message(error: openai.APIStatusError) -> str:
    body = error.body
    message = body.get("message") if isinstance(body, dict) else None
    return str(message or error.message)


def _inner_code(body: Any) -> str:
    """Azure's second code, within the first."""
    inner = body.get("innererror") if isinstance(body, dict) else None
    return str(inner.get("code", "")) if isinstance(inner, dict) else ""


def _asked_wait(error: openai.APIStatusError) -> float | None:
    """Seconds from `retry-after-ms` or `Retry-After`, which may be a date; None without either."""
    headers = error.response.headers
    try:
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
        return max(0.0, float(headers["retry-after"]))
    except KeyError:
        return None
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(headers["retry-after"])
        return max(0.0, (until - datetime.now(UTC)).total_seconds())
    except (KeyError, TypeError, ValueError):
        return None


def _one_line(text: str, key: str) -> str:
    hidden = text.replace(key, "[key]") if len(key) > 4 else text
    return " ".join(hidden.split())[:_LONGEST_REASON]
