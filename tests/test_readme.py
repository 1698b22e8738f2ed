"""What the two READMEs say of the tree is so."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    str(page.relative_to(ROOT))
    for page in [
        *ROOT.glob("README*.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("llamafactory*/*.md"),
    ]
)


@pytest.mark.parametrize("name", ["README.md", "README_zh.md"])
def test_the_tree_names_every_package_and_only_what_exists(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    tree = next(block for block in text.split("```") if "Makefile  " in block)
    folder = ROOT
    named: set[Path] = set()
    for line in filter(None, tree.splitlines()):
        path = (folder if line.startswith("  ") else ROOT) / line.split()[0]
        named.add(path)
        # Further files stand in the explanation: `alpaca.py: a row`.
        named.update(path.parent / more for more in re.findall(r"\b([a-z_]+\.py)", line))
        if line[0] != " " and line.split()[0].endswith("/"):
            folder = path
    assert [path for path in named if not path.exists()] == []
    packages = {
        path.parent
        for top in ("mi_llm", "converters", "eval")
        for path in (ROOT / top).rglob("__init__.py")
    }
    assert sorted(str(path) for path in packages - named) == []
    assert len(packages) > 12


@pytest.mark.parametrize("name", PAGES)
def test_links_to_files_lead_somewhere(name):
    page = ROOT / name
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_pages_looked_at_are_there():
    assert {"README.md", "README_zh.md", "docs/serving.md"} <= set(PAGES)
    assert len(PAGES) >= 7
