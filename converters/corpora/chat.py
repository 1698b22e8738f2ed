"""One message of a chat, `{"role": ..., "content": ...}`, as most corpora write a turn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mi_llm.dialogue import Role, Turn
from mi_llm.errors import InputError


def chat_turn(
    message: Any, roles: Mapping[str, Role], where: str, number: int | None = None
) -> Turn:
    """The turn of a message.

    Args:
        message: As the file has it.
        roles: The corpus's names of the two sides.
        where: The dialogue or the message, for errors.
        number: The turn's number, from 1, if `where` is the dialogue.

    Raises:
        InputError: If the message is not of this form, or its role is unknown.
    """
    role = message.get("role") if isinstance(message, dict) else None
    text = message.get("content") if isinstance(message, dict) else None
    known = roles.get(role) if isinstance(role, str) else None
    if known is not None and isinstance(text, str):
        return Turn(known, text)
    # The place is put together here alone: a large corpus has half a million turns.
    place = where if number is None else f"{where}, turn {number}"
    if isinstance(role, str) and isinstance(text, str):
        raise InputError(f"{place}: unknown role {role!r}; known are: {', '.join(roles)}")
    raise InputError(f'{place}: expected {{"role": "...", "content": "..."}} with texts')
