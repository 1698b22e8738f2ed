from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

import prompts
from prompts import Prompt, PromptError

ROOT = Path(prompts.__file__).resolve().parent.parent
NAMES = sorted(path.name.removesuffix(".md") for path in (ROOT / "prompts").glob("*.md"))


def test_there_are_prompts():
    assert "counselor.v1" in NAMES


def newest() -> list[str]:
    """The newest version of each prompt."""
    versions: dict[str, int] = {}
    for name in NAMES:
        task, version = name.split(".v")
        versions[task] = max(int(version), versions.get(task, 0))
    return [f"{task}.v{version}" for task, version in versions.items()]


@pytest.mark.parametrize("name", newest())
def test_the_newest_version_of_every_prompt_is_loaded_by_some_module(name: str):
    modules = [path for layer in ("converters", "eval") for path in (ROOT / layer).glob("**/*.py")]
    assert len(modules) > 5
    users = [path for path in modules if f'"{name}"' in path.read_text(encoding="utf-8")]
    assert users, f"no module names {name}"


@pytest.mark.parametrize("name", NAMES)
def test_every_prompt_has_a_task_and_a_version_and_no_text_outside_its_lines(name: str):
    task, version = name.split(".")
    assert task
    assert version[0] == "v"
    assert version[1:].isdigit()
    text = prompts.load(name).text
    assert text == text.strip() != ""


def test_the_last_newline_of_the_file_is_no_text():
    data = (ROOT / "prompts" / "counselor.v1.md").read_bytes()
    assert data.endswith(b"\n")
    prompt = prompts.load("counselor.v1")
    assert prompt == Prompt("counselor.v1", data[:-1].decode())
    sum_tool = subprocess.run(["sha256sum"], input=data[:-1], capture_output=True, check=True)
    assert prompt.sha == sum_tool.stdout.decode()[:12]


@pytest.mark.parametrize("name", ["counselor", "counselor.v1.md", "../README", "", "counselor.v9"])
def test_an_unknown_name_is_a_mistake_that_lists_the_known_ones(name: str):
    with pytest.raises(PromptError) as caught:
        prompts.load(name)
    assert repr(name) in str(caught.value)
    for known in NAMES:
        assert known in str(caught.value)


def test_every_blank_is_filled_and_json_braces_stay():
    prompt = Prompt("a.v1", 'Write {"n": $n} for ${who}; $$5, $who.')
    assert prompt.fill(n="1", who="小李") == 'Write {"n": 1} for 小李; $5, 小李.'


def test_a_value_is_not_filled_again():
    assert Prompt("a.v1", "$a").fill(a="$b") == "$b"


@pytest.mark.parametrize("values", [{}, {"n": "1"}, {"n": "1", "who": "x", "more": "y"}])
def test_blanks_must_be_filled_exactly(values: dict[str, str]):
    with pytest.raises(PromptError) as caught:
        Prompt("a.v1", "$n $who").fill(**values)
    assert "a.v1" in str(caught.value)
    assert "['n', 'who']" in str(caught.value)


def test_a_text_without_blanks_takes_no_value():
    assert Prompt("a.v1", "你好").fill() == "你好"
    with pytest.raises(PromptError):
        Prompt("a.v1", "你好").fill(n="1")


def test_a_changed_text_has_another_fingerprint():
    one, two = Prompt("a.v1", "你好"), Prompt("a.v1", "您好")
    assert one.sha == hashlib.sha256("你好".encode()).hexdigest()[:12] != two.sha


@pytest.mark.real_data
def test_the_counselor_prompt_is_the_sentence_of_the_papers_rows(real_data: Path):
    path = real_data / "mi_llm_authors" / "eval_40.json"
    rows = json.loads(path.read_text(encoding="utf-8"))
    assert len(rows) == 367
    # In row 5 it stands under the key "".
    sentences = {row[""] if "" in row else row["instruction"] for row in rows}
    assert sentences == {prompts.load("counselor.v1").text}
