"""Our words against jieba's own, on edge cases, random texts and real turns."""

import math
import random
import subprocess
import sys

import jieba
import pytest

from converters.corpora.formats import CORPORA
from converters.corpora.intake import Intake, take_in
from eval import segmentation
from eval.segmentation import JIEBA, words
from mi_llm.errors import InputError

jieba.setLogLevel("WARNING")

EDGE_CASES = [
    "",
    " ",
    "\r\n",
    "\r\r\n\n",
    "嗯",
    "嗯嗯嗯",
    "我想戒烟。我也想！",
    "A\r\nB",
    "我每天走5-6公里，心率120.5，占30%，qq.com",
    "5.5.5% .5 5. 5%% -5 +86-10",
    "Ab1 C++ c# AT&T a_b a-b",
    "B超T恤卡拉OK",
    "......... 然后……",
    "-......5......",
    "😀 好的👍🏻",
    "“睡不着”，他说",
    "𠮷野家𪚥",  # CJK extension B: outside of what jieba takes for Chinese
    "㐀㐁鿕鿖龥",  # extension A, and both sides of the end of jieba's range
    "仫佬族的仫",  # a character that begins words and is none itself
    "瞓觉察时间",  # the same, where its own word is not the likeliest
    "γ射线",  # in the dictionary, and cannot be found
    "\ud83d好\ude00",
    "\x00\x1c\x85\u3000\u200b\ufeff好",
    "常在和",  # a near tie, which a segmenter in another language decides otherwise
    "丨丨丨",
    "一" * 50,
]
NASTY = [
    *"。！？?….\n\r \t\u3000，”’“‘、abZ059%-+#&_好想不是的中人民一了仫",
    *"𠮷𪚥㐀龥鿕鿖😀\x00\x1c\x85\ud83d丨",
]


def assert_equal_to_jieba(texts):
    assert texts
    for text in texts:
        assert words(text) == jieba.lcut(text)


@pytest.mark.parametrize("text", EDGE_CASES)
def test_edge_cases_are_cut_as_by_jieba(text):
    assert words(text) == jieba.lcut(text)


def test_ten_thousand_characters_without_a_break_are_cut_as_by_jieba():
    draw = random.Random(0)
    assert_equal_to_jieba(["".join(draw.choices(dictionary(), k=5_000))[:10_000]])


def random_texts(count, seed=0):
    """Dictionary words end to end, where one runs into the next; oddities; rare characters."""
    draw, listed = random.Random(seed), dictionary()
    chinese = [chr(code) for code in range(0x4E00, 0x9FD6)]
    for number in range(count):
        among = (listed, NASTY, chinese)[number % 3]
        yield "".join(draw.choices(among, k=draw.choice((1, 2, 3, 5, 8, 20))))


def dictionary():
    jieba.initialize()
    return list(jieba.dt.FREQ)  # words and all their beginnings


def test_random_texts_are_cut_as_by_jieba():
    assert_equal_to_jieba(list(random_texts(2_000)))


@pytest.mark.slow
def test_many_random_texts_are_cut_as_by_jieba():
    assert_equal_to_jieba(list(random_texts(100_000, seed=1)))


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("corpus", "folder"), [("cpsycound", "cpsycound/Data"), ("smilechat", "smilechat/data")]
)
def test_all_turns_of_a_corpus_are_cut_as_by_jieba(real_data, corpus, folder):
    dialogues = take_in(CORPORA[corpus], real_data / folder, Intake())
    assert_equal_to_jieba([turn.content for dialogue in dialogues for turn in dialogue.turns])


def test_what_was_taken_from_jieba_is_its_own():
    jieba.initialize()
    assert jieba.__version__ == JIEBA
    assert math.log(jieba.dt.total) == segmentation._LOG_TOTAL
    assert jieba.finalseg.MIN_FLOAT == segmentation._NEVER


def test_another_dictionary_is_refused(tmp_path, monkeypatch):
    (tmp_path / "dict.txt").write_text("好 1 n\n", encoding="utf-8")
    monkeypatch.setattr(segmentation, "_folder", lambda: tmp_path)
    with pytest.raises(InputError, match=r"dict\.txt: not the dictionary of jieba 0\.42\.1"):
        segmentation._choices.__wrapped__()


def test_jieba_itself_is_not_imported():
    text = "我想戒烟，𪚥仫佬族慕容氏"
    code = (
        f"import sys; from eval.segmentation import words; print(*words('{text}'))\n"
        "assert 'jieba' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.decode().split() == jieba.lcut(text)
