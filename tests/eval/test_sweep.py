"""A sweep over adapters written by hand, predicted with by `predictor.py`."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import typer
from scipy.stats import permutation_test

from eval.predictions import Prediction, read_predictions, read_rows
from eval.scoring import score
from eval.similarity import MEASURES
from eval.sweep import run as sweep_run
from eval.sweep.command import sweep, verdict
from eval.sweep.curves import sweep_figure
from eval.sweep.run import job, last_error
from eval.sweep.scores import read_point
from eval.sweep.sweep import Candidate, Point, candidates, summed_up, training_loss
from mi_llm.errors import InputError
from mi_llm.statistics import Estimate

ROOT = Path(__file__).parents[2]
PREDICTOR = [sys.executable, str(Path(__file__).with_name("predictor.py"))]
COLUMNS = {"prompt": "instruction", "query": "input", "response": "output", "history": "history"}
ROWS = 8  # two rounds of four dialogues


def write_adapter(folder, weights, *, step):
    """An adapter in a file that is whole: `weights` behind a safetensors header."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_config.json").write_text('{"r": 8}')
    header = json.dumps({"t": {"data_offsets": [0, len(weights)]}}).encode()
    weights_file = len(header).to_bytes(8, "little") + header + weights.encode()
    (folder / "adapter_model.safetensors").write_bytes(weights_file)
    log = [{"step": one, "loss": 3 - one / 10} for one in range(1, step + 1)]
    state = {"global_step": step, "log_history": [*log, {"step": step, "train_runtime": 1.0}]}
    (folder / "trainer_state.json").write_text(json.dumps(state))


def write_rows(path, *, start=0):
    rows = [
        {
            "id": f"d{number // 2}#{number % 2 + 1}",
            "instruction": "帮",
            "input": "累",
            "output": f"你今天走了很远的路{number + start}。",
            "history": [["累", "嗯。"]] * (number % 2),
        }
        for number in range(ROWS)
    ]
    path.write_text(json.dumps(rows), encoding="utf-8")


def register(folder, **entries):
    info = {name: {"file_name": file, "columns": COLUMNS} for name, file in entries.items()}
    (folder / "dataset_info.json").write_text(json.dumps(info))


class Place:
    """A training's folder, rows, a recipe, and the sweep over them."""

    def __init__(self, folder):
        self.data, self.saves = folder, folder / "glm4_lora"
        self.rows, self.recipe = folder / "rows.json", folder / "recipe.yaml"
        write_rows(self.rows)
        register(folder, test="rows.json")
        self.recipe.write_text(f"do_predict: true\neval_dataset: test\ndataset_dir: {folder}\n")

    def adapter(self, step, weights):
        write_adapter(self.saves / f"checkpoint-{step}", weights, step=step)

    def final(self, step, weights):
        write_adapter(self.saves, weights, step=step)

    def sweep(self, *words):
        sweep(self.saves, [*words], rows=self.rows, recipe=self.recipe, measure="bleu4", seed=0)
        return json.loads((self.saves / "sweep.json").read_text())

    def calls(self):
        """The adapters predicted with since the last look."""
        path = self.data / "calls"
        lines = path.read_text().split() if path.is_file() else []
        path.unlink(missing_ok=True)
        return lines


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(sweep_run, "program", lambda: PREDICTOR)
    made = Place(tmp_path)
    for step, weights in ((2, "2"), (10, "8"), (4, "4")):
        made.adapter(step, weights)
    made.final(10, "8")
    return made


def test_every_adapter_is_predicted_once_and_the_final_one_is_the_last_checkpoint(place):
    facts = place.sweep()
    assert place.calls() == ["checkpoint-2", "checkpoint-4", "glm4_lora"]
    assert [one["name"] for one in facts["points"]] == [
        "checkpoint-2",
        "checkpoint-4",
        "checkpoint-10 (final)",
    ]
    # A reply equal to its reference has BLEU-4 100, an empty one 0: 2, 4 and 8 of 8 rows.
    assert [one["scores"]["bleu4"]["mean"] for one in facts["points"]] == [25, 50, 100]
    assert [one["empty_predictions"] for one in facts["points"]] == [6, 4, 0]
    assert (facts["best"], facts["last"]) == ("checkpoint-10 (final)",) * 2
    stamp = json.loads((place.saves / "sweep.json.stamp.json").read_text())
    assert stamp["counts"] == {"scored": 3, "failed": 0, "left_out": 0}


def test_scores_are_those_of_eval_score(place):
    place.sweep()
    folder = place.saves / "checkpoint-4" / "predict"
    predictions = read_predictions(folder / "generated_predictions.jsonl")
    expected = "".join(score(predictions, read_rows(place.rows)).json_text())
    assert (folder / "scores.json").read_text(encoding="utf-8") == expected
    stamp = json.loads((folder / "scores.json.stamp.json").read_text())
    assert stamp["rows"] == str(place.rows)
    assert (place.saves / "checkpoint-4" / "predict.stamp.json").is_file()


def test_a_point_holds_the_scores_as_they_are_and_not_those_of_stripped_replies(tmp_path):
    rows: list[Any] = [
        {"id": f"d{number}#1", "input": "累", "output": "你今天走了很远。", "history": []}
        for number in range(2)
    ]
    replies = ("你今天走了很远。", "")
    scores = score([Prediction(reply, "\n你今天走了很远。") for reply in replies], rows)
    path = tmp_path / "scores.json"
    path.write_text("".join(scores.json_text()), encoding="utf-8")
    found = read_point(Candidate(7, (tmp_path / "checkpoint-7",), False, {}), path)
    plain = {one.measure: one.estimate for one in scores.summary if not one.strip}
    assert found.estimates == plain
    assert found.values["bleu4"] == tuple(one.bleu4 for one in scores.plain)
    assert scores.plain != scores.stripped
    assert (found.name, found.step, found.empty) == ("checkpoint-7", 7, 1)
    assert found.dialogues == ("d0", "d1")


def test_a_second_sweep_runs_nothing_and_writes_no_score_again(place):
    first = place.sweep()
    place.calls()
    files = list(place.saves.rglob("predict/*"))
    assert len(files) == 3 * 6  # predictions, results, made_from, log, scores and their stamp
    before = {path: path.stat().st_mtime_ns for path in files}
    assert place.sweep() == first
    assert place.calls() == []
    assert {path: path.stat().st_mtime_ns for path in place.saves.rglob("predict/*")} == before


def test_only_an_adapter_that_changed_is_predicted_again(place):
    place.sweep()
    place.calls()
    place.adapter(4, "6")
    (place.saves / "checkpoint-2" / "adapter_model.safetensors").touch()  # the same bytes
    facts = place.sweep()
    assert place.calls() == ["checkpoint-4"]
    assert facts["points"][1]["scores"]["bleu4"]["mean"] == 75


def test_other_rows_settings_or_predictions_that_were_touched_are_predicted_again(place):
    place.sweep()
    place.calls()
    write_rows(place.rows, start=50)
    place.sweep()
    assert len(place.calls()) == 3
    place.sweep("max_new_tokens=9")
    assert len(place.calls()) == 3
    cut = place.saves / "checkpoint-2" / "predict" / "generated_predictions.jsonl"
    cut.write_text(cut.read_text()[:-9])
    place.sweep("max_new_tokens=9")
    assert place.calls() == ["checkpoint-2"]


def test_a_token_stands_in_no_file_of_a_sweep_and_is_not_typed(place):
    place.recipe.write_text(place.recipe.read_text() + "hf_hub_token: sesame\n")
    place.sweep()
    written = [path for path in place.saves.rglob("*") if path.is_file()]
    assert len(written) > 20
    assert [path.name for path in written if b"sesame" in path.read_bytes()] == []
    with pytest.raises(InputError, match="hf_hub_token: a secret is not typed") as refusal:
        place.sweep("hf_hub_token=sesame")
    assert "sesame" not in str(refusal.value)


def test_a_result_is_kept_when_its_checkpoint_turns_out_to_be_the_final_adapter(place):
    (place.saves / "adapter_config.json").unlink()  # the training has not finished
    facts = place.sweep()
    assert facts["last"] == "checkpoint-10"
    place.calls()
    place.final(10, "8")
    assert place.sweep()["last"] == "checkpoint-10 (final)"
    assert place.calls() == []


def test_a_failure_is_told_with_its_log_and_the_others_go_on(place, capsys):
    place.adapter(2, "fail")
    with pytest.raises(typer.Exit) as end:
        place.sweep()
    assert end.value.exit_code == 1
    log = place.saves / "checkpoint-2" / "predict" / "predict.log"
    told = capsys.readouterr().err.splitlines()
    assert told == [
        f"checkpoint-2: llamafactory-cli ended with 1: RuntimeError: out of memory ({log})",
        "1 of 3 failed; run the same command again",
    ]
    facts = json.loads((place.saves / "sweep.json").read_text())
    assert [one["step"] for one in facts["points"]] == [4, 10]
    assert list(facts["failed"]) == ["checkpoint-2"]
    place.calls()
    place.adapter(2, "1")
    place.sweep()
    assert place.calls() == ["checkpoint-2"]


def test_an_incomplete_checkpoint_is_named_and_left_out(place, capsys):
    cut = place.saves / "checkpoint-4" / "adapter_model.safetensors"
    cut.write_bytes(cut.read_bytes()[:-1])
    (place.saves / "checkpoint-2" / "adapter_config.json").unlink()
    facts = place.sweep()
    assert place.calls() == ["glm4_lora"]
    printed = capsys.readouterr().out
    assert f"{cut.parent}: adapter_model.safetensors is cut short; left out" in printed
    assert "no adapter_config.json" in facts["left_out"][str(place.saves / "checkpoint-2")]


def test_a_folder_without_adapters_is_refused(tmp_path):
    with pytest.raises(InputError, match="no adapter and no whole checkpoint"):
        candidates(tmp_path)


def sweep_process(place):
    words = [place.saves, "--rows", place.rows, "--recipe", place.recipe]
    command = [sys.executable, "-m", "tests.eval.sweep_program", *PREDICTOR, "--", *words]
    return subprocess.Popen(
        [str(word) for word in command], cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_ctrl_c_ends_the_prediction_too_and_the_same_command_goes_on(place):
    place.adapter(4, "hang")
    log = place.saves / "checkpoint-4" / "predict" / "predict.log"
    process = sweep_process(place)
    deadline = time.monotonic() + 60
    while not (log.is_file() and log.read_text().endswith("\n")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in errors
    predicting = int(log.read_text().split()[1])
    with pytest.raises(ProcessLookupError):
        os.kill(predicting, 0)
    place.calls()
    place.adapter(4, "4")
    process = sweep_process(place)
    printed, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert place.calls() == ["checkpoint-4", "glm4_lora"]
    assert "checkpoint-2 (1 of 3): up to date" in printed
    assert "best: checkpoint-10 (final), by bleu4|tok:char" in printed


def test_the_dataset_that_is_the_rows_file_is_found(place):
    register(place.data, other="other.json", mine="rows.json")
    made = job(place.saves, place.rows, place.recipe, [], seed=0)
    assert made.recipe.overrides == ("eval_dataset=mine",)
    register(place.data, test="rows.json", mine="rows.json")
    assert job(place.saves, place.rows, place.recipe, [], seed=0).recipe.overrides == ()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["output_dir=x"], "a sweep sets this for every checkpoint"),
        (["max_samples=7"], "max_samples 7 leaves out some of 8 rows"),
        (["do_predict=false"], "does not predict"),
        (["do_train=true"], "does not predict"),
        (["eval_dataset=third"], "is test and twin; add eval_dataset=<one>"),
    ],
)
def test_what_would_fail_after_hours_is_refused_at_once(place, words, message):
    register(place.data, test="rows.json", twin="rows.json", third="third.json")
    with pytest.raises(InputError, match=message):
        job(place.saves, place.rows, place.recipe, words, seed=0)


def test_rows_that_are_not_registered_are_refused_with_how_to(place):
    register(place.data, test="other.json")
    with pytest.raises(InputError, match=r"no dataset is .*rows\.json; .* --register NAME"):
        job(place.saves, place.rows, place.recipe, [], seed=0)


def test_the_recipe_is_named_after_the_folder_or_asked_for(place, monkeypatch):
    with pytest.raises(InputError, match=r"configs/predict/none\.yaml: no such recipe.*--recipe"):
        job(place.data / "none", place.rows, None, [], seed=0)
    monkeypatch.chdir(place.data)
    (place.data / "configs" / "predict").mkdir(parents=True)
    place.recipe.rename(place.data / "configs" / "predict" / "glm4_lora.yaml")
    made = job(place.saves, place.rows, None, [], seed=0)
    assert made.recipe.path == Path("configs/predict/glm4_lora.yaml")


def test_the_error_of_a_worker_is_told_rather_than_the_launchers(tmp_path):
    log = tmp_path / "log"
    log.write_text(
        "[rank0]: Traceback (most recent call last):\n"
        "[rank0]: torch.OutOfMemoryError: CUDA out of memory.\n"
        "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n"
        "subprocess.CalledProcessError: Command '['torchrun']' returned non-zero\n"
    )
    assert last_error(log) == "torch.OutOfMemoryError: CUDA out of memory."
    log.write_text("loading\nKilled\n\n")
    assert last_error(log) == "Killed"
    log.write_text("")
    assert last_error(log) == "it said nothing"


def point(step, values, dialogues):
    return Point(
        name=f"checkpoint-{step}",
        step=step,
        folder=Path(f"checkpoint-{step}/predict"),
        estimates={one: Estimate(float(np.mean(values)), 1.0, 9.0, "t") for one in MEASURES},
        values=dict.fromkeys(MEASURES, tuple(values)),
        dialogues=dialogues,
        empty=0,
    )


DIALOGUES = tuple(f"d{number // 2}" for number in range(16))


@pytest.fixture(scope="module")
def summed():
    draw = np.random.default_rng(3)
    last = draw.normal(20, 3, 16)
    shifts = ((300, 0.0), (100, 4.0), (200, 1.5))
    points = [
        point(step, last + shift + draw.normal(0, 2, 16) * (shift > 0), DIALOGUES)
        for step, shift in shifts
    ]
    return summed_up(points, measure="bleu4", seed=0)


def test_all_are_compared_with_the_last_by_whole_dialogues_as_scipy_does(summed):
    assert [one.step for one in summed.points] == [100, 200, 300]
    assert summed.best.step == 100
    last = np.array(summed.last.values["bleu4"])
    expected = []
    for earlier in summed.points[:2]:
        by_dialogue = (np.array(earlier.values["bleu4"]) - last).reshape(8, 2).sum(1)
        test = permutation_test(
            (by_dialogue,), np.sum, permutation_type="samples", n_resamples=np.inf
        )
        expected.append(test.pvalue)
    assert [one.p for one in summed.against_last] == pytest.approx(expected)
    # Holm by hand: the smaller p twice, the greater once but no less than that.
    low, high = sorted(expected)
    assert sorted(one.holm for one in summed.against_last) == pytest.approx(
        [min(1, 2 * low), max(min(1, 2 * low), high)]
    )


def test_the_verdict_says_whether_the_best_can_be_told_from_the_last(summed):
    lines = list(verdict(summed))
    assert summed.verdict.holm < 0.05
    assert lines[0].startswith("it can be told from the last, checkpoint-300: difference +")
    assert lines[0].endswith(f"by Holm over 2 comparisons {summed.verdict.holm:.4f}")
    assert lines[1].startswith("caution: the best was chosen by its score on these rows")
    assert lines[2].startswith("warning: only 8 dialogues")


def test_among_equals_the_earliest_is_best_and_cannot_be_told_from_the_last():
    values = [float(number) for number in range(16)]
    equal = [point(step, values, DIALOGUES) for step in (20, 10)]
    result = summed_up(equal, measure="rougeL", seed=0)
    assert (result.best.step, result.last.step) == (10, 20)
    assert result.verdict is not None
    assert result.verdict.p == 1
    assert next(verdict(result)).startswith("it cannot be told from the last, checkpoint-20")


def test_a_single_adapter_is_best_and_last():
    result = summed_up([point(5, [1.0] * 16, DIALOGUES)], measure="bleu4", seed=0)
    assert result.against_last == ()
    assert next(verdict(result)) == "it is the last one too"
    with pytest.raises(InputError, match="no checkpoint has scores"):
        summed_up([], measure="bleu4", seed=0)


def test_the_loss_is_the_trainings_own_log(place):
    expected = {"loss": [(step, 3 - step / 10) for step in range(1, 11)]}
    assert training_loss(place.saves) == expected
    (place.saves / "trainer_state.json").unlink()
    newest = place.saves / "checkpoint-10" / "trainer_state.json"
    newest.write_text(newest.read_text()[:-5])  # killed while it was written
    assert training_loss(place.saves) == {"loss": expected["loss"][:4]}
    assert training_loss(place.data) == {}


def drawn(svg):
    return {"".join(one.itertext()).strip() for one in ElementTree.fromstring(svg).iter(TEXT)}


TEXT = "{http://www.w3.org/2000/svg}text"


def test_the_figure_names_measures_best_and_loss(summed):
    svg = sweep_figure(summed, {"loss": [(100, 3.0), (300, 2.0)], "eval_loss": [(100, 3.5)]})
    words = {"BLEU-4", "ROUGE-L", "best by BLEU-4", "training loss", "validation loss"}
    assert words | {"optimizer step", "nats per token"} <= drawn(svg)
    without = drawn(sweep_figure(summed, {}))
    assert "BLEU-4" in without
    assert "nats per token" not in without
    assert sweep_figure(summed, {}) == sweep_figure(summed, {})  # the same bytes
