"""Machine checks of whether a transcription is still the source's story.

All are soft: they compare characters, not meaning, and a person decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from converters.review.findings import Finding
from mi_llm.dialogue import Dialogue

GRAM = 2  # characters
LIKENESS = 0.35  # share of the client's character pairs that the source has; docs/screening.md
LABEL_PRESENT = 0.5  # share of the label's telling characters that must be said

_HAN = re.compile(r"[\u4e00-\u9fff]")
# Says which way, not what.
_DIRECTION = re.compile(
    r"减少|降低|停止|戒除|戒掉|戒|少|增加|增强|提高|改善|规律|控制|管理|保持|坚持|开始|养成|建立|按时|主动|过度"
    r"|冲动|行为|习惯|次数|时间|频率|时长|对|的|和|与|前|后|睡前|每天|每日|自己|更|多|不"
)
# What people say for it; keys are the categories of converters.transcription.schema.
_SAID_FOR = {
    "smoking": "烟",
    "alcohol": "酒|喝两口|喝一口",
    "drugs": "药|毒",
    "diet_weight": "吃|胖|瘦|斤|糖|甜|喝|餐|零食",
    "exercise": "运动|走|跑|练|步|健身|球|游泳|操",
    "sleep": "睡|觉|眠|困|熬夜",
    "screen_time": "手机|视频|游戏|电脑|屏|刷",
    "spending": "钱|买|账|购|花",
    "gambling": "赌|彩票|牌|注",
    "medical_care": "药|医|血糖|血压|检查|复查",
    "study_work": "学|考|题|书|作业|班|工作|任务|计划",
    "relationships": "朋友|同事|家|聊|沟通|吵|关系|搭档",
    "emotion_coping": "火|脾气|情绪|烦|焦|哭|吼|难受",
}
_DIGITS = r"[0-9０-９]+(?:[.．][0-9０-９]+)?|[一二三四五六七八九十百千两]+"
# Facts of a life. Times and amounts that a plan may name (minutes, days, times a week) are not.
_NUMBER = re.compile(
    rf"(?<![几数])(?:{_DIGITS})(?:多|来|几)?(?:岁|年|个月|万|千|块|元|斤|公斤|公里|平米|个孩子|个儿子|个女儿)"
)
_ANY_NUMBER = re.compile(rf"(?:{_DIGITS})[万千]?")
_FULL_WIDTH = str.maketrans("０１２３４５６７８９．两", "0123456789.二")
_NUMERALS = "零一二三四五六七八九"
_PLACES_OF_TEN = {"十": 10, "百": 100, "千": 1000}
_VAGUE = re.compile(r"^(?:一|两|半)(?:年|个月|块|万|千|斤|公斤|公里)$|^千万$|^万万$")
_SURNAMES = (
    "王李张刘陈杨黄赵周吴徐孙朱胡郭何罗郑梁谢宋唐许邓冯曹彭曾肖蔡潘袁董余苏叶吕魏蒋田杜丁沈姜崔谭"
)
_TITLES = r"(?:老师|医生|大夫|经理|主任|总|先生|女士|阿姨|叔|哥|姐|师傅|教授|护士|局长|处长|同学)"
_NAME = re.compile(
    rf"(?<![老小])[{_SURNAMES}]{_TITLES}|[老小][{_SURNAMES}](?![来去人])|名叫[\u4e00-\u9fff]{{2,3}}"
)
_CITIES = (
    "北京|上海|天津|重庆|广州|深圳|杭州|南京|武汉|成都|西安|苏州|郑州|长沙|沈阳|青岛|大连|厦门|宁波|济南|合肥"
    "|福州|昆明|哈尔滨|长春|石家庄|太原|南昌|贵阳|南宁|兰州|海口|香港|澳门|台湾|新疆|西藏|内蒙古|广东|浙江|江苏"
    "|山东|河南|河北|湖南|湖北|四川|陕西|山西|安徽|福建|江西|广西|云南|贵州|辽宁|吉林|黑龙江|甘肃|青海|宁夏|海南"
)
_CITY = re.compile(rf"(?:{_CITIES})(?:市|省)?")
_INSTITUTION = re.compile(r"[\u4e00-\u9fff]{2}(?:大学|中学|小学|医院|集团|有限公司|派出所|看守所)")
# What stands before such a word without naming one.
_COMMON = re.compile(
    r"(?:去|在|到|个|家|所|了|上|的|是|说|有|读|念|考|进|这|那|大|我|你|您|他|她|人民|联系|附近|社区|正规|专科|精神|心理|各个|哪家|当地)"
)


def findings(dialogue: Dialogue, source: Dialogue | None) -> Iterator[Finding]:
    """Yield where a transcription seems to have left its source.

    Args:
        dialogue: The transcription.
        source: What it was made from; None leaves out what compares with it.
    """
    yield from _target(dialogue)
    if source is None:
        return
    if (share := likeness(dialogue, source)) < LIKENESS:
        yield Finding(
            "unlike its source",
            None,
            f"来访者的话与原文只有{share:.0%}的字对相同，可能不是同一段故事",
        )
    told = _said(source)
    values = set(map(_value, _found(_ANY_NUMBER, told)))
    for number, turn in enumerate(dialogue.turns, start=1):
        numbers = [one for one in _numbers(turn.content) if _value(one) not in values]
        names = [one for one in _found(_NAME, turn.content) if one not in told]
        places = [one for one in _places(turn.content) if one not in told]
        for kind, noun, new in (
            ("new number", "数字", numbers),
            ("new name", "人名", names),
            ("new place", "地点或单位", places),
        ):
            if new:
                yield Finding(kind, number, f"原文没有的{noun}：{'、'.join(dict.fromkeys(new))}")
        values.update(map(_value, numbers))  # each is told once
        told += "".join(names + places)


def likeness(dialogue: Dialogue, source: Dialogue) -> float:
    """The share of the client's distinct character pairs that stand in the source, in [0, 1].

    1 if the client says no two Chinese characters in a row: then there is nothing to compare.
    """
    own = _pairs(" ".join(turn.content for turn in dialogue.turns if turn.role == "client"))
    return len(own & _pairs(_said(source))) / len(own) if own else 1.0


def target(dialogue: Dialogue) -> dict[str, str]:
    """What the transcription names as its target behaviour: label, category; empty if nothing."""
    facts = dialogue.meta.get("transcription")
    named = facts.get("target_behaviour") if isinstance(facts, dict) else None
    if not isinstance(named, dict):
        return {}
    return {key: value for key, value in named.items() if isinstance(value, str)}


def _target(dialogue: Dialogue) -> Iterator[Finding]:
    named = target(dialogue)
    label, text = named.get("label", ""), _said(dialogue)
    telling = set(_HAN.findall(_DIRECTION.sub("", label)))
    said_for = _SAID_FOR.get(named.get("category", ""))
    if not telling or (said_for and re.search(said_for, text)):
        return
    if sum(one in text for one in telling) < LABEL_PRESENT * len(telling):
        yield Finding("target behaviour absent", None, f"全文没有谈到目标行为“{label}”")


def _said(dialogue: Dialogue) -> str:
    return "\n".join(turn.content for turn in dialogue.turns)


def _pairs(text: str) -> set[str]:
    runs = re.findall(r"[\u4e00-\u9fff]+", text)
    return {run[i : i + GRAM] for run in runs for i in range(len(run) - GRAM + 1)}


def _found(pattern: re.Pattern[str], text: str) -> list[str]:
    return [one[0] for one in pattern.finditer(text)]


def _numbers(text: str) -> list[str]:
    return [one for one in _found(_NUMBER, text) if not _VAGUE.match(one)]


def _places(text: str) -> list[str]:
    """Places; `这家医院` and `上大学` name none."""
    cities = _found(_CITY, text)
    return cities + [one for one in _found(_INSTITUTION, text) if not _COMMON.match(one)]


def _value(number: str) -> float:
    """The number that a text begins with, in digits or Chinese numerals: `二十五岁` is 25.

    Behind the digits, 万 and 千 multiply; numerals without a place value are read as digits.
    """
    match = re.match(_DIGITS, number)
    assert match is not None
    text = match[0].translate(_FULL_WIDTH)
    scale = {"万": 10_000, "千": 1000}.get(number[match.end() : match.end() + 1], 1)
    if text[0].isdecimal():
        return float(text) * scale
    total = digit = 0
    for one in text:
        if one in _PLACES_OF_TEN:
            total, digit = total + (digit or 1) * _PLACES_OF_TEN[one], 0
        else:
            digit = digit * 10 + _NUMERALS.index(one)
    return float(total + digit) * scale
