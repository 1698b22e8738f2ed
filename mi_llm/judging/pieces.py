"""A volley cut into small numbered pieces, which a judge joins to utterances.

Cutting needs no judgement and a model copies long texts badly, so Python cuts as finely as the
punctuation allows, and the judge answers with numbers.
"""

from __future__ import annotations

import re

# Up to a mark that may end a thought, closing quotes and brackets with it. Full stops and commas of
# Latin script count only before white space: 1.5 and 1,000 stay whole.
_PIECE = re.compile(r".+?(?:[。！？!?；;，…\n]+|[.,:]+(?=\s|$)|$)[”’」』）)\]\"']*\s*", re.DOTALL)


def pieces(volley: str) -> list[str]:
    """The pieces of a volley, in order; joined they are the volley.

    What holds neither letter nor digit goes with the piece before it, or else with the next one.
    """
    found: list[str] = []
    for piece in _PIECE.findall(volley):
        if found and not (_says_something(piece) and _says_something(found[-1])):
            found[-1] += piece
        else:
            found.append(piece)
    return found


def _says_something(text: str) -> bool:
    return any(character.isalnum() for character in text)
