"""The base models that the recipes tune, and what their licences ask of a tuned model.

Read from the licences and READMEs named beside each entry, in November 2026. It is a summary for
people who publish a model, no legal advice: the licence itself is at `license_url`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A base model.

    Attributes:
        key: How the recipes' file names begin.
        name: As people write it.
        hub_id: Its repository on the Hugging Face hub, as published.
        recipe_model: `model_name_or_path` of the recipes: the hub id, or a converted copy's folder.
        revision: `model_revision` of the recipes; None where they name none.
        modelscope_id: The same weights on ModelScope.
        other_ids: Other ids of the same weights on the hub.
        template: LLaMA-Factory's name for its chat format.
        hub_license: What the hub calls the licence; "other" if the hub has no word for it.
        hub_license_name: The word to give beside "other"; None if the hub has its own.
        license_name: Title of the licence.
        license_url: Where its text is.
        commercial: What it says on commercial use.
        name_prefix: How a published tuned model's name must begin; None if nothing asks for it.
        attribution: The words that must be shown with it; None if nothing asks for them.
        duties: What else binds whoever publishes a tuned model.
        derived_name: A name for a tuned model that keeps the rule.
        against_paper: How it differs from the model that the paper tuned.
        not_checked: What could not be read, in words; None if nothing is missing.
    """

    key: str
    name: str
    hub_id: str
    recipe_model: str
    revision: str | None
    modelscope_id: str
    other_ids: tuple[str, ...]
    template: str
    hub_license: str
    hub_license_name: str | None
    license_name: str
    license_url: str
    commercial: str
    name_prefix: str | None
    attribution: str | None
    duties: tuple[str, ...]
    derived_name: str
    against_paper: str
    not_checked: str | None = None


# Ids on ModelScope: LLaMA-Factory 0.9.3, llamafactory/extras/constants.py, except GLM's.

BAICHUAN2 = BaseModel(
    key="baichuan2",
    name="Baichuan2-7B-Chat",
    hub_id="baichuan-inc/Baichuan2-7B-Chat",
    recipe_model="models/Baichuan2-7B-Chat-Llama",
    revision=None,
    modelscope_id="baichuan-inc/Baichuan2-7B-Chat",
    other_ids=("hiyouga/Baichuan2-7B-Chat-LLaMAfied",),  # Llama form, not tried here
    template="baichuan2",
    # https://github.com/baichuan-inc/Baichuan2/blob/ed1cf0f598378e1bc393f526c6052b8e6144eeef/README_EN.md#license
    # The name and the link as in a copy of the model's card:
    # https://github.com/haotian-liu/LLaVA, llava/model/language_model/baichuan/README.md
    hub_license="other",
    hub_license_name="baichuan2-community-license",
    license_name="Apache 2.0 and Community License for Baichuan2 Model",
    license_url="https://huggingface.co/baichuan-inc/Baichuan2-7B-Chat/blob/main/Community%20License%20for%20Baichuan2%20Model.pdf",
    commercial=(
        "Commercial use, of derivatives too, needs a licence that Baichuan grants on application "
        "to opensource@baichuan-inc.com, open to those whose services have under 1 million daily "
        "active users, who are no software or cloud provider, and who do not pass the licence on."
    ),
    name_prefix=None,
    attribution=None,
    duties=("Keep to both licences: Apache 2.0 and the community licence.",),
    derived_name="Baichuan2-7B-Chat-MI",
    against_paper=(
        "Baichuan2 in Llama form, adapters on q, k and v instead of `W_pack`: its own code does "
        "not load on the versions used."
    ),
    not_checked=(
        "The community licence is a PDF that we could not read. Baichuan2's README states no rule "
        "for names or attribution; read the PDF before you publish."
    ),
)

GLM4 = BaseModel(
    key="glm4",
    name="GLM-4-9B-Chat",
    hub_id="zai-org/glm-4-9b-chat-hf",
    recipe_model="zai-org/glm-4-9b-chat-hf",
    revision="main",
    # https://github.com/THUDM/GLM-4/blob/9c0e42152a8695b2dbec905f99a63b044d6b1c04/README_20240605.md#model-list
    modelscope_id="ZhipuAI/glm-4-9b-chat-hf",
    other_ids=("THUDM/glm-4-9b-chat-hf",),  # the publisher's former name
    template="glm4",
    # https://huggingface.co/THUDM/glm-4-9b-chat/blame/main/LICENSE, section 2
    hub_license="other",
    hub_license_name="glm-4",
    license_name="The glm-4-9b License",
    license_url="https://huggingface.co/THUDM/glm-4-9b-chat/blob/main/LICENSE",
    commercial=(
        "Free for academic research; commercial use is free after registration at "
        "https://open.bigmodel.cn/mla/form."
    ),
    name_prefix="glm-4",
    attribution="Built with glm-4",
    duties=(
        "Pass on a copy of the licence.",
        "No military or illegal use, none that endangers national security, national unity or the "
        "public interest, or infringes the rights of others.",
    ),
    derived_name="glm-4-9b-chat-mi",
    against_paper=(
        "`glm-4-9b-chat-hf`, the form that transformers knows itself, instead of "
        "ChatGLM-4-9B-Chat: the same weights by its model card."
    ),
    not_checked=(
        "The licence was read beside `THUDM/glm-4-9b-chat`, the same model in its first form; the "
        "page of the `-hf` form was not seen."
    ),
)

LLAMA3_CHINESE = BaseModel(
    key="llama3_chinese",
    name="Llama3-8B-Chinese-Chat",
    hub_id="shenzhi-wang/Llama3-8B-Chinese-Chat",
    recipe_model="shenzhi-wang/Llama3-8B-Chinese-Chat",
    revision="v2",
    modelscope_id="LLM-Research/Llama3-8B-Chinese-Chat",
    other_ids=(),
    template="llama3",
    # Which licence: https://huggingface.co/shenzhi-wang/Llama3-8B-Chinese-Chat/commit/f25f13cb2571e70e285121faceac92926b51e6f5
    # Its text: https://github.com/meta-llama/llama3/blob/2a6e3d768cab8fea5bee6e181b7e83c54d5e1a0e/LICENSE
    hub_license="llama3",
    hub_license_name=None,
    license_name="Meta Llama 3 Community License Agreement",
    license_url="https://github.com/meta-llama/llama3/blob/main/LICENSE",
    commercial=(
        "Commercial use is permitted, except to those who had more than 700 million monthly "
        "active users when Llama 3 was released: they must ask Meta for a licence."
    ),
    name_prefix="Llama 3",
    attribution="Built with Meta Llama 3",
    duties=(
        "Pass on a copy of the agreement.",
        "Put into a text file `Notice`: Meta Llama 3 is licensed under the Meta Llama 3 Community "
        "License, Copyright © Meta Platforms, Inc. All Rights Reserved.",
        "Keep to the Acceptable Use Policy (https://llama.meta.com/llama3/use-policy); among much "
        "else it forbids the unlicensed practice of medical and health professions.",
        "Do not use the model or its output to improve another large language model, unless that "
        "is derived from Llama 3.",
    ),
    derived_name="Llama 3 8B Chinese Chat MI",
    against_paper="The paper's model is revision `v2`; the hub's main is v2.1.",
)

QWEN3 = BaseModel(
    key="qwen3",
    name="Qwen3-8B",
    hub_id="Qwen/Qwen3-8B",
    recipe_model="Qwen/Qwen3-8B",
    revision="main",
    modelscope_id="Qwen/Qwen3-8B",
    other_ids=(),
    template="qwen3",
    # https://github.com/QwenLM/Qwen3/blob/4d9f43e9ffc587202fb2225ca9e250761a2a28e3/README.md#license-agreement
    # Link: https://huggingface.co/Compumacy/QWEN3-8b-Dense/blob/main/README.md, a copy of its card
    hub_license="apache-2.0",
    hub_license_name=None,
    license_name="Apache License 2.0",
    license_url="https://huggingface.co/Qwen/Qwen3-8B/blob/main/LICENSE",
    commercial="Commercial use is permitted.",
    name_prefix=None,
    attribution=None,
    # https://www.apache.org/licenses/LICENSE-2.0, section 4
    duties=(
        "Pass on a copy of the licence and the notices of copyright and attribution, with the "
        "text of a NOTICE file if there is one.",
        "State in changed files that you changed them.",
    ),
    derived_name="Qwen3-8B-MI",
    against_paper="The paper does not have this base model.",
)

BASE_MODELS = {one.key: one for one in (BAICHUAN2, GLM4, LLAMA3_CHINESE, QWEN3)}


def base_model_of(settings: Mapping[str, Any]) -> BaseModel | None:
    """The base model under a recipe's `model_name_or_path`; None if it is another or none.

    It is known by its ids on the hub and on ModelScope, and by the folder that the recipes name; a
    folder that exists is also known by its last part, as downloads and conversions are called. The
    template says nothing: other models share it.
    """
    named = str(settings.get("model_name_or_path") or "").rstrip("/")
    folder = Path(named).name if named and Path(named).is_dir() else None
    for one in BASE_MODELS.values():
        ids = (one.hub_id, one.recipe_model, one.modelscope_id, *one.other_ids)
        if named in ids or folder in [Path(known).name for known in ids]:
            return one
    return None
