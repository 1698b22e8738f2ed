"""Rows as LLaMA-Factory renders them: its own tokenizer and template code, and their token counts.

What is over a recipe's `cutoff_len` is lost silently there: the oldest turns in training with
`mask_history`, the target reply without it, the client's current question in prediction.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mi_llm.alpaca import AlpacaRow
from mi_llm.errors import InputError

# <|user|>, <sop>, <reserved_106>, [gMASK]: what templates mark turns with.
_MARK = re.compile(r"<[^<>\s{}]+>|\[[A-Za-z]+\]")


@dataclass(frozen=True, slots=True)
class Rendering:
    """A tokenizer and the template that LLaMA-Factory renders rows with.

    Attributes:
        tokenizer: What LLaMA-Factory loads for the model.
        template: Its template object.
        vocabulary: Tokens that the tokenizer has of its own; the ids of what the template had to
            add to it begin here, and the model has no embedding for them.
    """

    tokenizer: Any
    template: Any
    vocabulary: int

    def tokens(self, row: AlpacaRow) -> int:
        """Tokens of the whole row: prompt, histories and reply, with every special token.

        LLaMA-Factory cuts nothing off a row, in training or prediction, whatever `mask_history`
        is, exactly if this is at most `cutoff_len` (`SupervisedDatasetProcessor` and
        `UnsupervisedDatasetProcessor` of 0.9.3).
        """
        messages = [
            {"role": role, "content": text}
            for pair in row["history"]
            for role, text in zip(("user", "assistant"), pair, strict=True)
        ]
        asked = [text for text in (row.get("instruction"), row["input"]) if text]
        messages.append({"role": "user", "content": "\n".join(asked)})
        messages.append({"role": "assistant", "content": row["output"]})
        pairs = self.template.encode_multiturn(self.tokenizer, messages, row.get("system"), None)
        ends = 1 if self.template.efficient_eos else 0
        return ends + sum(len(source) + len(target) for source, target in pairs)

    def marks(self) -> dict[str, tuple[int, ...]]:
        """The marks that the template writes around turns, and the ids that each becomes."""
        found = dict.fromkeys(self._marks())
        return {mark: self._ids(mark) for mark in found}

    def broken_marks(self) -> list[str]:
        """The marks that are not one token of the model's own; none if the template fits it."""
        return [
            mark
            for mark, ids in self.marks().items()
            if len(ids) != 1 or ids[0] >= self.vocabulary or ids[0] == self.tokenizer.unk_token_id
        ]

    def _marks(self) -> Iterator[str]:
        parts = ("format_prefix", "format_system", "format_user", "format_assistant")
        for slot in (slot for part in parts for slot in getattr(self.template, part).slots):
            if isinstance(slot, str):
                yield from _MARK.findall(slot)
            elif isinstance(slot, dict):
                yield slot["token"]

    def _ids(self, mark: str) -> tuple[int, ...]:
        return tuple(self.tokenizer.encode(mark, add_special_tokens=False))


def load_rendering(model: str, template: str, *, revision: str = "main") -> Rendering:
    """Load a model's tokenizer and the template, as a recipe with these values would.

    Args:
        model: A folder, or an id of the hub that LLaMA-Factory uses.
        template: A template's name in LLaMA-Factory.
        revision: Branch, tag or commit on the hub.

    Raises:
        InputError: If LLaMA-Factory is not installed, or either part cannot be loaded.
    """
    try:
        from llamafactory.data import get_template_and_fix_tokenizer
        from llamafactory.data.template import TEMPLATES
        from llamafactory.hparams import DataArguments, ModelArguments
        from llamafactory.model import load_tokenizer
    except ImportError:
        raise InputError('counting tokens needs LLaMA-Factory; pip install -e ".[train]"') from None
    if template not in TEMPLATES:
        raise InputError(f"LLaMA-Factory has no template {template!r}")
    try:
        arguments = ModelArguments(model_name_or_path=model, model_revision=revision)
        tokenizer = load_tokenizer(arguments)["tokenizer"]
    except (ImportError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"no tokenizer can be loaded from {model}: {reason}") from None
    vocabulary = len(tokenizer)
    fixed = get_template_and_fix_tokenizer(tokenizer, DataArguments(template=template))
    return Rendering(tokenizer, fixed, vocabulary)
