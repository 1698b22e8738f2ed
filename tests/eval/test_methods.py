"""What the methods section takes from stamps, and what it says when there are none."""

from types import SimpleNamespace

import pytest

from eval.report.methods import methods


def run(name, tmp_path, **stamps):
    """A run as the section reads it: scores of two measures, and the stamps that are given."""
    model, variant = name.split("_")
    answers = tmp_path / f"{name}.jsonl"
    answers.write_text("abc")
    scores = [{"signature": "bleu4|strip:no", "method": "t"}, {"signature": "rouge1|strip:no"}]
    return SimpleNamespace(
        name=name,
        model=model,
        variant=variant,
        is_base=variant == "base",
        files=(answers,),
        scores={"scores": scores, "interval": {"method": "as before"}},
        stamps={"scores": {"seed": 0, "versions": {"jieba": "0.42.1"}}, **stamps},
    )


@pytest.fixture
def found(tmp_path):
    """Write nothing but rows; runs -> the content of a report."""
    rows_path = tmp_path / "rows.json"
    rows_path.write_text("abc")
    rows = [
        {"instruction": "帮", "input": "一", "output": "二", "history": []},
        {"instruction": "帮", "input": "三", "output": "四", "history": []},
        {"system": "听", "input": "五", "output": "六", "history": []},
    ]

    def made(*runs):
        return SimpleNamespace(runs=runs, rows=rows, rows_path=rows_path, dialogues=2, families=())

    return made


def facts(items, number):
    (item,) = (one for one in items if one.number == number)
    return [(fact.label, fact.value, fact.runs) for fact in item.facts]


SETTINGS = {
    "model_name_or_path": "zai/glm",
    "model_revision": "main",
    "template": "glm4",
    "do_sample": False,
    "max_new_tokens": 200,
    "hf_hub_token": "hf_secret",
}
PREDICTED = {
    "written": "2026-11-20T10:08:35+00:00",
    "versions": {"llamafactory": "0.9.3", "torch": "2.8.0"},
    "commit": "f00",
    "settings": SETTINGS,
}
TRAINED = {
    "versions": {"peft": "0.15.2"},
    "settings": {"finetuning_type": "lora", "lora_rank": 8, "hf_hub_token": "hf_secret"},
    "inputs": {"configs/glm4_lora.yaml": "aaa", "data/mi_train.json": "bbb"},
}


def test_what_no_stamp_holds_is_not_recorded(found, tmp_path):
    items = methods(found(run("glm4_lora", tmp_path)))
    assert facts(items, "3a") == [
        ("model", None, ("glm4_lora",)),
        ("revision", None, ("glm4_lora",)),
        ("adapter", None, ("glm4_lora",)),
        ("date of release", None, ()),
    ]
    assert ("training", None, ("glm4_lora",)) in facts(items, "4a-4c")
    assert ("generation", None, ("glm4_lora",)) in facts(items, "6c")
    assert ("recorded at", None, ("glm4_lora",)) in facts(items, "6b")


def test_the_items_say_what_the_stamps_hold(found, tmp_path):
    base = run("glm4_base", tmp_path, prediction=PREDICTED)
    adapter = {**SETTINGS, "adapter_name_or_path": "saves/glm4_lora"}
    tuned = run(
        "glm4_lora", tmp_path, prediction={**PREDICTED, "settings": adapter}, training=TRAINED
    )
    items = methods(found(base, tuned))
    # What both runs share is said once, without their names.
    assert facts(items, "3a") == [
        ("model", "zai/glm", ()),
        ("revision", "main", ()),
        ("adapter", "saves/glm4_lora", ("glm4_lora",)),
        ("date of release", None, ()),
    ]
    assert facts(items, "4a-4c") == [
        ("kind", "base", ("glm4_base",)),
        ("kind", "tuned", ("glm4_lora",)),
        ("training", "finetuning_type lora, lora_rank 8", ("glm4_lora",)),
        ("training data", "data/mi_train.json, SHA-256 bbb", ("glm4_lora",)),
        ("software", "peft 0.15.2", ("glm4_lora",)),
    ]
    assert facts(items, "5a-5b") == [
        ("prompt", "帮 (2 of 3 rounds)", ()),
        ("prompt", "听 (1 of 3 rounds)", ()),
        ("how the prompts were developed, and by whom", None, ()),
        ("template", "glm4", ()),
    ]
    assert ("generation", "do_sample false, max_new_tokens 200", ()) in facts(items, "6c")
    # SHA-256 of "abc", from FIPS 180-2, appendix B.1.
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert facts(items, "12e")[0] == ("rounds", f"{tmp_path / 'rows.json'}, SHA-256 {digest}", ())
    assert "hf_secret" not in str(items)


def test_every_number_of_the_checklist_is_given_once_or_left_to_the_authors(found, tmp_path):
    numbers = [item.number for item in methods(found(run("glm4_base", tmp_path)))]
    wanted = "3a 3b 4a-4c 5a-5b 6a 6b 6c 6d 7a-7b 8 9a 12e"
    assert numbers == wanted.split()
