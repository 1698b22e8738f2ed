"""Everything that would end a run of `llamafactory-cli` badly, looked at before it begins."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from packaging.version import Version

from mi_llm import checks, files, jsonl
from mi_llm.errors import InputError
from mi_llm.recipe import Recipe
from mi_llm.runs import checkpoints, hub, installed, settings, training_size
from mi_llm.runs.readiness import Line
from mi_llm.runs.rendering import Rendering, load_rendering

# Generation configs from here on fill in what a recipe leaves at its default (transformers 4.52,
# generation/utils.py, `_prepare_generation_config`).
_FILLS_IN = "4.50.0"
_WITHOUT_REFERENCE = ("orpo", "simpo")
_BATCH = 8  # the paper's: 1 row x 8 steps of accumulation


def preflight(recipe: Recipe) -> Iterator[Line]:
    """Look at what a recipe needs; stop where the rest depends on what was found wrong.

    An incomplete newest checkpoint is set aside, and nothing else is changed.
    """
    missing = installed.faults("train")
    if missing:
        yield Line("problem", "versions", f"{'; '.join(missing)}; run make setup")
        return
    yield Line("ok", "versions", _versions())
    yield from _settings(recipe)
    if not settings.readable(recipe.settings):
        return
    rendering = None
    try:
        rendering = _rendering(recipe)
        yield _marks(recipe, rendering)
    except InputError as error:
        yield Line("problem", "model", str(error))
    rows = 0  # that are trained on
    try:
        for report in checks.recipe_reports(recipe, rendering):
            rows += report.rows if report.trained else 0
            for line in report.lines():
                yield Line("problem" if report.findings else "ok", "dataset", line)
    except InputError as error:
        yield Line("problem", "dataset", str(error))
    yield from _adapter(recipe)
    yield from _reference(recipe)
    yield from _merging(recipe)
    yield from _serving(recipe)
    if recipe.trains:
        yield from _resuming(recipe)
        yield from _batch(recipe)
        if rendering and rows:
            yield _disk(recipe, rows, rendering)


def _versions() -> str:
    names = ("llamafactory", "transformers", "torch")
    return ", ".join(f"{name} {installed.version_of(name)}" for name in names)


def _settings(recipe: Recipe) -> Iterator[Line]:
    wrong = list(settings.faults(recipe.settings))
    if not wrong:
        yield Line("ok", "settings", f"{recipe.path}: LLaMA-Factory takes all of them")
    yield from (Line("problem", "settings", f"{recipe.path}: {one}") for one in wrong)


def _rendering(recipe: Recipe) -> Rendering:
    model = str(recipe.settings["model_name_or_path"])
    revision = str(recipe.settings.get("model_revision", "main"))
    hindrance = hub.hindrance(model, revision)
    if hindrance:
        raise InputError(hindrance)
    return load_rendering(model, str(recipe.settings["template"]), revision=revision)


def _marks(recipe: Recipe, rendering: Rendering) -> Line:
    template = recipe.settings["template"]
    broken = rendering.broken_marks()
    if broken:
        return Line(
            "problem",
            "template",
            f"{template}: {', '.join(broken)} is not one token of this model; it is another "
            "model's template, or the tokenizer is damaged",
        )
    return Line(
        "ok", "template", f"{template}: each of {len(rendering.marks())} marks is one token"
    )


def _adapter(recipe: Recipe) -> Iterator[Line]:
    for name in recipe.names("adapter_name_or_path"):
        if hub.is_folder(name) and not (Path(name) / "adapter_config.json").is_file():
            yield Line("problem", "adapter", f"{name}: no adapter is there; train it first")


def _reference(recipe: Recipe) -> Iterator[Line]:
    """DPO's reference is what is left when the trained adapter is off (0.9.3, `run_dpo`)."""
    told = recipe.settings
    if recipe.stage != "dpo" or told.get("pref_loss") in _WITHOUT_REFERENCE:
        return
    kept = told.get("create_new_adapter") or told.get("ref_model")
    if recipe.names("adapter_name_or_path") and not kept:
        yield Line(
            "problem",
            "reference",
            "would be the base model, not the model that is trained on; set create_new_adapter: "
            "true, which merges the adapter first",
        )


def _merging(recipe: Recipe) -> Iterator[Line]:
    named = recipe.settings.get("export_dir")
    if named and Path(str(named)).is_dir() and any(Path(str(named)).iterdir()):
        text = f"{named}: is not empty, and its files would be mixed; move it away"
        yield Line("problem", "export", text)


def _serving(recipe: Recipe) -> Iterator[Line]:
    if "infer_backend" not in recipe.settings or recipe.settings.get("do_sample"):
        return
    path = Path(str(recipe.settings["model_name_or_path"])) / "generation_config.json"
    asked = jsonl.read_json(path) if path.is_file() else {}
    version = Version(asked.get("transformers_version") or _FILLS_IN)
    if asked.get("do_sample") and version >= Version(_FILLS_IN):
        text = f"{path} asks for sampling, and the server would sample (docs/serving.md, Greedy)"
        yield Line("note", "serving", text)


def _resuming(recipe: Recipe) -> Iterator[Line]:
    folder = recipe.output_dir
    if recipe.settings.get("overwrite_output_dir"):
        return
    for one in checkpoints.set_aside_incomplete(folder):
        yield Line(
            "note", "checkpoint", f"{one.folder}: {one.fault}; set aside as {one.renamed.name}"
        )
    newest = checkpoints.steps(folder)
    if newest:
        text = f"training resumes from {newest[-1][1]}; remove {folder} to begin afresh"
        yield Line("note", "checkpoint", text)
    elif (folder / "adapter_model.safetensors").is_file():
        yield Line(
            "problem",
            "checkpoint",
            f"{folder}: holds an adapter but no checkpoint to resume from; move it away or give "
            "another output_dir",
        )


def _batch(recipe: Recipe) -> Iterator[Line]:
    size = training_size.effective_batch(recipe.settings, processes=processes(recipe.settings))
    if size != _BATCH:
        yield Line(
            "note",
            "batch",
            f"{size} rows per step over {processes(recipe.settings)} process(es), not the paper's "
            f"{_BATCH}; change gradient_accumulation_steps, or CUDA_VISIBLE_DEVICES",
        )


def processes(told: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> int:
    """Processes that `llamafactory-cli train` will start: on all visible GPUs unless told."""
    import torch

    gpus = 0 if told.get("use_cpu") else torch.cuda.device_count()
    if hub.is_on(environment.get("USE_RAY")):
        return int(told.get("ray_num_workers", 1))
    if hub.is_on(environment.get("FORCE_TORCHRUN")) or gpus > 1:
        nodes = int(environment.get("NNODES", "1"))
        return nodes * int(environment.get("NPROC_PER_NODE", str(max(gpus, 1))))
    return 1


def _disk(recipe: Recipe, rows: int, rendering: Rendering) -> Line:
    from transformers import AutoConfig

    told = recipe.settings
    model = rendering.tokenizer.name_or_path  # where another hub's download lies, if it is one
    config = AutoConfig.from_pretrained(model, revision=told.get("model_revision", "main"))
    steps = training_size.optimizer_steps(rows, told, processes=processes(told))
    count = training_size.checkpoints(steps, told)
    needed = count * training_size.checkpoint_bytes(config, told)
    free = files.free_bytes(recipe.output_dir)
    text = (
        f"{steps:,} steps; checkpoints take {needed / 1e9:.2f} GB ({count} at most), "
        f"{free / 1e9:.1f} GB are free"
    )
    if free < needed:
        return Line("problem", "disk", f"{text}; make room, or set save_total_limit=1")
    return Line("ok", "disk", text)
