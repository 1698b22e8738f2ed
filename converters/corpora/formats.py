"""Which source formats there are. A new one is one module beside this and one line here."""

from __future__ import annotations

from converters.corpora import (
    annomi,
    cpsycound,
    cpsycoune,
    efaqa,
    messages,
    mi_conversations,
    psy_insight,
    psydtcorpus,
    simulated_xlsx,
    smilechat,
)
from converters.corpora.intake import Reader

CORPORA: dict[str, Reader] = {
    "mi_conversations": mi_conversations.read,
    "cpsycound": cpsycound.read,
    "cpsycoune": cpsycoune.read,
    "smilechat": smilechat.read,
    "psydtcorpus": psydtcorpus.read,
    "psy_insight": psy_insight.read,
    "efaqa": efaqa.read,
    "annomi": annomi.read,
    "simulated_xlsx": simulated_xlsx.read,
    "messages": messages.read,
}
