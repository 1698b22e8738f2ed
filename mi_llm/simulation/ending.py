"""Why a conversation with a client ended."""

from __future__ import annotations

from enum import StrEnum


class EndReason(StrEnum):
    """The six ways a conversation ends; one of them is always recorded.

    Attributes:
        CLIENT_ENDED: The client left, by its own choice.
        GOODBYE: Both sides said goodbye.
        MAX_ROUNDS: The number of rounds that was allowed is used up.
        STALL: The client went round in circles (`mi_llm.simulation.stall`).
        SAFETY: The safety gate ended motivational interviewing; its text is the last turn.
        ERROR: One side had no usable turn.
    """

    CLIENT_ENDED = "client_ended"
    GOODBYE = "goodbye"
    MAX_ROUNDS = "max_rounds"
    STALL = "stall"
    SAFETY = "safety"
    ERROR = "error"
