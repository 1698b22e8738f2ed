"""What a simulated client must not say, by Chinese and English word patterns of ours.

They are narrow on purpose: a turn that is stopped wrongly is asked for again, and the third time
the session is lost. docs/simulated_clients.md tells how often clients' turns from elsewhere trip
them.

| kind | what trips it |
|---|---|
| `role_swap` | it speaks as the counselor, or offers help |
| `ai` | it says that it is an AI or a model |
| `echo` | nearly the counselor's last turn, or its own |
| `premature_acceptance` | it commits itself before it is ready to |
| `contradiction` | another name or age than its facts have, or the words of a red line |
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mi_llm.quotation import bare

if TYPE_CHECKING:
    from mi_llm.profiles import Profile

GateKind = Literal["role_swap", "ai", "echo", "premature_acceptance", "contradiction"]

ALIKE = 85.0  # rapidfuzz ratio, in [0, 100], of letters and digits alone
SHORTEST_ECHO = 6  # letters and digits; "嗯，是的" may well be said twice


@dataclass(frozen=True, slots=True)
class Trip:
    """Why a text cannot stand.

    Attributes:
        kind: Which gate.
        what: What is wrong, in words for the model.
    """

    kind: GateKind
    what: str


_ANY = re.IGNORECASE
_ROLE_SWAP = re.compile(
    r"有什么(我)?(可以|能)(够)?帮(助)?(到)?(你|您)|我(可以|能)(怎么|如何)帮(助)?(到)?(你|您)"
    r"|(我是|作为)(你的|您的|一名|一位)?(心理)?(咨询师|治疗师|辅导员)"
    r"|(欢迎|感谢)(你|您)(来到|来做|前来|的到来|今天来)"
    r"|^\s*(咨询师|心理咨询师|counsell?or|therapist)\s*[:：]"
    r"|how (can|may) i (help|assist) you|what brings you (here|in)"
    r"|i('| a)m (your|a) (counsell?or|therapist)|as (your|a) (counsell?or|therapist)",
    _ANY,
)
_AI = re.compile(
    r"(作为|我是|我只是|我不过是)(一个|一名|个)?(AI|人工智能|大?语言模型|大模型|虚拟(人|角色|助手)"
    r"|聊天机器人|机器人|智能助手|AI助手)(?![工行研开产专从公厂])"
    r"|\b(as an?|i('| a)m( just| only)? an?) (AI|artificial intelligence|(large )?language model"
    r"|chatbot|virtual assistant)\b(?! (engineer|researcher|developer))",
    _ANY,
)
_COMMITS = re.compile(
    r"我(已经)?(决定|下定决心|想好)(了|要|从|以后)"
    r"|我(一定|保证|肯定|绝对)(会|能)?(好好|努力|尽力)?(做到|改|戒|减|早睡|停|试|控制|坚持)(?!不)"
    r"|我答应(你|您)?(?!过)"
    r"|从(今天|今晚|明天|现在|下周|这周)(起|开始)[，,]?我?(就|要|会|一定)"
    r"|(这就|马上|今天就|今晚就|明天就)(开始|改|戒|试)"
    r"|(就|都)?(按|听)(你|您)(说)?的(办|做|来)?(吧|了)|那?就这么(办|定)"
    r"|我(愿意|准备好)(去|了|改|戒|开始|试)"
    r"|\bi('ve| have)? (decided to|promise|will definitely)\b"
    r"|\bi('m| am) (ready|determined) to|\bi('ll| will) (start|quit|stop|give up)\b"
    r"|\b(let's|i'll) do (it|that)\b",
    _ANY,
)
# Words before it in the same clause that take a commitment back, or make it another's or bygone.
_TAKEN_BACK = re.compile(
    r"(不|没|别|未|如果|要是|假如|怎么|难道|谁|除非|万一|就算|也许|可能|想|说|让|叫|劝|以为|以前|每次|上次"
    r"|\bnot\b|n't\b|\bif\b|\bunless\b|\bmaybe\b|\bwhen\b|\bsays?\b|\bsaid\b|\bwants?\b)"
    r"[^，,。.！!？?；;]{0,12}$",
    _ANY,
)
_NAMED = re.compile(
    r"(?:我叫|我名叫|我的名字[叫是])(?![了他她它你您人醒不别苦外])(?P<zh>[\u4e00-\u9fff·]{2,4})"
    r"(?=[，,。.！!、；;\s]|$)|\bmy name is (?P<en>[a-z]+)",
    _ANY,
)
_AGED = re.compile(
    r"我(?:今年|已经|才)?(?P<zh>\d{1,3}|[一二三四五六七八九十两]{1,4})岁(?![那的时以之前起后就左多])"
    r"|\bi(?:'m| am) (?P<en>\d{1,3})(?: years old\b|(?=[.,;!?]|$))",
    _ANY,
)


def trip(
    text: str,
    *,
    counselor: str,
    own: str,
    may_accept: bool,
    profile: Profile,
) -> Trip | None:
    """The first gate that a client's text trips; None if it may stand.

    Args:
        text: The client's.
        counselor: The counselor's last turn, or "".
        own: The client's own last turn, or "".
        may_accept: Whether the client is ready enough to commit itself.
        profile: Its facts and red lines count.
    """
    if _ROLE_SWAP.search(text):
        return Trip("role_swap", "你说成了咨询师的话；你是来访者")
    if _AI.search(text):
        return Trip("ai", "你说自己是 AI 或模型；你是一个普通人")
    if like(text, counselor) or like(text, own):
        return Trip("echo", "几乎照抄了咨询师或你自己上一句；换成你自己的、新的话")
    if not may_accept and _commits(text):
        return Trip("premature_acceptance", "你现在还没准备好，不要答应、保证或下决心")
    return _contradiction(text, profile)


def like(text: str, other: str) -> bool:
    """Whether two turns are nearly the same, and long enough for that to tell anything."""
    from rapidfuzz import fuzz

    one, two = bare(text), bare(other)
    return min(len(one), len(two)) >= SHORTEST_ECHO and fuzz.ratio(one, two) >= ALIKE


def _commits(text: str) -> bool:
    return any(not _TAKEN_BACK.search(text[: found.start()]) for found in _COMMITS.finditer(text))


def _contradiction(text: str, profile: Profile) -> Trip | None:
    for line in profile.red_lines:
        if bare(line) and bare(line) in bare(text):
            return Trip("contradiction", f"你绝不会这样说：{line}")
    name, age = profile.facts.get("name"), profile.facts.get("age")
    if name is not None and not _same_name(str(name), _found(_NAMED, text)):
        return Trip("contradiction", f"你的名字是{name}")
    if age is not None and not _same_age(str(age), _found(_AGED, text)):
        return Trip("contradiction", f"你的年龄是{age}")
    return None


def _found(pattern: re.Pattern[str], text: str) -> list[str]:
    return [match["zh"] or match["en"] for match in pattern.finditer(text)]


def _same_name(name: str, said: Sequence[str]) -> bool:
    """Whether every name said may be the client's: a part of it, or it with a word behind it."""
    known = name.casefold()
    return all(
        one.casefold() in known or one.casefold().startswith((known, known[:2])) for one in said
    )


def _same_age(age: str, said: Sequence[str]) -> bool:
    """Whether no age was said that is another one; an age not told in figures allows any."""
    known = re.search(r"\d+", age)
    return known is None or all(_years(one) in (None, int(known[0])) for one in said)


_DIGITS = {"一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}


def _years(said: str) -> int | None:
    """Years in figures or Chinese numerals up to 99; None for what is neither."""
    if said.isascii():
        return int(said)
    tens, ten, ones = said.rpartition("十")
    if any(one not in _DIGITS for one in (tens, ones) if one):
        return None
    if not ten:
        return _DIGITS[said]
    return 10 * _DIGITS.get(tens, 1) + _DIGITS.get(ones, 0)
