"""The role-play page: what happens when something on it is pressed.

The page itself keeps where it is (player, session, turns shown), the folder keeps everything else:
a server that is started again takes up every open page.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when Gradio is imported

import gradio as gr

from eval.roleplay import view as seen
from eval.roleplay.desk import Desk, Pending, Refused, player_of
from eval.roleplay.parts import Updates, laid_out, shown
from eval.roleplay.session import Session
from eval.roleplay.view import Notice, Where
from eval.roleplay.words import LANGUAGES, Language, Words
from mi_llm.errors import InputError

# Fonts of the reader's machine: a plain name would be taken for a file that Gradio brings along.
_FONTS = [
    gr.themes.Font(name)
    for name in (
        "system-ui", "-apple-system", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC",
        "WenQuanYi Micro Hei", "sans-serif",
    )
]  # fmt: skip
_MONO = [gr.themes.Font(name) for name in ("Menlo", "Consolas", "monospace")]

# What the page's address says goes to the server; what the server says goes to the address, so that
# a reload comes back to the same player. Each tab has its own.
_FROM_ADDRESS = """() => {
  document.body.classList.remove("dark");
  const told = new URLSearchParams(location.search);
  return {lang: told.get("lang") || "", player: told.get("player") || ""};
}"""
_TO_ADDRESS = """(where) => {
  const url = new URL(location.href);
  for (const name of ["lang", "player"]) {
    if (where && where[name]) url.searchParams.set(name, where[name]);
    else url.searchParams.delete(name);
  }
  history.replaceState(null, "", url);
  document.documentElement.lang = where && where.lang === "en" ? "en" : "zh-CN";
}"""
_FOCUS = """() => {
  const field = document.querySelector("#say textarea");
  if (field && matchMedia("(pointer: fine)").matches) field.focus();
}"""


_QUIET: dict[str, Any] = {"show_progress": "hidden", "show_api": False, "api_name": False}

_Act = Callable[..., AsyncIterator[Updates]]


class Page:
    """The page of a desk.

    Args:
        desk: What players can do.
        language: Of a page whose address names none.
        report: Takes a line for the terminal.
    """

    def __init__(self, desk: Desk, language: Language, report: Callable[[str], None]) -> None:
        self._desk, self._language, self._report = desk, language, report
        words = Words(language)
        theme = gr.themes.Base(font=_FONTS, font_mono=_MONO, text_size="md", radius_size="md")
        css = Path(__file__).with_name("look.css").read_text("utf-8")
        with gr.Blocks(
            title=words("title"), theme=theme, css=css, analytics_enabled=False, fill_width=True
        ) as self.blocks:
            self._parts = laid_out(words)
            self._wire()
        self.blocks.queue(default_concurrency_limit=None)

    def _wire(self) -> None:
        parts, on = self._parts, self._on
        ends = self._ends([])
        self._then(self.blocks.load(self._safe(self.load), *ends, js=_FROM_ADDRESS, **_QUIET))
        on([parts.sign_in.click, parts.player.submit], self.sign_in, [parts.player])
        on([parts.sign_out.click], self.sign_out)
        on([parts.switch.click], self.switch)
        on([parts.draw.click], self.draw)
        on([parts.decline.click], self.decline)
        on([parts.send.click, parts.say.submit], self.send, [parts.say], focus=True)
        on([parts.try_again.click], self.try_again, focus=True)
        on([parts.end.click], self.ask_why)
        on([parts.back.click], self.go_back)
        on([parts.finish.click], self.finish, [parts.choice, parts.reason, parts.note])

    def _on(
        self, triggers: list[Any], act: _Act, inputs: Sequence[Any] = (), *, focus: bool = False
    ) -> None:
        """Do something when a part is pressed, and not twice at a time."""
        done = gr.on(triggers, self._safe(act), *self._ends(inputs), trigger_mode="once", **_QUIET)
        done = self._then(done)
        if focus:
            done.then(None, None, None, js=_FOCUS, **_QUIET)

    def _ends(self, inputs: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """What every act is given, last where the page is; and what it may change."""
        return [*inputs, self._parts.where], self._parts.all

    def _then(self, done: Any) -> Any:
        return done.then(None, self._parts.where, None, js=_TO_ADDRESS, **_QUIET)

    def _safe(self, act: _Act) -> _Act:
        """The act; where it is refused, the page as it is now, with the reason."""

        async def acted(*inputs: Any) -> AsyncIterator[Updates]:
            *typed, told = inputs
            where = self._where(told)
            if not all(isinstance(one, str | None) for one in typed):
                yield self._all(where, Notice("trouble"))
                return
            try:
                async for updates in act(*typed, where):
                    yield updates
            except Refused as refused:
                yield self._all(where, Notice(refused.word))
            except InputError as error:
                self._report(str(error))
                yield {self._parts.notice: self._trouble(where)}

        return acted

    async def load(self, where: Where) -> AsyncIterator[Updates]:
        """Begin where the address says; follow a reply that is on its way."""
        if where["player"]:
            try:
                where = {**where, "player": player_of(where["player"])}
            except Refused:
                where = {**where, "player": ""}
        async for updates in self._entered(where, None):
            yield updates

    async def sign_in(self, typed: str, where: Where) -> AsyncIterator[Updates]:
        """Begin as a player; take up the session that is not ended."""
        player = player_of(typed or "")
        current = self._desk.current(player)
        taken_up = Notice("taken_up", bad=False) if current and current.turns else None
        async for updates in self._entered({**where, "player": player}, taken_up):
            yield updates

    async def sign_out(self, where: Where) -> AsyncIterator[Updates]:
        """Make room for another player."""
        empty = {self._parts.player: "", **self._cleared()}
        yield {**self._all({"lang": where["lang"], "player": ""}), **empty}

    async def switch(self, where: Where) -> AsyncIterator[Updates]:
        """Go on in the other language."""
        yield self._all({**where, "lang": "en" if where["lang"] == "zh" else "zh"})

    async def draw(self, where: Where) -> AsyncIterator[Updates]:
        """Give the player a role."""
        self._desk.draw(player_of(where["player"]))
        yield {**self._all(where), **self._cleared()}

    async def decline(self, where: Where) -> AsyncIterator[Updates]:
        """Put back a role that the player does not want to play."""
        self._desk.decline(where["session"], where["player"])
        yield {**self._all(where, Notice("declined", bad=False)), **self._cleared()}

    async def send(self, text: str, where: Where) -> AsyncIterator[Updates]:
        """Take what the client says, then show the reply when it is there."""
        session = self._desk.say(where["session"], where["player"], where["shown"], text or "")
        pending = self._desk.reply(session)
        yield {**self._all(where), self._parts.say: ""}
        async for updates in self._followed(where, session, pending):
            yield updates

    async def try_again(self, where: Where) -> AsyncIterator[Updates]:
        """Ask once more for a reply that did not come."""
        session = self._desk.session(where["session"], where["player"], where["shown"])
        pending = self._desk.reply(session)
        yield self._all(where)
        async for updates in self._followed(where, session, pending):
            yield updates

    async def ask_why(self, where: Where) -> AsyncIterator[Updates]:
        """Ask for the reason to end."""
        yield {self._parts.end_panel: gr.update(visible=True)}

    async def go_back(self, where: Where) -> AsyncIterator[Updates]:
        """Do not end after all."""
        yield {self._parts.end_panel: gr.update(visible=False)}

    async def finish(
        self, choice: str | None, reason: str, note: str, where: Where
    ) -> AsyncIterator[Updates]:
        """End the session."""
        said = {"choice": choice or "", "words": reason or "", "note": note or ""}
        await self._desk.end(where["session"], where["player"], where["shown"], **said)
        yield {**self._all(where, Notice("thanks", bad=False)), **self._cleared()}

    async def _entered(self, where: Where, notice: Notice | None) -> AsyncIterator[Updates]:
        yield self._all(where, notice)
        session = self._desk.current(where["player"]) if where["player"] else None
        if session:
            async for updates in self._followed(where, session, self._desk.pending(session)):
                yield updates

    async def _followed(
        self, where: Where, session: Session, pending: Pending | None
    ) -> AsyncIterator[Updates]:
        """That a reply is on its way, then the page with it, or with why there is none."""
        if pending is None:
            return
        yield {self._parts.chat: seen.bubbles(session, Words(where["lang"]), waiting=True)}
        await pending.done()
        yield self._all(where, Notice(*pending.failure) if pending.failure else None)

    @property
    def _start(self) -> Where:
        return {"lang": self._language, "player": "", "session": "", "shown": 0}

    def _where(self, told: Any) -> Where:
        """Where a browser says that its page is; what is missing or no use there, as at first."""
        start = self._start
        if not isinstance(told, dict):
            return start
        kept = {name: told[name] for name in start if type(told.get(name)) is type(start[name])}
        where: Where = {**start, **kept}
        return where if where["lang"] in LANGUAGES else {**where, "lang": self._language}

    def _all(self, where: Where, notice: Notice | None = None) -> Updates:
        view = seen.seen(self._desk, where["lang"], where["player"], notice)
        return shown(self._parts, view, self._desk)

    def _cleared(self) -> Updates:
        """Nothing typed, nothing chosen."""
        parts = self._parts
        return {
            parts.say: "",
            parts.choice: None,
            parts.reason: "",
            parts.note: "",
            parts.end_panel: gr.update(visible=False),
        }

    def _trouble(self, where: Where) -> Any:
        return gr.update(value=Notice("trouble").html(Words(where["lang"])), visible=True)
