"""Predictions beside the rows that they answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mi_llm import alpaca, file_kind, jsonl, validation
from mi_llm.alpaca import AlpacaRow
from mi_llm.errors import InputError

_KEYS = ("predict", "label")


@dataclass(frozen=True, slots=True)
class Prediction:
    """One line of LLaMA-Factory's generated_predictions.jsonl, from any backend."""

    predict: str
    label: str


def read_predictions(path: Path) -> list[Prediction]:
    """Return the predictions of a file, in file order.

    Raises:
        InputError: If a line has no `predict` or `label` text, or the file holds none.
    """
    found = []
    for line, value in jsonl.read_lines(path):
        predict, label = (value.get(key) if isinstance(value, dict) else None for key in _KEYS)
        if not isinstance(predict, str) or not isinstance(label, str):
            kind = file_kind.of_value(value)
            held = (
                f"{kind}, where predictions are expected; "
                if kind != "predictions" and kind
                else ""
            )
            raise InputError(
                f'{path}:{line}: {held}expected {{"prompt", "predict", "label"}} with texts'
            )
        found.append(Prediction(predict, label))
    if not found:
        raise InputError(f"{path}: holds no prediction")
    return found


def read_rows(path: Path) -> list[AlpacaRow]:
    """Return the rows that predictions were asked for.

    Raises:
        InputError: If the file is not one of valid Alpaca rows, or an id is no text or double.
    """
    rows = alpaca.read_objects(path)
    columns = validation.usual_columns(rows)
    # A row without its instruction can still be scored: the authors' own file has one.
    faults = (f for f in validation.row_findings(rows, columns) if "instruction" not in f.kind)
    fault = next(faults, None)
    if fault:
        raise InputError(
            f"{path} row {fault.row}: {fault.message}; all faults: python -m converters check"
        )
    require_ids(path, rows)
    return [alpaca.filled(row) for row in rows]


def require_ids(path: Path, rows: Sequence[AlpacaRow]) -> None:
    """Raise `InputError` if an id is no text or stands twice; rows without one are fine."""
    first: dict[str, int] = {}
    for number, row in enumerate(rows):
        name = row.get("id", f"row {number}")
        if not isinstance(name, str):
            raise InputError(f"{path} row {number}: 'id' is no text; make it one, or leave it out")
        if name in first:
            raise InputError(
                f"{path} row {number}: its id {name!r} is that of row {first[name]} too; give each "
                "row one of its own, or none to any"
            )
        first[name] = number


def match(predictions: Sequence[Prediction], rows: Sequence[AlpacaRow], *, names: str) -> None:
    """Make sure that predictions answer these rows: count, order and label of each.

    Labels are compared without white space around them: every glm4 label begins with a newline.

    Args:
        predictions: As read.
        rows: As read.
        names: Both files, for messages: `a.jsonl and b.json`.

    Raises:
        InputError: Naming the first difference.
    """
    labels = [prediction.label.strip() for prediction in predictions]
    outputs = [row["output"].strip() for row in rows]
    if len(labels) != len(outputs):
        raise InputError(f"{names}: {len(labels):,} predictions for {len(outputs):,} rows")
    for number, (label, output) in enumerate(zip(labels, outputs, strict=True)):
        if label != output:
            same = Counter(labels) == Counter(outputs)
            hint = "the same labels in another order" if same else "other rows were predicted"
            raise InputError(
                f"{names}: label of row {number} is {_start(label)}, the row's output is "
                f"{_start(output)}: {hint}"
            )


def _start(text: str) -> str:
    return repr(text if len(text) <= 20 else text[:20] + "…")
