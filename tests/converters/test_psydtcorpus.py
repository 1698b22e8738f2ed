from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from converters.corpora.intake import Intake, take_in
from converters.corpora.psydtcorpus import read
from mi_llm import jsonl
from mi_llm.dialogue import Dialogue, Turn
from mi_llm.errors import InputError
from mi_llm.repair import Repairer

PROMPT = "你是一位精通理情行为疗法（REBT）的心理咨询师。"
TALK = ["我们总吵架。", "吵过以后你很难受。", "是啊。", "你想和好。"]
TURNS = tuple(Turn("counselor" if n % 2 else "client", text) for n, text in enumerate(TALK))


def item(number: int, said: list[str], **extra: Any) -> dict[str, Any]:
    spoken = [
        {"role": "assistant" if n % 2 else "user", "content": text} for n, text in enumerate(said)
    ]
    messages = [{"role": "system", "content": PROMPT}, *spoken]
    return {"id": number, "normalizedTag": "婚恋", "messages": messages, **extra}


def saved(tmp_path: Path, value: Any) -> Path:
    path = tmp_path / "corpus.json"
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return path


def refusal(tmp_path: Path, value: Any) -> str:
    path = saved(tmp_path, value)
    with pytest.raises(InputError) as caught:
        list(read(path, Intake()))
    return str(caught.value).removeprefix(f"{path}: ")


def test_an_item_of_the_train_file_becomes_a_dialogue_without_the_prompt(tmp_path: Path):
    intake = Intake()
    made = list(read(saved(tmp_path, [item(0, TALK), item(1, TALK[:1])]), intake))
    assert made == [
        Dialogue("psydtcorpus/0", TURNS, {"topic": "婚恋"}),
        Dialogue("psydtcorpus/1", TURNS[:1], {"topic": "婚恋"}),
    ]
    assert intake.left_out == {"system prompts": 2}


def test_items_of_the_test_file_that_end_with_the_reply_are_joined(tmp_path: Path):
    other = ["睡不好。", "睡不好很累。"]
    items = [item(0, TALK[:2]), item(1, TALK), item(2, other)]
    intake = Intake()
    assert list(read(saved(tmp_path, items), intake)) == [
        Dialogue("psydtcorpus/1", TURNS, {"topic": "婚恋"}),
        Dialogue(
            "psydtcorpus/2",
            (Turn("client", other[0]), Turn("counselor", other[1])),
            {"topic": "婚恋"},
        ),
    ]
    assert intake.left_out == {"repeated by the next record": 1, "system prompts": 2}


def test_items_of_the_test_file_that_end_with_the_clients_turn_are_joined(tmp_path: Path):
    items = [item(0, TALK[:1]), item(1, TALK[:3]), item(2, ["睡不好。"])]
    assert list(read(saved(tmp_path, items), Intake())) == [
        Dialogue("psydtcorpus/1", TURNS[:3], {"topic": "婚恋"}),
        Dialogue("psydtcorpus/2", (Turn("client", "睡不好。"),), {"topic": "婚恋"}),
    ]


def test_items_that_begin_alike_and_then_differ_are_two_dialogues(tmp_path: Path):
    items = [item(0, TALK), item(1, [*TALK[:3], "说说看。", "好。"])]
    made = list(read(saved(tmp_path, items), Intake()))
    assert [(one.id, len(one.turns)) for one in made] == [
        ("psydtcorpus/0", 4),
        ("psydtcorpus/1", 5),
    ]


def test_a_system_key_is_left_out_and_other_keys_are_kept(tmp_path: Path):
    (made,) = read(saved(tmp_path, [item(0, TALK, system=PROMPT, source="x")]), Intake())
    assert made.meta == {"topic": "婚恋", "source": "x"}


@pytest.mark.parametrize(
    "bad", [item(1, [PROMPT + "我们总吵架。"]), item(1, TALK, note={"prompt": [PROMPT]})]
)
def test_the_prompt_is_refused_in_turns_and_meta(tmp_path: Path, bad: Any):
    message = refusal(tmp_path, [item(0, TALK), bad])
    assert message.startswith("item 2: the REBT system prompt stands outside")


@pytest.mark.parametrize("value", [[], {}, None, "text", {"messages": []}])
def test_a_file_that_is_no_filled_list_is_refused(tmp_path: Path, value: Any):
    assert refusal(tmp_path, value).startswith("expected a list of ")


@pytest.mark.parametrize(
    "bad", [None, "x", {}, {"id": 1}, {"messages": []}, {"id": 1, "messages": "x"}]
)
def test_an_element_that_is_no_item_is_refused_with_its_number(tmp_path: Path, bad: Any):
    assert refusal(tmp_path, [item(0, TALK), bad]).startswith("item 2: expected ")


@pytest.mark.parametrize("bad", [None, "x", {}, {"role": "user"}, {"role": "user", "content": 1}])
def test_a_message_without_role_and_text_is_refused_with_its_number(tmp_path: Path, bad: Any):
    broken = item(1, TALK[:1])
    broken["messages"].append(bad)
    assert refusal(tmp_path, [item(0, TALK), broken]).startswith("item 2, message 3: expected ")


def test_an_unknown_role_is_refused_with_the_known_ones(tmp_path: Path):
    broken = item(0, [])
    broken["messages"].append({"role": "旁白", "content": "x"})
    assert refusal(tmp_path, [broken]) == (
        "item 1, message 2: unknown role '旁白'; known are: user, assistant"
    )


def test_a_truncated_file_and_one_not_in_utf8_are_refused(tmp_path: Path):
    path = saved(tmp_path, [item(0, TALK)])
    path.write_text(path.read_text(encoding="utf-8")[:-2], encoding="utf-8")
    with pytest.raises(InputError, match=r"corpus\.json:1: not JSON"):
        list(read(path, Intake()))
    path.write_bytes(json.dumps([item(0, TALK)], ensure_ascii=False).encode("gb18030"))
    with pytest.raises(InputError, match="not UTF-8"):
        list(read(path, Intake()))


def test_a_bad_item_between_good_ones_can_be_skipped(tmp_path: Path):
    items = [item(0, TALK[:2]), {"id": 1}, item(2, TALK)]
    intake = Intake(skip_bad=True)
    made = [one.id for one in take_in(read, saved(tmp_path, items), intake)]
    assert made == ["psydtcorpus/0", "psydtcorpus/2"]
    assert intake.left_out == {"unreadable": 1, "system prompts": 2}


@pytest.mark.real_data
def test_the_train_and_the_test_form_of_the_same_dialogues_are_read_alike(real_data: Path):
    folder = real_data / "psydtcorpus"
    train = folder / "FORMAT_FIXTURE_train_mulit_turn_packing.json"
    test = folder / "FORMAT_FIXTURE_test_single_turn_split.json"
    packed = list(take_in(read, train, Intake(Repairer("none"))))
    given = jsonl.read_json(train)
    assert [[turn.content for turn in one.turns] for one in packed] == [
        [message["content"] for message in one["messages"][1:]] for one in given
    ]
    replies = train.read_text(encoding="utf-8").count('"role": "assistant"')
    assert (len(given), sum(len(one.rounds) for one in packed), replies) == (20, 191, 191)

    # Each dialogue of the test file begins with an item of one round; its last item has them all.
    items = jsonl.read_json(test)
    begins = [len(one["messages"]) == 3 for one in items]
    lasts = [one for one, begin in zip(items, [*begins[1:], True], strict=True) if begin]
    intake = Intake(Repairer("none"))
    joined = list(take_in(read, test, intake))
    assert [one.id for one in joined] == [f"psydtcorpus/test-{one['id']}" for one in lasts]
    assert [[turn.content for turn in one.turns] for one in joined] == [
        [message["content"] for message in one["messages"][1:]] for one in lasts
    ]
    assert intake.left_out["repeated by the next record"] == len(items) - len(lasts)
    assert (len(items), len(lasts)) == (28, 4)
    assert [one.turns for one in joined] == [one.turns for one in packed[:4]]
    assert "理情行为疗法" not in repr((packed, joined))


@pytest.mark.real_data
def test_the_one_published_dialogue_has_fifteen_rounds(real_data: Path):
    path = real_data / "psydtcorpus" / "example_from_SoulChat2.0_README.json"
    (made,) = take_in(read, path, Intake())
    assert len(made.rounds) == 15
    assert (made.id, made.meta, len(made.turns)) == ("psydtcorpus/0", {"topic": "婚恋"}, 30)
