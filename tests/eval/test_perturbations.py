from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from eval.judge import perturbations as change
from eval.judge.perturbations import Perturbed, perturbations
from mi_llm.coding import Session
from mi_llm.dialogue import Dialogue, Turn
from mi_llm.errors import InputError
from mi_llm.miti import Code, Counts, Globals, volley_codes
from tests.eval.scripted_judge import (
    SENTENCES,
    asked,
    coded,
    loaded,
    perfect,
    rated,
    run,
    saved,
    session,
    task,
    text,
)
from tests.llm_server import LLMServer, Received

ZH = (
    "你好，请坐。",
    "你有点累。",
    "一边是难得的清静，一边是第二天的懊恼。",
    "你想改一改睡前的习惯。几点睡？",
    "你有点累。",
    "做得好！",
    "几点睡？",
)
EN = ("It is up to you.", "You smoke when you are stressed.", "What would help?")


def codes_of(transcript: Dialogue) -> tuple[frozenset[Code], ...]:
    """The right codes, sentence by sentence."""
    found = []
    for turn in transcript.turns:
        if turn.role == "counselor":
            inside = [code for sentence, code in SENTENCES.items() if sentence in turn.content]
            assert inside, turn.content
            found.append(volley_codes(None if code == "NC" else Code(code) for code in inside))
    return tuple(found)


def coding(transcript: Dialogue, partnership: int = 4) -> Session:
    scores = Globals(4, 4, partnership, 4)
    return Session(transcript.id, "J", codes_of(transcript), scores, "早睡")


def counts(transcript: Dialogue) -> Counts:
    return Counts.of(codes_of(transcript))


def changed(transcript: Dialogue, make: Any) -> Perturbed:
    found = make(transcript, codes_of(transcript))
    assert isinstance(found, Perturbed)
    return found


CHINESE = session("a/1", *ZH)
# 3 volleys with SR (one with Q too), 1 with CR, 2 with Q.
BEFORE = Counts(7, question=2, simple_reflection=3, complex_reflection=1)


def test_the_transcript_that_is_changed_has_the_counts_counted_by_hand():
    assert counts(CHINESE) == BEFORE


def test_one_confrontation_added_raises_the_non_adherent_total_by_one_and_nothing_else():
    after = counts(changed(CHINESE, change.with_confrontation).transcript)
    assert after == replace(BEFORE, confront=1)
    assert after.mi_non_adherent == BEFORE.mi_non_adherent + 1


def test_reflections_deleted_lower_reflections_to_questions():
    after = counts(changed(CHINESE, change.without_reflections).transcript)
    # Volleys 2, 3 and 5 hold nothing else; volley 4 keeps its reflection beside the question.
    assert after == replace(BEFORE, simple_reflection=1, complex_reflection=0)
    assert (BEFORE.reflection_to_question, after.reflection_to_question) == (2.0, 0.5)


def test_advice_in_place_of_a_reflection_is_persuasion():
    made = changed(CHINESE, change.with_advice_for_reflection)
    assert counts(made.transcript) == replace(BEFORE, complex_reflection=0, persuade=1)


def test_a_second_question_in_a_volley_counts_once():
    made = changed(CHINESE, change.with_second_question)
    assert made.transcript.turns != CHINESE.turns
    assert counts(made.transcript) == BEFORE


def test_a_session_said_twice_doubles_counts_and_keeps_ratios():
    after = counts(changed(CHINESE, change.doubled).transcript)
    assert after == Counts(14, question=4, simple_reflection=6, complex_reflection=2)
    assert after.reflection_to_question == BEFORE.reflection_to_question


@pytest.mark.parametrize("volleys", [ZH, EN], ids=["Chinese", "English"])
def test_right_codes_keep_every_law_and_change_nothing_else(volleys: tuple[str, ...]):
    one = session("a/1", *volleys)
    if volleys is EN:
        said = (Turn(turn.role, turn.content if turn.role == "counselor" else "Yes, I do.")
                for turn in one.turns)  # fmt: skip
        one = replace(one, turns=tuple(said))
    made = list(perturbations(one, codes_of(one)))
    assert len(made) == 5 - (volleys is EN)  # in English the choice was left open just before
    for each in made:
        before, after = coding(one), coding(each.transcript)
        assert (each.faults(before, after), each.side_effects(before, after)) == ([], [])
        assert each.transcript.id == f"a/1+{each.name}"


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (change.with_confrontation, ["CON: 0 -> 0, must be 1"]),
        (change.without_reflections, ["SR: 3 -> 3, must be 1", "CR: 1 -> 1, must be 0"]),
        (change.with_advice_for_reflection, ["P: 0 -> 0, must be 1", "CR: 1 -> 1, must be 0"]),
        (change.with_second_question, []),
    ],
)
def test_codes_that_do_not_move_break_the_law(make: Any, told: list[str]):
    assert changed(CHINESE, make).faults(coding(CHINESE), coding(CHINESE)) == told


def test_partnership_that_rises_on_a_confrontation_and_other_counts_that_move_are_told():
    made = changed(CHINESE, change.with_confrontation)
    after = coding(made.transcript, partnership=5)
    assert made.faults(coding(CHINESE), after) == ["partnership: 4 -> 5, must not rise"]
    lost = replace(after, volleys=(*after.volleys[:-1], frozenset()))
    assert made.side_effects(coding(CHINESE), lost) == ["Q: 2 -> 1, must be 2"]


def test_a_change_that_a_transcript_has_no_place_for_is_left_out():
    one = session("a/1", "你怎么又说话不算数？")
    assert [each.name for each in perturbations(one, codes_of(one))] == ["said twice"]
    odd = Dialogue("a/2", (Turn("counselor", "你好，请坐。"),))
    assert change.doubled(odd, codes_of(odd)) is None


def test_advice_is_not_put_where_permission_may_still_hold():
    one = session("a/1", "我能和你分享一些资料吗？", "你有点累。")
    assert change.with_advice_for_reflection(one, codes_of(one)) is None


def test_codes_of_another_transcript_are_refused():
    with pytest.raises(InputError, match="a/1: 7 volleys, but codes of 1"):
        list(perturbations(CHINESE, [frozenset()]))


def tried(tmp_path: Path, script: Any) -> tuple[Any, Any, int]:
    """What the command says of a judge, its report, and requests sent for changed transcripts."""
    path = saved(tmp_path / "T.jsonl", [CHINESE])
    with LLMServer(script) as server:
        assert run(server, path, "-o", tmp_path / "c", "--repeats", 1).returncode == 0
        before = len(server.received)
        words = ("--repeats", 1, "--perturb", 1, "--overwrite")
        done = run(server, path, "-o", tmp_path / "c", *words)
    assert done.returncode == 0, done.stderr
    return done, loaded(tmp_path / "c" / "judge.json"), len(server.received) - before


def test_a_perfect_judge_keeps_every_law_and_volleys_out_of_reach_are_not_asked_again(
    tmp_path: Path,
):
    done, report, asked_more = tried(tmp_path, perfect)
    assert [(one["change"], one["faults"]) for one in report["perturbations"]] == [
        ("confrontation added", []),
        ("reflections deleted", []),
        ("reflection replaced by advice", []),
        ("second question added", []),
        ("said twice", []),
    ]
    assert "confrontation added: counts follow in 1 of 1\n" in done.stdout
    everything = sum(4 + volleys for volleys in (7, 7, 7, 7, 14))
    assert 5 * 4 < asked_more < everything


def test_a_judge_that_is_too_kind_breaks_laws(tmp_path: Path):
    def kind(received: Received) -> str:
        if task(received) != "volley":
            return text(rated(received, 5 if len(asked(received)["transcript"]) > 14 else 4))
        answer = coded(received)
        for one in answer["utterances"]:
            one["code"] = "AF" if one["code"] in ("CON", "P") else one["code"]
        return text(answer)

    done, report, _ = tried(tmp_path, kind)
    assert [one["faults"] for one in report["perturbations"]] == [
        ["CON: 0 -> 0, must be 1"],
        [],
        ["P: 0 -> 0, must be 1"],
        [],
        [],
    ]
    assert "confrontation added: counts follow in 0 of 1, other counts moved in 1" in done.stdout
