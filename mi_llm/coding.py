"""Codings on disk: what raters, people or a judge, said of each transcript.

A folder of three tables (CSV in UTF-8, with the mark that lets Excel read Chinese)::

    codes.csv        transcript,volley,rater,code     T01,3,R1,CR
    globals.csv      transcript,rater,dimension,score T01,R1,empathy,4
    transcripts.csv  transcript,rater,volleys,target_behaviour,status   T01,R1,17,戒烟,complete

`volley` is the place among the counselor's turns, from 1. A volley with several codes has several
lines; one that was read and holds nothing to code has the line `NC`; one without a line is uncoded.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from mi_llm import csv_file, files, miti, publishing
from mi_llm.errors import InputError
from mi_llm.miti import Code, Globals

NOTHING_TO_CODE = "NC"
CODES, GLOBALS, TRANSCRIPTS = "codes.csv", "globals.csv", "transcripts.csv"
NOTES = "notes.csv"
COMPLETE, PARTIAL = "complete", "partial"
DIMENSIONS = tuple(field.name for field in fields(Globals))

_COLUMNS = {
    CODES: ("transcript", "volley", "rater", "code"),
    GLOBALS: ("transcript", "rater", "dimension", "score"),
    TRANSCRIPTS: ("transcript", "rater", "volleys", "target_behaviour", "status"),
    NOTES: ("transcript", "volley", "rater", "note"),
}

MOST_VOLLEYS, _MOST_IN_ALL = 10_000, 1_000_000  # of a session; the longest of AnnoMI has 297
_SHOWN = 40  # characters of a cell

_Key = tuple[str, str]  # transcript and rater


@dataclass(frozen=True, slots=True)
class Session:
    """One transcript as one rater coded it.

    Attributes:
        transcript: Its id; neutral where a key is kept.
        rater: Who coded it.
        volleys: The codes of each counselor volley, in order; empty means nothing to code, or,
            for a volley in `uncoded`, not yet coded.
        globals: None if not rated.
        target_behaviour: The change goal that the rater worked with; empty if there is none.
        complete: Whether the rater has finished; count no session that is not.
        uncoded: The numbers, from 1, of volleys without a decision.

    Raises:
        InputError: If a volley holds codes that exclude each other, or a complete session has an
            uncoded volley.
    """

    transcript: str
    rater: str
    volleys: tuple[frozenset[Code], ...]
    globals: Globals | None
    target_behaviour: str = ""
    complete: bool = True
    uncoded: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        for name in (self.transcript, self.rater):
            if name != name.strip() or name.splitlines() != [name]:
                raise InputError(f"{name!r} is no name: empty, of several lines, or space around")
        for number, codes in enumerate(self.volleys, start=1):
            try:
                miti.check_volley(sorted(codes))
            except InputError as error:
                raise InputError(f"{self._name}: volley {number}: {error}") from None
        for number in self.uncoded:
            if not 1 <= number <= len(self.volleys) or self.volleys[number - 1]:
                raise InputError(f"{self._name}: volley {number} is no volley without codes")
        if self.complete and self.uncoded:
            told = ", ".join(map(str, sorted(self.uncoded)))
            raise InputError(f"{self._name}: complete, but volley {told} is not coded")

    @property
    def _name(self) -> str:
        return f"transcript {self.transcript}, rater {self.rater}"


@dataclass(frozen=True, slots=True)
class Note:
    """What a rater wrote beside a session or, with `volley`, one of its volleys."""

    transcript: str
    rater: str
    volley: int | None
    text: str


def write_codings(
    folder: Path,
    sessions: Sequence[Session],
    *,
    notes: Sequence[Note] = (),
) -> None:
    """Write the three tables, whole or not at all, sessions in the order given.

    Notes, if any, become a fourth, `notes.csv`: transcript,volley,rater,note.

    Raises:
        InputError: If there is no session, one comes twice, two raters' volleys of a transcript
            differ in number, or the folder cannot be written.
    """
    where = publishing.shown(folder)
    if not sessions:
        raise InputError(f"{where}: no session to write")
    _check_together(where, sessions)
    rows = {CODES: _code_rows, GLOBALS: _global_rows, TRANSCRIPTS: _transcript_rows}
    with files.whole_folder(folder) as draft:
        for name, of in rows.items():
            _write(draft / name, (row for session in sessions for row in of(session)))
        if notes:
            found = ((one.transcript, one.volley, one.rater, one.text) for one in notes)
            _write(draft / NOTES, found)


def _write(path: Path, rows: Iterable[Sequence[str | int | None]]) -> None:
    with files.whole(path) as stream:
        stream.write(csv_file.text([_COLUMNS[path.name], *rows]))


def _code_rows(session: Session) -> Iterator[tuple[str | int, ...]]:
    for number, codes in enumerate(session.volleys, start=1):
        if number not in session.uncoded:
            for code in [str(one) for one in Code if one in codes] or [NOTHING_TO_CODE]:
                yield session.transcript, number, session.rater, code


def _global_rows(session: Session) -> Iterator[tuple[str | int, ...]]:
    for name in DIMENSIONS:
        score = getattr(session.globals, name, None)
        if score is not None:
            yield session.transcript, session.rater, name, score


def _transcript_rows(session: Session) -> Iterator[tuple[str | int, ...]]:
    status = COMPLETE if session.complete else PARTIAL
    goal = " ".join(session.target_behaviour.split())
    yield session.transcript, session.rater, len(session.volleys), goal, status


def read_codings(folder: Path) -> list[Session]:
    """The sessions of a folder, in the order of `transcripts.csv`.

    Raises:
        InputError: If a table is missing or a line in one cannot be; it names file and line.
    """
    if not (folder / TRANSCRIPTS).exists():
        raise InputError(
            f"{folder / TRANSCRIPTS}: no such file or directory; a folder of codes is what "
            "'eval codes' and 'eval judge' write"
        )
    wanted: dict[_Key, tuple[str, int, str, bool]] = {}
    total = 0
    for where, row in _rows(folder / TRANSCRIPTS):
        key = row["transcript"], row["rater"]
        if key in wanted:
            raise InputError(f"{where}: rater {key[1]} has transcript {key[0]} twice")
        if row["status"] not in (COMPLETE, PARTIAL):
            raise InputError(f"{where}: status {row['status']!r}; expected complete or partial")
        volleys = _number(where, "volleys", row["volleys"], least=0, most=MOST_VOLLEYS)
        total += volleys
        if total > _MOST_IN_ALL:
            raise InputError(f"{where}: over {_MOST_IN_ALL:,} volleys in all; is that a session?")
        wanted[key] = where, volleys, row["target_behaviour"], row["status"] == COMPLETE
    if not wanted:
        raise InputError(f"{folder / TRANSCRIPTS}: holds no session")
    codes = _read_codes(folder, {key: one[1] for key, one in wanted.items()})
    scores = _read_globals(folder, set(wanted))
    sessions = []
    for key, (where, volleys, goal, complete) in wanted.items():
        found = codes.get(key, {})
        try:
            session = Session(
                *key,
                volleys=tuple(frozenset(found.get(n, ())) for n in range(1, volleys + 1)),
                globals=scores.get(key),
                target_behaviour=goal,
                complete=complete,
                uncoded=frozenset(range(1, volleys + 1)) - set(found),
            )
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        sessions.append(session)
    _check_together(folder / TRANSCRIPTS, sessions)
    return sessions


def _read_codes(folder: Path, volleys: dict[_Key, int]) -> dict[_Key, dict[int, list[Code]]]:
    """The codes by session and volley; a volley with nothing to code has an empty list."""
    found: dict[_Key, dict[int, list[Code]]] = {key: {} for key in volleys}
    for where, row in _rows(folder / CODES):
        key = _known(where, row, found)
        number = _number(where, "volley", row["volley"], least=1)
        if number > volleys[key]:
            raise InputError(f"{where}: volley {number} of {key[0]}, which has {volleys[key]}")
        before = found[key].get(number)
        if row["code"] == NOTHING_TO_CODE:
            if before is not None:
                raise InputError(f"{where}: {NOTHING_TO_CODE} and another line for this volley")
            found[key][number] = []
            continue
        if row["code"] not in tuple(Code):
            choices = ", ".join((*Code, NOTHING_TO_CODE))
            raise InputError(f"{where}: unknown code {row['code']!r}; there are {choices}")
        if before == []:
            raise InputError(f"{where}: {row['code']} in a volley that has {NOTHING_TO_CODE}")
        together = [*(before or []), Code(row["code"])]
        try:
            miti.check_volley(together)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        found[key][number] = together
    return found


def _read_globals(folder: Path, wanted: set[_Key]) -> dict[_Key, Globals]:
    scores: dict[_Key, dict[str, int]] = {}
    for where, row in _rows(folder / GLOBALS):
        own = scores.setdefault(_known(where, row, wanted), {})
        name = row["dimension"]
        if name not in DIMENSIONS or name in own:
            what = "comes twice" if name in own else f"is not one of {', '.join(DIMENSIONS)}"
            raise InputError(f"{where}: dimension {name!r} {what}")
        own[name] = _number(where, "score", row["score"], least=1, most=5)
    rated = {}
    for key, own in scores.items():
        if missing := [name for name in ("partnership", "empathy") if name not in own]:
            raise InputError(
                f"{folder / GLOBALS}: transcript {key[0]}, rater {key[1]}: "
                f"{' and '.join(missing)} missing; only cultivate and soften may be"
            )
        rated[key] = Globals(*(own.get(name) for name in DIMENSIONS))  # type: ignore[arg-type]
    return rated


def _check_together(where: Path, sessions: Sequence[Session]) -> None:
    seen: set[_Key] = set()
    volleys: dict[str, Session] = {}
    for one in sessions:
        if (one.transcript, one.rater) in seen:
            raise InputError(f"{where}: rater {one.rater} has transcript {one.transcript} twice")
        seen.add((one.transcript, one.rater))
        first = volleys.setdefault(one.transcript, one)
        if len(first.volleys) != len(one.volleys):
            raise InputError(
                f"{where}: transcript {one.transcript} has {len(first.volleys)} volleys for "
                f"{first.rater} and {len(one.volleys)} for {one.rater}"
            )


def _rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Each row with where it stands, `file:line`."""
    for line, row in csv_file.records(path, _COLUMNS[path.name]):
        texts = {name: csv_file.original(cell).strip() for name, cell in row.items()}
        yield f"{path}:{line}", texts


def _known(where: str, row: dict[str, str], wanted: Collection[_Key]) -> _Key:
    key = row["transcript"], row["rater"]
    if key not in wanted:
        raise InputError(f"{where}: no line for rater {key[1]!r} and {key[0]!r} in {TRANSCRIPTS}")
    return key


def _number(where: str, what: str, text: str, *, least: int, most: int | None = None) -> int:
    number = csv_file.whole_number(text)
    if number is None or not least <= number <= (number if most is None else most):
        limits = f"from {least}" if most is None else f"from {least:,} to {most:,}"
        raise InputError(f"{where}: {what} is {_short(text)}; expected a whole number {limits}")
    return number


def _short(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")
