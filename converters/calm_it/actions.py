"""What a tracked client does in its turn: rules by its hidden state, and a draw from the seed.

The twelve actions are those of `mi_llm.simulation`; which state allows which is ours:

| action | allowed when |
|---|---|
| `inform` | it opens, or a reason has just been disclosed (then nothing else); resistance < 2 |
| `engage` | resistance < 2, alliance >= 3 |
| `deny`, `downplay` | resistance >= 2, or readiness < 3 |
| `blame` | resistance >= 2 |
| `reject` | the counselor's turn pressed, readiness < 8 |
| `hesitate` | resistance < 2, readiness 3-7 |
| `doubt` | resistance < 2, readiness 3-5 |
| `acknowledge` | resistance < 2, readiness >= 3 |
| `accept` | resistance < 2, readiness >= 6 |
| `plan` | resistance < 2, readiness >= 8, no plan made yet |
| `terminate` | resistance 3 and alliance 1; or a plan was made in an earlier turn, resistance < 2 |

The draw is code's, not the model's: models as clients are known to agree too soon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mi_llm.simulation.action import ACCEPTS_FROM, PLANS_FROM, Action

if TYPE_CHECKING:
    from converters.calm_it.states import ClientState

RESISTS_FROM = 2
_WAVERS_FROM = 3
_ENGAGES_FROM = 3
_LEAVES_AT = 3


def allowed_actions(
    before: ClientState, state: ClientState, *, pressed: bool, planned: bool
) -> tuple[Action, ...]:
    """The actions that the state allows, at least one.

    Args:
        before: The state before the counselor's last turn.
        state: The state after it.
        pressed: Whether that turn pressed the client.
        planned: Whether the client made a plan in an earlier turn.
    """
    if state.disclosed > before.disclosed:
        return (Action.INFORM,)
    found = _resisting(state) if state.resistance >= RESISTS_FROM else _open(state, planned)
    rejects = pressed and state.readiness < PLANS_FROM
    return (*found, Action.REJECT) if rejects else found


def _resisting(state: ClientState) -> tuple[Action, ...]:
    found = (Action.DENY, Action.DOWNPLAY, Action.BLAME)
    leaves = state.resistance >= _LEAVES_AT and state.alliance_felt == 1
    return (*found, Action.TERMINATE) if leaves else found


def _open(state: ClientState, planned: bool) -> tuple[Action, ...]:
    ready = state.readiness
    rules = (
        (Action.INFORM, True),
        (Action.ENGAGE, state.alliance_felt >= _ENGAGES_FROM),
        (Action.DENY, ready < _WAVERS_FROM),
        (Action.DOWNPLAY, ready < _WAVERS_FROM),
        (Action.HESITATE, _WAVERS_FROM <= ready < PLANS_FROM),
        (Action.DOUBT, _WAVERS_FROM <= ready < ACCEPTS_FROM),
        (Action.ACKNOWLEDGE, ready >= _WAVERS_FROM),
        (Action.ACCEPT, ready >= ACCEPTS_FROM),
        (Action.PLAN, ready >= PLANS_FROM and not planned),
        (Action.TERMINATE, planned),
    )
    return tuple(action for action, allowed in rules if allowed)
