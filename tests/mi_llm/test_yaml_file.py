from __future__ import annotations

from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_llm import yaml_file
from mi_llm.errors import InputError
from mi_llm.yaml_file import parsed


def bomb(line: str, levels: int = 9) -> str:
    """Each line stands for nine of the line before; `line` says how."""
    names = "abcdefghijklmn"[: levels + 1]
    lines = ["a: &a {x: [y, y, y, y, y, y, y, y, y]}"]
    for before, name in pairwise(names):
        lines.append(f"{name}: &{name} " + line.format(", ".join([f"*{before}"] * 9)))
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        bomb("[{}]"),
        bomb("{{<<: [{}]}}"),
        bomb("{{deeper: [{}]}}"),
        "- &a [x, x, x]\n" + "- [*a, *a, *a]\n" * 5_000,
        f"- &a {'long' * 1_000}\n" + "- *a\n" * 2_000,
        "[" + "1," * 30_000 + "]",
    ],
    ids=["lists", "merges", "mappings", "many aliases", "a long text repeated", "a long list"],
)
def test_what_stands_for_too_much_is_refused(text: str):
    with pytest.raises(InputError, match=r"^it:\d+: not YAML: more than 20,000 values, aliases"):
        parsed("it", text)


@pytest.mark.parametrize("text", ["[" * 3_000, "- " * 100_000, "{a: " * 500, "? " * 5_000])
def test_what_is_nested_too_deep_is_refused(text: str):
    with pytest.raises(InputError, match=r"^it:\d+: not YAML: nested too deep"):
        parsed("it", text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &a [*a]", "1: not YAML: *a stands inside what it repeats"),
        ("x: 1\ny: 2026-99-99", "2: not YAML: '2026-99-99' cannot be read as timestamp; write it"),
        ("x: 2001-01-01T00:00:00+99:99", "1: not YAML: '2001-01-01T00:00:00+99:99' cannot be read"),
        ("x: " + "9" * 5_000, "1: not YAML: '" + "9" * 37 + "...': number too long"),
        ('x: 1\ny: "\\U99999999"', "2: not YAML that can be read: "),
        ("%YAML 1." + "9" * 5_000 + "\n--- a", "1: not YAML that can be read: Exceeds the limit"),
        ("x: -" + "9" * 30, "1: not YAML: '-" + "9" * 30 + "': number too long"),
        ("x: 0x" + "f" * 20, "1: not YAML: '0x" + "f" * 20 + "': number too long"),
        (
            "x: 1" + ":59" * 50_000,
            "1: not YAML: '1:59:59:59:59:59:59:59:59:59:59:59:59...': number too",
        ),
        ("x: !!int abc", "1: not YAML: 'abc' cannot be read as int"),
        ("x: !!int ''", "1: not YAML: '' cannot be read as int"),
        ("x: !!bool maybe", "1: not YAML: 'maybe' cannot be read as bool"),
        ("x: !!timestamp soon", "1: not YAML: 'soon' cannot be read as timestamp"),
        ("x: !!binary AAAA", "1: not YAML: tag 'tag:yaml.org,2002:binary'; leave it out"),
        ("x: !!set {a, b}", "1: not YAML: tag 'tag:yaml.org,2002:set'; leave it out"),
        ("x: !!python/object:os.system {}", "1: not YAML: tag 'tag:yaml.org,2002:python/object"),
        ("1: a\n1.0: b", "2: not YAML: '1.0' stands twice in one place; keep one"),
        ("yes: a\ntrue: b", "2: not YAML: 'true' stands twice in one place; keep one"),
        ("? [a]\n: b", "1: not YAML: while constructing a mapping: found unhashable key"),
        ("\ud800", "1: not YAML: control character 0xd800; delete it"),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(text: str, message: str):
    with pytest.raises(InputError) as refused:
        parsed("it", text)
    assert str(refused.value).startswith(f"it:{message}")


def test_plain_yaml_with_a_few_aliases_is_read():
    text = "base: &b {lr: 1.0e-4, on: 2026-12-01}\nrun: {<<: *b, epochs: 3, name: ~}\nagain: *b\n"
    base = {"lr": 1e-4, True: date(2026, 12, 1)}  # YAML 1.1 takes a bare `on` for true
    assert parsed("it", text) == {
        "base": base,
        "run": {**base, "epochs": 3, "name": None},
        "again": base,
    }


@settings(max_examples=50)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
        max_leaves=12,
    )
)
def test_what_is_within_bounds_is_read_as_pyyaml_reads_it(value: object):
    text = yaml.safe_dump(value, allow_unicode=True)
    assert parsed("it", text) == yaml.safe_load(text)


def test_a_file_that_is_too_large_is_not_read_whole(tmp_path: Path):
    path = tmp_path / "large.yaml"
    with path.open("wb") as stream:
        stream.truncate(1 << 40)  # a hole: it takes no room, and reading it would take all memory
    with pytest.raises(InputError, match=r"large\.yaml: larger than 2 MB, too large for a YAML"):
        yaml_file.read(path)
