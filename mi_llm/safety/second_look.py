"""The gate together with a classifier, where one is named."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mi_llm.safety.classifier import Verdict, classifier_request

if TYPE_CHECKING:
    from mi_llm.dialogue import Turn
    from mi_llm.llm import Answer, Request, SetAside
    from mi_llm.safety.gate import Gate, Intervention


@dataclass(frozen=True, slots=True)
class Look:
    """A classifier's look at client turns.

    Attributes:
        prompt_text: The prompt `safety.v2`.
        sha: Its fingerprint.
        ask: Asks the classifier.
        name: Whose turns they are, for the requests' ids.
    """

    prompt_text: str
    sha: str
    ask: Callable[[Request], Awaitable[Answer | SetAside]]
    name: str

    async def verdict(self, turns: Sequence[Turn]) -> Verdict | None:
        """What it says of the last of some turns, a client's; None if it has no usable answer."""
        before = turns[-2].content if len(turns) > 1 else ""
        number = (len(turns) + 1) // 2
        name = f"{self.name}:safety {number}"
        result = await self.ask(
            classifier_request(self.prompt_text, self.sha, turns[-1].content, before, name)
        )
        value = getattr(result, "value", None)
        return value if isinstance(value, Verdict) else None


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
    """
    said = turns[-1].content
    found = gate.intervene(said, earlier)
    if look is None or (found and found.ends_mi):
        return found
    return gate.intervene(said, earlier, await look.verdict(turns))
