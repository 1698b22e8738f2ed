"""Predictions of one adapter after the other, each made once.

Beside the predictions lies `made_from.json`, written last: the SHA-256 of the rows, of the adapter
and of the predictions, and the settings. Predictions are made again if any of them has changed. A
base model that was replaced in its folder is not noticed, nor a new version of a library.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eval.predictions import read_rows
from eval.sweep.sweep import Candidate
from mi_llm import files, jsonl
from mi_llm.errors import InputError
from mi_llm.publishing import refuse_special
from mi_llm.recipe import DATASET_INFO, Recipe, load_recipe, read_dataset_info
from mi_llm.runs.run import stamp_run
from mi_llm.secret_settings import is_secret

RECIPES = Path("configs/predict")
PREDICTIONS = "generated_predictions.jsonl"
LOG = "predict.log"
_MADE_FROM = "made_from.json"
_SET_HERE = ("adapter_name_or_path", "output_dir")
# The exception that a traceback ends with; what torchrun says of its workers comes after it.
_ERROR = re.compile(r"^(?:\[rank\d+\]: *)?([\w.]*(?:Error|Exception)\b: .*)", re.MULTILINE)
_OF_THE_LAUNCHER = ("ChildFailedError", "CalledProcessError")
_PATIENCE = 20  # seconds that a prediction has to end when it is interrupted


@dataclass(frozen=True, slots=True)
class Job:
    """What a sweep predicts and with what.

    Attributes:
        recipe: The predict recipe, with the rows as its eval_dataset.
        rows: The rows file.
        rows_digest: Its SHA-256.
        seed: Of the intervals.
    """

    recipe: Recipe
    rows: Path
    rows_digest: str
    seed: int

    def recipe_for(self, candidate: Candidate) -> Recipe:
        """The recipe for one adapter, which writes into that adapter's folder."""
        adapter = candidate.folders[-1]
        own = (f"adapter_name_or_path={adapter}", f"output_dir={adapter / 'predict'}")
        return load_recipe(self.recipe.path, (*self.recipe.overrides, *own))

    def made_from(self, candidate: Candidate) -> dict[str, Any]:
        """All that predictions are made from, as far as it is watched."""
        recipe = self.recipe
        settings = {
            key: value
            for key, value in recipe.settings.items()
            if key not in _SET_HERE and not is_secret(key)
        }
        columns = [asdict(one.columns) for one in recipe.datasets().values()]
        made_from = {
            "rows": self.rows_digest,
            "adapter": candidate.adapter,
            "settings": settings,
            "columns": columns,
        }
        return dict(json.loads(json.dumps(made_from, default=str)))  # as it is read again


def job(
    folder: Path, rows: Path, recipe: Path | None, overrides: Sequence[str], *, seed: int
) -> Job:
    """Put a sweep together and look at what would end it after hours.

    Args:
        folder: The training's.
        rows: The rows to predict, registered in the recipe's dataset_info.json.
        recipe: The predict recipe; None is `configs/predict/<name of the folder>.yaml`.
        overrides: `key=value` words laid over it.
        seed: Of the intervals.

    Raises:
        InputError: If there is no recipe, it does not predict these rows whole, the rows are no
            Alpaca rows, or a word sets what a sweep sets or holds a secret.
    """
    path = recipe or RECIPES / f"{folder.resolve().name}.yaml"
    if recipe is None and not path.is_file():
        raise InputError(f"{path}: no such recipe; name the one to predict with: --recipe FILE")
    for word in overrides:
        key = word.partition("=")[0]
        if key in _SET_HERE:
            raise InputError(f"{word!r}: a sweep sets this for every checkpoint; leave it out")
        if is_secret(key):  # stamps hold the command as it was typed
            raise InputError(f"{key}: a secret is not typed; set it in the environment (HF_TOKEN)")
    found = load_recipe(path, overrides)
    if found.trains or not found.settings.get("do_predict"):
        raise InputError(f"{path}: does not predict (do_predict: true, no do_train)")
    count = len(read_rows(rows))
    most = found.settings.get("max_samples")
    if most is not None and int(most) < count:
        raise InputError(f"{path}: max_samples {most} leaves out some of {count} rows; raise it")
    name = _dataset_name(found, rows)
    if found.names("eval_dataset") != [name]:
        found = load_recipe(path, (*overrides, f"eval_dataset={name}"))
    return Job(found, rows, files.sha256(rows), seed)


def _dataset_name(recipe: Recipe, rows: Path) -> str:
    """The name of the rows file in the recipe's dataset_info.json."""
    info_path = Path(str(recipe.settings.get("dataset_dir", "data"))) / DATASET_INFO
    names = [
        name
        for name, entry in read_dataset_info(info_path).items()
        if isinstance(file_name := entry.get("file_name"), str)
        and (info_path.parent / file_name).resolve() == rows.resolve()
    ]
    own = recipe.names("eval_dataset")
    if len(own) == 1 and own[0] in names:
        return own[0]
    if len(names) == 1:
        return names[0]
    if names:
        raise InputError(f"{info_path}: {rows} is {' and '.join(names)}; add eval_dataset=<one>")
    raise InputError(
        f"{info_path}: no dataset is {rows}; make the rows with python -m converters alpaca "
        "--register NAME, or add an entry"
    )


def predicted(job: Job, candidate: Candidate) -> Path | None:
    """The folder that holds a candidate's predictions, if they are up to date."""
    wanted = job.made_from(candidate)
    for folder in (one / "predict" for one in candidate.folders):
        path, made = folder / PREDICTIONS, folder / _MADE_FROM
        if path.is_file() and made.is_file():
            found = jsonl.read_json(made)
            if found == {**wanted, "predictions": files.sha256(path)}:
                return folder
    return None


def predict(job: Job, candidate: Candidate) -> str | None:
    """Predict with `llamafactory-cli`, whose words go to a log; return what went wrong, if so.

    On Ctrl-C the prediction ends too. Its stamp lies beside its folder, as `mi_llm stamp` writes.
    """
    recipe = job.recipe_for(candidate)
    folder, log = recipe.output_dir, log_of(candidate)
    folder.mkdir(parents=True, exist_ok=True)
    refuse_special(log)
    wanted = job.made_from(candidate)
    code = _run([*program(), "train", str(recipe.path), *recipe.overrides], log)
    if code:
        return f"llamafactory-cli ended with {code}: {last_error(log)} ({log})"
    try:
        stamp_run(recipe)
        digest = files.sha256(folder / PREDICTIONS)
    except InputError as error:
        return f"{error} ({log})"
    with files.whole(folder / _MADE_FROM, overwrite=True) as stream:
        stream.write(jsonl.dumped({**wanted, "predictions": digest}, indent=1) + "\n")
    return None


def log_of(candidate: Candidate) -> Path:
    """Where the words of a candidate's prediction go."""
    return candidate.folders[-1] / "predict" / LOG


def program() -> list[str]:
    """`llamafactory-cli` of this environment, or else the one on the path."""
    own = Path(sys.executable).parent / "llamafactory-cli"
    found = str(own) if own.is_file() else shutil.which("llamafactory-cli")
    if found is None:
        raise InputError("llamafactory-cli is not installed; run make setup")
    return [found]


def last_error(log: Path) -> str:
    """The error that a log ends with, or its last line."""
    text = log.read_text(encoding="utf-8", errors="replace")
    errors = [one for one in _ERROR.findall(text) if not any(x in one for x in _OF_THE_LAUNCHER)]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return str((errors or lines or ["it said nothing"])[-1])


def _run(words: Sequence[str], log: Path) -> int:
    with log.open("wb") as stream:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT
        )
        try:
            return process.wait()
        except BaseException:  # a Ctrl-C in a terminal has reached the program as well
            process.terminate()
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            raise
