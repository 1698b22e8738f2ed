from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from converters.corpora.intake import Intake, take_in
from converters.corpora.smilechat import read
from mi_llm import jsonl
from mi_llm.dialogue import Dialogue, Turn
from mi_llm.errors import InputError
from mi_llm.repair import Repairer


def message(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": text, "annotation": [{"sentence": text, "label": ""}]}


GOOD = [message("client", "我睡不着。"), message("counselor", "这让你很累。")]
GOOD_TURNS = (Turn("client", "我睡不着。"), Turn("counselor", "这让你很累。"))


def saved(folder: Path, value: Any, name: str = "7.json") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(value if isinstance(value, bytes) else jsonl.dumped(value).encode())
    return folder


def refusal(folder: Path, value: Any) -> str:
    with pytest.raises(InputError) as caught:
        list(read(saved(folder, value), Intake()))
    refused = str(caught.value)
    assert refused.startswith(str(folder / "7.json"))
    return refused.removeprefix(str(folder / "7.json"))


def test_the_file_in_the_modules_docstring_becomes_the_dialogue_there(tmp_path: Path):
    assert list(read(saved(tmp_path, GOOD), Intake(Repairer("none")))) == [
        Dialogue("smilechat/7", GOOD_TURNS)
    ]


def test_files_come_in_the_order_of_their_numbers_from_a_folder_above_too(tmp_path: Path):
    for number in (10, 9, 0):
        saved(tmp_path, GOOD, f"data/{number}.json")
    saved(tmp_path, {}, "manifest.json")
    assert list(read(tmp_path, Intake())) == [
        Dialogue(f"smilechat/{number}", GOOD_TURNS) for number in (0, 9, 10)
    ]


def test_a_client_alone_is_a_dialogue_without_a_round(tmp_path: Path):
    (made,) = read(saved(tmp_path, GOOD[:1]), Intake())
    assert made == Dialogue("smilechat/7", GOOD_TURNS[:1])
    assert made.rounds == ()


def test_turns_in_a_row_and_empty_ones_are_mended_and_counted(tmp_path: Path):
    spoken = [
        *GOOD,
        message("counselor", "慢慢说。"),
        message("client", ""),
        message("client", "嗯"),
    ]
    intake = Intake()
    assert list(read(saved(tmp_path, spoken), intake)) == [
        Dialogue(
            "smilechat/7",
            (GOOD_TURNS[0], Turn("counselor", "这让你很累。\n慢慢说。"), Turn("client", "嗯")),
        )
    ]
    assert intake.repairer.counts == {"merged neighbours": 1, "dropped blank turns": 1}


def test_a_label_that_leaked_into_a_turn_is_stripped_and_marked(tmp_path: Path):
    spoken = [GOOD[0], message("counselor", "支持者：这让你很累。")]
    assert list(read(saved(tmp_path, spoken), Intake())) == [
        Dialogue("smilechat/7", GOOD_TURNS, {"stripped_labels": 1})
    ]


def test_nothing_is_carried_from_one_file_to_the_next(tmp_path: Path):
    saved(tmp_path, GOOD[:1], "1.json")
    saved(tmp_path, GOOD[1:], "2.json")
    assert list(read(tmp_path, Intake())) == [
        Dialogue("smilechat/1", GOOD_TURNS[:1]),
        Dialogue("smilechat/2", GOOD_TURNS[1:]),
    ]


@pytest.mark.parametrize("value", [[], {}, None, "text", {"conversations": GOOD}])
def test_a_file_that_is_no_filled_list_is_refused(tmp_path: Path, value: Any):
    assert refusal(tmp_path, value).startswith(": expected a list ")


@pytest.mark.parametrize(
    "bad",
    [None, "x", {}, {"role": "client"}, {"content": "x"}, {"role": "client", "content": None}],
)
def test_a_message_without_role_and_text_is_refused_with_its_number(tmp_path: Path, bad: Any):
    assert refusal(tmp_path, [*GOOD, bad]).startswith(", turn 3: expected ")


@pytest.mark.parametrize("role", ["counsellor", "Client", "旁白", ""])
def test_an_unknown_role_is_refused_with_the_known_ones(tmp_path: Path, role: str):
    assert refusal(tmp_path, [*GOOD, message(role, "x")]) == (
        f", turn 3: unknown role {role!r}; known are: client, counselor"
    )


def test_a_file_of_blank_turns_is_refused(tmp_path: Path):
    assert refusal(tmp_path, [message("client", " ")]) == ": smilechat/7: has no turns"


def test_a_file_cut_short_or_not_utf_8_is_refused(tmp_path: Path):
    text = jsonl.dumped(GOOD)
    assert refusal(tmp_path, text[:-5].encode()).startswith(":1: not JSON: ")
    assert refusal(tmp_path, text.encode("gb18030")).startswith(": not UTF-8 ")


def test_files_behind_a_bad_one_are_read_if_bad_ones_are_skipped(tmp_path: Path):
    for number, value in enumerate(([], GOOD, ["旁白"], b"[", GOOD)):
        saved(tmp_path, value, f"{number}.json")
    intake = Intake(skip_bad=True)
    assert [one.id for one in read(tmp_path, intake)] == ["smilechat/1", "smilechat/4"]
    assert intake.left_out == {"unreadable": 3}


@pytest.mark.real_data
def test_the_real_files_give_the_rounds_counted_independently(real_data: Path):
    folder = real_data / "smilechat"
    made = list(take_in(read, folder, Intake()))
    with (folder / "EXPECTED_per_dialogue.csv").open(encoding="utf-8") as stream:
        expected = {
            "smilechat/" + row["dialogue"].removesuffix(".json"): int(row["rounds"])
            for row in csv.DictReader(stream)
        }
    assert {one.id: len(one.rounds) for one in made} == expected
    assert (len(made), sum(expected.values())) == (60, 298)
    # EXPECTED.json: no_counsellor_turn 3, starts_with_counsellor 0.
    assert sum(len(one.turns) == 1 for one in made if one.closes_with_client) == 3
    assert not any(one.opens_with_counselor for one in made)
