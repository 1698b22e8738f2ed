"""Baichuan2 as it is published, made small: its files, and its forward pass as described.

Nothing here is taken from the converter: the layout is written out, and the model computed in
float64 with the rotation of RoPE as a product of complex numbers.
"""

import io
import json
from pathlib import Path

import sentencepiece
import torch
from safetensors.torch import save_file

HIDDEN, INNER, HEADS, LAYERS = 64, 176, 4, 3
EPSILON = 1e-6
TEXT = [
    "我想少抽一点，可是一到晚上就忍不住。",
    "你已经在盘算改变了，这并不容易。",
    "I would like to drink less, but the evenings are long.",
    "每天五支烟。 km/h 5-6",
    "听起来，你一方面想戒，另一方面又舍不得。",
    "What would be the first step for you?",
]


def tokenizer_model():
    """A SentencePiece model with Baichuan2's speaker marks at 195 and 196."""
    symbols = [f"<filler_{number}>" for number in range(86)]
    symbols += [f"<reserved_{number}>" for number in range(120)]
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT * 5), model_writer=written, model_type="bpe", vocab_size=700,
        hard_vocab_limit=False, byte_fallback=True, normalization_rule_name="identity",
        add_dummy_prefix=False, remove_extra_whitespaces=False, user_defined_symbols=symbols,
        required_chars="\u2581", num_threads=1, minloglevel=2,
    )  # fmt: skip
    return written.getvalue()


def config(vocabulary, **changed):
    return {
        "architectures": ["BaichuanForCausalLM"],
        "auto_map": {"AutoModelForCausalLM": "modeling_baichuan.BaichuanForCausalLM"},
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "hidden_size": HIDDEN,
        "intermediate_size": INNER,
        "model_max_length": 512,
        "model_type": "baichuan",
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "pad_token_id": 0,
        "rms_norm_eps": EPSILON,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "vocab_size": vocabulary,
        **changed,
    }


GENERATION = {
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "user_token_id": 195,
    "assistant_token_id": 196, "max_new_tokens": 2048, "temperature": 0.3, "top_k": 5,
    "top_p": 0.85, "repetition_penalty": 1.05, "do_sample": True,
}  # fmt: skip


def shapes(vocabulary, hidden=HIDDEN, inner=INNER, layers=LAYERS):
    """The published layout: every tensor's name and shape."""
    made: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (vocabulary, hidden)}
    for number in range(layers):
        made |= {
            f"model.layers.{number}.self_attn.W_pack.weight": (3 * hidden, hidden),
            f"model.layers.{number}.self_attn.o_proj.weight": (hidden, hidden),
            f"model.layers.{number}.mlp.gate_proj.weight": (inner, hidden),
            f"model.layers.{number}.mlp.up_proj.weight": (inner, hidden),
            f"model.layers.{number}.mlp.down_proj.weight": (hidden, inner),
            f"model.layers.{number}.input_layernorm.weight": (hidden,),
            f"model.layers.{number}.post_attention_layernorm.weight": (hidden,),
        }
    return {**made, "model.norm.weight": (hidden,), "lm_head.weight": (vocabulary, hidden)}


def weights(vocabulary, *, seed=0):
    """Random weights, large enough for attention to be far from uniform."""
    random = torch.Generator().manual_seed(seed)
    scale = {"model.embed_tokens.weight": 8.0, "lm_head.weight": 5.0}
    made = {}
    for name, shape in shapes(vocabulary).items():
        drawn = torch.randn(shape, generator=random) / shape[-1] ** 0.5
        made[name] = 1 + drawn if len(shape) == 1 else scale.get(name, 1.2) * drawn
    return made


def write(folder, kind, *, shards=3, dtype=torch.float32):
    """Write a checkpoint in the original layout; return its weights.

    `kind` is "safetensors" or "bin"; one shard is one file without an index.
    """
    folder.mkdir(parents=True)
    model = tokenizer_model()
    vocabulary = sentencepiece.SentencePieceProcessor(model_proto=model).get_piece_size() + 4
    (folder / "tokenizer.model").write_bytes(model)
    marks = {"lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    special = {"bos": "<s>", "eos": "</s>", "pad": "<unk>", "unk": "<unk>"}
    tokens = {
        f"{name}_token": {"__type": "AddedToken", "content": content, **marks}
        for name, content in special.items()
    }
    tokenizer = {
        "add_bos_token": False, "add_eos_token": False, "model_max_length": 512, "use_fast": False,
        "auto_map": {"AutoTokenizer": ["tokenization_baichuan.BaichuanTokenizer", None]},
        "tokenizer_class": "BaichuanTokenizer", **tokens,
    }  # fmt: skip
    write_json(folder / "config.json", config(vocabulary))
    write_json(folder / "tokenizer_config.json", tokenizer)
    write_json(folder / "generation_config.json", GENERATION)
    made = {name: tensor.to(dtype) for name, tensor in weights(vocabulary).items()}
    write_weights(folder, made, kind, shards)
    return made


def write_large(folder, kind):
    """Write 2 GB in four shards, all ones: what the peak of memory is measured on."""
    folder = Path(folder)
    write(folder, "safetensors")
    for old in folder.glob("model*"):
        old.unlink()
    hidden, inner, layers, vocabulary = 2048, 5504, 15, 64064
    sizes = {"hidden_size": hidden, "intermediate_size": inner, "num_hidden_layers": layers}
    write_json(folder / "config.json", config(vocabulary, **sizes, torch_dtype="bfloat16"))
    wide = shapes(vocabulary, hidden, inner, layers).items()
    ones = {name: torch.ones(shape, dtype=torch.bfloat16) for name, shape in wide}
    write_weights(folder, ones, kind, 4)


def write_json(path, value):
    path.write_text(json.dumps(value), encoding="utf-8")


def write_weights(folder, tensors, kind, shards):
    stem = "model" if kind == "safetensors" else "pytorch_model"
    names = list(tensors)
    places: dict[str, str] = {}
    for number in range(shards):
        part = {name: tensors[name] for name in names[number::shards]}
        of = "" if shards == 1 else f"-{number + 1:05}-of-{shards:05}"
        path = folder / f"{stem}{of}.{kind}"
        save_file(part, path) if kind == "safetensors" else torch.save(part, path)
        places |= dict.fromkeys(part, path.name)
    if shards > 1:
        size = sum(tensor.nbytes for tensor in tensors.values())
        index = {"metadata": {"total_size": size}, "weight_map": places}
        write_json(folder / f"{stem}.{kind}.index.json", index)


def logits(tensors, ids):
    """The model's output for one sequence, [tokens, vocabulary], in float64."""
    tensors = {name: tensor.double() for name, tensor in tensors.items()}
    x = tensors["model.embed_tokens.weight"][ids]
    for number in range(LAYERS):
        layer = {
            name.removeprefix(f"model.layers.{number}."): tensor
            for name, tensor in tensors.items()
            if name.startswith(f"model.layers.{number}.")
        }
        x = x + _attention(layer, _rms_norm(x, layer["input_layernorm.weight"]))
        x = x + _swiglu(layer, _rms_norm(x, layer["post_attention_layernorm.weight"]))
    head = tensors["lm_head.weight"]
    return _rms_norm(x, tensors["model.norm.weight"]) @ (head / head.norm(dim=1, keepdim=True)).T


def _rms_norm(x, weight):
    return weight * x / (x.pow(2).mean(dim=-1, keepdim=True) + EPSILON).sqrt()


def _attention(layer, x):
    tokens, width = len(x), HIDDEN // HEADS
    packed = x @ layer["self_attn.W_pack.weight"].T
    query, key, value = (
        packed[:, part * HIDDEN : (part + 1) * HIDDEN].view(tokens, HEADS, width).transpose(0, 1)
        for part in range(3)
    )
    scores = _rotated(query) @ _rotated(key).transpose(1, 2) / width**0.5
    future = torch.ones(tokens, tokens, dtype=torch.bool).triu(1)
    seen = scores.masked_fill(future, -torch.inf).softmax(dim=-1) @ value
    return seen.transpose(0, 1).reshape(tokens, HIDDEN) @ layer["self_attn.o_proj.weight"].T


def _rotated(x):
    """RoPE: components i and i + width/2 are one complex number, turned by its position's angle."""
    half = x.shape[-1] // 2
    speed = 10000.0 ** (-torch.arange(half, dtype=torch.float64) / half)
    angle = torch.arange(x.shape[1], dtype=torch.float64)[:, None] * speed
    turned = torch.complex(x[..., :half], x[..., half:]) * torch.polar(
        torch.ones_like(angle), angle
    )
    return torch.cat([turned.real, turned.imag], dim=-1)


def _swiglu(layer, x):
    gate = x @ layer["mlp.gate_proj.weight"].T
    up = x @ layer["mlp.up_proj.weight"].T
    return (gate * gate.sigmoid() * up) @ layer["mlp.down_proj.weight"].T
