"""Decisions applied: what is kept, what is not and why, and how far two reviewers agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from converters.review.book import CHINESE, QUEUE
from converters.review.check_structure import FEWEST_ROUNDS
from converters.review.decisions import Book, Decision
from converters.review.findings import GROUNDS
from converters.review.machine_checks import check
from mi_llm import agreement
from mi_llm.dialogue import Dialogue, DialogueError, Turn

TOO_SHORT = "too short after the cut"
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
                f"{one.where}：{one.reviewer} 已决定过 {name}（{other}），需要另一个人决定"
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


def without_copies(books: Sequence[Book]) -> tuple[list[Book], list[str]]:
    """The books, without those of which another says the same or, of a blank one, more.

    Returns:
        Those that count, and a line for each copy of a filled one.
    """
    kept: list[Book] = []
    told = []
    for one in sorted(books, key=lambda book: not book.touched):
        same = [two for two in kept if (two.key, two.reviewer) == (one.key, one.reviewer)]
        if not same or (one.touched and (one.faults or not _says_so_too(one, same))):
            kept.append(one)
        elif one.touched:
            told.append(f"{one.path}：与 {same[0].path} 内容相同，只读一次")
    return [one for one in books if one in kept], told


def _says_so_too(book: Book, others: Sequence[Book]) -> bool:
    plain = [replace(one, where="") for one in book.decisions]
    return any([replace(one, where="") for one in two.decisions] == plain for two in others)


def disputes(settled: Settled) -> list[str]:
    """Each dialogue on which two reviewers disagree, where each said so, and the way out."""
    both = {
        name: "；".join(f"{one.where}：{_chosen(one)}" for one in own)
        for name, own in settled.disputed.items()
    }
    return [
        f"{name}：两位审阅人意见不同（{told}）；请第三人裁定："
        "用 --disputed 写出裁定册，填好后一起交"
        for name, told in both.items()
    ]


def _chosen(decision: Decision) -> str:
    return f"{CHINESE[decision.verdict]}{f'，从第 {decision.cut} 句起' if decision.cut else ''}"


def undecided(settled: Settled, books: Sequence[Book], absent: Mapping[str, str]) -> list[str]:
    """What lacks a decision: by cells that follow each other, by book if nothing is decided in it.

    Args:
        settled: What all books say.
        books: Those that were read.
        absent: Books that were written and are not there, with their reviewers.
    """
    refused = {name for book in books for name in book.refused}
    lacking = {name for name in settled.undecided if name not in refused}
    lines = [
        f"{f'审阅人 {who} 的' if who else ''}审阅册 {name} 没有交来" for name, who in absent.items()
    ]
    asked: set[str] = set()
    for book in books:
        open_rows = {number: name for name, number in book.undecided if name in lacking}
        asked |= set(open_rows.values())
        if open_rows and not book.touched:
            lines.append(f"{book.path}：还没有填写（{len(open_rows)} 段）")
            continue
        lines += [f"{place}；请决定，或加 --partial 略过" for place in _runs(book, open_rows)]
    nowhere = sorted(lacking - asked)
    if nowhere and not absent:
        more = f" 等 {len(nowhere)} 段" if len(nowhere) > 5 else ""
        lines.append(f"没有决定，也不在交来的审阅册里：{'、'.join(nowhere[:5])}{more}")
    return lines


def _runs(book: Book, rows: Mapping[int, str]) -> Iterator[str]:
    """Rows without a decision; those that follow each other together."""
    run: list[int] = []
    for one, after in pairwise([*sorted(rows), 0]):
        run.append(one)
        if after == one + 1:
            continue
        first, last = run[0], run[-1]
        cells = f"G{first}" if first == last else f"G{first}:G{last}"
        told = rows[first] if first == last else f"{rows[first]} 至 {rows[last]} 共 {len(run)} 段"
        yield f"{book.where(QUEUE, cells)}：{told}还没有决定"
        run = []


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
        return None, TOO_SHORT, []
    try:
        changed = _marked(dialogue, turns, decision.category)
    except DialogueError as error:
        return None, None, [f"{decision.where}: {error}"]
    faults = [
        f"{decision.where}：{dialogue.id} 改后{f'第 {one.turn} 句' if one.turn else ''}"
        f"【{GROUNDS[one.ground]}】{one.reason}"
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
        item = items.get(dialogue.id)
        if item is None:
            funnel.counts["came since"] += 1
            continue
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
        **({"came since": counts["came since"]} if counts["came since"] else {}),
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
    """Yield the funnel as it is printed, in the words of the books."""
    facts = as_json(funnel, settled)
    machine, dropped, sample = (
        facts[name] for name in ("left out by machine", "dropped", "sample")
    )
    yield f"送审：{facts['in']:,} 段"
    if came := funnel.counts["came since"]:
        yield f"备审之后才有，没有送审，略过：{came:,} 段"
    yield f"机器检查去掉：{sum(machine.values()):,} 段（{_listed(machine)}）"
    if facts["undecided"]:
        yield f"没有决定，略过：{facts['undecided']:,} 段"
    yield f"未经人读而通过：{facts['passed unread']:,} 段"
    yield (
        f"经人审阅：{facts['reviewed']:,} 段：{facts['kept as they are']:,} 段保留，"
        f"{facts['edited']:,} 段修改，{facts['cut']:,} 段删去一部分；"
        f"删除 {sum(dropped.values()):,} 段（{_listed(dropped)}）"
    )
    yield (
        f"抽样审阅的 {sample['reviewed']:,} 段中，{sample['not kept as they are']:,} 段没有原样保留"
    )
    yield _agreement_line(facts["agreement"])
    yield f"留用：{facts['out']:,} 段"


def _agreement_line(facts: Mapping[str, Any]) -> str:
    if not facts["n"]:
        return "一致性：没有两人都决定的对话"
    kappa = "无法计算" if facts["kappa"] is None else f"{facts['kappa']:.2f}"
    return f"两人的一致性：kappa {kappa}，决定相同 {facts['share']:.0%}，共 {facts['n']:,} 段"


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
    names: Mapping[str, str] = dict([*GROUNDS.items(), (TOO_SHORT, "删后太短")])
    return "，".join(f"{names.get(name, name)} {n:,}" for name, n in counts.items() if n) or "无"
