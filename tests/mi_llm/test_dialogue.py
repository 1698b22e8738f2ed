from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from mi_llm.dialogue import (
    Dialogue,
    DialogueError,
    Role,
    Round,
    Turn,
    dialogue_lines,
    read_dialogues,
)
from mi_llm.errors import InputError
from tests.dialogues import corpora


def turns(first: Role, *contents: str) -> tuple[Turn, ...]:
    second: Role = "counselor" if first == "client" else "client"
    return tuple(Turn(second if n % 2 else first, text) for n, text in enumerate(contents))


def line(**changes: Any) -> str:
    whole = {"id": "a/0", "turns": [{"role": "client", "content": "你好"}], "meta": {}}
    return json.dumps({**whole, **changes}, ensure_ascii=False) + "\n"


def refusal(tmp_path: Path, text: str) -> str:
    path = tmp_path / "d.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        list(read_dialogues(path))
    message = str(caught.value)
    assert message.startswith(str(path))
    return message.removeprefix(str(path))


def test_a_dialogue_without_turns_is_refused():
    with pytest.raises(DialogueError, match="a/0"):
        Dialogue("a/0", ())


@pytest.mark.parametrize("blank", ["", " ", "\n\t", "\u3000"])
def test_a_blank_turn_is_refused_with_its_number_from_1(blank: str):
    with pytest.raises(DialogueError, match=r"^a/0: turn 2 \(counselor\) is blank$"):
        Dialogue("a/0", turns("client", "你好", blank))


def test_two_turns_of_one_side_in_a_row_are_refused_with_both_numbers():
    with pytest.raises(DialogueError, match="turns 2 and 3 are both counselor"):
        Dialogue("a/0", (*turns("client", "一", "二"), Turn("counselor", "三")))


def test_rounds_pair_each_client_turn_with_the_reply_to_it():
    dialogue = Dialogue("a/0", turns("client", "问一", "答一", "问二", "答二"))
    assert dialogue.rounds == (Round("问一", "答一"), Round("问二", "答二"))
    assert (dialogue.opens_with_counselor, dialogue.closes_with_client) == (False, False)


def test_a_leading_counselor_turn_and_a_trailing_client_turn_are_in_no_round():
    dialogue = Dialogue("a/0", turns("counselor", "开场", "问一", "答一", "再见"))
    assert dialogue.rounds == (Round("问一", "答一"),)
    assert (dialogue.opens_with_counselor, dialogue.closes_with_client) == (True, True)


@pytest.mark.parametrize("only", ["client", "counselor"])
def test_a_single_turn_makes_no_round(only: Role):
    assert Dialogue("a/0", turns(only, "你好")).rounds == ()


def test_a_dialogue_is_one_line_of_readable_json():
    dialogue = Dialogue("a/0", turns("client", "你好"), {"topic": "吸烟"})
    assert list(dialogue_lines([dialogue])) == [
        '{"id": "a/0", "turns": [{"role": "client", "content": "你好"}], '
        '"meta": {"topic": "吸烟"}}\n'
    ]


@given(made=corpora())
@settings(deadline=None, max_examples=60)
def test_writing_and_reading_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, made: list[Dialogue]
):
    path = tmp_path_factory.getbasetemp() / "round_trip.jsonl"
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(dialogue_lines(made))
    assert list(read_dialogues(path)) == made


def test_meta_may_be_left_out_and_blank_lines_are_skipped(tmp_path: Path):
    path = tmp_path / "d.jsonl"
    path.write_text('\n{"id": "a", "turns": [{"role": "client", "content": "x"}]}\n\n', "utf-8")
    assert list(read_dialogues(path)) == [Dialogue("a", (Turn("client", "x"),), {})]


def test_an_id_that_comes_twice_is_refused_at_the_later_line(tmp_path: Path):
    assert refusal(tmp_path, line() + "\n" + line()).startswith(":3: id 'a/0' ")


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_a_file_without_dialogues_is_refused(tmp_path: Path, text: str):
    assert refusal(tmp_path, text) == ": holds no dialogue"


@pytest.mark.parametrize("value", ["7", "null", "[]", '"text"', "{}", '{"id": 3, "turns": []}'])
def test_a_line_that_is_no_dialogue_is_refused_with_the_way_to_make_one(tmp_path: Path, value: str):
    message = refusal(tmp_path, line() + value + "\n")
    assert message.startswith(":2: not a dialogue")
    assert "python -m converters convert" in message


@pytest.mark.parametrize("change", [{"turns": None}, {"turns": {}}, {"meta": []}, {"meta": None}])
def test_turns_must_be_a_list_and_meta_an_object(tmp_path: Path, change: dict[str, Any]):
    assert refusal(tmp_path, line(**change)).startswith(":1: a/0: ")


@pytest.mark.parametrize(
    "turn",
    [
        "你好",
        {"role": "user", "content": "x"},
        {"role": ["client"], "content": "x"},
        {"content": "x"},
        {"role": "client"},
        {"role": "client", "content": None},
        {"role": "client", "content": 5},
    ],
)
def test_a_turn_without_a_known_role_and_a_text_is_refused(tmp_path: Path, turn: Any):
    good = {"role": "client", "content": "x"}
    assert refusal(tmp_path, line(turns=[good, turn])).startswith(":1: a/0: turn 2 ")


def test_a_broken_rule_is_told_with_file_and_line(tmp_path: Path):
    blank = [{"role": "client", "content": " "}]
    assert refusal(tmp_path, line() + line(id="b", turns=blank)) == (
        ":2: b: turn 1 (client) is blank"
    )


@pytest.mark.parametrize("text", ["好\0的", "好\ud83d", "好\ufeff的"])
def test_a_text_that_harms_unseen_is_refused_with_its_line_and_turn(tmp_path: Path, text: str):
    turns = [{"role": "client", "content": text}]
    message = refusal(tmp_path, line() + json.dumps({"id": "b", "turns": turns}) + "\n")
    assert message.startswith(":2: b: 'turns'[0]['content'] holds ")
