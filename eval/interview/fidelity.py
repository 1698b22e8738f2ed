"""How the simulated clients played: their talk, lengths and endings beside those of real sessions.

A client that is too easy to persuade would flatter every counselor. So the share of change, sustain
and neutral talk stands beside AnnoMI's, and lengths beside the paper's Table 4.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from eval.interview.interview import Held
from eval.miti.tables import Table, sections
from mi_llm.simulation.annomi_talk import SHARES
from mi_llm.simulation.ending import EndReason
from mi_llm.simulation.gates import GateKind
from mi_llm.statistics import AMOUNT, SHARE, Estimate, Scale, clustered_mean, few_dialogues

OVERALL = "all models"  # no model's name holds a space
_KINDS = ("change", "sustain", "neutral")
# Table 4's three tuned models, whose clients were two researchers: means, lowest to highest.
PAPER_CHARACTERS = "10.71-14.80"
PAPER_ROUNDS = "17.40-18.90"


@dataclass(frozen=True, slots=True)
class Fidelity:
    """What the clients of some sessions did.

    Attributes:
        sessions: How many.
        client_turns: All that were said.
        talk: Turns of each kind, of those that were read.
        shares: The share of each kind among them, with an interval by session; empty if none was
            read.
        characters: Of a client's turn, punctuation counted, blanks not; None without a turn.
        rounds: In a session.
        ends: Sessions by the reason they ended.
        gates: Texts that tripped a gate and were asked for again, by kind.
        unlocked: Reasons unlocked in a session.
        ready: Readiness at the beginning and at the end, means over sessions with a turn.
        unread: Client turns whose kind of talk is not known.
        unobserved: Counselor turns of which no usable report came; they changed nothing.
        dropped: Items of reports that were not believed, by why.
        interventions: Of the safety gate, by step.
        cut_off: Replies of the counselor's that ended at its longest.
    """

    sessions: int
    client_turns: int
    talk: dict[str, int]
    shares: dict[str, Estimate]
    characters: Estimate | None
    rounds: Estimate
    ends: dict[str, int]
    gates: dict[str, int]
    unlocked: Estimate
    ready: tuple[float, float] | None
    unread: int
    unobserved: int
    dropped: dict[str, int]
    interventions: dict[str, int]
    cut_off: int


def by_model(held: Sequence[Held], *, seed: int) -> dict[str, Fidelity]:
    """Fidelity of all sessions, under `OVERALL`, then of each model's in their order.

    Args:
        held: At least one session.
        seed: Of the intervals' resampling.
    """
    models = dict.fromkeys(one.session.model for one in held)
    groups = {model: [one for one in held if one.session.model == model] for model in models}
    found = {OVERALL: fidelity(held, seed=seed)}
    return found | {model: fidelity(group, seed=seed) for model, group in groups.items()}


def fidelity(held: Sequence[Held], *, seed: int) -> Fidelity:
    """What the clients of at least one session did; `seed` is that of the intervals."""
    notes = [(one, note) for one in held for note in one.conversation.notes]
    clients = [(one, note) for one, note in notes if note["role"] == "client"]
    talk = [(one.session.id, note["talk"]) for one, note in clients if note["talk"]]
    said = [(one.session.id, text) for one in held for text in _client_texts(one)]
    names = [one.session.id for one in held]
    return Fidelity(
        sessions=len(held),
        client_turns=len(said),
        talk=_counted((kind for _, kind in talk), _KINDS),
        shares={kind: _share(talk, kind, seed) for kind in _KINDS} if talk else {},
        characters=_mean([(name, _length(text)) for name, text in said], seed, AMOUNT)
        if said
        else None,
        rounds=_mean([(one.session.id, _rounds(one)) for one in held], seed, AMOUNT),
        ends=_counted((str(one.conversation.end_reason) for one in held), tuple(EndReason)),
        gates=_summed((note["gates"] for _, note in clients), get_args(GateKind)),
        unlocked=_mean(list(zip(names, map(_unlocked, held), strict=True)), seed, AMOUNT),
        ready=_ready(held),
        unread=len(said) - len(talk),
        unobserved=sum(note["unobserved"] for _, note in clients),
        dropped=_summed(
            (note["dropped"] for _, note in clients), ("quote", "reason", "contradiction")
        ),
        interventions=dict(
            sorted(
                Counter(i.step for one in held for _, i in one.conversation.interventions).items()
            )
        ),
        cut_off=sum(note.get("cut_off", False) for _, note in notes),
    )


def as_json(found: Mapping[str, Fidelity], failures: Mapping[str, str]) -> dict[str, Any]:
    """All of it with the numbers it is compared with, and why sessions ended in error."""
    from dataclasses import asdict

    return {
        "by_model": {name: asdict(one) for name, one in found.items()},
        "compared_with": {
            "annomi_talk_by_client_turn": SHARES,
            "paper_client_characters": PAPER_CHARACTERS,
            "paper_rounds": PAPER_ROUNDS,
        },
        "errors": dict(failures),
    }


def as_markdown(found: Mapping[str, Fidelity]) -> str:
    """The tables for people: how clients talked, how sessions went, what was stopped."""
    total = next(iter(found.values()))
    warning = few_dialogues(total.sessions)
    head = (
        "# How the simulated clients played\n\n"
        "95% intervals by session in brackets. AnnoMI: 133 real sessions, English, by client turn. "
        "The paper: Table 4, clients played by two researchers, lowest to highest of three means; "
        "characters are comparable for Chinese only.\n\n"
    )
    tables = {
        "Talk, lengths": _measures(found),
        "Endings": _counts(found, lambda one: one.ends),
        "Stopped by a gate and said anew": _counts(found, lambda one: one.gates),
        "Also counted": _counts(found, _others),
    }
    return head + (f"{warning[0].upper()}{warning[1:]}.\n\n" if warning else "") + sections(tables)


def talk_line(one: Fidelity) -> str:
    """One line: the clients' talk beside AnnoMI's."""
    if not one.shares:
        return "client talk: none was read"
    own = "/".join(f"{100 * one.shares[kind].mean:.0f}" for kind in _KINDS)
    real = "/".join(f"{100 * SHARES[kind]:.0f}" for kind in _KINDS)
    turns = f"{sum(one.talk.values()):,} turns"
    return f"client talk, change/sustain/neutral: {own}% of {turns}; AnnoMI {real}%"


def _measures(found: Mapping[str, Fidelity]) -> Table:
    """Shares, lengths, rounds and unlocks: a row each."""
    rows: dict[str, list[str]] = {
        **{
            f"{kind} talk, %": [
                *(_cell(one.shares.get(kind), 100, 1) for one in found.values()),
                f"AnnoMI {100 * SHARES[kind]:.1f}",
            ]
            for kind in _KINDS
        },
        "characters in a client turn": [
            *(_cell(one.characters) for one in found.values()),
            f"paper {PAPER_CHARACTERS}",
        ],
        "rounds": [*(_cell(one.rounds) for one in found.values()), f"paper {PAPER_ROUNDS}"],
        "reasons unlocked": [*(_cell(one.unlocked) for one in found.values()), ""],
        "ready, first to last": [*(_from_to(one.ready) for one in found.values()), ""],
        "sessions": [*(f"{one.sessions:,}" for one in found.values()), ""],
        "client turns": [*(f"{one.client_turns:,}" for one in found.values()), ""],
    }
    return [["", *found, "compared with"], *([name, *cells] for name, cells in rows.items())]


def _counts(found: Mapping[str, Fidelity], of: Any) -> Table:
    columns: list[dict[str, int]] = [of(one) for one in found.values()]
    names = dict.fromkeys(name for column in columns for name in column)
    rows = [[name, *(f"{column.get(name, 0):,}" for column in columns)] for name in names]
    return [["", *found], *rows]


def _others(one: Fidelity) -> dict[str, int]:
    return {
        "client turns of unknown talk": one.unread,
        "counselor turns not observed": one.unobserved,
        "reported without words that were said": one.dropped["quote"],
        "reported of an unknown reason": one.dropped["reason"],
        "contradictions of no fact, or in words that were not said": one.dropped["contradiction"],
        "replies cut off": one.cut_off,
        **{f"safety gate: {step}": count for step, count in one.interventions.items()},
    }


def _client_texts(held: Held) -> list[str]:
    return [turn.content for turn in held.conversation.turns if turn.role == "client"]


def _length(text: str) -> int:
    return len("".join(text.split()))


def _rounds(held: Held) -> int:
    return len(held.conversation.turns) // 2


def _states(held: Held) -> list[dict[str, Any]]:
    return [note["state"] for note in held.conversation.notes if note.get("state")]


def _unlocked(held: Held) -> int:
    states = _states(held)
    return len(states[-1]["unlocked"]) if states else 0


def _ready(held: Sequence[Held]) -> tuple[float, float] | None:
    ends = [(states[0]["ready"], states[-1]["ready"]) for one in held if (states := _states(one))]
    if not ends:
        return None
    first, last = zip(*ends, strict=True)
    return sum(first) / len(ends), sum(last) / len(ends)


def _steps(held: Sequence[Held]) -> dict[str, int]:
    steps = Counter(given.step for one in held for _, given in one.conversation.interventions)
    return {str(step): count for step, count in sorted(steps.items())}


def _share(talk: Sequence[tuple[str, str]], kind: str, seed: int) -> Estimate:
    return _mean([(name, float(one == kind)) for name, one in talk], seed, SHARE)


def _mean(values: Sequence[tuple[str, float]], seed: int, scale: Scale) -> Estimate:
    names, numbers = zip(*values, strict=True)
    return clustered_mean(numbers, names, scale=scale, seed=seed)


def _counted(values: Iterable[str], names: Sequence[str]) -> dict[str, int]:
    counts = Counter(values)
    return {str(name): counts[name] for name in names}


def _summed(counts: Iterable[Mapping[str, int]], names: Sequence[str]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return {name: total[name] for name in names}


def _cell(one: Estimate | None, factor: float = 1.0, places: int = 2) -> str:
    if one is None:
        return "-"
    mean = f"{factor * one.mean:.{places}f}"
    if one.low is None or one.high is None:
        return f"{mean} (too few)"
    return f"{mean} ({factor * one.low:.{places}f} to {factor * one.high:.{places}f})"


def _from_to(ready: tuple[float, float] | None) -> str:
    return f"{ready[0]:.1f} to {ready[1]:.1f}" if ready else "-"
