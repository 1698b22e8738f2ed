"""Which source formats there are. A new one is one module beside this and one line here."""

from __future__ import annotations

from converters import mi_conversations
from converters.intake import Reader

CORPORA: dict[str, Reader] = {
    "mi_conversations": mi_conversations.read,
}
