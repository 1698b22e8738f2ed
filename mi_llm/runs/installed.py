"""What is installed, against what this project was made with."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from mi_llm import files
from mi_llm.errors import InputError

DISTRIBUTION = "mi-llm"
_PIN = re.compile(r"([A-Za-z0-9._-]+)==([^\s;#]+)")


def required(extra: str) -> Iterator[Requirement]:
    """Yield what this distribution requires with an extra, `train` for instance."""
    for text in metadata.requires(DISTRIBUTION) or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            yield requirement


def faults(extra: str) -> list[str]:
    """What is missing or of another version than required with an extra; empty if all fits."""
    return [found for one in required(extra) if (found := _fault(one))]


def fault(requirement: str) -> str | None:
    """What is wrong with one requirement, `deepspeed<=0.16.9` for instance; None if it is met."""
    return _fault(Requirement(requirement))


def _fault(requirement: Requirement) -> str | None:
    version = version_of(requirement.name)
    if version is None:
        return f"{requirement.name} is not installed"
    if not requirement.specifier.contains(version, prereleases=True):
        return f"{requirement.name} is {version}, not {requirement.specifier}"
    return None


def version_of(name: str) -> str | None:
    """The installed version of a distribution; None if there is none."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def pins(path: Path) -> dict[str, str]:
    """The `name==version` lines of a constraints file.

    Raises:
        InputError: If it cannot be read or pins nothing.
    """
    found = {
        str(canonicalize_name(match[1])): str(match[2])
        for line in files.read_text(path).splitlines()
        if (match := _PIN.match(line))
    }
    if not found:
        raise InputError(f"{path}: pins no version")
    return found


def differing(pinned: Mapping[str, str]) -> dict[str, str]:
    """The installed versions that are not the pinned ones; what is not installed is passed over.

    A local part (`+cpu`) does not count: it tells a build of the same version.
    """
    found = {}
    for name, version in pinned.items():
        installed = version_of(name)
        if installed is not None and Version(installed).public != Version(version).public:
            found[name] = installed
    return found
