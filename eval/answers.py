"""What is wrong with single answers, told from their text alone: no reference is needed.

Each rule is a threshold that anyone can repeat, not a judgement. The counselors' own turns are put
to the same rules, since they too leave out a full stop or repeat themselves; what a model does is
to be read beside them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz

from mi_llm.alpaca import AlpacaRow, dialogue_ids
from mi_llm.characters import is_blank
from mi_llm.door.thoughts import holds_thought

LEAST_HAN = 0.5  # of letters and digits; below it an answer is not Chinese
NEARLY = 90.0  # per cent of characters in common, in order, for two texts to be nearly the same
SHORTEST = 8  # letters and digits; shorter answers ("嗯，我明白。") may come again
LOOP = 20  # letters and digits that a loop has at least

_HAN = re.compile("[\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_ENDS = "。！？!?….～~\"'"
# Closing brackets and quotation marks, emoji and what modifies them.
_END_CATEGORIES = ("Pe", "Pf", "So", "Sk", "Mn", "Cf")
# A stretch three times in a row; a short one as often as it takes to fill LOOP.
_LOOP = re.compile(
    r"(.{7,100})\1\1|(.{6})\2{3}|(.{5})\3{3}|(.{4})\4{4}|(.{3})\5{6}|(..)\6{9}|(.)\7{19}"
)


@dataclass(frozen=True, slots=True)
class Faults:
    """What is wrong with one answer; an empty one has no other fault.

    Attributes:
        empty: No visible character.
        cut_off: Looks cut off: ends without sentence punctuation, closing quotation mark or
            bracket, or emoji. Text cannot tell whether the token limit was the reason.
        repeats_itself: As good as an earlier answer in the dialogue. Where histories hold the
            counselor's turns, the model had not seen that answer: it says the same to anything.
        repeats_counselor: As good as an earlier turn of the counselor in its history.
        loops: A stretch of up to 100 letters and digits comes three times or more in a row.
        not_chinese: Han characters are less than half of its letters and digits.
        thought: Holds a thought (`<think>`), which is scored as if it were said.
    """

    empty: bool
    cut_off: bool
    repeats_itself: bool
    repeats_counselor: bool
    loops: bool
    not_chinese: bool
    thought: bool = False


def answer_faults(answers: Sequence[str], rows: Sequence[AlpacaRow]) -> list[Faults]:
    """Look at N answers to N rows, rounds of a dialogue in order.

    Args:
        answers: A model's, or the counselors' own outputs.
        rows: The rows that they answer.
    """
    seen: dict[str, list[str]] = {}
    found = []
    for answer, row, dialogue in zip(answers, rows, dialogue_ids(rows), strict=True):
        earlier = seen.setdefault(dialogue, [])
        found.append(_faults(answer, earlier, [reply for _, reply in row["history"]]))
        earlier.append(answer)
    return found


def _faults(answer: str, earlier: Sequence[str], counselor: Sequence[str]) -> Faults:
    if is_blank(answer):
        return Faults(True, False, False, False, False, False)
    return Faults(
        empty=False,
        cut_off=looks_cut_off(answer),
        repeats_itself=repeats(answer, earlier),
        repeats_counselor=repeats(answer, counselor),
        loops=loops(answer),
        not_chinese=han_share(answer) < LEAST_HAN,
        thought=holds_thought(answer),
    )


def looks_cut_off(text: str) -> bool:
    """Whether a text that is not empty ends as a sentence does not: see `Faults.cut_off`."""
    last = text.rstrip()[-1]
    return last not in _ENDS and unicodedata.category(last) not in _END_CATEGORIES


def repeats(text: str, earlier: Sequence[str]) -> bool:
    """Whether a text of at least `SHORTEST` letters and digits is nearly one of the earlier ones.

    Nearly: by letters and digits, an Indel similarity (twice the longest common subsequence over
    both lengths) of at least `NEARLY` per cent.
    """
    bare = _bare(text)
    if len(bare) < SHORTEST:
        return False
    return any(fuzz.ratio(bare, _bare(one), score_cutoff=NEARLY) > 0 for one in earlier)


def loops(text: str) -> bool:
    """Whether a stretch comes three times or more in a row, `LOOP` letters and digits in all."""
    return _LOOP.search(_bare(text)) is not None


def han_share(text: str) -> float:
    """Han characters among letters and digits, a fraction; 0 if there is no letter or digit."""
    bare = _bare(text)
    return len(_HAN.findall(bare)) / len(bare) if bare else 0.0


def _bare(text: str) -> str:
    return "".join(_letters(text))


def _letters(text: str) -> Iterator[str]:
    return (character for character in text if character.isalnum())
