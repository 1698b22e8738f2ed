"""AnnoMI as its CSV has it: 133 sessions, each utterance once, with every annotator's labels.

Source: https://github.com/uccollab/AnnoMI, commit 4293664: `AnnoMI-full.csv` (one row per utterance
and annotator; seven transcripts have ten) or `AnnoMI-simple.csv` (one row per utterance, the
majority's label). No licence is stated, only a request to cite: nothing is permitted beyond what
the law allows, so fetch it from there and do not pass it on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TypedDict

from mi_llm import csv_file
from mi_llm.dialogue import Role, Turn
from mi_llm.errors import InputError

ROLES: dict[str, Role] = {"therapist": "counselor", "client": "client"}

_SESSION = ("mi_quality", "video_title", "video_url", "topic")
_SPOKEN = ("transcript_id", "utterance_id", "interlocutor", "timestamp", "utterance_text")
_LABELS = ("main_therapist_behaviour", "client_talk_type")  # that both files have
_UNLABELLED = frozenset((*_SESSION, *_SPOKEN, "annotator_id"))

_FILES = "AnnoMI-full.csv or AnnoMI-simple.csv"

Row = tuple[int, dict[str, str]]
"""A row's line in the file, and its cells by column."""


class Utterance(TypedDict):
    """One utterance. `volley` is the number of its turn, from 1; None where it is blank."""

    utterance_id: int
    volley: int | None
    interlocutor: str
    timestamp: str
    text: str
    labels: dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Session:
    """One session.

    Attributes:
        transcript: Its `transcript_id`.
        facts: `mi_quality` (high or low), `video_title`, `video_url` and `topic`.
        utterances: In the order of their ids. Labels stand under their annotator's id, those of
            `AnnoMI-simple.csv` under `majority`; "n/a" is left out.
    """

    transcript: str
    facts: dict[str, str]
    utterances: list[Utterance]

    @property
    def turns(self) -> list[Turn]:
        """One turn an utterance, as the file has them: some blank, some neighbours of one side."""
        return [Turn(ROLES[one["interlocutor"]], one["text"]) for one in self.utterances]


def sessions(path: Path) -> Iterator[Session]:
    """Yield the sessions of one of the two files, in file order, holding one at a time.

    Raises:
        InputError: If the file is not in this format or a session cannot be read.
    """
    for transcript, rows in groups(path):
        yield session(path, transcript, rows)


def groups(path: Path) -> Iterator[tuple[str, list[Row]]]:
    """Yield the id and the rows of each transcript, in file order, holding one at a time.

    Raises:
        InputError: If the file is not in this format, or the rows of a transcript come apart.
    """
    done: set[str] = set()
    needed = (*_SPOKEN, *_SESSION, *_LABELS)
    table = csv_file.records(path, needed, expected=_FILES)
    for transcript, group in groupby(table, key=lambda row: row[1]["transcript_id"]):
        rows = list(group)
        if transcript in done:
            raise InputError(
                f"{path}:{rows[0][0]}: transcript {transcript!r} goes on behind another one; "
                "sort the file by transcript_id"
            )
        done.add(transcript)
        yield transcript, rows


def session(
    path: Path, transcript: str, rows: Sequence[Row], *, by_position: bool = False
) -> Session:
    """The session of one transcript's rows.

    Args:
        path: The file, for messages.
        transcript: Its id.
        rows: As `groups` gave them.
        by_position: Whether each utterance is a turn; else neighbours of one side are one.

    Raises:
        InputError: If a row cannot be read or contradicts another one.
    """
    utterances = _utterances(path, rows)
    _number_volleys(utterances, by_position=by_position)
    return Session(transcript, _facts(path, rows), utterances)


def _facts(path: Path, rows: Sequence[Row]) -> dict[str, str]:
    """What all rows of a transcript say alike; some topics end in a blank."""
    facts = {column: rows[0][1][column].strip() for column in _SESSION}
    for line, row in rows:
        for column, value in facts.items():
            if row[column].strip() != value:
                raise InputError(
                    f"{path}:{line}: {column} {row[column]!r}, but {value!r} in the rows before; "
                    "a transcript has one"
                )
    return facts


def _utterances(path: Path, rows: Sequence[Row]) -> list[Utterance]:
    """Each utterance once, in the order of the ids, with the labels of all its annotators."""
    found: dict[int, Utterance] = {}
    for line, row in rows:
        new = _utterance(f"{path}:{line}", row)
        known = found.setdefault(new["utterance_id"], new)
        if known is not new:
            _add_labels(known, new, f"{path}:{line}: utterance {new['utterance_id']}")
    return [found[number] for number in sorted(found)]


def _utterance(where: str, row: dict[str, str]) -> Utterance:
    speaker = row["interlocutor"].strip().lower()
    number = csv_file.whole_number(row["utterance_id"].strip())
    if number is None:
        raise InputError(f"{where}: utterance_id {row['utterance_id']!r} is not a whole number")
    if speaker not in ROLES:
        raise InputError(
            f"{where}: unknown interlocutor {row['interlocutor']!r}; known are: {', '.join(ROLES)}"
        )
    labels = {
        column: value
        for column, value in row.items()
        if column not in _UNLABELLED and value not in ("n/a", "")
    }
    return {
        "utterance_id": number,
        "volley": None,
        "interlocutor": speaker,
        "timestamp": row["timestamp"],
        "text": row["utterance_text"],
        "labels": {row.get("annotator_id", "majority"): labels},
    }


def _add_labels(known: Utterance, new: Utterance, where: str) -> None:
    if {**known, "labels": None} != {**new, "labels": None}:
        raise InputError(
            f"{where}: speaker, time or text differ from an earlier row's; mend one of them"
        )
    for annotator, labels in new["labels"].items():
        if annotator in known["labels"]:
            raise InputError(
                f"{where}, annotator {annotator!r}: stands in an earlier row too; delete one"
            )
        known["labels"][annotator] = labels


def _number_volleys(utterances: list[Utterance], *, by_position: bool) -> None:
    """Say which turn each utterance becomes part of when neighbours of one side are joined."""
    volley, speaker = 0, ""
    for one in utterances:
        if not one["text"].strip():
            continue  # repaired away
        if by_position or one["interlocutor"] != speaker:
            volley, speaker = volley + 1, one["interlocutor"]
        one["volley"] = volley
