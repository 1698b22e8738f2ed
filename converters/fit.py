"""How many tokens a row becomes, as LLaMA-Factory renders it: its own tokenizer and template code.

What is over a recipe's `cutoff_len` is lost silently there: the oldest turns in training with
`mask_history`, the target reply without it, the client's current question in prediction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from converters.rows import Fits
from mi_llm.alpaca import AlpacaRow
from mi_llm.errors import InputError


@dataclass(frozen=True, slots=True)
class Rendering:
    """A tokenizer and the template that LLaMA-Factory renders rows with.

    Attributes:
        name: As the user wrote it, `TOKENIZER:TEMPLATE`.
        tokenizer: What LLaMA-Factory loads from TOKENIZER.
        template: Its template object.
    """

    name: str
    tokenizer: Any
    template: Any

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


def rendering(name: str) -> Rendering:
    """Load `TOKENIZER:TEMPLATE`: a folder or hub id, and a template's name in LLaMA-Factory.

    A revision of the hub goes behind `@`: `shenzhi-wang/Llama3-8B-Chinese-Chat@v2:llama3`.

    Raises:
        InputError: If it is not of this form, or either part cannot be loaded.
    """
    path, _, template_name = name.rpartition(":")
    if not path:
        raise InputError(f"--fit {name}: write TOKENIZER:TEMPLATE, e.g. models/glm4:glm4")
    try:
        from llamafactory.data import get_template_and_fix_tokenizer
        from llamafactory.data.template import TEMPLATES
        from llamafactory.hparams import DataArguments, ModelArguments
        from llamafactory.model import load_tokenizer
    except ImportError:
        raise InputError('--fit needs LLaMA-Factory; pip install -e ".[train]"') from None
    if template_name not in TEMPLATES:
        raise InputError(f"--fit {name}: LLaMA-Factory has no template {template_name!r}")
    try:
        model, _, revision = path.partition("@")
        tokenizer = load_tokenizer(
            ModelArguments(model_name_or_path=model, model_revision=revision or "main")
        )["tokenizer"]
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"--fit {name}: no tokenizer can be loaded: {reason}") from None
    template = get_template_and_fix_tokenizer(tokenizer, DataArguments(template=template_name))
    return Rendering(name, tokenizer, template)


def length_limit(names: Sequence[str], cutoff_len: int) -> Fits:
    """`limit` for renderings that are still to be loaded."""
    return limit([rendering(name) for name in names], cutoff_len)


def limit(renderings: Sequence[Rendering], cutoff_len: int) -> Fits:
    """A test whether a row has at most `cutoff_len` tokens under every rendering."""

    def fits(row: AlpacaRow) -> bool:
        return all(one.tokens(row) <= cutoff_len for one in renderings)

    return fits
