"""What is wrong with single answers, case by case."""

from typing import Any

import pytest

from eval.answers import Faults, answer_faults, han_share, looks_cut_off, loops, repeats

NONE = Faults(False, False, False, False, False, False)


@pytest.mark.parametrize(
    "text",
    [
        "你想少抽一点。",
        "真的吗？\n",
        "好！",
        "我在想…",
        "我在想……",
        "OK.",
        "你说“算了”",
        '他说 "no"',
        "(笑)",
        "（点头）",
        "加油😊",
        "加油❤️",
        "好的~",
        "。",
    ],
)
def test_an_answer_that_ends_as_a_sentence_does_is_not_cut_off(text):
    assert not looks_cut_off(text)


@pytest.mark.parametrize(
    "text", ["你想少抽一", "你想，", "比如：", "第一、", "“你", "你——", "1", "a;"]
)
def test_an_answer_that_ends_within_a_sentence_looks_cut_off(text):
    assert looks_cut_off(text)


@pytest.mark.parametrize(
    ("text", "is_loop"),
    [
        ("我理解你的感受。" * 3, True),  # 7 letters three times: 21
        ("我理解你的感受。" * 2, False),
        ("我理解你的感受。我理解你的感受，我理解你的感受！", True),  # punctuation is left out
        ("我理解你，" * 3, False),  # 12 letters: said for effect
        ("我理解你，" * 4, False),
        ("我理解你，" * 5, True),  # 20
        ("哈" * 19, False),
        ("嗯，先说别的。" + "哈" * 20, True),
        ("。" * 500, False),
        ("很好" * 10, True),
        ("很好" * 9, False),
        ("开头" + "".join(map(chr, range(0x4E00, 0x4E00 + 100))) * 3, True),
        ("".join(map(chr, range(0x4E00, 0x4E00 + 101))) * 3, False),  # more than 100
        ("我想哈哈哈" * 4, True),  # a short run within a longer stretch does not hide it
        ("你今天走了很远的路，也累了，我们先坐下来，慢慢说说这一周发生的事。", False),
        ("", False),
    ],
)
def test_a_loop_is_a_stretch_three_times_in_a_row_of_20_letters_or_more(text, is_loop):
    assert loops(text) is is_loop


@pytest.mark.parametrize(
    ("text", "earlier", "is_repeat"),
    [
        ("你想少抽一点烟吗？", ["你想少抽一点烟吗"], True),
        ("嗯，我明白。", ["嗯，我明白。"], False),  # 4 letters: short answers may come again
        ("你想少抽一点烟", ["你想少抽一点烟"], False),  # 7
        ("你想少抽一点烟吧", ["你想少抽一点烟吧"], True),  # 8
        # 10 letters, of which 9 are the same: 2 * 9 / 20 = 90%.
        ("一二三四五六七八九十", ["一二三四五六七八九百"], True),
        # 2 * 8 / 20 = 80%.
        ("一二三四五六七八九十", ["一二三四五六七八百千"], False),
        ("你想少抽一点烟吗？", ["别的", "你想少抽一点烟吗？", "别的"], True),
        ("你想少抽一点烟吗？", [], False),
    ],
)
def test_an_answer_repeats_what_is_nearly_the_same_by_letters(text, earlier, is_repeat):
    assert repeats(text, earlier) is is_repeat


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("你好", 1.0),
        ("你好ab", 0.5),
        ("I see", 0.0),
        ("《你》，a。", 0.5),
        ("……", 0.0),
        ("𠮷〇", 1.0),  # beyond the basic plane, and the zero
        ("ありがとう", 0.0),  # kana are letters and not Han
    ],
)
def test_the_share_of_han_is_among_letters_and_digits(text, share):
    assert han_share(text) == share


FAR = "你今天走了很远的路。"
ROWS: list[Any] = [
    {"id": "a#1", "input": "一", "output": FAR, "history": []},
    {"id": "a#2", "input": "二", "output": "想歇一歇。", "history": [["一", FAR]]},
    {"id": "b#1", "input": "三", "output": FAR, "history": []},
    {"id": "b#2", "input": "四", "output": "好。", "history": [["三", FAR]]},
]  # fmt: skip


def test_faults_are_told_apart_and_repeats_are_looked_for_within_a_dialogue():
    answers = [
        "听起来你很不容易，",
        "听起来你很不容易。",  # says again what it said
        "听起来你很不容易。",  # in another dialogue: no repeat
        FAR,  # the counselor's words, from the history
    ]
    assert answer_faults(answers, ROWS) == [
        Faults(False, True, False, False, False, False),
        Faults(False, False, True, False, False, False),
        NONE,
        Faults(False, False, False, True, False, False),
    ]


def test_an_empty_answer_has_no_other_fault():
    found = answer_faults(["", " \n\u3000", "...", "Fine"], ROWS)
    empty = Faults(True, False, False, False, False, False)
    assert found[:2] == [empty, empty]
    assert found[2] == Faults(False, False, False, False, False, True)  # no letter at all
    assert found[3] == Faults(False, True, False, False, False, True)


def test_a_long_answer_takes_no_long_time():
    text = "".join(chr(0x4E00 + number * number % 9973) for number in range(10_000))
    assert not loops(text)
