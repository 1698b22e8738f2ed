"""Profiles, and a scripted model that plays every part of `converters calm-it`.

The model is a pure function of the request: the system prompt says which part is meant, and what is
drawn depends on the request's own text.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import prompts
from converters.calm_it.strategies import Strategy
from mi_llm.profiles import Profile
from tests.llm_server import Received, Reply

# Each text of a profile has a mark that no model would write.
MARKED: dict[str, Any] = {
    "id": "marked",
    "topic": "ZTOPIC 晚睡",
    "target_behaviour": "ZTARGET 十一点前睡",
    "manifestations": ["ZSHOWS 常到两点", "ZSHOWS 白天犯困"],
    "reasons": [
        {"id": "quiet", "text": "ZREASON 只有夜里是自己的", "sensitivity": 1},
        {"id": "guarded", "text": "ZGUARDED 怕像父亲", "sensitivity": 5},
    ],
    "readiness": {"stage": "contemplation", "importance": 6, "confidence": 3, "ready": 4},
    "receptivity": 3,
    "beliefs": ["ZBELIEF 睡不够也没事"],
    "preferred_plan": "ZPLAN 手机放客厅",
    "barriers": ["ZBARRIER 同屋的人也晚"],
    "strengths": ["ZSTRENGTH 戒过烟"],
    "facts": {"name": "ZNAME", "age": 31},
    "red_lines": ["ZNEVER 吃安眠药"],
}
MARKS = (
    "ZTOPIC",
    "ZTARGET",
    "ZSHOWS",
    "ZREASON",
    "ZGUARDED",
    "ZBELIEF",
    "ZPLAN",
    "ZBARRIER",
    "ZSTRENGTH",
    "ZNAME",
    "ZNEVER",
)


def profiles(count: int = 1, **changed: Any) -> list[Profile]:
    return [
        Profile.model_validate({**MARKED, "id": f"marked-{number}", **changed})
        for number in range(1, count + 1)
    ]


_OPENERS = (
    "说起来有点难为情",
    "这几天我一直在琢磨",
    "上周末闹了一回",
    "白天倒还过得去",
    "孩子睡下以后",
    "同事聚餐那回",
    "我妈总念叨这个",
    "夜里醒来三四趟",
    "天一冷就更懒得动",
    "月底算账的时候",
    "医生提过一嘴",
    "搬家之后全乱了",
    "看到旧照片那阵子",
    "下班路上堵着车",
)
_MIDDLES = (
    "心里空落落的没处搁",
    "手就自己伸过去了",
    "明知道图一时痛快",
    "又觉得亏待了家里人",
    "好像只有那一刻松快",
    "回头一看钟都两点了",
    "攒的钱不知去了哪儿",
    "爬两层楼就喘得厉害",
    "跟爱人拌了几句嘴",
    "别人都劝我想开些",
    "试过几天又打回原形",
    "肚子上的肉越来越多",
    "脑袋昏沉沉使不上劲",
)
_ASIDES = (
    "茶几上还摆着没收的碗",
    "手机屏幕亮了又暗下去",
    "窗外头下着毛毛小雨",
    "邻居家传来吵闹的电视",
    "冰箱门开了好几回",
    "那双新鞋一次没穿过",
    "闹钟响三遍才爬起来",
    "楼下小卖部还没打烊",
    "群里消息一条接着一条",
    "账单压在抽屉最底下",
    "沙发坐出了一个深坑",
    "钥匙总是忘了放哪儿",
)
_ENDINGS = (
    "也不知道该怪谁。",
    "日子就这么往前推。",
    "说出来反而轻了些。",
    "可真要动又舍不得。",
    "我还没跟旁人讲过。",
    "想着想着就犯愁了。",
    "有时候也挺羡慕别人。",
    "这滋味你能明白吗。",
    "总归不是个长久法子。",
    "先不说这个也罢。",
    "其实最放不下的是闺女。",
)
_HEARD = (
    "听起来这件事压在你心上",
    "你一边难受一边还在撑着",
    "你很看重家里人的感受",
    "那个钟点对你像个出口",
    "你并不愿意就这么过下去",
    "你已经留意到它的代价",
    "你能把它说出来不容易",
    "那份累别人未必看得见",
    "你心里有一杆秤",
    "你在找一条自己走得动的路",
    "旧办法帮过你，也拖住了你",
)
_NEXT = (
    "慢慢说，我在听。",
    "这里头有你在意的人。",
    "怎么走由你来定。",
    "这份心思很珍贵。",
    "两头都扯着你。",
    "你说的我记下了。",
    "过去那次你就做到过。",
    "往后的日子你有想象。",
    "这一步可以很小。",
    "不急着现在下结论。",
)
_CLIENT = (_OPENERS, _ASIDES, _MIDDLES, _ENDINGS)
_COUNSELOR = (_HEARD, _NEXT)
NOT_JSON = "我觉得来访者现在挺好的。"


@dataclass(frozen=True, slots=True)
class ScriptedModel:
    """What a model might answer.

    Attributes:
        malformed: Share of the trackers' answers that are no JSON.
        ready_to: The highest readiness that the client's tracker proposes; 8 lets dialogues end.
        risk_at: The number of turns shown from which the counselor's tracker sees a risk.
        client_says: Said by the client instead, by the action; "" is one that is told none.
        more: Characters that every turn has beside.
    """

    malformed: float = 0.0
    ready_to: int = 5
    risk_at: int | None = None
    client_says: Mapping[str, str] | None = None
    more: int = 0

    def __call__(self, received: Received) -> Reply | str:
        """The answer to a request."""
        system = received.body["messages"][0]["content"]
        kind = next((name for name, text in _texts().items() if text == system), None)
        assert kind, f"no part has this prompt: {system[:60]}"
        draw = random.Random(json.dumps(received.body["messages"], sort_keys=True))
        if kind in _TRACKERS and draw.random() < self.malformed:
            return NOT_JSON
        return _PARTS[kind](self, received, draw)

    def client_tracker(self, received: Received, draw: random.Random) -> str:
        about = asked(received)
        state = about["state"]
        reasons = [one["id"] for one in about["profile"]["reasons"]]
        return _json(
            {
                **self._tracked(about, state, state, draw),
                "readiness": min(_near(state["readiness"], draw), self.ready_to),
                "alliance": max(2, _near(state["alliance_felt"], draw)),
                "disclosed": draw.choice([*reasons, "none", "none", "no-such-reason"]),
                "pressed": draw.random() < 0.1,
            }
        )

    def counselor_tracker(self, received: Received, draw: random.Random) -> str:
        about = asked(received)
        state = about["state"]
        risky = self.risk_at is not None and len(about["dialogue"]) >= self.risk_at
        return _json(
            {
                **self._tracked(about, state, state["client"], draw),
                "readiness": _near(state["client"]["readiness"], draw),
                "alliance": _near(state["alliance_est"], draw),
                "task": draw.choice(["engage", "focus", "evoke", "plan"]),
                "focus_topic": "这件事",
                "talk": draw.choice(["change", "sustain", "neutral", "neutral"]),
                "permission": draw.random() < 0.7,
                "risk": "self_harm" if risky else "none",
            }
        )

    def selector(self, received: Received, draw: random.Random) -> str:
        among = asked(received)["allowed"]
        if draw.random() < 0.1:
            among = [one.value for one in Strategy]
        return _json({"reason": "贴着他刚说的话", "strategy": draw.choice(among)})

    def client(self, received: Received, draw: random.Random) -> str:
        about = asked(received)
        said = (self.client_says or {}).get(about.get("action", ""))
        return said or _new(_shown(about), draw, *_CLIENT) + self._more(draw)

    def counselor(self, received: Received, draw: random.Random) -> str:
        messages = received.body["messages"]
        shown = _shown(asked(received)) if len(messages) == 2 else _talk(messages)
        return _new(shown, draw, *_COUNSELOR) + self._more(draw)

    def plain_counselor(self, received: Received, draw: random.Random) -> str:
        return _new(_talk(received.body["messages"]), draw, *_COUNSELOR)

    def script(self, received: Received, draw: random.Random) -> str:
        about = asked(received)
        shown, turns = _shown(about), []
        for _ in range(about["rounds_now"]):
            for role, parts in (("client", _CLIENT), ("counselor", _COUNSELOR)):
                text = _new(shown, draw, *parts)
                shown.append(text)
                turns.append({"role": role, "content": text})
        return _json({"turns": turns, "ended": False})

    def observe(self, received: Received, draw: random.Random) -> str:
        words = asked(received)["counselor"][:6]
        return _json(
            {"acts": [{"act": "reflection", "quote": words}], "addressed": [], "farewell": False}
        )

    def read(self, received: Received, draw: random.Random) -> str:
        return _json({"talk": draw.choice(["change", "sustain", "neutral"]), "contradicts": None})

    def _more(self, draw: random.Random) -> str:
        return "".join(draw.choices("山水木石花鸟云雨桌椅灯纸笔杯碗锅路桥车船", k=self.more))

    def _tracked(
        self, about: Mapping[str, Any], own: Any, client: Any, draw: random.Random
    ) -> dict[str, Any]:
        """What both trackers say; now and then too far, or in words that mean nothing."""
        stages = ["precontemplation", "contemplation", "preparation", "决心期"]
        memory = about["summary"] + about["dialogue"][-1]["content"]
        return {
            "reason": "话里有些松动",
            "stage": draw.choice(stages),
            "importance": min(7, max(3, _near(client["importance"], draw))),
            "confidence": min(6, max(2, _near(client["confidence"], draw))),
            "resistance": draw.choice([0, 0, 1]),
            "emotion": draw.choice(["疲惫", "愧疚", "松快", "犹豫"]),
            "valence": round(draw.uniform(-1, 1), 2),
            "arousal": round(draw.uniform(0, 1), 2),
            "short_goal": draw.choice(["想被听懂", "想说说家里", "想缓一缓"]),
            "summary": memory[-300:],
        }


def asked(received: Received) -> dict[str, Any]:
    """The JSON that the request is about."""
    value, _ = json.JSONDecoder().raw_decode(received.body["messages"][1]["content"])
    assert isinstance(value, dict)
    return value


def part(received: Received) -> str:
    """The prompt that a request was made with."""
    system = received.body["messages"][0]["content"]
    return next(name for name, text in _texts().items() if text == system)


def _near(value: int, draw: random.Random) -> int:
    return value + draw.choice([-3, -1, 0, 0, 1, 3])


def _new(shown: list[str], draw: random.Random, *parts: tuple[str, ...]) -> str:
    """A turn whose pieces stand in none of the turns shown last."""
    before = "".join(shown[-6:])
    fresh = [[one for one in some if one not in before] for some in parts]
    return "，".join(map(draw.choice, fresh))


def _shown(about: Mapping[str, Any]) -> list[str]:
    if "conversation" in about:  # a simulated client's
        return [one["text"] for one in about["conversation"]]
    return [one["content"] for one in about["dialogue"]]


def _talk(messages: list[dict[str, str]]) -> list[str]:
    return [one["content"] for one in messages[1:]]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


_Part = Callable[[ScriptedModel, Received, random.Random], str]
_PARTS: dict[str, _Part] = {
    "calm_client_tracker.v1": ScriptedModel.client_tracker,
    "calm_client_speaker.v1": ScriptedModel.client,
    "calm_client_plain.v1": ScriptedModel.client,
    "calm_counselor_tracker.v1": ScriptedModel.counselor_tracker,
    "calm_selector.v2": ScriptedModel.selector,
    "calm_counselor_speaker.v1": ScriptedModel.counselor,
    "calm_counselor_free.v1": ScriptedModel.counselor,
    "calm_counselor_listed.v1": ScriptedModel.plain_counselor,
    "calm_script.v2": ScriptedModel.script,
    "counselor.v1": ScriptedModel.plain_counselor,
    "client_observe.v2": ScriptedModel.observe,
    "client_speak.v1": ScriptedModel.client,
    "client_read.v2": ScriptedModel.read,
}
_TRACKERS = ("calm_client_tracker.v1", "calm_counselor_tracker.v1")


def _texts() -> dict[str, str]:
    if not _FILLED:
        strategies = prompts.load("calm_strategies.v1").text
        for name in _PARTS:
            prompt = prompts.load(name)
            blank = {"strategies": strategies} if "$strategies" in prompt.text else {}
            _FILLED[name] = prompt.fill(**blank)
    return _FILLED


_FILLED: dict[str, str] = {}
