"""What goes on in client and counselor: the two states, and what of them is recorded."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, get_args

from converters.calm_it.strategies import REMEMBERED, Strategy
from mi_llm.profiles import Stage
from mi_llm.safety import Risk

if TYPE_CHECKING:
    from mi_llm.profiles import Profile

STAGES: tuple[str, ...] = get_args(Stage)
TASKS = ("engage", "focus", "evoke", "plan")
TALK = ("change", "sustain", "neutral")
RISKS = ("none", *(risk.value for risk in Risk if risk != Risk.MINOR))


@dataclass(frozen=True, slots=True)
class Emotion:
    """How somebody feels.

    Attributes:
        label: In a word; "" before it is known.
        valence: From -1 (bad) to 1 (good).
        arousal: From 0 (calm) to 1 (stirred up).
    """

    label: str = ""
    valence: float = 0.0
    arousal: float = 0.25


@dataclass(frozen=True, slots=True)
class Estimate:
    """Where a client stands, as its own side knows it or the counselor takes it to be.

    Attributes:
        stage: Of change.
        importance: Of the change, 0-10.
        confidence: Of managing it, 0-10.
        readiness: To begin, 0-10.
        resistance: To the counselor, 0-3.
        emotion: How the client feels.
    """

    stage: str = "contemplation"
    importance: int = 5
    confidence: int = 5
    readiness: int = 5
    resistance: int = 0
    emotion: Emotion = field(default_factory=Emotion)

    def as_record(self) -> dict[str, Any]:
        """What `meta` holds of it."""
        feeling = self.emotion
        return {
            "stage": self.stage,
            "importance": self.importance,
            "confidence": self.confidence,
            "readiness": self.readiness,
            "resistance": self.resistance,
            "emotion": {
                "label": feeling.label,
                "valence": feeling.valence,
                "arousal": feeling.arousal,
            },
        }


@dataclass(frozen=True, slots=True)
class ClientState(Estimate):
    """The hidden state of a client.

    Attributes:
        alliance_felt: With the counselor, 1-5.
        short_goal: What the client wants from the next few turns.
        disclosed: The ids of the reasons that it may tell.
        summary: Its memory of what was said; in no record.
    """

    alliance_felt: int = 3
    short_goal: str = ""
    disclosed: frozenset[str] = frozenset()
    summary: str = ""

    def as_record(self) -> dict[str, Any]:
        """What `meta` holds of it."""
        return {
            **Estimate.as_record(self),
            "alliance_felt": self.alliance_felt,
            "short_goal": self.short_goal,
            "disclosed": sorted(self.disclosed),
        }


@dataclass(frozen=True, slots=True)
class CounselorState:
    """What a counselor takes the client's state to be, from the dialogue alone, and its own plan.

    Attributes:
        alliance_est: With the client, 1-5.
        client: Where the client seems to stand.
        task: Of motivational interviewing, that the dialogue is at.
        short_goal: What the next few turns are to reach.
        focus_topic: What the dialogue is about.
        talk: What the client's last turn was: change, sustain or neutral talk.
        permission: Whether the client agreed to hear a suggestion; never without being asked.
        risk: A danger to somebody's safety, or "none".
        last_strategies: Up to three, the newest last.
        summary: Its memory of what was said; in no record.
    """

    alliance_est: int = 3
    client: Estimate = field(default_factory=Estimate)
    task: str = "engage"
    short_goal: str = ""
    focus_topic: str = ""
    talk: str = "neutral"
    permission: bool = False
    risk: str = "none"
    last_strategies: tuple[Strategy, ...] = ()
    summary: str = ""

    def after(self, strategy: Strategy) -> CounselorState:
        """The state once a strategy was used."""
        return replace(self, last_strategies=(*self.last_strategies, strategy)[-REMEMBERED:])

    def as_record(self) -> dict[str, Any]:
        """What `meta` holds of it."""
        return {
            "alliance_est": self.alliance_est,
            "client": self.client.as_record(),
            "task": self.task,
            "short_goal": self.short_goal,
            "focus_topic": self.focus_topic,
            "talk": self.talk,
            "permission": self.permission,
            "risk": self.risk,
            "last_strategies": [one.value for one in self.last_strategies],
        }


def initial_client(profile: Profile) -> ClientState:
    """The state of a client before anything was said; the alliance is its receptivity."""
    at = profile.readiness
    return ClientState(
        stage=at.stage,
        importance=at.importance,
        confidence=at.confidence,
        readiness=at.ready,
        alliance_felt=profile.receptivity,
    )
