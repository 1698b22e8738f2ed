"""A judge that knows the code of every sentence in the tests, and the command `judge`."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import prompts
from eval.__main__ import app
from eval.judge import perturbations
from eval.judge.requests import GLOBAL_PROMPTS, PROMPTS
from mi_llm.dialogue import Dialogue, Turn, dialogue_lines
from tests.commands import run_here
from tests.llm_server import LLMServer, Received

ROOT = Path(__file__).resolve().parents[2]
KEY = "sk-test-not-to-be-seen"
TASKS = {prompts.load(name).fill(): name.split(".")[0].removeprefix("judge_") for name in PROMPTS}
GLOBALS = tuple(GLOBAL_PROMPTS)

# What each sentence is by MITI's rules; "A?B" is a judge that finds A likelier and may be B.
SENTENCES = {
    "你好，请坐。": "NC",
    "你想改一改睡前的习惯。": "SR",
    "你有点累。": "SR",
    "一边是难得的清静，一边是第二天的懊恼。": "CR",
    "几点睡？": "Q",
    "在哪里睡？": "Q",
    "和谁住？": "Q",
    "要紧吗？": "Q",
    "怎么做由你决定。": "EMPH",
    "有人睡前一小时关机。": "PwP",
    "你应该十点关机。": "P",
    "连着三个晚上都做到了，这样的决心不容易。": "AF",
    "我能和你分享一些资料吗？": "SEEK",
    "做得好！": "NC",
    "强光会推迟入睡。": "GI",
    "你怎么又说话不算数？": "CON",
    "你觉得烦，也许还有点怕。": "CR?SR",
    "你并不真的想改。": "CON?CR",
    "你看呢？": "SEEK?Q",
    "You smoke when you are stressed.": "SR",
    "What would help?": "Q",
    "It is up to you.": "EMPH",
    **dict.fromkeys(perturbations.CONFRONTATION, "CON"),
    **dict.fromkeys(perturbations.ADVICE, "P"),
    **dict.fromkeys(perturbations.QUESTION, "Q"),
    **dict.fromkeys(perturbations.LISTENING, "NC"),
}
_CODES = {"".join(text.split()): code for text, code in SENTENCES.items()}


def task(received: Received) -> str:
    """What is asked: a dimension, `target` or `volley`; fails if the prompt is not one of ours."""
    return TASKS[received.body["messages"][0]["content"]]


def asked(received: Received) -> dict[str, Any]:
    """The JSON that the request is about."""
    value, _ = json.JSONDecoder().raw_decode(received.prompt)
    assert isinstance(value, dict)
    return value


def coded(received: Received, codes: dict[str, str] = _CODES) -> dict[str, Any]:
    """The volley's sentences with their codes."""
    utterances: list[dict[str, Any]] = []
    text, first = "", 1
    for piece in asked(received)["volley"]:
        text += "".join(piece["text"].split())
        if text in codes:
            code, _, other = codes[text].partition("?")
            utterances.append(
                {
                    "first": first,
                    "last": piece["piece"],
                    "reason": "",
                    "code": code,
                    "sure": not other,
                    "alternative": other or None,
                }
            )
            text, first = "", piece["piece"] + 1
    assert not text, text
    return {"utterances": utterances}


def rated(received: Received, score: int = 4) -> dict[str, Any]:
    """A rating that quotes the first volley."""
    said = next(one for one in asked(received)["transcript"] if one.get("volley") == 1)
    quote = {"volley": 1, "quote": said["text"], "direction": "up"}
    return {"evidence": [quote], "reason": "", "score": score}


def perfect(received: Received) -> str:
    """The answer of a judge that makes no mistake."""
    what = task(received)
    if what == "target":
        return text({"reason": "", "target_behaviour": "十一点前上床"})
    return text(coded(received) if what == "volley" else rated(received))


def numbered(script: Callable[[Received, int], str]) -> Callable[[Received], str]:
    """The script told how often, from 1, the same was asked, the system message included."""
    times: Counter[tuple[str, str]] = Counter()

    def counting(received: Received) -> str:
        times[task(received), received.prompt] += 1
        return script(received, times[task(received), received.prompt])

    return counting


def text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def session(name: str, *volleys: str, goal: str | None = "十一点前上床", **facts: Any) -> Dialogue:
    """A transcript in which the client begins, and answers in words of no interest."""
    turns = []
    for number, volley in enumerate(volleys, start=1):
        turns += [Turn("client", f"{name[-1]}的第{number}句。"), Turn("counselor", volley)]
    meta = {"source": "glm4_lora", **facts}
    if goal:
        meta["target_behaviour"] = goal
    return Dialogue(name, tuple(turns), {"transcript": meta})


def saved(path: Path, transcripts: Iterable[Dialogue]) -> Path:
    path.write_text("".join(dialogue_lines(transcripts)), encoding="utf-8")
    return path


def table(path: Path) -> list[str]:
    """The lines of a table, without its head."""
    return path.read_text(encoding="utf-8-sig").splitlines()[1:]


def loaded(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def run(server: LLMServer, *words: object) -> Any:
    """The command, with `tester` as model and one request at a time unless words say otherwise."""
    where = ["--base-url", server.base_url, "--model", "tester", "--concurrency", 1]
    hidden = ("OPENAI_API_KEY", "MI_LLM_MODEL", "MI_LLM_BASE_URL")
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    told = {**kept, "MI_LLM_API_KEY": KEY, "COLUMNS": "200"}
    return run_here(app, "judge", *where, *words, environment=told)
