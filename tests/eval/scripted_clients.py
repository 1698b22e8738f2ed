"""A server for simulated clients and counselors: what it answers is a function of the request.

A profile's target behaviour is a word that the client says in every turn, so that the counselor
knows what to do, which learns nothing else of the profile.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import prompts
from eval.interview.command import CLIENT_PROMPTS
from tests.llm_server import Received, Reply

CLIENT = "client-model"
ROOT = Path(__file__).resolve().parents[2]
_TASKS = {
    prompts.load(name).fill(): name.split(".")[0].removeprefix("client_") for name in CLIENT_PROMPTS
}
_CHARACTERS = "山水花鸟风月云雨春夏秋冬东南西北红黄蓝绿松竹梅兰江河湖海金木土石"

# What a counselor says, and what that is.
SENTENCES = {
    "你愿意多说一点吗？": "question",
    "听起来这件事一直压着你。": "reflection",
    "你为家里想得很多。": "affirmation",
    "你应该早点去做。": "advice",
    "你这是在找借口。": "confrontation",
    "怎么做由你自己定。": "autonomy",
    "你担心的是第一件事。": "reflection",
    "这关系到第二件事吗？": "question",
}
_NAMED = {"你担心的是第一件事。": (0, "reflected"), "这关系到第二件事吗？": (1, "asked")}
FAREWELL = "今天先到这里，再见。"
TALKS = ("change", "sustain", "neutral")


def task(received: Received) -> str:
    """`observe`, `speak` or `read` of the client's model; `reply` of a counselor."""
    if received.body["model"] != CLIENT:
        return "reply"
    return _TASKS[received.body["messages"][0]["content"]]


def about(received: Received) -> dict[str, Any]:
    """The JSON that a request to the client's model is about."""
    value, _ = json.JSONDecoder().raw_decode(received.body["messages"][1]["content"])
    assert isinstance(value, dict)
    return value


def script(received: Received) -> Reply | str:
    """The answer to any request."""
    what = task(received)
    if what == "reply":
        return reply(received)
    told = about(received)
    made = {"observe": observed, "read": read, "speak": spoken}[what](told)
    return made if isinstance(made, str) else json.dumps(made, ensure_ascii=False)


def reply(received: Received) -> Reply | str:
    """A counselor's reply; another one from another model."""
    last = received.body["messages"][-1]["content"]
    if "寡言" in last:
        return Reply("  \n")
    if "告别" in last:
        return FAREWELL
    if "顶撞" in last:
        return "你这是在找借口。"
    if "空转" in last:
        return "这样。"
    digest = _digest([received.body["model"], last])
    return "".join(list(SENTENCES)[byte % len(SENTENCES)] for byte in digest[:2])


def observed(told: dict[str, Any]) -> dict[str, Any]:
    """What the sentences of the counselor's turn are."""
    found = [one for one in SENTENCES if one in told["counselor"]]
    named = [(sentence, *_NAMED[sentence]) for sentence in found if sentence in _NAMED]
    return {
        "acts": [{"act": SENTENCES[one], "quote": one} for one in found],
        "addressed": [
            {"reason": told["reasons"][place]["id"], "how": how, "quote": sentence}
            for sentence, place, how in named
            if place < len(told["reasons"])
        ],
        "farewell": FAREWELL in told["counselor"],
    }


def read(told: dict[str, Any]) -> dict[str, Any]:
    """Any kind of talk; no contradiction."""
    return {"talk": TALKS[_digest([told["client"]])[0] % 3], "contradicts": None}


def spoken(told: dict[str, Any]) -> str:
    """Words that nothing is meant by, other ones in every turn."""
    word = told["card"]["target_behaviour"]
    if "空转" in word:
        return "嗯，空转。" if told["conversation"] else "空转就是这样的事情。"
    if "险境" in word and told["conversation"]:
        return "我不想活了，我想自杀。"
    drawn = _digest([word, told["action"], told["conversation"], told["card"]["may_tell"]])
    words = "".join(_CHARACTERS[byte % len(_CHARACTERS)] for byte in drawn[:9])
    return f"{word}，{told['action']}，{words}。"


def profile(name: str, target: str = "", **more: Any) -> dict[str, Any]:
    """A profile with two reasons."""
    return {
        "id": name,
        "target_behaviour": target or f"改变{name}",
        "manifestations": ["天天这样"],
        "reasons": ["第一个缘由", "第二个缘由"],
        "readiness": 3,
        "max_rounds": 4,
        **more,
    }


def saved(path: Path, profiles: Sequence[dict[str, Any]]) -> Path:
    """The profiles as a file."""
    lines = [json.dumps(one, ensure_ascii=False) + "\n" for one in profiles]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def words(profiles: Path, output: Path, url: str, *more: object) -> list[str]:
    """What is typed behind `interview`."""
    where = ["--model", CLIENT, "--base-url", url]
    return [*map(str, ["--profiles", profiles, "-o", output, *where, *more])]


def program() -> list[str]:
    """The command line that runs `interview` in a process of its own."""
    return [sys.executable, "-W", "error", "-m", "eval", "interview"]


def _digest(value: Any) -> bytes:
    return hashlib.sha256(json.dumps(value, ensure_ascii=False).encode()).digest()
