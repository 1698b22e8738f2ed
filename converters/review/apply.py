"""Decisions applied: what is kept, what is not and why, and how far two reviewers agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from converters.review.check_structure import FEWEST_ROUNDS
from converters.review.decisions import Decision
from converters.review.findings import GROUNDS
from converters.review.machine_checks import check
from mi_llm import agreement
from mi_llm.dialogue import Dialogue, DialogueError, Turn

LEFT_OUT, PASSED, SAMPLED = "left out", "passed", "sampled"
NEEDED = {False: 1, True: 2}  # decisions, by whether a dialogue is for two


@dataclass(slots=True)
class Settled:
    """What all books together say.

    Attributes:
        decisions: The one that stands, by dialogue.
        pairs: What the first two reviewers of a dialogue said, where there are two.
        undecided: Dialogues that lack a decision.
        disputed: Dialogues on which reviewers disagree, with both decisions.
        faults: What is wrong beyond a single book.
    """

    decisions: dict[str, Decision] = field(default_factory=dict)
    pairs: list[tuple[Decision, Decision]] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)
    disputed: dict[str, tuple[Decision, ...]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Funnel:
    """How many dialogues went in, where they were lost, and how many came out."""

    counts: Counter[str] = field(default_factory=Counter)
    by_machine: Counter[str] = field(default_factory=Counter)
    by_people: Counter[str] = field(default_factory=Counter)
    sampled: int = 0
    sampled_not_kept: int = 0


def settle(decisions: Sequence[Decision], items: Mapping[str, Mapping[str, Any]]) -> Settled:
    """Bring the decisions of all books together.

    Args:
        decisions: Of all books, in the order of the books.
        items: The plan's, by dialogue; those to be read count.
    """
    settled = Settled()
    by_dialogue: dict[str, list[Decision]] = {}
    for one in decisions:
        by_dialogue.setdefault(one.id, []).append(one)
    for name, item in items.items():
        if item["state"] in (LEFT_OUT, PASSED):
            continue
        own = by_dialogue.get(name, [])
        _settle_one(name, own, NEEDED[bool(item["for_two"])], settled)
    return settled


def _settle_one(name: str, own: Sequence[Decision], needed: int, settled: Settled) -> None:
    first = [one for one in own if not one.third]
    third = [one for one in own if one.third]
    by_reviewer: dict[str, Decision] = {}
    for one in own:
        if one.reviewer in by_reviewer:
            other = by_reviewer[one.reviewer].where
            settled.faults.append(
                f"{one.where}: {one.reviewer} decides on {name} a second time, after {other}; "
                "two different people are needed"
            )
        by_reviewer[one.reviewer] = one
    if len({one.reviewer for one in first}) >= 2:
        settled.pairs.append((first[0], first[1]))
    if len(first) < needed:
        settled.undecided.append(name)
    elif all(first[0].agrees(one) for one in first):
        settled.decisions[name] = first[0]
    elif third:
        settled.decisions[name] = third[-1]
    else:
        settled.disputed[name] = tuple(first)


def disputes(settled: Settled) -> list[str]:
    """Each dialogue on which two reviewers disagree, where each said so, and the way out."""
    return [
        f"{name}: reviewers disagree ({'; '.join(f'{one.where}: {one.category}' for one in own)}); "
        "a third decides: write the book with --disputed, and give it with the others"
        for name, own in settled.disputed.items()
    ]


def undecided(settled: Settled, cells: Sequence[tuple[str, str]], refused: Set[str]) -> list[str]:
    """Each dialogue that lacks a decision: by its empty cells, or by id if no book holds it.

    Args:
        settled: What all books say.
        cells: Dialogues with the place of an empty decision.
        refused: Dialogues whose decision has a fault, which is told already.
    """
    where: dict[str, list[str]] = {}
    for name, cell in cells:
        where.setdefault(name, []).append(cell)
    return [
        f"{place}: {name} is undecided; decide, or add --partial to leave it out"
        for name in settled.undecided
        if name not in refused
        for place in where.get(name, ["in no book given"])
    ]


def applied(
    dialogue: Dialogue, source: Dialogue | None, decision: Decision
) -> tuple[Dialogue | None, str | None, list[str]]:
    """What a decision makes of a dialogue.

    Args:
        dialogue: As it was reviewed.
        source: What it was transcribed from, if known.
        decision: The one that stands.

    Returns:
        The dialogue that is kept or None; why it is not kept (a ground, or `too short after the
        cut`); and the faults of a changed text, which the machine checks have read again.
    """
    if decision.verdict == "keep":
        return _marked(dialogue, dialogue.turns, "keep"), None, []
    if decision.verdict == "drop" and decision.cut is None:
        return None, decision.reason, []
    turns = _edited(dialogue, decision) if decision.verdict == "edit" else _cut(dialogue, decision)
    if decision.cut and len(turns) < 2 * FEWEST_ROUNDS + dialogue.opens_with_counselor:
        return None, "too short after the cut", []
    try:
        changed = _marked(dialogue, turns, decision.category)
    except DialogueError as error:
        return None, None, [f"{decision.where}: {error}"]
    faults = [
        f"{decision.where}: {dialogue.id} as changed, turn {one.turn or '-'}: "
        f"{one.kind}: {one.reason}"
        for one in check(changed, source)
        if one.hard
    ]
    return changed, None, faults


def outcomes(
    dialogues: Iterator[Dialogue],
    source: Callable[[Dialogue], Dialogue | None],
    items: Mapping[str, Mapping[str, Any]],
    settled: Settled,
    funnel: Funnel,
) -> Iterator[Dialogue]:
    """Yield what is kept, in the order of the file, and count the rest into the funnel."""
    for dialogue in dialogues:
        item = items[dialogue.id]
        funnel.counts["in"] += 1
        decision = settled.decisions.get(dialogue.id)
        if item["state"] == LEFT_OUT:
            funnel.by_machine[item["ground"]] += 1
            continue
        if item["state"] == PASSED:
            funnel.counts["passed unread"] += 1
            kept: Dialogue | None = _marked(dialogue, dialogue.turns, "unread")
        elif decision is None:
            funnel.counts["undecided"] += 1
            continue
        else:
            kept, reason, _ = applied(dialogue, source(dialogue), decision)
            funnel.counts["reviewed"] += 1
            _count(funnel, item, decision, kept, reason)
        if kept:
            funnel.counts["out"] += 1
            yield kept


def as_json(funnel: Funnel, settled: Settled) -> dict[str, Any]:
    """The funnel, its parts adding up: in = left out + undecided + dropped + out."""
    counts = funnel.counts
    return {
        "in": counts["in"],
        "left out by machine": {name: funnel.by_machine[name] for name in GROUNDS},
        "passed unread": counts["passed unread"],
        "undecided": counts["undecided"],
        "reviewed": counts["reviewed"],
        "dropped": dict(sorted(funnel.by_people.items())),
        "kept as they are": counts["keep"],
        "edited": counts["edit"],
        "cut": counts["cut"],
        "out": counts["out"],
        "sample": {"reviewed": funnel.sampled, "not kept as they are": funnel.sampled_not_kept},
        "agreement": agreement_of(settled.pairs),
    }


def agreement_of(pairs: Sequence[tuple[Decision, Decision]]) -> dict[str, Any]:
    """Agreement on keep, edit, drop and cut: n, share and kappa; None where undefined."""
    one, two = ([pair[side].category for pair in pairs] for side in (0, 1))
    if not pairs:
        return {"n": 0, "share": None, "kappa": None}
    return {
        "n": len(pairs),
        "share": agreement.percent_agreement(one, two),
        "kappa": agreement.cohen_kappa(one, two),
    }


def summary(funnel: Funnel, settled: Settled) -> Iterator[str]:
    """Yield the funnel as it is printed."""
    facts = as_json(funnel, settled)
    machine = facts["left out by machine"]
    yield f"in: {facts['in']:,}"
    yield f"left out by machine: {sum(machine.values()):,} ({_listed(machine)})"
    if facts["undecided"]:
        yield f"undecided, so left out: {facts['undecided']:,}"
    yield f"passed unread: {facts['passed unread']:,}"
    yield (
        f"reviewed: {facts['reviewed']:,}: {facts['kept as they are']:,} kept as they are, "
        f"{facts['edited']:,} edited, {facts['cut']:,} cut; dropped "
        f"{sum(facts['dropped'].values()):,} ({_listed(facts['dropped'])})"
    )
    sample = facts["sample"]
    yield (
        f"of {sample['reviewed']:,} drawn without a finding, {sample['not kept as they are']:,} "
        "were not kept as they are"
    )
    yield _agreement_line(facts["agreement"])
    yield f"out: {facts['out']:,}"


def _agreement_line(facts: Mapping[str, Any]) -> str:
    if not facts["n"]:
        return "agreement: no dialogue was decided twice"
    kappa = "undefined" if facts["kappa"] is None else f"{facts['kappa']:.2f}"
    same = f"{facts['share']:.0%} the same, n {facts['n']:,}"
    return f"agreement of two reviewers: kappa {kappa}, {same}"


def _count(
    funnel: Funnel,
    item: Mapping[str, Any],
    decision: Decision,
    kept: Dialogue | None,
    reason: str | None,
) -> None:
    if kept:
        funnel.counts[decision.category] += 1
    elif reason:
        funnel.by_people[reason] += 1
    if item["state"] == SAMPLED:
        funnel.sampled += 1
        funnel.sampled_not_kept += decision.category != "keep"


def _edited(dialogue: Dialogue, decision: Decision) -> tuple[Turn, ...]:
    return tuple(
        Turn(turn.role, decision.edits.get(number, turn.content))
        for number, turn in enumerate(dialogue.turns, start=1)
    )


def _cut(dialogue: Dialogue, decision: Decision) -> tuple[Turn, ...]:
    """The turns before the round that a turn belongs to: without one reply, the rest hangs."""
    assert decision.cut
    lead = int(dialogue.opens_with_counselor)
    rounds = max((decision.cut - 1 - lead) // 2, 0)
    return dialogue.turns[: lead + 2 * rounds]


def _marked(dialogue: Dialogue, turns: Sequence[Turn], decision: str) -> Dialogue:
    return Dialogue(dialogue.id, tuple(turns), {**dialogue.meta, "review": {"decision": decision}})


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in counts.items() if n) or "none"
