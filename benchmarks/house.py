"""How large the code is and how it is cut, at a commit and in the working tree.

Run: `python -m benchmarks.house` (the working tree), or `python -m benchmarks.house REVISION` to
have that commit beside it. Needs git for the revision only.

A *module* is a `.py` file of the product (`mi_llm`, `converters`, `eval`, `prompts`). *Code* is
what is neither blank nor docstring nor comment alone. A *fact* is a definition that may stand once:
each of `FACTS` is a pattern, and the table tells in how many places it is found.
"""

from __future__ import annotations

import ast
import io
import re
import statistics
import subprocess
import sys
import tarfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PRODUCT = ("mi_llm", "converters", "eval", "prompts")
SMALL = 60  # lines; a module under it that one other imports is a candidate to join that one

# Facts that were once defined in more than one place: a pattern that matches each definition.
FACTS = {
    "%CR of a session": r"def complex_reflection_share|\"complex_reflection_share\": \(",
    "R:Q of a session": r"def reflection_to_question|\"reflection_to_question\": \(",
    "codes that exclude each other": r"^    \(Code\.SIMPLE_REFLECTION, Code\.COMPLEX",
    "a reader of key.json": r"not a key; expected the key\.json|def read_key\(",
    "a reader of codes.csv": r"def _?read_cod(?:es|ings)\(",
    "class Aggregate": r"^class Aggregate\b",
    "class Difference": r"^class Difference\b",
    "class ClientState": r"^class ClientState\b",
    "class Session": r"^class Session\b",
    "the table of a client's actions": r"^def (?:next_)?action\(|^class Action\b",
    "where failures are written": r"\.(?:aside|failures)\.jsonl\"",
    "an interval as text": r"def _?(?:interval|interval_text)\(",
    "a loader of YAML words": r"yaml_file\.(?:load|parsed|read)\w*\(|yaml\.safe_load\(",
}


@dataclass(frozen=True, slots=True)
class Module:
    """A Python file, parsed.

    Attributes:
        path: From the project's root.
        text: Its source.
        tree: Its syntax tree.
    """

    path: str
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """As it is imported; a package by its folder."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def subject(self) -> str:
        """The folder that it belongs to, at most two deep; the package itself for loose modules."""
        folders = self.path.split("/")[:-1]
        return "/".join(folders[:2])

    @property
    def functions(self) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
        """All functions and methods, nested ones too."""
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
        return [node for node in ast.walk(self.tree) if isinstance(node, kinds)]


def main(revisions: Sequence[str]) -> None:
    """Print the tables."""
    trees = {revision: parsed(_at(revision)) for revision in revisions}
    trees["working tree"] = parsed(_here())
    _print_table("", {name: measures(modules) for name, modules in trees.items()})
    for title, count in (
        ("lines by subject", lines_by_subject),
        ("places of a fact", places_of_facts),
    ):
        _print_table(title, {name: count(_product(modules)) for name, modules in trees.items()})
    alone = small_and_alone(_product(trees["working tree"]))
    print(f"\nunder {SMALL} lines and imported by one other only: {len(alone)}")
    for module, importer in alone:
        print(f"  {module} <- {importer}")


def parsed(sources: Mapping[str, str]) -> list[Module]:
    """The modules of a tree, by path."""
    return [Module(path, text, ast.parse(text)) for path, text in sorted(sources.items())]


def measures(modules: Sequence[Module]) -> dict[str, str]:
    """The size of product and tests, each figure as it is printed."""
    product = _product(modules)
    tests = [module for module in modules if module.path.startswith("tests/")]
    lengths = sorted(map(_length, (f for module in product for f in module.functions)))
    code = sum(map(code_lines, product))
    inside = sum(map(imports_inside, product))
    importers = importers_of(product)
    counts = {
        "modules": len(product),
        "lines": sum(map(_lines, product)),
        "lines of code": code,
        "lines of tests": sum(map(_lines, tests)),
        "modules of tests": len(tests),
        "functions": len(lengths),
        "lines of a function, median": statistics.median(lengths),
        "lines of a function, 95th percentile": lengths[int(0.95 * len(lengths))],
        "public docstrings": sum(map(docstrings, product)),
        "modules imported by one other": sum(len(found) == 1 for found in importers.values()),
        "imports inside functions": inside,
        "the same, per 1,000 lines of code": round(1000 * inside / code, 1),
    }
    return {name: f"{value:,}" for name, value in counts.items()}


def code_lines(module: Module) -> int:
    """Lines that are neither blank nor comment alone nor docstring."""
    aside: set[int] = set()
    for node in ast.walk(module.tree):
        text = _docstring(node)
        if text:
            aside |= set(range(text.lineno, (text.end_lineno or text.lineno) + 1))
    lines = enumerate(module.text.splitlines(), start=1)
    return sum(
        number not in aside and bool(line.strip()) and not line.lstrip().startswith("#")
        for number, line in lines
    )


def docstrings(module: Module) -> int:
    """Docstrings of the module and of its public functions and classes."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return sum(
        _docstring(node) is not None and not getattr(node, "name", "").startswith("_")
        for node in ast.walk(module.tree)
        if isinstance(node, kinds)
    )


def imports_inside(module: Module) -> int:
    """Import statements within functions."""
    kinds = (ast.Import, ast.ImportFrom)
    found = {node for f in module.functions for node in ast.walk(f) if isinstance(node, kinds)}
    return len(found)


def importers_of(modules: Sequence[Module]) -> dict[str, set[str]]:
    """For each module that is no package, the modules that import it."""
    names = {module.name for module in modules}
    found: dict[str, set[str]] = {
        module.name: set() for module in modules if not module.path.endswith("/__init__.py")
    }
    for module in modules:
        for target in _imported(module, names):
            if target in found and target != module.name:
                found[target].add(module.name)
    return found


def small_and_alone(modules: Sequence[Module]) -> list[tuple[str, str]]:
    """Modules under `SMALL` lines that one other imports, with that other."""
    size = {module.name: _lines(module) for module in modules}
    return [
        (name, next(iter(importers)))
        for name, importers in importers_of(modules).items()
        if len(importers) == 1 and size[name] < SMALL
    ]


def lines_by_subject(modules: Sequence[Module]) -> dict[str, str]:
    """Modules and lines of each folder."""
    files: Counter[str] = Counter()
    lines: defaultdict[str, int] = defaultdict(int)
    for module in modules:
        files[module.subject] += 1
        lines[module.subject] += _lines(module)
    return {name: f"{files[name]} / {lines[name]:,}" for name in sorted(files)}


def places_of_facts(modules: Sequence[Module]) -> dict[str, str]:
    """In how many modules each of `FACTS` is found."""
    counts = {
        name: sum(bool(re.search(pattern, module.text, re.MULTILINE)) for module in modules)
        for name, pattern in FACTS.items()
    }
    return {name: str(count) for name, count in counts.items()}


def _product(modules: Sequence[Module]) -> list[Module]:
    return [module for module in modules if module.path.split("/")[0] in PRODUCT]


def _lines(module: Module) -> int:
    return module.text.count("\n")


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def _docstring(node: ast.AST) -> ast.Expr | None:
    body = getattr(node, "body", None)
    if not isinstance(body, list) or not body or not isinstance(body[0], ast.Expr):
        return None
    value = body[0].value
    return body[0] if isinstance(value, ast.Constant) and isinstance(value.value, str) else None


def _imported(module: Module, names: set[str]) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in names else node.module for name in inner)


def _here() -> dict[str, str]:
    found = (path for top in (*PRODUCT, "tests") for path in (ROOT / top).rglob("*.py"))
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in found}


def _at(revision: str) -> dict[str, str]:
    command = ["git", "archive", revision, *PRODUCT, "tests"]
    packed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    sources = {}
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.name.endswith(".py") else None
            if stream:
                sources[member.name] = stream.read().decode()
    return sources


def _print_table(title: str, columns: Mapping[str, Mapping[str, str]]) -> None:
    rows = list(dict.fromkeys(name for column in columns.values() for name in column))
    width = max(map(len, (*rows, title)))
    print(f"\n{title:<{width}}" + "".join(f"{name[:14]:>16}" for name in columns))
    for row in rows:
        cells = (column.get(row, "-") for column in columns.values())
        print(f"{row:<{width}}" + "".join(f"{cell:>16}" for cell in cells))


if __name__ == "__main__":
    main(sys.argv[1:])
