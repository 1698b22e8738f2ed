"""Hypothesis strategies: texts, rounds and dialogues of every legal shape."""

from __future__ import annotations

import json

from hypothesis import strategies as st

from mi_llm.characters import is_blank
from mi_llm.dialogue import Dialogue, Role, Turn

# All that UTF-8 can hold but NUL and the byte order mark, which readers refuse inside texts.
sound = st.characters(codec="utf-8", exclude_characters="\0\ufeff")

# Any text of them that is not blank.
texts = st.text(sound, min_size=1, max_size=12).filter(lambda text: not is_blank(text))

# What readers refuse as well. A pair of surrogates is left out: JSON reads it as one character.
odd_texts = st.text(st.characters(), min_size=1, max_size=12).filter(
    lambda text: json.loads(json.dumps(text)) == text
)

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(sound, max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(sound, max_size=3), inner),
    max_leaves=4,
)


@st.composite
def dialogues(draw: st.DrawFn, content: st.SearchStrategy[str] = texts) -> Dialogue:
    """A dialogue that either side opens and either side closes."""
    opener: int = draw(st.integers(0, 1))
    contents = draw(st.lists(content, min_size=1, max_size=9))
    roles: tuple[Role, Role] = ("client", "counselor")
    turns = tuple(Turn(roles[(opener + n) % 2], text) for n, text in enumerate(contents))
    meta = draw(st.dictionaries(st.text(sound, max_size=3), values))
    return Dialogue(draw(texts), turns, meta)


def corpora(content: st.SearchStrategy[str] = texts) -> st.SearchStrategy[list[Dialogue]]:
    """Some dialogues with ids of their own."""
    return st.lists(dialogues(content), min_size=1, max_size=4, unique_by=lambda one: one.id)
