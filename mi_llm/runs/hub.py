"""Where base models come from: a local folder, this machine's cache, or the hub that is set."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mi_llm.runs import installed

_TIMEOUT = 5  # seconds
_ON = ("1", "true", "yes", "on")
# A local folder's name, not a hub id, by our own layout.
_OUR_FOLDERS = ("models", "saves")
MODELSCOPE_PACKAGE = "modelscope>=1.11.0"  # what LLaMA-Factory 0.9.3 asks for


@dataclass(frozen=True, slots=True)
class Hub:
    """The hub that LLaMA-Factory fetches models from.

    Attributes:
        name: As people call it.
        endpoint: Its address.
        setting: The environment variable that chose it; empty if none did.
    """

    name: str
    endpoint: str
    setting: str = ""


def chosen(environment: Mapping[str, str] = os.environ) -> Hub:
    """The hub that the environment chooses: USE_MODELSCOPE_HUB, HF_ENDPOINT, or the default."""
    if is_on(environment.get("USE_MODELSCOPE_HUB")):
        domain = environment.get("MODELSCOPE_DOMAIN", "www.modelscope.cn")
        return Hub("ModelScope", f"https://{domain}", "USE_MODELSCOPE_HUB")
    if endpoint := environment.get("HF_ENDPOINT"):
        return Hub("Hugging Face's mirror", endpoint.rstrip("/"), "HF_ENDPOINT")
    return Hub("Hugging Face", "https://huggingface.co")


def offline(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether HF_HUB_OFFLINE forbids asking the hub."""
    return is_on(environment.get("HF_HUB_OFFLINE"))


def is_on(value: str | None) -> bool:
    """Whether an environment variable says yes."""
    return (value or "").strip().lower() in _ON


def answers(address: str) -> str | None:
    """Ask an address for its head; None if it answers, whatever it says, else why it does not."""
    try:
        with urllib.request.urlopen(
            urllib.request.Request(address, method="HEAD"), timeout=_TIMEOUT
        ):
            return None
    except urllib.error.HTTPError:
        return None
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", None) or error)


def is_folder(model: str) -> bool:
    """Whether `model_name_or_path` means a local folder, there or still to be made."""
    parts = Path(model).parts
    return Path(model).exists() or len(parts) != 2 or parts[0] in (*_OUR_FOLDERS, ".", "..", "/")


def is_cached(model: str, revision: str) -> bool:
    """Whether the config of a model of Hugging Face's hub is on this machine already."""
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(model, "config.json", revision=revision), str)


def hindrance(model: str, revision: str) -> str | None:
    """Why a model cannot be had before anything is fetched, with the way out; None if it can."""
    if is_folder(model):
        there = (Path(model) / "config.json").is_file()
        return None if there else f"{model}: no model is there; the recipe's header says what to do"
    hub = chosen()
    if hub.setting == "USE_MODELSCOPE_HUB":
        missing = installed.fault(MODELSCOPE_PACKAGE)
        if missing:
            return f"USE_MODELSCOPE_HUB is set, but {missing}; pip install '{MODELSCOPE_PACKAGE}'"
    elif is_cached(model, revision):
        return None
    elif offline():
        return f"{model}: not on this machine, and HF_HUB_OFFLINE forbids fetching it; unset it"
    reason = answers(hub.endpoint)
    if reason is None:
        return None
    return (
        f"{model}: {hub.endpoint} cannot be reached ({reason}); set HF_ENDPOINT to a mirror, or "
        "USE_MODELSCOPE_HUB=1, or give a folder (llamafactory_configs/README.md, Other hubs)"
    )
