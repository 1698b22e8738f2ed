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
def test_the_tree_names_every_module_and_only_what_exists(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    tree = next(block for block in text.split("```") if "Makefile  " in block)
    folder = ROOT
    named: set[Path] = set()
    for line in filter(None, tree.splitlines()):
        words = line.split()
        if line.startswith(" " * 10):  # the list of further readers
            named.update(folder / f"{word}.py" for word in words)
            continue
        path = (folder if line.startswith("  ") else ROOT) / words[0]
        named.add(path)
        if words[0].endswith("/"):
            folder = path
    assert [path for path in named if not path.exists()] == []
    modules = {
        path
        for package in ("mi_llm", "converters", "eval")
        for path in (ROOT / package).glob("*.py")
        if path.name != "__init__.py"
    }
    assert sorted(path.name for path in modules - named) == []
    assert len(modules) > 40


@pytest.mark.parametrize("name", PAGES)
def test_links_to_files_lead_somewhere(name):
    page = ROOT / name
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_pages_looked_at_are_there():
    assert {"README.md", "README_zh.md", "docs/serving.md"} <= set(PAGES)
    assert len(PAGES) >= 7
