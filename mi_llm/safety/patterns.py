"""Lists of word patterns out of a YAML file, and the characters that they are written in."""

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


_NOTHING = re.compile(r"(?!)")
# Left out by those who type fast. Not before "ll" and "d": "ill" and "wed" are words.
_APOSTROPHE = re.compile(r"'(?=(?:t|m|s|re|ve)\b)")
# Traditional characters of the lists' words; full-width letters, digits and signs, but for the
# Chinese punctuation that the lists use.
_TRADITIONAL = (
    "殺殘藥傷樓結束著義聽聲覺絕厭歲沒會這個來為麼媽爸們縊輕尋讓開燒農墜過無戀離間遺書劃貪減節瀉暈強姦迫監視蹤竊毒電話報復殘體種喚買準備繩頂別難後"
    "當說寫給婦兒親見斷氣嗎經壓總樣醫餓應該撐還時對從現實點麵橋臺陽隻車門問誰請謝擔廢壞愛師訴處裡帶髒腳頭臉腦發亂嘔飲飯變鯊"
)
_SIMPLIFIED = (
    "杀残药伤楼结束着义听声觉绝厌岁没会这个来为么妈爸们缢轻寻让开烧农坠过无恋离间遗书划贪减节泻晕强奸迫监视踪窃毒电话报复残体种唤买准备绳顶别难后"
    "当说写给妇儿亲见断气吗经压总样医饿应该撑还时对从现实点面桥台阳只车门问谁请谢担废坏爱师诉处里带脏脚头脸脑发乱呕饮饭变鲨"
)
_SIMPLER = (
    str.maketrans(
        _TRADITIONAL,
        _SIMPLIFIED,
    )
    | {code: code - 0xFEE0 for code in range(0xFF10, 0xFF5B) if chr(code).isalnum()}
    | {0x3000: " ", 0x2019: "'"}
    | str.maketrans("аеорсухіѕјкмтвн", "aeopcyxisjkmtbh")  # Cyrillic letters that look Latin
)
