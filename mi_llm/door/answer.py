"""What came of a request: whole, cut off, refused, broken off by the service, or not known.

The one place where that is decided, for every command, streamed or not, and for answers that a
ledger kept from earlier versions as for new ones.
"""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mi_llm.characters import is_blank
from mi_llm.door.thoughts import SWITCH_OFF, Thought, joined, separated

Ending = Literal["whole", "cut off", "refused", "passing", "unknown"]

REFUSED = "refused by the service"

# By OpenAI, Azure, DeepSeek, Zhipu, DashScope, Mistral, vLLM, SGLang and TGI, and by what stands
# before Anthropic's, Google's and Cohere's own words (their pages, read 2026-12). What is not here
# is not known to be whole.
_ENDINGS: dict[str, Ending] = {
    **dict.fromkeys(
        ("", "none", "null", "stop", "eos", "eos_token", "end_turn", "stop_sequence", "complete"),
        "whole",
    ),
    **dict.fromkeys(
        ("length", "max_tokens", "max_length", "max_output_tokens", "model_length"), "cut off"
    ),
    **dict.fromkeys(("model_context_window_exceeded", "context_length_exceeded"), "cut off"),
    **dict.fromkeys(
        (
            "content_filter", "content_filtered", "sensitive", "refusal", "safety", "recitation",
            "blocklist", "prohibited_content", "spii", "guardrail_intervened", "error_toxic",
        ),
        "refused",
    ),
    **dict.fromkeys(
        (
            "network_error", "insufficient_system_resource", "abort", "aborted", "cancelled",
            "error", "internal_error", "server_error", "timeout", "overloaded",
        ),
        "passing",
    ),
}  # fmt: skip
_CUT_BY_CONTEXT = ("model_context_window_exceeded", "context_length_exceeded")
_TOOLS = ("tool_calls", "function_call")
# Keys under which servers put thoughts beside the content.
_THOUGHTS = ("reasoning_content", "reasoning", "thinking", "reasoning_details")
_THOUGHT_PARTS = ("thinking", "thought", "reasoning", "redacted_thinking", "reasoning.text")
_TEXT_PARTS = ("text", "output_text")


def ending(finish_reason: str) -> Ending:
    """What a finish reason means; null, as a server or an old ledger writes it, is whole."""
    return _ENDINGS.get(finish_reason.strip().casefold(), "unknown")


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer that came.

    Attributes:
        said: What it says, thoughts left out; "" if it says nothing.
        thought: Whether it holds a thought, and whether that has an end.
        ending: `cut off` also if its thought has no end.
        problem: Why it is no whole answer, up to a colon the kind; None if it is one.
    """

    said: str
    thought: Thought
    ending: Ending
    problem: str | None

    @property
    def usable(self) -> bool:
        """Whether it is the model's own doing: all of an answer, or as much as came of it."""
        return self.ending in ("whole", "cut off")


def outcome(text: str, finish_reason: str) -> Outcome:
    """What came, from a text as `completion` gives it and the ledger keeps it.

    Args:
        text: Thoughts included, marked.
        finish_reason: As the server gave it, or `completion` for it.
    """
    text, finish_reason = _from_parts(text, finish_reason)
    parts, end = separated(text), ending(finish_reason)
    if end == "whole" and parts.thought == "cut off":
        end = "cut off"
    problem = _problem(parts.said, parts.thought, end, finish_reason)
    return Outcome(parts.said, parts.thought, end, problem)


def _from_parts(text: str, finish_reason: str) -> tuple[str, str]:
    """Text and finish reason where an earlier version wrote a list of parts as Python shows it."""
    if not (text.startswith("[{'") and text.endswith("}]")):
        return text, finish_reason
    try:
        content = literal_eval(text)
        return completion({"message": {"content": content}, "finish_reason": finish_reason})
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return text, finish_reason


def _problem(said: str, thought: Thought, end: Ending, finish_reason: str) -> str | None:
    if end == "refused":
        return REFUSED
    if end == "passing":
        return f"broken off by the service: {finish_reason}"
    if end == "unknown":
        return f"ended for a reason that is not known to be its end: {finish_reason}"
    if thought == "cut off" or (thought and is_blank(said)):
        what = "cut off while thinking" if end == "cut off" else "thinking without an answer"
        return f"{what}: raise --max-tokens, or switch thinking off: {SWITCH_OFF}"
    if is_blank(said) and end == "whole":
        return "blank answer"
    if end == "cut off" and finish_reason.strip().casefold() in _CUT_BY_CONTEXT:
        return "cut off where the model's context ends (serve it with a longer one)"
    if end == "cut off":
        return "cut off at the longest answer allowed (--max-tokens)"
    return None


def completion(choice: Mapping[str, Any]) -> tuple[str, str]:
    """Text and finish reason of a completion's choice, or of a stream's put together.

    Args:
        choice: `{"message", "finish_reason"}`, whatever shape its content has.

    Returns:
        The text, a thought that came beside it marked in it; and why it ended. The reason is of
        our own where something else than a text came.

    Raises:
        TypeError: If it is no choice.
    """
    message = choice["message"]
    if choice.get("error"):  # what a service in between says of the one behind it
        return "", "error"
    if not isinstance(message, Mapping):
        raise TypeError("no message")
    pieces = Pieces()
    pieces.add(message)
    return pieces.whole(choice.get("finish_reason"))


class Pieces:
    """A message, whole or as the deltas of a stream bring it."""

    def __init__(self) -> None:
        self._said: list[str] = []
        self._thought: list[str] = []
        self._refusal: list[str] = []
        self._other: list[str] = []

    def add(self, message: Mapping[str, Any]) -> None:
        """Take a message or the next delta of one."""
        for key in _THOUGHTS:
            if message.get(key):
                self._thought.extend(_texts(message[key]))
                break  # servers that say it under two keys say the same
        self._add_content(message.get("content"))
        if message.get("refusal"):
            self._refusal.append(str(message["refusal"]))
        self._other.extend(key for key in _TOOLS if message.get(key))

    def whole(self, finish_reason: Any) -> tuple[str, str]:
        """Text and finish reason of all that was added."""
        said, reason = "".join(self._said), str(finish_reason)
        if self._refusal:
            return said or "".join(self._refusal), "refusal"
        if self._other and ending(reason) == "whole":
            reason = f"with {self._other[0]} instead of a text"
        return joined("".join(self._thought), said), reason

    def _add_content(self, content: Any) -> None:
        if content is None or isinstance(content, str):
            self._said.append(content or "")
            return
        for part in content if isinstance(content, list) else [content]:
            kind = str(part.get("type") or "text") if isinstance(part, Mapping) else ""
            if kind in _THOUGHT_PARTS:
                self._thought.extend(_texts(part))
            elif kind == "refusal":
                self._refusal.append("".join(_texts(part)))
            elif isinstance(part, str) or (
                kind in _TEXT_PARTS and isinstance(part.get("text"), str)
            ):
                self._said.append(part if isinstance(part, str) else part["text"])
            else:
                self._other.append(f"a part of type {kind or type(part).__name__}")


def _texts(value: Any) -> Iterable[str]:
    """All texts in a part, however deep; names of types and signatures are none."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, Mapping):
        for key in ("text", "thinking", "reasoning", "content", "summary", "refusal"):
            yield from _texts(value.get(key))
