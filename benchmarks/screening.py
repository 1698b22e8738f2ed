"""What the machine checks of `python -m converters review` find, and what they flag in vain.

Run: `python -m benchmarks.screening` (the seeded set: transcriptions with one planted fault each,
and good ones), or `python -m benchmarks.screening FILE...` with files of good dialogues as well, to
see what the checks say of them.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converters.review.findings import GROUNDS, Finding, Ground
from converters.review.machine_checks import check
from converters.review.prepare import duplicates
from mi_llm.dialogue import Dialogue, Role, Turn, read_dialogues

SEEDED = Path(__file__).parents[1] / "tests" / "converters" / "bad_transcriptions.json"
SETS = ("tuning", "held out")


@dataclass(frozen=True, slots=True)
class Case:
    """A transcription with one planted fault, or none.

    Attributes:
        dialogue: The transcription.
        source: What it was made from.
        ground: Where the fault belongs; None if there is none.
        fault: The fault in words.
        part: tuning or held out.
        copy_of: What it is nearly a copy of, if that is the fault.
    """

    dialogue: Dialogue
    source: Dialogue
    ground: Ground | None = None
    fault: str = ""
    part: str = ""
    copy_of: Dialogue | None = None

    def findings(self) -> list[Finding]:
        """What the checks say of it."""
        found = check(self.dialogue, self.source)
        if self.copy_of:
            pair = {one.id: one for one in (self.copy_of, self.dialogue)}
            found += dict(duplicates(list(pair), pair.__getitem__, {})).values()
        return found


def good_cases(part: str | None = None) -> list[Case]:
    """The good transcriptions: those of one set, or all."""
    return [case for case in map(_good, _seeded()["good"]) if part in (None, case.part)]


def watched_cases() -> list[Case]:
    """A crisis that is answered well: no fault, but two reviewers must see it."""
    return [_good(one) for one in _seeded()["watch"]]


def bad_cases(part: str | None = None) -> list[Case]:
    """The transcriptions with a fault: those of one set, or all."""
    seeded = _seeded()
    good = {one["id"]: one for one in seeded["good"]}
    return [_bad(one, good) for one in seeded["bad"] if part in (None, one["set"])]


def recall_lines(cases: Sequence[Case]) -> Iterator[str]:
    """Yield a row of a table for each ground: found at all, found on the right ground."""
    total: Counter[str] = Counter()
    for ground in GROUNDS:
        own = [case for case in cases if case.ground == ground]
        found = [case.findings() for case in own]
        some = sum(map(bool, found))
        right = sum(any(one.ground == ground for one in of) for of in found)
        total.update(n=len(own), some=some, right=right)
        yield f"| {ground} | {len(own)} | {some} | {right} |"
    yield f"| all | {total['n']} | {total['some']} | {total['right']} |"


def missed(cases: Sequence[Case]) -> Iterator[str]:
    """Yield each case that no check flags."""
    for case in cases:
        if not case.findings():
            yield f"{case.dialogue.id}: {case.fault}"


def precision_line(bad: Sequence[Case], good: Sequence[Case]) -> str:
    """How many of the flagged ones are bad; it holds for this mix of bad and good only."""
    false = [case.dialogue.id for case in good if case.findings()]
    hits = sum(bool(case.findings()) for case in bad)
    told = ", ".join(false) or "none"
    return (
        f"good: {len(good)}, flagged: {len(false)} ({told}); "
        f"precision with {len(bad)} bad ones: {hits}/{hits + len(false)}"
    )


def flagged_lines(name: str, dialogues: Sequence[Dialogue]) -> Iterator[str]:
    """Yield how many of a file's dialogues are flagged, and by which kind."""
    found = [check(dialogue, None) for dialogue in dialogues]
    hard = sum(any(one.hard for one in of) for of in found)
    yield f"{name}: {len(found)} dialogues, {sum(map(bool, found))} flagged, {hard} of them hard"
    kinds = Counter(kind for of in found for kind in {(one.ground, one.kind) for one in of})
    for (ground, kind), count in sorted(kinds.items()):
        yield f"  {ground}: {kind}: {count}"


def main(paths: Sequence[str]) -> None:
    """Print all tables."""
    for part in SETS:
        print(f"{part}\n| ground | n | flagged | on that ground |\n|---|---:|---:|---:|")
        print("\n".join(recall_lines(bad_cases(part))))
        print("missed:", *missed(bad_cases(part)), sep="\n  ")
        print(precision_line(bad_cases(part), good_cases(part)))
    for path in paths:
        print("\n".join(flagged_lines(path, list(read_dialogues(Path(path))))))


def _seeded() -> dict[str, Any]:
    seeded: dict[str, Any] = json.loads(SEEDED.read_text("utf-8"))
    return seeded


def _dialogue(name: str, texts: Sequence[str]) -> Dialogue:
    roles: tuple[Role, Role] = ("client", "counselor")
    return Dialogue(name, tuple(Turn(roles[n % 2], text) for n, text in enumerate(texts)))


def _transcription(
    name: str, texts: Sequence[str], source: str, target: str, category: str
) -> Dialogue:
    named = {"label": target, "category": category, "direction": "decrease"}
    facts = {"source_id": source, "target_behaviour": named, "risk_flags": ["none"]}
    return Dialogue(name, _dialogue(name, texts).turns, {"transcription": facts})


def _good(one: dict[str, Any]) -> Case:
    name = one["id"]
    transcription = _transcription(name, one["turns"], name, one["target"], one["category"])
    source = _dialogue(name, one["source"])
    return Case(transcription, source, part=one.get("set", "tuning"))


def _bad(one: dict[str, Any], good: dict[str, dict[str, Any]]) -> Case:
    of = good[one["of"]]
    texts = list(of["turns"])
    for number, text in one.get("turns", {}).items():
        texts[int(number) - 1] = text
    texts = texts[: one.get("keep", len(texts))] + one.get("append", [])
    target, category = (one.get(key, of[key]) for key in ("target", "category"))
    source = good[one.get("source_of", one["of"])]["source"]
    return Case(
        _transcription(one["id"], texts, one["of"], target, category),
        _dialogue(one["of"], source),
        one["ground"],
        one["fault"],
        one["set"],
        _good(of).dialogue if one.get("copy") else None,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
