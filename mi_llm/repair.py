"""From turns as a corpus has them to turns that a `Dialogue` accepts, every change counted by kind.

No repair invents text. All readers of corpora and of transcripts share these.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from mi_llm.characters import is_blank
from mi_llm.dialogue import DialogueError, Turn

Policy = Literal["all", "none"]
Pairing = Literal["role", "position"]

# A speaker's label that leaked into the text: at its beginning or behind the end of a sentence.
# Labels of people spoken of or played (妈妈：, A：) are text and stay.
_LABEL = re.compile(
    r"(?:(?<=[。！？!?…”\"\n])|^)[ \t]*(?:来访者|求助者|支持者|心理咨询师|咨询师)[：:][ \t]*"
)


@dataclass(slots=True)
class Repairer:
    """How turns are mended, and how often that was needed.

    Attributes:
        policy: `all` mends and counts; `none` refuses the first dialogue that needs mending.
        pairing: `role` takes who speaks from the corpus. `position` takes the first, third, ...
            turn as the client's whatever it is called and changes no text: that is how the
            authors made their 367 test rows (nine of the 40 dialogues are misread by it).
        counts: Repairs made so far, by kind.
    """

    policy: Policy = "all"
    pairing: Pairing = "role"
    counts: Counter[str] = field(default_factory=Counter)

    def repaired(self, where: str, turns: Sequence[Turn]) -> tuple[Turn, ...]:
        """Strip labels and white space, drop blank turns, join neighbours of one role.

        Neighbours are joined by a newline; one that repeats what that side has just said, word for
        word, is dropped instead: a message sent twice, or a row written twice.

        Args:
            where: The dialogue, for messages: `file: dialogue 3`.
            turns: Oldest first.

        Raises:
            DialogueError: If something needs mending and the policy is `none`.
        """
        if self.pairing == "position":
            return _by_position(turns)
        out: list[Turn] = []
        just_said = ""  # the last of the texts that the last turn joins
        for number, turn in enumerate(turns, start=1):
            text = self._without_labels(turn.content, where, number).strip()
            if is_blank(text):
                self._count("dropped blank turns", where, number, f"blank {turn.role} turn")
                continue
            if len(text) != len(turn.content) and turn.content != turn.content.strip():
                self._count("stripped turns", where, number, "white space around the text")
            if not out or out[-1].role != turn.role:
                out.append(turn if text is turn.content else Turn(turn.role, text))
            elif text == just_said:
                self._count(
                    "dropped repeats", where, number, f"{turn.role} turn said twice in a row"
                )
            else:
                self._count("merged neighbours", where, number, f"second {turn.role} turn in a row")
                out[-1] = Turn(turn.role, f"{out[-1].content}\n{text}")
            just_said = text
        return tuple(out)

    def _without_labels(self, text: str, where: str, number: int) -> str:
        if "：" not in text and ":" not in text:
            return text
        clean, labels = _LABEL.subn("", text)
        for _ in range(labels):
            self._count("stripped labels", where, number, "a speaker's label inside the text")
        return clean

    def _count(self, kind: str, where: str, number: int, fault: str) -> None:
        if self.policy == "none":
            raise DialogueError(
                f"{where}, turn {number}: {fault}; leave out --repair none to have it mended"
            )
        self.counts[kind] += 1


def _by_position(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    return tuple(
        Turn("counselor" if number % 2 else "client", turn.content)
        for number, turn in enumerate(turns)
    )
