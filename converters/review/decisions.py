"""Review books read back, whoever saved them: decisions, and every fault by sheet and cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converters.review.book import (
    CUT,
    DECISION,
    DECISIONS,
    EDITED,
    HIDDEN,
    ID,
    NOTE,
    QUEUE,
    REASON,
    REASONS,
    REVIEWER,
    TEXT,
    TURN,
    TURNS,
)
from converters.review.findings import Ground
from mi_llm import sheets
from mi_llm.csv_file import whole_number
from mi_llm.dialogue import Dialogue
from mi_llm.errors import InputError

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet


@dataclass(frozen=True, slots=True)
class Decision:
    """What one reviewer decided about one dialogue.

    Attributes:
        id: The dialogue's.
        verdict: keep, edit or drop.
        reason: Why it is dropped or edited; None if not said.
        cut: With drop, the turn from which on it is dropped; None drops all of it.
        edits: New text by turn.
        reviewer: Who.
        where: `book: sheet, cell`, for messages.
        third: Whether it settles what two reviewers disagree about.
        note: What the reviewer wrote beside it.
    """

    id: str
    verdict: str
    reason: Ground | None
    cut: int | None
    edits: Mapping[int, str]
    reviewer: str
    where: str
    third: bool = False
    note: str = ""

    @property
    def category(self) -> str:
        """What agreement is measured on: keep, edit, drop or cut."""
        return "cut" if self.cut else self.verdict

    def agrees(self, other: Decision) -> bool:
        """Whether both lead to the same dialogue."""
        mine, theirs = ((d.verdict, d.cut, dict(d.edits)) for d in (self, other))
        return mine == theirs


@dataclass(slots=True)
class Book:
    """What a review book says.

    Attributes:
        decisions: Those that are whole and without fault.
        undecided: Where a decision is missing, by dialogue.
        faults: What is wrong, each by sheet and cell.
        refused: Dialogues with a decision that has a fault; they are not undecided.
    """

    decisions: list[Decision] = field(default_factory=list)
    undecided: list[tuple[str, str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)


def read_book(path: Path, plan: str, dialogues: Mapping[str, Dialogue]) -> Book:
    """Read one book, and name all that is wrong in it.

    Args:
        path: The workbook.
        plan: Identity of the review that it must belong to.
        dialogues: Those that the review gives to people, by id.

    Raises:
        InputError: If it is no workbook, not a review book, or another review's.
    """
    workbook = sheets.load(path)
    for name in (QUEUE, TURNS, HIDDEN):
        if name not in workbook.sheetnames:
            raise InputError(f"{path}: no sheet {name}; is it a review book?")
    facts = {sheets.said(key): sheets.said(value) for key, value in _pairs(workbook[HIDDEN])}
    if facts.get("plan") != plan:
        raise InputError(
            f"{path}: belongs to another review, or the plan was changed since; name the folder "
            "that it was made in with --folder"
        )
    book = Book()
    edits = _read_edits(path, workbook[TURNS], dialogues, book)
    _read_queue(path, workbook[QUEUE], dialogues, edits, book, third=facts.get("third") == "yes")
    return book


def _read_queue(
    path: Path,
    sheet: Worksheet,
    dialogues: Mapping[str, Dialogue],
    edits: dict[str, dict[int, str]],
    book: Book,
    *,
    third: bool,
) -> None:
    titles = (ID, DECISION, REASON, CUT, REVIEWER, NOTE)
    columns = sheets.columns_by_title(path, sheet, titles)
    edited_by_someone: set[str] = set()
    for row in sheet.iter_rows(min_row=2):
        cells = {title: row[column - 1] for title, column in columns.items()}
        said = {title: sheets.said(cell.value) for title, cell in cells.items()}
        where = {
            title: f"{path}: sheet {QUEUE}, {cell.coordinate}" for title, cell in cells.items()
        }
        if not any(said.values()):
            continue
        if said[ID] not in dialogues:
            book.faults.append(f"{where[ID]}: no dialogue {said[ID]!r} is to be reviewed")
        elif not said[DECISION]:
            book.undecided.append((said[ID], where[DECISION]))
            if said[REASON] or said[CUT]:
                book.faults.append(f"{where[DECISION]}: a reason or a cut, but no decision")
        else:
            own = edits.get(said[ID], {})
            verdict = DECISIONS.get(said[DECISION], "")
            if verdict == "edit":
                edited_by_someone.add(said[ID])
            faults = list(_faults(said, where, own, dialogues[said[ID]]))
            book.faults.extend(faults)
            if faults:
                book.refused.add(said[ID])
            else:
                book.decisions.append(
                    Decision(
                        id=said[ID],
                        verdict=verdict,
                        reason=REASONS.get(said[REASON]),
                        cut=whole_number(said[CUT]),
                        edits=own if verdict == "edit" else {},
                        reviewer=said[REVIEWER],
                        where=where[DECISION],
                        third=third,
                        note=said[NOTE],
                    )
                )
    decided = {one.id for one in book.decisions}
    for name in sorted((set(edits) & decided) - edited_by_someone):
        where_edited = f"{path}: sheet {TURNS}, turn {min(edits[name])} of {name}"
        book.faults.append(f"{where_edited}: text is edited, but the decision is not 修改")


def _faults(
    said: Mapping[str, str], where: Mapping[str, str], edits: Mapping[int, str], dialogue: Dialogue
) -> Iterator[str]:
    verdict = DECISIONS.get(said[DECISION])
    if verdict is None:
        choices = "、".join(DECISIONS)
        yield f"{where[DECISION]}: unknown decision {said[DECISION]!r}; choose {choices}"
        return
    if not said[REVIEWER]:
        yield f"{where[REVIEWER]}: no reviewer"
    if said[REASON] and said[REASON] not in REASONS:
        yield f"{where[REASON]}: unknown reason {said[REASON]!r}; choose {'、'.join(REASONS)}"
    if verdict == "drop" and not said[REASON]:
        yield f"{where[REASON]}: dropped without a reason; choose {'、'.join(REASONS)}"
    if verdict == "edit" and not edits:
        yield f"{where[DECISION]}: 修改, but no text of {dialogue.id} is edited in sheet {TURNS}"
    if said[CUT]:
        yield from _cut_faults(said[CUT], where[CUT], verdict, dialogue)


def _cut_faults(said: str, where: str, verdict: str, dialogue: Dialogue) -> Iterator[str]:
    count = len(dialogue.turns)
    if not 1 <= (whole_number(said) or 0) <= count:
        yield f"{where}: {said!r} is no turn of {dialogue.id}, which has {count}"
    elif verdict != "drop":
        yield f"{where}: a turn to drop from, but the decision is not 删除"


def _read_edits(
    path: Path, sheet: Worksheet, dialogues: Mapping[str, Dialogue], book: Book
) -> dict[str, dict[int, str]]:
    """Edited texts by dialogue and turn; a changed original or a missing row is a fault."""
    columns = sheets.columns_by_title(path, sheet, (ID, TURN, TEXT, EDITED))
    edits: dict[str, dict[int, str]] = {}
    seen: dict[str, set[int]] = {}
    for row in sheet.iter_rows(min_row=2):
        cells = {title: row[column - 1] for title, column in columns.items()}
        name, said = sheets.said(cells[ID].value), sheets.said(cells[TURN].value)
        if not name:
            continue  # the bar above a dialogue
        where = f"{path}: sheet {TURNS}, "
        dialogue = dialogues.get(name)
        turn = whole_number(said)
        if dialogue is None or not turn or turn > len(dialogue.turns):
            book.faults.append(f"{where}{cells[ID].coordinate}: no turn {said!r} of {name!r}")
            continue
        seen.setdefault(name, set()).add(turn)
        original = sheets.said(dialogue.turns[turn - 1].content)
        if sheets.said(cells[TEXT].value) != original:
            book.faults.append(
                f"{where}{cells[TEXT].coordinate}: the original text was changed; write in {EDITED}"
            )
        new = sheets.said(cells[EDITED].value)
        if new and new != original:
            edits.setdefault(name, {})[turn] = new
    for name, turns in seen.items():
        if missing := set(range(1, len(dialogues[name].turns) + 1)) - turns:
            told = ", ".join(map(str, sorted(missing)))
            book.faults.append(f"{path}: sheet {TURNS}: turns {told} of {name} are missing")
    return edits


def _pairs(sheet: Worksheet) -> Iterator[tuple[Any, Any]]:
    for row in sheet.iter_rows(max_col=2, values_only=True):
        if len(row) == 2:
            yield row[0], row[1]
