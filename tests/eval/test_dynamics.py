"""Measures of dialogues whose answers are derived by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.dynamics.annotations import Annotation, Block, ClientTurn, Volley, read_annotations
from eval.dynamics.measures import longest_run, parts, repeated, value
from eval.dynamics.redirections import Redirection, accepted, redirections
from eval.dynamics.requests import spans
from eval.dynamics.stability import Score, places, scores, trend
from eval.dynamics.tables import page, told
from eval.dynamics.tracking import tracking
from eval.dynamics.words import chinese, words
from mi_llm.dialogue import Dialogue, dialogue_lines
from mi_llm.errors import InputError
from mi_llm.statistics import SHARE, T_BASED, Estimate
from tests.eval.dynamics_dialogues import (
    blocks,
    dialogue,
    loaded,
    measured,
    run,
    saved_annotations,
    subjects_of,
    talk,
    volleys,
)

# Four rounds and a closing client turn. Redirections in volleys 1 to 4 meet change talk, a neutral
# turn on the topic, a refusal and sustain talk: 2 of 4 are accepted.
FIRST = (
    dialogue("first", 9),
    Annotation(id="first", client=talk("scnrs"), counselor=volleys("++++")),
)
# The counselor opens: volley 2 is answered by client turn 2, and nothing follows volley 3.
SECOND = (
    dialogue("second", 5, opens="counselor"),
    Annotation(id="second", client=talk("sc"), counselor=volleys("-++")),
)
# No redirection at all.
THIRD = (
    dialogue("third", 4),
    Annotation(id="third", client=talk("nn"), counselor=volleys("--")),
)


def of(pair: tuple[Dialogue, Annotation | None], measure: str) -> float | None:
    (subject,) = subjects_of(pair)
    return value(parts(subject)[measure])


def test_a_redirection_is_answered_by_the_clients_next_turn_whoever_opens():
    (first,), (second,) = subjects_of(FIRST), subjects_of(SECOND)
    assert redirections(first) == [
        Redirection(1, 1, True),
        Redirection(2, 2, True),
        Redirection(3, 3, False),
        Redirection(4, 4, False),
    ]
    assert redirections(second) == [Redirection(2, 1, True), Redirection(3, 2, None)]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (None, None),
        (ClientTurn(turn=1, talk="change", refusal=True), True),
        (ClientTurn(turn=1, talk="sustain", refusal=False, exit=False), False),
        (ClientTurn(turn=1, talk="neutral", refusal=False, exit=False), True),
        (ClientTurn(turn=1, talk="neutral", refusal=True), False),
        (ClientTurn(turn=1, talk="neutral", refusal=False, exit=True), False),
        (ClientTurn(turn=1, talk="neutral", refusal=False), None),
        (ClientTurn(turn=1, talk="neutral"), None),
    ],
)
def test_neutral_talk_accepts_only_if_it_neither_refuses_nor_leaves(answer, expected):
    assert accepted(answer) is expected


def test_acceptance_is_accepted_by_answered_redirections_and_undefined_without_one():
    assert of(FIRST, "acceptance") == 2 / 4
    assert of(SECOND, "acceptance") == 1 / 1  # of two redirections one has no answer
    assert of(THIRD, "acceptance") is None
    found = measured(FIRST, SECOND, THIRD).groups["a"]
    acceptance = found.measures["acceptance"]
    assert acceptance.pooled.mean == pytest.approx(3 / 5)
    assert acceptance.mean.mean == pytest.approx((2 / 4 + 1) / 2)
    assert (acceptance.defined, acceptance.undefined, found.unanswered) == (2, 1, 1)


def test_redirections_are_counted_by_ten_turns_of_the_counselors_that_were_looked_at():
    assert of(FIRST, "redirections_per_10_turns") == 10
    assert of(SECOND, "redirections_per_10_turns") == pytest.approx(20 / 3)
    assert of(THIRD, "redirections_per_10_turns") == 0
    half = (dialogue("half", 8), Annotation(id="half", counselor=volleys("+?-?")))
    assert of(half, "redirections_per_10_turns") == 5
    none = (dialogue("none", 8), Annotation(id="none", counselor=volleys("????")))
    assert of(none, "redirections_per_10_turns") is None


def test_change_talk_is_a_share_of_change_and_sustain_talk_and_of_all_turns():
    assert of(FIRST, "change_talk_share") == 1 / 3  # c against s s
    assert of(FIRST, "change_talk_of_all") == 1 / 5
    assert of(THIRD, "change_talk_share") is None
    assert of(THIRD, "change_talk_of_all") == 0


def test_a_dialogue_without_questions_still_adds_its_reflections_to_the_pooled_ratio():
    one = Annotation(
        id="first",
        counselor=(
            Volley(volley=1, question=True, reflection="simple"),
            Volley(volley=2, question=True, reflection="none"),
        ),
    )
    two = Annotation(
        id="second",
        counselor=(
            Volley(volley=1, question=False, reflection="complex"),
            Volley(volley=2, question=False, reflection="simple"),
        ),
    )
    own = measured((FIRST[0], one), (SECOND[0], two)).groups["a"].measures
    ratio, share = own["reflection_to_question"], own["complex_reflection_share"]
    assert (ratio.mean.mean, ratio.undefined) == (1 / 2, 1)
    assert ratio.pooled.mean == 3 / 2
    assert (share.mean.mean, share.pooled.mean) == (1 / 4, pytest.approx(1 / 3))


def test_ratings_are_averaged_over_blocks_in_a_dialogue_and_pooled():
    one = Annotation(id="one", blocks=blocks("effectiveness", 5, 4, 3))
    two = Annotation(id="two", blocks=blocks("effectiveness", 2))
    found = measured((dialogue("one", 60), one), (dialogue("two", 20), two)).groups["a"].measures
    assert found["effectiveness"].mean.mean == (4 + 2) / 2
    assert found["effectiveness"].pooled.mean == 14 / 4
    assert found["empathy"].mean is None


def test_a_strategy_is_repeated_if_one_of_the_two_before_was_the_same():
    # From the second on: B after A no, A after A B yes, A after B A yes, C after A A no, then one
    # that is not known, and C after C and the unknown one yes: 3 of 5.
    labels = ["A", "B", "A", "A", "C", None, "C"]
    assert repeated(labels) == (3, 5)
    assert longest_run(labels) == (2, 1)
    assert (repeated([]), repeated(["A"]), repeated([None, "A"])) == ((0, 0), (0, 0), (0, 0))
    assert longest_run([None]) == (0, 0)


def test_strategies_are_the_generators_and_codes_are_those_of_the_volleys():
    rounds = [{"round": n, "counselor": {"strategy": one}} for n, one in ((1, "a"), (2, "a"))]
    said = Annotation(
        id="one",
        counselor=(
            Volley(volley=1, codes=("CR", "Q")),
            Volley(volley=2, codes=("Q", "CR")),
            Volley(volley=3, codes=()),
            Volley(volley=4, codes=()),
        ),
    )
    (subject,) = subjects_of((dialogue("one", 8, rounds=rounds), said))
    found = parts(subject)
    assert (found["repeated_strategies"], found["longest_run_strategies"]) == ((1, 1), (2, 1))
    assert (found["repeated_codes"], found["longest_run_codes"]) == ((2, 3), (2, 1))


def test_the_slope_within_dialogues_is_exact_and_not_that_of_all_scores():
    # One falls by 1 in ten rounds; the other has one block. Over all three scores, at 5.5, 5.5 and
    # 15.5 with 4, 2 and 3, the sum of products is -3.33 x 1 + -3.33 x -1 + 6.67 x 0 = 0.
    one = Annotation(id="one", blocks=blocks("effectiveness", 4, 3))
    two = Annotation(id="two", blocks=blocks("effectiveness", 2))
    found = measured((dialogue("one", 40), one), (dialogue("two", 20), two)).groups["a"]
    slope = found.trends["effectiveness"]
    assert slope.within.mean == pytest.approx(-1)
    assert slope.overall.mean == pytest.approx(0, abs=1e-12)
    assert (slope.dialogues, slope.scores) == (1, 3)


def test_a_blocks_rating_stands_at_the_middle_of_its_rounds():
    # Rounds 1 to 10 and 11 to 25: 4 at 5.5 and 3 at 18, so -1 in 12.5 rounds, -.8 in ten.
    one = Block(first_round=1, last_round=10, effectiveness=4)
    two = Block(first_round=11, last_round=25, effectiveness=3)
    found = measured((dialogue("one", 50), Annotation(id="one", blocks=(one, two)))).groups["a"]
    assert found.trends["effectiveness"].within.mean == pytest.approx(-0.8)


def test_the_slope_of_change_talk_is_by_the_round_that_the_turn_opens():
    # Rounds 1 to 4 hold 0, 0, 1, 1: products -1.5 x -.5 + -.5 x -.5 + .5 x .5 + 1.5 x .5 = 2, over
    # squares 2.25 + .25 + .25 + 2.25 = 5: .4 a round, 4 in ten. Neutral turns have no score.
    (subject,) = subjects_of((dialogue("one", 12), Annotation(id="one", client=talk("ssccnn"))))
    found = scores([subject], "change_talk_share")
    assert [one.round for one in found] == [1, 2, 3, 4]
    slope: Any = trend(found, seed=0)
    assert slope.within.mean == pytest.approx(4)


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(1, 80), st.integers(1, 5)),
        min_size=1,
        max_size=30,
    )
)
def test_slopes_are_those_of_numpys_least_squares(rows):
    found = [Score(name, at + 0.5, score) for name, at, score in rows]
    slope: Any = trend(found, seed=0)
    x, y = np.array([(at, score) for _, at, score in rows], float).T
    if len(set(x)) == 1:
        assert slope.overall is None
    else:
        assert slope.overall.mean == pytest.approx(10 * np.polyfit(x, y, 1)[0], abs=1e-9)
    own = np.array([[name == one for one in "abc"] for name, _, _ in rows], float)
    if slope.within is not None:
        solved = np.linalg.lstsq(np.column_stack([x, own]), y, rcond=None)[0][0]
        assert slope.within.mean == pytest.approx(10 * solved, abs=1e-9)


def test_scores_are_averaged_in_each_ten_rounds_and_after_eighty_together():
    found = [Score("a", 1, 1), Score("b", 10, 0), Score("a", 10.5, 1), Score("a", 95, 0)]
    told = [
        (one.rounds, one.estimate and one.estimate.mean, one.dialogues, one.scores)
        for one in places(found, scale=SHARE, seed=0)
    ]
    assert told[:3] == [("1-10", 0.5, 2, 2), ("11-20", 1, 1, 1), ("21-30", None, 0, 0)]
    assert told[-1] == ("81+", 0, 1, 1)
    assert len(told) == 9


def tracked(*rounds: tuple[Any, Any]) -> Dialogue:
    """Of each round the hidden state and the estimate."""
    kept = [
        {
            "round": number,
            "client": {"state": truth} if truth else {},
            "counselor": {"state": {"client": guess, "alliance_est": 3}} if guess else {},
        }
        for number, (truth, guess) in enumerate(rounds, start=1)
    ]
    return dialogue("one", 2 * len(rounds), rounds=kept, rounds_asked=10)


def test_the_tracker_is_held_against_two_that_do_not_listen_over_the_same_rounds():
    # Rounds 2 and 3. Tracker: |3-4| and |4-6|. First estimate: |5-4| and |5-6|. The one before:
    # |5-4| and |3-6|. So 3/2 against 1 and 2.
    truth, guess = (3, 4, 6), (5, 3, 4)
    rounds = [({"importance": t}, {"importance": g}) for t, g in zip(truth, guess, strict=True)]
    known = tracked(*rounds)
    (found,) = tracking(subjects_of((known, None)), seed=0)
    assert (found.field, found.rounds, found.dialogues) == ("importance", 2, 1)
    assert (found.tracker.mean, found.first.mean, found.previous.mean) == (1.5, 1, 2)
    assert (found.better_than_first.mean, found.better_than_previous.mean) == (0.5, -0.5)


def test_stages_are_compared_by_their_places_and_alliance_as_felt_and_as_taken():
    known = tracked(
        ({"stage": "action", "alliance_felt": 5}, {"stage": "precontemplation"}),
        ({"stage": "action", "alliance_felt": 5}, {"stage": "contemplation"}),
    )
    stage, alliance = tracking(subjects_of((known, None)), seed=0)
    assert (stage.field, stage.tracker.mean, stage.first.mean) == ("stage", 2, 3)
    assert (alliance.field, alliance.tracker.mean, alliance.rounds) == ("alliance", 2, 1)


def test_a_round_without_estimate_or_truth_is_in_no_error():
    known = tracked(
        (None, {"importance": 1}),
        ({"importance": 2}, None),
        ({"importance": 4}, {"importance": 3}),
    )
    (found,) = tracking(subjects_of((known, None)), seed=0)
    # Only round 3 has both; the estimate before it is that of round 1.
    assert (found.rounds, found.tracker.mean, found.previous.mean) == (1, 1, 3)
    assert tracking(subjects_of((tracked(({"importance": 1}, None)), None)), seed=0) == []


@pytest.mark.parametrize(
    ("rounds", "fault"),
    [
        ({"round": 1}, "one: meta.calm_it.rounds must be a list"),
        ([{"round": 0}], "entry 1: 'round' must be a number from 1 that comes once"),
        ([{"round": 1}, {"round": 1}], "entry 2: 'round' must be"),
        (
            [{"round": 1, "client": {"state": {"importance": "high"}}}],
            "entry 1: importance is 'high'; expected a number",
        ),
        (
            [{"round": 1, "client": {"state": {"stage": "asleep"}}}],
            "entry 1: stage is 'asleep'; there are: precontemplation, contemplation",
        ),
    ],
)
def test_a_record_of_rounds_that_cannot_be_is_told_in_one_line(rounds, fault):
    with pytest.raises(InputError) as error:
        subjects_of((dialogue("one", 4, rounds=rounds), None))
    assert fault in str(error.value)
    assert "\n" not in str(error.value)


def test_blocks_are_of_ten_rounds_and_a_short_rest_goes_with_the_last():
    def found(turns, opens="client"):
        made = dialogue("one", turns, opens=opens).turns
        return [(one.first_round, one.last_round, one.start, one.stop) for one in spans(made)]

    assert found(40) == [(1, 10, 0, 20), (11, 20, 20, 40)]
    assert found(30) == [(1, 10, 0, 20), (11, 15, 20, 30)]
    assert found(28) == [(1, 14, 0, 28)]
    assert found(2) == [(1, 1, 0, 2)]
    # An opening volley goes with the first block, a closing client turn with the last.
    assert found(42, "counselor") == [(1, 10, 0, 21), (11, 20, 21, 42)]
    assert found(2, "counselor") == []


def test_groups_are_compared_in_both_aggregations_and_by_rounds_asked():
    def pair(name, group, letters, asked):
        made = dialogue(name, 4, group, rounds_asked=asked)
        return made, Annotation(id=name, client=talk(letters))

    found = measured(
        pair("1", "calm-it", "cc", 10),
        pair("2", "calm-it", "cs", 20),
        pair("3", "script", "ss", 10),
        pair("4", "script", "cs", 10),
        pair("5", "script", "nn", 10),
    )
    by_asked = {
        name: [
            (asked, count, one["change_talk_share"].pooled.mean)
            for asked, (count, one) in group.by_asked.items()
        ]
        for name, group in found.groups.items()
    }
    assert by_asked == {"calm-it": [(10, 1, 1), (20, 1, 0.5)], "script": [(10, 3, 0.25)]}
    told = {
        (one.measure, one.aggregation): one.value
        for one in found.differences
        if one.measure == "change_talk_share"
    }
    assert told == {
        ("change_talk_share", "mean of dialogues"): pytest.approx(0.75 - 0.25),
        ("change_talk_share", "pooled"): pytest.approx(3 / 4 - 1 / 4),
    }
    assert found.groups["script"].measures["change_talk_share"].undefined == 1
    assert "only 3 dialogues" in found.groups["script"].warning


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{", ":1: not JSON"),
        ("[]", ":1: not an annotation"),
        ('{"by": "R1"}', ":1: id: field required"),
        ('{"id": "other"}', ":1: no dialogue has the id 'other'"),
        ('{"id": "first", "note": 1}', ":1: note: extra inputs are not permitted"),
        (
            '{"id": "first", "client": [{"turn": 1, "talk": "maybe"}]}',
            ":1: client.1.talk: input should be 'change', 'sustain' or 'neutral', not 'maybe'",
        ),
        (
            '{"id": "first", "client": [{"turn": 0, "talk": "change"}]}',
            ":1: client.1.turn: input should be greater than or equal to 1, not 0",
        ),
        (
            '{"id": "first", "counselor": [{"volley": 1, "redirection": "yes"}]}',
            ":1: counselor.1.redirection: input should be a valid boolean, not 'yes'",
        ),
        (
            '{"id": "first", "counselor": [{"volley": 2}, {"volley": 2}]}',
            ":1: counselor volley 2 comes twice",
        ),
        (
            '{"id": "first", "client": [{"turn": 6, "talk": "change"}]}',
            ":1: first: client turn 6 is annotated, but there are 5",
        ),
        (
            '{"id": "first", "blocks": [{"first_round": 1, "last_round": 4, "empathy": 6}]}',
            ":1: blocks.1.empathy: input should be less than or equal to 5, not 6",
        ),
        (
            '{"id": "first", "blocks": [{"first_round": 3, "last_round": 2}]}',
            ":1: blocks.1: last_round 2 is before 3",
        ),
        (
            '{"id": "first", "blocks": [{"first_round": 1, "last_round": 5}]}',
            ":1: first: round 5 is annotated, but there are 4",
        ),
        ('{"id": "first"}\n{"id": "first"}', ":2: id 'first' stands in an earlier line too"),
        ("\n", ": holds no annotation"),
    ],
)
def test_a_malformed_annotation_is_one_line_that_names_the_place(tmp_path: Path, line, fault):
    path = tmp_path / "said.jsonl"
    path.write_text(line, encoding="utf-8")
    with pytest.raises(InputError) as error:
        read_annotations(path, {"first": FIRST[0]})
    assert f"{path}{fault}" in str(error.value)
    assert "\n" not in str(error.value)


def test_annotations_come_back_as_they_were_written(tmp_path: Path):
    whole = Annotation(
        id="first",
        by="R1",
        client=(ClientTurn(turn=2, talk="change", refusal=False, exit=None, quote="想"),),
        counselor=(Volley(volley=1, redirection=True, reflection="none", codes=("CR", "Q")),),
        blocks=(Block(first_round=1, last_round=4, effectiveness=4),),
    )
    path = saved_annotations(tmp_path / "said.jsonl", [whole])
    assert read_annotations(path, {"first": FIRST[0]}) == {"first": whole}


def test_every_word_of_the_tables_has_its_chinese():
    asked = set[str]()

    def listening(text: str) -> str:
        asked.add(text)
        return text

    page(measured(FIRST, SECOND), listening)
    assert len(asked) > 20
    assert asked <= chinese().keys()
    with pytest.raises(InputError, match="--lang fr"):
        words("fr")


def test_the_command_writes_numbers_tables_annotations_and_figure(tmp_path: Path):
    source = tmp_path / "dialogues.jsonl"
    source.write_text("".join(dialogue_lines([FIRST[0], SECOND[0], THIRD[0]])), encoding="utf-8")
    said = saved_annotations(tmp_path / "said.jsonl", [FIRST[1], SECOND[1]])
    out = tmp_path / "out"
    done = run(source, "--annotations", said, "-o", out)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(one.name for one in out.iterdir()) == [
        "annotations.jsonl", "dynamics.json", "dynamics.md", "dynamics.png", "dynamics.svg"
    ]  # fmt: skip
    assert "dialogues 3, annotated 2, groups 1" in done.stdout
    found = loaded(out / "dynamics.json")["groups"]["a"]
    assert found["measures"]["acceptance"]["pooled"]["mean"] == pytest.approx(3 / 5)
    assert (out / "annotations.jsonl").read_text("utf-8") == said.read_text("utf-8")
    table = (out / "dynamics.md").read_text("utf-8")
    assert "| acceptance | 64.3% (CALM-IT, mean over lengths) | abstract of arXiv" in table
    stamp = loaded(tmp_path / "out.stamp.json")
    assert stamp["counts"]["annotated"] == 2
    assert set(stamp["inputs"]) == {str(source), str(said)}
    again = run(source, "-o", out)
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
    chinese_page = run(source, "--annotations", said, "-o", out, "--lang", "zh", "--overwrite")
    assert chinese_page.returncode == 0
    assert "| 引导接受率 |" in (out / "dynamics.md").read_text("utf-8")


def test_without_annotations_the_states_are_measured_and_nothing_is_drawn(tmp_path: Path):
    source = tmp_path / "dialogues.jsonl"
    known = tracked(*[({"importance": 1}, {"importance": 2})] * 3)
    source.write_text("".join(dialogue_lines([known])), encoding="utf-8")
    done = run(source, "-o", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert "annotated 0" in done.stdout
    assert "nothing to draw" in done.stdout
    assert not (tmp_path / "out/dynamics.svg").exists()
    (error,) = loaded(tmp_path / "out/dynamics.json")["groups"]["a"]["tracker"]
    assert error["tracker"]["mean"] == 1


def test_mistakes_are_told_in_one_line_and_leave_nothing(tmp_path: Path):
    source = tmp_path / "dialogues.jsonl"
    source.write_text("".join(dialogue_lines([FIRST[0]])), encoding="utf-8")
    for words_, fault in (
        ((), "nothing to measure"),
        ((source, source), "id 'first' stands in an earlier file too"),
        ((source, "--lang", "fr"), "--lang fr"),
        ((source, "--judge"), "--judge asks a model; name it with --model"),
        ((source, "--annotations", tmp_path / "none.jsonl"), "none.jsonl: no such file"),
    ):
        done = run(*words_, "-o", tmp_path / "out")
        assert done.returncode == 2, done.stderr
        assert fault in done.stderr
        assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_shares_are_told_in_percent_and_their_differences_in_points():
    some = Estimate(0.5, 0.157, 0.843, T_BASED)
    assert told(some, "acceptance") == "50.0% [15.7, 84.3]"
    assert told(some, "acceptance", signed=True) == "+50.0 points [+15.7, +84.3]"
    assert told(some, "effectiveness") == "0.50 [0.16, 0.84]"
