"""Whether LLaMA-Factory's loader takes a file of rows, asked of datasets itself."""

from __future__ import annotations

import importlib.util
import json
import tempfile
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mi_llm.validation import Finding

_SHOWN = 160  # characters of an error


def is_there() -> bool:
    """Whether datasets is installed; it comes with LLaMA-Factory."""
    return importlib.util.find_spec("datasets") is not None


def loader_finding(
    path: Path,
    rows: Sequence[Any],
    learned: Collection[str],
    settings: Mapping[str, Any] | None = None,
    *,
    suspected: bool,
) -> Finding | None:
    """Load a file as LLaMA-Factory does, into a temporary cache, and tell what goes wrong.

    Args:
        path: The file.
        rows: What stands in it.
        learned: The columns that must come back as they are.
        settings: The recipe's settings, of which the loader takes some.
        suspected: Whether the row with the fault is known, so that it is not searched for.

    Returns:
        None if the rows come back as they are. Null where a row lacks a key is no change.
    """
    fault = _fault(path, rows, learned, settings or {})
    if fault is None:
        return None
    row = None if suspected else _row_of(path, rows, learned)
    return Finding("loader", f"LLaMA-Factory's loader fails: {fault}", row)


def _fault(
    path: Path,
    rows: Sequence[Any],
    learned: Collection[str],
    settings: Mapping[str, Any],
) -> str | None:
    """Why the file does not load, or what comes back changed; None if neither."""
    with _quiet() as load_dataset, tempfile.TemporaryDirectory() as cache:
        try:
            # LLaMA-Factory 0.9.3, `data/loader.py`; the hub's token is left out.
            loaded = load_dataset(
                path="json",
                name=None,
                data_dir=None,
                data_files=[str(path)],
                split="train",
                cache_dir=cache,
                num_proc=settings.get("preprocessing_num_workers"),
                trust_remote_code=settings.get("trust_remote_code", False),
                streaming=False,
            )
            kept = [name for name in learned if name in loaded.column_names]
            found = loaded.select_columns(kept).to_list() if kept else [{}] * len(loaded)
        # Whatever datasets, pandas or pyarrow raise is what LLaMA-Factory would die of.
        except Exception as error:
            return _shown(error.__cause__ or error)
    return _difference(rows, found, learned)


def _difference(
    rows: Sequence[Any], found: Sequence[Mapping[str, Any]], learned: Collection[str]
) -> str | None:
    if len(found) != len(rows):
        return f"{len(found):,} rows come back of {len(rows):,}"
    for number, (row, back) in enumerate(zip(rows, found, strict=True)):
        for key in learned:
            if isinstance(row, dict) and row.get(key) != back.get(key):
                return f"{key!r} of row {number} comes back as {back.get(key)!r}"[:_SHOWN]
    return None


def _shown(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _row_of(path: Path, rows: Sequence[Any], learned: Collection[str]) -> int | None:
    """The first row with which the rows before it no longer load, by bisection."""
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / f"rows{path.suffix}"

        def fails(count: int) -> bool:
            some = rows[:count]
            lines = (json.dumps(row) + "\n" for row in some)
            text = json.dumps(some) if path.suffix == ".json" else "".join(lines)
            part.write_text(text, encoding="utf-8")
            return _fault(part, some, learned, {}) is not None

        if not fails(len(rows)):
            return None  # it is how the file is written, not what its rows hold
        low, high = 0, len(rows)  # as many load, as many do not
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if fails(middle) else (middle, high)
        return high - 1


@contextmanager
def _quiet() -> Iterator[Callable[..., Any]]:
    """Lend datasets' `load_dataset`, silent and without asking any hub."""
    import datasets
    from datasets import config

    offline, config.HF_HUB_OFFLINE = config.HF_HUB_OFFLINE, True
    verbosity, bars = datasets.logging.get_verbosity(), datasets.are_progress_bars_disabled()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    datasets.disable_progress_bars()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pandas tells of each NaN that it casts
            yield datasets.load_dataset
    finally:
        config.HF_HUB_OFFLINE = offline
        datasets.logging.set_verbosity(verbosity)
        if not bars:
            datasets.enable_progress_bars()
