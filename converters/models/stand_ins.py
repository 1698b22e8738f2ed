"""Tiny checkpoints of the three base-model families, made offline: what recipes are tried with.

A stand-in loads, trains, predicts and serves through the same code as the real model, because it
has the same architecture class, special tokens and chat template. Its ability is nil and its scores
say nothing about the real model.

| family | architecture | tokenizer |
|---|---|---|
| baichuan2 | Llama (converted, as the recipes' copy is) | SentencePiece BPE, byte fallback |
| glm4 | GLM | byte-level BPE |
| llama3_chinese | Llama | byte-level BPE |
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from converters.corpora import mi_conversations
from converters.corpora.intake import Intake
from converters.models import baichuan2, warm_up
from converters.models.baichuan2_layout import original_shapes
from mi_llm import files, jsonl
from mi_llm.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

VOCABULARY = 1000
_SHAPE = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 8192,
    "tie_word_embeddings": False,
}

# Special tokens in the order of the real vocabularies; chat templates render as LLaMA-Factory's
# templates of the same families do (`data/template.py`, 0.9.3).
_GLM4_SPECIAL = (
    "<|endoftext|> [MASK] [gMASK] [sMASK] <sop> <eop> <|system|> <|user|> <|assistant|> "
    "<|observation|> <|begin_of_image|> <|end_of_image|> <|begin_of_video|> <|end_of_video|>"
).split()
_GLM4_CHAT = (
    "[gMASK]<sop>{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
_LLAMA3_SPECIAL = (
    "<|begin_of_text|> <|end_of_text|> <|reserved_special_token_0|> <|reserved_special_token_1|> "
    "<|reserved_special_token_2|> <|reserved_special_token_3|> <|start_header_id|> "
    "<|end_header_id|> <|reserved_special_token_4|> <|eot_id|>"
).split()
_LLAMA3_CHAT = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n"
    "{{ m['content'] }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
# In Baichuan2 <reserved_106> and <reserved_107>, which mark the two speakers, are 195 and 196.
_BAICHUAN2_FIRST_RESERVED = 195 - 106


@dataclass(frozen=True, slots=True)
class StandIn:
    """What was made.

    Attributes:
        parameters: Number of weights.
        vocabulary: Number of token ids.
        first_loss: Cross-entropy per token before the warm-up, in nats.
        last_loss: The same at its last step.
    """

    parameters: int
    vocabulary: int
    first_loss: float
    last_loss: float


def make(
    family: str, output: Path, *, text: Path, steps: int, seed: int, overwrite: bool = False
) -> StandIn:
    """Write a stand-in checkpoint: config, weights in bfloat16, tokenizer, generation config.

    Args:
        family: A key of `FAMILIES`.
        output: Folder to make; it appears whole or not at all.
        text: Conversations that the tokenizer and the warm-up learn from.
        steps: Warm-up steps as a plain language model; 0 leaves the weights random.
        seed: The same seed, text and library versions give the same weights.
        overwrite: Whether a folder that exists is replaced.

    Raises:
        InputError: If the family is unknown, the text unreadable or the folder in the way.
    """
    if family not in FAMILIES:
        raise InputError(f"no family {family!r}; there are: {', '.join(FAMILIES)}")
    files.refuse_existing_folder(output, overwrite=overwrite)
    lines = [
        turn.content
        for dialogue in mi_conversations.read(text, Intake())
        for turn in dialogue.turns
    ]
    try:
        import torch
    except ImportError:
        raise InputError('stand-in needs PyTorch; pip install -e ".[train]"') from None
    torch.manual_seed(seed)
    with files.whole_folder(output, overwrite=overwrite) as folder:
        tokenizer, model = FAMILIES[family](lines, folder)
        losses = warm_up.train(model, tokenizer, lines, steps=steps)
        model.to(torch.bfloat16).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return StandIn(model.num_parameters(), len(tokenizer), losses[0], losses[-1])


def _glm4(lines: list[str], _: Path) -> tuple[PreTrainedTokenizerFast, PreTrainedModel]:
    from transformers import GenerationConfig, GlmConfig, GlmForCausalLM

    tokenizer = _byte_level(lines, _GLM4_SPECIAL, _GLM4_CHAT)
    tokenizer.add_special_tokens({"eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"})
    stops = tokenizer.convert_tokens_to_ids(["<|endoftext|>", "<|user|>", "<|observation|>"])
    config = GlmConfig(
        **_SHAPE,
        vocab_size=len(tokenizer),
        head_dim=16,
        partial_rotary_factor=0.5,
        attention_bias=True,
        eos_token_id=stops,
        pad_token_id=stops[0],
    )
    model = GlmForCausalLM(config)
    model.generation_config = GenerationConfig(
        do_sample=True, temperature=0.8, top_p=0.8, eos_token_id=stops, pad_token_id=stops[0]
    )
    return tokenizer, model


def _llama3_chinese(lines: list[str], _: Path) -> tuple[PreTrainedTokenizerFast, PreTrainedModel]:
    tokenizer = _byte_level(lines, _LLAMA3_SPECIAL, _LLAMA3_CHAT)
    tokenizer.add_special_tokens(
        {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>", "pad_token": "<|eot_id|>"}
    )
    return tokenizer, _llama(tokenizer, rope_theta=500000.0)


def _baichuan2(lines: list[str], folder: Path) -> tuple[PreTrainedTokenizerFast, PreTrainedModel]:
    import torch
    from transformers import LlamaForCausalLM, LlamaTokenizerFast

    with tempfile.TemporaryDirectory() as name:
        _write_original_baichuan2(lines, Path(name))
        baichuan2.write_llama(baichuan2.read_checkpoint(Path(name)), folder)
    model = LlamaForCausalLM.from_pretrained(folder, torch_dtype=torch.float32)
    return LlamaTokenizerFast.from_pretrained(folder), model


def _write_original_baichuan2(lines: list[str], folder: Path) -> None:
    """An untrained checkpoint in the layout that Baichuan2-7B is published in."""
    import torch
    from safetensors.torch import save_file

    vocabulary = _sentencepiece(lines)
    (folder / "tokenizer.model").write_bytes(vocabulary)
    tokens = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<unk>"}
    ids = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    size = _pieces(vocabulary)
    config = {**_SHAPE, **ids, "model_type": "baichuan", "vocab_size": size, "rms_norm_eps": 1e-6}
    for name, facts in (
        ("config.json", config),
        ("tokenizer_config.json", tokens),
        ("generation_config.json", ids),
    ):
        (folder / name).write_text(jsonl.dumped(facts), encoding="utf-8")
    weights = {
        name: torch.randn(shape) * 0.02 if len(shape) > 1 else torch.ones(shape)
        for name, shape in original_shapes(config).items()
    }
    save_file(weights, folder / "model.safetensors")


def _sentencepiece(lines: list[str]) -> bytes:
    import sentencepiece

    reserved = [f"<unused_{number}>" for number in range(3, _BAICHUAN2_FIRST_RESERVED)]
    reserved += [f"<reserved_{number}>" for number in range(130)]
    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=trained,
        model_type="bpe",
        vocab_size=VOCABULARY + len(reserved) + 256,
        hard_vocab_limit=False,
        byte_fallback=True,
        character_coverage=0.98,
        required_chars="\u2581",  # stands for a space
        normalization_rule_name="identity",
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        user_defined_symbols=reserved,
        num_threads=1,
        minloglevel=2,
    )
    return trained.getvalue()


def _pieces(vocabulary: bytes) -> int:
    import sentencepiece

    return int(sentencepiece.SentencePieceProcessor(model_proto=vocabulary).get_piece_size())


def _byte_level(lines: Iterable[str], special: list[str], chat: str) -> PreTrainedTokenizerFast:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    learned = Tokenizer(models.BPE())
    learned.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    learned.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    learned.train_from_iterator(lines, trainer)
    learned.add_special_tokens([AddedToken(token, special=True) for token in special])
    return PreTrainedTokenizerFast(
        tokenizer_object=learned, chat_template=chat, clean_up_tokenization_spaces=False
    )


def _llama(tokenizer: PreTrainedTokenizerFast, *, rope_theta: float) -> PreTrainedModel:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        **_SHAPE,
        vocab_size=len(tokenizer),
        rope_theta=rope_theta,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


# Each takes the texts and the folder being filled, for files that the tokenizer refers to.
FAMILIES: dict[
    str, Callable[[list[str], Path], tuple[PreTrainedTokenizerFast, PreTrainedModel]]
] = {
    "baichuan2": _baichuan2,
    "glm4": _glm4,
    "llama3_chinese": _llama3_chinese,
}
