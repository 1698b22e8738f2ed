"""Machine checks of MITI codes, for dialogues that a judge or coders have coded.

One row in: `transcript,volley,rater,code`; a volley is a counselor turn, counted from 1; the code
NC says that there is nothing to code in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from converters.review.findings import Finding
from mi_llm import csv_file
from mi_llm.dialogue import Dialogue
from mi_llm.errors import InputError
from mi_llm.miti import Code, Counts

PERSUADING = 0.2  # share of volleys
FEW_REFLECTIONS = 0.5  # reflections to questions
MANY_REFLECTIONS = 6  # from which on none that is complex says something

_COLUMNS = ("transcript", "volley", "rater", "code")
_NOTHING = "NC"


@dataclass(frozen=True, slots=True)
class Coding:
    """What one rater coded in one dialogue.

    Attributes:
        rater: Who.
        volleys: The codes of each counselor turn, by its number from 1; none for NC.
        where: The file, for messages.
    """

    rater: str
    volleys: Mapping[int, frozenset[Code]]
    where: str = "codes"


def read_codings(path: Path) -> dict[str, list[Coding]]:
    """Read codes, by dialogue; raters in the order of their first row.

    Raises:
        InputError: If a column is missing, or a row has no number of a volley or an unknown code.
    """
    found: dict[str, dict[str, dict[int, set[Code]]]] = {}
    for line, cells in csv_file.records(path, _COLUMNS):
        row = {name: csv_file.original(cell) for name, cell in cells.items()}
        volley, codes = _parsed(f"{path}:{line}", row)
        raters = found.setdefault(row["transcript"], {})
        raters.setdefault(row["rater"], {}).setdefault(volley, set()).update(codes)
    if not found:
        raise InputError(f"{path}: holds no code")
    return {
        name: [
            Coding(rater, {number: frozenset(own) for number, own in volleys.items()}, str(path))
            for rater, volleys in raters.items()
        ]
        for name, raters in found.items()
    }


def findings(dialogue: Dialogue, codings: Sequence[Coding]) -> Iterator[Finding]:
    """Yield what the codes say against a dialogue; one rater's word is enough.

    Raises:
        InputError: If a rater left a counselor turn out, coded one that is not there, or gave one
            two codes that exclude each other.
    """
    turns = [n for n, turn in enumerate(dialogue.turns, start=1) if turn.role == "counselor"]
    for coding in codings:
        if set(coding.volleys) != set(range(1, len(turns) + 1)):
            odd = sorted(set(coding.volleys) ^ set(range(1, len(turns) + 1)))
            raise InputError(
                f"{coding.where}: {dialogue.id}: rater {coding.rater}: the dialogue has "
                f"{len(turns)} counselor volleys; uncoded or unknown: {', '.join(map(str, odd))} "
                f"(code {_NOTHING} says that there is nothing to code)"
            )
        yield from _of_rater(dialogue.id, turns, coding)


def _of_rater(name: str, turns: Sequence[int], coding: Coding) -> Iterator[Finding]:
    try:
        counts = Counts.of(coding.volleys[number] for number in range(1, len(turns) + 1))
    except InputError as error:
        raise InputError(f"{coding.where}: {name}: rater {coding.rater}: {error}") from None
    by = f"（{coding.rater}编码）"
    for turn, number in zip(turns, sorted(coding.volleys), strict=True):
        if Code.CONFRONT in coding.volleys[number]:
            yield Finding("confronts (coded)", turn, f"被编码为对质{by}")
    if counts.persuade > PERSUADING * counts.volleys:
        share = counts.persuade / counts.volleys
        yield Finding("persuades (coded)", None, f"{share:.0%}的回应是未经同意的劝说{by}")
    if counts.mi_non_adherent > counts.mi_adherent:
        said = f"不符合MI的行为{counts.mi_non_adherent}次，多于符合的{counts.mi_adherent}次{by}"
        yield Finding("more MI-inconsistent than adherent (coded)", None, said)
    ratio = counts.reflection_to_question
    if ratio is not None and ratio < FEW_REFLECTIONS:
        yield Finding("few reflections (coded)", None, f"反映与提问之比为{ratio:.2f}{by}")
    if counts.reflections >= MANY_REFLECTIONS and not counts.complex_reflection:
        said = f"{counts.reflections}次反映中没有复杂反映{by}"
        yield Finding("no complex reflection (coded)", None, said)


def _parsed(where: str, row: Mapping[str, str]) -> tuple[int, set[Code]]:
    volley, code = csv_file.whole_number(row["volley"].strip()), row["code"].strip()
    if not volley:
        raise InputError(f"{where}: volley {row['volley'][:40]!r}; expected a number from 1")
    if code == _NOTHING:
        return volley, set()
    if code not in set(Code):
        raise InputError(f"{where}: code {code!r}; there are {', '.join(Code)} and {_NOTHING}")
    return volley, {Code(code)}
