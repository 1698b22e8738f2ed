"""What LLaMA-Factory would mis-train on silently, or die of, found beforehand.

The one validation core: `converters check` and whatever else judges rows or recipes calls it.
Behaviour is that of LLaMA-Factory 0.9.3 with datasets 3.6: `data/converter.py` and
`data/processor/supervised.py` there, and the JSON loader of datasets.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from mi_llm.alpaca import AlpacaRow
from mi_llm.characters import is_blank
from mi_llm.columns import Columns as Columns
from mi_llm.columns import usual_columns as usual_columns

# datasets reads JSON Lines in blocks of this many bytes (plus the rest of the line), and the
# first block decides the type of every column (packaged_modules/json/json.py, `chunksize`).
LOADER_BLOCK = 10 << 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong, with its remedy.

    Attributes:
        kind: The same word for the same fault, so that many can be told in one line.
        message: What is wrong and what to do, without the file's name.
        row: The row counted from 0, or None if the fault is the whole file's.
    """

    kind: str
    message: str
    row: int | None = None


def column_findings(columns: Columns) -> Iterator[Finding]:
    """Yield what is wrong with the mapping itself."""
    if not columns.replies:
        yield Finding(
            "columns",
            "dataset_info.json maps no 'response' column, so every row would be dropped; map it",
        )


def row_findings(rows: Sequence[Any], columns: Columns) -> Iterator[Finding]:
    """Yield what is wrong with single rows, in row order."""
    types: dict[str, tuple[str, int]] = {}
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            yield Finding("row", f"is {_type(row)}, not an object; write one object a row", number)
            continue
        for kind, message in (
            *_missing_keys(row, columns),
            *_bad_texts(row, columns),
            *_bad_history(row, columns),
            *_mixed_types(row, columns, types, number),
        ):
            yield Finding(kind, message, number)


def loading_findings(path: Path, rows: Sequence[Any], columns: Columns) -> Iterator[Finding]:
    """Yield what makes the JSON Lines loader fail though every row is right by itself."""
    with path.open("rb") as stream:
        block = stream.read(LOADER_BLOCK) + stream.readline()
    if block.removeprefix(BOM_UTF8).lstrip().startswith(b"["):  # read as one block
        if block.startswith(BOM_UTF8):
            yield Finding(
                "byte order mark",
                "begins with a byte order mark, which the loader cannot read before a JSON array; "
                "save it as UTF-8 without one",
            )
        return
    first = sum(bool(line.strip()) for line in block.split(b"\n"))
    key = columns.history
    if not key or not 0 < first < len(rows):
        return
    if any(_value(row, key) for row in rows[:first]):
        return
    later = next((n for n in range(first, len(rows)) if _value(rows[n], key)), None)
    if later is not None:
        yield Finding(
            "empty first block",
            f"the first {first:,} rows all have an empty '{key}', and the loader takes its type "
            f"from them and fails at row {later}; shuffle the rows or write a .json array",
        )


def mask_findings(
    rows: Sequence[Any], columns: Columns, *, mask_history: bool
) -> Iterator[Finding]:
    """Yield whether `mask_history` fits the rows, for a recipe that trains on them.

    With one row per round each reply of a history is some row's own output as well, and must be
    masked; with one row per dialogue it stands nowhere else, and must not be. The majority of the
    history replies decides. Rows without histories fit either setting.
    """
    if columns.response is None:
        return
    good = [row for row in rows if not list(row_findings([row], columns))]
    # The client's turn stands under the query, or under the prompt in rows without a fixed one.
    asked = [key for key in (columns.query, columns.prompt) if key]
    targets = {hash((row.get(key), row[columns.response])) for row in good for key in asked}
    earlier = [hash(tuple(pair)) for row in good for pair in row.get(columns.history or "") or ()]
    if not earlier:
        return
    repeated = sum(pair in targets for pair in earlier)
    per_round = 2 * repeated > len(earlier)
    if per_round and not mask_history:
        yield Finding(
            "mask_history",
            f"{repeated:,} replies in the histories are other rows' outputs and would be learned "
            "again and again; set mask_history: true, or write the rows with --rows dialogue",
        )
    if not per_round and mask_history:
        yield Finding(
            "mask_history",
            f"{len(earlier) - repeated:,} replies stand in histories alone and would never be "
            "learned; set mask_history: false, or write the rows with --rows round",
        )


def length_findings(
    rows: Sequence[Any], columns: Columns, tokens: Callable[[AlpacaRow], int], *, most: int
) -> Iterator[Finding]:
    """Yield the rows that LLaMA-Factory would cut, which it does without a word.

    Args:
        rows: Rows; those that have findings of their own are passed over.
        columns: Which key of a row holds what.
        tokens: A row's length, `mi_llm.runs.rendering.Rendering.tokens`.
        most: The recipe's `cutoff_len`.
    """
    for number, row in enumerate(rows):
        if list(row_findings([row], columns)):
            continue
        length = max(tokens(_usual(row, columns, reply)) for reply in columns.replies)
        if length > most:
            yield Finding(
                "length",
                f"{length:,} tokens, which would be cut to cutoff_len {most:,}; "
                "write the rows with --fit TOKENIZER:TEMPLATE",
                number,
            )


def summarised(findings: Iterable[Finding], *, most: int = 5) -> Iterator[str]:
    """Yield a line per finding, and one line for all beyond the first `most` of a kind."""
    counts: Counter[str] = Counter()
    for finding in findings:
        counts[finding.kind] += 1
        if counts[finding.kind] <= most:
            place = "" if finding.row is None else f" row {finding.row}"
            yield f"{place}: {finding.message}"
    for kind, count in counts.items():
        if count > most:
            yield f": and {count - most:,} more with the same fault ({kind})"


def _usual(row: Mapping[str, Any], columns: Columns, reply: str) -> AlpacaRow:
    """A row of a dataset, whatever its keys, as LLaMA-Factory reads it with one of its replies."""
    usual: AlpacaRow = {
        "instruction": row.get(columns.prompt or "") or "",
        "input": row.get(columns.query or "") or "",
        "output": row.get(reply) or "",
        "history": row.get(columns.history or "") or [],
    }
    if columns.system and row.get(columns.system):
        usual["system"] = row[columns.system]
    return usual


def _missing_keys(row: dict[str, Any], columns: Columns) -> Iterator[tuple[str, str]]:
    known = {*columns.texts, columns.history, "id", "instruction", "system"}
    strange = [key for key in row if key not in known]
    for key in (columns.prompt, columns.query, *columns.replies, columns.history, columns.system):
        if key is None or key in row:
            continue
        meant = next((one for one in strange if _looks_like(one, key)), None)
        if meant is not None:
            yield f"no '{key}'", f"key {meant!r} where '{key}' is expected; rename it"
        else:
            remedy = "write [] where there is none" if key == columns.history else "add it"
            yield f"no '{key}'", f"no key '{key}'; {remedy}"


def _bad_texts(row: dict[str, Any], columns: Columns) -> Iterator[tuple[str, str]]:
    for key in columns.texts:
        value = row.get(key)
        if value is not None and not isinstance(value, str):
            yield f"'{key}' type", f"'{key}' is {_type(value)}; write it as text"
        elif value and not _encodable(value):
            yield "surrogate", f"'{key}' holds half a character (a lone surrogate); repair the text"
    for key in columns.replies:
        reply = row.get(key)
        if key in row and reply is None:
            yield "null output", f"'{key}' is null; the row would be dropped: remove it"
        if isinstance(reply, str) and is_blank(reply):
            yield "blank output", f"'{key}' is blank and would be learned; remove the row"
    if columns.ranking and _same_replies(row, columns):
        yield "same replies", "both replies are the same, so none is preferred; remove the row"
    asked = [row.get(key) for key in (columns.prompt, columns.query) if key]
    if not any(isinstance(text, str) and not is_blank(text) for text in asked):
        names = " and ".join(f"'{key}'" for key in (columns.prompt, columns.query) if key)
        yield "blank question", f"{names}: nothing but blanks; remove the row"


def _bad_history(row: dict[str, Any], columns: Columns) -> Iterator[tuple[str, str]]:
    key = columns.history
    if key is None or key not in row:
        return
    if not isinstance(row[key], list):
        yield "history type", f"'{key}' is {_type(row[key])}; write a list, [] where there is none"
        return
    for number, pair in enumerate(row[key]):
        fault = _pair_fault(pair)
        if fault:
            yield f"history {fault[0]}", f"'{key}'[{number}] {fault[1]}"
            return


def _pair_fault(pair: Any) -> tuple[str, str] | None:
    if isinstance(pair, dict):
        keys = ", ".join(map(repr, pair))
        return "objects", f"is an object, whose keys ({keys}) would be learned; write [q, r]"
    if not isinstance(pair, list):
        return "pairs", f"is {_type(pair)}; write [client turn, reply]"
    if len(pair) != 2:
        return "pairs", f"has {len(pair)} entries; write [client turn, reply]"
    for side, text in zip(("client turn", "reply"), pair, strict=True):
        if not isinstance(text, str):
            return "texts", f"has {_type(text)} as {side}; write text or remove the pair"
        if is_blank(text):
            return "blanks", f"has a blank {side}; remove the pair"
        if not _encodable(text):
            return "surrogate", f"holds half a character in its {side}; repair the text"
    return None


def _mixed_types(
    row: dict[str, Any], columns: Columns, types: dict[str, tuple[str, int]], number: int
) -> Iterator[tuple[str, str]]:
    checked = {*columns.texts, columns.history}
    for key, value in row.items():
        if value is None or key in checked:
            continue
        first, where = types.setdefault(key, (_type(value), number))
        if _type(value) != first:
            yield (
                f"'{key}' types",
                f"'{key}' is {_type(value)} but {first} in row {where}; the loader refuses mixed "
                "types: make them one, or leave the key out",
            )


def _looks_like(strange: str, key: str) -> bool:
    return not strange.strip() or bool(get_close_matches(strange.lower(), [key]))


def _same_replies(row: dict[str, Any], columns: Columns) -> bool:
    one, two = (row.get(key) for key in columns.replies)
    return isinstance(one, str) and isinstance(two, str) and not is_blank(one) and one == two


def _value(row: Any, key: str) -> Any:
    return row.get(key) if isinstance(row, dict) else None


def _encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _type(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true/false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, list) else "an object"
