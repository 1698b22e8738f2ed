from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from converters.corpora.intake import Intake, take_in
from converters.corpora.messages import read
from converters.rows import Placement, RowWriter, Shape
from mi_llm.dialogue import Dialogue, Turn
from mi_llm.errors import InputError
from mi_llm.repair import Repairer

TURNS = (Turn("client", "我累。"), Turn("counselor", "你累了。"))
OPENAI = {
    "messages": [
        {"role": "system", "content": "倾听。"},
        {"role": "user", "content": "我累。"},
        {"role": "assistant", "content": "你累了。"},
    ]
}
SHAREGPT = {
    "conversations": [
        {"from": "system", "value": "倾听。"},
        {"from": "human", "value": "我累。"},
        {"from": "gpt", "value": "你累了。"},
    ]
}
ALPACA = {"instruction": "我累。", "output": "你累了。", "system": "倾听。"}


def row(instruction: str, said: str, output: str, *history: list[str]) -> dict[str, Any]:
    return {
        "instruction": instruction,
        "input": said,
        "output": output,
        "history": list(history),
    }


def saved(tmp_path: Path, *records: Any, name: str = "mine.json") -> Path:
    path = tmp_path / name
    if name.endswith(".json"):
        text = json.dumps(records, ensure_ascii=False)
    else:
        text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records)
    path.write_text(text, encoding="utf-8")
    return path


def made(tmp_path: Path, *records: Any) -> list[Dialogue]:
    return list(read(saved(tmp_path, *records), Intake()))


def refusal(tmp_path: Path, *records: Any) -> str:
    path = saved(tmp_path, *records)
    with pytest.raises(InputError) as caught:
        list(read(path, Intake()))
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize("shape", [OPENAI, SHAREGPT, ALPACA])
def test_each_shape_becomes_the_same_dialogue(tmp_path: Path, shape: dict[str, Any]):
    path = saved(tmp_path, {**shape, "topic": "工作"})
    assert list(read(path, Intake(Repairer("none")))) == [
        Dialogue("mine/0", TURNS, {"topic": "工作", "system": "倾听。"})
    ]


def test_shapes_may_be_mixed_in_one_file(tmp_path: Path):
    assert made(tmp_path, OPENAI, ALPACA, SHAREGPT) == [
        Dialogue(f"mine/{number}", TURNS, {"system": "倾听。"}) for number in range(3)
    ]


@pytest.mark.parametrize("name", ["mine.jsonl", "mine.json", "mine.txt"])
def test_a_list_and_json_lines_are_read_alike_packed_or_not(tmp_path: Path, name: str):
    plain = saved(tmp_path, OPENAI, {**SHAREGPT, "id": "x7"}, name=name)
    packed = tmp_path / f"{name}.gz"
    packed.write_bytes(gzip.compress(b"\xef\xbb\xbf \n" + plain.read_bytes()))
    expected = [Dialogue(f"mine/{one}", TURNS, {"system": "倾听。"}) for one in ("0", "x7")]
    assert list(read(plain, Intake())) == expected
    if name != "mine.json":
        packed.write_bytes(gzip.compress(b"\xef\xbb\xbf" + plain.read_bytes()))
    assert list(read(packed, Intake())) == expected


def test_a_file_named_json_may_hold_json_lines(tmp_path: Path):
    path = saved(tmp_path, OPENAI, OPENAI, name="mine.jsonl")
    path = path.rename(path.with_suffix(".json"))
    assert [one.id for one in read(path, Intake())] == ["mine/0", "mine/1"]


def test_an_id_names_the_dialogue_and_a_null_one_does_not(tmp_path: Path):
    found = made(tmp_path, {**OPENAI, "id": 0}, {**SHAREGPT, "id": None}, {**ALPACA, "id": "a"})
    assert [one.id for one in found] == ["mine/0", "mine/1", "mine/a"]


def test_system_texts_from_the_record_and_from_messages_are_all_kept(tmp_path: Path):
    later = {"role": "system", "content": "简短。"}
    (found,) = made(tmp_path, {"system": "先。", "messages": [*OPENAI["messages"], later]})
    assert found == Dialogue("mine/0", TURNS, {"system": "先。\n倾听。\n简短。"})


def test_a_chat_keeps_both_its_ends_and_has_neighbours_merged(tmp_path: Path):
    spoken = [
        {"from": "gpt", "value": "你好。"},
        {"from": "gpt", "value": "请讲。"},
        {"from": "human", "value": "累。"},
    ]
    assert made(tmp_path, {"conversations": spoken}) == [
        Dialogue("mine/0", (Turn("counselor", "你好。\n请讲。"), Turn("client", "累。")))
    ]


def test_a_message_sent_twice_in_a_row_is_taken_once_and_counted(tmp_path: Path):
    sent = [
        {"role": role, "content": text}
        for role, text in (
            ("user", "又抽了一整包。"), ("assistant", "你有些失望。"),
            ("assistant", "你有些失望。"), ("user", "是啊。"),
            ("user", "是啊。"), ("assistant", "你想少抽一些。"),
        )
    ]  # fmt: skip
    intake = Intake()
    (dialogue,) = read(saved(tmp_path, {"messages": sent}), intake)
    said = ["又抽了一整包。", "你有些失望。", "是啊。", "你想少抽一些。"]
    assert [turn.content for turn in dialogue.turns] == said
    assert intake.repairer.counts == {"dropped repeats": 2}
    assert "2 dropped repeats" in intake.summary()


def test_alpaca_history_comes_before_instruction_and_input(tmp_path: Path):
    first = row("我累。", "三天了。", "你累了。", ["你好", "请讲。"])
    assert made(tmp_path, first, row("我困。", "", "你困了。")) == [
        Dialogue(
            "mine/0",
            (
                Turn("client", "你好"),
                Turn("counselor", "请讲。"),
                Turn("client", "我累。\n三天了。"),
                Turn("counselor", "你累了。"),
            ),
        ),
        Dialogue("mine/1", (Turn("client", "我困。"), Turn("counselor", "你困了。"))),
    ]


def test_one_and_the_same_instruction_with_inputs_is_a_prompt(tmp_path: Path):
    rows = [row("你是咨询师。", "我累。", "你累了。"), row("你是咨询师。", "我困。", "你困了。")]
    rows[1]["system"] = "简短。"
    for name in ("mine.json", "mine.jsonl"):
        assert list(read(saved(tmp_path, OPENAI, *rows, name=name), Intake()))[1:] == [
            Dialogue("mine/1", TURNS, {"system": "你是咨询师。"}),
            Dialogue(
                "mine/2",
                (Turn("client", "我困。"), Turn("counselor", "你困了。")),
                {"system": "你是咨询师。\n简短。"},
            ),
        ]


@pytest.mark.parametrize(
    "others",
    [
        [],  # one record alone tells nothing
        [row("你是朋友。", "我困。", "你困了。")],  # another instruction
        [row("你是咨询师。", "", "你困了。")],  # without an input the instruction is what was said
        [row("", "我困。", "你困了。")],
    ],
)
def test_otherwise_the_instruction_is_the_clients(tmp_path: Path, others: list[dict[str, Any]]):
    found = made(tmp_path, row("你是咨询师。", "我累。", "你累了。"), *others)
    assert found[0] == Dialogue(
        "mine/0", (Turn("client", "你是咨询师。\n我累。"), Turn("counselor", "你累了。"))
    )
    assert len(found) == 1 + len(others)


def test_a_file_that_begins_with_a_blank_instruction_has_no_prompt(tmp_path: Path):
    found = made(tmp_path, row("", "我累。", "你累了。"), row("真的。", "我困。", "你困了。"))
    assert found[0].turns == TURNS
    assert found[1].turns[0] == Turn("client", "真的。\n我困。")


def test_rows_of_rounds_are_joined_to_the_dialogue_they_were_made_of(tmp_path: Path):
    prompt = "你是咨询师。"
    rows = [
        {**row(prompt, "我累。", "你累了。"), "id": "a#1"},
        {**row(prompt, "嗯。", "想歇歇。", ["我累。", "你累了。"]), "id": "a#2"},
        {**row(prompt, "我困。", "你困了。"), "id": "b#1"},
    ]
    intake = Intake()
    assert list(read(saved(tmp_path, *rows), intake)) == [
        Dialogue(
            "mine/a#2",
            (*TURNS, Turn("client", "嗯。"), Turn("counselor", "想歇歇。")),
            {"system": prompt},
        ),
        Dialogue(
            "mine/b#1",
            (Turn("client", "我困。"), Turn("counselor", "你困了。")),
            {"system": prompt},
        ),
    ]
    assert intake.left_out == {"repeated by the next record": 1}


@pytest.mark.parametrize("shape", ["round", "dialogue"])
@pytest.mark.parametrize("placement", ["instruction", "system"])
def test_our_own_rows_are_read_back_as_the_dialogues_they_were_made_of(
    tmp_path: Path, shape: Shape, placement: Placement
):
    given = [
        Dialogue("a", (*TURNS, Turn("client", "嗯。"), Turn("counselor", "想歇歇。"))),
        Dialogue("b", (Turn("client", "我困。"), Turn("counselor", "你困了。"))),
    ]
    rows = list(RowWriter("你是咨询师。", shape, placement).rows(given))
    found = made(tmp_path, *rows)
    assert [(one.turns, one.meta) for one in found] == [
        (one.turns, {"system": "你是咨询师。"}) for one in given
    ]


@pytest.mark.parametrize("bad", [None, [], "x", 5])
def test_a_record_that_is_no_object_is_refused_with_its_number(tmp_path: Path, bad: Any):
    assert refusal(tmp_path, OPENAI, bad).startswith('record 2: expected {"messages"')


@pytest.mark.parametrize(
    ("bad", "keys"),
    [
        ({}, "none"),
        ({"turns": []}, "'turns'"),
        ({"": "x", "input": "y", "output": "z"}, "'', 'input', 'output'"),
        ({**OPENAI, **SHAREGPT}, "'messages', 'conversations'"),
        ({**OPENAI, "instruction": "", "output": ""}, "'messages', 'instruction', 'output'"),
    ],
)
def test_an_unknown_or_double_shape_is_refused_with_its_keys(
    tmp_path: Path, bad: dict[str, Any], keys: str
):
    message = refusal(tmp_path, OPENAI, bad)
    assert message.startswith("record 2: expected one of ")
    assert message.endswith(f"; the keys are: {keys}")


@pytest.mark.parametrize("role", ["function", "tool"])
def test_functions_and_tools_are_refused(tmp_path: Path, role: str):
    bad = {"messages": [*OPENAI["messages"], {"role": role, "content": "{}"}]}
    assert refusal(tmp_path, bad) == (
        f"record 1, message 4: role {role!r}: functions and tools are no counselling"
    )
    bad = {"conversations": [{"from": "function_call", "value": "{}"}]}
    assert "role 'function_call': functions" in refusal(tmp_path, bad)


def test_an_unknown_role_is_refused_with_the_known_ones(tmp_path: Path):
    message = refusal(tmp_path, {"messages": [{"role": "旁白", "content": "x"}]})
    assert message.startswith("record 1, message 1: unknown role '旁白'; known are: system, user, ")


@pytest.mark.parametrize(
    "bad",
    [
        None,
        "x",
        {},
        {"role": "user"},
        {"role": "user", "content": None},
        {"role": 1, "content": "x"},
        {"from": "human", "value": "x"},
    ],
)
def test_a_message_without_role_and_text_is_refused_with_its_number(tmp_path: Path, bad: Any):
    message = refusal(tmp_path, {"messages": [*OPENAI["messages"], bad]})
    assert message == 'record 1, message 4: expected {"role": "...", "content": "..."} as texts'


def test_the_authors_format_is_told_by_its_name(tmp_path: Path):
    record = {"conversations": [{"role": "client", "content": "我想戒烟。"}]}
    assert refusal(tmp_path, record).endswith("; with roles it is of the format mi_conversations")


@pytest.mark.parametrize("key", ["messages", "conversations"])
def test_a_chat_that_is_no_list_or_empty_is_refused(tmp_path: Path, key: str):
    assert refusal(tmp_path, {key: "x"}) == f"record 1: {key!r} must be a list"
    assert refusal(tmp_path, {key: []}) == "record 1: mine/0: has no turns"


@pytest.mark.parametrize("pair", [None, "ab", ["a"], ["a", None], ["a", "b", "c"], {"q": "a"}])
def test_a_history_that_is_not_pairs_of_texts_is_refused(tmp_path: Path, pair: Any):
    bad = {**ALPACA, "history": [["a", "b"], pair]}
    message = refusal(tmp_path, bad)
    assert message == "record 1, history 2: expected [client, counselor], texts"
    assert "must be a list" in refusal(tmp_path, {**ALPACA, "history": "x"})


@pytest.mark.parametrize("key", ["instruction", "input", "output", "system"])
def test_an_alpaca_value_that_is_no_text_is_refused(tmp_path: Path, key: str):
    assert refusal(tmp_path, {**ALPACA, key: 5}) == f"record 1: {key!r} must be a text"


def test_a_truncated_file_and_one_not_in_utf8_are_refused_with_their_place(tmp_path: Path):
    for name, line in (("mine.json", 1), ("mine.jsonl", 2)):
        path = saved(tmp_path, OPENAI, ALPACA, name=name)
        path.write_text(path.read_text(encoding="utf-8")[:-3], encoding="utf-8")
        with pytest.raises(InputError, match=rf"{name}:{line}: not JSON"):
            list(read(path, Intake()))
        path.write_bytes(path.read_text(encoding="utf-8").encode("gb18030"))
        with pytest.raises(InputError, match="not UTF-8"):
            list(read(path, Intake()))
    with pytest.raises(InputError, match="no such file"):
        list(read(tmp_path / "absent.json", Intake()))


def test_bad_records_are_skipped_and_named_with_their_line(tmp_path: Path):
    path = saved(tmp_path, OPENAI, {"turns": []}, ALPACA, name="mine.jsonl")
    intake = Intake(skip_bad=True)
    assert [one.id for one in take_in(read, path, intake)] == ["mine/0", "mine/2"]
    assert intake.left_out == {"unreadable": 1}
    assert intake.bad[0].startswith(f"{path}:2: expected one of ")


@pytest.mark.real_data
def test_psydtcorpus_packed_is_read_as_messages(real_data: Path):
    path = real_data / "psydtcorpus" / "FORMAT_FIXTURE_train_mulit_turn_packing.json"
    items = json.loads(path.read_text(encoding="utf-8"))
    found = list(take_in(read, path, Intake(Repairer("none"))))
    assert len(found) == len(items) == 20
    assert [[turn.content for turn in one.turns] for one in found] == [
        [message["content"] for message in one["messages"][1:]] for one in items
    ]
    assert found[0].id == f"{path.stem}/0"
    assert found[0].meta == {
        "normalizedTag": items[0]["normalizedTag"],
        "system": items[0]["messages"][0]["content"],
    }
