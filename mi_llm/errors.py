"""The exceptions that the command lines know how to tell.

`InputError` is wrong use or unreadable input: exit code 2. `Stopped` is work cut short by something
outside (a service, a budget, a disk): exit code 3. Their messages are one line: where, what, the
way out. Only the command lines catch them (see `mi_llm.cli`).

Subclasses of `InputError`: `mi_llm.dialogue.DialogueError`, `prompts.PromptError`.
"""

from __future__ import annotations


class InputError(ValueError):
    """Something the user gave cannot be used; the message says where, what and the way out."""


class Stopped(Exception):  # noqa: N818 no fault of the program or the user: work stopped
    """Work cannot go on now. Nothing that was paid for is lost, and the same command goes on."""
