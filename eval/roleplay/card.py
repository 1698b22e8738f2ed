"""The card that a player acts from, as HTML. Every text of a profile is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from eval.roleplay.words import Words
from mi_llm.profiles import Profile, Reason

_LEVELS = 5  # words from very low to very high
_HARD, _VERY_HARD = 3, 5  # sensitivity from which the card says so


def card(profile: Profile, words: Words) -> str:
    """The whole card: what to know, what to keep back, how to talk, what never to say."""
    parts = [
        f'<h2>{escape(words("card"))}</h2><p class="role">{escape(words("card_role"))}</p>',
        _risk(profile, words),
        _section(words("card_target"), _paragraph(profile.target_behaviour)),
        _section(words("card_manifestations"), _list(profile.manifestations)),
        _section(words("card_reasons"), _reasons(profile, words)),
        _section(words("card_readiness"), _readiness(profile, words)),
        _section(words("card_style"), _paragraph(words(profile.style))),
        _section(words("card_beliefs"), _list(profile.beliefs)),
        _section(words("card_barriers"), _list(profile.barriers)),
        _section(words("card_plan"), _paragraph(profile.preferred_plan or "")),
        _section(words("card_strengths"), _list(profile.strengths)),
        _section(words("card_facts"), _facts(profile, words)),
        _section(words("card_red_lines"), _list(profile.red_lines)),
    ]
    return f'<article class="card" lang="{profile.locale}">{"".join(parts)}</article>'


def level(value: int, lowest: int, highest: int, words: Words) -> str:
    """A degree in words, with its number: `rather low (3/10)`."""
    place = (value - lowest) * _LEVELS // (highest - lowest + 1)
    return f"{words(f'level_{place}')} ({value}/{highest})"


def _risk(profile: Profile, words: Words) -> str:
    if profile.risk == "none":
        return ""
    told = words("card_risk", risk=words(str(profile.risk)))
    return f'<p class="risk">{escape(told)}</p>'


def _readiness(profile: Profile, words: Words) -> str:
    readiness = profile.readiness
    rows = {
        "importance": level(readiness.importance, 0, 10, words),
        "confidence": level(readiness.confidence, 0, 10, words),
        "ready_now": level(readiness.ready, 0, 10, words),
        "receptivity": level(profile.receptivity, 1, 5, words),
    }
    told = [f"{words(name)}{words('colon')}{degree}" for name, degree in rows.items()]
    return _paragraph(words(readiness.stage)) + _list(told)


def _reasons(profile: Profile, words: Words) -> str:
    hint = f'<p class="hint">{escape(words("card_reasons_hint"))}</p>'
    return hint + "<ul>" + "".join(_reason(one, words) for one in profile.reasons) + "</ul>"


def _reason(reason: Reason, words: Words) -> str:
    ways = words("or").join(words(way) for way in reason.unlock)
    told = [words("unlock", ways=ways)]
    if reason.sensitivity >= _HARD:
        told.append(words("sensitive_5" if reason.sensitivity >= _VERY_HARD else "sensitive_3"))
    when = escape(words("comma").join(told))
    return f'<li>{escape(reason.text)}<span class="when">{when}</span></li>'


def _facts(profile: Profile, words: Words) -> str:
    rows = ""
    for name, value in profile.facts.items():
        label = words.known(f"fact_{name}", name.replace("_", " "))
        rows += f"<dt>{escape(label)}</dt><dd>{escape(str(value))}</dd>"
    return f"<dl>{rows}</dl>" if rows else ""


def _section(title: str, body: str) -> str:
    return f"<section><h3>{escape(title)}</h3>{body}</section>" if body else ""


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>" if text else ""


def _list(items: Iterable[str]) -> str:
    rows = "".join(f"<li>{escape(item)}</li>" for item in items)
    return f"<ul>{rows}</ul>" if rows else ""
