"""What this project imports is what it declares, and the core runs without the rest."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from mi_llm.runs.installed import required

ROOT = Path(__file__).parents[1]
PACKAGES = ("mi_llm", "prompts", "converters", "eval")
PAGE = {"eval.roleplay.page", "eval.roleplay.parts", "eval.roleplay.web"}  # of the extra `ui`
NO_REGISTRY = ("dns error", "error sending request", "Connection", "timed out", "offline")


def modules() -> dict[str, Path]:
    """Every module of the checkout by its name; commands' `__main__` is one too."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


def imported(path: Path) -> Iterator[tuple[str, bool]]:
    """Each top-level package that a file imports, and whether that happens when it is loaded."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    at_once = set(ast.walk(tree))
    for node in ast.walk(tree):
        lazy = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or (
            isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        )
        if lazy:
            at_once -= set(ast.walk(node))
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [str(node.module)]
        for name in names:
            yield name.partition(".")[0], node in at_once


@cache
def declared() -> tuple[set[str], set[str], Mapping[str, list[str]]]:
    """What the core and the extras require, and the distribution of each importable package."""
    core = {str(canonicalize_name(one.name)) for one in required("")}
    extras = {str(canonicalize_name(one.name)) for key in ("train", "ui") for one in required(key)}
    return core, extras, packages_distributions()


def undeclared(path: Path, name: str) -> set[str]:
    """Distributions that a module imports and neither the core nor the extra it may use has."""
    core, extras, distributions = declared()
    found: set[str] = set()
    for package, at_once in imported(path):
        if package in sys.stdlib_module_names or package in PACKAGES:
            continue
        sources = {canonicalize_name(one) for one in distributions.get(package, [package])}
        allowed = core | extras if name in PAGE or not at_once else core
        if not sources & allowed:
            found |= sources
    return found


def test_every_import_is_declared_and_what_is_loaded_at_once_is_the_cores():
    found = {name: undeclared(path, name) for name, path in modules().items()}
    assert len(found) > 290
    assert {name: missing for name, missing in found.items() if missing} == {}


def test_an_import_that_nobody_declares_is_found(tmp_path):
    path = tmp_path / "one.py"
    path.write_text(
        "import pandas\nimport torch\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
        "    import transformers\ndef f():\n    import gradio, anyio\n    import json, yaml\n"
    )
    # torch is the train extra's, but not when a module is loaded; anyio comes by way of others.
    assert undeclared(path, "mi_llm.one") == {"pandas", "torch", "anyio"}


def installed_core(folder: Path, *words: str) -> Path:
    """The Python of a new environment with this project's core alone; skip without a registry."""
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    if not Path(uv).exists():
        pytest.skip("no uv to make an environment with; make setup installs it")
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    python = folder / "venv" / "bin" / "python"
    commands: tuple[list[str], ...] = (
        [uv, "venv", "--quiet", "--python", sys.executable, str(folder / "venv")],
        [uv, "pip", "install", "--quiet", "--python", str(python), *words, str(ROOT)],
    )
    for command in commands:
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode and any(word in done.stderr for word in NO_REGISTRY):
            pytest.skip(f"no package registry is reached: {done.stderr.strip()[-300:]}")
        assert done.returncode == 0, done.stderr
    return python


IMPORT_ALL = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(len(sys.argv) - 1, "torch" in sys.modules)
"""


@pytest.mark.slow
@pytest.mark.parametrize("versions", ["newest", "pinned"])
def test_the_core_alone_imports_every_module_and_scores_to_the_last_digit(tmp_path, versions):
    words = ["--constraint", str(ROOT / "constraints" / "pins.txt")] if versions == "pinned" else []
    python = installed_core(tmp_path, *words)
    names = [name for name in modules() if name not in PAGE]
    command = [str(python), "-c", IMPORT_ALL, *names]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(len(names)), "False"]
    scores = [scored(tmp_path / name, one) for name, one in (("core", python), ("all", None))]
    assert scores[0] == scores[1]
    assert len(scores[0]) > 0


def scored(folder: Path, python: Path | None) -> list[object]:
    """The scores of a few predictions by an environment; this one's if none is named."""
    folder.mkdir()
    said = ["你觉得有点累，是吗？", "听起来你已经想了很久。", "嗯。", "戒烟这件事，你怎么看？"]
    right = ["你有点累了，是吧？", "你想了很久，也试过几次。", "嗯，你说。", "你怎么看戒烟？"]
    rows = [
        {"id": f"d/{n % 3}#{n}", "instruction": "", "input": "问", "output": text, "history": []}
        for n, text in enumerate(right)
    ]
    (folder / "rows.json").write_text(json.dumps(rows), encoding="utf-8")
    predictions = folder / "generated_predictions.jsonl"
    with predictions.open("w", encoding="utf-8") as stream:
        for text, label in zip(said, right, strict=True):
            json.dump({"prompt": "", "predict": text, "label": label}, stream)
            stream.write("\n")
    command = [str(python or sys.executable), "-m", "eval", "score", str(predictions)]
    done = subprocess.run(
        [*command, "--rows", str(folder / "rows.json")], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    scores: list[object] = json.loads((folder / "scores.json").read_text("utf-8"))["scores"]
    return scores
