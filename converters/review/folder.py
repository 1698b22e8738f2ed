"""The folder of a review: what was planned, what was found, and the books.

`plan.json` says what happens to each dialogue and from which files, with their SHA-256;
`findings.jsonl` holds all that the checks found. The dialogues themselves stay where they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converters.library import Library
from converters.review.book import CHINESE, SECOND, THIRD, Entry, write_book
from converters.review.decisions import Decision
from converters.review.findings import GROUNDS
from converters.review.prepare import WHY, Review, assigned
from mi_llm import files, jsonl
from mi_llm.errors import InputError

PLAN, FINDINGS = "plan.json", "findings.jsonl"


@dataclass(frozen=True, slots=True)
class Plan:
    """A review that was prepared, read back.

    Attributes:
        identity: SHA-256 of `plan.json`; each book carries it.
        dialogues: The file of transcriptions.
        sources: The files that they were made from, possibly none.
        items: What happens to each dialogue, by id: state, for_two, crisis, ground.
    """

    identity: str
    dialogues: Path
    sources: tuple[Path, ...]
    items: dict[str, dict[str, Any]]


def write(review: Review, library: Library, folder: Path, facts: Mapping[str, Any]) -> list[Path]:
    """Write plan, findings and books.

    Args:
        review: What to write.
        library: Its dialogues.
        folder: To fill.
        facts: What the plan says beyond the items: its files with their SHA-256, the codes.

    Returns:
        The books.
    """
    plan = plan_text(review, facts)
    identity = hashlib.sha256(plan.encode()).hexdigest()
    names = []
    with files.whole(folder / PLAN) as stream:
        stream.write(plan)
    with files.whole(folder / FINDINGS) as stream:
        stream.writelines(finding_lines(review))
    for reviewer, rows in assigned(review).items():
        if not rows:
            continue
        names.append(f"review_{reviewer}.xlsx" if reviewer else "review.xlsx")
        entries = [_entry(review, library, *one) for one in rows]
        write_book(folder / names[-1], entries, plan=identity, reviewer=reviewer)
    return [folder / name for name in names]


def plan_text(review: Review, facts: Mapping[str, Any]) -> str:
    """The text of `plan.json`."""
    items = {
        name: {
            "state": item.state,
            "for_two": item.for_two,
            "crisis": item.crisis,
            "ground": item.findings[0].ground if item.findings else None,
        }
        for name, item in review.items.items()
    }
    drawn = {"sample": review.sample, "double": review.double, "seed": review.seed}
    plan = {"format": 1, **facts, **drawn, "reviewers": list(review.reviewers), "items": items}
    return jsonl.dumped(plan, indent=1) + "\n"


def finding_lines(review: Review) -> Iterator[str]:
    """Yield one line of JSON for every finding."""
    for name, item in review.items.items():
        for one in item.findings:
            yield jsonl.dumped(one.as_json(name)) + "\n"


def file_facts(dialogues: Path, sources: Sequence[Path], codes: Path | None) -> dict[str, Any]:
    """The files that a plan is made from, with their SHA-256."""
    return {
        "dialogues": {str(dialogues): files.sha256(dialogues)},
        "sources": {str(path): files.sha256(path) for path in sources},
        "codes": {str(codes): files.sha256(codes)} if codes else {},
    }


def read_plan(folder: Path) -> Plan:
    """Read the plan of a folder, and see that its files are still what they were.

    Raises:
        InputError: If there is no plan, or a file is missing or was changed since.
    """
    path = folder / PLAN
    if not path.is_file():
        raise InputError(f"{path}: not found; name the folder of the review with --folder")
    plan = jsonl.read_json(path)
    try:
        dialogues, sources, items = plan["dialogues"], plan["sources"], plan["items"]
        recorded = {**dialogues, **sources}
    except (TypeError, KeyError):
        raise InputError(f"{path}: not a plan of a review; prepare it again") from None
    for name, digest in recorded.items():
        if files.sha256(Path(name)) != digest:
            raise InputError(f"{name}: changed since the review was prepared; prepare it again")
    (one,) = dialogues
    return Plan(files.sha256(path), Path(one), tuple(map(Path, sources)), items)


def write_disputed(
    path: Path,
    disputed: Mapping[str, Sequence[Decision]],
    library: Library,
    plan: Plan,
    *,
    overwrite: bool,
) -> None:
    """Write a book of what two reviewers disagree about, for a third."""
    entries = [
        Entry(
            library.dialogue(name),
            (),
            THIRD,
            crisis=bool(plan.items[name]["crisis"]),
            note="；".join(map(_told, decisions)),
        )
        for name, decisions in disputed.items()
    ]
    write_book(path, entries, plan=plan.identity, reviewer="", third=True, overwrite=overwrite)


def _told(decision: Decision) -> str:
    """A decision as the third reviewer reads it; without the name, so that rank does not weigh."""
    words = [CHINESE[decision.verdict]]
    if decision.cut:
        words.append(f"从第{decision.cut}句起")
    words += [f"第{turn}句改为“{text}”" for turn, text in sorted(decision.edits.items())]
    if decision.reason:
        words.append(GROUNDS[decision.reason])
    if decision.note:
        words.append(decision.note)
    return "，".join(words)


def _entry(review: Review, library: Library, name: str, second: bool) -> Entry:
    item = review.items[name]
    why = SECOND if second else WHY[item.state]
    return Entry(library.dialogue(name), item.findings, why, item.for_two, item.crisis)
