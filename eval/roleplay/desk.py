"""What players can do, whatever shows it to them: sign in, draw, speak, wait for a reply, end.

Everything is read from the folder and written there at once, so a page that is reloaded or a server
that is started again goes on where it was. Nothing here is shown to a browser as it is: messages of
a server and names of models go to the terminal and to the folder.
"""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from eval.counselors import messages
from eval.roleplay.assignments import Cell, Play, drawn
from eval.roleplay.folder import Folder
from eval.roleplay.session import DECLINED, ENDINGS, Session, now
from eval.roleplay.study import Study
from mi_llm.door.streaming import NoReply, asked, replied
from mi_llm.errors import InputError
from mi_llm.llm import Endpoint
from mi_llm.safety import Gate, Look, Looked, flags, intervention, second_look

LONGEST_TURN = 8000  # characters; far beyond what anyone says, and within what models take
CHOICES = tuple(choice for choice in ENDINGS if choice != DECLINED)
_PLAYER = re.compile(r"[\w-]{1,30}")


class Refused(Exception):  # noqa: N818 an answer to the player, not the program's error
    """Something cannot be done now; nothing was changed.

    Attributes:
        word: The message's name in words.yaml.
    """

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


@dataclass(slots=True)
class Pending:
    """A reply on its way; it comes to its end whether anybody watches or not.

    Nothing of it is shown before it is whole: see `mi_llm.door.streaming`.

    Attributes:
        failure: Why it did not come, by its name in words.yaml and the HTTP status.
    """

    failure: tuple[str, int | None] | None = None
    task: asyncio.Task[None] | None = None

    async def done(self) -> None:
        """Wait until it is there or has failed."""
        if self.task:
            await asyncio.wait({self.task})


def player_of(typed: str) -> str:
    """The player of that name; `Li`, `li` and full-width letters are the same one.

    Raises:
        Refused: If it is no name.
    """
    name = unicodedata.normalize("NFKC", typed).strip().casefold()
    if not _PLAYER.fullmatch(name):
        raise Refused("bad_player")
    return name


class Desk:
    """The sessions of a study, and what its players do.

    Its methods run in one event loop. Each that writes does so without a pause in between, so two
    players, or two windows of one, cannot come between each other's reading and writing.

    Args:
        study: What is played.
        folder: Where it is kept.
        report: Takes a line for the terminal.
    """

    def __init__(self, study: Study, folder: Folder, report: Callable[[str], None]) -> None:
        self.study, self._folder, self._report = study, folder, report
        self._pending: dict[str, Pending] = {}
        self.looked: list[Looked] = []  # what a classifier said, since the page was begun
        self._cells = [Cell(profile, code) for profile in study.profiles for code in folder.key]

    def current(self, player: str) -> Session | None:
        """The player's session that is not ended; None if there is none."""
        own = (one for one in self._folder.sessions() if one.player == player)
        return next((one for one in own if one.end is None), None)

    def progress(self, player: str) -> tuple[int, int, int]:
        """Sessions that this player has ended; that all players have; and that there are to be."""
        ended = [one for one in self._folder.sessions() if one.end and one.counts]
        own = sum(one.player == player for one in ended)
        return own, len(ended), len(self._cells) * self.study.per_cell

    def draw(self, player: str) -> Session:
        """The player's next session; the one at hand if it is not ended.

        Raises:
            Refused: If no session is left to draw.
        """
        if current := self.current(player):
            return current
        sessions = self._folder.sessions()
        plays = [Play(s.player, Cell(s.profile, s.code)) for s in sessions if s.counts]
        declined = {s.profile for s in sessions if s.player == player and s.declined}
        cells = [cell for cell in self._cells if cell.profile not in declined]
        study = self.study
        cell = drawn(cells, plays, player, seed=study.seed, per_cell=study.per_cell)
        if cell is None:
            raise Refused("none_left")
        number = max((int(s.id.partition("-")[0]) for s in sessions), default=0) + 1
        session = Session(f"{number:04d}-{player}", player, cell.profile, cell.code, now())
        self._write(session)
        return session

    def session(self, name: str, player: str, shown: int) -> Session:
        """A session to go on with.

        Args:
            name: Its id.
            player: Whose it must be.
            shown: How many turns the page shows.

        Raises:
            Refused: If it has been gone on with, or ended, in another window.
        """
        session = self.current(player)
        if session is None or session.id != name or len(session.turns) != shown:
            raise Refused("elsewhere")
        return session

    def say(self, name: str, player: str, shown: int, text: str) -> Session:
        """Take a turn of the client's, and keep it before anything is asked.

        Raises:
            Refused: If it is blank or too long, cannot be kept, or it is not the client's turn.
        """
        said = text.encode(errors="replace").decode().strip()  # half a character cannot be sent
        session = self.session(name, player, shown)
        if session.waits:
            raise Refused("wait")
        if not said:
            raise Refused("blank_turn")
        if len(said) > LONGEST_TURN:
            raise Refused("long_turn")
        marks = [str(risk) for risk in self._gate(session).marks(said)]
        session = session.said(said, marks)
        self._write(session)
        return session

    def reply(self, session: Session) -> Pending | None:
        """The reply to a session that waits for one; None if it is the gate's and stands there.

        The one that is on its way if there is one: a turn is never replied to twice.

        Raises:
            Refused: If it does not wait for one, or the gate's cannot be kept.
        """
        if not session.waits:
            raise Refused("elsewhere")
        if session.id in self._pending:
            return self._pending[session.id]
        said = session.turns[-1].content
        found = self._gate(session).intervene(said, session.interventions)
        if found and (found.ends_mi or self.study.classifier is None):
            self._write(session.intervened(found))
            return None
        pending = self._pending[session.id] = Pending()
        pending.task = asyncio.get_running_loop().create_task(self._receive(session, pending))
        return pending

    def pending(self, session: Session) -> Pending | None:
        """The reply on its way; None if there is none."""
        return self._pending.get(session.id)

    def decline(self, name: str, player: str) -> None:
        """End a session before a word was said; its profile is not drawn for this player again.

        Raises:
            Refused: If it has begun, or cannot be kept.
        """
        self._write(self.session(name, player, 0).ended(DECLINED, "", ""))

    async def end(
        self, name: str, player: str, shown: int, *, choice: str, words: str, note: str
    ) -> Session:
        """End a session; a reply on its way is given up.

        Raises:
            Refused: If no reason is given, it went on in another window, or cannot be kept.
        """
        self.session(name, player, shown)
        if choice not in CHOICES or (choice == "other" and not words.strip()):
            raise Refused("no_reason")
        if (pending := self._pending.pop(name, None)) and pending.task:
            pending.task.cancel()
            await asyncio.wait({pending.task})
        session = self.session(name, player, shown).ended(choice, words.strip(), note.strip())
        self._write(session)
        self.write_transcripts()
        return session

    def write_transcripts(self) -> None:
        """Bring transcripts.jsonl up to date.

        Raises:
            Refused: If it cannot be written; the sessions are kept all the same.
        """
        try:
            self._folder.write_transcripts(self.study.profiles, self.study.source)
        except InputError as error:
            self._report(str(error))
            raise Refused("no_transcripts") from None

    async def _receive(self, session: Session, pending: Pending) -> None:
        """Read the model's reply to its end, and keep it or why there is none."""
        try:
            self._write(await self._received(session, pending))
        except (Refused, InputError) as error:
            pending.failure = "not_kept", None
            self._report(f"session {session.id}: the reply could not be kept: {error}")
        finally:
            self._pending.pop(session.id, None)

    async def _received(self, session: Session, pending: Pending) -> Session:
        if self.study.classifier:
            session = await self._looked_at(session, self.study.classifier, pending)
            if pending.failure or not session.waits:
                return session
        endpoint = self.study.endpoints[self._folder.key[session.code]]
        sent = messages(session.turns, self.study.prompt, self.study.prompt_as)
        try:
            came = await replied(endpoint, sent)
        except NoReply as error:
            pending.failure = f"reply_{error.kind}", error.status
            self._report(f"session {session.id}: no reply: {error}")
            return self._folder.session(session.id).failed(error.kind, str(error))
        text = came.said.strip()
        marks: list[dict[str, Any]] = [
            {"harm": str(one.kind), "phrase": one.phrase} for one in flags(text)
        ]
        if came.ending == "cut off":
            marks.append({"cut_off": True})
            self._report(f"session {session.id}: the reply is {came.problem}; it is shown so")
        if came.thought:
            self._report(f"session {session.id}: a thought came with the reply and was left out")
        return self._folder.session(session.id).answered(text, marks)

    async def _looked_at(self, session: Session, classifier: Endpoint, pending: Pending) -> Session:
        """With the gate's words if it or a classifier finds danger; marked if that says nothing."""
        safety, gate = self.study.safety, self._gate(session)
        look = Look(safety.text, safety.sha, partial(asked, classifier), session.id)
        found = await intervention(gate, session.turns, session.interventions, look)
        held = self._folder.session(session.id)
        for one in look.looked:
            self.looked.append(one)
            self._tell(session, one)
            if one.verdict is None and found is None and self.study.classifier_required:
                pending.failure = "no_verdict", None
                return held.failed("no_verdict", one.reason)
            if one.flag:
                held = held.flagged(one.flag)
                self._write(held)
        return held.intervened(found) if found else held

    def _tell(self, session: Session, looked: Looked) -> None:
        """Tell the terminal of a look that came to nothing, or quotes what was not said."""
        if looked.verdict is None:
            self._report(f"session {session.id}: NO verdict on safety: {looked.reason}")
        elif looked.is_unquoted:
            self._report(
                f"session {session.id}: an alarm ({looked.verdict.risk}) quotes what was not said, "
                f"taken as a hint; {second_look.lines(self.looked)[0]}"
            )

    def _gate(self, session: Session) -> Gate:
        return Gate(self.study.profiles[session.profile].locale)

    def _write(self, session: Session) -> None:
        try:
            self._folder.write(session)
        except InputError as error:
            self._report(str(error))
            raise Refused("not_kept") from None
