"""Pairs written: the rows, those held out beside them, and what became of every faulty reply."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from converters.pairs.find import CRISIS, NO_CLIENT, RATERS_DIFFER, Fault
from converters.pairs.job import UNANSWERED, Outcome
from converters.pairs.rows import PairRow, columns, fitted_row, parted
from converters.rows import Fits, Placement
from mi_llm import jsonl
from mi_llm.errors import InputError
from mi_llm.recipe import register_dataset
from mi_llm.stamp import stamped_set

TOO_LONG = "longer than --cutoff-len by itself"
_NEVER_TAKEN = (RATERS_DIFFER, NO_CLIENT, CRISIS)


@dataclass(frozen=True, slots=True)
class Form:
    """How pairs are written.

    Attributes:
        prompt: The fixed instruction.
        placement: The key that it stands under.
        fits: The limit on a row's length.
        test: Share of the dialogues that is held out; 0 holds out none.
        seed: Of the draw.
    """

    prompt: str
    placement: Placement
    fits: Fits
    test: float
    seed: int


@dataclass(frozen=True, slots=True)
class Written:
    """What came of it all.

    Attributes:
        rows: How many each file of pairs holds.
        outcomes: Of every faulty reply that was taken.
        counts: What was counted on the way.
    """

    rows: dict[Path, int]
    outcomes: tuple[Outcome, ...]
    counts: Counter[str]

    @property
    def left_out(self) -> Counter[str]:
        """The faulty replies without a pair, by reason."""
        return left_out(self.outcomes, self.counts)

    @property
    def unanswered(self) -> bool:
        """Whether one has no pair for want of a usable answer."""
        return any(self.left_out[kind] for kind in UNANSWERED)

    def line(self) -> str:
        """The closing line: `mi_pairs.json: 3 pairs (2 confrontation, ...); left out 2: ...`."""
        kinds = Counter(one.found.fault for one in self.outcomes if one.reason is None)
        told = ", ".join(f"{kinds[fault]:,} {fault}" for fault in Fault if kinds[fault])
        parts = ", ".join(f"{path}: {count:,}" for path, count in self.rows.items())
        aside = self.left_out
        left = f"; left out {aside.total():,}: {listed(aside)}" if aside else ""
        uncoded = self.counts["transcripts without codes"]
        without = f"; transcripts without codes: {uncoded:,}" if uncoded else ""
        return f"{parts} pairs ({told}){left}{without}"


def found_path(output: Path) -> Path:
    """Where it stands what became of every faulty reply."""
    return output.with_name(f"{output.name}.found.jsonl")


def held_out_path(output: Path) -> Path:
    """Where the pairs are that are held out."""
    return output.with_name(f"{output.stem}_test{output.suffix}")


def outputs(output: Path, form: Form) -> list[Path]:
    """The files of pairs."""
    return [output, held_out_path(output)] if form.test else [output]


def write(
    output: Path,
    outcomes: Sequence[Outcome],
    form: Form,
    *,
    inputs: Sequence[Path],
    counts: Counter[str],
    details: Mapping[str, Any],
    overwrite: bool,
) -> Written:
    """Write the rows of all pairs, with stamps, and what became of the others; all or nothing.

    Args:
        output: File of pairs; the others lie beside it.
        outcomes: Of every faulty reply.
        form: How.
        inputs: Files that all this was made from.
        counts: What was counted so far; gets what was shortened.
        details: What else the stamps record.
        overwrite: Whether the files may exist.

    Raises:
        InputError: If there is no pair, or a file cannot be written.
    """
    made, told = _rows(outcomes, form, counts)
    if not made:
        raise InputError(f"no pair to write; left out: {listed(left_out(told, counts))}")
    sets = parted(made, share=form.test, seed=form.seed) if form.test else (made,)
    paths = outputs(output, form)
    done = Written(
        {path: len(rows) for path, rows in zip(paths, sets, strict=True)}, tuple(told), counts
    )
    facts = {**details, "counts": _counts(done), "test": form.test, "seed": form.seed}
    with stamped_set(inputs=inputs, packages=["openai"]) as (files, stamp):
        for path, rows in zip(paths, sets, strict=True):
            files.text(path, overwrite=overwrite).writelines(jsonl.array_text(rows))
        beside = files.text(found_path(output), overwrite=True)
        beside.writelines(jsonl.dumped(one.as_json()) + "\n" for one in told)
        stamp.update(facts)
    return done


def register(name: str, output: Path, form: Form, info_path: Path) -> None:
    """Enter the files of pairs in dataset_info.json, those held out as `<name>_test`."""
    for entered, path in zip((name, f"{name}_test"), outputs(output, form), strict=False):
        register_dataset(entered, path, columns(form.placement), info_path=info_path)


def left_out(outcomes: Iterable[Outcome], counts: Counter[str]) -> Counter[str]:
    """The faulty replies without a pair, by reason, those included that were never taken."""
    found = Counter(one.kind for one in outcomes if one.reason is not None)
    return found + Counter({reason: counts[reason] for reason in _NEVER_TAKEN})


def listed(counts: Counter[str]) -> str:
    """`4 raters differ, 2 sign of crisis`; the commonest first."""
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return ", ".join(f"{count:,} {kind}" for kind, count in ordered) or "none was found"


def _rows(
    outcomes: Iterable[Outcome], form: Form, counts: Counter[str]
) -> tuple[list[PairRow], list[Outcome]]:
    """The rows, and the outcomes with those among them that are too long."""
    made, told = [], []
    for one in outcomes:
        if one.reason is None:
            row = fitted_row(one, form.prompt, form.placement, form.fits, counts)
            if row is not None:
                made.append(row)
            else:
                one = replace(one, reason=TOO_LONG)
        told.append(one)
    return made, told


def _counts(done: Written) -> dict[str, int]:
    """What the stamp counts; what was left out bears these words."""
    pairs = Counter(one.found.fault for one in done.outcomes if one.reason is None)
    counts = Counter({kind: n for kind, n in done.counts.items() if kind not in _NEVER_TAKEN})
    return {
        **counts,
        "faulty replies": len(done.outcomes) + sum(done.counts[one] for one in _NEVER_TAKEN),
        "pairs": pairs.total(),
        **{f"pairs: {fault}": pairs[fault] for fault in Fault},
        **{f"left out: {kind}": count for kind, count in sorted(done.left_out.items())},
    }
