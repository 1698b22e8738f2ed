"""The one exception that stands for a user's mistake.

`InputError` is wrong use or unreadable input. Its message is one line: where, what, the way out.
Only the command lines catch it, and end with exit code 2 (see `mi_llm.cli`).

Its subclasses: `mi_llm.dialogue.DialogueError`, `prompts.PromptError`.
"""

from __future__ import annotations


class InputError(ValueError):
    """Something the user gave cannot be used; the message says where, what and the way out."""
