"""Full-size checkpoints with random weights: what training speed is measured on, no download.

Speed and memory depend on shapes, not on what the weights say. The tokenizer is the stand-in's:
it knows the template's special tokens, and its ids stay far below the real vocabulary's size.

Usage: python -m benchmarks.full_size MODEL FOLDER [--tiny]
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converters.models import stand_ins
from mi_llm import files

if TYPE_CHECKING:
    from transformers import PretrainedConfig

ROOT = Path(__file__).resolve().parent.parent
TEXT = ROOT / "data/sample/train.json"

# From the published config.json files:
# https://huggingface.co/zai-org/glm-4-9b-chat-hf (at THUDM/glm-4-9b-chat 9918c3f; the rotary share
# is transformers' default), https://huggingface.co/shenzhi-wang/Llama3-8B-Chinese-Chat (979fafd),
# https://huggingface.co/baichuan-inc/Baichuan2-7B-Base (5310008; Chat has the same shapes).
GEOMETRIES: dict[str, dict[str, Any]] = {
    "glm4": {
        "hidden_size": 4096,
        "intermediate_size": 13696,
        "num_hidden_layers": 40,
        "num_attention_heads": 32,
        "num_key_value_heads": 2,
        "head_dim": 128,
        "partial_rotary_factor": 0.5,
        "attention_bias": True,
        "max_position_embeddings": 131072,
        "vocab_size": 151552,
    },
    "llama3_chinese": {
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "max_position_embeddings": 8192,
        "rope_theta": 500000.0,
        "vocab_size": 128256,
    },
    "baichuan2": {
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
        "head_dim": 128,
        "max_position_embeddings": 4096,
        "vocab_size": 125696,
    },
}


def write(model: str, folder: Path, *, tiny: bool) -> None:
    """Write a checkpoint of random bfloat16 weights with a tokenizer; whole or not at all.

    Args:
        model: A key of `GEOMETRIES`.
        folder: Folder to make.
        tiny: Keep the stand-in's own shape, for trying the benchmark itself on a CPU.
    """
    if tiny:
        stand_ins.make(model, folder, text=TEXT, steps=0, seed=0)
        return
    with tempfile.TemporaryDirectory() as name, files.whole_folder(folder) as made:
        stand_in = Path(name) / "stand_in"
        stand_ins.make(model, stand_in, text=TEXT, steps=0, seed=0)
        for path in stand_in.iterdir():
            if path.suffix != ".safetensors":
                shutil.copy(path, made)
        _write_weights(config(model, stand_in), made)


def config(model: str, stand_in: Path) -> PretrainedConfig:
    """The stand-in's config, which knows its token ids, at the published size."""
    from transformers import AutoConfig

    found = AutoConfig.from_pretrained(stand_in)
    found.update(GEOMETRIES[model])
    return found


def _write_weights(shape: PretrainedConfig, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = AutoModelForCausalLM.from_config(shape, torch_dtype=torch.bfloat16)
    model.save_pretrained(folder, max_shard_size="4GB")


if __name__ == "__main__":
    # A process of its own: what it holds of the GPU's memory is free again when it ends.
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=GEOMETRIES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tiny", action="store_true")
    given = parser.parse_args()
    write(given.model, given.folder, tiny=given.tiny)
