from __future__ import annotations

from pathlib import Path

import pytest

from mi_llm.recipe import load_recipe
from mi_llm.runs.base_models import BASE_MODELS, BaseModel, base_model_of

FOLDER = Path(__file__).parents[2] / "llamafactory_configs"
RECIPES = sorted(FOLDER.rglob("*.yaml"))
MODELS = BASE_MODELS.values()


def test_every_recipe_names_the_model_revision_and_template_of_its_base_model() -> None:
    assert len(RECIPES) == 42
    seen = set()
    for path in RECIPES:
        settings = load_recipe(path).settings
        one = base_model_of(settings)
        assert one is not None, path
        assert path.name.startswith(f"{one.key}_")
        named = (settings["model_name_or_path"], settings.get("model_revision"))
        assert named == (one.recipe_model, one.revision)
        assert settings["template"] == one.template
        seen.add(one.key)
    assert seen == set(BASE_MODELS)


def test_the_folders_readme_has_the_same_tables() -> None:
    lines = (FOLDER / "README.md").read_text(encoding="utf-8").splitlines()
    for one in MODELS:
        line, elsewhere = [line for line in lines if line.startswith(f"| `{one.key}` |")]
        assert f"`{one.modelscope_id}`" in elsewhere
        assert f"`{one.recipe_model}`" in line
        assert f"| `{one.template}` |" in line
        assert (f"`{one.revision}`" if one.revision else "| none |") in line


@pytest.mark.parametrize("one", MODELS, ids=lambda one: one.key)
def test_a_suggested_name_keeps_the_licences_rule(one: BaseModel) -> None:
    assert one.derived_name.startswith(one.name_prefix or "")
    assert (one.name_prefix is None) == (one.attribution is None)


@pytest.mark.parametrize("one", MODELS, ids=lambda one: one.key)
def test_other_is_the_licence_that_needs_a_name_on_the_hub(one: BaseModel) -> None:
    assert (one.hub_license == "other") == (one.hub_license_name is not None)
    assert one.license_url.startswith("https://")


@pytest.mark.parametrize("one", MODELS, ids=lambda one: one.key)
def test_a_model_is_known_by_its_id_on_either_hub(one: BaseModel) -> None:
    assert base_model_of({"model_name_or_path": one.hub_id}) is one
    assert base_model_of({"model_name_or_path": one.modelscope_id}) is one


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Baichuan2-7B-Chat-Llama", "baichuan2"),
        ("Baichuan2-7B-Chat", "baichuan2"),
        ("glm-4-9b-chat-hf", "glm4"),
        ("Qwen3-8B", "qwen3"),
    ],
)
def test_a_local_copy_is_known_by_its_folders_name(tmp_path: Path, name: str, key: str) -> None:
    (tmp_path / name).mkdir()
    assert base_model_of({"model_name_or_path": f"{tmp_path / name}/"}) is BASE_MODELS[key]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"model_name_or_path": None},
        {"model_name_or_path": "baichuan-inc/Baichuan2-13B-Chat", "template": "baichuan2"},
        {"model_name_or_path": "someone/Qwen3-8B", "template": "qwen3"},
        {"model_name_or_path": "models/glm4_stand_in", "template": "glm4"},
    ],
)
def test_another_model_is_none_of_them(settings: dict[str, str | None]) -> None:
    assert base_model_of(settings) is None


@pytest.mark.train
def test_ids_on_modelscope_are_those_that_llamafactory_has() -> None:
    constants = pytest.importorskip("llamafactory.extras.constants")
    ids = {
        (sources["hf"], sources["ms"])
        for sources in constants.SUPPORTED_MODELS.values()
        if {"hf", "ms"} <= sources.keys()
    }
    known = {one.key for one in MODELS if (one.hub_id, one.modelscope_id) in ids}
    assert known == {"baichuan2", "llama3_chinese", "qwen3"}  # glm4's -hf form is not in it
