"""Where everything stands in a coding book; who writes it and who reads it look here."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from mi_llm import sheets
from mi_llm.coding import NOTHING_TO_CODE
from mi_llm.dialogue import Turn
from mi_llm.miti import Code

FORMAT = "1"
HIDDEN = "_book"  # the sheet that says which book this is, with fingerprints of its texts
ORIGINALS = "_texts"  # the sheet that says what its texts were

HEADER, FIRST = 5, 6  # rows of a transcript's page
TURN, SPEAKER, VOLLEY, TEXT, CHECK, NOTE = "A", "B", "C", "D", "P", "Q"
MARKS = (*(str(code) for code in Code), NOTHING_TO_CODE)
MARK_COLUMNS = dict(zip(MARKS, "EFGHIJKLMNO", strict=True))
GOAL, REMARKS = "D2", "D3"
SCORES = {"cultivate": "I2", "soften": "N2", "partnership": "I3", "empathy": "N3"}
NONE = ("无", "none")  # what to write when a session has no target behaviour
TEXT_WIDTH = 60.0

_MOST_LINES = 24  # that one row can show; a longer turn goes on in rows below
_SENTENCE_END = re.compile(r"[。！？!?\n]|[.;,] |\s")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a transcript's page.

    Attributes:
        number: Of the turn, from 1.
        turn: What it is part of.
        text: The turn's text, or a part of a long one.
        volley: Of the counselor, from 1; None for the client, and where a long turn goes on.
        goes_on: Whether it continues the row above.
    """

    number: int
    turn: Turn
    text: str
    volley: int | None
    goes_on: bool = False


def rows(turns: tuple[Turn, ...]) -> list[Row]:
    """The rows of a page, from `FIRST` on."""
    found, volley = [], 0
    for number, turn in enumerate(turns, start=1):
        counselor = turn.role == "counselor"
        volley += counselor
        first, *more = _pieces(sheets.cell_text(turn.content))
        found.append(Row(number, turn, first, volley if counselor else None))
        found += [Row(number, turn, piece, None, goes_on=True) for piece in more]
    return found


def fingerprint(salt: str, number: int, turn: Turn) -> str:
    """What tells an edited turn: who speaks (first letters differ) and a salted hash of the text.

    White space does not count, since programs change it on saving.
    """
    return f"{turn.role[:2]}:{text_hash(salt, number, turn.content)}"


def text_hash(salt: str, number: int, text: str) -> str:
    """Ten hex digits for the text of a turn."""
    bare = "".join(sheets.cell_text(text).split())
    return hashlib.sha256(f"{salt} {number} {bare}".encode()).hexdigest()[:10]


def _pieces(text: str) -> list[str]:
    """The text in parts that a row can show, cut after a sentence where one ends."""
    room = int(_MOST_LINES * (TEXT_WIDTH - 2))
    pieces = []
    while (fits := _fitting(text, room)) < len(text):
        ends = [one.end() for one in _SENTENCE_END.finditer(text, fits // 2, fits)]
        cut = ends[-1] if ends else fits
        pieces.append(text[:cut])
        text = text[cut:]
    return [*pieces, text]


def _fitting(text: str, room: int) -> int:
    """How many characters fit; a line end takes a line."""
    if 2 * len(text) <= room and "\n" not in text:
        return len(text)
    used, line = 0, int(TEXT_WIDTH - 2)
    for place, character in enumerate(text):
        used += line if character == "\n" else 1 + (ord(character) > 0x2E80)
        if used > room:
            return place
    return len(text)
