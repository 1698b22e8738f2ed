"""Validation of whole files and recipes, told file by file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mi_llm import alpaca, json_loader, validation
from mi_llm.errors import InputError
from mi_llm.recipe import Recipe
from mi_llm.runs import dataset_loader
from mi_llm.runs.rendering import Rendering
from mi_llm.validation import Columns, Finding

# Those of JSON by which LLaMA-Factory 0.9.3 chooses a loader (`FILEEXT2TYPE`, extras/constants.py).
_ENDINGS = (".json", ".jsonl")


@dataclass(frozen=True, slots=True)
class FileReport:
    """What was found in one file of rows.

    Attributes:
        path: The file.
        rows: How many it holds.
        findings: What is wrong with it.
        trained: Whether a recipe trains on it.
    """

    path: Path
    rows: int
    findings: tuple[Finding, ...]
    trained: bool = False

    def lines(self) -> Iterator[str]:
        """Yield a line per finding, many of a kind cut short, and a closing line."""
        for line in validation.summarised(self.findings):
            yield f"{self.path}{line}"
        problems = _counted(len(self.findings), "problem") if self.findings else "no problem"
        yield f"{self.path}: {_counted(self.rows, 'row')}, {problems}"


def file_report(
    path: Path,
    columns: Columns | None = None,
    *,
    recipes: Sequence[Recipe] = (),
    trained: bool = True,
    rendering: Rendering | None = None,
) -> FileReport:
    """Check a file of Alpaca rows.

    Args:
        path: A JSON array or JSON Lines.
        columns: As dataset_info.json lists them; None takes the usual ones.
        recipes: Recipes that will train or predict on these rows. With one, and where datasets is
            installed, the file is loaded as LLaMA-Factory does it, and that decides.
        trained: Whether the recipes train on them, if they train at all.
        rendering: Counts tokens against the recipes' `cutoff_len`; None leaves lengths unchecked.

    Raises:
        InputError: If the file cannot be read or holds no row.
    """
    source = json_loader.read(path)
    rows = source.rows
    if not rows:
        raise InputError(f"{path}: holds no row")
    alpaca.require_rows(path, rows[0])
    columns = columns or validation.usual_columns(rows)
    findings = [
        *validation.column_findings(columns),
        *validation.absent_findings(rows, columns),
        *validation.row_findings(rows, columns),
    ]
    for block in source.blocks:
        harms = validation.harm_findings(block.start, block.rows, columns, odd=block.odd)
        findings += _untold(harms, findings)
    findings += _untold(source.twice, findings)
    findings += _untold(_loading(path, source, columns, recipes), findings)
    for recipe in recipes:
        findings += _recipe_findings(recipe, rows, columns, trained=trained and recipe.trains)
        if rendering:
            findings += validation.length_findings(
                rows, columns, rendering.tokens, most=recipe.cutoff_len
            )
    trains = trained and any(recipe.trains for recipe in recipes)
    return FileReport(path, len(rows), tuple(findings), trains)


def recipe_reports(recipe: Recipe, rendering: Rendering | None = None) -> Iterator[FileReport]:
    """Check every dataset that a recipe names, the lengths too if a rendering is given.

    Raises:
        InputError: If a dataset is unknown, or its file is missing or cannot be read.
    """
    trained = recipe.names("dataset")
    for dataset in recipe.datasets().values():
        yield file_report(
            dataset.path,
            dataset.columns,
            recipes=[recipe],
            trained=dataset.name in trained,
            rendering=rendering,
        )


def _loading(
    path: Path, source: json_loader.Source, columns: Columns, recipes: Sequence[Recipe]
) -> list[Finding]:
    """What the loader dies of or changes: by rule, and for a recipe by the loader's own word."""
    if path.suffix not in _ENDINGS:
        return [
            Finding(
                "ending",
                f"its name ends in {path.suffix!r}, by which LLaMA-Factory takes it for another "
                "kind of file; let it end in .json or .jsonl",
            )
        ]
    learned = [key for key in (*columns.texts, columns.history) if key]
    found = list(json_loader.findings(source, learned))
    aborts = any(one.kind == json_loader.SLID for one in found)
    if aborts or not recipes or not dataset_loader.is_there():
        return found
    settings = recipes[0].settings
    told = dataset_loader.loader_finding(
        path, source.rows, learned, settings, suspected=bool(found or source.twice)
    )
    return (found or [told]) if told else []


def _untold(found: Iterable[Finding], told: Sequence[Finding]) -> list[Finding]:
    """The findings on rows of which nothing else was told."""
    rows = {one.row for one in told} - {None}
    return [one for one in found if one.row not in rows]


def _recipe_findings(
    recipe: Recipe, rows: list[object], columns: Columns, *, trained: bool
) -> Iterator[Finding]:
    if trained and columns.ranking != recipe.takes_pairs:
        pairs = "are preference pairs" if columns.ranking else "are no preference pairs"
        yield Finding(
            "stage",
            f"{recipe.path}: rows {pairs}, which stage {recipe.stage} "
            + ("does not take" if columns.ranking else "needs"),
        )
    if trained:
        masked = bool(recipe.settings.get("mask_history", False))
        for finding in validation.mask_findings(rows, columns, mask_history=masked):
            yield Finding(finding.kind, f"{recipe.path}: {finding.message}")
    most = recipe.settings.get("max_samples")
    if isinstance(most, int) and most < len(rows):
        yield Finding(
            "max_samples",
            f"{recipe.path}: max_samples: {most} leaves out the last {len(rows) - most:,} rows; "
            "remove it",
        )


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
