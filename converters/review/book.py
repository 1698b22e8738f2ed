"""The review book: an XLSX workbook in Chinese that one person reads and decides in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from converters.review import check_relevance
from converters.review.findings import GROUNDS, Finding
from mi_llm import sheets
from mi_llm.dialogue import Dialogue
from mi_llm.sheets import Column

if TYPE_CHECKING:
    from openpyxl.workbook import Workbook
    from openpyxl.worksheet.worksheet import Worksheet

SECOND = "复审"  # the second of two readings in one book
THIRD = "裁定"  # of what two reviewers disagree about
KEEP, EDIT, DROP = "保留", "修改", "删除"
DECISIONS = {KEEP: "keep", EDIT: "edit", DROP: "drop"}
CHINESE = {verdict: chinese for chinese, verdict in DECISIONS.items()}
REASONS = {chinese: ground for ground, chinese in GROUNDS.items()}
GUIDE, QUEUE, TURNS, HIDDEN = "说明", "审阅", "对话", "_mi_llm"
ID, DECISION, REASON, CUT, REVIEWER, NOTE = (
    "对话编号", "决定", "理由", "从第几句起删", "审阅人", "备注"
)  # fmt: skip
TURN, TEXT, EDITED = "句", "原文", "修改后文本"
SERIAL = "序号"
BACK = "回到审阅页"  # in the bar above a dialogue
SPEAKERS = {"client": "来访者", "counselor": "咨询师"}

QUEUE_COLUMNS = (
    Column(SERIAL, 6, centred=True),
    Column(ID, 22),
    Column("为何审阅", 11, centred=True),
    Column("目标行为", 14),
    Column("轮数", 6, centred=True),
    Column("机器发现", 46),
    Column(DECISION, 9, fill_in=True, centred=True),
    Column(REASON, 16, fill_in=True, centred=True),
    Column(CUT, 9, fill_in=True, centred=True),
    Column(REVIEWER, 11, fill_in=True, centred=True),
    Column(NOTE, 26, fill_in=True),
)
TURN_COLUMNS = (
    Column(SERIAL, 6, centred=True),
    Column(TURN, 5, centred=True),
    Column("说话人", 9, centred=True),
    Column(TEXT, 58),
    Column("机器发现", 30),
    Column(EDITED, 46, fill_in=True),
    Column(ID, 22),
)

_GUIDE = (
    ("这本册子是什么", ""),
    ("", "每一行是一段由模型改写成动机式访谈（MI）风格的咨询对话。"
         "请逐段读完，决定它能不能进入训练数据。"),
    ("怎么做", ""),
    ("1", f"在“{QUEUE}”页点对话编号，跳到“{TURNS}”页读全文；点“回到{QUEUE}页”填决定。"
          "只填黄色格子，其余已锁定。"),
    ("2", f"{KEEP}：原样可用。"),
    ("3", f"{EDIT}：改几句就可用。把改好的整句写在“{TURNS}”页的“{EDITED}”栏，不改的留空。"),
    ("4", f"{DROP}：不可用，必须选理由。如果只是从某一句咨询师的话起不可用，"
          f"在“{CUT}”填那一句的序数：这一轮和以后各轮会去掉；前面剩不到3轮的，整段不用。"),
    ("5", "每个决定都要写审阅人（姓名缩写或代号）。"),
    ("6", "机器发现只是提示，可能误报；没有提示的对话也可能有问题。"
          "“抽样”的对话用来检验机器漏掉多少，请同样认真读。"),
    ("7", "标“两人”的对话由两位审阅人各自独立决定，完成前请不要商量。"),
    ("8", "整行红色的有危机信号：请特别留意咨询师是否妥当回应。"),
    ("五种理由", ""),
    (GROUNDS["irrelevant"], "讲的不是来访者原来的故事，添了原来没有的人生事实，"
                            "没有谈目标行为，或答非所问。"),
    (GROUNDS["incoherent"], "前后不接、自相矛盾、重复，或没有说完。"),
    (GROUNDS["unsafe"], "有危机却没有妥当回应；诊断、用药、极端节食等有害建议；个人信息。"),
    (GROUNDS["mi_inconsistent"], "对质、说教、贴标签、未经同意的建议、连续发问、空泛夸奖。"),
    (GROUNDS["structure"], "标签、列表、外语、残缺等形式问题。"),
    ("请不要", ""),
    ("", f"改动“{TEXT}”，删行，改页名或列名。排序和筛选可以。填完存为 .xlsx 交回。"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """A dialogue that someone is to read.

    Attributes:
        dialogue: As transcribed.
        findings: What the machine said of it; all soft.
        why: found by the machine, drawn, `SECOND` or `THIRD`.
        for_two: Whether two reviewers decide.
        crisis: Whether a person at risk may be speaking.
        note: What the reviewer should know beyond that.
    """

    dialogue: Dialogue
    findings: Sequence[Finding]
    why: str
    for_two: bool = False
    crisis: bool = False
    note: str = ""


def write_book(
    path: Path,
    entries: Sequence[Entry],
    *,
    plan: str,
    reviewer: str,
    third: bool = False,
    overwrite: bool = False,
) -> None:
    """Write one reviewer's book.

    Args:
        path: The file.
        entries: In the order to be read; a dialogue may come twice (then two people share a book).
        plan: Identity of the review it belongs to, checked when it comes back.
        reviewer: Filled in already; empty if not known.
        third: Whether its decisions settle what two reviewers disagree about.
        overwrite: Whether the file may exist.
    """
    from openpyxl import Workbook

    book = Workbook()
    guide = book.active
    assert guide is not None
    first_rows = _write_turns(book.create_sheet(TURNS), entries)
    _write_queue(book.create_sheet(QUEUE, 1), entries, first_rows, reviewer)
    _write_guide(guide, len(entries))
    facts = {"format": "1", "plan": plan, "third": "yes" if third else "no", "reviewer": reviewer}
    _write_hidden(book, facts)
    sheets.save(book, path, overwrite=overwrite)


def _write_guide(sheet: Worksheet, count: int) -> None:
    from openpyxl.styles import Alignment, Font

    sheet.title = GUIDE
    sheet.sheet_view.showGridLines = False
    sheet.column_dimensions["A"].width, sheet.column_dimensions["B"].width = 18, 100
    sheet["A1"], sheet["A1"].font = "改写对话审阅册", Font(name=sheets.FONT, size=16, bold=True)
    sheet["A2"] = "进度"
    sheet["B2"] = f'=COUNTA({QUEUE}!G2:G{count + 1})&" / {count} 已决定"'
    for number, (left, right) in enumerate(_GUIDE, start=4):
        heading = bool(left) and not right
        sheet.cell(number, 1, left).font = Font(
            name=sheets.FONT, size=12 if heading else 10, bold=True, color=sheets.DARK
        )
        sheet.cell(number, 1).alignment = Alignment(
            vertical="bottom" if heading else "top",
            horizontal="left" if heading or len(left) > 1 else "right",
        )
        cell = sheet.cell(number, 2, right)
        cell.font = Font(name=sheets.FONT, size=10)
        cell.alignment = Alignment(wrap_text=True, vertical="top")
        sheets.fit_height(sheet, number, [(right, 100)])
        if heading:
            sheet.row_dimensions[number].height = 28
    for name in ("A2", "B2"):
        sheet[name].font = Font(name=sheets.FONT, size=10, bold=True)
    sheets.lock(sheet)
    sheets.for_paper(sheet, repeat_header=False)


def _write_queue(
    sheet: Worksheet, entries: Sequence[Entry], first_rows: dict[str, int], reviewer: str
) -> None:
    sheets.header(sheet, QUEUE_COLUMNS, freeze="C2")
    for number, entry in enumerate(entries, start=1):
        dialogue = entry.dialogue
        values = (
            number,
            dialogue.id,
            entry.why + ("\n两人" if entry.for_two else ""),
            check_relevance.target(dialogue).get("label", ""),
            len(dialogue.rounds),
            _told(entry.findings),
            *(None, None, None, reviewer if entry.why != SECOND else None, entry.note or None),
        )
        fill = sheets.WARNING if entry.crisis else ""
        cells = sheets.row(sheet, number + 1, QUEUE_COLUMNS, values, fill=fill)
        sheets.link(cells[1], TURNS, f"A{first_rows[dialogue.id]}")
    last = len(entries) + 1
    sheets.choose_from(sheet, f"G2:G{last}", list(DECISIONS), say="请选：" + "、".join(DECISIONS))
    sheets.choose_from(sheet, f"H2:H{last}", list(REASONS), say="请选五种理由之一")
    longest = max((len(one.dialogue.turns) for one in entries), default=1)
    sheets.whole_numbers(sheet, f"I2:I{last}", most=longest, say="请填句的序数")
    sheet.auto_filter.ref = f"A1:K{last}"
    sheets.lock(sheet)
    sheets.for_paper(sheet)


def _write_turns(sheet: Worksheet, entries: Sequence[Entry]) -> dict[str, int]:
    """Write every dialogue once; the row where each begins."""
    sheets.header(sheet, TURN_COLUMNS, freeze="A2")
    first_rows: dict[str, int] = {}
    number = 2
    for serial, entry in enumerate(entries, start=1):
        if entry.dialogue.id in first_rows:
            continue
        first_rows[entry.dialogue.id] = number
        _write_bar(sheet, number, serial, entry)
        for place, turn in enumerate(entry.dialogue.turns, start=1):
            number += 1
            found = [one for one in entry.findings if one.turn == place]
            values = (
                *(serial, place, SPEAKERS[turn.role], turn.content, _told(found, turns=False)),
                *(None, entry.dialogue.id),
            )
            fill = sheets.PALE if turn.role == "client" else ""
            sheets.row(sheet, number, TURN_COLUMNS, values, fill=sheets.WARNING if found else fill)
        number += 1
    sheet.column_dimensions["G"].hidden = True
    sheets.lock(sheet)
    sheets.for_paper(sheet)
    return first_rows


def _write_bar(sheet: Worksheet, number: int, serial: int, entry: Entry) -> None:
    """The line above a dialogue: which one it is, and the way back."""
    from openpyxl.styles import Alignment, Font, PatternFill

    label = check_relevance.target(entry.dialogue).get("label", "")
    told = f"第{serial}段   {entry.dialogue.id}" + (f"   目标行为：{label}" if label else "")
    for place in range(1, len(TURN_COLUMNS) + 1):
        sheet.cell(number, place).fill = PatternFill("solid", fgColor="D9E2F3")
    cell = sheet.cell(number, 1, sheets.cell_text(told))
    cell.data_type = "s"
    cell.font = Font(name=sheets.FONT, size=10, bold=True, color=sheets.DARK)
    cell.alignment = Alignment(horizontal="left", vertical="center")
    back = sheet.cell(number, 6, BACK)
    sheets.link(back, QUEUE, f"G{serial + 1}")
    sheet.row_dimensions[number].height = 22


def _write_hidden(book: Workbook, facts: dict[str, str]) -> None:
    sheet = book.create_sheet(HIDDEN)
    for pair in facts.items():
        sheet.append(pair)
    sheet.sheet_state = "hidden"


def _told(findings: Iterable[Finding], *, turns: bool = True) -> str:
    lines = []
    for one in findings:
        # Some reasons begin with all the turns that they are about.
        place = f"第{one.turn}句：" if turns and one.turn and one.reason[0] != "第" else ""
        lines.append(f"【{GROUNDS[one.ground]}】{place}{one.reason}")
    return "\n".join(lines)
