"""Rows of stated length in tokens, cut from the sample dialogues.

The stand-in's tokenizer cuts Chinese into more tokens than a real one, so lengths are drawn in
tokens and text is cut to them. A dialogue has 2 to 14 rounds, all numbers equally likely (the
paper's mean is 8: 15,940 rounds in 2,000 dialogues), a round 60 to 190 tokens, which is assumed; a
row is the fixed instruction and the rounds up to one of them, in random order.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import prompts
from converters.corpora import mi_conversations
from converters.corpora.intake import Intake
from mi_llm import files
from mi_llm.alpaca import read_objects
from mi_llm.errors import InputError
from mi_llm.recipe import register_dataset
from mi_llm.validation import Columns, row_findings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ROUNDS = range(2, 15)  # a dialogue
TOKENS = range(60, 191)  # a round
STATED = (
    f"drawn: dialogues of {ROUNDS[0]} to {ROUNDS[-1]} rounds of {TOKENS[0]} to {TOKENS[-1]} tokens,"
    " one row per round with all earlier rounds; text of data/sample, stand-in's tokenizer"
)
_TEMPLATE = 20  # tokens that a template adds to a round, at most
_SAMPLE = Path(__file__).resolve().parent.parent / "data/sample/train.json"

Row = dict[str, Any]


def write(
    checkpoint: Path, folder: Path, *, given: Path | None, rows: int, tokens: int, cutoff: int
) -> None:
    """Write rows for LLaMA-Factory, registered as `bench` in the folder's dataset_info.json.

    Args:
        checkpoint: Whose tokenizer counts.
        folder: Where `bench.json` and `dataset_info.json` go.
        given: Alpaca rows to use, over and over, instead of drawn ones.
        rows: The fewest to write.
        tokens: The fewest in all rows together, each counted up to `cutoff`.
        cutoff: The recipe's cutoff_len.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    source = cycle(read(given)) if given else drawn(tokenizer, cutoff=cutoff, seed=0)
    taken = _enough(source, lambda row: min(_length(tokenizer, row), cutoff), rows, tokens)
    with files.whole(folder / "bench.json", overwrite=True) as stream:
        json.dump(taken, stream, ensure_ascii=False)
    register_dataset(
        "bench", folder / "bench.json", Columns(), info_path=folder / "dataset_info.json"
    )


def read(path: Path) -> list[Row]:
    """The rows of a file of Alpaca rows.

    Raises:
        InputError: If it is unreadable, or a row is not what LLaMA-Factory trains on.
    """
    rows = read_objects(path)
    for finding in row_findings(rows, Columns()):
        raise InputError(f"{path}: row {finding.row}: {finding.message}")
    return rows


def drawn(tokenizer: PreTrainedTokenizerBase, *, cutoff: int, seed: int) -> Iterator[Row]:
    """Yield rows without end; one that would pass the cutoff loses its oldest rounds."""
    draw = random.Random(seed)
    piece = _cutter(tokenizer)
    instruction = prompts.load("counselor.v1").text
    fixed = len(tokenizer(instruction)["input_ids"])
    while True:
        # All rows of all dialogues, shuffled: a long dialogue has more rows to be met.
        [of_dialogue] = draw.choices(ROUNDS, weights=ROUNDS)
        sizes = [draw.choice(TOKENS) for _ in range(draw.randint(1, of_dialogue))]
        while fixed + sum(sizes) + _TEMPLATE * len(sizes) > cutoff and len(sizes) > 1:
            del sizes[0]
        *history, last = [
            [piece(draw, size * 2 // 5), piece(draw, size - size * 2 // 5)] for size in sizes
        ]
        yield {
            "instruction": instruction,
            "input": last[0],
            "output": last[1],
            "history": history,
        }


def _cutter(tokenizer: PreTrainedTokenizerBase) -> Callable[[random.Random, int], str]:
    dialogues = mi_conversations.read(_SAMPLE, Intake())
    text = "".join(turn.content for dialogue in dialogues for turn in dialogue.turns)
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    starts = [start for start, _ in offsets["offset_mapping"]]

    def piece(draw: random.Random, tokens: int) -> str:
        first = draw.randrange(len(starts) - tokens)
        return text[starts[first] : starts[first + tokens]]

    return piece


def _enough(
    source: Iterable[Row], length: Callable[[Row], int], rows: int, tokens: int
) -> list[Row]:
    taken: list[Row] = []
    for row in source:
        taken.append(row)
        tokens -= length(row)
        if len(taken) >= rows and tokens <= 0:
            break
    return taken


def _length(tokenizer: PreTrainedTokenizerBase, row: Row) -> int:
    texts = [row.get("instruction", ""), row["input"], row["output"]]
    texts += [text for pair in row["history"] for text in pair]
    return len(tokenizer("".join(texts))["input_ids"])
