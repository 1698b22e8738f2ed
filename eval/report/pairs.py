"""Which models a report compares, and what the tests between them say."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from eval.comparison import Family, Scored, read_scored
from eval.runs import Run
from eval.similarity import MEASURES
from mi_llm.significance import DIALOGUES, ROUNDS, Comparison, holm, randomisation
from mi_llm.statistics import PERCENT, few_dialogues

SEED = 0


def chosen_pairs(runs: Sequence[Run]) -> list[tuple[Run, Run]]:
    """Each tuned model with its base, then every two tuned models; the first less the second."""
    tuned = [run for run in runs if not run.is_base]
    bases = {run.model: run for run in runs if run.is_base}
    own = [(run, bases[run.model]) for run in tuned if run.model in bases]
    return own + list(combinations(tuned, 2))


def families(runs: Sequence[Run]) -> list[Family]:
    """The chosen pairs on each measure; Holm's correction is over them. Empty if there is none.

    Unlike `eval compare`, which takes every pair there is, base models of different kinds are not
    compared: the family is smaller and its correction milder.

    Raises:
        InputError: If a run's scores.json has no scores by row.
    """
    pairs = chosen_pairs(runs)
    if not pairs:
        return []
    scored = {run.name: read_scored(run.folder) for run in runs}
    return [_family(measure, pairs, scored) for measure in MEASURES]


def _family(measure: str, pairs: Sequence[tuple[Run, Run]], scored: dict[str, Scored]) -> Family:
    # All runs answer the same rounds, so that one file's dialogues are those of all.
    dialogues = next(iter(scored.values())).dialogues
    units = {DIALOGUES: dialogues, ROUNDS: range(len(dialogues))}
    tests = {
        over: [
            randomisation(
                scored[one.name].per_row[measure],
                scored[two.name].per_row[measure],
                of,
                over=over,
                scale=PERCENT,
                seed=SEED,
            )
            for one, two in pairs
        ]
        for over, of in units.items()
    }
    adjusted = {over: holm([test.p for test in own]) for over, own in tests.items()}
    return Family(
        measure,
        tuple(
            Comparison(
                first=one.name,
                second=two.name,
                by_dialogue=tests[DIALOGUES][at],
                by_round=tests[ROUNDS][at],
                holm=adjusted[DIALOGUES][at],
                holm_by_round=adjusted[ROUNDS][at],
                warning=few_dialogues(len(set(dialogues))),
            )
            for at, (one, two) in enumerate(pairs)
        ),
    )
