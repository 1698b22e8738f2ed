"""What holds words of danger back: a denial, and a story, a game or a lesson they are part of.

A hold ends with its clause, needs a subject that is not the speaker, and takes away nothing that
people say of themselves: "小说里的他自杀了" is held, "小说看完了，只想自杀" is not. In Chinese a
wish without a subject is the speaker's, so it is held only where a figure of the story wishes it.
"""

from __future__ import annotations

import re
from functools import cache

from mi_llm.safety import patterns

# A blank after a Chinese character ends a clause as a sign does.
CLAUSE_END = re.compile(r"[，。；！？,;!?\n]|(?<=[\u4e00-\u9fff]) +")


def is_denied(plain: str, start: int, end: int) -> bool:
    """Whether the words between two places are denied shortly before, in the same clause."""
    before = CLAUSE_END.split(plain[max(0, start - 60) : start])[-1]
    near = before[-24:]
    bare = near.endswith("不") and plain[start] in "想要愿会" and near[-2:-1] != plain[start]
    denied = bare or _DENIAL.search(near)  # "要不要死" denies nothing
    if not denied or plain[end : end + 1] in ("成", "掉"):  # "没自杀成" was an attempt
        return False
    return not _DENIED_DENIAL.search(before) and not _TAKEN_BACK.match(plain, end)


def is_story(plain: str, start: int, end: int, *, of_self_harm: bool) -> bool:
    """Whether the words between two places happen in a story, a game, or a lesson.

    Args:
        plain: A text in the lists' spelling.
        start: Where the words begin.
        end: Where they end.
        of_self_harm: Whether they are about harm to oneself; what one does oneself in a game is
            play only if it is done to others there, or is no more than dying.
    """
    first = _clause_begin(plain, start)
    wish = bool(_WISH.search(plain, max(first, start - 3), end))
    worlds = list(_holds("worlds", "games", "figures").finditer(plain, first, start))
    if not worlds:
        return not wish and _goes_on(plain, first, start)
    begins, ends = worlds[-1].span()
    if _FOLLOWS.search(plain, first, start) or _JOINS_IN.match(plain, end):
        return False
    if _holds("games").fullmatch(plain, begins, ends):
        if of_self_harm:
            return not wish and bool(_DIES.match(plain, start, end))
        return not _holds("close").search(plain, ends, end)
    if _ME.search(plain, ends, end):
        return False
    return not wish or bool(_holds("figures", "others").search(plain, first, start))


def _clause_begin(plain: str, start: int) -> int:
    earliest = max(0, start - 100)
    ends = (match.end() for match in _HOLD_END.finditer(plain, earliest, start))
    return max(ends, default=earliest)


def _goes_on(plain: str, first: int, start: int) -> bool:
    """Whether a clause goes on with what the figure of the one before it does: "最后跳楼了"."""
    if not first or not _NEXT.match(plain, first, start) or _ME.search(plain, first, start):
        return False
    before = CLAUSE_END.split(plain[: first - 1])[-1]
    figures = list(_holds("figures").finditer(before))
    return bool(figures) and not _ME.search(before, figures[-1].end())


@cache
def _holds(*names: str) -> re.Pattern[str]:
    lists = patterns.read(patterns.LEXICON)["holds"]
    return patterns.compiled("|".join(line for name in names for line in lists[name]))


# A denial shortly before the words. "还没" is none: it says "not yet". In English it reaches no
# further than the next "i" or "and" ("no hope and i want to die"), but for "i don't think i ..".
_DENIAL = re.compile(
    r"(?:(?<!还)(?<!有)没(?!想到)有?|从未|未曾|(?<!会)不会|(?<!是)不是|(?<!想)不想|不愿|(?<!要)不要|不再|(?<![特分个各])别"
    r"|不可能|并非|不打算|不准备)"
    r"(?:真的|想|过|要|去|做|再|地|有|考虑|打算|任何|到|什么|这么|早|年纪轻轻就|[ a-z])*$"
    r"|\b(?:not|never|no|don'?t|didn'?t|won'?t|wouldn'?t|haven'?t|hasn'?t|isn'?t)\b"
    r"(?: (?:think|feel|believe|mean|say|saying)(?: that| like)?(?: i| i'm| i am)?)?"
    r"(?: (?!(?:i|i'm|i've|and|but|or|so|because|if|just|only)\b)[a-z']+)* ?$"
)
# A denial denied: "不是没想过", "没有一天不想", "it's not that i don't want to die".
_DENIED_DENIAL = re.compile(
    r"(?:(?<!是)不是|并不是|并非|(?:不能|没法|不敢|不好|没|没有|谁|怎么能)说|无时无刻|不可能|不见得|未必|(?<!会)不会|难免"
    r"|没有?(?:哪?[一几]?[天刻秒晚日夜次]|时候|哪|人)|哪有|哪里|哪[一]?[天刻]|怎么(?:会|可能|能)|难道|谁(?:会|又|能)?(?=[没不])|很难|难以"
    r"|没有|无法|没(?:有)?办法|没法|不能|不敢保证|不保证|忍不住|不得|[就才](?=不会|不再)|为(?:何|什么|啥)(?=[^，]{0,4}不是))"
    r"[^，。；！？,;!?\n]{0,8}[没不][^，。；！？,;!?\n]{0,3}$"
    r"|(?:不得|忍|由|止|禁|控制|抑制)不(?:住|了|得)?[^，。；！？,;!?\n]{0,3}$"
    r"|\b(?:not|isn't|can't|cannot|never|wasn't) (?:that|like|say|stop|stopped|help|as if|true)\b.*"
    r"|\b(?:not|isn't|hardly|never|wasn't|hasn't been) (?:a|one|even a) (?:single )?"
    r"(?:day|night|hour|moment|minute|week)\b.*"
    r"|\b(?:lying|lie|who says|pretend)\b.*\b(?:not|never|don't|didn't|haven't)\b.*"
)
# What takes a denial back after the words: "不想死才怪", "没自杀是因为孩子".
_TAKEN_BACK = re.compile(
    r"[^，。；！？,;!?\n]{0,4}(?:才怪|都难|都不行|(?:那)?(?:是|都是|就是)?(?:假的|骗人|骗你|自欺)|(?:只|就|完全|都)?是因为|全靠)"
)
_HOLD_END = re.compile(
    rf"{CLAUSE_END.pattern}|[：:、…~～]|\.(?=\s|$)|但是?|可是|不过|所以|\b(?:but|while|now|then)\b"
)
_ME = re.compile(r"我|本人|俺|咱|\b(?:i|i'm|i'd|i've|me|my|myself|im)\b")
_WISH = re.compile(
    r"想|要|求|宁|希望|打算|准备|决定|不如|算了|多少|几[片粒楼]|怎么|如何|哪种|活不|撑不|不配|没意|没有意|好累|太累"
    r"|\b(?:want|wanna|wish|feel|thoughts?|suicidal|gonna|going to|better off|tired)\b"
)
# The speaker does as in the story, or after it: no part of it.
_FOLLOWS = re.compile(
    r"[看听玩追读刷写][^，]{0,6}[完后]|之后|以后|夹|藏|放[着了]|压着|学着|学[他她]|照着|照[他她]|模仿|试[了过着]|(?:一|那|同)样|[是像当做成跟和]"
    r"[^，]{0,6}(?:主角|女主|男主|主人公|反派)|\bafter\b"
)
# The speaker is moved to the same, or wants to know how.
_JOINS_IN = re.compile(
    r"[^。！？!?\n]{0,40}(?:我也|我就想|我想|我真想|羡慕|[和跟像]我|\b(?:i want|like me|me too)\b)"
    r"|[^，。！？]{0,4}(?:不痛|不疼|没有?痛|死不了|最快|方法|办法)"
)
_DIES = re.compile(r"(?:我们?|自己|又|就|老是?|都|总)*死")
_NEXT = re.compile(r"最后|最终|结果|结局|结尾|然后|于是|后来|终于|又|还|被")
