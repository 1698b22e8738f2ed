"""A text as the word lists spell it, with the way back to what was typed.

What cannot be seen goes, disguised characters become plain ones, and sound-alikes that get past
filters (`spellings` of lexicon.yaml) the words they stand for. What blanks, signs or a line break
tear apart is read both ways, as typed and joined: joining alone could make a denial of two lines.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from mi_llm.safety import patterns


@dataclass(frozen=True, slots=True)
class Spelt:
    """A text in the lists' spelling.

    Attributes:
        plain: The text.
        starts: Where each character of it begins in what was typed.
        ends: Where it ends there.
        joined: Whether what tears words apart was left out.
    """

    plain: str
    starts: Sequence[int]
    ends: Sequence[int]
    joined: bool = False

    def typed(self, start: int, end: int) -> tuple[int, int]:
        """Where the words between two places of `plain` stand in what was typed."""
        return self.starts[start], self.ends[end - 1]

    def is_news(self, start: int, end: int) -> bool:
        """Whether these words count: in a joined text only those that were torn apart."""
        if not self.joined:
            return True
        long = any(self.ends[at] - self.starts[at] > 1 for at in range(start, end))
        return long or any(self.ends[at - 1] < self.starts[at] for at in range(start + 1, end))


def readings(text: str) -> list[Spelt]:
    """A text as typed, and joined where something may tear its words apart."""
    typed = spelt(text)
    torn = (tear for tear in (_SIGNS, _LINE_BREAK) if tear.search(typed.plain))
    return [typed, *(_joined(typed, tear) for tear in torn)]


def spelt(text: str) -> Spelt:
    """A text as typed, in the lists' spelling."""
    if not _UNUSUAL.search(text):
        size = len(text)
        return _sounded(Spelt(patterns.plain(text), range(size), range(1, size + 1)))
    kept = [(letter, place) for place, one in enumerate(text) for letter in _undisguised(one)]
    starts = [place for _, place in kept]
    plain = patterns.plain("".join(letter for letter, _ in kept))
    return _sounded(Spelt(plain, starts, [place + 1 for place in starts]))


def _undisguised(one: str) -> str:
    """A character as it is meant: "" if it cannot be seen; letters and digits in their own form."""
    if one in "\n\t":
        return one
    if one in "\u0085\u2028\u2029\v\f":
        return "\n"
    if one.isspace():
        return "" if one == "\r" else " "
    plain = "".join(part for part in unicodedata.normalize("NFKD", one) if _is_seen(part))
    return plain if plain.isalnum() or not plain else one


def _is_seen(one: str) -> bool:
    return unicodedata.category(one) not in ("Cc", "Cf", "Mn", "Me")


def _sounded(typed: Spelt) -> Spelt:
    """The same with sound-alikes as the words that they stand for."""
    pattern, words = _sounds()
    pieces: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    last = 0
    for match in pattern.finditer(typed.plain):
        start, end = match.span()
        word = words[(match.lastindex or 0) - 1]
        pieces += [typed.plain[last:start], word]
        starts += [*typed.starts[last:start], *[typed.starts[start]] * len(word)]
        ends += [*typed.ends[last:start], *[typed.ends[end - 1]] * len(word)]
        last = end
    if not pieces:
        return typed
    plain = "".join([*pieces, typed.plain[last:]])
    return Spelt(plain, [*starts, *typed.starts[last:]], [*ends, *typed.ends[last:]], typed.joined)


@cache
def _sounds() -> tuple[re.Pattern[str], tuple[str, ...]]:
    """A pattern with a group for each word, and the words."""
    lists = patterns.read(patterns.LEXICON)["spellings"]
    groups = (f"({'|'.join(lines)})" for lines in lists.values())
    return patterns.compiled("|".join(groups)), tuple(lists)


def _joined(typed: Spelt, tear: re.Pattern[str]) -> Spelt:
    """The text without what tears it; the places of what is left show where it was."""
    torn = {place for match in tear.finditer(typed.plain) for place in range(*match.span())}
    kept = [place for place in range(len(typed.plain)) if place not in torn]
    return _sounded(
        Spelt(
            "".join(typed.plain[place] for place in kept),
            [typed.starts[place] for place in kept],
            [typed.ends[place] for place in kept],
            joined=True,
        )
    )


# Whatever is not in the lists' spelling already, nor made so by `patterns.plain`.
_UNUSUAL = re.compile(r"[^\n\t\x20-\x7e\u4e00-\u9fff\u2010-\u2027\u3000-\u301f\uff01-\uff5e]")
# "自 杀", "想*死", "割🔪腕"; a comma only inside words that two clauses would not make by chance.
_SIGN = r"(?:[^\w\n，。！？；：,!?;:“”‘’\"'（）()《》「」『』]|_)"
_SIGNS = re.compile(
    rf"(?<=[\u4e00-\u9fff]){_SIGN}{{1,3}}(?=[\u4e00-\u9fff])"
    r"|(?<=自)[，。,.!！]{1,2}(?=[杀残尽缢伤])|(?<=割)[，。,.!！]{1,2}(?=腕)"
    r"|(?<=跳)[，。,.!！]{1,2}(?=楼)|(?<=上)[，。,.!！]{1,2}(?=吊)"
    r"|(?<=\b[a-z])[ .*_-](?=[a-z]\b)"
)
_LINE_BREAK = re.compile(r"(?<=[\u4e00-\u9fff])[ \t]*\n[ \t\n]*(?=[\u4e00-\u9fff])")
