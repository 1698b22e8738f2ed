"""The parts of the page: where they stand, and what they show at a moment."""

from __future__ import annotations

from dataclasses import dataclass, fields
from html import escape
from typing import Any

import gradio as gr

from eval.roleplay import view as seen
from eval.roleplay.desk import Desk
from eval.roleplay.view import View
from eval.roleplay.words import Words

Updates = dict[Any, Any]
"""New values and looks of some parts."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Every part that changes or is pressed; the names say which."""

    where: gr.JSON
    head: gr.HTML
    who: gr.HTML
    switch: gr.Button
    sign_out: gr.Button
    notice: gr.HTML
    sign_in_panel: gr.Column
    intro: gr.HTML
    player: gr.Textbox
    sign_in: gr.Button
    between_panel: gr.Column
    between: gr.HTML
    draw: gr.Button
    talk_panel: gr.Row
    card: gr.HTML
    decline: gr.Button
    talk_head: gr.HTML
    chat: gr.Chatbot
    aside: gr.HTML
    try_again: gr.Button
    say: gr.Textbox
    send: gr.Button
    hint: gr.HTML
    end: gr.Button
    end_panel: gr.Column
    choice: gr.Radio
    reason: gr.Textbox
    note: gr.Textbox
    finish: gr.Button
    back: gr.Button
    foot: gr.HTML

    @property
    def all(self) -> list[Any]:
        """All of them."""
        return [getattr(self, one.name) for one in fields(self)]


def laid_out(words: Words) -> Parts:
    """Put all parts on the page that is being made, before anyone has signed in."""
    found: dict[str, Any] = {"where": gr.JSON(None, visible=False)}
    with gr.Row(elem_id="top"):
        found["head"] = gr.HTML(seen.head(words), elem_id="head", padding=False)
        found["who"] = gr.HTML(visible=False, elem_classes="who-box", padding=False)
        found["sign_out"] = gr.Button(words("sign_out"), size="sm", visible=False)
        found["switch"] = gr.Button(words("switch"), size="sm")
    found["notice"] = gr.HTML(visible=False, elem_id="notice", padding=False)
    with gr.Column(elem_classes=["sheet", "narrow"]) as found["sign_in_panel"]:
        found["intro"] = gr.HTML(seen.intro(words), elem_classes="plain", padding=False)
        found["player"] = gr.Textbox(
            label=words("player"),
            info=words("player_hint"),
            max_lines=1,
            elem_id="player",
            interactive=False,  # until the page knows where it is, or that would undo a sign-in
        )
        found["sign_in"] = gr.Button(words("sign_in"), variant="primary", interactive=False)
    with gr.Column(elem_classes=["sheet", "narrow"], visible=False) as found["between_panel"]:
        found["between"] = gr.HTML(elem_classes="plain", padding=False)
        found["draw"] = gr.Button(words("draw"), variant="primary")
    with gr.Row(elem_id="talk", visible=False) as found["talk_panel"]:
        with gr.Column(elem_id="card-column"):
            found["card"] = gr.HTML(elem_id="card", padding=False)
        with gr.Column(elem_id="chat-column"):
            found |= _talk(words)
    found["foot"] = gr.HTML(f"<p>{words('research_only')}</p>", elem_id="foot", padding=False)
    return Parts(**found)


def _talk(words: Words) -> dict[str, Any]:
    found: dict[str, Any] = {}
    found["talk_head"] = gr.HTML(elem_id="talk-head", padding=False)
    found["chat"] = gr.Chatbot(
        type="messages",
        render_markdown=False,
        sanitize_html=True,
        show_label=False,
        container=False,
        height=400,  # look.css has the last word
        elem_id="chat",
        feedback_options=None,
        group_consecutive_messages=False,
        allow_file_downloads=False,
    )
    found["aside"] = gr.HTML(visible=False, elem_id="aside", padding=False)
    found["try_again"] = gr.Button(words("try_again"), visible=False, variant="primary")
    with gr.Row(elem_id="say-row"):
        found["say"] = gr.Textbox(
            show_label=False, label=words("say"), lines=1, max_lines=8, elem_id="say", scale=1
        )
        found["send"] = gr.Button(words("send"), variant="primary")
    with gr.Row(elem_id="foot-row"):
        found["hint"] = gr.HTML(elem_id="hint", padding=False)
        found["decline"] = gr.Button(words("decline"), size="sm", visible=False)
        found["end"] = gr.Button(words("end"), size="sm")
    with gr.Column(visible=False, elem_id="end-panel", elem_classes="sheet") as found["end_panel"]:
        found["choice"] = gr.Radio(seen.choices(words), label=words("end_why"))
        found["reason"] = gr.Textbox(label=words("end_words"), max_lines=3, elem_id="reason")
        found["note"] = gr.Textbox(label=words("end_note"), lines=2, max_lines=6, elem_id="note")
        with gr.Row():
            found["finish"] = gr.Button(words("finish"), variant="primary")
            found["back"] = gr.Button(words("back"))
    return found


def shown(parts: Parts, view: View, desk: Desk) -> Updates:
    """Everything as a view has it; only what is typed and not sent is left alone."""
    words, session = view.words, view.session
    busy = view.pending is not None
    aside = seen.aside(view, desk)
    notice = view.notice.html(words) if view.notice and not session else ""
    return {
        **_worded(parts, words),
        parts.where: view.where,
        parts.who: gr.update(value=_who(view.player), visible=bool(view.player)),
        parts.sign_out: gr.update(
            value=words("sign_out"), visible=bool(view.player), interactive=not busy
        ),
        parts.switch: gr.update(value=words("switch"), interactive=not busy),
        parts.notice: gr.update(value=notice, visible=bool(notice)),
        parts.sign_in_panel: gr.update(visible=not view.player),
        parts.between_panel: gr.update(visible=bool(view.player) and session is None),
        parts.between: seen.between(view),
        parts.talk_panel: gr.update(visible=session is not None),
        parts.card: seen.role_card(view, desk),
        parts.decline: gr.update(
            value=words("decline"), visible=session is not None and not session.turns
        ),
        parts.talk_head: seen.talk_head(view, desk),
        parts.chat: gr.update(
            value=seen.bubbles(session, words, waiting=bool(view.pending)),
            placeholder=words("empty_chat"),
        ),
        parts.aside: gr.update(value=aside, visible=bool(aside)),
        parts.try_again: gr.update(
            value=words("try_again"), visible=session is not None and session.waits and not busy
        ),
        parts.send: gr.update(
            value=words("send"), interactive=not busy and not (session and session.waits)
        ),
    }


def _worded(parts: Parts, words: Words) -> Updates:
    """What only the language changes."""
    return {
        parts.head: seen.head(words),
        parts.intro: seen.intro(words),
        parts.player: gr.update(label=words("player"), info=words("player_hint"), interactive=True),
        parts.sign_in: gr.update(value=words("sign_in"), interactive=True),
        parts.draw: gr.update(value=words("draw")),
        parts.say: gr.update(placeholder=words("say")),
        parts.hint: f"<p>{escape(words('say_hint'))}</p>",
        parts.end: gr.update(value=words("end")),
        parts.choice: gr.update(choices=seen.choices(words), label=words("end_why")),
        parts.reason: gr.update(label=words("end_words")),
        parts.note: gr.update(label=words("end_note"), placeholder=words("end_note_hint")),
        parts.finish: gr.update(value=words("finish")),
        parts.back: gr.update(value=words("back")),
        parts.foot: f"<p>{words('research_only')}</p>",
    }


def _who(player: str) -> str:
    return f'<span class="who">{escape(player)}</span>' if player else ""
