"""When a reply is fit to be preferred: what it must not be, and how it must code.

It must have none of P and CON, and

- in place of a question: CR (so a question in it comes with a reflection);
- in place of advice: a reflection, an MI-adherent code, or PwP;
- in place of a confrontation: a reflection or an MI-adherent code.

So it codes better by MITI's own counts, and is not merely harmless.
"""

from __future__ import annotations

from collections.abc import Iterator

from converters.pairs.find import Fault, Found, words
from converters.review import check_relevance, check_structure
from mi_llm import safety
from mi_llm.dialogue import Dialogue, Turn
from mi_llm.miti import MI_ADHERENT, MI_NON_ADHERENT, REFLECTIONS, Code

SHORT = 60  # words that any reply may have, however short the one it replaces
LONGER, SHORTER = 2, 3  # else at most twice as long as that one, and at least a third

_NEEDED = {
    Fault.QUESTION: frozenset({Code.COMPLEX_REFLECTION}),
    Fault.ADVICE: REFLECTIONS | MI_ADHERENT | {Code.PERSUADE_WITH_PERMISSION},
    Fault.CONFRONTATION: REFLECTIONS | MI_ADHERENT,
}
_FORM = ("speaker label", "speaks as a machine", "annotation in the text", "markdown")
_NEW = ("new number", "new name", "new place")  # against all that was said so far


def codes_better(fault: Fault, codes: frozenset[Code]) -> bool:
    """Whether a reply with these codes is better than one with that fault, by the rule above."""
    return bool(codes & _NEEDED[fault]) and not codes & MI_NON_ADHERENT


def unfit(found: Found, reply: str) -> str | None:
    """Why a reply cannot be preferred, whatever its codes; None if it can.

    Returns:
        A kind, for counting, and behind a colon what a model can mend.
    """
    return next(_unfit(found, reply.strip()), None)


def _unfit(found: Found, reply: str) -> Iterator[str]:
    if not any(map(str.isalnum, reply)):
        yield "blank: say something"
        return
    if reply == found.reply.strip():
        yield "the same reply: write another one"
    most = max(LONGER * words(found.reply), SHORT)
    if words(reply) > most:
        yield f"too long: {words(reply)} words or characters; at most {most}"
    if SHORTER * words(reply) < words(found.reply):
        least = -(-words(found.reply) // SHORTER)
        yield f"too short: {words(reply)} words or characters; at least {least}"
    alone = Dialogue(found.id, (Turn("counselor", reply),))
    source = Dialogue(found.id, found.turns)
    for one in (*check_structure.findings(alone), *check_relevance.findings(alone, source)):
        if one.kind in (*_FORM, *_NEW):
            yield f"{one.kind}: {one.reason}"
    if "【" in reply and "【" not in found.reply:
        yield "mark of masked data: leave out what stands in 【】"
    if harms := safety.harmful_advice(reply):
        yield f"harmful advice: leave out {harms[0].phrase!r}"
