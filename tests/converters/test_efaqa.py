from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from converters.corpora.efaqa import read
from converters.corpora.intake import Intake, take_in
from mi_llm.dialogue import Dialogue, Turn
from mi_llm.errors import InputError
from mi_llm.repair import Repairer

LABEL = {"s1": "1.6", "s2": "2.7", "s3": "3.6"}


def chat(sender: str, text: str, **extra: Any) -> dict[str, Any]:
    return {"sender": sender, "type": "textMessage", "time": "11:02:45", "value": text, **extra}


def post(*chats: Any, **extra: Any) -> dict[str, Any]:
    return {"md5": "2f", "title": "总是睡不好", "label": LABEL, "chats": list(chats), **extra}


def saved(tmp_path: Path, *records: Any) -> Path:
    path = tmp_path / "corpus.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in records), encoding="utf-8")
    return path


def one(tmp_path: Path, record: Any) -> Dialogue:
    (made,) = read(saved(tmp_path, record), Intake())
    return made


def refusal(tmp_path: Path, *records: Any) -> str:
    path = saved(tmp_path, *records)
    with pytest.raises(InputError) as caught:
        list(read(path, Intake()))
    return str(caught.value).removeprefix(f"{path}:")


ASKED = chat("audience", "从哪天开始的？", label={"question": True})


def test_a_post_and_its_chats_become_a_dialogue_that_keeps_all_labels(tmp_path: Path):
    given = post(ASKED, chat("owner", "上周。"), description="已经两周", owner="匿名")
    assert list(read(saved(tmp_path, given), Intake(Repairer("none")))) == [
        Dialogue(
            "efaqa/2f",
            (
                Turn("client", "总是睡不好\n已经两周"),
                Turn("counselor", "从哪天开始的？"),
                Turn("client", "上周。"),
            ),
            {
                "label": LABEL,
                "owner": "匿名",
                "audience": "any netizen",
                "chats": [
                    {
                        "sender": "audience",
                        "type": "textMessage",
                        "time": "11:02:45",
                        "label": {"question": True},
                    },
                    {"sender": "owner", "type": "textMessage", "time": "11:02:45"},
                ],
            },
        )
    ]


@pytest.mark.parametrize("extra", [{}, {"description": ""}, {"description": None}])
def test_a_title_without_description_or_chats_is_a_dialogue_without_a_round(
    tmp_path: Path, extra: dict[str, Any]
):
    made = one(tmp_path, post(**extra))
    assert (made.turns, made.rounds) == ((Turn("client", "总是睡不好"),), ())


def test_neighbouring_messages_of_one_side_are_merged_and_counted(tmp_path: Path):
    given = post(chat("owner", "有人吗"), ASKED, chat("audience", "抱抱你"))
    intake = Intake()
    (made,) = read(saved(tmp_path, given), intake)
    assert made.turns == (
        Turn("client", "总是睡不好\n有人吗"),
        Turn("counselor", "从哪天开始的？\n抱抱你"),
    )
    assert intake.repairer.counts == {"merged neighbours": 2}
    assert len(made.meta["chats"]) == 3


def test_chats_that_are_not_text_are_kept_out_and_counted_by_type(tmp_path: Path):
    pictures = [chat("owner", "https://x/1.png", type="imageMessage") for _ in range(2)]
    voice = chat("audience", "", type="voiceMessage", value=None)
    made = one(tmp_path, post(ASKED, *pictures, voice))
    assert made.turns == (Turn("client", "总是睡不好"), Turn("counselor", "从哪天开始的？"))
    assert made.meta["not_text"] == {"imageMessage": 2, "voiceMessage": 1}
    assert [one["type"] for one in made.meta["chats"]] == ["textMessage"]


def test_a_post_without_labels_is_read(tmp_path: Path):
    given = {"md5": "2f", "title": "累", "chats": [{"sender": "audience", "value": "抱抱"}]}
    assert one(tmp_path, given) == Dialogue(
        "efaqa/2f",
        (Turn("client", "累"), Turn("counselor", "抱抱")),
        {"audience": "any netizen", "chats": [{"sender": "audience"}]},
    )


def test_a_packed_file_is_read_as_it_is(tmp_path: Path):
    plain = saved(tmp_path, post(ASKED), post(md5="3a"))
    packed = tmp_path / "corpus.utf8.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert list(read(packed, Intake())) == list(read(plain, Intake()))
    packed.write_bytes(packed.read_bytes()[:-9])
    with pytest.raises(InputError, match="not a whole gzip file"):
        list(read(packed, Intake()))


@pytest.mark.parametrize(
    "bad",
    [
        None,
        [],
        "x",
        {},
        {"md5": "a", "title": "x"},
        {"md5": "a", "chats": []},
        {"title": "x", "chats": []},
        {"md5": 1, "title": "x", "chats": []},
    ],
)
def test_a_line_without_its_columns_is_refused_with_its_number(tmp_path: Path, bad: Any):
    assert refusal(tmp_path, post(), bad).startswith("2: expected ")


@pytest.mark.parametrize("key", ["title", "description"])
def test_a_title_or_description_that_is_no_text_is_refused(tmp_path: Path, key: str):
    message = refusal(tmp_path, post(**{key: 5}))
    assert message == "1: 'title' and 'description' must be texts"


@pytest.mark.parametrize("bad", [None, "x", {}, {"value": "x"}])
def test_a_chat_without_a_sender_is_refused_with_its_number(tmp_path: Path, bad: Any):
    assert refusal(tmp_path, post(ASKED, bad)).startswith("1, chat 2: expected ")


def test_an_unknown_sender_or_a_text_that_is_none_is_refused(tmp_path: Path):
    assert refusal(tmp_path, post(chat("bot", "x"))) == (
        "1, chat 1: unknown sender 'bot'; known are: owner, audience"
    )
    assert refusal(tmp_path, post({"sender": "owner"})) == "1, chat 1: 'value' must be a text"


def test_a_post_that_says_nothing_is_refused(tmp_path: Path):
    assert refusal(tmp_path, post(title=" ")) == "1: efaqa/2f: has no turns"


def test_a_truncated_line_and_bytes_that_are_not_utf8_are_refused(tmp_path: Path):
    path = saved(tmp_path, post(), post())
    path.write_text(path.read_text(encoding="utf-8")[:-3], encoding="utf-8")
    with pytest.raises(InputError, match=r"corpus\.jsonl:2: not JSON"):
        list(read(path, Intake()))
    path.write_bytes(json.dumps(post(), ensure_ascii=False).encode("gb18030"))
    with pytest.raises(InputError, match="not UTF-8"):
        list(read(path, Intake()))


@pytest.mark.real_data
@pytest.mark.parametrize(
    "name", ["SYNTHETIC_schema_fixture.jsonl", "SYNTHETIC_efaqa-corpus-zh.utf8.gz"]
)
def test_the_synthetic_posts_come_out_whole(real_data: Path, name: str):
    path = real_data / "efaqa" / name
    data = path.read_bytes()
    text = (gzip.decompress(data) if name.endswith(".gz") else data).decode()
    records = [json.loads(line) for line in text.splitlines() if line]
    intake = Intake()
    made = list(take_in(read, path, intake))
    assert [one.id for one in made] == [f"efaqa/{one['md5']}" for one in records]
    expected = [
        [
            one["title"],
            *filter(None, [one["description"]]),
            *(chat["value"] for chat in one["chats"]),
        ]
        for one in records
    ]
    assert ["\n".join(turn.content for turn in one.turns) for one in made] == [
        "\n".join(texts) for texts in expected
    ]
    # Post 1: audience twice in a row; post 3: the owner twice behind the title.
    assert intake.repairer.counts == {"merged neighbours": 3}
    assert [len(one.turns) for one in made] == [4, 1, 1, 3]
    assert [len(one.rounds) for one in made] == [2, 0, 0, 1]
