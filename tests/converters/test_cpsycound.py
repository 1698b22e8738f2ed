from __future__ import annotations

import csv
from pathlib import Path

import pytest

from converters.corpora.cpsycound import read
from converters.corpora.intake import Intake, take_in, wanted
from mi_llm.dialogue import Dialogue, Turn
from mi_llm.errors import InputError
from mi_llm.repair import Repairer

GOOD = "来访者：我睡不着。\n\n心理咨询师：你很累。"
GOOD_TURNS = (Turn("client", "我睡不着。"), Turn("counselor", "你很累。"))


def saved(folder: Path, text: str | bytes, name: str = "case_12.txt") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    data = text.encode() if isinstance(text, str) else text
    (folder / name).write_bytes(data)
    return folder


def only(folder: Path, text: str) -> Dialogue:
    (dialogue,) = read(saved(folder, text), Intake())
    return dialogue


def refusal(folder: Path, text: str | bytes) -> str:
    with pytest.raises(InputError) as caught:
        list(read(saved(folder, text), Intake()))
    message = str(caught.value)
    assert message.startswith(f"{folder / 'case_12.txt'}")
    assert "\n" not in message
    return message.removeprefix(f"{folder / 'case_12.txt'}")


def test_the_file_in_the_modules_docstring_becomes_the_dialogue_there(tmp_path: Path):
    text = (
        "来访者：我们总是吵架。\n\n来访者（李女士）：他不听我说。\n\n"
        "心理咨询师：你希望他听见你。\n\n（沉默了一会儿）\n"
    )
    assert only(tmp_path, text) == Dialogue(
        "cpsycound/12",
        (
            Turn("client", "我们总是吵架。\n他不听我说。"),
            Turn("counselor", "你希望他听见你。\n（沉默了一会儿）"),
        ),
        {"speaker_labels": ["来访者（李女士）"]},
    )


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("colon", ["：", ":", ": ", " ： "])
def test_line_ends_and_widths_of_colons_make_no_difference(tmp_path: Path, end: str, colon: str):
    text = GOOD.replace("\n", end).replace("：", colon)
    intake = Intake(Repairer("none"))
    assert list(read(saved(tmp_path, text), intake)) == [Dialogue("cpsycound/12", GOOD_TURNS)]


def test_a_file_with_a_byte_order_mark_and_blank_lines_at_its_ends_is_read(tmp_path: Path):
    text = "\ufeff\r\n" + GOOD + "\r\n\r\n"
    assert only(tmp_path, text) == Dialogue("cpsycound/12", GOOD_TURNS)


def test_numbered_lists_and_people_played_or_quoted_are_text(tmp_path: Path):
    reply = (
        "你可以这样做：\n1. 建立良好的沟通：多听。\n2. 来访者的感受：写下来。\n"
        "妈妈：早点睡。\nA：好。\n小强：行。"
    )
    text = f"来访者：怎么办？\n\n心理咨询师：{reply}\n\n来访者的母亲：谢谢。\n\n来访者：好的。"
    assert only(tmp_path, text) == Dialogue(
        "cpsycound/12",
        (
            Turn("client", "怎么办？"),
            Turn("counselor", f"{reply}\n来访者的母亲：谢谢。"),
            Turn("client", "好的。"),
        ),
    )


def test_text_under_a_bare_label_is_its_turn(tmp_path: Path):
    text = "来访者：\n我睡不着。\n\n心理咨询师：\n\n你很累。"
    assert only(tmp_path, text) == Dialogue("cpsycound/12", GOOD_TURNS)


def test_a_label_without_text_is_a_blank_turn_for_the_repairs(tmp_path: Path):
    folder = saved(tmp_path, f"{GOOD}\n\n来访者：")
    intake = Intake()
    assert list(read(folder, intake)) == [Dialogue("cpsycound/12", GOOD_TURNS)]
    assert intake.repairer.counts == {"dropped blank turns": 1}
    with pytest.raises(InputError, match=r"case_12\.txt, turn 3: blank client turn"):
        list(read(folder, Intake(Repairer("none"))))


def test_neighbours_of_one_side_are_joined_and_counted(tmp_path: Path):
    intake = Intake()
    folder = saved(tmp_path, f"{GOOD}\n\n（一个月后）\n\n心理咨询师：你睡得好吗？\n\n来访者：好。")
    assert list(read(folder, intake)) == [
        Dialogue(
            "cpsycound/12",
            (
                Turn("client", "我睡不着。"),
                Turn("counselor", "你很累。\n（一个月后）\n你睡得好吗？"),
                Turn("client", "好。"),
            ),
        )
    ]
    assert intake.repairer.counts == {"merged neighbours": 1}


def test_labels_that_name_several_clients_give_their_names(tmp_path: Path):
    text = (
        "来访者：我们吵架。\n\n心理咨询师：说说看。\n\n来访者（王先生）：她不听。\n\n来访者(李女士)：他不说。"
        "\n\n心理咨询师：嗯。\n\n来访者（李女士）：就这样。"
    )
    made = only(tmp_path, text)
    assert made == Dialogue(
        "cpsycound/12",
        (
            Turn("client", "我们吵架。"),
            Turn("counselor", "说说看。"),
            Turn("client", "她不听。\n他不说。"),
            Turn("counselor", "嗯。"),
            Turn("client", "就这样。"),
        ),
        {
            "speaker_labels": ["来访者（王先生）", "来访者(李女士)", "来访者（李女士）"],
            "clients": ["王先生", "李女士"],
        },
    )
    intake = Intake()
    assert not wanted(made, intake)
    assert intake.left_out == {"several clients": 1}


@pytest.mark.parametrize("marks", ["12", "AB", "甲乙", "一二"])
def test_clients_may_be_numbered(tmp_path: Path, marks: str):
    one, two = (f"来访者{mark}" for mark in marks)
    made = only(tmp_path, f"{one}：我急。\n\n{two}：我不急。\n\n心理咨询师：嗯。")
    assert made == Dialogue(
        "cpsycound/12",
        (Turn("client", "我急。\n我不急。"), Turn("counselor", "嗯。")),
        {"speaker_labels": [one, two], "clients": [one, two]},
    )


def test_parts_played_are_labels_but_no_further_clients(tmp_path: Path):
    text = (
        "来访者（小李）：我怕她。\n\n心理咨询师（扮演上司）：你好。\n\n来访者（扮演自己）：您好。"
        "\n\n心理咨询师：如何？\n\n来访者（扮演上司）：坐。"
    )
    made = only(tmp_path, text)
    assert made.meta == {
        "speaker_labels": [
            "来访者（小李）",
            "心理咨询师（扮演上司）",
            "来访者（扮演自己）",
            "来访者（扮演上司）",
        ]
    }
    assert [turn.role for turn in made.turns] == [
        "client",
        "counselor",
        "client",
        "counselor",
        "client",
    ]


def test_files_come_in_the_order_of_their_numbers_from_a_folder_above_too(tmp_path: Path):
    for number in (10, 9, 2):
        saved(tmp_path / "CPsyCounD" / "Data", GOOD, f"case_{number}.txt")
    saved(tmp_path, "no dialogue", "README.txt")
    assert list(read(tmp_path, Intake())) == [
        Dialogue(f"cpsycound/{number}", GOOD_TURNS) for number in (2, 9, 10)
    ]


def test_text_before_the_first_label_is_refused_with_its_line(tmp_path: Path):
    assert refusal(tmp_path, f"\r\n背景：夫妻。\r\n\r\n{GOOD}") == (
        ":2: put 来访者： or 心理咨询师： before the first text, '背景：夫妻。'"
    )
    assert refusal(tmp_path, '{"conversations": []}').startswith(":1: put 来访者：")


@pytest.mark.parametrize("empty", ["", "\r\n \n", "来访者：\n\n心理咨询师： "])
def test_a_file_without_a_word_is_refused(tmp_path: Path, empty: str):
    assert refusal(tmp_path, empty) == ": cpsycound/12: has no turns"


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path):
    assert refusal(tmp_path, GOOD.encode("gb18030")).startswith(": not UTF-8 (byte 0xc0)")


def test_a_folder_without_cases_is_refused(tmp_path: Path):
    saved(tmp_path, GOOD, "1.txt")
    with pytest.raises(InputError, match="holds no case_"):
        list(read(tmp_path, Intake()))


def test_files_behind_a_bad_one_are_read_if_bad_ones_are_skipped(tmp_path: Path):
    saved(tmp_path, GOOD, "case_1.txt")
    saved(tmp_path, GOOD.encode("gb18030"), "case_2.txt")
    saved(tmp_path, "旁白", "case_3.txt")
    saved(tmp_path, GOOD, "case_4.txt")
    intake = Intake(skip_bad=True)
    made = list(read(tmp_path, intake))
    assert made == [Dialogue("cpsycound/1", GOOD_TURNS), Dialogue("cpsycound/4", GOOD_TURNS)]
    assert intake.left_out == {"unreadable": 2}


@pytest.mark.real_data
def test_the_real_files_give_the_rounds_counted_independently(real_data: Path):
    folder = real_data / "cpsycound"
    made = {dialogue.id: dialogue for dialogue in take_in(read, folder, Intake())}
    with (folder / "EXPECTED_per_dialogue.csv").open(encoding="utf-8") as stream:
        expected = {
            "cpsycound/" + row["dialogue"][len("case_") : -len(".txt")]: int(row["rounds"])
            for row in csv.DictReader(stream)
        }
    assert {name: len(dialogue.rounds) for name, dialogue in made.items()} == expected
    assert (len(made), sum(expected.values())) == (60, 529)
    # The excerpt's EXPECTED.json counts these before repairs: 17 end with a client's turn, of
    # which two (983, 1408) are a bare label and go.
    closing = [name for name, dialogue in made.items() if dialogue.closes_with_client]
    assert len(closing) == 15
    assert not any(dialogue.opens_with_counselor for dialogue in made.values())


@pytest.mark.real_data
def test_no_word_of_the_real_files_is_lost(real_data: Path):
    for dialogue in take_in(read, real_data / "cpsycound", Intake()):
        file = real_data / "cpsycound" / "Data" / f"case_{dialogue.id.split('/')[1]}.txt"
        source = file.read_text(encoding="utf-8")
        for label in [*dialogue.meta.get("speaker_labels", ()), "来访者", "心理咨询师"]:
            source = source.replace(f"{label}：", "")
        kept = "".join("".join(turn.content for turn in dialogue.turns).split())
        assert kept == "".join(source.split()), dialogue.id


@pytest.mark.real_data
def test_the_real_sessions_with_several_clients_are_marked(real_data: Path):
    made = take_in(read, real_data / "cpsycound", Intake())
    assert {one.id: one.meta["clients"] for one in made if "clients" in one.meta} == {
        "cpsycound/56": ["姚先生", "程女士"],
        "cpsycound/681": ["来访者1", "来访者2"],
        "cpsycound/1768": ["天远", "文姗"],
        "cpsycound/3110": ["小李", "小王"],
    }
