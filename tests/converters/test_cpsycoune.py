from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from converters.corpora.cpsycoune import read
from converters.corpora.intake import Intake, take_in
from mi_llm import jsonl
from mi_llm.dialogue import Dialogue, Turn
from mi_llm.errors import InputError
from mi_llm.repair import Repairer

GOOD = ["求助者：我怕换工作。", "支持者：换工作让你不安。"]
GOOD_TURNS = (Turn("client", "我怕换工作。"), Turn("counselor", "换工作让你不安。"))


def saved(folder: Path, value: Any, name: str = "Career/1.json") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(value if isinstance(value, bytes) else jsonl.dumped(value).encode())
    return folder


def refusal(folder: Path, value: Any) -> str:
    with pytest.raises(InputError) as caught:
        list(read(saved(folder, value), Intake()))
    message = str(caught.value)
    assert message.startswith(str(folder / "Career" / "1.json"))
    return message.removeprefix(str(folder / "Career" / "1.json"))


def test_the_file_in_the_modules_docstring_becomes_the_dialogue_there(tmp_path: Path):
    assert list(read(saved(tmp_path, GOOD), Intake(Repairer("none")))) == [
        Dialogue("cpsycoune/Career/1", GOOD_TURNS, {"topic": "Career"})
    ]


def test_topics_come_one_after_the_other_and_other_files_are_left(tmp_path: Path):
    for name in (
        "Love&Marriage/2.json",
        "Family Relationship/10.json",
        "Family Relationship/9.json",
    ):
        saved(tmp_path, GOOD, f"CPsyCounE/{name}")
    saved(tmp_path, {}, "manifest.json")
    assert list(read(tmp_path, Intake())) == [
        Dialogue("cpsycoune/Family Relationship/9", GOOD_TURNS, {"topic": "Family Relationship"}),
        Dialogue("cpsycoune/Family Relationship/10", GOOD_TURNS, {"topic": "Family Relationship"}),
        Dialogue("cpsycoune/Love&Marriage/2", GOOD_TURNS, {"topic": "Love&Marriage"}),
    ]


def test_a_topics_own_folder_can_be_read_from_within(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    saved(tmp_path, GOOD)
    monkeypatch.chdir(tmp_path / "Career")
    assert list(read(Path(), Intake())) == [
        Dialogue("cpsycoune/Career/1", GOOD_TURNS, {"topic": "Career"})
    ]


def test_half_width_colons_and_blanks_around_labels_are_no_text(tmp_path: Path):
    lines = [" 求助者: 我怕换工作。", "支持者:换工作让你不安。"]
    assert list(read(saved(tmp_path, lines), Intake(Repairer("none")))) == [
        Dialogue("cpsycoune/Career/1", GOOD_TURNS, {"topic": "Career"})
    ]


def test_labels_of_people_spoken_of_and_further_lines_stay(tmp_path: Path):
    lines = ["求助者：妈妈：早点睡。\n我睡不着。", "支持者：嗯。"]
    assert list(read(saved(tmp_path, lines), Intake(Repairer("none")))) == [
        Dialogue(
            "cpsycoune/Career/1",
            (Turn("client", "妈妈：早点睡。\n我睡不着。"), Turn("counselor", "嗯。")),
            {"topic": "Career"},
        )
    ]


@pytest.mark.parametrize("value", [[], {}, None, "求助者：累。", {"conversations": []}])
def test_a_file_that_is_no_filled_list_is_refused(tmp_path: Path, value: Any):
    assert refusal(tmp_path, value).startswith(": expected a list ")


@pytest.mark.parametrize("line", ["来访者：累。", "求助者，累。", "累。求助者：", "", None, 5, {}])
def test_a_line_of_nobody_known_is_refused_with_its_number(tmp_path: Path, line: Any):
    message = refusal(tmp_path, [*GOOD, line])
    assert message.startswith(", turn 3: expected a text that begins 求助者： or 支持者：, not ")
    assert message.endswith(repr(str(line)))


def test_a_file_cut_short_or_not_utf_8_is_refused(tmp_path: Path):
    text = jsonl.dumped(GOOD)
    assert refusal(tmp_path, text[:-5].encode()).startswith(":1: not JSON: ")
    assert refusal(tmp_path, text.encode("gb18030")).startswith(": not UTF-8 ")


def test_files_behind_a_bad_one_are_read_if_bad_ones_are_skipped(tmp_path: Path):
    for number, value in enumerate(([], GOOD, ["旁白"], b"[", GOOD), start=1):
        saved(tmp_path, value, f"Sex/{number}.json")
    intake = Intake(skip_bad=True)
    assert [one.id for one in read(tmp_path, intake)] == ["cpsycoune/Sex/2", "cpsycoune/Sex/5"]
    assert intake.left_out == {"unreadable": 3}


@pytest.mark.real_data
def test_the_real_dialogues_alternate_from_client_to_counselor_and_need_no_repair(real_data: Path):
    made = list(take_in(read, real_data / "cpsycound" / "CPsyCounE", Intake(Repairer("none"))))
    assert len(made) == 9
    assert len({one.meta["topic"] for one in made}) == 9
    assert not any(one.opens_with_counselor or one.closes_with_client for one in made)


@pytest.mark.real_data
def test_the_real_folder_above_gives_the_same_dialogues(real_data: Path):
    inner = list(read(real_data / "cpsycound" / "CPsyCounE", Intake()))
    assert list(read(real_data / "cpsycound", Intake())) == inner
