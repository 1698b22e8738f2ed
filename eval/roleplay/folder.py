"""The folder of a study: settings, key, a file for each session, and the finished transcripts.

    settings.json       what all sessions share; a folder is gone on with under the same only
    key.json            which model a code stands for: keep it from players and raters
    sessions/<id>.json  written after every turn
    transcripts.jsonl   the finished sessions, for `eval book`; written after every end

Each file is written whole or not at all.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from eval.roleplay.session import Session, as_record, from_record, transcript
from mi_llm import files, jsonl
from mi_llm.dialogue import Dialogue, dialogue_lines
from mi_llm.errors import InputError
from mi_llm.profiles import Profile
from mi_llm.stamp import stamped

SETTINGS = "settings.json"
KEY = "key.json"
SESSIONS = "sessions"
TRANSCRIPTS = "transcripts.jsonl"


class Folder:
    """A study's folder, which one page at a time works on.

    Args:
        path: Made if it is not there.
        settings: What all sessions share: `seed`, `models` and `profiles`, each by name, and more.
        key: The model that each code stands for.

    Raises:
        InputError: If it cannot be written, another page works on it, or it holds anything else,
            such as a study with other settings.
    """

    def __init__(self, path: Path, *, settings: Mapping[str, Any], key: Mapping[str, str]) -> None:
        self.path, self.settings, self.key = path, settings, key
        files.refuse_no_folder(path)
        _refuse_others(path)
        if (path / SETTINGS).is_file():
            _refuse_changes(path, jsonl.read_json(path / SETTINGS), settings)
        self._lock = _locked(path)
        _write_json(path / SETTINGS, settings)
        _write_json(path / KEY, key)

    def close(self) -> None:
        """Let another page work on it."""
        self._lock.close()

    def sessions(self) -> list[Session]:
        """All sessions, in the order they were drawn.

        Raises:
            InputError: If a file is no session of this study.
        """
        return [self.session(path.stem) for path in sorted(self._sessions.glob("[!.]*.json"))]

    def session(self, name: str) -> Session:
        """The session of that id.

        Raises:
            InputError: If there is none, or its file is no session of this study.
        """
        path = self._sessions / f"{name}.json"
        try:
            session = from_record(jsonl.read_json(path))
        except InputError as error:
            raise InputError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from None
        except ValueError as error:
            raise InputError(f"{path}: not a session of role-play: {error}") from None
        known = session.profile in self.settings["profiles"] and session.code in self.key
        if session.id != name or not known:
            raise InputError(f"{path}: names another session, profile or model than this study's")
        return session

    def write(self, session: Session) -> None:
        """Write a session, whole or not at all.

        Raises:
            InputError: If it cannot be written.
        """
        _write_json(self._sessions / f"{session.id}.json", as_record(session))

    def write_transcripts(self, profiles: Mapping[str, Profile], source: Path) -> int:
        """Write the finished sessions that have a reply; there is no file where there are none.

        Args:
            profiles: By id.
            source: Their file, for the stamp.

        Returns:
            How many.

        Raises:
            InputError: If they cannot be written.
        """
        sessions = self.sessions()
        ended = [session for session in sessions if session.end]
        made = [self._transcript(one, profiles[one.profile]) for one in ended if one.rounds]
        path = self.path / TRANSCRIPTS
        if not made:
            path.unlink(missing_ok=True)
            return 0
        with stamped(path, inputs=[source], packages=["openai"], overwrite=True) as (
            stream,
            details,
        ):
            stream.writelines(dialogue_lines(made))
            details |= {"counts": _counts(sessions), "settings": _without_texts(self.settings)}
        return len(made)

    @property
    def _sessions(self) -> Path:
        return self.path / SESSIONS

    def _transcript(self, session: Session, profile: Profile) -> Dialogue:
        model = self.key[session.code]
        shared = {name: self.settings[name] for name in ("prompt", "prompt_as", "seed")}
        return transcript(
            session,
            model=model,
            topic=profile.topic,
            target=profile.target_behaviour,
            settings={**shared, **self.settings["models"][model]},
        )


def _counts(sessions: list[Session]) -> dict[str, int]:
    ended = [session for session in sessions if session.end]
    return {
        "sessions": len(sessions),
        "transcripts": sum(session.rounds > 0 for session in ended),
        "ended_without_a_reply": sum(session.rounds == 0 for session in ended),
        "not_ended": len(sessions) - len(ended),
        "safety": sum(bool(session.safety) for session in ended),
        "replies_that_did_not_come": sum(len(session.failures) for session in sessions),
    }


def _without_texts(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {**settings, "profiles": list(settings["profiles"])}


def _refuse_others(path: Path) -> None:
    names = [one.name for one in path.glob("[!.]*")]
    if names and SETTINGS not in names:
        raise InputError(f"{path}: holds something else ({min(names)}); give a folder of its own")


def _refuse_changes(path: Path, held: Any, wanted: Mapping[str, Any]) -> None:
    if not isinstance(held, dict):
        raise InputError(f"{path / SETTINGS}: not the settings of a role-play study")
    changes = "; ".join(_changes(held, wanted))
    if changes:
        raise InputError(f"{path}: begun with {changes}; take another -o, or go on as it was begun")


def _changes(held: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    """What differs, in words: `seed 42, now 7`, `another profile 'p1'`, `no model 'm'`."""
    for name in dict.fromkeys([*held, *wanted]):
        before, now = held.get(name), wanted.get(name)
        if before == now or (name == "safety_prompt" and not wanted.get("classifier")):
            continue  # without a classifier it is told nobody
        if name in ("profiles", "models") and isinstance(before, dict) and isinstance(now, dict):
            yield from _changed_entries(name.removesuffix("s"), before, now)
        else:
            yield f"{name} {jsonl.dumped(before)}, now {jsonl.dumped(now)}"


def _changed_entries(kind: str, before: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    for name in dict.fromkeys([*before, *now]):
        one, other = before.get(name), now.get(name)
        if name not in now:
            yield f"{kind} {name!r}, which is missing now"
        elif name not in before:
            yield f"no {kind} {name!r}"
        elif one != other:
            yield f"another {kind} {name!r} ({', '.join(_differing(one, other))})"


def _differing(one: Any, other: Any) -> list[str]:
    if not isinstance(one, dict) or not isinstance(other, dict):
        return ["all of it"]
    return [key for key in dict.fromkeys([*one, *other]) if one.get(key) != other.get(key)]


def _locked(path: Path) -> TextIO:
    """The open lock file; the lock ends with the process, however that ends."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        stream = (path / ".lock").open("w", encoding="utf-8")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"{path}: cannot be written: {reason}") from None
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        stream.close()
        raise InputError(f"{path}: another role-play page works on it; close that one") from None
    return stream


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    with files.whole(path, overwrite=True) as stream:
        stream.write(jsonl.dumped(dict(value), indent=1) + "\n")
