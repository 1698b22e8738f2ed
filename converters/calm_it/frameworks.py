"""The seven ways to make a dialogue: ours after CALM-IT, three baselines, three ablations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import prompts
from converters.calm_it import client, counselor, script
from converters.calm_it.client import Client, UntrackedClient
from converters.calm_it.counselor import STRATEGIES, Counselor
from converters.calm_it.script import PART, ScriptedClient, ScriptedCounselor, Written
from mi_llm.simulation import ClientPrompts, PromptText, Said, SimulatedClient

if TYPE_CHECKING:
    from converters.calm_it.asking import Ask, Asker
    from converters.calm_it.names import Framework
    from mi_llm.dialogue import Turn
    from mi_llm.profiles import Profile
    from mi_llm.simulation import Speaker

ROLEPLAY = ("client_observe.v2", "client_speak.v1", "client_read.v2")
PLAIN = "counselor.v1"
LISTED = "calm_counselor_listed.v1"

_CLIENT = (client.TRACKER, client.SPEAKER)
_COUNSELOR = (counselor.TRACKER, counselor.SELECTOR, counselor.SPEAKER, STRATEGIES)
PROMPTS: dict[Framework, tuple[str, ...]] = {
    "calm-it": (*_CLIENT, *_COUNSELOR),
    "script": (script.PROMPT,),
    "roleplay": (*ROLEPLAY, PLAIN),
    "roleplay-strategies": (*ROLEPLAY, LISTED, STRATEGIES),
    "no-client-tracker": (client.PLAIN, *_COUNSELOR),
    "no-counselor-tracker": (*_CLIENT, counselor.SELECTOR, counselor.SPEAKER, STRATEGIES),
    "no-selector": (*_CLIENT, counselor.TRACKER, counselor.FREE),
}
"""The prompts that a framework uses."""


@dataclass(frozen=True, slots=True)
class Session:
    """A dialogue to make.

    Attributes:
        framework: How.
        profile: Of the client.
        rounds: The most it may have.
        number: Among the dialogues of the same profile, from 1.
        seed: Of the draws.
    """

    framework: Framework
    profile: Profile
    rounds: int
    number: int
    seed: int

    @property
    def id(self) -> str:
        """The dialogue's id."""
        return f"calm-it/{self.framework}/{self.profile.id}/{self.rounds}/{self.number}"

    @property
    def chance(self) -> str:
        """What the draws depend on, beside the round."""
        return f"{self.seed}/{self.profile.id}#{self.number}"


class PlainCounselor:
    """A counselor that is a prompt and the conversation, as much of it as the budget takes."""

    def __init__(self, asker: Asker, *, listed: bool) -> None:
        self._asker = asker
        self._prompt = prompts.load(LISTED if listed else PLAIN)
        blanks = {"strategies": prompts.load(STRATEGIES).fill()} if listed else {}
        self._text = self._prompt.fill(**blanks)

    async def speak(self, turns: tuple[Turn, ...]) -> Said:
        """The counselor's reply.

        Raises:
            Failed: If the model gives none that can be used.
        """
        messages = self._asker.conversation(self._text, turns)
        name = f"counselor {len(turns) // 2 + 1}"
        return Said(await self._asker.reply(name, self._prompt, messages))


def speakers(session: Session, asker: Asker, ask: Ask) -> tuple[Speaker, Speaker]:
    """The client and the counselor of a dialogue.

    Args:
        session: The dialogue.
        asker: Asks for what is ours.
        ask: Asks for the simulated client of the role-plays.
    """
    profile, kind = session.profile, session.framework
    if kind == "script":
        written = Written(profile, asker, session.chance, session.rounds)
        return ScriptedClient(written), ScriptedCounselor(written)
    if kind in ("roleplay", "roleplay-strategies"):
        played = _simulated(session, ask)
        return played, PlainCounselor(asker, listed=kind == "roleplay-strategies")
    side = UntrackedClient if kind == "no-client-tracker" else Client
    tracks, selects = kind != "no-counselor-tracker", kind != "no-selector"
    other = Counselor(asker, profile.locale, tracks=tracks, selects=selects)
    return side(profile, asker, session.chance), other


def most_requests(framework: Framework, rounds: int) -> int:
    """The requests of a dialogue that goes on to its last round, each asked once.

    A client that opens has nothing to track or to observe: one less than by the round.
    """
    by_round = {"calm-it": 5}.get(framework, 4)
    if framework == "script":
        return -(-rounds // PART)
    return by_round * rounds - (framework != "no-client-tracker")


def _simulated(session: Session, ask: Ask) -> SimulatedClient:
    observe, speak, read = map(prompts.load, ROLEPLAY)
    return SimulatedClient(
        session.profile,
        ClientPrompts(
            PromptText(observe.fill(), observe.sha),
            PromptText(speak.fill(), speak.sha),
            PromptText(read.fill(), read.sha),
        ),
        ask,
        name=session.id,
        session=session.number,
        seed=session.seed,
    )
