"""The page of a transcript in a coding book."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from eval.books.blinding import Blind
from eval.books.layout import (
    CHECK,
    FIRST,
    GOAL,
    HEADER,
    MARK_COLUMNS,
    NOTE,
    REMARKS,
    SCORES,
    SPEAKER,
    TEXT,
    TEXT_WIDTH,
    TURN,
    VOLLEY,
    Row,
    rows,
)
from eval.books.styles import RED, fit, join, lead, on_paper, paint, put, write
from mi_llm import sheets

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

_WIDTHS = {TURN: 5, SPEAKER: 8, VOLLEY: 6, TEXT: TEXT_WIDTH, CHECK: 11, NOTE: 20}
_LONGEST_PROMPT = 255  # characters, in Excel
_LAST_COUNTED = "N"  # the last behaviour column, before NC


def write_page(sheet: Worksheet, transcript: Blind, text: dict[str, Any]) -> None:
    """Write a transcript's page: what to fill in above, a row for each turn below."""
    content = rows(transcript.turns)
    last = FIRST + len(content) - 1
    for column in (*MARK_COLUMNS.values(), *_WIDTHS):
        sheet.column_dimensions[column].width = _WIDTHS.get(column, text["mark_width"])
    _write_top(sheet, transcript, text, last)
    _write_header(sheet, text)
    for number, row in enumerate(content, start=FIRST):
        _write_row(sheet, number, row, text)
    _add_rules(sheet, text, last)
    sheet.freeze_panes = f"A{FIRST}"
    sheet.sheet_view.showGridLines = False
    sheets.lock(sheet)
    on_paper(sheet)
    sheet.print_title_rows = f"{HEADER}:{HEADER}"


def last_row(transcript: Blind) -> int:
    """The last row of its page."""
    return FIRST + len(rows(transcript.turns)) - 1


def _write_top(sheet: Worksheet, transcript: Blind, text: dict[str, Any], last: int) -> None:
    join(sheet, "A1:C1", transcript.id, "title")
    volleys = f"COUNT({VOLLEY}{FIRST}:{VOLLEY}{last})"
    uncoded = f'COUNTIF({CHECK}{FIRST}:{CHECK}{last},"{text["checks"]["uncoded"]}")'
    status = text["status"].format(coded=f"({volleys}-{CHECK}4)", all=volleys)
    put(sheet, "D1", f"={status}", "strong")
    for cells, name in (("E1:I1", "progress"), ("J1:N1", "guide")):
        join(sheet, cells, text[f"to_{name}"], "link")
        lead(sheet, cells[:2], text["sheets"][name], "A1")
    given = transcript.target_behaviour
    for number, name in ((2, "goal"), (3, "remarks"), (4, "totals")):
        join(sheet, f"A{number}:C{number}", text[name], "label")
    put(sheet, GOAL, given, "given" if given else "words")
    put(sheet, REMARKS, None, "words")
    for name, place in SCORES.items():
        row, (start, end) = place[1:], ("EH" if place[0] == "I" else "JM")
        join(sheet, f"{start}{row}:{end}{row}", text["globals"][name]["name"], "label")
        put(sheet, place, None, "score")
    put(sheet, "D4", f"={_measures(text)}", "strong")
    for column in MARK_COLUMNS.values():
        put(sheet, f"{column}4", f"=COUNTIF({column}{FIRST}:{column}{last},1)", "total")
    put(sheet, f"{CHECK}4", f"={uncoded}", "total")
    sheet[f"{CHECK}4"].number_format = text["left"]
    for number, height in enumerate((22, 28, 28, 20, 42), start=1):
        sheet.row_dimensions[number].height = height


def _measures(text: dict[str, Any]) -> str:
    """One line of live measures; what divides by zero says that it is undefined."""
    column = {code: f"{letter}4" for code, letter in MARK_COLUMNS.items()}
    reflections = f"({column['SR']}+{column['CR']})"
    undefined, names = text["undefined"], text["measures"]
    ratio = f'IF({column["Q"]}=0,"{undefined}",TEXT({reflections}/{column["Q"]},"0.00"))'
    share = f'IF({reflections}=0,"{undefined}",TEXT({column["CR"]}/{reflections},"0%"))'
    adherent = "+".join(column[code] for code in ("AF", "SEEK", "EMPH"))
    against = f"{column['P']}+{column['CON']}"
    parts = [(names["ratio"], ratio), (names["complex"], share)]
    parts += [(names["adherent"], f"({adherent})"), (names["non_adherent"], f"({against})")]
    return '&"    "&'.join(f'"{name} "&{value}' for name, value in parts)


def _write_header(sheet: Worksheet, text: dict[str, Any]) -> None:
    titles = text["columns"]
    plain = {TURN: "turn", SPEAKER: "speaker", VOLLEY: "volley", TEXT: "text"}
    for column, name in {**plain, CHECK: "check", NOTE: "note"}.items():
        put(sheet, f"{column}{HEADER}", titles[name], "header")
    for mark, column in MARK_COLUMNS.items():
        name = text["codes"].get(mark, titles["nothing"])
        put(sheet, f"{column}{HEADER}", f"{mark}\n{name}", "code")


def _write_row(sheet: Worksheet, number: int, row: Row, text: dict[str, Any]) -> None:
    client, coded = row.turn.role == "client", row.volley is not None
    plain, centred = ("client", "client centred") if client else ("text", "centred")
    speaker = text["continued"] if row.goes_on else text["speakers"][row.turn.role]
    marks: list[tuple[Any, str]] = [(None, "mark" if coded else centred)] * len(MARK_COLUMNS)
    cells: list[tuple[Any, str]] = [
        (None if row.goes_on else row.number, centred),
        (speaker, centred),
        (row.volley, "volley" if coded else centred),
        (row.text, plain),
        *marks,
        (_check(number, text["checks"]) if coded else None, "check" if coded else centred),
        (None, "words" if coded else plain),
    ]
    for place, (value, look) in enumerate(cells, start=1):
        write(sheet.cell(number, place), value, look)
    fit(sheet, number, [(row.text, TEXT_WIDTH)])


def _check(number: int, says: dict[str, str]) -> str:
    """What a coded row says about itself: uncoded, a mark that is not 1, or a contradiction."""
    marks = f"E{number}:O{number}"
    codes = f"E{number}:{_LAST_COUNTED}{number}"
    both = " ".join(
        f"COUNTIF({pair},1)=2," for pair in (f"F{number}:G{number}", f"I{number}:J{number}")
    )
    return (
        f'=IF(COUNTA({marks})>COUNTIF({marks},1),"{says["odd"]}",'
        f'IF(COUNTIF({marks},1)=0,"{says["uncoded"]}",'
        f'IF(OR({both.strip().rstrip(",")}),"{says["both"]}",'
        f'IF(AND(COUNTIF(O{number},1)=1,COUNTIF({codes},1)>0),"{says["nothing"]}",""))))'
    )


def _add_rules(sheet: Worksheet, text: dict[str, Any], last: int) -> None:
    """What may be typed, and what turns red."""
    marks = f"E{FIRST}:O{last}"
    sheets.whole_numbers(sheet, marks, most=1, say=text["say_mark"])
    for name, place in SCORES.items():
        sheets.choose_from(sheet, place, list("12345"), say=text["say_score"])
        rule = sheet.data_validations.dataValidation[-1]
        if prompt := _anchors(text, name):
            rule.promptTitle, rule.prompt = text["globals"][name]["name"], prompt
            rule.showInputMessage = True
    for rule in sheet.data_validations.dataValidation:
        rule.errorTitle = text["say_title"]
    for cells, formula in _contradictions(last):
        paint(sheet, cells, formula, colour="9C0006", fill=RED)
    wrong = f'LEFT(${CHECK}{FIRST},1)="✗"'
    paint(sheet, f"{CHECK}{FIRST}:{CHECK}{last}", wrong, colour="9C0006", fill=RED)
    paint(sheet, f"{CHECK}4", f"${CHECK}$4=0", colour="2E7D32")


def _contradictions(last: int) -> Iterator[tuple[str, str]]:
    for one, two in (("F", "G"), ("I", "J")):
        yield f"{one}{FIRST}:{two}{last}", f"COUNTIF(${one}{FIRST}:${two}{FIRST},1)=2"
    codes = f"$E{FIRST}:${_LAST_COUNTED}{FIRST}"
    yield f"E{FIRST}:O{last}", f'AND(COUNTIF($O{FIRST},1)=1,COUNTIF({codes},1)>0,E{FIRST}<>"")'


def _anchors(text: dict[str, Any], name: str) -> str | None:
    """The five anchors, shown beside the cell; None if they are longer than Excel can show."""
    anchors = enumerate(text["globals"][name]["anchors"], start=1)
    told = "\n".join(f"{score} {says}" for score, says in anchors)
    return told if len(told) <= _LONGEST_PROMPT else None
