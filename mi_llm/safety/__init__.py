"""Signs of crisis in what people say, and the gate that answers them in a model's place."""

from mi_llm.safety.classifier import Verdict, classifier_request
from mi_llm.safety.gate import Gate, Intervention, Step, flags
from mi_llm.safety.lexicon import (
    Crisis,
    Harm,
    HarmfulAdvice,
    Risk,
    crisis,
    harmful_advice,
    is_safety_response,
)
from mi_llm.safety.second_look import Look, Looked, NoVerdict, intervention
from mi_llm.safety.signs import Level, Source

__all__ = [
    "Crisis",
    "Gate",
    "Harm",
    "HarmfulAdvice",
    "Intervention",
    "Level",
    "Look",
    "Looked",
    "NoVerdict",
    "Risk",
    "Source",
    "Step",
    "Verdict",
    "classifier_request",
    "crisis",
    "flags",
    "harmful_advice",
    "intervention",
    "is_safety_response",
]
