"""Which checkpoints are whole, and what becomes of those that are not."""

import json
import zipfile

import pytest

from mi_llm.errors import InputError
from mi_llm.runs import checkpoints

HEADER = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
WEIGHTS = len(HEADER).to_bytes(8, "little") + HEADER + bytes(8)


def written(folder, step):
    checkpoint = folder / f"checkpoint-{step}"
    checkpoint.mkdir(parents=True)
    (checkpoint / "adapter_model.safetensors").write_bytes(WEIGHTS)
    with zipfile.ZipFile(checkpoint / "optimizer.pt", "w") as archive:
        archive.writestr("data", "x" * 100)
    (checkpoint / "trainer_state.json").write_text(json.dumps({"global_step": step}))
    return checkpoint


def cut(path):
    path.write_bytes(path.read_bytes()[:-4])


def test_a_whole_checkpoint_has_no_fault(tmp_path):
    assert checkpoints.fault(written(tmp_path, 4)) is None


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("trainer_state.json", "trainer_state.json is cut short"),
        ("adapter_model.safetensors", "adapter_model.safetensors is cut short"),
        ("optimizer.pt", "optimizer.pt is cut short"),
    ],
)
def test_a_cut_file_is_named(tmp_path, name, fault):
    checkpoint = written(tmp_path, 4)
    cut(checkpoint / name)
    assert checkpoints.fault(checkpoint) == fault


@pytest.mark.parametrize(
    "header",
    [b"[]", b"5", b'{"w": 5}', b'{"w": {"data_offsets": "0"}}', b'{"w": {}}', b"[" * 5_000],
)
def test_weights_with_a_header_of_another_kind_are_not_whole(tmp_path, header):
    checkpoint = written(tmp_path, 4)
    path = checkpoint / "adapter_model.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    assert checkpoints.fault(checkpoint) == "adapter_model.safetensors is cut short"
    path.write_bytes((2**62).to_bytes(8, "little") + header)
    assert checkpoints.fault(checkpoint) == "adapter_model.safetensors is cut short"


def test_what_the_trainer_writes_last_must_be_there(tmp_path):
    checkpoint = written(tmp_path, 4)
    (checkpoint / "trainer_state.json").unlink()
    assert checkpoints.fault(checkpoint) == "no trainer_state.json"
    empty = tmp_path / "checkpoint-6"
    empty.mkdir()
    (empty / "trainer_state.json").write_text("{}")
    assert checkpoints.fault(empty) == "no weights"


def test_incomplete_ones_are_set_aside_down_to_the_newest_whole_one(tmp_path):
    for step in (2, 4, 10):
        written(tmp_path, step)
    cut(tmp_path / "checkpoint-10" / "trainer_state.json")
    cut(tmp_path / "checkpoint-4" / "optimizer.pt")
    cut(tmp_path / "checkpoint-2" / "optimizer.pt")
    (tmp_path / "incomplete-checkpoint-10").mkdir()
    written(tmp_path, 3)
    aside = list(checkpoints.set_aside_incomplete(tmp_path))
    assert [(one.folder.name, one.renamed.name, one.fault) for one in aside] == [
        ("checkpoint-10", "incomplete-checkpoint-10-2", "trainer_state.json is cut short"),
        ("checkpoint-4", "incomplete-checkpoint-4", "optimizer.pt is cut short"),
    ]
    assert [step for step, _ in checkpoints.steps(tmp_path)] == [2, 3]


def test_a_folder_without_checkpoints_has_none(tmp_path):
    assert checkpoints.steps(tmp_path / "nowhere") == []
    assert list(checkpoints.set_aside_incomplete(tmp_path)) == []


def test_a_checkpoint_that_cannot_be_renamed_is_told(tmp_path, monkeypatch):
    cut(written(tmp_path, 4) / "optimizer.pt")

    def refuse(self, target):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.rename", refuse)
    with pytest.raises(
        InputError, match=r"checkpoint-4: optimizer\.pt is cut short, and it cannot"
    ):
        list(checkpoints.set_aside_incomplete(tmp_path))
