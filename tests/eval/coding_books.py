"""What the tests of coding books share: small transcripts, books, and a hand that fills them in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openpyxl
from typer.testing import CliRunner

from eval.books.blinding import blinded
from eval.books.book import write_books
from eval.books.command import book, codes
from mi_llm import cli
from mi_llm.coding import Session
from mi_llm.dialogue import Dialogue, Turn, dialogue_lines
from mi_llm.miti import Code

app = cli.command_group("Books.")
app.command()(book)
app.command()(codes)

# Where things stand, as a person sees it, and not taken from the code: codes in columns E to N.
LETTERS = dict(zip("GI P PwP Q SR CR AF SEEK EMPH CON NC".split(), "EFGHIJKLMNO", strict=True))
PLACES = {"cultivate": "I2", "soften": "N2", "partnership": "I3", "empathy": "N3"}
FIRST = 6


def run(*words: object) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


def transcript(name: str, *texts: str, opens: str = "client", **facts: object) -> Dialogue:
    """A transcript whose turns alternate, and what its meta says of it."""
    roles = ("client", "counselor") if opens == "client" else ("counselor", "client")
    turns = tuple(Turn(roles[n % 2], text) for n, text in enumerate(texts))  # type: ignore[arg-type]
    return Dialogue(name, turns, {"transcript": {"source": "glm4_tuned", **facts}})


THREE = (
    transcript(
        "a/1", "我想少抽烟。", "你在盘算改变了。", "嗯。", "想过怎么做吗？", "没有。", "由你定。"
    ),
    transcript("a/2", "你好，请坐。", "我睡不着。", "多久了？", opens="counselor"),
    transcript("b/3", "=1+1", "听起来很难。\n\n再说说？", "好。"),
)


def write(path: Path, transcripts: Sequence[Dialogue]) -> Path:
    path.write_text("".join(dialogue_lines(transcripts)), encoding="utf-8")
    return path


def make(
    folder: Path, transcripts: Sequence[Dialogue] = THREE, *, seed: int = 7, raters: str = "R1 R2"
) -> list[Path]:
    return write_books(folder, blinded(transcripts, seed=seed), raters.split())


def rows(sheet: Any) -> list[int]:
    """The rows of the volleys, in order."""
    return [row for row in range(FIRST, sheet.max_row + 1) if sheet[f"C{row}"].value]


def fill(path: Path, sessions: Sequence[Session]) -> None:
    """Write sessions into a book as a rater would."""
    workbook = openpyxl.load_workbook(path)
    for one in sessions:
        sheet = workbook[one.transcript]
        sheet["D2"] = one.target_behaviour or "无"
        for name, place in PLACES.items():
            sheet[place] = getattr(one.globals, name)
        for row, marked in zip(rows(sheet), one.volleys, strict=True):
            for mark in [str(code) for code in marked] or ["NC"]:
                sheet[f"{LETTERS[mark]}{row}"] = 1
    workbook.save(path)


def change(path: Path, sheet: str, **cells: Any) -> Path:
    """Write into cells of one sheet."""
    workbook = openpyxl.load_workbook(path)
    for place, value in cells.items():
        workbook[sheet][place] = value
    workbook.save(path)
    return path


def volleys(path: Path) -> dict[str, int]:
    """How many volleys each transcript of a book has."""
    workbook = openpyxl.load_workbook(path)
    return {name: len(rows(workbook[name])) for name in workbook.sheetnames if name[0] == "T"}


NOTHING: frozenset[Code] = frozenset()
