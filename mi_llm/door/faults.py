"""What it means when an endpoint does not answer: wait, give up on one request, or end the run.

Services say it in their own ways; the codes and words looked for are those of OpenAI, Azure,
DeepSeek, DashScope, Zhipu and vLLM, as their pages and users' reports show them (read 2026-11).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal

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
_NO_MODEL = re.compile(r"model.{0,80}(not.{0,5}exist|not.{0,5}found)|model_not_found", _WORDS)
_PASSING = {408, 409, 425, 429}
_LONGEST_REASON = 300  # characters of a server's message


@dataclass(frozen=True, slots=True)
class Fault:
    """A request that got no answer.

    Attributes:
        kind: `passing` may go well later; `refused` will not, for this request; `filtered` is the
            service's content filter, which is a result.
        status: HTTP status; None if no response came.
        reason: What was said, in one line, without the key.
        wait: Seconds that the server asked to wait; None if it did not.
    """

    kind: Literal["passing", "refused", "filtered"]
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

    if not isinstance(error, openai.APIStatusError):
        return Fault("passing", None, _one_line(str(error.__cause__ or error), key))
    said = _one_line(f"HTTP {error.status_code}: {_message(error)}", key)
    codes = f"{error.code} {error.type} {said} {_inner_code(error.body)}"
    if error.status_code == 402 or (error.status_code != 200 and _QUOTA.search(codes)):
        raise Stopped(f"no quota left at {endpoint.host} ({said})")
    if error.status_code < 500 and _FILTER.search(codes):
        return Fault("filtered", error.status_code, said)
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
            f" ({said}); see --model and --base-url"
        )
    if error.status_code < 400:
        raise InputError(
            f"{endpoint.base_url} redirects elsewhere ({said}), which is not followed;"
            " give --base-url as it is meant"
        )
    if error.param in endpoint.parameters:
        raise InputError(f"{endpoint.model} does not take {error.param} so ({said})")


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
