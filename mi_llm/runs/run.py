"""What a run of LLaMA-Factory was made with, as far as it can be read off its recipe and files."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from mi_llm import jsonl
from mi_llm.errors import InputError
from mi_llm.recipe import Recipe
from mi_llm.secret_settings import is_secret
from mi_llm.stamp import stamp_path, write_stamp

_PACKAGES = ("llamafactory", "transformers", "peft", "torch")


def stamp_run(recipe: Recipe) -> Path:
    """Write `<output_dir>.stamp.json` for a run that has finished; return its path.

    It holds the recipe, the overrides, the settings that they give together, the data's SHA-256,
    versions, and the stamp of the model where that is a folder made here.

    Raises:
        InputError: If the run left no `all_results.json`, or its data cannot be found.
    """
    output = recipe.output_dir
    if not (output / "all_results.json").is_file():
        raise InputError(f"{output}: no all_results.json; the run has not finished there")
    inputs = [recipe.path, *(dataset.path for dataset in recipe.datasets().values())]
    overrides = [word for word in recipe.overrides if not is_secret(word.partition("=")[0])]
    settings = json.loads(json.dumps(recipe.settings, default=str))
    write_stamp(
        output,
        inputs=inputs,
        counts={},
        packages=_PACKAGES,
        command=shlex.join(["llamafactory-cli", "train", str(recipe.path), *overrides]),
        overrides=overrides,
        settings={key: value for key, value in settings.items() if not is_secret(key)},
        model=_model_stamp(recipe),
    )
    return stamp_path(output)


def _model_stamp(recipe: Recipe) -> Any:
    model = Path(str(recipe.settings.get("model_name_or_path", "")))
    if not model.name:
        return None
    path = stamp_path(model)
    return jsonl.read_json(path) if path.is_file() else None
