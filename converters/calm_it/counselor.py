"""The counselor's side: tracker -> selector -> speaker. It sees what was said, and nothing else.

The tracker is a model and estimates the client; code bounds it (`states`). Rules leave some of the
strategies, and a model chooses among them (`strategies`). The speaker is a model and is told one
strategy and a goal for the next few turns. The profile, the client's state and its action never
come here; nor does the target behaviour: the counselor has to find it.

Without the tracker there is no state; the rules that need none still hold. Without the selector the
speaker chooses for itself. A risk is no matter of ablation: where a tracker sees one, the safety
response is said and the dialogue ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import prompts
from converters.calm_it import asking
from converters.calm_it.answers import Selected, TrackedCounselor
from converters.calm_it.moves import LONGEST_REASON, moved_counselor, plain
from converters.calm_it.states import CounselorState
from converters.calm_it.strategies import Strategy, allowed, chosen
from mi_llm.simulation import EndReason, Said

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from converters.calm_it.asking import Asker
    from mi_llm.dialogue import Turn

TRACKER = "calm_counselor_tracker.v1"
SELECTOR = "calm_selector.v2"
SPEAKER = "calm_counselor_speaker.v1"
FREE = "calm_counselor_free.v1"
STRATEGIES = "calm_strategies.v1"


class Counselor:
    """A counselor with a tracker, a selector, or both; one object for one dialogue.

    Args:
        asker: Asks the model.
        language: Of the dialogue, `zh` or `en`.
        tracks: Whether it keeps an estimate of the client.
        selects: Whether rules and a model choose its strategy.
    """

    def __init__(
        self, asker: Asker, language: str, *, tracks: bool = True, selects: bool = True
    ) -> None:
        self._asker, self._language, self._selects = asker, language, selects
        self._state = CounselorState() if tracks else None
        self._history: list[Strategy] = []
        meanings = prompts.load(STRATEGIES).fill()
        self._selector = prompts.load(SELECTOR)
        self._selector_text = self._selector.fill(strategies=meanings)
        self._tracker = prompts.load(TRACKER)
        self._speaker, self._free = prompts.load(SPEAKER), prompts.load(FREE)
        self._speaker_text = self._speaker.fill(strategies=meanings)

    async def speak(self, turns: tuple[Turn, ...]) -> Said:
        """The counselor's reply; with the safety response the dialogue ends.

        Raises:
            Failed: If the model gives none that can be used.
        """
        number, notes = len(turns) // 2 + 1, dict[str, Any]()
        shown = turns if self._state is None else asking.last_turns(turns)
        if self._state is not None:
            await self._track(self._state, shown, number)
        if self._state is not None:
            notes["state"] = self._state.as_record()
        strategy = await self._strategy(shown, number, notes)
        text = await self._text(shown, number, strategy)
        if strategy is not None:
            self._history.append(strategy)
            self._state = self._state and self._state.after(strategy)
        if strategy is Strategy.SAFETY_RESPONSE:
            return Said(text, notes, ends=True, reason=EndReason.SAFETY)
        return Said(text, notes)

    async def _track(self, state: CounselorState, turns: Sequence[Turn], number: int) -> None:
        """Let the estimate follow the tracker, within its bounds."""
        value = await self._asker.value(
            f"counselor-tracker {number}",
            self._tracker,
            self._tracker.fill(),
            {"state": state.as_record(), "summary": state.summary},
            turns,
            TrackedCounselor,
        )
        if value is None:
            self._asker.counts["counselor_tracker_malformed"] += 1
            return
        self._state, read = moved_counselor(state, value.model_dump())
        self._asker.counts["counselor_fields_kept"] += len(read.kept)
        self._asker.counts["counselor_moves_clamped"] += len(read.clamped)

    async def _strategy(
        self, turns: Sequence[Turn], number: int, notes: dict[str, Any]
    ) -> Strategy | None:
        """The strategy of this turn, noted with what it was chosen from; None if none is chosen."""
        among = allowed(self._state, self._history)
        if among == (Strategy.SAFETY_RESPONSE,):
            notes |= {"strategy": among[0].value, "allowed": [among[0].value]}
            return among[0]
        if not self._selects:
            return None
        value = await self._asker.value(
            f"selector {number}",
            self._selector,
            self._selector_text,
            {
                **self._knowledge(),
                "last_strategies": [one.value for one in self._history[-3:]],
                "allowed": [one.value for one in among],
            },
            turns,
            Selected,
        )
        said: Mapping[str, Any] = value.model_dump() if value else {}
        strategy, followed = chosen(said.get("strategy"), among)
        self._asker.counts["selector_fallback"] += not followed
        notes |= {"strategy": strategy.value, "allowed": [one.value for one in among]}
        if followed and isinstance(said.get("reason"), str):
            notes["reason"] = plain(said["reason"])[:LONGEST_REASON]
        return strategy

    async def _text(self, turns: Sequence[Turn], number: int, strategy: Strategy | None) -> str:
        about = {"language": self._language, **self._knowledge()}
        if strategy is None:
            prompt, text = self._free, self._free.fill()
        else:
            prompt, text = self._speaker, self._speaker_text
            about["strategy"] = strategy.value
        return await self._asker.said(f"counselor-speaker {number}", prompt, text, about, turns)

    def _knowledge(self) -> dict[str, Any]:
        """What the counselor makes of the dialogue; nothing where it is not tracked."""
        if self._state is None:
            return {}
        return {"state": self._state.as_record(), "summary": self._state.summary}
