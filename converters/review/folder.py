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
from converters.review.prepare import WHY, Review, Sources, assigned
from mi_llm import files, jsonl
from mi_llm.dialogue import Dialogue
from mi_llm.errors import InputError
from mi_llm.neutral_ids import turns_sha256

PLAN, FINDINGS = "plan.json", "findings.jsonl"


@dataclass(frozen=True, slots=True)
class Plan:
    """A review that was prepared, read back.

    Attributes:
        identity: SHA-256 of `plan.json`; each book carries it.
        dialogues: The file of transcriptions.
        sources: The files that they were made from, possibly none.
        items: What happens to each dialogue, by id: state, for_two, crisis, ground, and the
            fingerprints of its turns and its source's.
        books: The books that were written, with their reviewers; empty in plans before this was
            noted.
        facts: The whole of it.
    """

    identity: str
    dialogues: Path
    sources: tuple[Path, ...]
    items: dict[str, dict[str, Any]]
    books: dict[str, str]
    facts: Mapping[str, Any]


def write(
    review: Review,
    library: Library,
    sources: Sources,
    folder: Path,
    facts: Mapping[str, Any],
) -> list[Path]:
    """Write plan, findings and books.

    Args:
        review: What to write.
        library: Its dialogues.
        sources: What they were made from.
        folder: To fill.
        facts: What the plan says beyond the items: its files with their SHA-256, the draws.

    Returns:
        The books.
    """
    given = {_book_name(one): (one, rows) for one, rows in assigned(review).items() if rows}
    books = {name: reviewer for name, (reviewer, _) in given.items()}
    items = _items(review, library, sources)
    plan = jsonl.dumped({"format": 1, **facts, "books": books, "items": items}, indent=1) + "\n"
    identity = hashlib.sha256(plan.encode()).hexdigest()
    with files.whole(folder / PLAN) as stream:
        stream.write(plan)
    with files.whole(folder / FINDINGS) as stream:
        stream.writelines(finding_lines(review))
    for name, (reviewer, rows) in given.items():
        entries = [_entry(review, library, *one) for one in rows]
        write_book(folder / name, entries, plan=identity, reviewer=reviewer)
    return [folder / name for name in given]


def _book_name(reviewer: str) -> str:
    return f"review_{reviewer}.xlsx" if reviewer else "review.xlsx"


def _items(review: Review, library: Library, sources: Sources) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "state": item.state,
            "for_two": item.for_two,
            "crisis": item.crisis,
            "ground": item.findings[0].ground if item.findings else None,
            "prints": _prints(library.dialogue(name), sources),
        }
        for name, item in review.items.items()
    }


def _prints(dialogue: Dialogue, sources: Sources) -> list[str | None]:
    """Fingerprints of a dialogue and of what it was made from."""
    source = sources.of(dialogue)
    return [turns_sha256(dialogue.turns), turns_sha256(source.turns) if source else None]


def finding_lines(review: Review) -> Iterator[str]:
    """Yield one line of JSON for every finding."""
    for name, item in review.items.items():
        for one in item.findings:
            yield jsonl.dumped(one.as_json(name)) + "\n"


def plan_facts(
    dialogues: Path,
    sources: Sequence[Path],
    codes: Path | None,
    *,
    sample: float,
    double: float,
    seed: int,
    reviewers: Sequence[str],
) -> dict[str, Any]:
    """The files that a plan is made from, with their SHA-256, and how it draws."""
    return {
        "dialogues": {str(dialogues): files.sha256(dialogues)},
        "sources": {str(path): files.sha256(path) for path in sources},
        "codes": {str(codes): files.sha256(codes)} if codes else {},
        "sample": sample,
        "double": double,
        "seed": seed,
        "reviewers": list(reviewers),
    }


def read_plan(folder: Path) -> Plan:
    """Read the plan of a folder.

    Raises:
        InputError: If there is none.
    """
    path = folder / PLAN
    if not path.is_file():
        raise InputError(f"{path}: not found; name the folder of the review with --folder")
    facts = jsonl.read_json(path)
    try:
        (dialogues,) = facts["dialogues"]
        sources = tuple(map(Path, facts["sources"]))
        books, items = dict(facts.get("books", {})), dict(facts["items"])
    except (TypeError, KeyError, ValueError, AttributeError):
        raise InputError(f"{path}: not a plan of a review; prepare it again") from None
    return Plan(files.sha256(path), Path(dialogues), sources, items, books, facts)


def changes(plan: Plan, library: Library, sources: Sources) -> list[str]:
    """What the dialogues of a plan are not any more; those that came since are no change.

    How a file is written does not count, who says what in it does.
    """
    recorded = {**plan.facts["dialogues"], **plan.facts["sources"]}
    if all(files.sha256(Path(name)) == digest for name, digest in recorded.items()):
        return []
    there = set(library.ids)
    found = []
    for name, item in plan.items.items():
        if name not in there:
            found.append(f"{name} is gone")
        elif "prints" not in item:
            return [f"{plan.dialogues} or its sources were changed since the review was prepared"]
        elif item["prints"] != _prints(library.dialogue(name), sources):
            found.append(f"{name} or its source was changed since")
    return found


def refuse_other_review(
    folder: Path, plan: Plan, facts: Mapping[str, Any], library: Library, sources: Sources
) -> None:
    """Raise `InputError` if a folder's books are not of these dialogues, sources and draws."""
    odd = changes(plan, library, sources)
    came = [name for name in library.ids if name not in plan.items]
    if came:
        odd.append(f"{listed(came)} came since")
    for name in ("codes", "sample", "double", "seed", "reviewers"):
        was, now = plan.facts.get(name), facts[name]
        if name == "codes":
            was, now = (list((one or {}).values()) for one in (was, now))
        if was != now:
            odd.append(f"{name}: {was} then, {now} now")
    if odd:
        raise InputError(
            f"{folder}: its books stay as they are, since they are not of what is given: "
            f"{'; '.join(odd[:5])}{' and more' if len(odd) > 5 else ''}. Give what they were made "
            f"from; or apply what is decided (review --apply {folder} leaves out what came since); "
            "or add --overwrite for new books: those that hold decisions are then moved aside"
        )


def listed(names: Sequence[str]) -> str:
    """Some names, and how many more there are."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")


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
