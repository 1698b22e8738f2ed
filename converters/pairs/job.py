"""From faulty replies to pairs: better replies had, coded, and taken if they code better."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from converters.asking import Ask
from converters.pairs import rewrite
from converters.pairs.better import codes_better, unfit
from converters.pairs.find import Found
from converters.pairs.rewrite import Rewrite
from mi_llm.dialogue import Dialogue, Turn, read_dialogues
from mi_llm.judging.schema import VolleyCoding
from mi_llm.judging.volleys import codes_of, volley_request
from mi_llm.llm import Answer, Request
from mi_llm.miti import Code
from mi_llm.service import Result
from prompts import load

REWRITE_PROMPT, VOLLEY_PROMPT = "rewrite.v2", "judge_volley.v2"

NO_REWRITE = "no usable rewrite"
NO_CANDIDATE = "no candidate in the same context"
NO_CODING = "not coded"
NOT_BETTER = "does not code better"
UNANSWERED = (NO_REWRITE, NO_CODING)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a faulty reply.

    Attributes:
        found: The reply.
        chosen: What would stand in its place; None if nothing came.
        codes: Of `chosen`; None if it was not coded.
        reason: Why there is no pair: a kind and, behind a colon, details; None if there is one.
    """

    found: Found
    chosen: str | None
    codes: frozenset[Code] | None
    reason: str | None

    @property
    def kind(self) -> str:
        """The reason without its details, for counting; "" for a pair."""
        return (self.reason or "").partition(":")[0]

    def as_json(self) -> dict[str, object]:
        """A line of the file that tells what became of each."""
        return {
            "id": self.found.id,
            "fault": self.found.fault,
            "outcome": "left out" if self.reason else "pair",
            "reason": self.reason,
            "rejected": self.found.reply,
            "chosen": self.chosen,
            "codes": None if self.codes is None else [one for one in Code if one in self.codes],
        }


def read_candidates(path: Path) -> dict[str, Dialogue]:
    """Another model's replies, by the id of the dialogue, or of one volley: `<dialogue>#<volley>`.

    Raises:
        InputError: If the file holds no dialogues.
    """
    return {one.id: one for one in read_dialogues(path)}


def proposals(
    found: Sequence[Found], candidates: Mapping[str, Dialogue] | None, ask: Ask
) -> list[Outcome]:
    """A reply for each faulty one, not yet coded, or why there is none.

    Args:
        found: The faulty replies.
        candidates: As `read_candidates` gives them; None has replies written by a model.
        ask: Sends requests.
    """
    if candidates is not None:
        return [_candidate(one, candidates) for one in found]
    results = _results(rewrite.requests(found, load(REWRITE_PROMPT)), ask)
    return [_rewritten(one, results[rewrite.request_id(one)]) for one in found]


def judged(proposed: Sequence[Outcome], ask: Ask) -> list[Outcome]:
    """The proposals coded: pairs where the chosen reply codes better."""
    asked = [one for one in proposed if one.reason is None]
    results = _results(coding_requests(asked), ask)
    return [
        _coded(one, results[_coding_id(one.found)]) if one.reason is None else one
        for one in proposed
    ]


def coding_requests(proposed: Iterable[Outcome]) -> list[Request]:
    """What asks for the codes of each proposed reply, just as `eval judge` asks."""
    prompt = load(VOLLEY_PROMPT)
    return [
        volley_request(
            (*one.found.context, Turn("counselor", one.chosen or one.found.reply)),
            one.found.goal,
            name=_coding_id(one.found),
            prompt=prompt.fill(),
            prompt_sha=prompt.sha,
        )
        for one in proposed
    ]


def _candidate(found: Found, candidates: Mapping[str, Dialogue]) -> Outcome:
    other = candidates.get(found.id) or candidates.get(found.dialogue)
    place = len(found.context)
    if other is None or len(other.turns) <= place or other.turns[:place] != found.context:
        return Outcome(found, None, None, NO_CANDIDATE)
    reply = other.turns[place].content.strip()
    return Outcome(found, reply, None, unfit(found, reply))


def _rewritten(found: Found, result: Result) -> Outcome:
    if not isinstance(result, Answer):
        return Outcome(found, None, None, f"{NO_REWRITE}: {result.reason}")
    assert isinstance(result.value, Rewrite)
    return Outcome(found, result.value.reply.strip(), None, None)


def _coded(one: Outcome, result: Result) -> Outcome:
    if not isinstance(result, Answer):
        return Outcome(one.found, one.chosen, None, f"{NO_CODING}: {result.reason}")
    assert isinstance(result.value, VolleyCoding)
    codes = codes_of(result.value.utterances)
    better = codes_better(one.found.fault, codes)
    return Outcome(one.found, one.chosen, codes, None if better else NOT_BETTER)


def _results(requests: Sequence[Request], ask: Ask) -> dict[str, Result]:
    return {result.id: result for result in ask(requests)} if requests else {}


def _coding_id(found: Found) -> str:
    return f"code:{found.id}"
