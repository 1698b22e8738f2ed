"""Machine checks of safety: crises, harmful advice, personal data.

A crisis that the counselor answers is no fault; it is queued for two reviewers all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from converters.review.findings import Finding
from mi_llm import personal_data, safety
from mi_llm.dialogue import Dialogue

_SHOWN = 6  # characters around what was masked

_RISKS = {
    "self_harm": "自伤自杀",
    "harm_to_others": "伤害他人",
    "abuse": "受虐待或家暴",
    "psychosis": "精神病性症状",
    "eating_disorder": "进食障碍",
    "medical_emergency": "急症",
    "minor": "未成年人",
}
# Where the next reply must look after safety. Of the others the words alone do not tell whether
# they are about now: two people read those.
_URGENT = frozenset(
    {safety.Risk.SELF_HARM, safety.Risk.HARM_TO_OTHERS, safety.Risk.MEDICAL_EMERGENCY}
)


def findings(dialogue: Dialogue, source: Dialogue | None) -> Iterator[Finding]:
    """Yield what may harm the client, or whoever learns from the dialogue.

    Args:
        dialogue: The transcription.
        source: What it was made from; None leaves out whether a crisis in it was passed over.
    """
    signs = list(_signs(dialogue))
    told = {one.category for _, one in signs}
    for place, sign in signs:
        yield _answered(dialogue, place, sign)
    for flag in sorted(_flags(dialogue) - told):
        yield Finding("risk flag", None, f"改写时标记了风险：{_RISKS.get(flag, flag)}")
    if source:
        lost = {one.category: one for _, one in _signs(source) if not one.negated}
        for category in sorted(set(lost) - told):
            yield Finding("crisis left out", None, f"原文有{_named(lost[category])}，改写里没有")
    for number, turn in enumerate(dialogue.turns, start=1):
        harms = safety.harmful_advice(turn.content) if turn.role == "counselor" else ()
        if harms:
            yield Finding("harmful advice", number, f"可能有害的建议：{_phrases(harms)}")
        masked, counts = personal_data.mask(turn.content)
        if counts:
            yield Finding("personal data", number, f"有个人信息，应改为：{_around_mark(masked)}")


def _answered(dialogue: Dialogue, place: int, sign: safety.Crisis) -> Finding:
    """Answered is a sign if one of the next two counselor turns looks after safety."""
    replies = [one.content for one in dialogue.turns[place + 1 : place + 4 : 2]]
    if any(map(safety.is_safety_response, replies)):
        return Finding("crisis", place + 1, f"有{_named(sign)}，已有安全回应")
    if sign.negated or sign.category not in _URGENT:
        return Finding("crisis", place + 1, f"有{_named(sign)}，请看回应是否妥当")
    return Finding("crisis unanswered", place + 1, f"有{_named(sign)}，咨询师没有安全回应")


def _signs(dialogue: Dialogue) -> Iterator[tuple[int, safety.Crisis]]:
    """The client's signs of crisis with their turn, from 0: one for a category in a turn."""
    for place, turn in enumerate(dialogue.turns):
        if turn.role == "client":
            # One that is not denied comes first.
            found = sorted(safety.crisis(turn.content), key=lambda one: one.negated, reverse=True)
            yield from ((place, one) for one in {one.category: one for one in found}.values())


def _named(sign: safety.Crisis) -> str:
    denied = "，来访者否认" if sign.negated else ""
    return f"危机信号（{_RISKS[sign.category]}：“{sign.phrase}”{denied}）"


def _flags(dialogue: Dialogue) -> set[str]:
    facts = dialogue.meta.get("transcription")
    flags = facts.get("risk_flags") if isinstance(facts, dict) else None
    return {str(one) for one in flags} - {"none"} if isinstance(flags, list) else set()


def _phrases(found: Iterable[safety.HarmfulAdvice]) -> str:
    return "、".join(dict.fromkeys(f"“{one.phrase}”" for one in found))


def _around_mark(masked: str) -> str:
    """The masked text around its first mark, so that the report repeats nothing personal."""
    start = masked.index("【")
    end = masked.index("】", start) + 1
    return f"“…{masked[max(start - _SHOWN, 0) : end]}…”"
