"""Two processes train as one does: same steps, same losses, same adapter.

The reference is one process with the one-GPU recipe. Rows are shuffled by the same seed and dealt
out in turn, so that step k reads the same 8 rows however many processes there are; with
`average_tokens_across_devices` their gradients add up to the same sum. What is left is rounding.
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipeline.llamafactory import ROOT, TEMPLATES, run

pytestmark = [pytest.mark.train, pytest.mark.slow]

CPU = ("use_cpu=true", "preprocessing_num_workers=1")
SHORT = (
    "dataset=mi_sample_train", "max_samples=64", "cutoff_len=512", "num_train_epochs=1",
    "logging_steps=1", "learning_rate=1e-2",
)  # fmt: skip
TWO = {"FORCE_TORCHRUN": "1", "NPROC_PER_NODE": "2"}
ROUNDING = 1e-3  # of a loss near 6.7: see docs/multi_gpu.md


@pytest.fixture
def train(sample_rows, stand_ins, monkeypatch):
    """Train a family's stand-in with a recipe of the glm4 model; return the log's steps."""

    def trained(recipe, folder, *words, family="glm4", environment=None):
        prepare(monkeypatch, environment or {})
        run(*command(recipe, folder, sample_rows, stand_ins, family), *words)
        return steps(folder)

    return trained


def prepare(monkeypatch, environment):
    # LLaMA-Factory looks for torchrun on the PATH.
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    for name in (*TWO, "USE_RAY", "NNODES", "NODE_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


def command(recipe, folder, rows, stand_ins, family):
    return [
        Path(sys.executable).parent / "llamafactory-cli", "train", f"configs/{recipe}.yaml",
        f"model_name_or_path={stand_ins[family]}", f"template={TEMPLATES[family]}", *CPU,
        f"dataset_dir={rows}", *SHORT, f"output_dir={folder}",
    ]  # fmt: skip


def steps(folder):
    lines = (folder / "trainer_log.jsonl").read_text().splitlines()
    return [line for line in map(json.loads, lines) if "loss" in line]


def worst(one, other):
    return max(abs(a["loss"] - b["loss"]) for a, b in zip(one, other, strict=True))


def adapter(folder):
    from safetensors.torch import load_file

    return load_file(folder / "adapter_model.safetensors")


def assert_adapters_agree(one, other):
    ours, theirs = adapter(one), adapter(other)
    assert ours.keys() == theirs.keys()
    largest = max(float(weights.abs().max()) for weights in theirs.values())
    # The same shapes, and nowhere a fifth of the largest weight apart.
    assert all(float((ours[key] - theirs[key]).abs().max()) < 0.2 * largest for key in theirs)


def assert_trained_alike(two, one, folders):
    assert len(two) == len(one) == 8  # 64 rows, 8 a step
    assert worst(two, one) < ROUNDING
    assert one[0]["loss"] - one[-1]["loss"] > 100 * ROUNDING  # it learned, or nothing was compared
    assert_adapters_agree(*folders)


def rates(log):
    return [step["lr"] for step in log]


@pytest.mark.parametrize("family", TEMPLATES)
def test_two_processes_train_as_one_does(train, tmp_path, family):
    one = train("glm4_lora", tmp_path / "one", family=family)
    recipe = "multi_gpu/glm4_lora_torchrun"
    two = train(recipe, tmp_path / "two", family=family, environment=TWO)
    assert rates(two) == rates(one)
    assert_trained_alike(two, one, (tmp_path / "two", tmp_path / "one"))


def test_without_the_tokens_of_both_the_losses_part(train, tmp_path):
    # The test's own test: the bound above sees what the recipe's extra line is for.
    one = train("glm4_lora", tmp_path / "one")
    apart = train(
        "multi_gpu/glm4_lora_torchrun", tmp_path / "two", "average_tokens_across_devices=false",
        environment=TWO,
    )  # fmt: skip
    assert worst(apart, one) > 2 * ROUNDING


def test_two_nodes_of_one_process_train_as_one_does(
    train, tmp_path, sample_rows, stand_ins, monkeypatch
):
    one = train("glm4_lora", tmp_path / "one")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    node = {
        "FORCE_TORCHRUN": "1", "NPROC_PER_NODE": "1", "NNODES": "2",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    words = command("multi_gpu/glm4_lora_nodes", tmp_path / "two", sample_rows, stand_ins, "glm4")
    prepare(monkeypatch, node)
    second = subprocess.Popen(
        [str(word) for word in words], cwd=ROOT, env={**os.environ, "NODE_RANK": "1"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        run(*words)
        assert second.wait(60) == 0
    finally:
        second.kill()
    assert_trained_alike(steps(tmp_path / "two"), one, (tmp_path / "two", tmp_path / "one"))


def test_fsdp_trains_as_one_process_does(train, tmp_path):
    one = train("glm4_lora", tmp_path / "one")
    # accelerate sends the weights round by GPU only; on a CPU each process reads them itself.
    words = ("fsdp_config.sync_module_states=false", "fsdp_config.cpu_ram_efficient_loading=false")
    two = train("multi_gpu/glm4_lora_fsdp", tmp_path / "two", *words, environment=TWO)
    assert_trained_alike(two, one, (tmp_path / "two", tmp_path / "one"))


@pytest.mark.parametrize("stage", [2, 3])
def test_deepspeed_trains_as_one_process_does(train, tmp_path, stage):
    pytest.importorskip("deepspeed", reason='not run: needs pip install "deepspeed<=0.16.9"')
    # use_cpu=true keeps DeepSpeed from starting its communication, and bf16 needs it on a CPU.
    words = ("use_cpu=false", "bf16=false")
    one = train("glm4_lora", tmp_path / "one", "bf16=false")
    two = train(f"multi_gpu/glm4_lora_zero{stage}", tmp_path / "two", *words, environment=TWO)
    assert_trained_alike(two, one, (tmp_path / "two", tmp_path / "one"))
    assert rates(two)[:-1] == rates(one)[1:]  # DeepSpeed's log shows the rate of the next step
    shards = list((tmp_path / "two" / "checkpoint-8" / "global_step8").glob("*optim_states.pt"))
    assert len(shards) == 2
