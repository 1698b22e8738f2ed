from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from converters.corpora.intake import Intake, take_in, wanted
from converters.corpora.psy_insight import read
from mi_llm import jsonl
from mi_llm.dialogue import Dialogue, Turn
from mi_llm.errors import InputError
from mi_llm.repair import Repairer


def said(speaker: str, participant: str, text: str, **labels: Any) -> dict[str, Any]:
    return {"speaker": speaker, "participant": participant, "content": text, **labels}


def session(*spoken: dict[str, Any], **extra: Any) -> dict[str, Any]:
    return {"dialog_id": "000007", "theme": "", **extra, "dialog": list(spoken)}


HELLO = said("Supporter", "治疗师", "你好。", id="0-0", strategy=["Question"])
SILENT = said("Seeker", "来访者（沉默）", "睡不好。", id="0-1", **{"emotional label": ["Anxious"]})


def saved(tmp_path: Path, value: Any) -> Path:
    path = tmp_path / "cn.json"
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return path


def one(tmp_path: Path, *spoken: dict[str, Any]) -> Dialogue:
    (made,) = read(saved(tmp_path, [session(*spoken)]), Intake())
    return made


def refusal(tmp_path: Path, value: Any) -> str:
    path = saved(tmp_path, value)
    with pytest.raises(InputError) as caught:
        list(read(path, Intake()))
    return str(caught.value).removeprefix(f"{path}: ")


def test_a_session_keeps_its_opening_counselor_turn_labels_and_stage_directions(tmp_path: Path):
    given = session(HELLO, SILENT, topic="Sleep", psychotherapy="CBT", is_same_session=0)
    assert list(read(saved(tmp_path, [given]), Intake(Repairer("none")))) == [
        Dialogue(
            "psy_insight/000007",
            (Turn("counselor", "你好。"), Turn("client", "睡不好。")),
            {
                "topic": "Sleep",
                "psychotherapy": "CBT",
                "is_same_session": 0,
                "stage_directions": {"2": "沉默"},
                "utterances": [
                    {
                        "speaker": "Supporter",
                        "participant": "治疗师",
                        "id": "0-0",
                        "strategy": ["Question"],
                    },
                    {
                        "speaker": "Seeker",
                        "participant": "来访者（沉默）",
                        "id": "0-1",
                        "emotional label": ["Anxious"],
                    },
                ],
            },
        )
    ]


def test_several_seekers_are_named_and_their_neighbouring_turns_merged(tmp_path: Path):
    mother = said("Seeker", "来访者的母亲", "他总在玩。")
    intake = Intake()
    (made,) = read(saved(tmp_path, [session(SILENT, mother, HELLO, SILENT)]), intake)
    assert made.turns == (
        Turn("client", "睡不好。\n他总在玩。"),
        Turn("counselor", "你好。"),
        Turn("client", "睡不好。"),
    )
    assert made.meta["clients"] == ["来访者", "来访者的母亲"]
    assert made.meta["stage_directions"] == {"1": "沉默", "4": "沉默"}
    assert not wanted(made, intake)


@pytest.mark.parametrize(
    "name",
    [
        "来访者（沉默）",
        "来访者(哭)",
        "来访者（没有合上",
        "来访者:",
        "来访者：",
        " 来访者 ",
        "（笑）来访者",
    ],
)
def test_one_client_stays_one_however_the_name_is_decorated(tmp_path: Path, name: str):
    made = one(tmp_path, said("Seeker", "来访者", "累。"), HELLO, said("Seeker", name, "困。"))
    assert "clients" not in made.meta
    assert made.meta["utterances"][2]["participant"] == name


def test_several_stage_directions_of_one_utterance_are_all_kept(tmp_path: Path):
    made = one(tmp_path, said("Seeker", "来访者（笑）(低头)", "好。"))
    assert made.meta["stage_directions"] == {"1": "笑\n低头"}


def test_the_names_of_several_counselors_make_no_client(tmp_path: Path):
    made = one(tmp_path, HELLO, said("Seeker", "来访者", "好。"), said("Supporter", "助手", "嗯。"))
    assert "clients" not in made.meta


def test_a_session_without_a_client_is_a_dialogue_without_a_round(tmp_path: Path):
    made = one(tmp_path, HELLO)
    assert (made.turns, made.rounds) == ((Turn("counselor", "你好。"),), ())


@pytest.mark.parametrize("value", [[], {}, None, "text"])
def test_a_file_that_is_no_filled_list_is_refused(tmp_path: Path, value: Any):
    assert refusal(tmp_path, value).startswith("expected a list of ")


@pytest.mark.parametrize(
    "bad", [None, "x", {}, {"dialog": []}, {"dialog_id": None, "dialog": []}, {"dialog_id": "1"}]
)
def test_an_element_that_is_no_session_is_refused_with_its_number(tmp_path: Path, bad: Any):
    assert refusal(tmp_path, [session(HELLO), bad]).startswith("session 2: expected ")


@pytest.mark.parametrize(
    "bad",
    [
        None,
        "x",
        {},
        {"speaker": "Seeker", "content": "x"},
        {"speaker": "Seeker", "participant": "来访者", "content": None},
    ],
)
def test_an_utterance_without_its_columns_is_refused_with_its_number(tmp_path: Path, bad: Any):
    assert refusal(tmp_path, [session(HELLO, bad)]).startswith("session 1, utterance 2: expected ")


def test_an_unknown_speaker_is_refused_with_the_known_ones(tmp_path: Path):
    assert refusal(tmp_path, [session(HELLO, said("旁白", "旁白", "x"))]) == (
        "session 1, utterance 2: unknown speaker '旁白'; known are: Seeker, Supporter"
    )


def test_a_session_without_an_utterance_is_refused(tmp_path: Path):
    assert refusal(tmp_path, [session()]) == "session 1: psy_insight/000007: has no turns"


def test_a_truncated_file_and_one_not_in_utf8_are_refused(tmp_path: Path):
    path = saved(tmp_path, [session(HELLO)])
    path.write_text(path.read_text(encoding="utf-8")[:-2], encoding="utf-8")
    with pytest.raises(InputError, match=r"cn\.json:1: not JSON"):
        list(read(path, Intake()))
    path.write_bytes(json.dumps([session(HELLO)], ensure_ascii=False).encode("gb18030"))
    with pytest.raises(InputError, match="not UTF-8"):
        list(read(path, Intake()))


@pytest.mark.real_data
def test_the_synthetic_sessions_come_out_whole(real_data: Path):
    path = real_data / "psyinsight" / "SYNTHETIC_cn_schema_fixture.json"
    sessions = jsonl.read_json(path)
    intake = Intake()
    made = list(take_in(read, path, intake))
    assert [one.id for one in made] == [f"psy_insight/{one['dialog_id']}" for one in sessions]
    assert ["\n".join(turn.content for turn in one.turns) for one in made] == [
        "\n".join(said["content"] for said in one["dialog"]) for one in sessions
    ]
    speakers = Counter(said["speaker"] for one in sessions for said in one["dialog"])
    assert speakers == {"Supporter": 6, "Seeker": 5}
    assert [len(one.turns) for one in made] == [4, 2, 3, 1]
    assert intake.repairer.counts == {"merged neighbours": 1}
    assert [one.meta.get("clients") for one in made] == [
        None,
        ["来访者", "来访者的母亲"],
        None,
        None,
    ]
    assert made[2].meta["stage_directions"] == {"2": "停顿了很久"}
