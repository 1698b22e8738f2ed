"""The state machine behind a simulated client, and what it may do in each state."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_llm.profiles import Profile, Readiness, Reason
from mi_llm.simulation.action import Action, allowed, chosen
from mi_llm.simulation.state import (
    Act,
    Addressed,
    ClientState,
    Event,
    Observation,
    initial_state,
    step,
)

WAYS = ("asked", "reflected", "affirmed")


def profile(*reasons: Reason, receptivity: int = 3, ready: int = 3) -> Profile:
    at = Readiness(stage="contemplation", importance=ready, confidence=ready, ready=ready)
    return Profile(
        id="p",
        target_behaviour="早睡",
        manifestations=("两点才睡",),
        reasons=reasons or (Reason(id="r1", text="怕黑"),),
        readiness=at,
        receptivity=receptivity,
    )


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    reasons = [
        Reason(
            id=f"r{number}",
            text=f"缘由{number}",
            unlock=tuple(draw(st.sets(st.sampled_from(WAYS), min_size=1))),
            sensitivity=draw(st.integers(1, 5)),
        )
        for number in range(1, draw(st.integers(1, 4)) + 1)
    ]
    return profile(*reasons, receptivity=draw(st.integers(1, 5)), ready=draw(st.integers(0, 10)))


addressed = st.builds(
    Addressed, st.sampled_from(["r1", "r2", "r3", "r4", "r9"]), st.sampled_from(WAYS)
)
observations = st.builds(
    Observation,
    st.frozensets(st.sampled_from(Act)),
    st.lists(addressed, max_size=4).map(tuple),
    st.booleans(),
)
turns = st.lists(st.none() | observations, max_size=25)


def numbers(state: ClientState) -> tuple[int, int, int]:
    return state.importance, state.confidence, state.ready


def states(one: Profile, seen: list[Observation | None]) -> list[ClientState]:
    found = [initial_state(one)]
    for observation in seen:
        found.append(step(found[-1], observation, one)[0])
    return found


@given(profiles(), turns)
def test_no_sequence_of_turns_without_an_unlocking_word_moves_readiness(one, seen):
    ways = {reason.id: reason.unlock for reason in one.reasons}
    harmless = [
        observation
        and replace(
            observation,
            addressed=tuple(
                each for each in observation.addressed if each.how not in ways.get(each.reason, ())
            ),
        )
        for observation in seen
    ]
    assert {numbers(state) for state in states(one, harmless)} == {numbers(initial_state(one))}


@given(profiles(), turns)
def test_readiness_moves_only_in_a_turn_that_unlocks_and_then_by_at_most_two(one, seen):
    state = initial_state(one)
    for observation in seen:
        after, events = step(state, observation, one)
        gains = [new - old for new, old in zip(numbers(after), numbers(state), strict=True)]
        unlocked = after.unlocked - state.unlocked
        assert [event.about for event in events if event.kind == "unlocked"] == list(unlocked)
        if unlocked:
            assert len(unlocked) == 1
            assert all(0 <= gain <= 2 for gain in gains)
            assert gains[2] == min(2, 10 - state.ready)
        else:
            assert gains == [0, 0, 0]
        state = after


@given(profiles(), turns)
def test_all_numbers_stay_in_bounds_and_moods_move_by_at_most_one(one, seen):
    found = states(one, seen)
    for state in found:
        assert all(0 <= number <= 10 for number in numbers(state))
        assert 1 <= state.receptivity <= 5
        assert 0 <= state.resistance <= 3
    for before, after in pairwise(found):
        assert abs(after.receptivity - before.receptivity) <= 1
        assert abs(after.resistance - before.resistance) <= 1


@given(profiles(), turns)
def test_reasons_come_out_one_a_turn_and_stay_out_and_the_unlocked_are_disclosed(one, seen):
    for before, after in pairwise(states(one, seen)):
        assert before.disclosed <= after.disclosed
        assert before.unlocked <= after.unlocked <= after.disclosed
        assert len(after.disclosed - before.disclosed) <= 1
        assert after.disclosed <= {reason.id for reason in one.reasons}


@given(profiles(), observations)
def test_a_reason_more_sensitive_than_the_client_is_open_stays_where_it_is(one, seen):
    state = initial_state(one)
    after, _ = step(state, seen, one)
    open_to = {each.id for each in one.reasons if each.sensitivity <= state.receptivity}
    assert after.disclosed <= open_to


@given(profiles(), turns)
def test_a_turn_that_was_not_observed_changes_nothing(one, seen):
    state = states(one, seen)[-1]
    assert step(state, None, one) == (state, ())


@given(profiles(), turns)
def test_what_changed_is_told_by_events(one, seen):
    state = initial_state(one)
    told = (
        "importance", "confidence", "ready", "receptivity", "resistance", "disclosed", "unlocked"
    )  # fmt: skip
    for observation in seen:
        after, events = step(state, observation, one)
        moved = any(getattr(state, name) != getattr(after, name) for name in told)
        assert bool(events) == moved
        state = after


@pytest.mark.parametrize(
    ("how", "gained"), [("asked", (1, 1, 2)), ("reflected", (2, 1, 2)), ("affirmed", (1, 2, 2))]
)
def test_an_unlocked_reason_raises_readiness(how, gained):
    one = profile(ready=3)
    seen = Observation(frozenset(), (Addressed("r1", how),))
    after, events = step(initial_state(one), seen, one)
    assert numbers(after) == tuple(3 + gain for gain in gained)
    assert events == (Event("unlocked", "r1", how),)
    again, events = step(after, seen, one)
    assert (numbers(again), events) == (numbers(after), ())


def test_a_reason_is_told_after_a_question_and_unlocked_by_its_own_way():
    one = profile(Reason(id="r1", text="怕黑", unlock=("reflected",)))
    asked = Observation(frozenset({Act.QUESTION}), (Addressed("r1", "asked"),))
    told, events = step(initial_state(one), asked, one)
    assert told.disclosed == {"r1"}
    assert not told.unlocked
    assert events == (Event("disclosed", "r1"),)
    reflected = Observation(frozenset({Act.REFLECTION}), (Addressed("r1", "reflected"),))
    after, _ = step(told, reflected, one)
    assert after.unlocked == {"r1"}


def test_the_reason_that_was_named_is_told_before_the_first_of_the_profile():
    one = profile(Reason(id="r1", text="怕黑"), Reason(id="r2", text="加班", unlock=("affirmed",)))
    seen = Observation(frozenset({Act.QUESTION}), (Addressed("r2", "asked"),))
    assert step(initial_state(one), seen, one)[0].disclosed == {"r2"}


def moods(*acts: set[Act]) -> list[tuple[int, int]]:
    one = profile(Reason(id="r1", text="怕黑", sensitivity=5), receptivity=2)
    found = states(one, [Observation(frozenset(each)) for each in acts])
    return [(state.receptivity, state.resistance) for state in found]


def test_confrontation_closes_a_client_and_warmth_must_calm_before_it_opens():
    assert moods({Act.CONFRONTATION}, {Act.REFLECTION}, {Act.AFFIRMATION}, {Act.AUTONOMY}) == [
        (2, 0), (1, 1), (1, 0), (2, 0), (3, 0),
    ]  # fmt: skip


def test_confrontation_weighs_more_than_a_reflection_in_the_same_turn():
    assert moods({Act.CONFRONTATION, Act.REFLECTION})[-1] == (1, 1)


@pytest.mark.parametrize(
    ("before", "advising", "after"),
    [
        (set(), {Act.ADVICE}, (1, 1)),
        ({Act.SEEKING}, {Act.ADVICE}, (2, 0)),
        (set(), {Act.ADVICE, Act.SEEKING}, (2, 0)),
        (set(), {Act.ADVICE, Act.AUTONOMY}, (3, 0)),
    ],
)
def test_advice_closes_a_client_unless_it_could_decline(before, advising, after):
    assert moods(before, advising)[-1] == after


@dataclass(frozen=True)
class Case:
    """A state and what has just happened."""

    s: ClientState
    advised: bool
    event: str

    @property
    def calm(self) -> bool:
        return self.s.resistance < 2


# The table of the docstring once more, as what must hold where an action is allowed.
RULES: dict[Action, Callable[[Case], bool]] = {
    Action.INFORM: lambda c: c.event == "disclosed" or c.calm,
    Action.ENGAGE: lambda c: c.calm and c.s.receptivity >= 3,
    Action.HESITATE: lambda c: c.calm and 3 <= c.s.ready <= 7,
    Action.DOUBT: lambda c: c.calm and 3 <= c.s.ready <= 5,
    Action.DENY: lambda c: not c.calm or c.s.ready <= 2,
    Action.DOWNPLAY: lambda c: not c.calm or c.s.ready <= 2,
    Action.BLAME: lambda c: not c.calm,
    Action.ACKNOWLEDGE: lambda c: c.event == "unlocked" or (c.calm and c.s.ready >= 3),
    Action.ACCEPT: lambda c: c.calm and c.s.ready >= 6,
    Action.REJECT: lambda c: c.advised and c.s.ready < 8,
    Action.PLAN: lambda c: c.calm and c.s.ready >= 8 and not c.s.planned,
    Action.TERMINATE: lambda c: (
        c.s.counselor_farewell
        or (c.s.resistance == 3 and c.s.receptivity == 1)
        or (c.calm and c.s.planned)
    ),
}


def test_each_action_is_allowed_only_where_the_table_says_and_there_is_always_one():
    met: set[Action] = set()
    for ready, receptivity, resistance in product(range(11), range(1, 6), range(4)):
        for planned, farewell, kind, advised in product(
            (False, True), (False, True), ("", "unlocked", "disclosed"), (False, True)
        ):
            state = ClientState(
                ready, ready, ready, receptivity, resistance,
                planned=planned, counselor_farewell=farewell,
            )  # fmt: skip
            seen = Observation(frozenset({Act.ADVICE} if advised else ()))
            events = [Event(kind, "r1")] if kind else []
            found = allowed(state, state, seen, events)
            assert found
            assert len(set(found)) == len(found)
            for action in found:
                assert RULES[action](Case(state, advised, kind)), (action, state, events)
            met.update(found)
    assert met == set(Action)


def test_a_farewell_is_answered_and_a_reason_just_disclosed_is_told():
    state = ClientState(5, 5, 5, 3)
    parting = replace(state, counselor_farewell=True)
    assert allowed(state, parting, Observation(), [Event("unlocked", "r1")]) == (Action.TERMINATE,)
    assert allowed(state, state, Observation(), [Event("disclosed", "r1")]) == (Action.INFORM,)


def test_the_draw_alone_decides_among_what_is_allowed():
    state = ClientState(5, 5, 5, 3)
    drawn = [
        [
            chosen(state, state, Observation(), [], draw=random.Random(f"{seed}/{number}"))
            for number in range(30)
        ]
        for seed in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    assert set(drawn[0]) == set(allowed(state, state, Observation(), []))
