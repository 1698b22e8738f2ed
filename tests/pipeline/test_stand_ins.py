"""Stand-ins must be to LLaMA-Factory what the real models are."""

import json

import pytest

from converters.fit import rendering
from tests.pipeline.llamafactory import TEMPLATES, stand_in

pytestmark = pytest.mark.train

MESSAGES = [
    {"role": "user", "content": "我想少抽一点。"},
    {"role": "assistant", "content": "你已经在盘算改变了。"},
    {"role": "user", "content": "也不全是……"},
]


@pytest.mark.parametrize("family", TEMPLATES)
def test_the_chat_template_renders_as_llamafactorys_template(stand_ins, family):
    one = rendering(f"{stand_ins[family]}:{TEMPLATES[family]}")
    pairs = one.template.encode_multiturn(
        one.tokenizer, [*MESSAGES, {"role": "assistant", "content": ""}], None, None
    )
    theirs = [token for source, target in pairs[:-1] for token in (*source, *target)]
    theirs += pairs[-1][0]
    ours = one.tokenizer.apply_chat_template(MESSAGES, add_generation_prompt=True)
    assert ours == theirs


@pytest.mark.parametrize("family", TEMPLATES)
def test_any_text_survives_the_tokenizer(stand_ins, family):
    tokenizer = rendering(f"{stand_ins[family]}:{TEMPLATES[family]}").tokenizer
    for text in ("你好，“慢慢来”。", "  两个空格", "𠮷野家 😀 km/h 5-6", "第一行\n\n第二行"):
        ids = tokenizer.encode(text, add_special_tokens=False)
        assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_special_tokens_are_single_ids_as_in_the_real_models(stand_ins):
    def ids(family, *tokens):
        tokenizer = rendering(f"{stand_ins[family]}:{TEMPLATES[family]}").tokenizer
        return [tokenizer.encode(token, add_special_tokens=False) for token in tokens]

    # 195 and 196 are user_token_id and assistant_token_id of Baichuan2's generation config.
    assert ids("baichuan2", "<reserved_106>", "<reserved_107>") == [[195], [196]]
    for family, tokens in (
        ("glm4", ("[gMASK]", "<sop>", "<|user|>", "<|assistant|>", "<|endoftext|>")),
        ("llama3_chinese", ("<|begin_of_text|>", "<|start_header_id|>", "<|eot_id|>")),
    ):
        assert all(len(found) == 1 for found in ids(family, *tokens))


def test_architectures_are_those_that_the_recipes_load(stand_ins):
    found = {
        family: json.loads((path / "config.json").read_text())["architectures"]
        for family, path in stand_ins.items()
    }
    assert found == {
        "baichuan2": ["LlamaForCausalLM"],
        "glm4": ["GlmForCausalLM"],
        "llama3_chinese": ["LlamaForCausalLM"],
    }


def test_the_same_seed_gives_the_same_weights(stand_ins, tmp_path):
    again = stand_in("glm4", tmp_path, steps=1)
    for name in ("model.safetensors", "tokenizer.json"):
        assert (again / name).read_bytes() == (stand_ins["glm4"] / name).read_bytes()
