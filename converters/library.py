"""Dialogues of several files, found again by id without being held in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from mi_llm import files, jsonl
from mi_llm.dialogue import Dialogue, parsed_dialogue
from mi_llm.errors import InputError


class Library:
    """The dialogues of some files; iterate it once before asking for one by id."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Remember the files; nothing is read yet."""
        self._paths = paths
        self._places: dict[str, tuple[Path, int, int]] = {}

    @property
    def ids(self) -> list[str]:
        """All ids seen, in the order of the files."""
        return list(self._places)

    def __iter__(self) -> Iterator[Dialogue]:
        """Read all dialogues, file by file.

        Raises:
            InputError: If a line is no dialogue, an id comes twice, or a file holds none.
        """
        for path in self._paths:
            before = len(self._places)
            for number, start, data in jsonl.raw_lines(path):
                dialogue = parsed_dialogue(path, number, data)
                if dialogue.id in self._places:
                    other = self._places[dialogue.id][0]
                    raise InputError(f"{path}:{number}: id {dialogue.id!r} stands in {other} too")
                self._places[dialogue.id] = (path, number, start)
                yield dialogue
            if len(self._places) == before:
                raise InputError(f"{path}: holds no dialogue")

    def line(self, name: str) -> str:
        """The line of one dialogue, newline included."""
        path, _, start = self._places[name]
        return files.decoded(path, jsonl.line_at(path, start)).strip() + "\n"

    def dialogue(self, name: str) -> Dialogue:
        """One dialogue, read again."""
        path, number, start = self._places[name]
        return parsed_dialogue(path, number, jsonl.line_at(path, start))
