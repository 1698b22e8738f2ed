"""What all readers share: files in a stable order, one bad record that stops nothing, unique ids.

A reader is a function `read(path, intake)` that yields dialogues. It builds each one inside
`intake.attempt`, so that `--skip-bad` can go on behind a record that cannot be read.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from mi_llm import files, jsonl
from mi_llm.dialogue import Dialogue, DialogueError, Turn
from mi_llm.errors import InputError
from mi_llm.repair import Repairer

Clients = Literal["one", "any"]
Reader = Callable[[Path, "Intake"], Iterator[Dialogue]]

_NUMBER = re.compile(r"(\d+)")
_ESCAPED_BYTE = re.compile("[\udc80-\udcff]")  # of a file's name that is not UTF-8


@dataclass(slots=True)
class Intake:
    """How a corpus is taken in, and what was counted on the way.

    Attributes:
        repairer: Mends turns.
        skip_bad: Whether a record that cannot be read is counted and left out; else it is an error.
        clients: `one` leaves sessions with several clients (a couple, a family) out; `any` keeps
            them. Readers mark them by a list of names under `clients` in a dialogue's `meta`.
        left_out: Records left out, by reason.
        bad: What was wrong with each record skipped.
        digest: SHA-256 over the names and bytes of the files of a folder, as they were read.
    """

    repairer: Repairer = field(default_factory=Repairer)
    skip_bad: bool = False
    clients: Clients = "one"
    left_out: Counter[str] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)
    digest: Any = field(default_factory=hashlib.sha256)

    def dialogue(
        self, name: str, where: str, turns: Sequence[Turn], meta: dict[str, Any]
    ) -> Dialogue:
        """Mend the turns and make a dialogue of them.

        Args:
            name: Its id.
            where: Its place in the source, for messages: `file: dialogue 3`.
            turns: As the corpus has them, oldest first.
            meta: What the corpus knows beyond the turns.

        Raises:
            InputError: If no dialogue can be made of them.
        """
        before = self.repairer.counts["stripped labels"]
        mended = self.repairer.repaired(where, turns)
        stripped = self.repairer.counts["stripped labels"] - before
        if stripped:
            # The other side's words may stand in such a turn: later stages can leave it out.
            meta = {**meta, "stripped_labels": stripped}
        source, slash, rest = name.partition("/")
        name = _ESCAPED_BYTE.sub("\ufffd", source) + slash + rest
        texts = {"id": name, "turns": [turn.content for turn in mended], "meta": meta}
        jsonl.require_sound(where, texts)
        try:
            return Dialogue(name, mended, meta)
        except DialogueError as error:
            raise InputError(f"{where}: {error}") from None

    def summary(self) -> str:
        """What was repaired and left out, with counts."""
        return f"repaired: {_listed(self.repairer.counts)}; left out: {_listed(self.left_out)}"

    def attempt(self, make: Callable[..., Dialogue], *arguments: Any) -> Iterator[Dialogue]:
        """Yield `make(*arguments)`, or nothing if it cannot be read and bad records are skipped."""
        try:
            dialogue = make(*arguments)
        except InputError as error:
            if not self.skip_bad:
                raise
            self.left_out["unreadable"] += 1
            self.bad.append(str(error))
            return
        yield dialogue

    def files(self, folder: Path, pattern: str) -> list[Path]:
        """The files of a folder and below that match, in the order of their numbers.

        Raises:
            InputError: If the folder is missing or holds none.
        """
        if not folder.is_dir():
            raise InputError(f"{folder}: expected a folder of {pattern}")
        # Names as text: a path object for each of 55,000 files costs more than sorting them.
        top = len(str(folder)) + 1
        found = [
            f"{place}{os.sep}{name}"[top:]
            for place, _, names in os.walk(folder)
            for name in fnmatch.filter(names, pattern)
        ]
        if not found:
            raise InputError(f"{folder}: holds no {pattern}")
        return [folder / name for name in sorted(found, key=_natural)]

    def text(self, path: Path) -> str:
        """The text of one file of a folder."""
        data = files.read_bytes(path)
        self.digest.update(path.name.encode("utf-8", "surrogateescape") + b"\0")
        self.digest.update(data)
        return files.decoded(path, data)

    def json(self, path: Path) -> Any:
        """The value of one JSON file of a folder."""
        return jsonl.parsed(path, self.text(path))


def take_in(reader: Reader, path: Path, intake: Intake) -> Iterator[Dialogue]:
    """Yield the dialogues of a corpus that are wanted, each id once.

    Raises:
        InputError: If something cannot be read and bad records are not skipped, an id comes twice,
            or there is no dialogue at all.
    """
    seen: set[str] = set()
    for dialogue in reader(path, intake):
        yield from intake.attempt(_new, dialogue, seen, path)
    if not seen:
        reason = f"; first fault: {intake.bad[0]}" if intake.bad else ""
        raise InputError(f"{path}: holds no dialogue that can be read{reason}")


def wanted(dialogue: Dialogue, intake: Intake) -> bool:
    """Whether the dialogue is kept; one that is not is counted."""
    if intake.clients == "any" or len(dialogue.meta.get("clients", ())) < 2:
        return True
    intake.left_out["several clients"] += 1
    return False


def _new(dialogue: Dialogue, seen: set[str], path: Path) -> Dialogue:
    if dialogue.id in seen:
        raise InputError(f"{path}: id {dialogue.id!r} comes twice")
    seen.add(dialogue.id)
    return dialogue


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{n:,} {kind}" for kind, n in sorted(counts.items()) if n) or "nothing"


def _natural(name: str) -> list[Any]:
    """`case_10` after `case_9`: runs of digits compare as numbers."""
    return [int(part) if part.isdecimal() else part for part in _NUMBER.split(name)]
