"""What the trackers, the selector and the writer of scripts return.

A tracker's fields take any value: `converters.calm_it.states` makes of each what it can, so that
one odd value costs neither the others nor a second request. The schema still tells the model, and
any server that enforces it, what is wanted.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from converters.calm_it.states import RISKS, STAGES, TALK, TASKS
from converters.calm_it.strategies import Strategy


def _field(kind: str, **more: Any) -> Any:
    return Field(default=None, json_schema_extra={"type": kind, **more})


class _Tracked(BaseModel):
    reason: Any = _field("string")
    stage: Any = _field("string", enum=list(STAGES))
    importance: Any = _field("integer")
    confidence: Any = _field("integer")
    readiness: Any = _field("integer")
    resistance: Any = _field("integer")
    alliance: Any = _field("integer")
    emotion: Any = _field("string")
    valence: Any = _field("number")
    arousal: Any = _field("number")
    short_goal: Any = _field("string")
    summary: Any = _field("string")


class TrackedClient(_Tracked):
    """Where the client stands after the counselor's turn.

    Attributes:
        disclosed: The id of the one reason that it may tell from now on; "none" if none is new.
        pressed: Whether the counselor's turn argued, or advised without being asked.
    """

    disclosed: Any = _field("string")
    pressed: Any = _field("boolean")


class TrackedCounselor(_Tracked):
    """Where the client seems to stand after its turn, and what the counselor is about."""

    task: Any = _field("string", enum=list(TASKS))
    focus_topic: Any = _field("string")
    talk: Any = _field("string", enum=list(TALK))
    permission: Any = _field("boolean")
    risk: Any = _field("string", enum=list(RISKS))


class Selected(BaseModel):
    """The strategy of the counselor's next turn."""

    reason: Any = _field("string")
    strategy: Any = _field("string", enum=[one.value for one in Strategy])


class ScriptTurn(BaseModel):
    """One turn of a script."""

    role: Literal["client", "counselor"]
    content: str


class Script(BaseModel):
    """The next part of a dialogue that one model writes for both sides.

    Attributes:
        turns: In turn, the client first.
        ended: Whether the dialogue is over with them.
    """

    turns: list[ScriptTurn]
    ended: bool
