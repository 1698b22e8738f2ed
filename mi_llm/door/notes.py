"""What is told once, at the end of a command, of all the answers that it got and did not get."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from mi_llm.door.examples import COPIED
from mi_llm.door.thoughts import SWITCH_OFF

# What commands tell themselves, by its kind.
_OWN_TO_A_REQUEST = ("does not fit the schema", "breaks a rule", COPIED)
_NUMBER = re.compile(r"\d+")
_MOST = 3  # reasons told


@dataclass(slots=True)
class Notes:
    """Counts of a command, whichever models and ledgers it works with.

    Attributes:
        answers: Answers of use.
        thoughts: Those that came with a thought.
        copies: Those that were the example of their prompt.
        reasons: Why requests got none; those that differ in numbers alone are one.
    """

    answers: int = 0
    thoughts: int = 0
    copies: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    _first: dict[str, str] = field(default_factory=dict)

    def take_answer(self, *, thought: bool) -> None:
        """Count an answer of use."""
        self.answers += 1
        self.thoughts += thought

    def take_reason(self, reason: str) -> None:
        """Count a request without one, if there is more to say than the kind that commands tell."""
        if ":" in reason and not reason.startswith(_OWN_TO_A_REQUEST):
            kind = _NUMBER.sub("0", reason)
            self.reasons[self._first.setdefault(kind, reason)] += 1

    def lines(self) -> Iterator[str]:
        """Yield what there is to tell, a line each."""
        for reason, count in self.reasons.most_common(_MOST):
            yield f"{count:,} {'request' if count == 1 else 'requests'}: {reason}"
        if len(self.reasons) > _MOST:
            yield f"and {len(self.reasons) - _MOST:,} other reasons"
        if self.copies:
            yield (
                f"answers that were the example of their prompt: {self.copies:,}; each was asked"
                " again or set aside"
            )
        if self.thoughts:
            yield (
                f"{self.thoughts:,} of {self.answers:,} answers came with a thought, which was left"
                f" out; to switch thinking off: {SWITCH_OFF}"
            )
