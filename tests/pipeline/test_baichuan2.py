"""The Llama form of Baichuan2 must compute what the original computes, and be refused or whole."""

import json
import re
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import sentencepiece
import torch
from safetensors.torch import load_file, save_file
from transformers import GenerationConfig, LlamaForCausalLM, LlamaTokenizer, LlamaTokenizerFast

from converters.__main__ import app
from converters.models.baichuan2 import convert
from mi_llm import cli
from mi_llm.errors import InputError
from tests.pipeline import original_baichuan2 as original
from tests.pipeline.llamafactory import ROOT

pytestmark = pytest.mark.train

IDS = torch.randint(500, (40,), generator=torch.Generator().manual_seed(1))
STRINGS = [
    "我想少抽一点。",
    "<reserved_106>你好<reserved_107>",
    "I would like to drink less",
    " one space before",
    "   three before,  two within, one behind ",
    "😀👍🏽 𠮷野家 ①½",
    "第一行\n\n第二行\t制表",
    "晚上 km/h，5-6 支。“慢慢来”",
    "\u3000全角空格",
    "▁ is a letter of the vocabulary",
    "",
]


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    """A whole original checkpoint; never changed."""
    folder = tmp_path_factory.mktemp("original") / "Baichuan2"
    original.write(folder, "safetensors")
    return folder


@pytest.fixture(scope="session")
def llama(source):
    """Its Llama form; never changed."""
    folder = source.parent / "Llama"
    convert(source, folder)
    return folder


@pytest.fixture
def broken(source, tmp_path):
    """A copy of the original to break."""
    return Path(shutil.copytree(source, tmp_path / "broken"))


@pytest.fixture
def command(monkeypatch, capsys):
    """Run `python -m converters baichuan2 ...` here: exit code, lines, what went to stderr."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["converters/__main__.py", "baichuan2", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            cli.run(app)
        told = capsys.readouterr()
        return end.value.code or 0, told.out.splitlines(), told.err.splitlines()

    return run


def largest_difference(folder, weights):
    model = LlamaForCausalLM.from_pretrained(folder, torch_dtype=torch.float32)
    with torch.no_grad():
        found = model(IDS[None]).logits[0]
    return (found - original.logits(weights, IDS)).abs().max().item()


@pytest.mark.parametrize("kind", ["safetensors", "bin"])
@pytest.mark.parametrize("shards", [1, 3])
def test_logits_are_those_of_the_published_architecture(tmp_path, kind, shards):
    weights = original.write(tmp_path / "original", kind, shards=shards)
    convert(tmp_path / "original", tmp_path / "llama")
    assert len(list((tmp_path / "llama").glob("*.safetensors"))) == shards
    assert largest_difference(tmp_path / "llama", weights) < 1e-5


def rescaled_head(tensors):
    tensors["lm_head.weight"] *= 1.01


def swapped_parts(tensors):
    name = "model.layers.1.self_attn.{}_proj.weight"
    query, key = name.format("q"), name.format("k")
    tensors[query], tensors[key] = tensors[key], tensors[query]


@pytest.mark.parametrize("change", [rescaled_head, swapped_parts])
def test_the_comparison_of_logits_notices_a_wrong_conversion(tmp_path, change):
    weights = original.write(tmp_path / "original", "bin", shards=1)
    convert(tmp_path / "original", tmp_path / "llama")
    path = tmp_path / "llama" / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})
    assert largest_difference(tmp_path / "llama", weights) > 1e-2


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_kept_and_passes_the_check(tmp_path, command, dtype):
    original.write(tmp_path / "original", "bin", dtype=dtype)
    (tmp_path / "text").write_text("你好\n", encoding="utf-8")
    words = (tmp_path / "original", tmp_path / "llama", "--verify", tmp_path / "text")
    code, told, _ = command(*words)
    assert (code, len(told)) == (0, 10), told
    for path in (tmp_path / "llama").glob("*.safetensors"):
        assert {tensor.dtype for tensor in load_file(path).values()} == {dtype}


@pytest.mark.parametrize("kind", [LlamaTokenizer, LlamaTokenizerFast])
def test_token_ids_are_sentencepieces(source, llama, kind):
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(source / "tokenizer.model"))
    tokenizer = kind.from_pretrained(llama)
    assert {text: tokenizer.encode(text) for text in STRINGS} == {
        text: pieces.encode(text) for text in STRINGS
    }
    assert tokenizer.encode("<reserved_106><reserved_107>") == [195, 196]
    special = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
    assert (*special, tokenizer.model_max_length) == (1, 2, 0, 512)
    chat = [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "早"}]
    rendered = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert rendered == "<reserved_106>你好<reserved_107>早<reserved_107>"


def test_config_becomes_llamas_and_the_generation_config_is_carried_over(source, llama):
    config = json.loads((llama / "config.json").read_text())
    assert "auto_map" not in config
    wanted = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64,
        "intermediate_size": 176, "num_attention_heads": 4, "num_key_value_heads": 4,
        "num_hidden_layers": 3, "max_position_embeddings": 512, "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0, "tie_word_embeddings": False, "torch_dtype": "float32",
        "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "hidden_act": "silu",
    }  # fmt: skip
    assert {name: config[name] for name in wanted} == wanted
    generation = GenerationConfig.from_pretrained(llama).to_dict()
    assert original.GENERATION.items() <= generation.items()


def test_a_stamp_lies_beside_the_folder(source, llama):
    stamp = json.loads((llama.parent / "Llama.stamp.json").read_text())
    # 3 layers of 7 tensors and 3 outside of them; each W_pack becomes three.
    assert stamp["counts"] == {"tensors in": 24, "tensors out": 30}
    assert {Path(name).name for name in stamp["inputs"]} == {
        "config.json", "generation_config.json", "tokenizer.model", "tokenizer_config.json",
        *(f"model-{number:05}-of-00003.safetensors" for number in (1, 2, 3)),
    }  # fmt: skip


def test_stored_frequencies_are_left_out_and_counted(source, tmp_path):
    folder = tmp_path / "original"
    weights = original.write(folder, "bin", shards=1)
    weights["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(8)
    original.write_weights(folder, weights, "bin", 1)
    counts = convert(folder, tmp_path / "llama").counts
    assert counts["left out: rotary_emb.inv_freq"] == 1
    assert largest_difference(tmp_path / "llama", weights) < 1e-5


def reconfigured(**changed):
    def change(folder):
        path = folder / "config.json"
        original.write_json(path, {**json.loads(path.read_text()), **changed})

    return change


def removed(name):
    return lambda folder: (folder / name).unlink()


def cut_short(folder):
    path = folder / "model-00002-of-00003.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def pointer_instead(folder):
    (folder / "tokenizer.model").write_text("version https://git-lfs.github.com/spec/v1\n")


def rewritten(shift):
    """Change the first shard's tensors."""

    def change(folder):
        path = folder / "model-00001-of-00003.safetensors"
        tensors = load_file(path)
        shift(tensors)
        save_file(tensors, path)

    return change


def narrowed(tensors):
    tensors["model.embed_tokens.weight"] = torch.ones(10, 64)


REFUSALS = {
    "hidden size of 13B": (reconfigured(hidden_size=5120), "Baichuan2-13B .* uses ALiBi"),
    "heads of 13B": (reconfigured(num_attention_heads=40), "Baichuan2-13B .* uses ALiBi"),
    "alibi by name": (reconfigured(alibi=True), "Baichuan2-13B .* uses ALiBi"),
    "first generation": (reconfigured(vocab_size=64000), "first Baichuan-7B's"),
    "llama": (reconfigured(model_type="llama"), "Llama form already"),
    "another model": (reconfigured(model_type="qwen2"), "'qwen2' where 'baichuan' is expected"),
    "no config": (removed("config.json"), "config.json: no such file"),
    "a size missing": (reconfigured(intermediate_size=None), "'intermediate_size' is None"),
    "shard missing": (removed("model-00002-of-00003.safetensors"), "00002-of-00003.* missing"),
    "no weights": (removed("model.safetensors.index.json"), "no weights"),
    "shape": (rewritten(narrowed), r"embed_tokens.weight has shape \[10, 64\]"),
    "tensor missing": (rewritten(lambda t: t.pop("model.embed_tokens.weight")), "1 tensors miss"),
    "tensor unknown": (rewritten(lambda t: t.update(x=torch.ones(1))), "x is no tensor of"),
    "cut short": (cut_short, "00002-of-00003.safetensors: not a whole safetensors file"),
    "no tokenizer": (removed("tokenizer.model"), "tokenizer.model: no such file"),
    "pointer": (pointer_instead, "tokenizer.model: not a SentencePiece model"),
    "no tokenizer config": (removed("tokenizer_config.json"), "tokenizer_config.json: no such"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_cannot_be_converted_is_refused_in_one_line(broken, tmp_path, command, name):
    change, message = REFUSALS[name]
    change(broken)
    code, told, errors = command(broken, tmp_path / "new" / "llama")
    assert (code, told, len(errors)) == (2, [], 1), errors
    assert re.search(message, errors[0])
    assert [path.name for path in tmp_path.iterdir()] == ["broken"]


@pytest.mark.parametrize("keep", [0, 1000, -100])
def test_a_cut_pytorch_file_is_refused(tmp_path, keep):
    folder = tmp_path / "original"
    original.write(folder, "bin")
    path = folder / "pytorch_model-00003-of-00003.bin"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"00003\.bin: not a whole PyTorch file"):
        convert(folder, tmp_path / "llama")
    assert [one.name for one in tmp_path.iterdir()] == ["original"]


def test_a_destination_in_the_way_is_refused_and_kept(source, tmp_path):
    (tmp_path / "llama").mkdir()
    (tmp_path / "llama" / "mine").write_text("kept")
    with pytest.raises(InputError, match="exists; add --overwrite"):
        convert(source, tmp_path / "llama")
    assert [path.name for path in tmp_path.rglob("*")] == ["llama", "mine"]
    convert(source, tmp_path / "llama", overwrite=True)
    assert not (tmp_path / "llama" / "mine").exists()


def test_the_original_is_never_replaced(broken):
    for output in (broken, broken.parent):
        with pytest.raises(InputError, match="would replace"):
            convert(broken, output, overwrite=True)
    assert (broken / "config.json").exists()


def test_a_disk_too_small_is_refused(source, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**6, 10**6 - 1000, 1000))
    with pytest.raises(InputError, match="are free; make room"):
        convert(source, tmp_path / "new" / "llama")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("\n".join(STRINGS), encoding="utf-8")
    return path


def test_a_good_conversion_passes_the_check(source, tmp_path, text, command):
    code, told, _ = command(source, tmp_path / "llama", "--verify", text)
    assert code == 0
    assert told[0] == (f"{tmp_path / 'llama'}: 3 files of weights, 24 tensors in, 30 tensors out")
    # 6 + 5 settings and 5 fixed ones; STRINGS joined by line breaks are 12 lines; 3 layers of 6
    # tensors besides W_pack, the embedding and the last norm.
    assert told[1:] == [
        "ok: config.json, settings as in the original: 16",
        "ok: LlamaTokenizer, lines with sentencepiece's ids: 12",
        "ok: LlamaTokenizer, speaker marks 195 and 196: 2",
        "ok: LlamaTokenizerFast, lines with sentencepiece's ids: 12",
        "ok: LlamaTokenizerFast, speaker marks 195 and 196: 2",
        "ok: q, k and v packed again equal W_pack, layers: 3",
        "ok: lm_head's rows have length 1 and the original's direction: 1",
        "ok: other tensors equal the original's: 20",
        "ok: tensors that the original has not: 0",
    ]


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        ("model.layers.2.self_attn.k_proj.weight", "DIFFERENT: q, k and v .* 1 of 3: .*layers.2"),
        ("model.layers.0.mlp.up_proj.weight", "DIFFERENT: other tensors .* 1 of 20: .*up_proj"),
        ("lm_head.weight", "DIFFERENT: lm_head's rows .* direction"),
    ],
)
def test_a_changed_tensor_fails_the_check(source, llama, tmp_path, text, command, tensor, message):
    copy = Path(shutil.copytree(llama, tmp_path / "llama"))
    places = json.loads((copy / "model.safetensors.index.json").read_text())["weight_map"]
    tensors = load_file(copy / places[tensor])
    tensors[tensor][5, 7] += 0.001
    save_file(tensors, copy / places[tensor], metadata={"format": "pt"})
    code, told, _ = command(source, copy, "--verify", text)
    assert (code, len(told)) == (1, 9)
    (different,) = [line for line in told if not line.startswith("ok: ")]
    assert re.match(message, different)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["safetensors", "bin"])
def test_peak_memory_is_bounded_by_the_largest_shard(tmp_path, kind):
    if shutil.disk_usage(tmp_path).free < 6 * 2**30:
        pytest.skip("less than 6 GB of disk are free")
    # In processes of their own: a child's peak begins at its parent's.
    write = (
        "import sys; from tests.pipeline.original_baichuan2 import write_large;"
        "write_large(*sys.argv[1:])"
    )
    subprocess.run([sys.executable, "-c", write, tmp_path / "big", kind], cwd=ROOT, check=True)
    measured = (
        "import pathlib, resource, sys; from converters.models.baichuan2 import convert;"
        "convert(*map(pathlib.Path, sys.argv[1:]));"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    words = [sys.executable, "-c", measured, tmp_path / "big", tmp_path / "llama"]
    done = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True)
    sizes = [path.stat().st_size for path in (tmp_path / "big").glob(f"*.{kind}")]
    assert (len(sizes), sum(sizes) > 1.9e9) == (4, True)
    peak = int(done.stdout) * 1024
    assert peak < 1.5 * max(sizes) + 1e9, f"{peak / 1e9:.2f} GB, shard {max(sizes) / 1e9:.2f} GB"
