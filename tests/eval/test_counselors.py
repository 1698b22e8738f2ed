"""Which models are the counselors, and what they are shown."""

from __future__ import annotations

import pytest

from eval import predict
from eval.counselors import counselors, messages
from mi_llm.dialogue import Turn
from mi_llm.door.endpoint import Endpoint
from mi_llm.errors import InputError
from mi_llm.validation import usual_columns

HERE = "http://127.0.0.1:8000/v1"
THERE = "http://127.0.0.1:8001/v1"
BASE = Endpoint(HERE, "asker", temperature=0.5, max_tokens=77)


def test_each_model_is_asked_where_it_is_named_else_at_the_common_address():
    found = counselors(["Qwen/Qwen3-8B", f"glm4_lora={THERE}"], BASE)
    assert list(found) == ["Qwen/Qwen3-8B", "glm4_lora"]
    assert [(one.base_url, one.model) for one in found.values()] == [
        (HERE, "Qwen/Qwen3-8B"), (THERE, "glm4_lora"),
    ]  # fmt: skip
    assert {(one.temperature, one.max_tokens) for one in found.values()} == {(0.5, 77)}


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ([], "--models: name at least one"),
        (["a", f"a={THERE}"], "--models a: is named twice"),
        (["a="], "--models 'a=': expected NAME or NAME=BASE_URL"),
        ([f"={THERE}"], "expected NAME or NAME=BASE_URL"),
        (["a b"], "expected NAME or NAME=BASE_URL"),
        (["a=127.0.0.1:8000"], "--base-url '127.0.0.1:8000'"),
        (["a=http://example.org/v1"], "example.org is not this machine"),
    ],
)
def test_a_malformed_or_doubled_name_or_a_forbidden_address_is_told(models, message):
    with pytest.raises(InputError) as error:
        counselors(models, BASE)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


TURNS = (
    Turn("client", "我想少抽。"),
    Turn("counselor", "你在盘算。"),
    Turn("client", "也不全是。"),
)


@pytest.mark.parametrize("prompt_as", ["instruction", "system"])
def test_a_conversation_is_shown_as_the_rows_of_training_are(prompt_as):
    row = {"input": "也不全是。", "output": "还有别的。", "history": [["我想少抽。", "你在盘算。"]]}
    row["instruction" if prompt_as == "instruction" else "system"] = "你是咨询师。"
    rows = [row]
    expected = predict.messages(row, usual_columns(rows))  # type: ignore[arg-type]  # a bare row
    assert messages(TURNS, "你是咨询师。", prompt_as) == expected


def test_a_counselor_that_opened_is_left_out_and_the_client_must_be_the_last():
    opened = (Turn("counselor", "你好。"), *TURNS)
    assert messages(opened, "请。", "system") == messages(TURNS, "请。", "system")
    with pytest.raises(ValueError, match="client"):
        messages(TURNS[:2], "请。", "system")
