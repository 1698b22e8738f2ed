"""Sizes and counts of a training, against hand counts and the Trainer itself."""

import pytest

from mi_llm.runs import training_size

pytestmark = pytest.mark.train


def test_lora_weights_of_glm4_9b_counted_by_hand():
    transformers = pytest.importorskip("transformers")
    config = transformers.GlmConfig(
        hidden_size=4096, num_hidden_layers=40, num_attention_heads=32, num_key_value_heads=2,
        head_dim=128, intermediate_size=13696, vocab_size=151552,
    )  # fmt: skip
    # Per layer, rank x (in + out): q and o 4096 + 4096; k and v 4096 + 2 x 128; gate_up 4096 +
    # 2 x 13696; down 13696 + 4096. 40 layers; the output layer is left out.
    a_layer = 8 * (2 * 8192 + 2 * 4352 + 31488 + 17792)
    assert training_size.lora_parameters(config, {"lora_target": "all"}) == 40 * a_layer
    only_q = {"lora_target": "q_proj", "lora_rank": 16}
    assert training_size.lora_parameters(config, only_q) == 40 * 16 * 8192
    with_head = {"lora_target": "q_proj", "additional_target": "embed_tokens,lm_head"}
    assert training_size.lora_parameters(config, with_head) == 40 * 8 * 8192 + 2 * 151552 * 4096
    # Float32 weights and Adam's two moments: 12 bytes each.
    assert training_size.checkpoint_bytes(config, {}) == 12 * 40 * a_layer + (32 << 20)


@pytest.mark.parametrize(
    ("rows", "settings", "processes", "steps"),
    [
        # 289 rows of micro batch 1: 289 batches, 37 steps of 8 an epoch, three epochs.
        (289, {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 8}, 1, 111),
        # Two processes: 145 batches each, 37 steps of 4.
        (289, {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 4}, 2, 111),
        (3, {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 8}, 1, 3),
        (289, {"per_device_train_batch_size": 1, "max_samples": 16, "num_train_epochs": 1}, 1, 16),
        (289, {"max_steps": 7}, 1, 7),
    ],
)
def test_steps_are_counted_as_the_trainer_counts_them(rows, settings, processes, steps):
    assert training_size.optimizer_steps(rows, settings, processes=processes) == steps


@pytest.mark.parametrize(
    ("steps", "settings", "count"),
    [
        (111, {"save_steps": 500}, 2),  # one at the end, and the adapter
        (1200, {"save_steps": 500}, 4),  # 500, 1000, 1200, and the adapter
        (1000, {"save_steps": 500}, 3),
        (1200, {"save_steps": 500, "save_total_limit": 1}, 3),  # the next before the oldest goes
        (100, {"save_steps": 0.25}, 5),
        (100, {"save_strategy": "no"}, 1),
    ],
)
def test_checkpoints_on_the_disk_at_once(steps, settings, count):
    assert training_size.checkpoints(steps, settings) == count
