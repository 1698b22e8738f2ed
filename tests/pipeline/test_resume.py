"""A training killed in mid-run, and the same command again."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from eval.runs import _loss
from tests.pipeline.llamafactory import ROOT, TEMPLATES, run

pytestmark = [pytest.mark.train, pytest.mark.slow]

STEPS = 12
PATIENCE = 300  # seconds


def make_train(family, stand_in, rows, output):
    """`make train` of a short run: a step a line in the log, a checkpoint every other step."""
    words = (
        f"model_name_or_path={stand_in} dataset_dir={rows} dataset=mi_sample_train use_cpu=true "
        f"preprocessing_num_workers=1 max_steps={STEPS} logging_steps=1 "
        f"save_steps=2 gradient_accumulation_steps=4 output_dir={output}"
    )
    venv = Path(sys.executable).parents[1]
    return ["make", "train", f"VENV={venv}", f"RECIPE=configs/{family}_lora.yaml", f"ARGS={words}"]


def environment():
    passed_down = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    kept = {name: value for name, value in os.environ.items() if name not in passed_down}
    return {**kept, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def kill_after(command, logged, step):
    """Start a command, wait until the log holds a step, then `kill -9` it and its children."""
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment(), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + PATIENCE
    while not logged.is_file() or f'"current_steps": {step},' not in logged.read_text():
        assert time.monotonic() < deadline, "the training did not get so far"
        assert process.poll() is None, "the training ended before it was killed"
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def state(folder):
    return json.loads((folder / "trainer_state.json").read_text())


def weights(folder):
    from safetensors.torch import load_file

    return load_file(folder / "adapter_model.safetensors")


@pytest.mark.parametrize("family", TEMPLATES)
def test_a_killed_training_resumes_and_ends_as_if_nothing_had_been(
    stand_ins, sample_rows, tmp_path, family
):
    import torch

    killed, straight = tmp_path / "killed", tmp_path / "straight"
    command = make_train(family, stand_ins[family], sample_rows, killed)
    kill_after(command, killed / "trainer_log.jsonl", 7)
    # As a kill within the writing of the newest checkpoint leaves it: with a cut state, and the
    # same command dies on it for ever.
    newest = max(killed.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    assert newest.name in ("checkpoint-6", "checkpoint-8")
    cut = newest / "trainer_state.json"
    cut.write_bytes((newest.parent / "checkpoint-4" / "trainer_state.json").read_bytes()[:-20])
    # And a line of the log that was not finished.
    with (killed / "trainer_log.jsonl").open("a") as log:
        log.write('{"current_steps": 8, "tot')

    again = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stdout[-2000:] + again.stderr[-2000:]
    assert "trainer_state.json is cut short; set aside as incomplete-checkpoint-" in again.stdout
    older = {"checkpoint-6": "checkpoint-4", "checkpoint-8": "checkpoint-6"}[newest.name]
    assert f"training resumes from {killed / older}" in again.stdout
    assert (killed / f"incomplete-{newest.name}").is_dir()

    run(*make_train(family, stand_ins[family], sample_rows, straight))
    assert state(killed)["global_step"] == state(straight)["global_step"] == STEPS
    ours, theirs = weights(killed), weights(straight)
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        torch.testing.assert_close(tensor, theirs[name], rtol=1e-4, atol=1e-6)

    # The log holds steps twice; what is plotted holds each once, as the undisturbed run's.
    lines = (killed / "trainer_log.jsonl").read_text().splitlines()
    assert len(lines) > STEPS + 2
    plotted, expected = _loss(killed / "trainer_log.jsonl"), _loss(straight / "trainer_log.jsonl")
    assert [step for step, _ in plotted] == list(range(1, STEPS + 1))
    assert plotted == expected
