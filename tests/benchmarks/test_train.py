"""The training benchmark: its operation count by hand and by PyTorch's, and the script itself."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import full_size, lora_run, training_flops
from benchmarks.lora_run import Outcome
from benchmarks.speed_table import Line, report
from benchmarks.training_flops import Shape

ROOT = Path(__file__).parents[2]

# Layers with 100 weights in products, a head of 10, attention of 2 (layers x heads x head size).
SMALL = Shape(parameters=500, in_layers=100, in_head=10, attention=2)


def bench(*words):
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "benchmarks/train.py", *map(str, words)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )


def cells(table):
    """Model and setting -> the other cells."""
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return {(row[0], row[1]): row[2:] for row in rows[2:]}


def test_operations_of_two_rows_are_those_counted_by_hand():
    # Row of 5: weights 2*110*5 = 1100 forward, as much backward; attention, causal half of
    # QK' (2*5*5*2 = 100) and AV (100) = 100 forward, 200 backward: 2200 + 300 = 2500.
    # Row of 10: 2*110*10 = 2200 twice, attention (400 + 400) / 2 = 400 and 800: 4400 + 1200 = 5600.
    assert SMALL.model_flops([5, 10]) == 2500 + 5600
    # Once more forward without the head: 2*100*5 + 100 = 1100 and 2*100*10 + 400 = 2400.
    assert SMALL.hardware_flops([5, 10], checkpointing=True) == 8100 + 1100 + 2400
    assert SMALL.hardware_flops([5, 10], checkpointing=False) == 8100


@pytest.mark.train
def test_operations_are_those_that_pytorch_counts():
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from torch.utils.flop_counter import FlopCounterMode

    config = transformers.LlamaConfig(
        hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, vocab_size=300, attn_implementation="eager",
    )  # fmt: skip
    model = transformers.LlamaForCausalLM(config).requires_grad_(False)
    embedded = torch.randn(1, 24, 64, requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        loss = model(inputs_embeds=embedded, labels=torch.zeros(1, 24, dtype=torch.long)).loss
        loss.backward()
    found = training_flops.shape_of(config)
    # Eager attention computes the whole square, of which a causal model needs half: 3 passes of it.
    other_half = 3 * 2 * found.attention * 24**2
    # The rotary angles are a product too: 24 positions and 8 frequencies.
    rotary = 2 * 24 * 8
    assert counter.get_total_flops() == found.model_flops([24]) + other_half + rotary


@pytest.mark.train
@pytest.mark.parametrize(
    ("model", "vocabulary", "layers", "layer"),
    # A layer: q and o, k and v (fewer heads of 128), and the three products of the MLP.
    [
        ("glm4", 151552, 40, 4096 * (2 * 4096 + 2 * 2 * 128 + 3 * 13696)),
        ("llama3_chinese", 128256, 32, 4096 * (2 * 4096 + 2 * 8 * 128 + 3 * 14336)),
        ("baichuan2", 125696, 32, 4096 * (2 * 4096 + 2 * 32 * 128 + 3 * 11008)),
    ],
)
def test_the_weights_in_products_are_those_counted_by_hand(model, vocabulary, layers, layer):
    transformers = pytest.importorskip("transformers")
    of_family = transformers.GlmConfig if model == "glm4" else transformers.LlamaConfig
    found = training_flops.shape_of(of_family(**full_size.GEOMETRIES[model]))
    # Beside products: the embedding, two norms a layer and a last one, biases of q, k and v in GLM.
    biases = 40 * (4096 + 2 * 2 * 128) if model == "glm4" else 0
    beside = vocabulary * 4096 + (2 * layers + 1) * 4096 + biases
    assert found == Shape(
        parameters=layers * layer + vocabulary * 4096 + beside,
        in_layers=layers * layer,
        in_head=vocabulary * 4096,
        attention=layers * 32 * 128,
    )
    if model == "llama3_chinese":  # total_size in Llama-3-8B's model.safetensors.index.json
        assert found.parameters == 16_060_522_496 // 2


def test_a_batch_is_padded_to_its_longest_row_and_that_to_a_multiple_of_eight():
    # (3, 17): 2 rows of 24; (8, 2): 2 of 8; (9): 1 of 16.
    assert lora_run.padded_tokens([3, 17, 8, 2, 9], 2) == 48 + 16 + 16
    assert lora_run.padded_tokens([3, 17, 8, 2, 9], 1) == 8 + 24 + 8 + 8 + 16


def test_what_went_wrong_is_one_word():
    memory = "  File x\ntorch.OutOfMemoryError: CUDA out of memory. Tried to allocate 9 GiB\nbye"
    assert lora_run.fault(1, memory, begun=True) == Outcome(
        "out-of-memory", "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 9 GiB"
    )
    wrong = "Traceback\nValueError: no such thing\n"
    assert lora_run.fault(1, wrong, begun=False) == Outcome("refused", "ValueError: no such thing")
    assert lora_run.fault(1, wrong, begun=True) == Outcome("failed", "ValueError: no such thing")
    assert lora_run.fault(-9, "", begun=True) == Outcome("failed", "ended by signal 9")
    warning = "Current model does not support liger kernel."
    output = f"[INFO] a >> b\n[WARNING|2026] model_utils.liger_kernel:148 >> {warning}\n"
    assert lora_run.fault(0, output, begun=True) == Outcome("ignored", warning)
    assert lora_run.fault(0, "all well\n", begun=True) is None


def test_the_table_compares_with_paper_and_with_the_peak():
    # 8100 FLOP in 1 ns are 8.1 TFLOP/s, with recomputing 11.6; an A100 does 312. 15 of 20 tokens.
    paper = Outcome("ok", lengths=(5, 10), padded=20, seconds=1e-9, peak=3.25)
    slow = Outcome("ok", lengths=(5, 10), padded=15, seconds=2e-9, peak=3.0)
    lines = [
        Line("glm4", "paper", paper, SMALL),
        Line("glm4", "nocheck", slow, SMALL),
        Line("glm4", "8x1", Outcome("out-of-memory", "it was too much"), SMALL),
        Line("baichuan2", "paper"),
    ]
    text = report(lines, device="NVIDIA A100-SXM4-80GB", steps=30, warm_up=5, rows="drawn")
    assert cells(text) == {
        ("glm4", "paper"): ["15,000,000,000", "1.00", "25.0%", "3.2", "2.6%", "3.7%"],
        ("glm4", "nocheck"): ["7,500,000,000", "0.50", "0.0%", "3.0", "1.3%", "1.3%"],
        ("glm4", "8x1"): ["out-of-memory", "-", "-", "-", "-", "-"],
        ("baichuan2", "paper"): ["not run"] * 6,
    }
    assert "- glm4 8x1: out-of-memory: it was too much" in text
    elsewhere = report(lines, device="Some GPU", steps=30, warm_up=5, rows="drawn")
    assert cells(elsewhere)["glm4", "paper"][4:] == ["unknown", "unknown"]


def test_without_a_gpu_the_table_says_so(tmp_path):
    output = tmp_path / "speed.md"
    done = bench("--models", "glm4,baichuan2", "--settings", "paper,8x1+fa2", "-o", output)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("no GPU that PyTorch can use: nothing was run\n")
    assert cells(output.read_text()) == {
        (model, setting): ["not run"] * 6
        for model in ("glm4", "baichuan2")
        for setting in ("paper", "8x1+fa2")
    }


def test_a_setting_that_is_unknown_is_refused_in_one_line():
    done = bench("--settings", "paper,8x1+warp")
    assert done.returncode == 2
    assert done.stderr.startswith("no 'warp'; there are: paper, 2x4")
    assert done.stderr.count("\n") == 1


def test_rows_that_do_not_train_are_refused_before_anything_is_made(tmp_path):
    rows, work = tmp_path / "rows.json", tmp_path / "work"
    rows.write_text('[{"instruction": "", "input": "a", "output": null, "history": []}]')
    done = bench("--tiny", "--rows", rows, "--work", work)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{rows}: row 0: ")
    assert not work.exists()


@pytest.mark.train
@pytest.mark.parametrize("model", list(full_size.GEOMETRIES))
def test_a_checkpoint_has_the_stated_size_and_a_tokenizer_that_fits(model, tmp_path, monkeypatch):
    transformers = pytest.importorskip("transformers")
    # Half of a real vocabulary, one layer: small enough for a CPU, and nothing is the stand-in's.
    small = {
        **full_size.GEOMETRIES[model], "hidden_size": 32, "intermediate_size": 48, "head_dim": 8,
        "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 1,
        "vocab_size": 60000,
    }  # fmt: skip
    monkeypatch.setitem(full_size.GEOMETRIES, model, small)
    full_size.write(model, tmp_path / model, tiny=False)
    made = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / model, torch_dtype="auto")
    assert str(made.dtype) == "torch.bfloat16"
    assert {key: getattr(made.config, key) for key in small} == small
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / model)
    assert len(tokenizer) < 60000


@pytest.mark.train
@pytest.mark.slow
def test_the_script_measures_what_runs_and_names_what_does_not(tmp_path):
    pytest.importorskip("llamafactory")
    output = tmp_path / "speed.md"
    done = bench(
        "--tiny", "--models", "glm4", "--settings", "paper,4x2+packed,liger", "--steps", 3,
        "--warm-up", 1, "--work", tmp_path / "work", "-o", output,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = cells(output.read_text())
    paper, packed, liger = (found["glm4", name] for name in ("paper", "4x2+packed", "liger"))
    assert int(paper[0].replace(",", "")) > 0
    assert int(packed[0].replace(",", "")) > 0
    assert paper[1] == "1.00"
    # Rows of about 700 tokens are padded to a multiple of 8, by 3.5 on average.
    assert 0 < float(paper[2].rstrip("%")) < 2
    # Not installed: refused. Installed: LLaMA-Factory 0.9.3 has no kernel for GLM and goes on.
    assert liger[0] in ("refused", "ignored")
    # Two steps of 8 rows; packed rows hold several dialogues each.
    counts = dict(re.findall(r"- glm4 (\S+): (\d+) rows measured", output.read_text()))
    assert counts == {"paper": "16"}
    assert not (tmp_path / "work" / "glm4-tiny").exists()
