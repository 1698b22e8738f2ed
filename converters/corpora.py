"""Which source formats there are. A new one is one module beside this and one line here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from converters import mi_conversations
from converters.repair import Repairer
from mi_llm.dialogue import Dialogue

Reader = Callable[[Path, Repairer], Iterator[Dialogue]]

CORPORA: dict[str, Reader] = {
    "mi_conversations": mi_conversations.read,
}
