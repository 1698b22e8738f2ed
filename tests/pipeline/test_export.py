"""A real merge of a trained adapter: what it computes, and the card beside it."""

import json

import pytest

from mi_llm.runs.base_models import BASE_MODELS
from tests.pipeline.llamafactory import TEMPLATES, factory, module

pytestmark = [pytest.mark.train, pytest.mark.slow]

# Large steps, so that an adapter that was lost in the merge would show.
TRAIN = (
    "use_cpu=true", "preprocessing_num_workers=1", "dataset=mi_sample_train", "max_samples=16",
    "max_steps=2", "learning_rate=1e-2", "warmup_ratio=0", "logging_steps=1",
)  # fmt: skip
PROMPT = "我想戒烟，可是一直没有成功。"


def logits_and_greedy(model, ids):
    import torch

    with torch.no_grad():
        return model(ids).logits, model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=32
        )


@pytest.mark.parametrize("family", TEMPLATES)
def test_a_merged_model_answers_as_base_and_adapter_do_and_gets_its_card(
    stand_ins, sample_rows, tmp_path, family
):
    torch = pytest.importorskip("torch")
    peft = pytest.importorskip("peft")
    transformers = pytest.importorskip("transformers")
    hub = pytest.importorskip("huggingface_hub")
    model, adapter, merged = stand_ins[family], tmp_path / "adapter", tmp_path / "merged"
    train = (
        f"configs/{family}_lora.yaml", f"model_name_or_path={model}", f"dataset_dir={sample_rows}",
        f"output_dir={adapter}", *TRAIN,
    )  # fmt: skip
    factory("train", *train)
    module("mi_llm", "stamp", *train)
    places = (f"adapter_name_or_path={adapter}", f"export_dir={merged}")
    # In bfloat16, as the recipe has it, merged weights are rounded and near ties may turn.
    factory(
        "export", f"configs/export/{family}_lora.yaml", f"model_name_or_path={model}", *places,
        "infer_dtype=float32",
    )  # fmt: skip
    assert not (merged / "README.md").exists()  # the card replaces nothing

    def load(folder):
        return transformers.AutoModelForCausalLM.from_pretrained(
            folder, torch_dtype=torch.float32
        ).eval()

    tokenizer = transformers.AutoTokenizer.from_pretrained(merged)
    ids = tokenizer.apply_chat_template(
        [{"role": "user", "content": PROMPT}], add_generation_prompt=True, return_tensors="pt"
    )
    base, _ = logits_and_greedy(load(model), ids)
    tuned = peft.PeftModel.from_pretrained(load(model), adapter).eval()
    expected, expected_tokens = logits_and_greedy(tuned, ids)
    got, tokens = logits_and_greedy(load(merged), ids)
    assert not torch.allclose(got, base, atol=1e-2)
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=0)
    assert tokens.tolist() == expected_tokens.tolist()

    printed = module("mi_llm", "card", f"configs/export/{family}_lora.yaml", *places)
    assert printed == f"{merged / 'README.md'}\n"
    card = (merged / "README.md").read_text(encoding="utf-8")
    assert BASE_MODELS[family].license_name in card
    assert f"`{family}_lora.yaml`" in card
    stamp = json.loads((tmp_path / "adapter.stamp.json").read_text(encoding="utf-8"))
    digest = stamp["inputs"][str(sample_rows / "train.json")]
    written = json.loads((sample_rows / "train.json").read_text(encoding="utf-8"))
    assert f"| `train.json` | {len(written)} | `{digest}` |" in card
    assert "**A stand-in, not a model.**" in card
    assert str(tmp_path) not in card
    data = hub.ModelCard(card).data
    assert data.base_model == BASE_MODELS[family].hub_id
    assert data.license == BASE_MODELS[family].hub_license
