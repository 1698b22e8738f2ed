"""Many dialogues at once, in a ledger that a run can be taken up from, and their files."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, TextIO

import prompts
from converters.asking import Aside, Asides, ledger_path
from converters.calm_it.answers import TrackedClient
from converters.calm_it.asking import LEAST_FOR_TURNS, PROMPT_TOKENS, room_for_turns
from converters.calm_it.client import TRACKER, tracker_material
from converters.calm_it.frameworks import PROMPTS, Session, most_requests
from converters.calm_it.moves import LONGEST_GOAL, LONGEST_LABEL, LONGEST_SUMMARY
from converters.calm_it.session import made
from converters.calm_it.states import ClientState, Emotion
from mi_llm import files
from mi_llm.dialogue import Dialogue, dialogue_lines
from mi_llm.door.progress import Progress
from mi_llm.errors import InputError, Stopped
from mi_llm.llm import Door
from mi_llm.service import Alike, Service, alike
from mi_llm.stamp import stamped_set

if TYPE_CHECKING:
    from converters.calm_it.names import Framework
    from mi_llm.llm import Answer, Endpoint, Request, SetAside
    from mi_llm.profiles import Profile

_TYPICAL_TURN = 60  # tokens, for the plan of a role-play
_TYPICAL_PROMPT = 1800  # tokens beside the turns, of the same


@dataclass(slots=True)
class Made:
    """What came of a run.

    Attributes:
        dialogues: How many were made.
        rounds: In all of them.
        asides: Those that were not, by status and kind of reason.
        ends: Why the dialogues ended.
        counts: What was counted in them: `requests`, `selector_fallback`, ...
        reasons: What trackers and selector gave as theirs, by side.
    """

    dialogues: int = 0
    rounds: int = 0
    asides: Asides = field(default_factory=Asides)
    ends: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, list[list[str]]] = field(default_factory=dict)

    def take(self, one: Dialogue | Aside) -> None:
        """Count one more."""
        if isinstance(one, Aside):
            self.asides[one.status, one.kind] += 1
            return
        self.dialogues += 1
        self.rounds += len(one.rounds)
        self.ends[one.meta["transcript"]["end_reason"]] += 1
        self.counts += Counter(one.meta["calm_it"]["counts"])
        for told in one.meta["calm_it"].get("rounds", ()):
            for side in ("client", "counselor"):
                if reason := told.get(side, {}).get("reason"):
                    self.reasons.setdefault(side, []).append([reason])

    @property
    def alike(self) -> list[Alike]:
        """The reasons of each side that hardly vary."""
        found = (alike(f"{side}'s reasons", one) for side, one in self.reasons.items())
        return [one for one in found if one]

    def line(self) -> str:
        """What a person wants to know of the dialogues, on one line."""
        told = [f"{self.rounds:,} rounds", f"ended by {_listed(self.ends)}"]
        return "; ".join([*told, _listed(self.counts)])

    def as_counts(self) -> dict[str, int]:
        """What a stamp records."""
        aside = {
            f"{status}: {kind}": count for (status, kind), count in sorted(self.asides.items())
        }
        return {
            "sessions": self.dialogues + self.asides.total(),
            "dialogues": self.dialogues,
            "rounds": self.rounds,
            **{f"ended: {name}": count for name, count in sorted(self.ends.items())},
            **dict(sorted(self.counts.items())),
            **{name: count for one in self.alike for name, count in one.counts.items()},
            **aside,
        }


def sessions(
    profiles: Sequence[Profile], framework: Framework, *, rounds: int, each: int, seed: int
) -> list[Session]:
    """The dialogues to make, in the order of the output.

    Raises:
        InputError: If a profile is so long that its prompts leave no room for turns.
    """
    for profile in profiles:
        room = room_for_profile(profile)
        if room < LEAST_FOR_TURNS:
            raise InputError(
                f"profile {profile.id}: too long: prompts of {PROMPT_TOKENS:,} tokens keep"
                f" {max(room, 0):,} for turns, and {LEAST_FOR_TURNS:,} are needed; shorten it"
            )
    return [
        Session(framework, profile, rounds, number, seed)
        for profile in profiles
        for number in range(1, each + 1)
    ]


def room_for_profile(profile: Profile) -> int:
    """Tokens that the longest prompt about a profile, its tracker's, leaves for turns."""
    fullest = ClientState(
        emotion=Emotion("满" * LONGEST_LABEL),
        short_goal="满" * LONGEST_GOAL,
        disclosed=frozenset(one.id for one in profile.reasons),
    )
    about = tracker_material(profile, fullest.as_record(), "满" * LONGEST_SUMMARY)
    return room_for_turns(prompts.load(TRACKER).fill(), about, TrackedClient)


def plan_lines(planned: Sequence[Session], endpoint: Endpoint) -> list[str]:
    """What a run would ask at most, for people; nothing is sent."""
    framework, rounds = planned[0].framework, planned[0].rounds
    each = most_requests(framework, rounds)
    requests = len(planned) * each
    tokens, bound = _tokens_in(framework, rounds, each)
    tokens *= len(planned)
    out = requests * endpoint.max_tokens
    prices = endpoint.prices
    cost = prices.cost(endpoint.model, tokens, out) if prices else None
    currency = prices.currency if prices else ""
    money = "unknown (no price)" if cost is None else f"{cost:.2f} {currency}"
    return [
        f"{len(planned):,} sessions of at most {rounds:,} rounds by {framework}",
        f"at most {requests:,} requests ({each:,} a session), {bound} {tokens:,} tokens in"
        f" (Chinese 1 a character, other text 1 for 4), at most {out:,} out",
        f"cost at most: {money}; up to three times that if every answer has to be asked again",
        "nothing was sent",
    ]


def write(
    planned: Sequence[Session],
    source: Path,
    output: Path,
    service: Service,
    *,
    overwrite: bool = False,
) -> Made:
    """Make dialogues; the files appear when every session is accounted for.

    Args:
        planned: The sessions, at least one.
        source: The file of profiles, for the stamp.
        output: File of the dialogues. What was set aside goes to `aside_path(output)`.
        service: Whom to ask; as many sessions as its concurrency go on at once.
        overwrite: Whether the output may exist.

    Raises:
        InputError: If no request can go well, or a file cannot be written.
        Stopped: If the answers could not all be got, or the disk is full.
    """
    files.refuse_existing(output, overwrite=overwrite)
    found = Made()
    # Without a name, so that a run that is killed leaves no half of a corpus lying about.
    with _nameless() as done, _nameless() as left:

        def take(one: Dialogue | Aside) -> None:
            found.take(one)
            if isinstance(one, Dialogue):
                done.writelines(dialogue_lines([one]))
            else:
                left.write(one.line())

        asyncio.run(_run(planned, service, take))
        with stamped_set(inputs=[source], packages=["openai"]) as (outputs, details):
            _copy(done, outputs.text(output, overwrite=overwrite))
            _copy(left, outputs.text(aside_path(output), overwrite=True))
            details.update(_details(planned[0], found, service))
    return found


def aside_path(output: Path) -> Path:
    """Where the sessions without a dialogue are told, with the reason."""
    return output.with_name(f"{output.name}.aside.jsonl")


def service_for(endpoint: Endpoint, output: Path, *, again: bool) -> Service:
    """The model with the ledger that lies beside an output."""
    return Service(endpoint, ledger_path(output), again=again, progress=True)


async def _run(
    planned: Sequence[Session], service: Service, take: Callable[[Dialogue | Aside], None]
) -> None:
    """Hold the sessions, as many at once as there may be, and take what comes in their order."""
    endpoint = service.endpoint
    requests = range(sum(most_requests(one.framework, one.rounds) for one in planned))
    currency = endpoint.prices.currency if endpoint.prices else ""
    door = Door(endpoint, service.ledger, again=service.again, tally=service.tally)
    with Progress(requests, currency, shown=service.progress) as shown:
        async with door:

            async def ask(request: Request) -> Answer | SetAside:
                result = await door.ask(request)
                shown.update(door.tally)
                return result

            turn = asyncio.Semaphore(endpoint.concurrency)

            async def one(session: Session) -> Dialogue | Aside:
                async with turn:
                    return await made(session, ask, endpoint)

            await _in_order(map(one, planned), 2 * endpoint.concurrency, take)


async def _in_order(
    work: Iterable[Any], at_once: int, take: Callable[[Dialogue | Aside], None]
) -> None:
    """Start work as it may go on, and take the results in the order of the work.

    The first that raises ends it. What the others have asked by then is waited for, as it is paid
    for; they ask nothing more, since the door is closed to all.
    """
    waiting: Iterator[Any] = iter(work)
    tasks: deque[asyncio.Task[Dialogue | Aside]] = deque()
    try:
        while True:
            while len(tasks) < at_once and (begun := next(waiting, None)) is not None:
                tasks.append(asyncio.ensure_future(begun))
            if not tasks:
                return
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            while tasks and tasks[0].done():
                take(tasks.popleft().result())
            for task in [one for one in tasks if one.done()]:
                task.result()
    except (InputError, Stopped):
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _details(session: Session, found: Made, service: Service) -> dict[str, Any]:
    return {
        "counts": found.as_counts(),
        "framework": session.framework,
        "rounds": session.rounds,
        "seed": session.seed,
        "prompt_tokens": PROMPT_TOKENS,
        "prompts": {name: prompts.load(name).sha for name in PROMPTS[session.framework]},
        "endpoint": service.as_stamp(),
    }


def _tokens_in(framework: Framework, rounds: int, requests: int) -> tuple[int, str]:
    """Tokens of a session's prompts, and whether that is the most or a guess.

    A simulated client is told the whole conversation, so a role-play's prompts grow.
    """
    if framework not in ("roleplay", "roleplay-strategies"):
        return requests * PROMPT_TOKENS, "at most"
    turns = 2 * _TYPICAL_TURN * rounds * (rounds + 1)  # the speaker's and the counselor's
    return requests * _TYPICAL_PROMPT + turns, "about"


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.most_common()) or "nothing"


def _copy(source: TextIO, target: TextIO) -> None:
    source.seek(0)
    shutil.copyfileobj(source, target)


def _nameless() -> Any:
    return TemporaryFile("w+", encoding="utf-8", newline="\n")
