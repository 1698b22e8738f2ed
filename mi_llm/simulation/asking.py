"""What the model behind a client is asked, three requests a turn; each is a prompt and a JSON.

`observe` is the only one that holds reasons the client may not tell yet. None holds a number of the
state.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mi_llm import jsonl
from mi_llm.dialogue import Turn
from mi_llm.llm import Answer, Message, Request, SetAside
from mi_llm.simulation.reports import Observed, Reading

if TYPE_CHECKING:
    from pydantic import BaseModel

    from mi_llm.profiles import Profile
    from mi_llm.simulation.action import Action
    from mi_llm.simulation.state import ClientState

Ask = Callable[[Request], Awaitable[Answer | SetAside]]
"""Asks a model; `mi_llm.llm.Door.ask`."""

_LABEL = re.compile(r"^\s*(来访者|求助者|client)\s*[:：]\s*", re.IGNORECASE)
_QUOTED = re.compile(r"^[“\"「](?P<inside>[^“”\"「」]+)[”\"」]$")


@dataclass(frozen=True, slots=True)
class PromptText:
    """A prompt as this package takes it.

    Attributes:
        text: What the model is told.
        sha: Its hash, as stamps and ledgers have it.
    """

    text: str
    sha: str


@dataclass(frozen=True, slots=True)
class ClientPrompts:
    """The three prompts of a client."""

    observe: PromptText
    speak: PromptText
    read: PromptText


@dataclass(frozen=True, slots=True)
class Asking:
    """What all requests of one session share.

    Attributes:
        profile: The client's.
        prompts: What the model is told.
        name: Begins the requests' ids, such as `interview/glm4_lora/phone-1/2`.
        session: Its number; keeps sessions of one profile apart in the ledger, and is not sent.
    """

    profile: Profile
    prompts: ClientPrompts
    name: str
    session: int

    def observe(self, turns: Sequence[Turn], number: int) -> Request:
        """What did the counselor's last turn do, and to which reasons did it come?"""
        about = {
            "target_behaviour": self.profile.target_behaviour,
            "reasons": [{"id": one.id, "text": one.text} for one in self.profile.reasons],
            "client": turns[-2].content,
            "counselor": turns[-1].content,
        }
        return self._request(f"observe {number}", self.prompts.observe, about, Observed)

    def speak(
        self, turns: Sequence[Turn], number: int, state: ClientState, action: Action
    ) -> Request:
        """Say the client's next turn, doing this."""
        about = {
            "card": card(
                self.profile, state.disclosed, may_plan=action.value in ("accept", "plan")
            ),
            "conversation": [{"speaker": one.role, "text": one.content} for one in turns],
            "action": action.value,
        }
        return self._request(f"speak {number}", self.prompts.speak, about)

    def read(self, text: str, turns: Sequence[Turn], number: int, attempt: int) -> Request:
        """What kind of talk is a turn of the client's, and which fact does it contradict?"""
        about = {
            "target_behaviour": self.profile.target_behaviour,
            "facts": facts(self.profile),
            "never": self.profile.red_lines,
            "counselor": turns[-1].content if turns else "",
            "client": text,
        }
        return self._request(f"read {number}{_try(attempt)}", self.prompts.read, about, Reading)

    def _request(
        self,
        what: str,
        prompt: PromptText,
        about: Mapping[str, Any],
        schema: type[BaseModel] | None = None,
    ) -> Request:
        return Request(
            id=f"{self.name}:{what}",
            messages=(
                Message(role="system", content=prompt.text),
                Message(role="user", content=jsonl.dumped(about)),
            ),
            schema=schema,
            prompt_sha=f"{prompt.sha}#{self.session}",
        )


def again(request: Request, text: str, wrong: str, attempt: int) -> Request:
    """The request, asked once more with what was wrong with a text.

    Args:
        request: The first time it was asked or any later.
        text: What came.
        wrong: Why it cannot stand, in words for the model.
        attempt: Which try this will be, from 2.
    """
    more = (
        Message(role="assistant", content=text),
        Message(role="user", content=f"这一句不能用：{wrong}。请重新说这一句，只输出这句话。"),
    )
    name = request.id.partition("/try ")[0]
    return replace(request, id=f"{name}{_try(attempt)}", messages=request.messages + more)


def card(profile: Profile, disclosed: Container[str], *, may_plan: bool) -> dict[str, Any]:
    """Whom a speaker plays: no reason that may not be told yet, no number of a state.

    Args:
        profile: The client's.
        disclosed: Ids of the reasons that may be told.
        may_plan: Whether the step that the client would take may be told, if there is one.
    """
    told = {
        "language": profile.locale,
        "style": profile.style,
        "target_behaviour": profile.target_behaviour,
        "manifestations": profile.manifestations,
        "beliefs": profile.beliefs,
        "barriers": profile.barriers,
        "strengths": profile.strengths,
        "facts": facts(profile),
        "never": profile.red_lines,
        "may_tell": [one.text for one in profile.reasons if one.id in disclosed],
    }
    return told | ({"plan": profile.preferred_plan} if may_plan and profile.preferred_plan else {})


def facts(profile: Profile) -> dict[str, str]:
    """The facts of a profile, all as text."""
    return {name: str(value) for name, value in profile.facts.items()}


def cleaned(text: str) -> str:
    """A turn without a speaker's label, or marks around the whole of it."""
    said = _LABEL.sub("", text.strip())
    found = _QUOTED.match(said)
    return (found["inside"] if found else said).strip()


def _try(number: int) -> str:
    return f"/try {number}" if number > 1 else ""
