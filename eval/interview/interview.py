"""Sessions between simulated clients and counselor models, all from a seed and from ledgers.

    profile x model x number -> converse(client, counselor, gate) -> transcript

The client is `mi_llm.simulation`'s; the counselor's model gets the instruction and the turns, and
nothing else. Each endpoint has a ledger of its own, so the same command replays what was answered.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from eval.counselors import PromptAs, messages
from mi_llm.dialogue import Turn
from mi_llm.errors import InputError, Stopped
from mi_llm.llm import Answer, Door, Endpoint, Request, SetAside, Tally
from mi_llm.profiles import Profile
from mi_llm.safety import Gate, Look, Looked, NoVerdict
from mi_llm.simulation import (
    Ask,
    ClientPrompts,
    Conversation,
    Failed,
    PromptText,
    Said,
    SimulatedClient,
    converse,
)

_UNSAFE = re.compile(r"[^\w.-]")
_LONGEST_NAME = 80  # characters of a model's name in a file's


@dataclass(frozen=True, slots=True)
class Study:
    """What is to be held.

    Attributes:
        profiles: The clients.
        counselors: Each model's endpoint, by its name.
        client: The endpoint of the model behind the clients.
        prompts: What that model is told.
        instruction: What the counselors are told.
        prompt_as: Where they are told it (`eval.counselors.messages`).
        sessions: How many of each profile with each model.
        seed: Of the clients' actions.
        classifier: The endpoint of a model that gives the safety gate a second look, if any.
        safety: What it is told.
    """

    profiles: tuple[Profile, ...]
    counselors: Mapping[str, Endpoint]
    client: Endpoint
    prompts: ClientPrompts
    instruction: PromptText
    prompt_as: PromptAs
    sessions: int
    seed: int
    classifier: Endpoint | None
    safety: PromptText

    @property
    def plan(self) -> list[Session]:
        """All sessions: by model, profile and number."""
        return [
            Session(model, profile, number)
            for model in self.counselors
            for profile in self.profiles
            for number in range(1, self.sessions + 1)
        ]


@dataclass(frozen=True, slots=True)
class Session:
    """One client with one model, numbered from 1."""

    model: str
    profile: Profile
    number: int

    @property
    def id(self) -> str:
        """The id of its transcript."""
        return f"interview/{self.model}/{self.profile.id}/{self.number}"


@dataclass(frozen=True, slots=True)
class Held:
    """A session and what came of it, and of a classifier's looks at the client's turns."""

    session: Session
    conversation: Conversation
    looked: tuple[Looked, ...] = ()


@dataclass(slots=True)
class Interviews:
    """A study being held.

    Attributes:
        study: What is held.
        ledgers: The folder of answers, one file for each endpoint.
        again: Whether to ask once more what was set aside in an earlier run.
        required: Whether a client turn without the classifier's verdict ends it all.
        client: What became of the requests to the clients' model.
        counselors: What became of those to each counselor.
        classifier: What became of those to the classifier.
    """

    study: Study
    ledgers: Path
    again: bool = False
    required: bool = False
    client: Tally = field(default_factory=Tally)
    counselors: dict[str, Tally] = field(default_factory=dict)
    classifier: Tally = field(default_factory=Tally)
    _end: Exception | None = field(default=None, init=False)

    def held(self, done: Callable[[Held], None]) -> list[Held]:
        """Hold all sessions, as many at a time as the client's endpoint takes requests.

        Args:
            done: Told of each session as it ends, in any order.

        Returns:
            All of them, in the order of the plan.

        Raises:
            InputError: If a key, an address or a model is wrong, or a ledger cannot be written.
            Stopped: If a service, the budget or the disk ended it. Answers under way are waited
                for and kept; the same command goes on.
        """
        return asyncio.run(self._held(done))

    async def _held(self, done: Callable[[Held], None]) -> list[Held]:
        places = asyncio.Semaphore(self.study.client.concurrency)
        async with AsyncExitStack() as stack:
            client = await self._asker(stack, "client", self.study.client, self.client)
            counselors = {}
            for name, endpoint in self.study.counselors.items():
                tally = self.counselors.setdefault(name, Tally())
                file = f"counselor.{_file_name(name)}"
                counselors[name] = await self._asker(stack, file, endpoint, tally)
            looking = None
            if self.study.classifier:
                looking = await self._asker(
                    stack, "classifier", self.study.classifier, self.classifier
                )

            async def one(session: Session) -> Held:
                async with places:
                    counselor = counselors[session.model]
                    try:
                        held = await self._session(session, client, counselor, looking)
                    except NoVerdict as error:
                        self._end = self._end or error  # nobody asks anything more
                        raise
                done(held)
                return held

            tasks = [asyncio.create_task(one(session)) for session in self.study.plan]
            results = await asyncio.gather(*tasks, return_exceptions=True)
        if self._end:
            raise self._end
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return [result for result in results if isinstance(result, Held)]

    async def _asker(
        self, stack: AsyncExitStack, file: str, endpoint: Endpoint, tally: Tally
    ) -> Ask:
        """Ask an endpoint, until anything has ended the run for all of them."""
        path = self.ledgers / f"{file}.jsonl"
        door = await stack.enter_async_context(Door(endpoint, path, again=self.again, tally=tally))

        async def ask(request: Request) -> Answer | SetAside:
            if self._end:
                raise self._end
            try:
                return await door.ask(request)
            except (InputError, Stopped) as error:
                self._end = self._end or error
                raise

        return ask

    async def _session(
        self, session: Session, client: Ask, counselor: Ask, looking: Ask | None
    ) -> Held:
        study, profile = self.study, session.profile
        player = SimulatedClient(
            profile,
            study.prompts,
            client,
            name=session.id,
            session=session.number,
            seed=study.seed,
        )
        model = ModelCounselor(study.instruction, study.prompt_as, counselor, session)
        look = None
        if looking:
            safety = study.safety
            look = Look(safety.text, safety.sha, looking, session.id, self.required)
        talk = await converse(
            player,
            model,
            Gate(profile.locale),
            max_rounds=profile.max_rounds,
            look=look,
        )
        return Held(session, talk, tuple(look.looked) if look else ())


@dataclass(frozen=True, slots=True)
class ModelCounselor:
    """A model as `mi_llm.simulation.Speaker`: it sees the instruction and the turns alone.

    Attributes:
        instruction: What it is told.
        prompt_as: Where.
        ask: Asks it.
        session: Whose counselor it is; nothing of it is sent.
    """

    instruction: PromptText
    prompt_as: PromptAs
    ask: Ask
    session: Session

    async def speak(self, turns: tuple[Turn, ...]) -> Said:
        """Its reply as it comes.

        Raises:
            Failed: If the reply is blank, or there is none.
        """
        request = Request(
            id=f"{self.session.id}:reply {len(turns) // 2 + 1}",
            messages=messages(turns, self.instruction.text, self.prompt_as),
            prompt_sha=f"{self.instruction.sha}#{self.session.number}",
            any_text=True,
        )
        answer = await self.ask(request)
        if isinstance(answer, SetAside):
            raise Failed(f"counselor: {answer.reason}")
        text = answer.text.strip()
        if not text:
            raise Failed(f"counselor: {'a thought without a' if answer.thought else 'blank'} reply")
        return Said(text, {"cut_off": True} if answer.cut_off else {})


def requests_at_most(sessions: Sequence[Session]) -> tuple[int, int, int]:
    """Requests to the client's model if no gate trips, at most, and to the counselors at most.

    Each turn of a client is observed (not the first), spoken and read, the latter two at most three
    times; answers that do not fit, which are asked for again, are not counted.
    """
    rounds = sum(session.profile.max_rounds for session in sessions)
    opening = len(sessions)
    return 3 * rounds - opening, 7 * rounds - opening, rounds


def _file_name(name: str) -> str:
    """A file's name for a model's, different for different models."""
    safe = _UNSAFE.sub("_", name)[:_LONGEST_NAME]
    if safe == name:
        return name
    return f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
