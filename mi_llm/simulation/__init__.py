"""Clients played by a model, and the loop in which they talk with a counselor."""

from mi_llm.simulation.asking import Ask, ClientPrompts, PromptText
from mi_llm.simulation.client import SimulatedClient
from mi_llm.simulation.conversation import Conversation, Failed, Said, Speaker, converse
from mi_llm.simulation.ending import EndReason

__all__ = [
    "Ask",
    "ClientPrompts",
    "Conversation",
    "EndReason",
    "Failed",
    "PromptText",
    "Said",
    "SimulatedClient",
    "Speaker",
    "converse",
]
