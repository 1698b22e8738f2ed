"""Texts by their letters and digits alone, and whether quoted words stand in a text.

Models seldom copy exactly: a comma becomes full-width, a space goes, a part is left out. So letters
and digits alone are compared, in one width and case; and so are dialogues that may be related.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

# What a quotation may leave out: marked by an ellipsis, or masked before it was sent.
_LEFT_OUT = re.compile(r"…+|\.{2,}|。{2,}|⋯+|·{3,}|—{2,}|-{2,}|～{2,}|[（(]略[）)]|【[^】]*】")


_NO_LETTER = re.compile(r"[\W_]+")


@lru_cache(maxsize=500)  # the turns of the dialogue at hand
def folded(text: str) -> str:
    """The text in one width and case."""
    return unicodedata.normalize("NFKC", text).casefold()


# What models put before a quotation: the number of a turn, and who said it.
_SPEAKER = r"(?:来访者|咨询师|client|counsell?or|therapist)\s*[:：]"
_LABEL = re.compile(
    rf"^[\s\"“'「(（\[]*(?:\d{{1,3}}[^\w\s【]+\s*(?:{_SPEAKER})?|{_SPEAKER})", re.IGNORECASE
)


def bare(text: str) -> str:
    """The letters and digits of a text, in one width and in lower case."""
    return _NO_LETTER.sub("", folded(text))


def quotes(quote: str, text: str) -> bool:
    """Whether all parts of a quotation stand in a text, in order; blank words stand in none.

    A quotation of nothing but marks stands in a text of nothing but marks. The number of a turn and
    the name of its speaker may stand before it.
    """
    return _stands(quote, text) or _stands(_LABEL.sub("", quote, count=1), text)


def _stands(quote: str, text: str) -> bool:
    parts = [part for part in map(bare, _LEFT_OUT.split(quote)) if part]
    said, start = bare(text), 0
    if not parts:
        return bool(quote.strip()) and not said
    for part in parts:
        found = said.find(part, start)
        if found < 0:
            return False
        start = found + len(part)
    return True
