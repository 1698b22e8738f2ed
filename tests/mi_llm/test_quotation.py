from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_llm.quotation import bare, quotes

TEXT = "我试过戒烟，一共 3 次；每次都是……他一劝，我就又抽上了。 OK？电话是13800000000。"


@pytest.mark.parametrize(
    "quote",
    [
        "我试过戒烟",
        "“我试过戒烟,一共3次”",
        "我试过 戒烟，\n一共３次",
        "我试过戒烟……我就又抽上了",
        "我试过戒烟...我就又抽上了",
        "我试过戒烟⋯⋯我就又抽上了。",
        "我试过戒烟——我就又抽上了",
        "我试过戒烟（略）我就又抽上了",
        "「ok?」",
        "ＯＫ",
        "电话是【电话】",
    ],
)
def test_words_are_found_whatever_their_marks_width_case_and_gaps(quote: str):
    assert quotes(quote, TEXT)


@pytest.mark.parametrize(
    "quote", ["我戒过烟", "我就又抽上了……我试过戒烟", "", " ", "……", "。", "【电话】", "一共4次"]
)
def test_words_that_do_not_stand_there_or_are_none_are_not_found(quote: str):
    assert not quotes(quote, TEXT)


def test_marks_are_found_in_nothing_but_marks():
    assert quotes("……", "……。")
    assert not quotes(" ", "……")


@given(st.text(min_size=1), st.text(), st.text())
def test_every_part_of_a_text_with_letters_is_found_in_it(part: str, before: str, after: str):
    # Wide letters may join with their neighbours, so what is compared is put together first.
    whole = bare(before) + bare(part) + bare(after)
    if bare(part):
        assert quotes(bare(part), whole)


@pytest.mark.parametrize(
    "before", ["来访者：", "client: ", "[3] ", "3. ", "第三轮", "（2）咨询师：", "“Counselor: "]
)
def test_a_number_and_a_speaker_may_stand_before_a_quotation(before):
    assert quotes(f"{before}我最近总是失眠", "我最近总是失眠。") == (before != "第三轮")
    assert not quotes(f"{before}我最近总失眠", "我最近总是失眠。")
    assert not quotes(before, "我最近总是失眠。")
