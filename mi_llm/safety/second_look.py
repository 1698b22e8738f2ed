"""The gate together with a classifier, where one is named, and what is told of its verdicts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mi_llm.errors import Stopped
from mi_llm.quotation import quotes
from mi_llm.safety.classifier import Verdict, classifier_request, hinted

if TYPE_CHECKING:
    from mi_llm.dialogue import Turn
    from mi_llm.llm import Answer, Request, SetAside
    from mi_llm.safety.gate import Gate, Intervention

NO_VERDICT = "no verdict"
"""How a turn is flagged that a classifier said nothing usable of."""


class NoVerdict(Stopped):
    """A classifier without which nothing may go on (`--classifier-required`) says nothing."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What came of a look at a client's turn.

    Attributes:
        turn: The turn's number among the client's, from 1.
        said: The turn.
        verdict: None if there is none.
        reason: Why there is none, or "".
    """

    turn: int
    said: str
    verdict: Verdict | None
    reason: str = ""

    @classmethod
    def of(cls, turn: int, said: str, result: Answer | SetAside) -> Looked:
        """What an answer to `classifier_request` says."""
        value = getattr(result, "value", None)
        found = value if isinstance(value, Verdict) else hinted(result.text)
        return cls(turn, said, found, "" if found else getattr(result, "reason", NO_VERDICT))

    @property
    def is_unquoted(self) -> bool:
        """Whether it is an alarm whose words were not said: the gate takes it as a hint."""
        verdict = self.verdict
        return bool(verdict and verdict.is_alarm and not quotes(verdict.quote, self.said))

    @property
    def flag(self) -> dict[str, Any] | None:
        """What a transcript keeps of it; None where there is nothing to look at."""
        at = {"turn": self.turn, "role": "client"}
        if self.verdict is None:
            return {**at, "classifier": NO_VERDICT}
        if not self.is_unquoted:
            return None
        told = self.verdict.model_dump(mode="json")
        return {**at, "classifier": "alarm without words that were said", **told}


@dataclass(frozen=True, slots=True)
class Look:
    """A classifier's look at client turns.

    Attributes:
        prompt_text: The prompt `safety.v2`.
        sha: Its fingerprint.
        ask: Asks the classifier.
        name: Whose turns they are, for the requests' ids.
        required: Whether a turn without a verdict ends it all.
        looked: What came of each look so far; filled here.
    """

    prompt_text: str
    sha: str
    ask: Callable[[Request], Awaitable[Answer | SetAside]]
    name: str
    required: bool = False
    looked: list[Looked] = field(default_factory=list)

    async def verdict(self, turns: Sequence[Turn]) -> Verdict | None:
        """What it says of the last of some turns, a client's; None if it has no usable answer.

        Raises:
            NoVerdict: If there is none and one is required.
        """
        before = turns[-2].content if len(turns) > 1 else ""
        number, said = (len(turns) + 1) // 2, turns[-1].content
        name = f"{self.name}:safety {number}"
        request = classifier_request(self.prompt_text, self.sha, said, before, name)
        found = Looked.of(number, said, await self.ask(request))
        self.looked.append(found)
        if self.required and found.verdict is None:
            raise no_verdict(name, found)
        return found.verdict


async def intervention(
    gate: Gate,
    turns: Sequence[Turn],
    earlier: Sequence[Intervention | None],
    look: Look | None,
) -> Intervention | None:
    """What to say to the last of some turns, a client's, in the model's place.

    The classifier is not asked where the gate's own words end motivational interviewing already.

    Args:
        gate: The session's.
        turns: All that was said.
        earlier: As `Gate.intervene` takes it.
        look: A classifier; None goes by the gate's word patterns alone.

    Raises:
        NoVerdict: If the classifier is required and says nothing.
    """
    said = turns[-1].content
    found = gate.intervene(said, earlier)
    if look is None or (found and found.ends_mi):
        return found
    return gate.intervene(said, earlier, await look.verdict(turns))


def no_verdict(name: str, looked: Looked) -> NoVerdict:
    """What is raised where a verdict is required."""
    return NoVerdict(
        f"{name}: the classifier gives no verdict ({looked.reason}), and --classifier-required is "
        "set; see to it, or leave that option out; --again asks anew what got no usable answer"
    )


def counts(looked: Iterable[Looked]) -> dict[str, int]:
    """What a stamp records of a classifier's looks."""
    all_ = list(looked)
    return {
        "classifier: turns": len(all_),
        "classifier: no verdict": sum(one.verdict is None for one in all_),
        "classifier: alarms": sum(bool(one.verdict and one.verdict.is_alarm) for one in all_),
        "classifier: alarms without words that were said": sum(one.is_unquoted for one in all_),
    }


def lines(looked: Iterable[Looked]) -> list[str]:
    """What a person is told of a classifier's looks."""
    turns, silent, alarms, unquoted = counts(looked).values()
    share = f" ({unquoted / alarms:.0%})" if alarms else ""
    told = [
        f"classifier: a verdict on {turns - silent:,} of {turns:,} turns, {alarms:,} alarms; "
        f"{unquoted:,} of them{share} quote what was not said, and count as hints"
    ]
    if silent:
        told.append(
            f"classifier: NO verdict on {silent:,} of {turns:,} turns: there the gate went by its "
            "words alone; --classifier-required refuses that"
        )
    return told
