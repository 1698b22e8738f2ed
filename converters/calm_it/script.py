"""The simplest baseline: one prompt writes both sides, in parts of at most twenty rounds.

The script is then read out turn by turn, so that the safety gate stands between the two sides as it
does elsewhere. What the gate says takes the place of the script's reply.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import prompts
from converters.calm_it.answers import Script
from converters.calm_it.asking import LONGEST_TURN, cleaned
from converters.calm_it.client import card, opening
from mi_llm.dialogue import Turn
from mi_llm.simulation import EndReason, Failed, Said

if TYPE_CHECKING:
    from converters.calm_it.asking import Asker
    from mi_llm.profiles import Profile

PROMPT = "calm_script.v2"
PART = 20
"""Rounds that are written at once, at most."""


class Written:
    """A script that is written as it is read.

    Args:
        profile: Of the client in it.
        asker: Asks the model.
        chance: What makes one script of a profile another than the next.
        rounds: How many to write.
    """

    def __init__(self, profile: Profile, asker: Asker, chance: str, rounds: int) -> None:
        self._asker, self._rounds = asker, rounds
        self._prompt = prompts.load(PROMPT)
        self._about = {
            "client": card(profile, {one.id for one in profile.reasons}, may_plan=True),
            **opening(profile, chance),
        }
        self._turns: list[Turn] = []
        self._ended = False

    async def turn(self, number: int) -> Turn | None:
        """The turn of that number, from 0; None behind the end.

        Raises:
            Failed: If the model writes nothing that can be used.
        """
        while number >= len(self._turns) and not self.is_over(number):
            await self._write()
        return self._turns[number] if number < len(self._turns) else None

    def is_over(self, number: int) -> bool:
        """Whether the script ended, by its own word, before the turn of that number."""
        return self._ended and number >= len(self._turns)

    async def _write(self) -> None:
        done = len(self._turns) // 2
        wanted = min(PART, self._rounds - done)
        value = await self._asker.value(
            f"script {done + 1}",
            self._prompt,
            self._prompt.fill(),
            {**self._about, "rounds_before": done, "rounds_now": wanted},
            self._turns,
            Script,
            lambda script: fault(script, wanted),
        )
        if not isinstance(value, Script):
            raise Failed("no script that keeps the rules")
        self._turns += [Turn(one.role, cleaned(one.content)) for one in value.turns]
        self._ended = value.ended


class ScriptedClient:
    """The client's turns of a script."""

    def __init__(self, script: Written) -> None:
        self._script = script

    async def speak(self, turns: tuple[Turn, ...]) -> Said:
        """The script's turn at this place; without a text behind its end."""
        turn = await self._script.turn(len(turns))
        return Said(turn.content) if turn else Said("", ends=True, reason=EndReason.GOODBYE)


class ScriptedCounselor:
    """The counselor's turns of a script."""

    def __init__(self, script: Written) -> None:
        self._script = script

    async def speak(self, turns: tuple[Turn, ...]) -> Said:
        """The script's turn at this place."""
        turn = await self._script.turn(len(turns))
        assert turn  # a part has as many turns of one side as of the other
        return Said(turn.content)


def fault(script: Any, wanted: int) -> str | None:
    """The first rule that a part of a script breaks, in words for the model; None if it keeps all.

    Args:
        script: A `Script`.
        wanted: Rounds that were asked for.
    """
    turns = script.turns
    rounds = len(turns) // 2
    if not turns or len(turns) % 2 or rounds > wanted or (rounds < wanted and not script.ended):
        return f"turns 有{len(turns)}条；要{wanted * 2}条，除非对话在此结束（ended 为 true）"
    for number, turn in enumerate(turns):
        text = cleaned(turn.content)
        if turn.role != ("client", "counselor")[number % 2]:
            return f"第{number + 1}条是{turn.role}；两人要轮流说话，client 在先"
        if not text or len(text) > LONGEST_TURN:
            return f"第{number + 1}条有{len(text)}个字；要有内容，最多{LONGEST_TURN}个字"
    return None
