"""What a page shows at a moment, as values of its parts: plain functions of desk and language."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

from eval.roleplay.card import card
from eval.roleplay.desk import CHOICES, Desk, Pending
from eval.roleplay.session import Session
from eval.roleplay.words import Language, Words

Where = dict[str, Any]
"""Kept by the page, so that it outlives the server: language, player, session, turns shown."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A line above everything: a name in words.yaml, an HTTP status, and whether it is bad news."""

    word: str
    status: int | None = None
    bad: bool = True

    def html(self, words: Words) -> str:
        """The line, for eyes and screen readers."""
        status = words("status", status=self.status) if self.status else ""
        kind = "bad" if self.bad else "good"
        text = escape(words(self.word, status=status))
        return f'<p class="notice {kind}" role="status">{text}</p>'


@dataclass(frozen=True, slots=True)
class View:
    """What a page shows.

    Attributes:
        language: Of the page.
        player: "" until one has signed in.
        session: The one at hand; None between two.
        pending: The reply on its way.
        notice: The line above everything.
        progress: Sessions ended by the player and by all, and those planned.
    """

    language: Language
    player: str = ""
    session: Session | None = None
    pending: Pending | None = None
    notice: Notice | None = None
    progress: tuple[int, int, int] = (0, 0, 0)

    @property
    def words(self) -> Words:
        """In the page's language."""
        return Words(self.language)

    @property
    def where(self) -> Where:
        """What the page sends back with everything the player does."""
        return {
            "lang": self.language,
            "player": self.player,
            "session": self.session.id if self.session else "",
            "shown": len(self.session.turns) if self.session else 0,
        }


def seen(desk: Desk, language: Language, player: str, notice: Notice | None = None) -> View:
    """What a player sees now, as the folder has it."""
    if not player:
        return View(language, notice=notice)
    session = desk.current(player)
    pending = desk.pending(session) if session else None
    return View(language, player, session, pending, notice, desk.progress(player))


def bubbles(session: Session | None, words: Words, *, waiting: bool = False) -> list[Any]:
    """The chat: what was said, and whether a reply is on its way.

    Escaped: Gradio's chat takes texts for HTML even where it renders no Markdown.
    """
    roles = {"client": "user", "counselor": "assistant"}
    turns = session.turns if session else ()
    said = [{"role": roles[turn.role], "content": escape(turn.content)} for turn in turns]
    if waiting:
        said.append({"role": "assistant", "content": words("typing")})
    return said


def head(words: Words) -> str:
    """Title and what this is."""
    title, subtitle = escape(words("title")), escape(words("subtitle"))
    return f"<h1>{title}</h1><p>{subtitle}</p>"


def intro(words: Words) -> str:
    """What a player is to know before signing in."""
    return "".join(f"<p>{escape(words(name))}</p>" for name in ("sign_in_intro", "not_yours"))


def between(view: View) -> str:
    """What stands between two sessions."""
    own, ended, planned = view.progress
    told = view.words("progress", own=own, all=ended, planned=planned)
    return f"<p>{escape(told)}</p><p>{escape(view.words('ready'))}</p>"


def role_card(view: View, desk: Desk) -> str:
    """The card of the session at hand."""
    return card(desk.study.profiles[view.session.profile], view.words) if view.session else ""


def talk_head(view: View, desk: Desk) -> str:
    """Which counselor, and how far it is."""
    if not view.session:
        return ""
    most = desk.study.profiles[view.session.profile].max_rounds
    number = view.session.rounds + (0 if view.session.waits else 1)
    code = escape(view.words("counselor", code=view.session.code))
    rounds = escape(view.words("round", now=max(1, number), most=most))
    return f"<strong>{code}</strong><span>{rounds}</span>"


def aside(view: View, desk: Desk) -> str:
    """What is to be known below the chat: the notice, and where the talk stands."""
    session, words = view.session, view.words
    if not session:
        return ""
    notice = view.notice.html(words) if view.notice else ""
    name = ""
    if session.given_over:
        name = "given_over"
    elif session.waits and not view.pending and not notice:
        name = "no_reply_yet"
    elif session.rounds >= desk.study.profiles[session.profile].max_rounds:
        name = "enough_rounds"
    names = [*(["unjudged"] if session.unjudged else []), *([name] if name else [])]
    told = (f'<p class="calm" role="status">{escape(words(one))}</p>' for one in names)
    return notice + "".join(told)


def choices(words: Words) -> list[tuple[str, str]]:
    """The reasons to end, in words and by name."""
    return [(words(f"end_{name}"), name) for name in CHOICES]
