r"""What a model thinks before it answers, told apart from what it says.

    "<think>\n他在犹豫。\n</think>\n\n你有些犹豫。" -> said "你有些犹豫。", a thought

Models mark their thoughts in many ways (the forms below are those of Qwen, DeepSeek, GLM, Kimi,
Magistral, Cohere, Seed, gpt-oss, OpenThinker and Gemma, as their model cards and templates show
them, read 2026-12), and templates may write the opening mark themselves, so that only the closing
one comes back: then all before it is thought.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Thought = Literal["", "whole", "cut off"]

SWITCH_OFF = '--extra \'{"chat_template_kwargs": {"enable_thinking": false}}\''
"""How vLLM, SGLang and llama.cpp are told not to think; other servers: docs/language_models.md."""

_NAMES = (
    r"(?:seed:)?(?:think(?:ing)?|thoughts?|thought_process|reasoning|analysis|scratchpad"
    r"|chain_of_thought|cot|inner_(?:monologue|thoughts?)|思考(?:过程)?|推理(?:过程)?|思路"
    r"|内心(?:独白|想法|活动))"
)
_LESS, _MORE = r"(?:[<＜]|&lt;)\s*\|?\s*", r"\s*\|?\s*(?:[>＞]|&gt;)"
_CHANNEL = r"(?:<\|start\|>\s*assistant\s*)?<\|channel\|>"
_MARK = re.compile(
    # A mark that opens and closes at once, or ends a message, holds nothing.
    rf"(?P<nothing>{_LESS}{_NAMES}\s*/{_MORE}|<\|(?:return|call)\|>)"
    rf"|(?P<closing>{_LESS}/\s*{_NAMES}{_MORE}|\[/THINK\]|◁/think▷|<\|end_of_thought\|>"
    rf"|<\|END_THINKING\|>|<\|inner_suffix\|>|<channel\|>|{_CHANNEL}\s*final[^<]{{0,80}}<\|message\|>)"
    rf"|(?P<opening>{_LESS}{_NAMES}(?:\s[^<>\n]{{0,80}}?)?{_MORE}|\[THINK\]|◁think▷"
    rf"|<\|begin_of_thought\|>|<\|START_THINKING\|>|<\|inner_prefix\|>|<\|channel>\s*thought"
    rf"|{_CHANNEL}\s*(?:analysis|commentary)[^<]{{0,80}}<\|message\|>)"
    # The end of a message of gpt-oss's; elsewhere it only ends a thought that is open.
    r"|(?P<end><\|end\|>)",
    re.IGNORECASE,
)
# gpt-oss once its marks have been decoded away: "analysisWe should...assistantfinalYou ...".
_DECODED = re.compile(r"\A\s*analysis(?=[A-Z\u4e00-\u9fff])")
_DECODED_END = "assistantfinal"
_MAY_HOLD = re.compile(r"[<＜&\[◁]|\A\s*analysis")  # quick to rule out
_WRAPPED = re.compile(
    r"\A\s*<\|?(answer|response|solution|begin_of_solution|START_RESPONSE)\|?>(?P<inside>.*?)"
    r"(?:<(?:/\1|\|END_RESPONSE\||\|end_of_solution\|)>)?\s*\Z",
    re.DOTALL | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Separated:
    """A text in its two parts.

    Attributes:
        said: What is said. Exactly the text if no mark is in it; else without white space around.
        thought: `whole` if it holds a thought that is more than blanks, `cut off` if one has no
            end, "" if none.
    """

    said: str
    thought: Thought


def separated(text: str) -> Separated:
    """Tell what is said from what is thought.

    Args:
        text: As it came.

    Returns:
        What stands outside of all thoughts. A closing mark without an opening one makes a thought
        of everything before it; an opening one without an end, of everything behind it.
    """
    said, thoughts, within, end, marked = [""], "", False, 0, False
    if not _MAY_HOLD.search(text):
        return Separated(text, "")
    if _DECODED.match(text):
        _, found, answer = text.partition(_DECODED_END)
        return Separated(answer.strip(), "whole" if found else "cut off")
    for mark in _MARK.finditer(text):
        before, end = text[end : mark.start()], mark.end()
        kind, marked = mark.lastgroup, True
        if kind == "closing" and not within:
            thoughts += "".join(said) + before
            said = [""]
            continue
        if within:
            thoughts += before
        else:
            said.append(before)
        if kind != "nothing":
            within = kind == "opening"
    if not marked:
        return Separated(text, "")
    if within:
        return Separated("".join(said).strip(), "cut off")
    answer = "".join((*said, text[end:])).strip()
    if not thoughts.strip():
        return Separated(answer, "")
    wrapped = _WRAPPED.match(answer)
    return Separated(wrapped["inside"].strip() if wrapped else answer, "whole")


def holds_thought(text: str) -> bool:
    """Whether a thought, whole or cut off, stands in a text."""
    return separated(text).thought != ""


def joined(thought: str, said: str) -> str:
    """One text of a thought and an answer that came apart; `separated` takes it apart again."""
    bare = _MARK.sub(" ", thought)
    return f"<think>\n{bare}\n</think>\n\n{said}" if bare.strip() else said
