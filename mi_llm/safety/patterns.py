"""Lists of word patterns out of a YAML file, and what all of them share: spelling, denial."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from mi_llm import yaml_file

LEXICON = "lexicon.yaml"


@dataclass(frozen=True, slots=True)
class Patterns:
    """A list: what counts, and the set phrases in which it does not."""

    means: re.Pattern[str]
    does_not_mean: re.Pattern[str] | None

    def places(self, plain: str) -> Iterator[tuple[int, int]]:
        """Where the list counts: its hits that lie in nothing that it does not mean."""
        hits = [match.span() for match in self.means.finditer(plain)]
        if not hits:
            return
        harmless = [match.span() for match in (self.does_not_mean or _NOTHING).finditer(plain)]
        for start, end in hits:
            if not any(low <= start and end <= high for low, high in harmless):
                yield start, end


@cache
def patterns(file: str, table: str, name: str = "") -> Patterns:
    """The list of that name in a table of a file; without a name the table is the list."""
    lines = read(file)[table][name] if name else read(file)[table]
    does_not_mean = lines.get("does_not_mean")
    return Patterns(
        compiled("|".join(lines["means"])),
        compiled("|".join(does_not_mean)) if does_not_mean else None,
    )


def compiled(pattern: str) -> re.Pattern[str]:
    """A pattern with every <name> put in; "dont" and "im" are read as "don't" and "i'm"."""
    words = {**read(LEXICON)["words"], **read("signs.yaml")["words"]}
    while (longer := re.sub(r"<(\w+)>", lambda tag: words[tag[1]], pattern)) != pattern:
        pattern = longer
    return re.compile(_APOSTROPHE.sub("'?", pattern), re.MULTILINE)


@cache
def read(file: str) -> dict[str, Any]:
    """A YAML file of this package."""
    text = files("mi_llm.safety").joinpath(file).read_text("utf-8")
    data: dict[str, Any] = yaml_file.parsed(file, text)
    return data


def plain(text: str) -> str:
    """The text as the lists are written; one character for one, so that places stay."""
    lower = "".join(one if len(one) == 1 else "?" for one in map(str.lower, text))
    return lower.translate(_SIMPLER)


def is_denied(plain: str, start: int, end: int) -> bool:
    """Whether the words between two places are denied shortly before, in the same clause."""
    before = CLAUSE_END.split(plain[max(0, start - 24) : start])[-1]
    undone = plain[end : end + 1] in ("成", "掉")  # "没自杀成" was an attempt
    return bool(_DENIAL.search(before)) and not _DOUBLE_DENIAL.search(before) and not undone


CLAUSE_END = re.compile(r"[，。；！？,;!?\n]")

_NOTHING = re.compile(r"(?!)")
# Left out by those who type fast. Not before "ll" and "d": "ill" and "wed" are words.
_APOSTROPHE = re.compile(r"'(?=(?:t|m|s|re|ve)\b)")
# Traditional characters of the lists' words; full-width letters, digits and signs, but for the
# Chinese punctuation that the lists use.
_TRADITIONAL = (
    "殺殘藥傷樓結束著義聽聲覺絕厭歲沒會這個來為麼媽爸們縊輕尋讓開燒農墜過無戀離間遺書劃貪減節瀉暈強姦迫監視蹤竊毒電話報復殘體種喚買準備繩頂別難後"
    "當說寫給婦兒親見斷氣嗎經壓總樣醫餓應該撐還時對從現實點麵橋臺陽隻車門問誰請謝擔廢壞愛師訴處裡帶髒腳頭臉腦發亂嘔飲飯變"
)
_SIMPLIFIED = (
    "杀残药伤楼结束着义听声觉绝厌岁没会这个来为么妈爸们缢轻寻让开烧农坠过无恋离间遗书划贪减节泻晕强奸迫监视踪窃毒电话报复残体种唤买准备绳顶别难后"
    "当说写给妇儿亲见断气吗经压总样医饿应该撑还时对从现实点面桥台阳只车门问谁请谢担废坏爱师诉处里带脏脚头脸脑发乱呕饮饭变"
)
_SIMPLER = (
    str.maketrans(
        _TRADITIONAL,
        _SIMPLIFIED,
    )
    | {code: code - 0xFEE0 for code in range(0xFF10, 0xFF5B) if chr(code).isalnum()}
    | {0x3000: " ", 0x2019: "'"}
)

# A denial shortly before the words. "还没" is none: it says "not yet". In English it reaches no
# further than the next "i" or "and" ("no hope and i want to die"), but for "i don't think i ..".
_DENIAL = re.compile(
    r"(?:(?<!还)(?<!有)没有?|从未|未曾|(?<!会)不会|(?<!是)不是|(?<!想)不想|(?<!要)不要|不再|(?<![特分个各])别"
    r"|不可能|并非|不打算|不准备)"
    r"(?:真的|想|过|要|去|做|再|地|有|考虑|打算|任何|到|什么|[ a-z])*$"
    r"|\b(?:not|never|no|don'?t|didn'?t|won'?t|wouldn'?t|haven'?t|hasn'?t|isn'?t)\b"
    r"(?: (?:think|feel|believe|mean|say|saying)(?: that| like)?(?: i| i'm| i am)?)?"
    r"(?: (?!(?:i|i'm|i've|and|but|or|so|because|if|just|only)\b)[a-z']+)* ?$"
)
# "不是没想过", "没有一天不想": a denial denied.
_DOUBLE_DENIAL = re.compile(
    r"(?:不是|并非|不能说|没有一[天刻秒]|无时无刻)[^，。；！？,;!?\n]{0,4}[没不]"
    r"|\b(?:not|isn't|can't|cannot) (?:that|like|say|stop)\b.*\b(?:not|never|don't|haven't)\b"
)
