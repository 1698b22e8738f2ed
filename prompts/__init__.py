"""The prompt texts, and the few lines that load them.

Each prompt is a Markdown file beside this one, named `<task>.<version>.md`. A changed wording is a
new version: a file that published data were made with is never edited. Blanks are `$name`
(`string.Template`), since the texts are full of JSON braces.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from string import Template

from mi_llm.errors import InputError

_FOLDER = Path(__file__).parent


class PromptError(InputError):
    """No such prompt, or its blanks were not filled exactly."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt text with its name and fingerprint."""

    name: str
    text: str

    @property
    def sha(self) -> str:
        """First 12 hex digits of the SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:12]

    def fill(self, **values: str) -> str:
        """Return the text with every blank filled.

        Raises:
            PromptError: If `values` is not exactly the set of blanks.
        """
        template = Template(self.text)
        blanks = set(template.get_identifiers())
        if values.keys() != blanks:
            raise PromptError(f"prompt {self.name}: blanks {sorted(blanks)}, got {sorted(values)}")
        return template.substitute(values)


def load(name: str) -> Prompt:
    """Read the prompt `<name>.md`, e.g. `load("counselor.v1")`, without its last newline.

    Raises:
        PromptError: If there is no such prompt.
    """
    names = sorted(path.name.removesuffix(".md") for path in _FOLDER.glob("*.md"))
    if name not in names:
        raise PromptError(f"no prompt {name!r}; there are: {', '.join(names)}")
    text = (_FOLDER / f"{name}.md").read_text(encoding="utf-8").removesuffix("\n")
    return Prompt(name, text)
