"""The command `sweep`: every checkpoint of a training predicted, scored and compared."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from eval.sweep.run import Job
    from eval.sweep.sweep import Candidate, LeftOut, Point, Sweep

SOME_FAILED = 1


def sweep(
    folder: Annotated[Path, typer.Argument(help="The training's folder, saves/<model>_<variant>.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value words laid over the recipe.")
    ] = None,
    rows: Annotated[
        Path, typer.Option(help="The Alpaca rows to predict, registered in dataset_info.json.")
    ] = Path("data/mi_test_rounds.json"),
    recipe: Annotated[
        Path | None,
        typer.Option(help="The predict recipe. Default: configs/predict/<folder's name>.yaml."),
    ] = None,
    measure: Annotated[
        str, typer.Option(help="What the best is chosen by: bleu4, rouge1, rouge2 or rougeL.")
    ] = "bleu4",
    seed: Annotated[int, typer.Option(help="Of intervals and tests.")] = 0,
) -> None:
    """Predict, score and compare every checkpoint of a training.

    Only what has no result yet or has changed is run. Writes sweep.json and sweep.svg into the
    training's folder. Exit code 1 if a prediction failed.
    """
    from eval.similarity import MEASURES
    from eval.sweep.run import job
    from eval.sweep.sweep import candidates, summed_up
    from mi_llm.errors import InputError

    if measure not in MEASURES:
        raise InputError(f"--measure {measure}: there are {', '.join(MEASURES)}")
    work = job(folder, rows, recipe, overrides or [], seed=seed)
    found, left_out = candidates(folder)
    for one in left_out:
        print(f"{one.folder}: {one.fault}; left out")
    points, failed = [], {}
    for candidate, outcome in _swept(work, found):
        if isinstance(outcome, str):
            failed[candidate.name] = outcome
            print(f"{candidate.name}: {outcome}", file=sys.stderr, flush=True)
        else:
            points.append(outcome)
    if points:
        result = summed_up(points, measure=measure, seed=seed)
        _write(folder, work, result, left_out, failed)
        _print(result)
    if failed:
        print(f"{len(failed)} of {len(found)} failed; run the same command again", file=sys.stderr)
        raise typer.Exit(SOME_FAILED)


def _swept(work: Job, found: list[Candidate]) -> Iterator[tuple[Candidate, Point | str]]:
    """Yield what became of each candidate: its scores, or what went wrong."""
    from eval.sweep.run import log_of, predict, predicted
    from eval.sweep.scores import read_point, scored
    from mi_llm.errors import InputError

    for number, candidate in enumerate(found, start=1):
        place = f"{candidate.name} ({number} of {len(found)})"
        folder = predicted(work, candidate)
        if folder is None:
            print(f"{place}: predicting; {log_of(candidate)}", flush=True)
            fault = predict(work, candidate)
            if fault:
                yield candidate, fault
                continue
            folder = log_of(candidate).parent
        else:
            print(f"{place}: up to date", flush=True)
        try:
            yield candidate, read_point(candidate, scored(folder, work.rows, seed=work.seed))
        except InputError as error:
            yield candidate, str(error)


def _write(
    folder: Path, work: Job, result: Sweep, left_out: list[LeftOut], failed: dict[str, str]
) -> None:
    from eval.scores_file import SCORES
    from eval.sweep.curves import sweep_figure
    from eval.sweep.sweep import training_loss
    from mi_llm import jsonl
    from mi_llm.stamp import stamped_set

    figure = folder / "sweep.svg"
    inputs = [work.recipe.path, work.rows, *(point.folder / SCORES for point in result.points)]
    with stamped_set(inputs=inputs, packages=["matplotlib", "numpy"]) as (outputs, details):
        stream = outputs.text(folder / "sweep.json", overwrite=True)
        drawn = sweep_figure(result, training_loss(folder))
        outputs.text(figure, overwrite=True).write(f"{drawn}\n")
        facts = result.as_json() | {
            "left_out": {str(one.folder): one.fault for one in left_out},
            "failed": failed,
        }
        stream.write(jsonl.dumped(facts, indent=1) + "\n")
        counts = {"scored": len(result.points), "failed": len(failed), "left_out": len(left_out)}
        details.update(
            counts=counts, seed=work.seed, overrides=list(work.recipe.overrides), figure=str(figure)
        )


def _print(result: Sweep) -> None:
    from eval.similarity import MEASURES, signature

    width = max(len(one.name) for one in result.points)
    names = "  ".join(f"{measure:>20}" for measure in MEASURES)
    print(f"{'step':>6}  {'':{width}}  {names}  empty")
    for point in result.points:
        cells = "  ".join(f"{_interval(point, measure):>20}" for measure in MEASURES)
        print(f"{point.step:>6}  {point.name:{width}}  {cells}  {point.empty}")
    print(f"best: {result.best.name}, by {signature(result.measure, strip=False)}")
    for line in verdict(result):
        print(line)


def _interval(point: Point, measure: str) -> str:
    one = point.estimates[measure]
    if one.low is None or one.low == one.high:
        return f"{one.mean:.2f}"
    return f"{one.mean:.2f} ({one.low:.2f}, {one.high:.2f})"


def verdict(result: Sweep) -> Iterator[str]:
    """Say whether the best can be told from the last, and what to beware of."""
    from eval.sweep.sweep import CAUTION

    test = result.verdict
    if test is None:
        yield "it is the last one too"
    else:
        one = test.difference
        interval = " (too few)" if one.low is None else f" ({one.low:+.2f}, {one.high:+.2f})"
        can = "can" if test.holm < 0.05 else "cannot"
        yield (
            f"it {can} be told from the last, {result.last.name}: difference {one.mean:+.2f}"
            f"{interval}, p = {test.p:.4f}, by Holm over {len(result.against_last)} "
            f"comparisons {test.holm:.4f}"
        )
        yield f"caution: {CAUTION}"
    if result.warning:
        yield f"warning: {result.warning}"
