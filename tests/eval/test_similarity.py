"""Our scores against LLaMA-Factory's own code, on real references and odd predictions."""

import json
import random

import numpy as np
import pytest

from eval.similarity import MEASURES, signature, similarity

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
]


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
    ours = [similarity(*pair) for pair in pairs]
    for measure in MEASURES:
        assert len(theirs[measure]) == len(pairs)
        for number, (score, reference) in enumerate(zip(ours, theirs[measure], strict=True)):
            assert getattr(score, measure) == pytest.approx(reference, abs=1e-9), pairs[number]


@pytest.mark.train
def test_edge_cases_score_as_in_llamafactory():
    assert_equal_to_llamafactory(EDGE_CASES)


@pytest.mark.train
@pytest.mark.real_data
def test_real_references_with_perturbed_predictions_score_as_in_llamafactory(real_data):
    path = real_data / "mi_llm_authors" / "eval_40.json"
    references = [row["output"] for row in json.loads(path.read_text(encoding="utf-8"))]
    assert len(references) == 367
    draw = random.Random(0)
    kinds = {
        "identical": lambda text: text,
        "empty": lambda text: "",
        "blanks": lambda text: " \n ",
        "one character": lambda text: text[0],
        "English": lambda text: "It sounds like you are not sure yet.",
        "punctuation only": lambda text: "，。？！……",
        "very long": lambda text: "".join(draw.choices(references, k=12)),
        "another reply": lambda text: draw.choice(references),
        "shuffled": lambda text: "".join(draw.sample(text, len(text))),
    }
    names = list(kinds)
    pairs = [(kinds[names[n % len(names)]](text), text) for n, text in enumerate(references)]
    assert_equal_to_llamafactory(pairs)


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
