"""Who plays which profile against which model next.

The same sessions and the same seed always give the same draw.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Cell:
    """A profile against a model, by the model's code."""

    profile: str
    code: str


@dataclass(frozen=True, slots=True)
class Play:
    """A session that counts: who plays it, and what."""

    player: str
    cell: Cell


def codes(models: Iterable[str], *, seed: int) -> dict[str, str]:
    """A code for each model, `{"M1": "glm4_base", ...}`, in an order that the seed draws.

    The order in which the models are named does not matter.
    """
    names = sorted(models)
    Random(f"codes {seed}").shuffle(names)
    return {f"M{number}": name for number, name in enumerate(names, start=1)}


def drawn(
    cells: Sequence[Cell], plays: Sequence[Play], player: str, *, seed: int, per_cell: int
) -> Cell | None:
    """The cell that a player plays next.

    Of the cells that were played the fewest times: one that this player has not played, then one
    whose profile, then one whose model the player knows least; the seed breaks what ties are left.
    So no cell is played twice before all were played once.

    Args:
        cells: All there are.
        plays: The sessions so far, of all players.
        player: For whom.
        seed: Breaks ties.
        per_cell: Sessions that each cell is to have, at least 1.

    Returns:
        None if every cell has its sessions.
    """
    played = Counter(play.cell for play in plays)
    own = [play.cell for play in plays if play.player == player]
    own_cells = Counter(own)
    own_profiles = Counter(cell.profile for cell in own)
    own_models = Counter(cell.code for cell in own)

    def place(cell: Cell) -> tuple[int, int, int, int, bytes]:
        known = own_cells[cell], own_profiles[cell.profile], own_models[cell.code]
        return played[cell], *known, _tie(cell, seed)

    left = [cell for cell in cells if played[cell] < per_cell]
    return min(left, key=place, default=None)


def _tie(cell: Cell, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{cell.profile}:{cell.code}".encode()).digest()
