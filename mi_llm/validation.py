"""What LLaMA-Factory would mis-train on silently, or die of, found beforehand.

The one validation core: `converters check` and whatever else judges rows or recipes calls it.
Behaviour is that of LLaMA-Factory 0.9.3: `data/converter.py` and `data/processor/supervised.py`
there. What the loader before them makes of a file is `mi_llm.json_loader`'s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from mi_llm import characters
from mi_llm.alpaca import AlpacaRow
from mi_llm.characters import is_blank
from mi_llm.columns import Columns as Columns
from mi_llm.columns import usual_columns as usual_columns


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
    beside = _beside(rows, columns)
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            yield Finding("row", f"is {_type(row)}, not an object; write one object a row", number)
            continue
        for kind, message in (
            *_missing_keys(row, columns, beside),
            *_bad_texts(row, columns),
            *_bad_history(row, columns),
        ):
            yield Finding(kind, message, number)


def absent_findings(rows: Sequence[Any], columns: Columns) -> Iterator[Finding]:
    """Yield the mapped keys that no row has, for which LLaMA-Factory dies of a KeyError.

    A key that some rows lack is none: the loader fills in null, which means that nothing is there.
    """
    there = {key for row in rows if isinstance(row, dict) for key in row}
    for key in (columns.prompt, columns.query, columns.history, columns.system):
        if key and key not in there:
            yield Finding(
                f"no '{key}'",
                f"no row has the key '{key}', which LLaMA-Factory asks of each; add it, empty "
                "where there is nothing, or take it out of the dataset's columns",
            )


def harm_findings(
    start: int, rows: Sequence[Any], columns: Columns, *, odd: bool
) -> Iterator[Finding]:
    """Yield what loads and does harm: control tokens, NUL, half a character, an inner BOM.

    Args:
        start: The number of the first row.
        rows: Rows.
        columns: Which key of a row holds what.
        odd: Whether any of them can hold more than control tokens, `json_loader.Block.odd`.
    """
    learned = {*columns.texts, columns.history}
    for number, row in enumerate(rows, start):
        if not isinstance(row, dict):
            continue
        for key in learned & row.keys():
            token = next(filter(None, map(characters.control_token, _texts(row[key]))), None)
            if token:
                yield Finding(
                    "control token",
                    f"'{key}' holds {token}, which models take for a mark of theirs; take it out",
                    number,
                )
        for place, kind, words in characters.faults_within(row) if odd else ():
            yield Finding(kind, f"{place} {words}", number)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


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
    good = [row for _, row in _sound(rows, columns)]
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
    for number, row in _sound(rows, columns):
        length = max(tokens(_usual(row, columns, reply)) for reply in columns.replies)
        if length > most:
            yield Finding(
                "length",
                f"{length:,} tokens, which would be cut to cutoff_len {most:,}; "
                "write the rows with --fit TOKENIZER:TEMPLATE",
                number,
            )


def _sound(rows: Sequence[Any], columns: Columns) -> Iterator[tuple[int, Any]]:
    """Yield the rows that have no finding of their own, with their numbers."""
    faulty = {finding.row for finding in row_findings(rows, columns)}
    yield from ((number, row) for number, row in enumerate(rows) if number not in faulty)


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


def _asked(columns: Columns) -> list[str]:
    keys = (columns.prompt, columns.query, *columns.replies, columns.history, columns.system)
    return [key for key in keys if key]


def _beside(rows: Sequence[Any], columns: Columns) -> dict[str, set[str]]:
    """By key that is asked, what stands beside it in some row, and so is not that key mistyped."""
    shapes = {frozenset(row) for row in rows if isinstance(row, dict)}
    return {
        key: {one for shape in shapes if key in shape for one in shape if one.strip()}
        for key in _asked(columns)
    }


def _missing_keys(
    row: dict[str, Any], columns: Columns, beside: Mapping[str, AbstractSet[str]]
) -> Iterator[tuple[str, str]]:
    known = {*columns.texts, columns.history, "id", "instruction", "system"}
    strange = [key for key in row if key not in known]
    for key in _asked(columns):
        if key in row:
            continue
        unlike = beside[key]
        meant = next((one for one in strange if one not in unlike and _looks_like(one, key)), None)
        if meant is not None:
            yield f"no '{key}'", f"key {meant!r} where '{key}' is expected; rename it"
        elif key in columns.replies:
            yield f"no '{key}'", f"no key '{key}'; the row would be dropped: add it"


def _bad_texts(row: dict[str, Any], columns: Columns) -> Iterator[tuple[str, str]]:
    for key in columns.texts:
        value = row.get(key)
        if value is not None and not isinstance(value, str):
            yield f"'{key}' type", f"'{key}' is {_type(value)}; write it as text"
        elif value and _holds_half(value):
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
    if key is None or row.get(key) is None:
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
        if _holds_half(text):
            return "surrogate", f"holds half a character in its {side}; repair the text"
    return None


def _looks_like(strange: str, key: str) -> bool:
    return not strange.strip() or bool(get_close_matches(strange.lower(), [key]))


def _same_replies(row: dict[str, Any], columns: Columns) -> bool:
    one, two = (row.get(key) for key in columns.replies)
    return isinstance(one, str) and isinstance(two, str) and not is_blank(one) and one == two


def _holds_half(text: str) -> bool:
    found = characters.fault(text)
    return found is not None and found[0] == "surrogate"


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
