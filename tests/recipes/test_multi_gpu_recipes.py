"""The recipes for more than one GPU: the one-GPU recipe but for what a second GPU needs."""

import json
import re

import pytest
import yaml

from tests.recipes.test_recipes import FOLDER, ROOT, blocks

KINDS = ("torchrun", "nodes", "zero2", "zero3", "fsdp", "ray")
PATHS = {kind: FOLDER / "multi_gpu" / f"glm4_lora_{kind}.yaml" for kind in KINDS}
HEADING = "more than one GPU\n"


def gpus(path):
    """The number of GPUs that the header states."""
    (stated,) = re.findall(r"LoRA on (\d+) GPUs", blocks(path)[0])
    return int(stated)


def extra(path):
    return yaml.safe_load(blocks(path)[-1].removeprefix(HEADING))


def test_the_folder_holds_these_recipes_and_their_engines_files():
    names = {path.name for path in (FOLDER / "multi_gpu").iterdir()}
    assert names == {*(path.name for path in PATHS.values()), "zero2.json", "zero3.json"}


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_one_gpu_recipe_but_for_folder_accumulation_and_its_last_block(kind):
    base = FOLDER / "glm4_lora.yaml"
    parts, ours = blocks(base), blocks(PATHS[kind])
    parts[1] = parts[1].replace("saves/glm4_lora\n", f"saves/glm4_lora_{kind}\n")
    parts[-1] = re.sub(
        r"(gradient_accumulation_steps: ).*",
        r"\g<1>4  # 2 GPUs x 1 row x 4 = effective batch 8",
        parts[-1],
    )
    parts[-1] += "\n"  # the blank line before one more block
    assert ours[1:-1] == parts[1:]
    assert ours[-1].startswith(HEADING)
    assert not extra(PATHS[kind]).keys() & yaml.safe_load(base.read_text()).keys()


@pytest.mark.parametrize("kind", KINDS)
def test_gpus_times_rows_times_accumulation_is_8(kind):
    settings = yaml.safe_load(PATHS[kind].read_text())
    rows = settings["per_device_train_batch_size"] * settings["gradient_accumulation_steps"]
    assert gpus(PATHS[kind]) * rows == 8


@pytest.mark.parametrize("kind", KINDS)
def test_the_typed_command_starts_one_process_for_each_gpu(kind):
    header = blocks(PATHS[kind])[0]
    assert f"llamafactory-cli train configs/multi_gpu/{PATHS[kind].name}\n" in header
    if kind == "ray":
        # Ray's workers start in a folder of their own: "." would then not be the checkout.
        assert "USE_RAY=1 RAY_CHDIR_TO_TRIAL_DIR=0" in header
        assert extra(PATHS[kind])["ray_num_workers"] == gpus(PATHS[kind])
        return
    assert "FORCE_TORCHRUN=1" in header
    counts = {key: int(n) for key, n in re.findall(r"(NNODES|NPROC_PER_NODE)=(\d+)", header)}
    assert counts.get("NNODES", 1) * counts["NPROC_PER_NODE"] == gpus(PATHS[kind])


def test_a_token_counts_alike_on_every_gpu():
    for path in PATHS.values():
        assert extra(path)["average_tokens_across_devices"] is True


@pytest.mark.parametrize("kind", ["zero2", "zero3"])
def test_the_deepspeed_file_is_there_and_leaves_the_recipe_its_numbers(kind):
    config = json.loads((ROOT / extra(PATHS[kind])["deepspeed"]).read_text(encoding="ascii"))
    assert config["zero_optimization"]["stage"] == int(kind[-1])
    sizes = ("train_batch_size", "train_micro_batch_size_per_gpu", "gradient_accumulation_steps")
    assert [config[key] for key in sizes] == ["auto"] * 3
    # Without it transformers makes two groups, of which LoRA leaves one empty: torch then refuses.
    params = config["optimizer"]["params"]
    assert params.pop("torch_adam") is True
    assert set(params.values()) == {"auto"}


@pytest.mark.train
@pytest.mark.parametrize("kind", KINDS)
def test_llamafactory_parses_what_it_can_without_torchrun(kind, monkeypatch):
    # Left out: `deepspeed`, which the parser accepts under torchrun with DeepSpeed installed only.
    # FSDP's sync_module_states needs a GPU, but later than here.
    hparams = pytest.importorskip("llamafactory.hparams")
    for name in ("ACCELERATE_USE_FSDP", "FSDP_SHARDING_STRATEGY"):
        monkeypatch.setenv(name, "")
    settings = yaml.safe_load(PATHS[kind].read_text())
    settings.pop("deepspeed", None)
    _, _, training, finetuning, _ = hparams.get_train_args({**settings, "use_cpu": True})
    assert training.gradient_accumulation_steps == 4
    assert training.average_tokens_across_devices is False  # one process here: it says so
    assert finetuning.finetuning_type == "lora"
    assert [option.value for option in training.fsdp] == (
        ["full_shard", "auto_wrap"] if kind == "fsdp" else []
    )
    assert training.ray_num_workers == (2 if kind == "ray" else 1)
