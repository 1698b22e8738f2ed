"""What preflight says of recipes on stand-ins: all that is well, and each thing that is not."""

import json
import shutil
from collections import namedtuple

import pytest

from mi_llm.recipe import load_recipe
from mi_llm.runs.preflight import preflight, processes
from tests.pipeline.llamafactory import ROOT, TEMPLATES

pytestmark = pytest.mark.train

DISK = namedtuple("DISK", "total used free")


@pytest.fixture
def look(stand_ins, sample_rows, tmp_path):
    """Look at a recipe on a stand-in: `key=value` words -> (state, subject, text) of each line."""

    def lines(*words, family="glm4", recipe="{}_lora"):
        told = load_recipe(
            ROOT / "configs" / f"{recipe.format(family)}.yaml",
            [
                "use_cpu=true", f"model_name_or_path={stand_ins[family]}",
                f"dataset_dir={sample_rows}", "dataset=mi_sample_train",
                f"output_dir={tmp_path / 'saves'}", *words,
            ],
        )  # fmt: skip
        return [(line.state, line.subject, line.text) for line in preflight(told)]

    return lines


def problems(lines):
    return [(subject, text) for state, subject, text in lines if state == "problem"]


@pytest.mark.parametrize("family", TEMPLATES)
def test_a_recipe_that_can_run_has_no_problem(look, family):
    lines = look(family=family)
    assert problems(lines) == []
    assert [subject for _, subject, _ in lines] == [
        "versions", "settings", "template", "dataset", "disk",
    ]  # fmt: skip
    # 289 rows, effective batch 8, three epochs (see test_training_size).
    assert lines[-1][2].startswith("111 steps; checkpoints take 0.0")


@pytest.mark.parametrize(
    ("words", "subject", "message"),
    [
        (["mask_histroy=true"], "settings", "no setting 'mask_histroy', perhaps 'mask_history'"),
        (["quantization_bit=4"], "settings", "bitsandbytes is not installed; pip install"),
        (["use_cpu=false"], "settings", "bf16: true needs a GPU of the Ampere generation"),
        (["template=llama3"], "template", "<|start_header_id|>, <|end_header_id|>, <|eot_id|> is"),
        (["template=glm5"], "model", "LLaMA-Factory has no template 'glm5'"),
        (["model_name_or_path=models/none"], "model", "models/none: no model is there"),
        (["dataset=mi_trian"], "dataset", "dataset 'mi_trian' is not in"),
        (["cutoff_len=520"], "dataset", "tokens, which would be cut to cutoff_len 520"),
        (["mask_history=false"], "dataset", "set mask_history: true"),
        (["adapter_name_or_path=saves/none"], "adapter", "saves/none: no adapter is there"),
    ],
)  # fmt: skip
def test_each_thing_that_is_wrong_is_one_line(look, words, subject, message):
    found = [(where, text) for where, text in problems(look(*words)) if message in text]
    assert [where for where, _ in found][:1] == [subject]


def test_a_full_disk_is_told_before_training(look, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: DISK(10**9, 10**9, 10**6))
    (subject, text), *others = problems(look())
    assert subject == "disk"
    assert "0.0 GB are free; make room, or set save_total_limit=1" in text
    assert others == []


def test_a_missing_file_of_rows_is_told(look, sample_rows, tmp_path):
    info = json.loads((sample_rows / "dataset_info.json").read_text())
    info["mi_sample_train"]["file_name"] = "gone.json"
    (tmp_path / "dataset_info.json").write_text(json.dumps(info))
    (subject, text), *_ = problems(look(f"dataset_dir={tmp_path}"))
    assert (subject, text) == ("dataset", f"{tmp_path / 'gone.json'}: no such file or directory")


def test_an_adapter_without_checkpoint_is_not_trained_over(look, tmp_path):
    (tmp_path / "saves").mkdir()
    (tmp_path / "saves" / "adapter_model.safetensors").write_bytes(b"")
    ((subject, text),) = problems(look())
    assert subject == "checkpoint"
    assert "holds an adapter but no checkpoint to resume from" in text


def test_prediction_is_looked_at_too(look, sample_rows):
    words = ("eval_dataset=mi_sample_test", "dataset=", "adapter_name_or_path=saves/none")
    lines = look(*words, recipe="predict/{}_lora")
    assert problems(lines) == [("adapter", "saves/none: no adapter is there; train it first")]
    assert [text for _, subject, text in lines if subject == "dataset"] == [
        f"{sample_rows / 'test.json'}: 77 rows, no problem"
    ]


def plain(stand_in, name, *words):
    """The lines of a recipe without data."""
    told = load_recipe(
        ROOT / "configs" / name, [f"model_name_or_path={stand_in}", "adapter_name_or_path=", *words]
    )
    return [(line.state, line.subject, line.text) for line in preflight(told)]


def test_merging_into_a_folder_that_is_not_empty_is_a_problem(stand_ins, tmp_path):
    words = ("export/glm4_lora.yaml", f"export_dir={tmp_path}")
    assert problems(plain(stand_ins["glm4"], *words)) == []
    (tmp_path / "config.json").write_text("{}")
    assert problems(plain(stand_ins["glm4"], *words)) == [
        ("export", f"{tmp_path}: is not empty, and its files would be mixed; move it away")
    ]


def test_a_model_whose_own_config_asks_for_sampling_is_noted_before_serving(stand_ins, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(stand_ins["glm4"], model)
    (model / "generation_config.json").write_text(
        '{"do_sample": true, "transformers_version": "4.52.4"}'
    )
    (note,) = [line for line in plain(model, "api/glm4_lora.yaml") if line[0] == "note"]
    assert note[1] == "serving"
    assert "asks for sampling, and the server would sample" in note[2]
    # Versions before 4.50 fill in nothing.
    (model / "generation_config.json").write_text(
        '{"do_sample": true, "transformers_version": "4.44.2"}'
    )
    assert all(line[0] == "ok" for line in plain(model, "api/glm4_lora.yaml"))


@pytest.mark.parametrize(
    ("environment", "settings", "count"),
    [
        ({}, {"use_cpu": True}, 1),
        ({"FORCE_TORCHRUN": "1", "NPROC_PER_NODE": "2"}, {"use_cpu": True}, 2),
        ({"FORCE_TORCHRUN": "1", "NPROC_PER_NODE": "4", "NNODES": "2"}, {"use_cpu": True}, 8),
        ({"USE_RAY": "1"}, {"ray_num_workers": 4}, 4),
        ({"NPROC_PER_NODE": "4"}, {"use_cpu": True}, 1),  # without torchrun it is not read
    ],
)
def test_processes_are_counted_as_llamafactory_starts_them(environment, settings, count):
    assert processes(settings, environment) == count


def test_another_batch_than_the_papers_is_noted(look):
    notes = [
        text for state, subject, text in look("gradient_accumulation_steps=4") if state == "note"
    ]
    assert notes == [
        "4 rows per step over 1 process(es), not the paper's 8; change "
        "gradient_accumulation_steps, or CUDA_VISIBLE_DEVICES"
    ]
