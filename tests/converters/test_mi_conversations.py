from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.corpora.intake import Intake
from converters.corpora.mi_conversations import read
from mi_llm.characters import is_blank
from mi_llm.dialogue import Dialogue, Turn, dialogue_lines, read_dialogues
from mi_llm.errors import InputError
from mi_llm.repair import Pairing, Policy, Repairer
from tests.dialogues import sound, texts, values

SPELLINGS = ["client", "user", "Human", "来访者", "counselor", "assistant", "GPT", "心理咨询师"]

messages = st.fixed_dictionaries(
    {"role": st.sampled_from(SPELLINGS), "content": texts | st.sampled_from(["", " \n"])}
)
conversations = st.builds(
    lambda extra, spoken: {**extra, "conversations": spoken},
    st.dictionaries(st.text(sound, max_size=4).filter(lambda key: key != "id"), values, max_size=2),
    st.lists(messages, min_size=1, max_size=8).filter(
        lambda spoken: any(not is_blank(message["content"]) for message in spoken)
    ),
)


def saved(tmp_path: Path, value: Any) -> Path:
    path = tmp_path / "corpus.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def talk(*messages: tuple[str, str], **extra: Any) -> dict[str, Any]:
    spoken = [{"role": role, "content": text} for role, text in messages]
    return {**extra, "conversations": spoken}


GOOD = talk(("user", "我想少抽一点。"), ("assistant", "你已经在盘算改变了。"))


def refusal(tmp_path: Path, value: Any, policy: Policy = "all") -> str:
    path = saved(tmp_path, value)
    with pytest.raises(InputError) as caught:
        list(read(path, Intake(Repairer(policy))))
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


def test_the_row_in_the_modules_docstring_becomes_the_dialogue_there(tmp_path: Path):
    assert list(read(saved(tmp_path, [GOOD]), Intake(Repairer()))) == [
        Dialogue(
            "corpus/0",
            (Turn("client", "我想少抽一点。"), Turn("counselor", "你已经在盘算改变了。")),
            {},
        )
    ]


def test_an_id_becomes_the_name_and_other_keys_become_meta(tmp_path: Path):
    made = read(saved(tmp_path, [GOOD, {**GOOD, "id": "x7", "topic": "吸烟"}]), Intake(Repairer()))
    assert [(one.id, one.meta) for one in made] == [
        ("corpus/0", {}),
        ("corpus/x7", {"topic": "吸烟"}),
    ]


@pytest.mark.parametrize("spelling", ["client", "User", " human ", "来访者", "求助者"])
def test_spellings_of_the_client_are_known(tmp_path: Path, spelling: str):
    (made,) = read(saved(tmp_path, [talk((spelling, "你好"))]), Intake(Repairer()))
    assert made.turns == (Turn("client", "你好"),)


@pytest.mark.parametrize(
    "spelling", ["counselor", "Counsellor", "ASSISTANT", "gpt", "心理咨询师", "咨询师"]
)
def test_spellings_of_the_counselor_are_known(tmp_path: Path, spelling: str):
    (made,) = read(saved(tmp_path, [talk((spelling, "你好"))]), Intake(Repairer()))
    assert made.turns == (Turn("counselor", "你好"),)


def test_pairing_decides_whether_the_role_or_the_place_counts(tmp_path: Path):
    path = saved(tmp_path, [talk(("counselor", "开场"), ("client", " 问"), ("counselor", "答"))])
    made = {}
    pairings: tuple[Pairing, ...] = ("role", "position")
    for pairing in pairings:
        (dialogue,) = read(path, Intake(Repairer("all", pairing)))
        made[pairing] = [(turn.role, turn.content) for turn in dialogue.turns]
    assert made == {
        "role": [("counselor", "开场"), ("client", "问"), ("counselor", "答")],
        "position": [("client", "开场"), ("counselor", " 问"), ("client", "答")],
    }


@given(given_=st.lists(conversations, min_size=1, max_size=4))
@settings(deadline=None, max_examples=60)
def test_what_was_converted_reads_back_unchanged(
    tmp_path_factory: pytest.TempPathFactory, given_: list[dict[str, Any]]
):
    folder = tmp_path_factory.getbasetemp()
    made = list(read(saved(folder, given_), Intake(Repairer())))
    path = folder / "dialogues.jsonl"
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(dialogue_lines(made))
    assert list(read_dialogues(path)) == made
    assert [one.id for one in made] == [f"corpus/{n}" for n in range(len(given_))]
    assert [one.meta for one in made] == [
        {key: value for key, value in one.items() if key != "conversations"} for one in given_
    ]


@pytest.mark.parametrize("value", [[], {}, None, 5, "text", {"conversations": []}])
def test_a_file_that_is_no_filled_list_is_refused(tmp_path: Path, value: Any):
    assert refusal(tmp_path, value).startswith("expected a list of ")


@pytest.mark.parametrize("bad", [None, [], "x", {}, {"conversations": None}, {"turns": []}])
def test_an_element_that_is_no_conversation_is_refused_with_its_number(tmp_path: Path, bad: Any):
    assert refusal(tmp_path, [GOOD, bad]).startswith("dialogue 2: expected ")


@pytest.mark.parametrize(
    "bad",
    [
        None,
        "x",
        {},
        {"role": "user"},
        {"content": "x"},
        {"role": 1, "content": "x"},
        {"role": "user", "content": None},
        {"from": "human", "value": "x"},
    ],
)
def test_a_message_without_role_and_text_is_refused_with_its_number(tmp_path: Path, bad: Any):
    spoken = [*GOOD["conversations"], bad]
    message = refusal(tmp_path, [{"conversations": spoken}])
    assert message.startswith("dialogue 1, turn 3: expected ")


def test_an_unknown_role_is_refused_with_the_known_ones(tmp_path: Path):
    message = refusal(tmp_path, [GOOD, talk(("user", "a"), ("旁白", "b"))])
    assert message.startswith("dialogue 2, turn 2: unknown role '旁白'; known are: ")
    assert "来访者" in message


def test_a_conversation_that_comes_to_nothing_is_refused(tmp_path: Path):
    for empty in (talk(), talk(("user", " "))):
        message = refusal(tmp_path, [GOOD, empty])
        assert message.startswith("dialogue 2: ")
        assert "no turns" in message


def test_the_policy_none_names_the_turn_that_needs_mending(tmp_path: Path):
    message = refusal(tmp_path, [GOOD, talk(("user", "a"), ("assistant", " "))], "none")
    assert message.startswith("dialogue 2, turn 2: blank counselor turn")


def test_dialogues_before_a_broken_one_are_read(tmp_path: Path):
    reader = read(saved(tmp_path, [GOOD, {}]), Intake(Repairer()))
    assert next(reader).id == "corpus/0"
    with pytest.raises(InputError):
        next(reader)
