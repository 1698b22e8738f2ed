"""A Baichuan2 checkpoint in Llama form held against its original: every id and every weight."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converters.models import baichuan2, shards
from converters.models.baichuan2_layout import (
    HEAD,
    PACKED,
    PARTS,
    is_weight,
    llama_config,
    read_object,
)
from mi_llm import files
from mi_llm.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

# user_token_id and assistant_token_id of the original's generation config.
_MARKS = {"<reserved_106>": 195, "<reserved_107>": 196}
_FIXED = ("architectures", "model_type", "num_key_value_heads", "rope_theta", "tie_word_embeddings")
_ROWS = 8192  # of lm_head that are compared at a time


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison: what was compared, how many were, and where they differ."""

    what: str
    count: int
    differing: list[str]

    def line(self) -> str:
        """The outcome as one line."""
        if not self.differing:
            return f"ok: {self.what}: {self.count:,}"
        first = "; ".join(self.differing[:3])
        return f"DIFFERENT: {self.what}: {len(self.differing):,} of {self.count:,}: {first}"


def sample_lines(text: Path) -> list[str]:
    """The lines of a text file, each with its line break.

    Raises:
        InputError: If it cannot be read or is empty.
    """
    lines = files.read_text(text).splitlines(keepends=True)
    if not lines:
        raise InputError(f"{text}: empty; name a text to compare tokens on")
    return lines


def verify(source: Path, output: Path, lines: list[str]) -> Iterator[Check]:
    """Compare ids of both tokenizers with sentencepiece, and every tensor with its source.

    Raises:
        InputError: If either checkpoint is not whole.
    """
    original = baichuan2.read_checkpoint(source)
    yield _config_check(original.config, output)
    yield from _token_checks(source, output, lines)
    yield from _tensor_checks(original, output)


def _config_check(config: dict[str, Any], output: Path) -> Check:
    wanted = llama_config(config).to_dict()
    wanted = {name: wanted[name] for name in (*config, *_FIXED) if name != "torch_dtype"}
    found = read_object(output / "config.json")
    told = [
        f"{name} is {found.get(name)!r}, not {value!r}"
        for name, value in wanted.items()
        if found.get(name) != value
    ]
    return Check("config.json, settings as in the original", len(wanted), told)


def _token_checks(source: Path, output: Path, lines: list[str]) -> Iterator[Check]:
    import sentencepiece
    from transformers import LlamaTokenizer, LlamaTokenizerFast

    pieces = sentencepiece.SentencePieceProcessor(model_file=str(source / "tokenizer.model"))
    for kind in (LlamaTokenizer, LlamaTokenizerFast):
        tokenizer = _tokenizer(kind, output)
        told = [
            f"line {number}"
            for number, line in enumerate(lines, 1)
            if tokenizer.encode(line) != pieces.encode(line)
        ]
        yield Check(f"{kind.__name__}, lines with sentencepiece's ids", len(lines), told)
        told = [
            f"{mark} is {found}, not {[number]}"
            for mark, number in _MARKS.items()
            if (found := tokenizer.encode(mark)) != [number]
        ]
        yield Check(f"{kind.__name__}, speaker marks 195 and 196", len(_MARKS), told)


def _tokenizer(kind: Any, output: Path) -> Any:
    try:
        return kind.from_pretrained(output)
    except (OSError, ValueError) as error:
        raise InputError(f"{output}: no tokenizer that loads: {error}") from None


def _tensor_checks(original: baichuan2.Checkpoint, output: Path) -> Iterator[Check]:
    made = {
        name: tensor
        for _, tensors in shards.load_all(shards.shard_paths(output))
        for name, tensor in tensors.items()
    }
    found: dict[Callable[..., str], list[tuple[str, str]]] = {
        compare: [] for compare in _COMPARISONS
    }
    for _, tensors in shards.load_all(original.shards):
        for name, tensor in tensors.items():
            if is_weight(name):
                compare = _comparison(name)
                found[compare].append((name, compare(name, tensor, made)))
    for compare, outcomes in found.items():
        told = [f"{name} {difference}" for name, difference in outcomes if difference]
        yield Check(_COMPARISONS[compare], len(outcomes), told)
    yield Check("tensors that the original has not", len(made), sorted(made))


def _comparison(name: str) -> Callable[..., str]:
    if name == HEAD:
        return _head
    return _packed if name.endswith(PACKED) else _same


def _packed(name: str, tensor: Tensor, made: dict[str, Tensor]) -> str:
    """How q, k and v, taken out of `made`, differ from W_pack; nothing if they do not."""
    import torch

    prefix = name.removesuffix(PACKED)
    parts = [made.pop(prefix + part, None) for part in PARTS]
    if any(part is None or part.dtype != tensor.dtype for part in parts):
        return "has a part missing or of another type"
    return "" if torch.equal(torch.cat(parts), tensor) else "differs"


def _head(name: str, tensor: Tensor, made: dict[str, Tensor]) -> str:
    import torch

    found = made.pop(name, None)
    if found is None or found.shape != tensor.shape:
        return "is missing or of another shape"
    # Norm and quotient are each rounded once; below 1e-5 sums differ by their order.
    near = max(torch.finfo(found.dtype).eps, 1e-5)
    for ours, theirs in zip(found.split(_ROWS), tensor.split(_ROWS), strict=True):
        unit = torch.nn.functional.normalize(theirs.float())
        if not torch.allclose(ours.float().norm(dim=1), unit.norm(dim=1), rtol=0, atol=near):
            return "has rows whose length is not 1"
        if not torch.allclose(ours.float(), unit, rtol=near, atol=1e-6):
            return "has rows of another direction"
    return ""


def _same(name: str, tensor: Tensor, made: dict[str, Tensor]) -> str:
    import torch

    found = made.pop(name, None)
    if found is None or found.dtype != tensor.dtype:
        return "is missing or of another type"
    return "" if torch.equal(found, tensor) else "differs"


_COMPARISONS: dict[Callable[..., str], str] = {
    _packed: "q, k and v packed again equal W_pack, layers",
    _head: "lm_head's rows have length 1 and the original's direction",
    _same: "other tensors equal the original's",
}
