"""How far a state may move, and which strategies may be chosen, whatever a model says."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.calm_it.actions import allowed_actions
from converters.calm_it.answers import TrackedClient, TrackedCounselor
from converters.calm_it.moves import (
    LONGEST_GOAL,
    LONGEST_LABEL,
    LONGEST_SUMMARY,
    moved_client,
    moved_counselor,
)
from converters.calm_it.states import (
    RISKS,
    STAGES,
    TALK,
    TASKS,
    ClientState,
    CounselorState,
    Emotion,
    Estimate,
    initial_client,
)
from converters.calm_it.strategies import (
    ADVISING,
    ASKING,
    REFLECTING,
    Strategy,
    allowed,
    chosen,
)
from mi_llm.profiles import Profile
from mi_llm.simulation.action import Action

SENSITIVITIES = {"r1": 1, "r2": 3, "r3": 5}
FIELDS = sorted({*TrackedClient.model_fields, *TrackedCounselor.model_fields})

_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(alphabet=st.characters(), max_size=30)
    | st.sampled_from(
        [*STAGES, *TASKS, *TALK, *RISKS, *SENSITIVITIES, "7", "1e400", "\ud800", "nan"]
    )
)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
PROPOSALS = st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), _VALUES, max_size=20)


def assert_moved(before: Estimate, after: Estimate) -> None:
    for name, highest in (
        ("importance", 10),
        ("confidence", 10),
        ("readiness", 10),
        ("resistance", 3),
    ):
        old, new = getattr(before, name), getattr(after, name)
        assert isinstance(new, int)
        assert 0 <= new <= highest
        assert abs(new - old) <= 1
    assert abs(STAGES.index(after.stage) - STAGES.index(before.stage)) <= 1
    one, other = before.emotion, after.emotion
    assert -1 <= other.valence <= 1
    assert 0 <= other.arousal <= 1
    assert abs(other.valence - one.valence) <= 0.25 + 1e-9
    assert abs(other.arousal - one.arousal) <= 0.25 + 1e-9
    assert len(other.label) <= LONGEST_LABEL


@settings(max_examples=100)
@given(st.lists(PROPOSALS, min_size=1, max_size=8))
def test_a_clients_state_moves_by_one_step_within_its_range_whatever_json_comes(
    proposals: list[dict[str, Any]],
):
    state = ClientState()
    for proposal in proposals:
        after, _ = moved_client(state, proposal, SENSITIVITIES)
        assert_moved(state, after)
        assert 1 <= after.alliance_felt <= 5
        assert abs(after.alliance_felt - state.alliance_felt) <= 1
        new = after.disclosed - state.disclosed
        assert after.disclosed >= state.disclosed
        assert len(new) <= 1
        assert all(SENSITIVITIES[name] <= state.alliance_felt for name in new)
        assert len(after.short_goal) <= LONGEST_GOAL
        assert len(after.summary) <= LONGEST_SUMMARY
        state = after


@settings(max_examples=100)
@given(st.lists(PROPOSALS, min_size=1, max_size=8), st.lists(st.sampled_from(Strategy), max_size=3))
def test_a_counselors_state_moves_by_one_step_within_its_range_whatever_json_comes(
    proposals: list[dict[str, Any]], used: list[Strategy]
):
    state = CounselorState(last_strategies=tuple(used))
    for proposal in proposals:
        after, _ = moved_counselor(state, proposal)
        assert_moved(state.client, after.client)
        assert 1 <= after.alliance_est <= 5
        assert abs(after.alliance_est - state.alliance_est) <= 1
        assert abs(TASKS.index(after.task) - TASKS.index(state.task)) <= 1
        assert after.talk in TALK
        assert after.risk in RISKS
        assert not after.permission or Strategy.SEEK_COLLABORATION in used
        assert after.last_strategies == state.last_strategies
        state = after


def test_a_proposal_is_followed_step_by_step_and_what_is_not_is_told():
    before = ClientState(stage="contemplation", importance=5, confidence=9, readiness=10)
    proposal = {
        "stage": "action",  # two places on: one
        "importance": 9,  # four on: one
        "confidence": "8",  # a number in quotes
        "readiness": 11,  # above the range: stays at its end
        "resistance": True,  # no number: kept
        "alliance": None,  # nothing: kept
        "emotion": " 委\n屈 ",
        "valence": -0.9,  # a quarter
        "arousal": float("nan"),  # kept
        "short_goal": "想被听懂",
        "summary": "满" * 700,  # cut
        "disclosed": "r3",  # sensitivity 5, alliance 3: kept
    }
    after, read = moved_client(before, proposal, SENSITIVITIES)
    assert after == ClientState(
        stage="preparation",
        importance=6,
        confidence=8,
        readiness=10,
        emotion=Emotion("委 屈", -0.25, 0.25),
        short_goal="想被听懂",
        summary="满" * 600,
    )
    assert sorted(read.kept) == ["alliance", "arousal", "disclosed", "resistance"]
    assert sorted(read.clamped) == ["importance", "readiness", "stage", "summary", "valence"]
    told, _ = moved_client(before, {"disclosed": "r2"}, SENSITIVITIES)
    assert told.disclosed == {"r2"}
    again, read = moved_client(told, {"disclosed": "none"}, SENSITIVITIES)
    assert again.disclosed == {"r2"}
    assert "disclosed" not in read.kept


def test_a_profile_gives_the_clients_first_state_and_nothing_the_counselors():
    profile = Profile.model_validate(
        {
            "id": "p",
            "target_behaviour": "早睡",
            "manifestations": ["两点才睡"],
            "reasons": ["安静"],
            "readiness": {"stage": "preparation", "importance": 8, "confidence": 2, "ready": 6},
            "receptivity": 2,
        }
    )
    assert initial_client(profile) == ClientState(
        stage="preparation", importance=8, confidence=2, readiness=6, alliance_felt=2
    )
    assert CounselorState().client == Estimate("contemplation", 5, 5, 5, 0)


ESTIMATES = st.builds(
    Estimate,
    stage=st.sampled_from(STAGES),
    importance=st.integers(0, 10),
    confidence=st.integers(0, 10),
    readiness=st.integers(0, 10),
    resistance=st.integers(0, 3),
)
STATES = st.builds(
    CounselorState,
    alliance_est=st.integers(1, 5),
    client=ESTIMATES,
    task=st.sampled_from(TASKS),
    talk=st.sampled_from(TALK),
    permission=st.booleans(),
    risk=st.sampled_from(["none", "none", *RISKS]),
)
HISTORIES = st.lists(st.sampled_from(Strategy), max_size=6)
_REFLECTIONS = {
    Strategy.SIMPLE_REFLECTION,
    Strategy.COMPLEX_REFLECTION,
    Strategy.DOUBLE_SIDED_REFLECTION,
}


@settings(max_examples=300)
@given(st.none() | STATES, HISTORIES)
def test_the_rules_hold_for_any_state_and_any_history(
    state: CounselorState | None, history: list[Strategy]
):
    found = allowed(state, history)
    assert len(set(found)) == len(found)
    if state and state.risk != "none":
        assert found == (Strategy.SAFETY_RESPONSE,)
        return
    assert Strategy.SAFETY_RESPONSE not in found
    assert len(found) > 1  # the model always has a choice
    if ADVISING & set(found):
        assert Strategy.SEEK_COLLABORATION in history[-3:]
        assert state is None or state.permission
    if len(history) > 1 and history[-1] == history[-2]:
        assert history[-1] not in found
    if history and history[-1] in ASKING:
        assert set(found) <= REFLECTING
    if state is None:
        return
    client = state.client
    if state.alliance_est < 3:
        assert set(found) <= _REFLECTIONS | {Strategy.AFFIRM}
    elif state.talk == "sustain":
        assert set(found) <= _REFLECTIONS | {Strategy.EMPHASISE_AUTONOMY}
    elif client.importance >= 6 and client.confidence < 5:
        evoking = {Strategy.CONFIDENCE_RULER, Strategy.VALUES_PAST_SUCCESS, Strategy.AFFIRM}
        assert set(found) <= evoking | {Strategy.COMPLEX_REFLECTION, Strategy.SUMMARY}
        if not history:
            assert evoking <= set(found)
    elif client.readiness >= 7:
        assert Strategy.OPEN_QUESTION not in found
        if history[-1:] == [Strategy.SEEK_COLLABORATION] and state.permission:
            assert Strategy.PLAN_BUILDING in found
    else:
        assert Strategy.PLAN_BUILDING not in found


@settings(max_examples=100)
@given(st.lists(STATES, max_size=40), st.integers())
def test_no_dialogue_asks_more_often_than_it_reflects_but_for_its_last_turn(
    states: list[CounselorState], seed: int
):
    draw, history = random.Random(seed), list[Strategy]()
    for state in states:
        history.append(draw.choice(allowed(state, history)))
        if history[-1] == Strategy.SAFETY_RESPONSE:
            break
        asked = sum(one in ASKING for one in history)
        assert asked <= sum(one in REFLECTING for one in history) + 1


def test_there_are_the_sixteen_strategies_and_a_choice_that_is_not_allowed_falls_back():
    assert len(Strategy) == 16
    among = (Strategy.SIMPLE_REFLECTION, Strategy.AFFIRM)
    assert chosen("affirm", among) == (Strategy.AFFIRM, True)
    for name in ("open_question", "", None, 7, ["affirm"]):
        assert chosen(name, among) == (Strategy.SIMPLE_REFLECTION, False)


@pytest.mark.parametrize(
    ("state", "pressed", "planned", "expected"),
    [
        (ClientState(readiness=2), False, False, "inform engage deny downplay"),
        (ClientState(readiness=2, alliance_felt=2), False, False, "inform deny downplay"),
        (ClientState(readiness=4), False, False, "inform engage hesitate doubt acknowledge"),
        (ClientState(readiness=4), True, False, "inform engage hesitate doubt acknowledge reject"),
        (ClientState(readiness=6), False, False, "inform engage hesitate acknowledge accept"),
        (ClientState(readiness=9), True, False, "inform engage acknowledge accept plan"),
        (ClientState(readiness=9), False, True, "inform engage acknowledge accept terminate"),
        (ClientState(resistance=2), False, True, "deny downplay blame"),
        (
            ClientState(resistance=3, alliance_felt=1),
            False,
            False,
            "deny downplay blame terminate",
        ),
    ],
)
def test_an_action_is_allowed_by_the_hidden_state(
    state: ClientState, pressed: bool, planned: bool, expected: str
):
    found = allowed_actions(state, state, pressed=pressed, planned=planned)
    assert set(found) == {Action(one) for one in expected.split()}
    told = ClientState(resistance=state.resistance, disclosed=frozenset({"r1"}))
    assert allowed_actions(state, told, pressed=pressed, planned=planned) == (Action.INFORM,)
