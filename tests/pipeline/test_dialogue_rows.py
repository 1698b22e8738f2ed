"""One row per dialogue learns the replies that one row per round learns."""

import pytest

from converters.corpora.intake import Intake
from converters.corpora.mi_conversations import read
from converters.rows import RowWriter
from tests.pipeline.test_fit import SAMPLE, processed, renderings

__all__ = ["renderings"]  # a fixture

pytestmark = [pytest.mark.train, pytest.mark.slow]

NEVER = 10**6  # tokens; nothing is cut
IGNORED = -100


def learned(one, shape, placement, *, mask_history):
    """All learned tokens of all rows in order, end-of-turn tokens apart: (tokens, ends)."""
    writer = RowWriter("你是一位心理咨询师。", shape, placement)
    rows = list(writer.rows(read(SAMPLE, Intake())))
    made = processed(one, rows, NEVER, mask_history=mask_history, generate=False)
    tokens = [label for _, labels in made for label in labels if label != IGNORED]
    end = one.tokenizer.eos_token_id
    return [token for token in tokens if token != end], tokens.count(end), len(rows)


def test_both_shapes_learn_the_same_reply_tokens(renderings):
    assert len(renderings) == 3
    for one in renderings:
        rounds, round_ends, round_rows = learned(one, "round", "instruction", mask_history=True)
        whole, whole_ends, _ = learned(one, "dialogue", "system", mask_history=False)
        assert whole == rounds
        assert round_rows == 77
        if one.template.efficient_eos:
            # glm4 and baichuan2 keep the loss on the end of every turn of the history: a row of
            # round k learns k ends and one for the head of the prompt.
            assert round_ends > whole_ends
        else:
            assert round_ends == whole_ends == 77


def test_rows_of_dialogues_take_fewer_tokens(renderings):
    for one in renderings:
        prompt = "你是一位心理咨询师。"
        writers = RowWriter(prompt), RowWriter(prompt, "dialogue", "system")
        rounds, whole = (
            sum(one.tokens(row) for row in writer.rows(read(SAMPLE, Intake())))
            for writer in writers
        )
        assert whole < rounds / 2
