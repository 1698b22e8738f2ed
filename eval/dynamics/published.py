"""What is printed of CALM-IT, arXiv 2601.10085, in one place.

Only its abstracts could be read (v1 of 15 January 2026, v2 of 27 May 2026). Its judge, its
dialogues and its definitions are not known, so nothing of ours is a reproduction.
"""

from __future__ import annotations

from dataclasses import dataclass

_ABSTRACT = "abstract of arXiv 2601.10085"
_SUMMARY = "an automatic summary, not the paper: unreliable, it contradicts the abstracts elsewhere"


@dataclass(frozen=True, slots=True)
class Published:
    """A printed figure.

    Attributes:
        measure: Ours that is nearest.
        value: A fraction for acceptance, else 1 to 5.
        system: Whose.
        source: Where it is printed.
        reliable: False if it is not from the paper itself.
    """

    measure: str
    value: float
    system: str
    source: str
    reliable: bool


PUBLISHED = (
    Published("acceptance", 0.643, "CALM-IT, mean over lengths", _ABSTRACT, reliable=True),
    Published("effectiveness", 4.45, "CALM-IT", _SUMMARY, reliable=False),
    Published("goal_alignment", 4.73, "CALM-IT", _SUMMARY, reliable=False),
)
