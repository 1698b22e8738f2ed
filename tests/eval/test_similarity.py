"""Our scores against LLaMA-Factory's own class: equal to the last bit, on real and odd replies."""

import json
import random
import subprocess
import sys
from dataclasses import astuple

import numpy as np
import pytest

from converters.corpora.formats import CORPORA
from converters.corpora.intake import Intake, take_in
from eval.similarity import MEASURES, Similarity, signature, similarities, similarity

EDGE_CASES = [
    ("", ""),
    ("", "你好。"),
    ("你好。", ""),
    (" \n\t", "你好。"),
    ("嗯", "嗯"),
    ("你好", "你好"),
    ("你好吗", "你好吗"),
    ("\n你好。", "你好。"),
    ("你好。\n\n你说呢？", "你好。\n\n\n你说呢？"),
    ("。。。……", "嗯。"),
    ("......... 然后", "............"),
    ("I am fine, thanks.", "我还好。"),
    ("我每天走5-6公里，心率120.5", "我每天走5.5公里，心率120"),
    ("😀 好的👍", "好的👍"),
    ("“睡不着”，他说", "‘睡不着’,他说"),
    ("𠮷野家", "吉野家"),
    ("A\r\nB", "A\nB"),
    # A blank sentence becomes an empty word, which counts: on one side, on both, twice, nowhere.
    ("好的。\n你说", "好的。你说"),
    ("好的。\n你说", "嗯？\n你说"),
    ("好的\n\n\n你说。\n\n", "好的。\n\n你说"),
    ("\n好的", " \n好的"),
    ("？ 好", "?\t好"),
    # A run of dots breaks after six if something follows, and again after seven more.
    ("......", "......"),
    (".......", "......."),
    ("......好", "......\n好"),
    ("." * 13 + "好", "." * 14),
    ("-......5......%", "......5"),
    ("…………好", "……\n好"),
    # Matches are clipped to what the reference holds, overlapping ones included.
    ("哈哈哈哈哈", "哈哈哈"),
    ("哈哈哈", "哈哈哈哈哈"),
    ("好不好好不好好", "好不好不好不"),
    # LCSseq compares hashes, and a blank word's could be a character's.
    ("\x00。\n\n好", "\x00好"),
    ("好。\n\n好", "好\x00好"),
    ("\x1c好\x85", "好\u3000"),
    # 2 common of 70 and of 129: what rouge_chinese adds to the divisor changes the fourth place.
    ("".join(map(chr, range(0x2600, 0x2646))), "".join(map(chr, range(0x2644, 0x26C5)))),
    ("\ud83d好", "好\ude00"),
    ("𪚥𪚥𠮷", "𠮷𪚥"),
    ("嗯，" * 4_000, "嗯，我听到了。"),
    ("嗯，我听到了。", "".join(map(chr, range(0x4E00, 0x4E00 + 10_000)))),
]
NASTY = [
    *"。！？?….\n\r \t\u3000，”’“‘、abZ059%-+#&_好想不是的中人民一了仫",
    *"𠮷𪚥㐀龥鿕鿖😀\x00\x1c\x85\ud83d",
    "\r\n", "......", ".......", "……", "好的。\n", "5.5%", "戒烟", "听起来",
]  # fmt: skip


class CharacterTokenizer:
    """Stands for a tokenizer in LLaMA-Factory's metric: a text is one id, decoded unchanged."""

    pad_token_id = 0

    def __init__(self, texts):
        self.texts = texts

    def batch_decode(self, ids, *, skip_special_tokens):
        assert skip_special_tokens
        return [self.texts[row[0]] for row in ids]


def llamafactory_scores(pairs):
    """Per-row scores of LLaMA-Factory's ComputeSimilarity, by our names of the measures."""
    metric = pytest.importorskip("llamafactory.train.sft.metric")
    texts = [text for pair in pairs for text in pair]
    compute = metric.ComputeSimilarity(tokenizer=CharacterTokenizer(texts))
    ids = np.arange(len(texts)).reshape(-1, 2)

    class Batch:
        predictions = ids[:, :1]
        label_ids = ids[:, 1:]

    compute(Batch(), compute_result=False)
    names = {"bleu4": "bleu-4", "rouge1": "rouge-1", "rouge2": "rouge-2", "rougeL": "rouge-l"}
    return {ours: compute.score_dict[theirs] for ours, theirs in names.items()}


def assert_equal_to_llamafactory(pairs):
    theirs = llamafactory_scores(pairs)
    columns = [theirs[measure] for measure in MEASURES]
    assert [len(column) for column in columns] == [len(pairs)] * 4
    for pair, *expected in zip(pairs, *columns, strict=True):
        assert [*astuple(similarity(*pair))] == expected, pair


def random_pairs(count, seed):
    """Odd texts: unrelated, equal, one with more behind it, and shuffled."""
    draw = random.Random(seed)

    def text():
        return "".join(draw.choices(NASTY, k=draw.choice((0, 1, 2, 3, 5, 8, 13, 30))))

    for number in range(count):
        said = text()
        shuffled = "".join(draw.sample(said, len(said)))
        yield said, (text(), said, said + text(), shuffled)[number % 4]


@pytest.mark.train
@pytest.mark.parametrize(
    "pair", EDGE_CASES, ids=lambda pair: " ".join(ascii(text)[1:13] for text in pair)
)
def test_edge_cases_score_as_in_llamafactory(pair):
    assert_equal_to_llamafactory([pair])


@pytest.mark.train
def test_random_texts_score_as_in_llamafactory():
    assert_equal_to_llamafactory(list(random_pairs(2_000, seed=0)))


@pytest.mark.train
@pytest.mark.slow
def test_many_random_texts_score_as_in_llamafactory():
    assert_equal_to_llamafactory(list(random_pairs(20_000, seed=1)))


@pytest.mark.train
@pytest.mark.real_data
@pytest.mark.parametrize("kind", ["equal", "blank", "English", "very long", "another", "shuffled"])
def test_real_references_with_perturbed_predictions_score_as_in_llamafactory(real_data, kind):
    path = real_data / "mi_llm_authors" / "eval_40.json"
    references = [row["output"] for row in json.loads(path.read_text(encoding="utf-8"))]
    assert len(references) == 367
    draw = random.Random(0)
    perturbed = {
        "equal": lambda text: text,
        "blank": lambda text: draw.choice(["", " \n ", text[0], "，。？！……"]),
        "English": lambda text: "It sounds like you are not sure yet." + text[:5],
        "very long": lambda text: "\n\n".join(draw.choices(references, k=6)),
        "another": lambda text: draw.choice(references),
        "shuffled": lambda text: "".join(draw.sample(text, len(text))),
    }[kind]
    assert_equal_to_llamafactory([(perturbed(text), text) for text in references])


@pytest.mark.train
@pytest.mark.real_data
@pytest.mark.parametrize(
    ("corpus", "folder"), [("cpsycound", "cpsycound/Data"), ("smilechat", "smilechat/data")]
)
def test_all_turns_of_a_corpus_in_random_pairs_score_as_in_llamafactory(real_data, corpus, folder):
    dialogues = take_in(CORPORA[corpus], real_data / folder, Intake())
    turns = [turn.content for dialogue in dialogues for turn in dialogue.turns]
    others = random.Random(0).sample(turns, len(turns))
    assert_equal_to_llamafactory(list(zip(turns, others, strict=True)))


@pytest.mark.parametrize(
    ("text", "bleu4"),
    [
        # NLTK method 3 smooths each order without a match by 1/2, 1/4, 1/8 (Chen and Cherry 2014).
        # One character: p = 1, 1/2, 1/4, 1/8 over orders 1-4 -> (1/64) ** 0.25.
        pytest.param("嗯", 100 * (1 / 64) ** 0.25, id="one character"),
        pytest.param("你好", 100 * (1 / 8) ** 0.25, id="two: 1, 1, 1/2, 1/4"),
        pytest.param("你好吗", 100 * (1 / 2) ** 0.25, id="three: 1, 1, 1, 1/2"),
        pytest.param("你好吗你", 100.0, id="four"),
    ],
)
def test_an_identical_short_reply_cannot_reach_100(text, bleu4):
    assert similarity(text, text).bleu4 == pytest.approx(bleu4, abs=5e-5)


def test_a_shared_leading_newline_counts_unless_both_sides_are_stripped():
    plain = similarity("\n晚安", "\n你好")
    assert plain.bleu4 > 0
    assert similarity("\n晚安", "\n你好", strip=True).bleu4 == 0


def test_words_are_jiebas_and_rouge_is_f1_over_them():
    # jieba: 我 想 戒烟 / 我 想 跑步: two of three words shared, order kept; F1 = 2/3.
    score = similarity("我想戒烟", "我想跑步")
    assert score.rouge1 == pytest.approx(200 / 3, abs=5e-5)
    # One of two bigrams shared.
    assert score.rouge2 == pytest.approx(50, abs=5e-5)
    assert score.rougeL == pytest.approx(200 / 3, abs=5e-5)


def test_signatures_say_what_the_number_depends_on():
    assert signature("bleu4", strip=False) == (
        "bleu4|tok:char|smooth:nltk-m3|agg:sentence-mean|strip:no"
    )
    assert signature("rougeL", strip=True) == (
        "rougeL|tok:jieba-0.42.1|impl:rouge-chinese-1.0.3|agg:sentence-mean|strip:yes"
    )


def test_many_replies_score_as_each():
    said, wanted = ["\n你好", "嗯"], ["\n晚安", "嗯嗯"]
    assert similarities(said, wanted, strip=True) == [
        similarity("你好", "晚安"),
        similarity("嗯", "嗯嗯"),
    ]
    assert similarities([], []) == []
    with pytest.raises(ValueError, match="shorter"):
        similarities(said, wanted[:1])


def test_libraries_that_take_a_second_to_import_are_not_imported():
    code = (
        "import sys; from eval.similarity import similarity\n"
        "print(similarity('嗯，嗯', '嗯。\\n'))\n"
        "assert not {'jieba', 'nltk', 'rouge_chinese', 'numpy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    # Words 嗯 ， 嗯 and 嗯 。: 1 of 2 distinct words each, no pair, 1 of 3 and of 2 in a row.
    # Characters: 1/3 (the second 嗯 is one too many), then 1/2 of 1/2, 1/4 of 1/1 and 1/8 of 1/1;
    # 100 * (1/3 * 1/4 * 1/4 * 1/8) ** 0.25 = 22.5901.
    scores = Similarity(bleu4=22.5901, rouge1=50.0, rouge2=0.0, rougeL=40.0)
    assert done.stdout.decode().strip() == str(scores)
