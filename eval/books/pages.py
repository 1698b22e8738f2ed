"""The first two pages of a coding book: how to code, and how far the work is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from eval.books.blinding import Blind
from eval.books.layout import CHECK, FIRST, GOAL, NONE, SCORES
from eval.books.sheets import last_row
from eval.books.styles import RED, fit, join, lead, on_paper, paint, put
from mi_llm import sheets

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

_GUIDE_WIDTHS = (20.0, 62.0, 62.0)
_ABOVE = 9  # the progress page's header row


def write_guide(sheet: Worksheet, text: dict[str, Any], rater: str) -> None:
    """Write the page of instructions."""
    guide = text["guide"]
    for column, width in zip("ABC", _GUIDE_WIDTHS, strict=True):
        sheet.column_dimensions[column].width = width
    join(sheet, "A1:B1", text["title"], "title")
    put(sheet, "C1", f"{text['rater']}  {rater}", "strong")
    put(sheet, "A2", text["to_progress"], "link")
    lead(sheet, "A2", text["sheets"]["progress"], "A1")
    sheet.row_dimensions[1].height = 30
    number = 3
    for title, lines in (
        (guide["how_title"], [f"{n}. {line}" for n, line in enumerate(guide["how"], start=1)]),
        (guide["audio_title"], [guide["audio"]]),
    ):
        number = _write_lines(sheet, number, title, lines)
    number = _write_table(
        sheet,
        number,
        guide["codes_title"],
        guide["code_columns"],
        [(_named(text, code), *said) for code, said in guide["codes"].items()],
    )
    number = _write_lines(sheet, number, guide["rules_title"], guide["rules"])
    number = _write_table(
        sheet, number, guide["example_title"], guide["example_columns"], guide["example"]
    )
    number = _write_lines(sheet, number, guide["globals_title"], [guide["globals_about"]])
    for one in text["globals"].values():
        number = _write_global(sheet, number, one)
    sheet.sheet_view.showGridLines = False
    sheets.lock(sheet)
    on_paper(sheet)


def _named(text: dict[str, Any], code: str) -> str:
    return f"{code}  {text['codes'].get(code, text['columns']['nothing'])}"


def _write_lines(sheet: Worksheet, number: int, title: str, lines: Sequence[str]) -> int:
    number = _write_heading(sheet, number, title)
    for line in lines:
        join(sheet, f"A{number}:C{number}", line, "quiet")
        fit(sheet, number, [(line, sum(_GUIDE_WIDTHS))])
        number += 1
    return number


def _write_table(
    sheet: Worksheet,
    number: int,
    title: str,
    columns: Sequence[str],
    table: Sequence[Sequence[str]],
) -> int:
    number = _write_heading(sheet, number, title)
    for place, name in zip("ABC", columns, strict=True):
        put(sheet, f"{place}{number}", name, "header")
    for row in table:
        number += 1
        for place, said, look in zip("ABC", row, ("label", "text", "text"), strict=True):
            put(sheet, f"{place}{number}", said, look)
        fit(sheet, number, list(zip(row, _GUIDE_WIDTHS, strict=True)))
    return number + 1


def _write_global(sheet: Worksheet, number: int, one: dict[str, Any]) -> int:
    """A global's name and question, and its five anchors below."""
    put(sheet, f"A{number}", one["name"], "label")
    join(sheet, f"B{number}:C{number}", one["about"], "label")
    widths = [(one["name"], _GUIDE_WIDTHS[0]), (one["about"], sum(_GUIDE_WIDTHS[1:]))]
    fit(sheet, number, widths)
    for score, says in enumerate(one["anchors"], start=1):
        number += 1
        put(sheet, f"A{number}", score, "centred")
        join(sheet, f"B{number}:C{number}", says, "text")
        fit(sheet, number, [(says, sum(_GUIDE_WIDTHS[1:]))])
    return number + 1


def _write_heading(sheet: Worksheet, number: int, title: str) -> int:
    join(sheet, f"A{number}:C{number}", title, "heading")
    sheet.row_dimensions[number].height = 30
    return number + 1


def write_progress(
    sheet: Worksheet, transcripts: Sequence[Blind], text: dict[str, Any], rater: str
) -> None:
    """Write the page that says what is done and what is missing, by live formulas."""
    says = text["progress"]
    columns = says["columns"]
    widths = zip("ABCDEFGHI", (7, 12, 12, 12, 16, 14, 10, 14, 30), strict=True)
    for column, width in widths:
        sheet.column_dimensions[column].width = width
    join(sheet, "A1:D1", says["title"], "title")
    put(sheet, "F1", f"{text['rater']}  {rater}", "strong")
    put(sheet, "H1", text["to_guide"], "link")
    lead(sheet, "H1", text["sheets"]["guide"], "A1")
    first, last = _ABOVE + 1, _ABOVE + len(transcripts)
    _write_sums(sheet, says, first, last)
    for place, title in zip("ABCDEFGH", columns.values(), strict=True):
        put(sheet, f"{place}{_ABOVE}", title, "header")
    sheet.row_dimensions[1].height, sheet.row_dimensions[_ABOVE].height = 30, 32
    for number, one in enumerate(transcripts, start=first):
        _write_status(sheet, number, number - _ABOVE, one, text)
    _paint_states(sheet, says["states"], f"H{first}:H{last}")
    sheet.freeze_panes = f"A{first}"
    sheet.sheet_view.showGridLines = False
    sheets.lock(sheet)
    on_paper(sheet)
    sheet.print_title_rows = f"{_ABOVE}:{_ABOVE}"


def _write_sums(sheet: Worksheet, says: dict[str, Any], first: int, last: int) -> None:
    def column(letter: str) -> str:
        return f"{letter}{first}:{letter}{last}"

    done, missing = says["states"]["done"], says["missing"]
    share = f'TEXT(SUM({column("D")})/SUM({column("C")}),"0%")'
    volleys = f'=SUM({column("D")})&" / "&SUM({column("C")})&"  ("&{share}&")"'
    sums = {
        "volleys": volleys,
        "globals": f"=SUM({column('E')})",
        "goals": f'=COUNTIF({column("F")},"{missing}")',
        "conflicts": f"=SUM({column('G')})",
        "done": f'=COUNTIF({column("H")},"{done}")&" / {last - first + 1}"',
    }
    for number, (name, formula) in enumerate(sums.items(), start=3):
        join(sheet, f"A{number}:C{number}", says[name], "label")
        join(sheet, f"D{number}:E{number}", formula, "total")
        sheet.row_dimensions[number].height = 20


def _write_status(
    sheet: Worksheet, number: int, serial: int, one: Blind, text: dict[str, Any]
) -> None:
    says, page, last = text["progress"], f"'{one.id}'!", last_row(one)
    goal = f"TRIM({page}{GOAL})"
    # Without a behaviour to change, only partnership and empathy can be rated.
    without = "OR(" + ",".join(f'{goal}="{word}"' for word in NONE) + ")"
    rated = {name: f"{page}{place}" for name, place in SCORES.items()}
    two = f"2-COUNT({rated['partnership']},{rated['empathy']})"
    four = f"4-COUNT({','.join(rated.values())})"
    values: dict[str, Any] = {
        "A": serial,
        "B": one.id,
        "C": sum(turn.role == "counselor" for turn in one.turns),
        "D": f"=C{number}-{page}{CHECK}4",
        "E": f"=IF({without},{two},{four})",
        "F": f'=IF({goal}="","{says["missing"]}","{says["given"]}")',
        "G": f'=SUMPRODUCT(--(LEFT({page}{CHECK}{FIRST}:{CHECK}{last},1)="✗"))',
        "H": _state(number, says),
    }
    for column, value in values.items():
        put(sheet, f"{column}{number}", value, "status link" if column == "B" else "status")
    lead(sheet, f"B{number}", one.id, GOAL)
    sheet.row_dimensions[number].height = 20


def _state(number: int, says: dict[str, Any]) -> str:
    states, row = says["states"], {column: f"{column}{number}" for column in "CDEFG"}
    complete = f'{row["C"]}={row["D"]},{row["E"]}=0,{row["F"]}="{says["given"]}"'
    return (
        f'=IF({row["G"]}>0,"{states["conflict"]}",IF(AND({complete}),"{states["done"]}",'
        f'IF({row["D"]}=0,"{states["untouched"]}","{states["started"]}")))'
    )


def _paint_states(sheet: Worksheet, states: dict[str, str], cells: str) -> None:
    looks = {
        "done": ("2E7D32", "DDF2DE"),
        "started": ("8A6100", "FFF3CD"),
        "conflict": ("9C0006", RED),
    }
    first = cells.split(":")[0]
    for name, (colour, fill) in looks.items():
        paint(sheet, cells, f'${first}="{states[name]}"', colour=colour, fill=fill)
