from __future__ import annotations

import datetime
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import openpyxl
import pytest

from converters.corpora.intake import Intake, take_in
from converters.corpora.simulated_xlsx import read
from mi_llm.dialogue import Dialogue, Turn
from mi_llm.errors import InputError
from mi_llm.repair import Repairer

ASK, REPLY = "我想少抽一点。", "你已经在盘算改变了。"
SHEET = "微调后对话GLM-4"
GOOD: list[list[Any]] = [[None, 1], ["来访者", ASK], ["咨询师", REPLY]]
META = {"sheet": SHEET, "model": "GLM-4", "tuned": True, "irregular": []}
TURNS = (Turn("client", ASK), Turn("counselor", REPLY))


def saved(tmp_path: Path, **sheets: Sequence[Sequence[Any]]) -> Path:
    book = openpyxl.Workbook()
    del book[book.sheetnames[0]]
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(list(row))
    path = tmp_path / "book.xlsx"
    book.save(path)
    book.close()
    return path


def taken(tmp_path: Path, rows: Sequence[Sequence[Any]], intake: Intake) -> list[Dialogue]:
    return list(read(saved(tmp_path, **{SHEET: rows}), intake))


def column(*cells: Any) -> list[list[Any]]:
    """A sheet with one dialogue, labelled in its first two rows only."""
    labels = ["来访者", "咨询师", *[None] * len(cells)]
    return [[None, 1], *([label, cell] for label, cell in zip(labels, cells, strict=False))]


def irregular(tmp_path: Path, *cells: Any) -> list[str]:
    (made,) = taken(tmp_path, column(*cells), Intake())
    found = made.meta["irregular"]
    assert isinstance(found, list)
    return found


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        list(read(path, Intake()))
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


def test_the_sheet_in_the_modules_docstring_becomes_the_dialogue_there(tmp_path: Path):
    path = saved(tmp_path, **{"微调GLM-4": [*GOOD, [None, "1. 嗯"]]})
    assert list(read(path, Intake())) == [
        Dialogue(
            "simulated_xlsx/微调GLM-4/1",
            (*TURNS, Turn("client", "1. 嗯")),
            {
                "sheet": "微调GLM-4",
                "model": "GLM-4",
                "tuned": True,
                "irregular": ["B4: list item in the client's row"],
            },
        )
    ]


def test_each_column_is_one_dialogue_that_ends_where_its_text_ends(tmp_path: Path):
    rows: list[list[Any]] = [
        [None, 1, 2],
        ["来访者", ASK, "睡不着"],
        ["咨询师", REPLY, "听起来你这些天累坏了。"],
        ["来访者", None, "嗯"],
        ["咨询师", None, "不用急，我们慢慢来。"],
    ]
    other = [Turn("client", "睡不着"), Turn("counselor", "听起来你这些天累坏了。")]
    assert taken(tmp_path, rows, Intake()) == [
        Dialogue(f"simulated_xlsx/{SHEET}/1", TURNS, META),
        Dialogue(
            f"simulated_xlsx/{SHEET}/2",
            (*other, Turn("client", "嗯"), Turn("counselor", "不用急，我们慢慢来。")),
            META,
        ),
    ]


@pytest.mark.parametrize(
    ("title", "model", "tuned"),
    [
        ("微调后对话Baichuan2", "Baichuan2", True),
        ("原始模型Bacihuan2", "Baichuan2", False),
        ("微调llama8b", "llama8b", True),
        ("原始llama8b", "llama8b", False),
        ("原始模型GLM-4 ", "GLM-4", False),
    ],
)
def test_the_model_and_whether_it_is_tuned_are_in_the_sheets_name(
    tmp_path: Path, title: str, model: str, tuned: bool
):
    (made,) = read(saved(tmp_path, **{title: GOOD}), Intake())
    assert (made.id, made.meta) == (
        f"simulated_xlsx/{title}/1",
        {"sheet": title, "model": model, "tuned": tuned, "irregular": []},
    )


def test_the_sheet_of_profiles_and_a_column_without_text_are_left_out_and_counted(tmp_path: Path):
    profiles: list[list[Any]] = [[None, "健康行为", "改变意愿"], [1, "熬夜", "改变"]]
    rows: list[list[Any]] = [
        [None, 1, 2, 3],
        ["来访者", ASK, None, ASK],
        ["咨询师", REPLY, " ", REPLY],
    ]
    intake = Intake()
    path = saved(tmp_path, **{"对话纲要": profiles, SHEET: rows})
    assert [one.id for one in read(path, intake)] == [
        f"simulated_xlsx/{SHEET}/1",
        f"simulated_xlsx/{SHEET}/3",
    ]
    assert intake.left_out == {"sheets of another kind": 1, "empty columns": 1}


def test_the_sides_go_on_alternating_where_the_labels_stop(tmp_path: Path):
    (made,) = taken(tmp_path, column("一", "二", "三", "四", "五"), Intake())
    assert [(turn.role, turn.content) for turn in made.turns] == [
        ("client", "一"),
        ("counselor", "二"),
        ("client", "三"),
        ("counselor", "四"),
        ("client", "五"),
    ]


def test_a_label_outweighs_the_alternation(tmp_path: Path):
    rows: list[list[Any]] = [[None, 1], ["咨询师", "你好。"], ["咨询师", "请坐。"], [None, ASK]]
    intake = Intake()
    (made,) = taken(tmp_path, rows, intake)
    assert made.turns == (Turn("counselor", "你好。\n请坐。"), Turn("client", ASK))
    assert intake.repairer.counts == {"merged neighbours": 1}


def test_a_blank_cell_inside_a_dialogue_is_named_and_repaired_with_a_count(tmp_path: Path):
    rows = column(ASK, REPLY, None, "还有下面的这几点：")
    intake = Intake()
    assert taken(tmp_path, rows, intake) == [
        Dialogue(
            f"simulated_xlsx/{SHEET}/1",
            (Turn("client", ASK), Turn("counselor", f"{REPLY}\n还有下面的这几点：")),
            {**META, "irregular": ["B4: blank cell inside the dialogue"]},
        )
    ]
    assert intake.repairer.counts == {"dropped blank turns": 1, "merged neighbours": 1}
    with pytest.raises(InputError, match="column B, turn 3: blank client turn"):
        taken(tmp_path, rows, Intake(Repairer("none")))


@pytest.mark.parametrize("item", ["1. 少玩", "12、少玩", "3）少玩", "- 少玩", "• 少玩", " 2. 少玩"])
def test_a_list_item_in_the_clients_row_is_named(tmp_path: Path, item: str):
    assert irregular(tmp_path, ASK, REPLY, item, REPLY) == ["B4: list item in the client's row"]


@pytest.mark.parametrize("said", ["5分吧", "3", "10点睡", f"{ASK}\n"])
def test_what_only_resembles_a_list_item_or_a_second_line_is_not_named(tmp_path: Path, said: str):
    assert irregular(tmp_path, said, "1. 少玩\n2. 早睡", ASK, REPLY) == []


def test_a_reply_pasted_into_the_clients_cell_is_named(tmp_path: Path):
    found = irregular(tmp_path, ASK, REPLY, f"{REPLY}\n{ASK}", REPLY)
    assert found == ["B4: several lines in the client's row"]


def test_sides_that_are_exchanged_from_a_left_out_turn_on_are_named(tmp_path: Path):
    found = irregular(
        tmp_path, ASK, REPLY, "很好。你觉得可以试试吗？", "可以的", "祝你成功！", REPLY
    )
    assert found == [
        "B4: what a counselor says in the client's row",
        "B5: a few words in the counselor's row",
        "B6: what a counselor says in the client's row",
    ]


def test_a_dialogue_that_closes_in_the_clients_row_is_named(tmp_path: Path):
    found = irregular(tmp_path, ASK, REPLY, "再见！")
    assert found == ["B4: the client's row closes the dialogue"]


def test_a_number_in_a_cell_is_text_and_a_date_is_refused(tmp_path: Path):
    (made,) = taken(tmp_path, column(7, REPLY), Intake())
    assert made.turns == (Turn("client", "7"), Turn("counselor", REPLY))
    path = saved(tmp_path, **{SHEET: column(datetime.datetime(2025, 3, 12), REPLY)})
    message = refusal(path)
    assert message.startswith(f"sheet {SHEET}, cell B2: expected a text, not datetime")
    assert message.endswith("; format the cell as text")


@pytest.mark.parametrize("number", ["一", None, 1.5])
def test_a_column_without_a_number_is_refused_or_skipped(tmp_path: Path, number: Any):
    rows: list[list[Any]] = [[None, 1, number], ["来访者", ASK, ASK], ["咨询师", REPLY, REPLY]]
    path = saved(tmp_path, **{SHEET: rows})
    assert refusal(path) == (
        f"sheet {SHEET}, cell C1: expected the dialogue's number, not {number!r}"
    )
    intake = Intake(skip_bad=True)
    assert [one.id for one in read(path, intake)] == [f"simulated_xlsx/{SHEET}/1"]
    assert intake.left_out == {"unreadable": 1}


def test_a_number_that_comes_twice_is_refused(tmp_path: Path):
    rows: list[list[Any]] = [[None, 1, "1"], ["来访者", ASK, ASK], ["咨询师", REPLY, REPLY]]
    with pytest.raises(InputError, match=f"id 'simulated_xlsx/{SHEET}/1' comes twice"):
        list(take_in(read, saved(tmp_path, **{SHEET: rows}), Intake()))


@pytest.mark.parametrize(
    ("rows", "place"),
    [
        ([[None, 1], ["旁白", ASK]], "A2: expected 来访者 or 咨询师, not '旁白'"),
        ([[None, 1], [None, ASK]], "A2: expected 来访者 or 咨询师, not None"),
        ([*GOOD, ["妈妈", ASK]], "A4: expected 来访者 or 咨询师, not '妈妈'"),
    ],
)
def test_an_unknown_or_missing_label_is_refused_with_its_cell(
    tmp_path: Path, rows: Sequence[Sequence[Any]], place: str
):
    assert refusal(saved(tmp_path, **{SHEET: rows})) == f"sheet {SHEET}, cell {place}"


def test_a_workbook_without_dialogues_is_refused(tmp_path: Path):
    empty: list[list[Any]] = []
    for sheets in ({"对话纲要": GOOD}, {SHEET: empty}, {SHEET: GOOD[:1]}):
        with pytest.raises(InputError, match="holds no dialogue"):
            list(take_in(read, saved(tmp_path, **sheets), Intake()))


def test_a_file_that_is_no_whole_workbook_is_refused(tmp_path: Path):
    path = saved(tmp_path, **{SHEET: GOOD})
    data = path.read_bytes()
    for broken in (data[: len(data) // 2], b"", "来访者,你好".encode()):
        path.write_bytes(broken)
        assert refusal(path) == (
            "not a workbook that can be read: file is not a zip file; save it as .xlsx"
        )
    with pytest.raises(InputError, match="no such file"):
        list(read(tmp_path / "absent.xlsx", Intake()))


@pytest.mark.parametrize(
    ("part", "content"),
    [
        ("[Content_Types].xml", None),
        ("xl/workbook.xml", b"<workbook"),
        ("xl/worksheets/sheet1.xml", b"<worksheet><sheetData><row"),
    ],
)
def test_a_workbook_with_a_broken_part_is_refused(tmp_path: Path, part: str, content: bytes | None):
    message = refusal(repacked(saved(tmp_path, **{SHEET: GOOD}), part, content))
    assert message.startswith("not a workbook that can be read: ")
    assert message.endswith("; save it as .xlsx")


def test_a_workbook_with_a_damaged_byte_is_refused_or_read_as_it_was(tmp_path: Path):
    path = saved(tmp_path, **{SHEET: GOOD})
    data = path.read_bytes()
    with zipfile.ZipFile(path) as packed:
        start = packed.getinfo("xl/worksheets/sheet1.xml").header_offset
    faults: list[str] = []
    for place in range(start, start + 200):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        try:
            assert [one.turns for one in read(path, Intake())] == [TURNS]
        except InputError as error:
            faults.append(str(error))
    assert len(faults) > 100
    assert all(fault.startswith(f"{path}: not a workbook that can be read: ") for fault in faults)


def test_a_sheet_that_states_too_small_a_size_is_read_whole(tmp_path: Path):
    path = saved(tmp_path, **{SHEET: GOOD})
    with zipfile.ZipFile(path) as packed:
        xml = packed.read("xl/worksheets/sheet1.xml")
    small = xml.replace(b'<dimension ref="A1:B3"', b'<dimension ref="A1:A1"')
    assert small != xml
    made = read(repacked(path, "xl/worksheets/sheet1.xml", small), Intake())
    assert list(made) == [Dialogue(f"simulated_xlsx/{SHEET}/1", TURNS, META)]


def repacked(path: Path, part: str, content: bytes | None) -> Path:
    """The workbook with one part replaced, or left out."""
    with zipfile.ZipFile(path) as packed:
        parts = {name: packed.read(name) for name in packed.namelist()}
    assert parts.pop(part)
    if content is not None:
        parts[part] = content
    with zipfile.ZipFile(path, "w") as packed:
        for name, data in parts.items():
            packed.writestr(name, data)
    return path


@pytest.mark.real_data
def test_the_real_workbook_has_the_rounds_of_the_papers_table_4(real_data: Path):
    intake = Intake()
    path = real_data / "mi_llm_authors" / "simulated_dialogues.xlsx"
    made = list(take_in(read, path, intake))
    assert len(made) == 59
    assert intake.left_out == {"sheets of another kind": 1, "empty columns": 1}
    assert intake.repairer.counts == {
        "dropped blank turns": 12,
        "merged neighbours": 12,
        "stripped turns": 4,
    }
    cells: dict[tuple[str, bool], list[int]] = {}
    for one in made:
        cells.setdefault((one.meta["model"], one.meta["tuned"]), []).append(len(one.turns) // 2)
    # The tuned sheets have no blank cell inside a dialogue, so turns there are filled cells.
    tuned = {model: found for (model, is_tuned), found in cells.items() if is_tuned}
    assert {
        model: (len(found), f"{fmean(found):.2f} ({stdev(found):.2f})")
        for model, found in tuned.items()
    } == {
        "GLM-4": (10, "17.40 (5.17)"),
        "llama8b": (10, "18.90 (5.80)"),
        "Baichuan2": (9, "18.78 (7.55)"),
    }
    assert {model: len(found) for (model, is_tuned), found in cells.items() if not is_tuned} == {
        "GLM-4": 10,
        "llama8b": 10,
        "Baichuan2": 10,
    }


@pytest.mark.real_data
def test_the_real_workbooks_irregular_cells_are_named(real_data: Path):
    path = real_data / "mi_llm_authors" / "simulated_dialogues.xlsx"
    made = list(take_in(read, path, Intake()))
    named = [note.partition(": ")[2] for one in made for note in one.meta["irregular"]]
    assert Counter(named) == {
        "blank cell inside the dialogue": 12,
        "list item in the client's row": 7,
        "the client's row closes the dialogue": 2,
        # Where a client's turn was left out, in the sixth dialogue of the tuned Baichuan2: G46-G51.
        "what a counselor says in the client's row": 3,
        "a few words in the counselor's row": 3,
        "several lines in the client's row": 1,
    }
    assert sum(bool(one.meta["irregular"]) for one in made) == 7
