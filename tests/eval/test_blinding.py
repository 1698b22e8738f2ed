"""Neutral ids, orders of their own, and texts that name no source."""

from __future__ import annotations

import json
import re
import zipfile
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.books.blinding import SAFETY_MARK, blinded
from eval.books.book import write_books
from mi_llm.characters import is_blank
from mi_llm.errors import InputError
from tests.eval.coding_books import THREE, transcript

INSTRUCTION = "你是一位有二十年经验的心理咨询师，目标是通过动机式访谈帮助来访者。"


def shown(*texts, **facts):
    """How texts are shown to raters, and what was taken out of them."""
    blinding = blinded([transcript("corpus_x/p-17", *texts, **facts)], seed=1)
    return [turn.content for turn in blinding.transcripts[0].turns], blinding.removed


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("我是ChatGLM-4-9B-Chat，来自智谱AI。", "我是××，来自××。"),
        ("我叫百川，由百川智能开发。", "我叫××，由××开发。"),
        ("As Llama-3-8B-Chinese-Chat I help.", "As ×× I help."),
        ("我问过GPT-4o和通义千问。", "我问过××和××。"),
        ("作为一个AI语言模型，我不能诊断。", "作为一个AI语言模型，我不能诊断。"),
        ("海纳百川，早餐吃豆包。", "海纳百川，早餐吃豆包。"),
        ("The real problem is simulated.", "The real problem is simulated."),
        ("<|assistant|>\n你好<|eot_id|></s>", "你好"),
        ("[gMASK]<sop>你好<reserved_107>", "你好"),
        ("<start_of_turn>你好<｜end▁of▁sentence｜>", "你好"),
        ("<think>来访者在抗拒</think>\n\n你不太想谈。", "你不太想谈。"),
        ("<think>没有说完", "……"),
        ("心理咨询师：你好", "你好"),
        ("Assistant: hello", "hello"),
        ("我的手机是13800138000", "我的手机是【电话】"),
        ("\ufeff你\u200b好\xa0吗 ", "你好 吗"),
    ],
)
def test_what_names_a_source_goes_and_what_a_counselor_does_stays(said, expected):
    assert shown(said)[0] == [expected]


def test_what_meta_says_of_the_source_goes_from_the_text_but_a_plain_word_stays():
    texts, removed = shown(
        INSTRUCTION + "我想少抽烟，profile_03。",
        "corpus_x/p-17 glm4_tuned 用了MyModel-7b。real 1",
        source="glm4_tuned",
        profile="profile_03",
        model="lab/MyModel-7b",
        settings={"system": INSTRUCTION, "temperature": 0.7},
    )
    assert texts == ["我想少抽烟，××。", "×× ×× 用了××。real 1"]
    assert removed == Counter({"names from meta": 4, "prompts": 1})


def test_ids_say_nothing_of_the_order_that_transcripts_came_in():
    many = [transcript(f"s/{n:02}", "嗯。", "你说。") for n in range(40)]
    one, other = blinded(many, seed=4), blinded(many[::-1], seed=4)
    assert one.transcripts == other.transcripts
    assert [item.id for item in one.transcripts] == [f"T{n:02}" for n in range(1, 41)]
    assert [item.original for item in one.transcripts] != [item.id for item in many]
    assert {item.original for item in one.transcripts} == {item.id for item in many}
    assert blinded(many, seed=5).transcripts != one.transcripts


def test_each_rater_has_an_order_of_their_own_that_the_seed_brings_back():
    blinding = blinded([transcript(f"s/{n:02}", "嗯。", "你说。") for n in range(40)], seed=4)
    first, second = ([one.id for one in blinding.order(name)] for name in ("R1", "R2"))
    assert first != second
    assert sorted(first) == sorted(second) == [one.id for one in blinding.transcripts]
    assert [one.id for one in blinding.order("R1")] == first


@given(st.text(max_size=60))
def test_no_turn_vanishes_and_blinding_twice_changes_nothing(text):
    (once,), _ = shown("嗯" if is_blank(text) else text)
    assert not is_blank(once)
    (twice,), removed = shown(once)
    assert twice == once or removed  # a cut may join what then reads as a trace; that goes as well


def test_a_target_behaviour_is_passed_on_only_if_all_have_one():
    one = transcript("a/1", "嗯。", "好。", target_behaviour="戒烟 glm4_tuned")
    two = transcript("a/2", "嗯。", "好。")
    assert [item.target_behaviour for item in blinded([one], seed=1).transcripts] == ["戒烟 ××"]
    both = blinded([one, two], seed=1)
    assert ([item.target_behaviour for item in both.transcripts], both.prefilled) == ([None] * 2, 1)


def test_no_transcript_and_one_twice_are_refused():
    with pytest.raises(InputError, match="no transcript to code"):
        blinded([], seed=1)
    with pytest.raises(InputError, match="'a/1' comes twice"):
        blinded([THREE[0], THREE[0]], seed=1)


def test_nothing_in_a_book_gives_a_source_away(tmp_path):
    secrets: dict[str, Any] = {
        "source": "glm4_tuned", "model": "THUDM/glm-4-9b-chat", "profile": "profile_03",
        "topic": "topic-of-meta", "end_reason": "max_rounds", "settings": {"system": INSTRUCTION},
        "original": ["text before translation"], "quality": "high-of-meta",
    }  # fmt: skip
    given_away = transcript("annomi/77", "我是glm-4，annomi/77", "我是profile_03", **secrets)
    paths = write_books(tmp_path / "books", blinded([given_away, *THREE], seed=1), ["R1", "R2"])
    words = ["glm", "thudm", "profile", "annomi", "topic-of", "max_rounds", "二十年", "translation",
             "high-of", "tuned", "mi-llm", "a/1", "b/3"]  # fmt: skip
    for path in paths:
        assert path.name in ("miti_R1.xlsx", "miti_R2.xlsx")
        with zipfile.ZipFile(path) as packed:
            parts = {one.filename: one for one in packed.infolist()}
            assert len(parts) > 10
            for name, part in parts.items():
                text = (name + packed.read(name).decode()).lower()
                text = re.sub(r"/sheets?/\d+|openxmlformats", "", text)
                assert [word for word in words if word in text] == []
                assert part.date_time == (1980, 1, 1, 0, 0, 0)
                assert b"comment" not in packed.read(name)
            years = re.findall(
                r"\b(?:19|20)\d\d-\d\d-\d\dT", packed.read("docProps/core.xml").decode()
            )
            assert years == ["1980-01-01T"] * 2
    key = json.loads((tmp_path / "books/key.json").read_text("utf-8"))
    assert {one["transcript"] for one in key["items"].values()} == {
        "annomi/77",
        "a/1",
        "a/2",
        "b/3",
    }
    assert "do not send" in key["warning"]
    assert {path.name for path in (tmp_path / "books").iterdir()} == {
        "key.json", "miti_R1.xlsx", "miti_R2.xlsx",
    }  # fmt: skip


def test_a_fingerprint_is_in_no_other_file(tmp_path):
    same = [transcript("a/1", "嗯。", "好。")]
    salts = {blinded(same, seed=seed).salt for seed in range(5)}
    assert len(salts) == 5


def test_what_the_safety_gate_said_is_marked_and_not_shown_as_the_counselors():
    gate = "谢谢你告诉我。请现在就打12356。"
    one = transcript(
        "roleplay/1", "我睡不着。", "你很累。", "我不想活了。", gate, "嗯。", "我在听。",
        safety=[{"turn": 2, "risk": "self_harm", "step": "hand_over"}],
    )  # fmt: skip
    found = blinded([one], seed=1)
    said = [turn.content for turn in found.transcripts[0].turns]
    assert said == ["我睡不着。", "你很累。", "我不想活了。", SAFETY_MARK, "嗯。", "我在听。"]
    assert found.removed == {"safety texts": 1}
