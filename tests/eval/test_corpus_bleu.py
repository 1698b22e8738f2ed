import pytest

from eval.corpus_bleu import corpus_bleu
from mi_llm.errors import InputError


def test_n_grams_are_added_up_over_replies_before_they_are_divided():
    # Matches of 1- to 4-grams: 我想戒烟 for 我想戒酒 has 3/4, 2/3, 1/2, 0/1; an equal reply of four
    # characters has 4/4, 3/3, 2/2, 1/1. Together 7/8, 5/6, 3/4, 1/2; lengths are equal.
    both = corpus_bleu(["我想戒烟", "你好你好"], ["我想戒酒", "你好你好"])
    assert both.score == pytest.approx(100 * (7 / 8 * 5 / 6 * 3 / 4 * 1 / 2) ** 0.25)
    # Alone the missing order counts as half a match: 3/4, 2/3, 1/2, 1/2.
    assert corpus_bleu(["我想戒烟"], ["我想戒酒"]).score == pytest.approx(100 * (1 / 8) ** 0.25)


def test_white_space_around_and_between_characters_does_not_count():
    assert corpus_bleu(["\n我想 戒烟\n"], ["我想戒烟"]).score == pytest.approx(100)


def test_an_empty_reply_scores_0():
    assert corpus_bleu([""], ["我想戒烟"]).score == 0


def test_the_signature_is_sacrebleus_with_its_version():
    assert corpus_bleu(["好"], ["好"]).signature == (
        "nrefs:1|case:mixed|eff:no|tok:zh|smooth:exp|version:2.6.0"
    )


def test_nothing_to_score_is_refused():
    with pytest.raises(InputError, match="no reply"):
        corpus_bleu([], [])


def test_as_many_predictions_as_references_are_needed():
    with pytest.raises(ValueError, match="2 predictions for 1 references"):
        corpus_bleu(["好", "好"], ["好"])
