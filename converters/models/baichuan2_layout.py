"""The layout that Baichuan2-7B is published in, and what each part becomes in the Llama form."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mi_llm import jsonl
from mi_llm.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import LlamaConfig

HEAD = "lm_head.weight"
PACKED = "self_attn.W_pack.weight"
PARTS = tuple(f"self_attn.{part}_proj.weight" for part in "qkv")  # in the order of W_pack's rows
_FREQUENCIES = "rotary_emb.inv_freq"  # some versions store what follows from the config
_ROPE_THETA = 10000.0  # a constant of the original code
_SIZES = (
    "hidden_size intermediate_size num_attention_heads num_hidden_layers vocab_size "
    "max_position_embeddings"
).split()
_OPTIONAL = (
    "bos_token_id eos_token_id pad_token_id hidden_act initializer_range torch_dtype use_cache"
).split()
_FIRST_GENERATION_VOCABULARY = 64000  # Baichuan-7B; every Baichuan2 has 125,696


def read_config(path: Path) -> dict[str, Any]:
    """What LlamaConfig takes of a Baichuan2-7B config.json.

    Raises:
        InputError: If it describes another model, or lacks what Llama's config needs.
    """
    found = read_object(path)
    _refuse_other_models(path, found)
    found.setdefault("max_position_embeddings", found.get("model_max_length"))
    for name in _SIZES:
        if type(found.get(name)) is not int or found[name] < 1:
            raise InputError(f"{path}: {name!r} is {found.get(name)!r}; a number is expected")
    if not isinstance(found.get("rms_norm_eps"), float):
        raise InputError(f"{path}: no number under 'rms_norm_eps'; fetch the original file")
    if found["hidden_size"] % found["num_attention_heads"]:
        raise InputError(f"{path}: hidden_size is not a multiple of num_attention_heads")
    return {name: found[name] for name in (*_SIZES, "rms_norm_eps", *_OPTIONAL) if name in found}


def llama_config(config: dict[str, Any]) -> LlamaConfig:
    """The config of the Llama form."""
    from transformers import LlamaConfig

    return LlamaConfig(
        **config,
        architectures=["LlamaForCausalLM"],
        num_key_value_heads=config["num_attention_heads"],
        rope_theta=_ROPE_THETA,
        tie_word_embeddings=False,
    )


def converted(name: str, tensor: Tensor) -> dict[str, Tensor]:
    """What an original tensor becomes, by name; views of it where nothing changes."""
    from torch.nn.functional import normalize

    if not is_weight(name):
        return {}
    if name == HEAD:
        return {name: normalize(tensor)}
    if name.endswith(PACKED):
        prefix = name.removesuffix(PACKED)
        return {prefix + part: third for part, third in zip(PARTS, tensor.chunk(3), strict=True)}
    return {name: tensor}


def is_weight(name: str) -> bool:
    """Whether a tensor is more than a table that follows from the config."""
    return not name.endswith(_FREQUENCIES)


def original_shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor of the original layout, by name."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    layer: dict[str, tuple[int, ...]] = {
        PACKED: (3 * hidden, hidden),
        "self_attn.o_proj.weight": (hidden, hidden),
        "mlp.gate_proj.weight": (inner, hidden),
        "mlp.up_proj.weight": (inner, hidden),
        "mlp.down_proj.weight": (hidden, inner),
        "input_layernorm.weight": (hidden,),
        "post_attention_layernorm.weight": (hidden,),
    }
    shapes: dict[str, tuple[int, ...]] = {
        f"model.layers.{number}.{name}": shape
        for number in range(config["num_hidden_layers"])
        for name, shape in layer.items()
    }
    outer = (config["vocab_size"], hidden)
    return {
        "model.embed_tokens.weight": outer,
        **shapes,
        "model.norm.weight": (hidden,),
        HEAD: outer,
    }


def check_tensor(path: Path, name: str, tensor: Tensor, shape: tuple[int, ...] | None) -> None:
    """Refuse a tensor whose name, shape or type is not the layout's; None: not in the layout."""
    if shape is None:
        raise InputError(f"{path}: {name} is no tensor of Baichuan2-7B's original layout")
    if tuple(tensor.shape) != shape:
        found = list(tensor.shape)
        raise InputError(
            f"{path}: {name} has shape {found} where config.json asks for {list(shape)}"
        )
    if not tensor.is_floating_point():
        raise InputError(f"{path}: {name} is {tensor.dtype}; quantised weights cannot be converted")


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file."""
    found = jsonl.read_json(path)
    if not isinstance(found, dict):
        raise InputError(f"{path}: not a JSON object; fetch the original file")
    return found


def _refuse_other_models(path: Path, config: dict[str, Any]) -> None:
    kind = config.get("model_type")
    if kind == "llama":
        raise InputError(
            f"{path}: model_type 'llama'; this is the Llama form already, use it as is"
        )
    if kind != "baichuan":
        raise InputError(f"{path}: model_type {kind!r} where 'baichuan' is expected")
    hidden, heads = config.get("hidden_size"), config.get("num_attention_heads")
    if hidden == 5120 or heads == 40 or config.get("alibi"):
        raise InputError(
            f"{path}: Baichuan2-13B (hidden_size {hidden}, {heads} heads) uses ALiBi, "
            "which Llama has not; convert Baichuan2-7B"
        )
    if config.get("vocab_size") == _FIRST_GENERATION_VOCABULARY:
        raise InputError(
            f"{path}: vocab_size 64000 is the first Baichuan-7B's, which has no NormHead; "
            "convert Baichuan2-7B"
        )
