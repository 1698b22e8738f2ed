"""A session of role-play: what was said, and when; its file is the record of the study.

{"id": "0003-li", "player": "li", "profile": "insomnia-1", "code": "M2", "drawn": "2026-...",
 "turns": [{"role": "client", "content": "...", "at": "2026-..."}, ...],
 "safety": [], "flags": [], "failures": [], "end": null}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mi_llm.dialogue import Dialogue, Role, Turn
from mi_llm.safety.second_look import NO_VERDICT
from mi_llm.simulation.ending import EndReason

if TYPE_CHECKING:
    from mi_llm.safety import Intervention

# What a player can say of why a session ended, and the end reason that it is.
DECLINED = "declined"
ENDINGS = {
    DECLINED: EndReason.CLIENT_ENDED,  # before a word was said: the player does not play it
    "leave": EndReason.CLIENT_ENDED,
    "goal": EndReason.CLIENT_ENDED,
    "no_progress": EndReason.CLIENT_ENDED,
    "rounds": EndReason.MAX_ROUNDS,
    "technical": EndReason.ERROR,
    "other": EndReason.CLIENT_ENDED,
}

_Record = dict[str, Any]
_NAMES = ("id", "player", "profile", "code", "drawn")
_RECORDS = ("safety", "flags", "failures")


@dataclass(frozen=True, slots=True)
class End:
    """How a session ended.

    Attributes:
        at: When, in UTC.
        choice: One of `ENDINGS`.
        words: The player's own, on the reason; may be empty.
        note: Whatever else the player wants to keep; may be empty.
    """

    at: str
    choice: str
    words: str
    note: str


@dataclass(frozen=True, slots=True)
class Session:
    """A session as its file has it.

    Attributes:
        id: `0003-li`.
        player: Who plays the client.
        profile: The profile's id.
        code: The model's code.
        drawn: When it was drawn, in UTC.
        turns: What was said, the client first, the sides in turn.
        times: When each turn was complete, in UTC.
        safety: What the gate said in the model's place, `turn` being the counselor's, from 1.
        flags: What is to be looked at in a turn that stands as it is.
        failures: Replies that did not come.
        end: None while it goes on.
    """

    id: str
    player: str
    profile: str
    code: str
    drawn: str
    turns: tuple[Turn, ...] = ()
    times: tuple[str, ...] = ()
    safety: tuple[_Record, ...] = ()
    flags: tuple[_Record, ...] = ()
    failures: tuple[_Record, ...] = ()
    end: End | None = None

    @property
    def waits(self) -> bool:
        """Whether the client has spoken and there is no reply yet."""
        return self.end is None and bool(self.turns) and self.turns[-1].role == "client"

    @property
    def rounds(self) -> int:
        """Client turns with a reply."""
        return len(self.turns) // 2

    @property
    def counts(self) -> bool:
        """Whether it is one of its cell's sessions; one that ended without a reply is not."""
        return self.end is None or self.rounds > 0

    @property
    def declined(self) -> bool:
        """Whether the player did not want to play it."""
        return self.end is not None and self.end.choice == DECLINED

    @property
    def unjudged(self) -> bool:
        """Whether the classifier gave no verdict on the client's newest turn."""
        newest = (len(self.turns) + 1) // 2
        return any(
            one["turn"] == newest and one.get("classifier") == NO_VERDICT for one in self.flags
        )

    @property
    def given_over(self) -> bool:
        """Whether the safety gate has ended motivational interviewing."""
        return any(one and one.ends_mi for one in self.interventions)

    @property
    def interventions(self) -> list[Intervention | None]:
        """What came of each client turn that has a reply: the gate's, or None for the model's."""
        from mi_llm.safety import Intervention

        records = {record["turn"]: record for record in self.safety}
        replies = enumerate(self.turns[1::2], start=1)
        return [
            Intervention.from_record(records[number], reply.content) if number in records else None
            for number, reply in replies
        ]

    @property
    def end_reason(self) -> EndReason | None:
        """Why it ended; what the gate ended is a matter of safety whatever the player chose."""
        if self.end is None:
            return None
        return EndReason.SAFETY if self.given_over else ENDINGS[self.end.choice]

    def said(self, text: str, risks: list[str]) -> Session:
        """With a turn of the client's, and what the gate marks in it without answering it."""
        if self.end or self.waits:
            raise ValueError(f"{self.id}: it is not the client's turn")
        marks = [{"turn": self.rounds + 1, "role": "client", "risk": risk} for risk in risks]
        return replace(self._with("client", text), flags=(*self.flags, *marks))

    def answered(self, text: str, flags: list[_Record]) -> Session:
        """With the model's reply, and what it is flagged for."""
        self._require_waiting()
        marks = [{"turn": self.rounds + 1, "role": "counselor", **flag} for flag in flags]
        return replace(self._with("counselor", text), flags=(*self.flags, *marks))

    def intervened(self, intervention: Intervention) -> Session:
        """With what the gate says in the model's place."""
        self._require_waiting()
        record = {"turn": self.rounds + 1, **intervention.as_record()}
        said = self._with("counselor", intervention.text)
        return replace(said, safety=(*self.safety, record))

    def flagged(self, flag: _Record) -> Session:
        """With what is to be looked at in the client's turn."""
        return replace(self, flags=(*self.flags, flag))

    def failed(self, kind: str, reason: str) -> Session:
        """With a reply that did not come; nothing is said by it."""
        record = {"turn": self.rounds + 1, "at": now(), "kind": kind, "reason": reason}
        return replace(self, failures=(*self.failures, record))

    def ended(self, choice: str, words: str, note: str) -> Session:
        """Ended; a reply that is missing stays missing."""
        if self.end or choice not in ENDINGS:
            raise ValueError(f"{self.id}: cannot end by {choice!r}")
        return replace(self, end=End(now(), choice, words, note))

    def _require_waiting(self) -> None:
        if not self.waits:
            raise ValueError(f"{self.id}: there is nothing to reply to")

    def _with(self, role: Role, text: str) -> Session:
        turns = (*self.turns, Turn(role, text))
        return replace(self, turns=turns, times=(*self.times, now()))


def now() -> str:
    """The time, in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def as_record(session: Session) -> _Record:
    """What its file holds."""
    end = session.end
    return {
        **{name: getattr(session, name) for name in _NAMES},
        "turns": [
            {"role": turn.role, "content": turn.content, "at": at}
            for turn, at in zip(session.turns, session.times, strict=True)
        ],
        **{name: list(getattr(session, name)) for name in _RECORDS},
        "end": end and {"at": end.at, "choice": end.choice, "words": end.words, "note": end.note},
    }


def from_record(record: Mapping[str, Any]) -> Session:
    """Back from `as_record`.

    Raises:
        ValueError: If the record is none.
    """
    values: dict[str, Any] = {}
    try:
        values |= {name: str(record[name]) for name in _NAMES}
        values |= {name: tuple(dict(one) for one in record[name]) for name in _RECORDS}
        turns = tuple(Turn(turn["role"], turn["content"]) for turn in record["turns"])
        times = tuple(str(turn["at"]) for turn in record["turns"])
        end = End(**record["end"]) if record["end"] else None
        session = Session(**values, turns=turns, times=times, end=end)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{type(error).__name__.lower()} {error}") from None
    if turns:
        Dialogue(session.id, turns)  # its rules
    if (turns and turns[0].role != "client") or (session.end and session.end.choice not in ENDINGS):
        raise ValueError("the client does not open it, or it ended in an unknown way")
    return session


def transcript(
    session: Session, *, model: str, topic: str, target: str, settings: Mapping[str, Any]
) -> Dialogue:
    """A finished session as a dialogue that coding books and judges read."""
    assert session.end
    facts = {
        "source": model,
        "model": model,
        "profile": session.profile,
        "topic": topic or target,
        "target_behaviour": target,
        "settings": dict(settings),
        "end_reason": str(session.end_reason),
        "end_choice": session.end.choice,
        "end_note": session.end.words,
        "note": session.end.note,
        "player": session.player,
        "session": session.id,
        "safety": list(session.safety),
        "flags": list(session.flags),
    }
    return Dialogue(f"roleplay/{session.id}", session.turns, {"transcript": facts})
