"""Whose danger a clause tells of: the speaker's, somebody else's, or nobody's.

A few rules of word order, no grammar: who is named before the words, in their clause or else in an
earlier one of the sentence. Where that does not settle it the answer is "unclear", and the gate
asks.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Literal, NamedTuple

from mi_llm.safety import holds, patterns
from mi_llm.safety.lexicon import Risk

Who = Literal["self", "other", "nobody", "unclear"]

_SENTENCE_END = re.compile(r"[。！？!?\n]|\.(?=\s|$)")
_FAR = 200  # characters
_CHINESE = re.compile(r"[\u4e00-\u9fff]")


class _Named(NamedTuple):
    """Somebody named in a clause."""

    start: int
    end: int
    who: Literal["self", "other"]


def sentence(plain: str, start: int, end: int) -> tuple[str, int]:
    """The sentence that the words between two places stand in, and where it begins."""
    first = _begin(plain, start)
    last = _SENTENCE_END.search(plain, end)
    return plain[first : last.start() if last else len(plain)], first


def _begin(plain: str, start: int) -> int:
    """Where the sentence before a place begins; no further back than people hold a thought."""
    earliest = max(0, start - _FAR)
    ends = (match.end() for match in _SENTENCE_END.finditer(plain, earliest, start))
    return max(ends, default=earliest)


def at_risk(plain: str, start: int, end: int, risk: Risk) -> Who:
    """Whose danger the words between two places tell of; "nobody" if it is past help or a saying.

    Args:
        plain: The turn, spelt as the patterns are.
        start: Where the words begin.
        end: Where they end.
        risk: Which danger they are a sign of.
    """
    words = plain[start:end]
    if _DIED.match(plain, end) and not _WISHES.search(plain, max(0, start - 4), end):
        return "nobody"
    if _HIMSELF.search(words):
        return "nobody" if _DEAD.match(plain, end) else "other"
    if _MYSELF.search(words):
        return _quoted(plain, start) or "self"
    if risk == Risk.SELF_HARM and _WITHOUT_ME.search(words):
        return _quoted(plain, start) or "self"
    if risk in (Risk.ABUSE, Risk.PSYCHOSIS) and (who := _victim(plain, start, end)):
        return who
    who = _quoted(plain, start) or _subject(plain, start, words)
    if who == "other" and risk == Risk.SELF_HARM and _may_be_own(plain, start, words):
        return "unclear"
    return "nobody" if who in ("other", "unclear") and _DEAD.match(plain, end) else who


def _may_be_own(plain: str, start: int, words: str) -> bool:
    """Whether a wish may be the speaker's though only somebody else is named in its clause.

    "跟爸妈闹翻时想自杀", "父亲一发火就想死": the one named is no subject of it, or another verb's.
    """
    clause = holds.CLAUSE_END.split(plain[_begin(plain, start) : start])[-1]
    named = list(_someone().finditer(clause))
    if not named or not _WISHES.search(clause[-2:] + words) or TELLS.search(clause):
        return False
    one = named[-1]
    return bool(_OBJECT.search(clause[: one.start()]) or _ANOTHER_VERB.search(clause[one.end() :]))


def _victim(plain: str, start: int, end: int) -> Who | None:
    """Who is hurt or haunted, where the words themselves say it and the doer is their subject."""
    words = plain[start:end]
    if words.endswith("我") and _person().match(plain, end):
        return "other"
    if _MINE.search(words):
        return "self"
    if _OTHERS_HURT.search(words):
        return "other"
    return "self" if _HAUNTED.search(words) else None


def _quoted(plain: str, start: int) -> Who | None:
    """Who speaks, if the words stand in a quotation that somebody is said to say."""
    opening = max(plain.rfind(mark, 0, start) for mark in '“「『"')
    closing = max(plain.rfind(mark, 0, start) for mark in "”」』")
    if opening <= closing or (plain[opening] == '"' and plain.count('"', 0, start) % 2 == 0):
        return None
    said = _SAYING.search(plain[:opening])
    return _subject(plain, said.start(), "") if said else None


def _subject(plain: str, start: int, words: str) -> Who:
    """Who is spoken of in the clause that leads to a place, or else in those before it."""
    clauses = holds.CLAUSE_END.split(plain[_begin(plain, start) : start])
    head = "我" if words.startswith("我") else "自己" if words.startswith("自己") else ""
    if who := _of_clause(clauses[-1] + head):
        return "unclear" if who == "other" and _INTRODUCES.search(clauses[-1]) else who
    if _GENERIC.search(clauses[-1]):
        asks = _ASKED.search(clauses[-1]) or _QUESTION.match(plain, start)
        return "unclear" if asks else "nobody"
    for clause in reversed(clauses[:-1]):
        if (who := _of_clause(clause)) == "self":
            return "self"
        if who:
            return "other" if _SAYS.search(clauses[-1]) else "unclear"
    before = _begin(plain, max(_begin(plain, start) - 1, 0))
    spoken_of = [_of_clause(one) for one in holds.CLAUSE_END.split(plain[before:start])]
    return "unclear" if "other" in spoken_of and "self" not in spoken_of else "self"


@lru_cache(maxsize=256)
def _of_clause(clause: str) -> Literal["self", "other"] | None:
    named = [
        _Named(*match.span(), "self" if match[1] else "other")
        for match in _someone().finditer(clause)
    ]
    if not named:
        return None
    subject = named[0]
    for one in named[1:]:
        if _becomes_subject(clause, subject, one):
            subject = one
    return subject.who


def _becomes_subject(clause: str, before: _Named, one: _Named) -> bool:
    """Whether the second of two people named in a clause is whom its end speaks of."""
    between, after = clause[before.end : one.start], clause[one.end :]
    if not _CHINESE.search(clause):
        return True  # English names its subject last: "my mom says i should"
    if _PREPOSITION.search(between):
        return False
    if one.who == "self" or before.who == "other":
        return True
    return bool(_PASSES_ON.search(between)) and not _THEN.match(after)


@cache
def _person() -> re.Pattern[str]:
    return patterns.compiled("<person>")


@cache
def _someone() -> re.Pattern[str]:
    return patterns.compiled(
        r"(?:<own>|她们|他们|她|他"
        r"|(?<!with )(?<!without )(?<!about )(?<!for )(?<!of )(?<!from )(?<!since )(?<!because )"
        r"\bmy (?:best |little |older |younger |big |dear |own |oldest |ex[- ])*"
        r"(?:friend|brother|sister|mom|mother|dad|father|son|daughter|kid|child|wife|husband"
        r"|girlfriend|boyfriend|partner|roommate|coworker|colleague|boss|neighbou?r|cousin|uncle"
        r"|aunt|grandma|grandpa|grandmother|grandfather|classmate|student|patient|ex)\b"
        r"|\b(?:he|she|they)(?:'s|'d|'ll|'re|'ve)?\b|\ba (?:friend|colleague|coworker|classmate)\b)"
        r"|(我|本人|咱|俺|\bi(?:'m|'ve|'d|'ll)?\b)"
    )


_WITHOUT_ME = re.compile(r"我也想|没有我|没了我|我不在|少了?我|给我|生(?:下)?我|\bme\b|\bi\b")
_MINE = re.compile(r"我(?!妈|爸|弟|妹|哥|姐|儿|女|老婆)|\b(?:me|my)\b")
_OTHERS_HURT = re.compile(
    r"(?:妈妈?|[弟妹哥姐]{1,2}|奶奶|老婆|孩子|儿子|女儿|妻子|媳妇|老人|[他她])(?:了|过|着)?$"
)
_HAUNTED = re.compile(r"毒|监视|监控|跟踪|窃听|监听|芯片")
_HIMSELF = re.compile(r"\b(?:himself|herself|themsel(?:f|ves))\b")
_MYSELF = re.compile(r"\bmyself\b")
# The dead are mourned, not saved; what is to be said to those they left, a model may say.
_DEAD = re.compile(
    r"(?:而死|身亡|去世|离世|过世|死亡|走了|没了|死了|了(?=，?(?:留下|已经走|去世|没救|我(?:一直)?(?:很|特别)?(?:自责|内疚|难过)))"
    r"|(?:了)?(?:[几一二三四五六七八九十两\d]+年了))"
)
# Nobody says it of himself.
_DIED = re.compile(r"(?:而亡|身亡|去世|离世|过世)")
# "24岁女生想自杀" may be the speaker.
_INTRODUCES = re.compile(
    r"(?:\d+|十[一二三四五六七八九])岁[^，]{0,4}(?:[男女]|少年)|[男女]生?\d+岁"
)
_SAYING = re.compile(
    r"(?:说|讲|喊|写|道|问|骂|吼|发(?:了)?(?:个|条)?(?:消息|微信|信息|朋友圈)?(?:跟我|给我|和我)?(?:说)?"
    r"|留言|\b(?:say|says|said|told me|texted|wrote|yelled|screamed))[了过着：:，, ]*$"
)
_SAYS = re.compile(r"^.{0,6}(?:说|讲|喊|嚷|发消息|念叨|写)|\b(?:say|says|said|saying)\b")
_GENERIC = re.compile(
    r"有(?:些|的)?人|别人|人们|人家|谁|大家|某人|某个人|很多人|任何人|\b(?:people|someone|somebody|anyone|everyone)\b"
)
# Readers are asked for a companion or a way, or all are asked about it: it may be for oneself.
_ASKED = re.compile(
    r"有没有|有木有|有谁|哪位|请问|为什么|谁(?:能|知道|有|来|可以|愿意|想|要|会)"
    r"|有人(?:想|要|愿意|一起|知道|能|和我|跟我|约|陪)|大家(?:知道|帮|觉得)|\b(?:does|anyone|anybody|who)\b"
)
_QUESTION = re.compile(r"[^。！!\n]*?(?:[?？吗]|为什么)")
_PREPOSITION = re.compile(
    r"(?:跟|和|与|对|给|向|同|告诉|找|陪|等|问|求|为了?|替|因为|拉着|抱着|当着|除了|没有|没了|离开|失去|比)$"
)
_WISHES = re.compile(r"想|不愿|活不|要死")
TELLS = re.compile(
    r"说|讲|喊|闹着|嚷|念叨|写|发(?:消息|微信|信息|朋友圈|来|给|帖)|告诉|表示|提|透露|觉得|担心|怕|发现|知道|看到"
    r"|\b(?:say|says|said|told|tells|keeps)\b"
)
_OBJECT = re.compile(
    r"(?:跟|和|与|被|因为?|由于|离开|失去了?|没有?|没了|对|为了?|替|给|让|面对|照顾|[抱带拉]着?|有(?:一?个)?[^，]{0,4}的?)$"
)
_ANOTHER_VERB = re.compile(
    r"就|时|而(?!且)|真的|老$|后|得[^，]{0,3}$|[\u4e00-\u9fff] +\S|自己[^，]"
)
_PASSES_ON = re.compile(
    r"说|讲|让|叫|使|逼|劝|骂|命令|希望|想让|觉得|感觉|担心|怕|听|知道|发现|以为|怀疑|看|猜|担忧|拦|等|相信|见过?|梦"
)
_THEN = re.compile(r"[就都才真]|恨不得")
