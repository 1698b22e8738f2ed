"""DPO with the unchanged recipe on a stand-in: where it starts from, and what it learns."""

import json

import pytest

from mi_llm.columns import usual_columns
from mi_llm.recipe import load_recipe
from mi_llm.runs.preflight import preflight
from mi_llm.runs.rendering import load_rendering
from mi_llm.validation import length_findings
from tests.pipeline.llamafactory import ROOT, TEMPLATES, factory, module

pytestmark = pytest.mark.train

CPU = ("use_cpu=true", "preprocessing_num_workers=1", "per_device_eval_batch_size=1")
# What is merged is no adapter any more; peft warns all the same, and LLaMA-Factory merges so too.
ONE_AFTER_THE_OTHER = pytest.mark.filterwarnings("ignore:Already found a `peft_config` attribute")
BETA = 0.1  # the recipe's
SAID = ["我晚上总是睡不着，{}", "白天很累，可是{}", "他们都说我，{}", "我也想改，但是{}"]
DETAILS = [
    "一躺下就想看手机。", "心里一直放不下工作。", "家里人天天催我。", "一个人的时候特别想抽烟。",
    "周末一睡就是一天。", "开会的时候差一点睡着。", "朋友一叫我就去喝酒。", "一饿就忍不住吃甜的。",
]  # fmt: skip
REFLECTS = [
    "你很累，也想把日子过得像自己的。", "你一边想放松，一边心疼第二天的自己。",
    "你盼着有人懂，而不是又被催。", "你已经在想别的办法了，只是还没有把握。",
]  # fmt: skip
ADVISES = [
    "你应该早点睡，不要再看手机了。", "你为什么不去运动？你必须改。",
    "你这是在找借口，马上把它戒掉。", "你不应该这样，你要听家里人的话。",
]  # fmt: skip


def pairs(details):
    """A pair for each detail and opening; replies go round, so that none belongs to a context."""
    return [
        {
            "id": f"{detail}#{n}",
            "instruction": "你是一位心理咨询师。",
            "input": said.format(detail),
            "chosen": REFLECTS[(n + place) % 4],
            "rejected": ADVISES[(n + 3 * place) % 4],
            "history": [["你好。", "你好，今天想谈点什么？"]] if n % 2 else [],
        }
        for place, detail in enumerate(details)
        for n, said in enumerate(SAID)
    ]


HELD_OUT = pairs(DETAILS[6:])
INFO = json.loads((ROOT / "dataset_info.json").read_text())
PAIRS_COLUMNS = INFO["mi_pairs"]["columns"]


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """A folder of pairs, those held out, and SFT rows of other replies."""
    folder = tmp_path_factory.mktemp("pairs")
    made = {"mi_pairs": pairs(DETAILS[:6]), "mi_pairs_test": HELD_OUT}
    made["mi_train"] = [
        {**{key: row[key] for key in ("instruction", "input", "history")}, "output": reply}
        for row in pairs(DETAILS[:6])
        for reply in ("嗯，我在听。", "你再说说看？")
    ]
    info = {name: {**INFO[name], "file_name": f"{name}.json"} for name in made}
    for name, value in made.items():
        (folder / f"{name}.json").write_text(json.dumps(value, ensure_ascii=False), "utf-8")
    (folder / "dataset_info.json").write_text(json.dumps(info))
    return folder


def common(model, rows):
    return (f"model_name_or_path={model}", *CPU, f"dataset_dir={rows}", "logging_steps=1")


def trained_sft(family, model, rows, folder):
    """An adapter, trained far enough that the SFT model is clearly not the base model."""
    words = ("learning_rate=5e-3", f"output_dir={folder}")
    factory("train", f"configs/{family}_lora.yaml", *common(model, rows), *words)
    return folder


@pytest.fixture(scope="module")
def sft(stand_ins, rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saves") / "sft"
    return trained_sft("glm4", stand_ins["glm4"], rows, folder)


def dpo(model, rows, adapter, folder, *words, family="glm4"):
    """Run the recipe; what was logged at each step, and at the end."""
    factory(
        "train", f"configs/{family}_dpo.yaml", *common(model, rows),
        f"adapter_name_or_path={adapter}", f"output_dir={folder}", *words,
    )  # fmt: skip
    log = json.loads((folder / "trainer_state.json").read_text())["log_history"]
    return [one for one in log if "loss" in one], json.loads(
        (folder / "all_results.json").read_text()
    )


def margins(model, *adapters):
    """log p(chosen) - log p(rejected) of each pair that was held out, by our own forward pass.

    Args:
        model: Folder of the base model.
        *adapters: Folders of adapters, laid on one after the other.
    """
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    loaded = AutoModelForCausalLM.from_pretrained(model, torch_dtype=torch.bfloat16)
    for adapter in adapters:
        loaded = PeftModel.from_pretrained(loaded, str(adapter)).merge_and_unload()
    rendering = load_rendering(str(model), "glm4")

    def log_probability(row, reply):
        said = [text for pair in row["history"] for text in pair]
        said += [f"{row['instruction']}\n{row['input']}", reply]
        roles = ("user", "assistant")
        messages = [{"role": roles[n % 2], "content": text} for n, text in enumerate(said)]
        asked, answered = rendering.template.encode_oneturn(rendering.tokenizer, messages)
        answered = [*answered, rendering.tokenizer.eos_token_id]
        with torch.no_grad():
            logits = loaded(torch.tensor([asked + answered])).logits[0].float()
        # The token at place n is foretold at place n - 1.
        foretold = logits[len(asked) - 1 : -1].log_softmax(-1)
        return foretold[range(len(answered)), answered].sum().item()

    return [log_probability(r, r["chosen"]) - log_probability(r, r["rejected"]) for r in HELD_OUT]


def rewards(step):
    return [step[f"rewards/{name}"] for name in ("chosen", "rejected", "margins")]


EVALUATED = ("eval_dataset=mi_pairs_test", "do_eval=true")


@pytest.mark.slow
@ONE_AFTER_THE_OTHER
def test_dpo_starts_at_the_sft_model_and_moves_the_margin_on_held_out_pairs_up(
    stand_ins, rows, sft, tmp_path
):
    model = stand_ins["glm4"]
    words = ("learning_rate=2e-3", *EVALUATED)  # a tiny model, and 9 steps
    steps, results = dpo(model, rows, sft, tmp_path / "dpo", *words)
    # Warm-up begins at 0, so the second step's rewards are those of an untrained adapter too.
    assert [rewards(step) for step in steps[:2]] == [[0, 0, 0]] * 2
    before, after = margins(model, sft), margins(model, sft, tmp_path / "dpo")
    gains = [new - old for old, new in zip(before, after, strict=True)]
    assert sum(gain > 0 for gain in gains) == len(HELD_OUT) == 8
    # LLaMA-Factory's own evaluation: beta times the gain over its reference, so that is the SFT
    # model. It computes in bfloat16 with the adapter beside the weights; ours is merged.
    assert results["eval_rewards/margins"] == pytest.approx(BETA * sum(gains) / 8, rel=0.05)
    assert results["eval_rewards/accuracies"] == 1


@pytest.mark.slow
def test_without_a_new_adapter_the_reference_is_not_the_sft_model(stand_ins, rows, sft, tmp_path):
    model, few = stand_ins["glm4"], ("max_steps=1", "create_new_adapter=false")
    (step,), _ = dpo(model, rows, sft, tmp_path / "base", *few)
    assert min(map(abs, rewards(step))) > 0.01  # the base model: what SFT did is taken for a reward
    named = (f"ref_model={model}", f"ref_model_adapters={sft}")
    (step,), _ = dpo(model, rows, sft, tmp_path / "named", *few, *named)
    # The SFT model a second time in memory, merged in bfloat16: near, but not exactly the same.
    assert 0 < max(map(abs, rewards(step))) < 0.01


@pytest.mark.slow
def test_orpo_is_an_override(stand_ins, rows, sft, tmp_path):
    words = ("pref_loss=orpo", "pref_ftx=0", "learning_rate=2e-3", *EVALUATED)
    steps, results = dpo(stand_ins["glm4"], rows, sft, tmp_path / "orpo", *words)
    # Without reference: log odds of both replies under the model alone.
    assert all(step["odds_ratio_loss"] > 0 for step in steps)
    assert steps[-1]["odds_ratio_loss"] < steps[0]["odds_ratio_loss"]
    assert results["eval_rewards/margins"] > steps[0]["rewards/margins"]


@pytest.mark.slow
@pytest.mark.parametrize("family", ["baichuan2", "llama3_chinese"])
def test_the_other_families_start_at_their_sft_model_too(stand_ins, rows, tmp_path, family):
    model = stand_ins[family]
    adapter = trained_sft(family, model, rows, tmp_path / "sft")
    words = ("learning_rate=2e-3", *EVALUATED)
    steps, results = dpo(model, rows, adapter, tmp_path / "dpo", *words, family=family)
    assert [rewards(step) for step in steps[:2]] == [[0, 0, 0]] * 2
    assert results["eval_rewards/margins"] > 0


@pytest.mark.parametrize("family", TEMPLATES)
def test_a_pairs_length_is_that_of_llamafactory_and_nothing_is_cut_below_it(stand_ins, family):
    from llamafactory.data.converter import AlpacaDatasetConverter
    from llamafactory.data.parser import DatasetAttr
    from llamafactory.data.processor import PairwiseDatasetProcessor
    from llamafactory.hparams import DataArguments

    one = load_rendering(str(stand_ins[family]), TEMPLATES[family])
    attributes = DatasetAttr("file", "rows", ranking=True)
    for role, key in PAIRS_COLUMNS.items():
        setattr(attributes, role, key)

    def prepared(row, cutoff):
        arguments = DataArguments(cutoff_len=cutoff)
        example = AlpacaDatasetConverter(attributes, arguments)(row)
        kind = PairwiseDatasetProcessor(one.template, one.tokenizer, None, arguments)
        made = kind.preprocess_dataset({key: [value] for key, value in example.items()})
        return made["chosen_input_ids"][0], made["rejected_input_ids"][0]

    for row in [*HELD_OUT, {**HELD_OUT[0], "chosen": "你很累。" * 90}]:  # also a reply over half
        whole = prepared(row, 10**6)
        length = max(map(len, whole))
        assert found_at(row, one, length - 1) == ["length"]
        assert found_at(row, one, length) == []
        assert prepared(row, length) == whole
        assert prepared(row, length - 1) != whole


def found_at(row, rendering, cutoff):
    """The kinds of findings about a row's length."""
    columns = usual_columns([row])
    found = length_findings([row], columns, rendering.tokens, most=cutoff)
    return [finding.kind for finding in found]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], []),
        (["pref_loss=orpo", "create_new_adapter=false"], []),
        (["create_new_adapter=false"], ["reference"]),
        (["dataset=mi_train"], ["dataset"]),
        (["cutoff_len=50"], ["dataset"] * 7),  # five rows, how many more, the file
        (["adapter_name_or_path=saves/none"], ["adapter"]),
    ],
)
def test_preflight_finds_nothing_wrong_but_what_is(stand_ins, rows, tmp_path, words, expected):
    adapter = tmp_path / "sft"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    told = (
        *common(stand_ins["glm4"], rows), f"adapter_name_or_path={adapter}",
        f"output_dir={tmp_path / 'dpo'}", *words,
    )  # fmt: skip
    lines = list(preflight(load_recipe(ROOT / "configs" / "glm4_dpo.yaml", told)))
    found = [line.subject for line in lines if line.state == "problem"]
    assert found == expected, [line.text for line in lines]


def test_check_takes_the_pairs_with_the_recipe(stand_ins, rows):
    words = ["--override", f"dataset_dir={rows}"]
    said = module("converters", "check", "--recipe", "configs/glm4_dpo.yaml", *words)
    assert said == f"{rows / 'mi_pairs.json'}: 24 rows, no problem\n"
