"""What must never be written down: settings that hold a secret, and secrets in a text.

Keys come from the environment. What is typed ends up in stamps, which hold the command as it was
typed, so a secret that is typed is refused, and whatever is told or stamped is cleared of secrets.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

KEY_VARIABLES = ("MI_LLM_API_KEY", "OPENAI_API_KEY")

_HIDDEN = "***"
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_SECRET = re.compile(
    r"(?:^|_)(?:token|(?:key|secret|password|passwd|passphrase|pwd|authorization|credential|cookie"
    r"|webhook_url|apikey|signature)s?)$"
)
# Names that end so and are none: sent by OpenAI's clients, or written in tokenizers' settings.
_HARMLESS = re.compile(r"(?:cache|primary|foreign)_key|(?:eos|bos|pad|unk|stop|mask|special)_token")
_HEADERS = re.compile(r"(?:extra|default|custom|http)?_?headers?")
_LOOKS_SO = re.compile(
    r"\b(?:sk|pk|hf|gsk|xai|ghp|glpat)[-_][A-Za-z0-9_-]{12,}|\bAIza[\w-]{20,}|\bAKIA[A-Z0-9]{12,}"
    r"|\b(?:Bearer|Basic) [A-Za-z0-9._~+/=-]{8,}|\beyJ[\w-]{10,}\.[\w-]+\.[\w-]+"
)
_USER = re.compile(r"(?<=://)[^\s/@]+(?=@)")
_QUERY = re.compile(r"(?<=[?&])([\w.-]+)=([^&#\s'\"]+)")


def is_secret(name: str) -> bool:
    """Whether a setting of that name holds a secret: hf_hub_token, swanlab_api_key, X-Api-Key."""
    plain = "_".join(_WORD.findall(name)).lower()
    return bool(_SECRET.search(plain)) and not _HARMLESS.search(plain)


def secrets_in(value: Any, name: str = "") -> Iterator[str]:
    """Yield the name of each setting within a value that holds a secret, at any depth.

    A number is none (`max_tokens`); headers are all secret, as a request's body has no use for any.
    """
    if isinstance(value, dict):
        for key, inner in value.items():
            if _HEADERS.fullmatch(str(key).lower().replace("-", "_")):
                yield str(key)
            else:
                yield from secrets_in(inner, str(key))
    elif isinstance(value, list):
        for inner in value:
            yield from secrets_in(inner, name)
    elif isinstance(value, str) and value and (is_secret(name) or without_secrets(value) != value):
        yield name


def without_secrets(text: str) -> str:
    """The text with `***` for a secret: by its look, its place in an address or the environment."""
    for variable in KEY_VARIABLES:
        if len(key := os.environ.get(variable, "").strip()) >= 8:
            text = text.replace(key, _HIDDEN)
    text = _USER.sub(_HIDDEN, text)
    text = _QUERY.sub(lambda one: f"{one[1]}={_HIDDEN}" if is_secret(one[1]) else one[0], text)
    return _LOOKS_SO.sub(_HIDDEN, text)
