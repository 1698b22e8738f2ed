"""Client profiles: who a role-player or a simulated client is, and the files they stand in."""

from __future__ import annotations

from mi_llm.profiles.reading import Examined, examine, profile_lines, read_profiles
from mi_llm.profiles.schema import Profile, Readiness, Reason, Stage, Style, Unlock

__all__ = [
    "Examined",
    "Profile",
    "Readiness",
    "Reason",
    "Stage",
    "Style",
    "Unlock",
    "examine",
    "profile_lines",
    "read_profiles",
]
