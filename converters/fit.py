"""`--fit`: rows short enough for the base models that will read them."""

from __future__ import annotations

from collections.abc import Sequence

from converters.rows import Fits
from mi_llm.alpaca import AlpacaRow
from mi_llm.errors import InputError
from mi_llm.runs.rendering import Rendering, load_rendering


def rendering(name: str) -> Rendering:
    """Load `TOKENIZER:TEMPLATE`: a folder or hub id, and a template's name in LLaMA-Factory.

    A revision of the hub goes behind `@`: `shenzhi-wang/Llama3-8B-Chinese-Chat@v2:llama3`.

    Raises:
        InputError: If it is not of this form, or either part cannot be loaded.
    """
    path, _, template = name.rpartition(":")
    if not path:
        raise InputError(f"--fit {name}: write TOKENIZER:TEMPLATE, e.g. models/glm4:glm4")
    model, _, revision = path.partition("@")
    try:
        return load_rendering(model, template, revision=revision or "main")
    except InputError as error:
        raise InputError(f"--fit {name}: {error}") from None


def length_limit(names: Sequence[str], cutoff_len: int) -> Fits:
    """`limit` for renderings that are still to be loaded."""
    return limit([rendering(name) for name in names], cutoff_len)


def limit(renderings: Sequence[Rendering], cutoff_len: int) -> Fits:
    """A test whether a row has at most `cutoff_len` tokens under every rendering."""

    def fits(row: AlpacaRow) -> bool:
        return all(one.tokens(row) <= cutoff_len for one in renderings)

    return fits
