"""Baichuan2-7B in its original layout -> the Llama architecture, which needs no code of its own.

Source: https://huggingface.co/baichuan-inc/Baichuan2-7B-Chat (Baichuan 2 community licence); its
`modeling_baichuan.py` is Llama's model but for three things, each undone here:

| original | here |
|---|---|
| `self_attn.W_pack.weight`, [3 * hidden, hidden] | its thirds: `q_proj`, `k_proj`, `v_proj` |
| `lm_head.weight`, rows normalised at every forward (NormHead) | stored with rows of length 1 |
| a tokenizer class of its own | `LlamaTokenizer` on the same `tokenizer.model` |

Every other tensor keeps its name and its bytes. Shards are converted one at a time.
"""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converters.models import shards
from converters.models.baichuan2_layout import (
    PACKED,
    check_tensor,
    converted,
    is_weight,
    llama_config,
    original_shapes,
    read_config,
    read_object,
)
from mi_llm import files
from mi_llm.errors import InputError
from mi_llm.stamp import write_stamp

if TYPE_CHECKING:
    from torch import Tensor

# Renders as LLaMA-Factory's template `baichuan2` does (`data/template.py`, 0.9.3).
CHAT_TEMPLATE = (
    "{% for m in messages %}{% if m['role'] == 'user' %}<reserved_106>{% elif m['role'] == "
    "'assistant' %}<reserved_107>{% endif %}{{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<reserved_107>{% endif %}"
)
_TOKENS = ("bos_token", "eos_token", "unk_token", "pad_token")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A Baichuan2-7B checkpoint whose files were looked at and can be converted.

    Attributes:
        folder: Where it lies.
        config: What of its config.json carries over, under Llama's names.
        shards: The files with weights.
        counts: Tensors in, out and left out.
    """

    folder: Path
    config: dict[str, Any]
    shards: list[Path]
    counts: dict[str, int]

    @property
    def size(self) -> int:
        """Bytes of the weights; the converted ones have as many."""
        return sum(path.stat().st_size for path in self.shards)

    @property
    def sources(self) -> list[Path]:
        """Every file that the conversion reads."""
        names = ("config.json", "tokenizer.model", "tokenizer_config.json")
        small = [self.folder / name for name in (*names, "generation_config.json")]
        return [path for path in small if path.exists()] + self.shards

    def summary(self) -> str:
        """What was converted, in a few words."""
        told = ", ".join(f"{count:,} {what}" for what, count in sorted(self.counts.items()))
        return f"{len(self.shards)} files of weights, {told}"


def is_there(output: Path) -> bool:
    """Whether something was written to a folder before."""
    return output.is_dir() and any(output.iterdir())


def convert(source: Path, output: Path, *, overwrite: bool = False) -> Checkpoint:
    """Write the Llama form of a checkpoint, with its stamp; whole or not at all.

    Returns:
        The original, as it was read.

    Raises:
        InputError: If it is not a whole Baichuan2-7B checkpoint in its original layout, the output
            is in the way, or the disk too small.
    """
    files.refuse_existing_folder(output, overwrite=overwrite)
    if output.resolve() in (source.resolve(), *source.resolve().parents):
        raise InputError(f"{output}: would replace {source}; name another folder")
    checkpoint = read_checkpoint(source)
    _refuse_full_disk(output, checkpoint.size)
    with files.whole_folder(output, overwrite=overwrite) as folder:
        write_llama(checkpoint, folder)
    write_stamp(
        output,
        inputs=checkpoint.sources,
        counts=checkpoint.counts,
        packages=["torch", "transformers", "safetensors", "tokenizers", "sentencepiece"],
    )
    return checkpoint


def read_checkpoint(folder: Path) -> Checkpoint:
    """Look at every file of a checkpoint, without reading the weights.

    Raises:
        InputError: If a file is missing, cut short or not of Baichuan2-7B's layout.
    """
    try:
        import sentencepiece  # noqa: F401
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError:
        raise InputError('baichuan2 needs PyTorch; pip install -e ".[train]"') from None
    config = read_config(folder / "config.json")
    _check_vocabulary(folder / "tokenizer.model", config["vocab_size"])
    paths = shards.shard_paths(folder)
    return Checkpoint(folder, config, paths, _counts(paths, config))


def write_llama(checkpoint: Checkpoint, folder: Path) -> None:
    """Fill a folder with config, generation config, tokenizer and weights."""
    llama_config(checkpoint.config).save_pretrained(folder)
    generation = checkpoint.folder / "generation_config.json"
    if generation.exists():
        read_object(generation)
        shutil.copyfile(generation, folder / generation.name)
    _write_tokenizer(checkpoint, folder)
    _write_weights(checkpoint.shards, folder)


def _check_vocabulary(path: Path, size: int) -> None:
    import sentencepiece

    try:
        pieces = sentencepiece.SentencePieceProcessor(model_proto=files.read_bytes(path))
    except RuntimeError:
        raise InputError(f"{path}: not a SentencePiece model; fetch it again") from None
    if pieces.get_piece_size() > size:
        raise InputError(
            f"{path}: {pieces.get_piece_size():,} tokens, but config.json says vocab_size {size:,}"
        )


def _counts(paths: list[Path], config: dict[str, Any]) -> dict[str, int]:
    """Hold every tensor's name and shape against the layout, and count."""
    expected = original_shapes(config)
    counts = Counter[str]()
    for path, tensors in shards.load_all(paths):
        for name, tensor in tensors.items():
            if not is_weight(name):
                counts["left out: rotary_emb.inv_freq"] += 1
                continue
            check_tensor(path, name, tensor, expected.pop(name, None))
            counts["tensors in"] += 1
            counts["tensors out"] += 3 if name.endswith(PACKED) else 1
    if expected:
        raise InputError(
            f"{paths[0].parent}: {next(iter(expected))} is in no file of weights "
            f"({len(expected)} tensors missing); fetch them again"
        )
    return dict(counts)


def _refuse_full_disk(output: Path, needed: int) -> None:
    free = files.free_bytes(output)
    if free < needed:
        raise InputError(
            f"{output}: needs {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free; make room"
        )


def _write_tokenizer(checkpoint: Checkpoint, folder: Path) -> None:
    from transformers import LlamaTokenizerFast

    path = checkpoint.folder / "tokenizer_config.json"
    found = read_object(path)
    settings: dict[str, Any] = {name: _text(found[name]) for name in _TOKENS if found.get(name)}
    if found.get("model_max_length"):
        settings["model_max_length"] = found["model_max_length"]
    tokenizer = LlamaTokenizerFast(
        vocab_file=str(checkpoint.folder / "tokenizer.model"),
        legacy=False,
        add_bos_token=False,
        add_eos_token=False,
        add_prefix_space=False,
        chat_template=CHAT_TEMPLATE,
        **settings,
    )
    if len(tokenizer) > checkpoint.config["vocab_size"]:
        raise InputError(f"{path}: names tokens that tokenizer.model does not have")
    tokenizer.save_pretrained(folder)


def _text(token: Any) -> str:
    """A special token as text; tokenizer_config.json has it plain or with flags."""
    return str(token["content"] if isinstance(token, dict) else token)


def _write_weights(paths: list[Path], folder: Path) -> None:
    weight_map: dict[str, str] = {}
    size = 0
    for number, (_, tensors) in enumerate(shards.load_all(paths), 1):
        name = shards.output_name(number, len(paths))
        size += _write_shard(tensors, folder / name, weight_map)
    if len(paths) > 1:
        shards.write_index(folder, weight_map, size)


def _write_shard(tensors: dict[str, Tensor], path: Path, weight_map: dict[str, str]) -> int:
    """Write one shard, enter its tensors in the map and return their bytes."""
    from safetensors.torch import save_file

    made: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        made.update(converted(name, tensor.contiguous()))
    save_file(made, path, metadata={"format": "pt"})
    weight_map.update(dict.fromkeys(made, path.name))
    return sum(tensor.nbytes for tensor in made.values())
