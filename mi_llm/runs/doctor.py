"""Whether this machine and its environment can do the project's work: `make doctor`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from mi_llm import files
from mi_llm.errors import InputError
from mi_llm.recipe import Recipe
from mi_llm.runs import hub, installed
from mi_llm.runs.readiness import Line
from mi_llm.runs.rendering import load_rendering

_PYTHON = ((3, 11), (3, 13))  # from, to below: what pyproject.toml and the pins allow
_ROOM = 20e9  # bytes: one base model of 7 to 9 billion weights in bfloat16, about 18 GB, and data
_LEAST = 1e9  # bytes: rows, adapters and reports


@dataclass(frozen=True, slots=True, order=True)
class Base:
    """A base model that recipes name."""

    model: str
    revision: str
    template: str


def doctor(recipes: Sequence[Recipe], pins: Path) -> Iterator[Line]:
    """Look at everything; nothing is fetched, and nothing is asked but whether the hub answers.

    Args:
        recipes: The recipes whose base models and templates are wanted.
        pins: The constraints file that this machine was set up with.
    """
    yield _python()
    missing = installed.faults("train")
    yield from _packages(missing, pins)
    if not missing:
        yield from _torch()
        bases = base_models(recipes)
        yield from _templates(bases)
        yield from (_tokenizer(base) for base in bases)
    yield _fonts()
    yield from _disk()
    yield from _hub()
    yield from _service(os.environ)


def base_models(recipes: Sequence[Recipe]) -> list[Base]:
    """The base models of recipes, each once, in the order of their names."""
    return sorted(
        {
            Base(
                str(recipe.settings["model_name_or_path"]),
                str(recipe.settings.get("model_revision", "main")),
                str(recipe.settings["template"]),
            )
            for recipe in recipes
        }
    )


def _python() -> Line:
    least, below = _PYTHON
    text = ".".join(map(str, sys.version_info[:3]))
    if least <= sys.version_info[:2] < below:
        return Line("ok", "python", text)
    return Line("problem", "python", f"{text}; make setup PYTHON=python3.11")


def _packages(missing: Sequence[str], pins: Path) -> Iterator[Line]:
    if missing:
        yield Line("problem", "packages", f"{'; '.join(missing)}; run make setup")
        return
    pinned = installed.pins(pins)
    other = installed.differing(pinned)
    if other:
        told = ", ".join(f"{name} {version}, not {pinned[name]}" for name, version in other.items())
        yield Line("problem", "packages", f"{told} ({pins}); run make setup")
    else:
        yield Line("ok", "packages", f"as in {pins}")


def _torch() -> Iterator[Line]:
    import torch

    text = f"torch {torch.__version__}"
    driver = driver_version()
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(one) for one in range(torch.cuda.device_count())]
        found = f"{text}, CUDA {torch.version.cuda}, driver {driver}: {', '.join(names)}"
        yield Line("ok", "gpu", found)
        if not torch.cuda.is_bf16_supported(including_emulation=False):
            remedy = "add bf16=false fp16=true behind recipes"
            yield Line("problem", "gpu", f"{names[0]} has no bfloat16; {remedy}")
    elif driver is None:
        yield Line("note", "gpu", f"{text}; no NVIDIA driver: stand-ins train, real models do not")
    elif torch.version.cuda is None:
        yield Line(
            "problem",
            "gpu",
            f"{text} is built without CUDA, but there is a driver ({driver}); install torch from "
            "PyPI: unset PIP_FIND_LINKS UV_FIND_LINKS; rm .venv/.ready; make setup",
        )
    else:
        yield Line(
            "problem",
            "gpu",
            f"{text} is built for CUDA {torch.version.cuda}, which driver {driver} does not run; "
            "update the driver, or make setup CONSTRAINTS=constraints/cuda12.txt",
        )


def driver_version() -> str | None:
    """The NVIDIA driver's version; None where there is none."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    asked = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
    told = subprocess.run(asked, capture_output=True, text=True, check=False)
    return told.stdout.split("\n")[0].strip() or None if told.returncode == 0 else None


def _templates(bases: Sequence[Base]) -> Iterator[Line]:
    from llamafactory.data.template import TEMPLATES

    names = sorted({base.template for base in bases})
    missing = [name for name in names if name not in TEMPLATES]
    if missing:
        text = f"LLaMA-Factory has no {', '.join(missing)}; run make setup for the pinned version"
        yield Line("problem", "templates", text)
    else:
        yield Line("ok", "templates", ", ".join(names))


def _tokenizer(base: Base) -> Line:
    local = hub.is_folder(base.model)
    if local and not Path(base.model).is_dir():
        text = f"{base.model}: not made yet (llamafactory_configs/README.md)"
        return Line("note", "tokenizer", text)
    if not local and not hub.is_cached(base.model, base.revision):
        text = f"{base.model}@{base.revision}: not on this machine; the first run fetches it"
        return Line("note", "tokenizer", text)
    try:
        rendering = load_rendering(base.model, base.template, revision=base.revision)
    except InputError as error:
        return Line("problem", "tokenizer", f"{error}; fetch it again")
    broken = rendering.broken_marks()
    if broken:
        text = f"{base.model}: {', '.join(broken)} is not one token of it; fetch it again"
        return Line("problem", "tokenizer", text)
    return Line("ok", "tokenizer", f"{base.model}: fits template {base.template}")


def _fonts() -> Line:
    from mi_llm.figures import chinese_font

    found = chinese_font()
    if found:
        return Line("ok", "fonts", found)
    return Line(
        "note",
        "fonts",
        "no Chinese font, so pages cannot be printed or looked at here (they can elsewhere); "
        "apt install fonts-wqy-microhei",
    )


def _disk() -> Iterator[Line]:
    home = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"))
    for name, folder in (("here", Path()), ("for downloads", home)):
        free = files.free_bytes(folder)
        text = f"{free / 1e9:.0f} GB free {name}"
        if free < _LEAST:
            yield Line("problem", "disk", f"{text}; make room")
        elif free < _ROOM:
            yield Line("note", "disk", f"{text}; a base model takes about {_ROOM / 1e9:.0f} GB")
        else:
            yield Line("ok", "disk", text)


def _hub() -> Iterator[Line]:
    one = hub.chosen()
    told = f"{one.name}, {one.endpoint}" + (f" (by {one.setting})" if one.setting else "")
    missing = installed.fault(hub.MODELSCOPE_PACKAGE)
    if one.setting == "USE_MODELSCOPE_HUB" and missing:
        remedy = f"pip install '{hub.MODELSCOPE_PACKAGE}'"
        yield Line("problem", "hub", f"{told}: {missing}; {remedy}")
    if hub.offline():
        yield Line("note", "hub", f"{told}: not asked, HF_HUB_OFFLINE is set")
        return
    reason = hub.answers(one.endpoint)
    if reason is None:
        yield Line("ok", "hub", f"{told} answers")
    else:
        yield Line(
            "problem",
            "hub",
            f"{told} cannot be reached ({reason}); set HF_ENDPOINT to a mirror or "
            "USE_MODELSCOPE_HUB=1, or HF_HUB_OFFLINE=1 to use what is on this machine",
        )


def _service(environment: Mapping[str, str]) -> Iterator[Line]:
    """The language model that commands ask, if the environment names one."""
    address, model = (environment.get(f"MI_LLM_{name}", "") for name in ("BASE_URL", "MODEL"))
    if not address:
        return
    from mi_llm.door.endpoint import Endpoint
    from mi_llm.door.reaching import require_served

    try:
        host = urlsplit(address).hostname or ""
        require_served(Endpoint(address, model, allow_hosts=(host,)))
    except ValueError as error:
        yield Line("problem", "endpoint", f"MI_LLM_BASE_URL: {error}")
    else:
        yield Line("ok", "endpoint", f"MI_LLM_BASE_URL answers{f', {model}' if model else ''}")
