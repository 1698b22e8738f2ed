"""The request that asks for the codes of one volley, and the codes that its answer comes to.

The model cuts nothing and counts nothing: the volley is cut here (`mi_llm.judging.pieces`), and
doubts and repetitions are settled here (`mi_llm.judging.rules`, `mi_llm.miti`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from mi_llm import jsonl
from mi_llm.coding import NOTHING_TO_CODE
from mi_llm.dialogue import Turn
from mi_llm.judging.pieces import pieces
from mi_llm.judging.rules import settled
from mi_llm.judging.schema import Label, Utterance, VolleyCoding, coding_fault
from mi_llm.llm import Request
from mi_llm.miti import Code, volley_codes

CONTEXT_TURNS = 5  # before a volley


def volley_request(
    turns: Sequence[Turn], goal: str, *, name: str, prompt: str, prompt_sha: str
) -> Request:
    """What asks for the codes of the last turn; its answer's value is a `VolleyCoding`.

    Args:
        turns: The conversation up to and with the volley; only the few before it are sent.
        goal: The target behaviour; blank if there is none.
        name: What the answer is for; not sent.
        prompt: The text of the prompt `judge_volley`.
        prompt_sha: Its hash, with whatever else keeps answers apart in the ledger.
    """
    *before, volley = turns
    cut = pieces(volley.content)
    about = {
        "target_behaviour": goal,
        "before": said(before[-CONTEXT_TURNS:]),
        "volley": [{"piece": n, "text": text.strip()} for n, text in enumerate(cut, start=1)],
    }
    return Request(
        id=name,
        messages=(
            {"role": "system", "content": prompt},
            {"role": "user", "content": jsonl.dumped(about)},
        ),
        schema=VolleyCoding,
        prompt_sha=prompt_sha,
        check=partial(coding_fault, count=len(cut)),
    )


def codes_of(utterances: Iterable[Utterance]) -> frozenset[Code]:
    """The codes of a volley by MITI's rules, doubts settled."""
    return volley_codes(map(counted, utterances))


def counted(utterance: Utterance) -> Code | None:
    """The code that an utterance counts for, doubts settled by MITI's rules."""
    code = _code(utterance.code)
    if utterance.sure or utterance.alternative is None:
        return code
    return settled(code, _code(utterance.alternative))


def said(turns: Iterable[Turn]) -> list[dict[str, object]]:
    """Turns as they are shown to a model."""
    return [{"speaker": turn.role, "text": turn.content} for turn in turns]


def _code(label: Label) -> Code | None:
    return None if label == NOTHING_TO_CODE else Code(label)
