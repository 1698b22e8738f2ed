"""The model card of a merged model: the README.md that the Hugging Face hub shows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

import mi_llm
from mi_llm import files, jsonl
from mi_llm.errors import InputError
from mi_llm.recipe import Recipe
from mi_llm.runs.base_models import BaseModel, base_model_of
from mi_llm.stamp import stamp_path

CARD = "README.md"
# The paper and its appendix; docs/reproduce.md, Deviations from the paper.
_PAPERS = {
    "finetuning_type": "lora",
    "lora_target": "all",
    "learning_rate": 1.0e-4,
    "lr_scheduler_type": "cosine",
    "warmup_ratio": 0.1,
    "per_device_train_batch_size": 1,
    "gradient_accumulation_steps": 8,
    "num_train_epochs": 3.0,
    "bf16": True,
    "cutoff_len": 2048,
}
# Where and how a run was kept, which does not shape the weights.
_KEPT_OUT = (
    "model_revision", "do_train", "overwrite_cache", "overwrite_output_dir", "plot_loss",
    "preprocessing_num_workers", "logging_steps", "save_steps", "report_to", "ddp_timeout",
)  # fmt: skip
_PRIVATE = ("_dir", "_path", "token", "_key")  # endings of keys that no stranger should read


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of rows that the training read.

    Attributes:
        name: Its name, without folders.
        sha256: Of the file as it was trained on.
        rows: How many it has; None if no stamp beside it belongs to this SHA-256.
        prompt_as: Where the fixed instruction stands, "instruction" or "system"; None as above.
    """

    name: str
    sha256: str
    rows: int | None
    prompt_as: str | None


@dataclass(frozen=True, slots=True)
class Training:
    """What the stamp of a training run says.

    Attributes:
        datasets: Names in dataset_info.json.
        data: The files read, in the stamp's order.
        settings: All settings of the run.
        versions: Package -> version.
        commit: Of mi-llm; None if it was no checkout.
        stand_in: The family that the model is a stand-in of; None for a real one.
    """

    datasets: tuple[str, ...]
    data: tuple[DataFile, ...]
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    commit: str | None
    stand_in: str | None


def write_card(recipe: Recipe) -> Path:
    """Write the card of an export recipe's merged model into its folder; return its path.

    Raises:
        InputError: If nothing was exported there, or a README.md is there already.
    """
    folder = _named(recipe, "export_dir")
    if not (folder / "config.json").is_file():
        raise InputError(
            f"{folder}: no config.json; merge first: llamafactory-cli export {recipe.path}"
        )
    path = folder / CARD
    if path.exists():
        raise InputError(f"{path}: exists; move it away for a new card")
    text = model_card(recipe)
    with files.whole(path) as stream:
        stream.write(text)
    return path


def model_card(recipe: Recipe) -> str:
    """The card, Markdown with YAML front matter, of an export recipe's merged model.

    Raises:
        InputError: If the recipe names no export folder, or not exactly one adapter, or the
            adapter's stamp cannot be read.
    """
    adapters = recipe.names("adapter_name_or_path")
    if len(adapters) != 1:
        raise InputError(f"{recipe.path}: names {len(adapters)} adapters; a card is for one")
    base = base_model_of(recipe.settings)
    training = read_training(Path(adapters[0]))
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=False,  # Markdown, not HTML
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    folder = _named(recipe, "export_dir").name
    return environment.get_template("card.md.j2").render(
        front=yaml.safe_dump(_front(base, recipe), sort_keys=False, allow_unicode=True),
        title=base.derived_name if base else folder,
        folder=folder,
        folder_fits=base is None or folder.startswith(base.name_prefix or ""),
        recipe=recipe.path.name,
        base=base,
        model=_without_folders(str(recipe.settings.get("model_name_or_path"))),
        revision=recipe.settings.get("model_revision"),
        template=recipe.settings.get("template"),
        training=training,
        settings=shaping(training.settings) if training else {},
        deviations=_deviations(recipe, base, training),
        version=mi_llm.__version__,
    )


def read_training(adapter: Path) -> Training | None:
    """What the stamp beside an adapter's folder says; None if there is none.

    Raises:
        InputError: If the stamp, or that of a data file, is not a JSON object.
    """
    path = stamp_path(adapter)
    if not path.is_file():
        return None
    stamp = _stamp(path)
    settings = stamp.get("settings") or {}
    _, *data = (stamp.get("inputs") or {"": ""}).items()  # the first is the recipe
    return Training(
        datasets=tuple(Recipe(path, settings).names("dataset")),
        data=tuple(_data_file(Path(name), digest) for name, digest in data),
        settings=settings,
        versions=stamp.get("versions") or {},
        commit=stamp.get("commit"),
        stand_in=(stamp.get("model") or {}).get("stand_in"),
    )


def shaping(settings: Mapping[str, Any]) -> dict[str, str]:
    """The settings that shape the weights, as text; folders, logging and secrets are left out."""
    return {
        key: _shown(value)
        for key, value in settings.items()
        if key not in _KEPT_OUT and not key.endswith(_PRIVATE)
    }


def _stamp(path: Path) -> dict[str, Any]:
    stamp = jsonl.read_json(path)
    if not isinstance(stamp, dict):
        raise InputError(f"{path}: expected an object, as stamps are")
    return stamp


def _data_file(path: Path, digest: str) -> DataFile:
    beside = stamp_path(path)
    made = _stamp(beside) if beside.is_file() else {}
    if digest not in (made.get("output") or {}).values():
        return DataFile(path.name, digest, None, None)  # no stamp, or that of other rows
    return DataFile(path.name, digest, made.get("counts", {}).get("rows"), made.get("prompt_as"))


def _front(base: BaseModel | None, recipe: Recipe) -> dict[str, Any]:
    """What the hub reads, https://huggingface.co/docs/hub/model-cards#model-card-metadata."""
    named = str(recipe.settings.get("model_name_or_path"))
    front: dict[str, Any] = {"language": ["zh"], "library_name": "transformers"}
    front["pipeline_tag"] = "text-generation"
    front["tags"] = ["mi-llm", "llama-factory", "lora", "motivational-interviewing"]
    if base:
        front |= {"base_model": base.hub_id, "base_model_relation": "finetune"}
        front["license"] = base.hub_license
        if base.hub_license_name:
            front["license_name"] = base.hub_license_name
        front["license_link"] = base.license_url
        return front
    if named.count("/") == 1 and not Path(named).exists():
        front |= {"base_model": named, "base_model_relation": "finetune"}
    return {**front, "license": "unknown"}


def _deviations(recipe: Recipe, base: BaseModel | None, training: Training | None) -> list[str]:
    """What is known to differ from the paper's training, a sentence each."""
    notes = [base.against_paper] if base else ["The paper does not have this base model."]
    revision = recipe.settings.get("model_revision")
    if base and revision != base.revision and recipe.settings["model_name_or_path"] == base.hub_id:
        notes.append(
            f"Revision `{revision}` of the base model; the recipes name `{base.revision}`."
        )
    if training is None:
        return [*notes, "The training's settings are not recorded, so they cannot be compared."]
    return [*notes, *_other_model(recipe, training), *_other_settings(training.settings)]


def _other_model(recipe: Recipe, training: Training) -> list[str]:
    keys = ("model_name_or_path", "model_revision", "template")
    return [
        f"The adapter was trained with `{key}: {_shown(training.settings.get(key))}`, but merged "
        f"with `{key}: {_shown(recipe.settings.get(key))}`."
        for key in keys
        if training.settings.get(key) != recipe.settings.get(key)
    ]


def _other_settings(settings: Mapping[str, Any]) -> list[str]:
    notes = [
        f"`{key}: {_shown(settings.get(key))}`; the paper has `{_shown(papers)}`."
        for key, papers in _PAPERS.items()
        if not _equal(settings.get(key), papers)
    ]
    if bits := settings.get("quantization_bit"):
        notes.append(
            f"Trained on a {bits}-bit copy of the base model and merged into the whole one, which "
            "the adapter has not seen in training."
        )
    if limit := settings.get("max_samples"):
        notes.append(f"Trained on at most {limit} rows of each dataset.")
    return notes


def _equal(value: Any, papers: Any) -> bool:
    if isinstance(papers, float | int) and not isinstance(papers, bool):
        try:
            return float(value) == papers  # YAML 1.1 reads 1e-4 as text
        except (TypeError, ValueError):
            return False
    return bool(value == papers)


def _named(recipe: Recipe, key: str) -> Path:
    value = recipe.settings.get(key)
    if not isinstance(value, str):
        raise InputError(f"{recipe.path}: names no {key}; a card is for a recipe of configs/export")
    return Path(value)


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return _without_folders(text).replace("|", r"\|")


def _without_folders(text: str) -> str:
    """A path without the folders of the machine that it is from; other text as it is."""
    return Path(text).name if Path(text).is_absolute() else text
