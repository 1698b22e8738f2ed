"""Agreement of raters with each other and with a standard, by hand and against NLTK."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nltk.metrics.agreement import AnnotationTask
from typer.testing import CliRunner

from eval.agreement.command import agreement
from eval.agreement.many_raters import together
from eval.agreement.qualification import qualify
from eval.agreement.raters import (
    CONSTANT,
    ONE_CATEGORY,
    CodeAgreement,
    all_pairs,
    codings,
    pair_agreement,
)
from mi_llm import cli
from mi_llm.agreement_scales import NO_VARIANCE
from mi_llm.coding import Session, write_codings
from mi_llm.errors import InputError
from tests.eval.coded_sessions import session

FIRST = [
    session("T1", "R1", "SR Q/SR/CR Q/AF P//", (4, 4, 3, 4)),
    session("T2", "R1", "Q/Q SR/P/Q", (3, 4, 2, 3)),
    session("T3", "R1", "CR/CR AF", (5, 4, 4, 5)),
]
SECOND = [
    session("T1", "R2", "SR Q/CR/CR/AF//Q", (4, 4, 4, 4)),
    session("T2", "R2", "Q/Q SR/P/Q", (3, 4, 3, 3)),
    session("T3", "R2", "CR/SR AF", (4, 4, 5, 5)),
]


@pytest.fixture
def pair():
    return all_pairs(codings(FIRST + SECOND))[0]


def test_a_code_is_a_yes_or_no_for_each_volley_with_its_confusion(pair):
    # Q in 12 volleys: first 1, 3, 7, 8, 10; second 1, 6, 7, 8, 10: both 4, 1 and 1, neither 6.
    # Observed 10/12; by chance (5*5 + 7*7)/144; kappa (120 - 74) / (144 - 74) = 46/70.
    found = {one.code: one for one in pair.codes}
    assert found["Q"].kappa == pytest.approx(46 / 70)
    assert found["Q"] == CodeAgreement("Q", found["Q"].kappa, 10 / 12, 4, 1, 1, 6, "")
    assert found["CON"] == CodeAgreement("CON", None, 1.0, 0, 0, 0, 12, ONE_CATEGORY)
    # Two simple against complex reflections, but the same volleys have one of the two.
    assert found["any reflection"].kappa == 1
    assert found["SR"].kappa is not None
    assert found["SR"].kappa < 1


def test_sets_agree_only_if_every_code_does(pair):
    # They differ in volleys 2, 3, 4 and 6 of T1 and 2 of T3: 7 of 12 agree.
    assert (pair.sessions, pair.volleys) == (3, 12)
    assert pair.exact_sets == pytest.approx(7 / 12)


def test_kappa_over_all_decisions_is_nltks(pair):
    data = [
        (one.rater, f"{one.transcript}/{number}/{code}", code in volley)
        for one in FIRST + SECOND
        for number, volley in enumerate(one.volleys)
        for code in ("GI", "P", "PwP", "Q", "SR", "CR", "AF", "SEEK", "EMPH", "CON")
    ]
    assert pair.kappa == pytest.approx(AnnotationTask(data=data).kappa())


def test_ratings_have_distances_and_a_reason_where_nothing_varies(pair):
    found = {one.score: one for one in pair.scores}
    partnership = found["partnership"]  # 3 2 4 against 4 3 5: always one lower
    assert partnership.pearson == pytest.approx(1)
    assert (partnership.mean_absolute, partnership.exact, partnership.within_one) == (1, 0, 1)
    # MSR 2, MSC 1.5, MSE 0: 2 / (2 + 2 * 1.5 / 3) = 2/3
    assert partnership.icc.value == pytest.approx(2 / 3)
    # 1 - 3 * 3 * 1 / sum of all squared distances of 2 3 4 to 3 4 5, (1+4+9)+(0+1+4)+(1+0+1) = 21
    assert partnership.weighted_kappa == pytest.approx(1 - 9 / 21)
    soften = found["soften"]
    assert (soften.icc.value, soften.weighted_kappa, soften.pearson) == (None, None, None)
    assert soften.note == f"{NO_VARIANCE}; {CONSTANT}"
    assert soften.exact == 1


def test_a_score_undefined_for_one_rater_leaves_that_session_out_and_counts_it(pair):
    found = {one.score: one for one in pair.scores}
    assert (
        found["reflection_to_question"].sessions,
        found["reflection_to_question"].undefined,
    ) == (2, 1)
    assert found["question"].sessions == 3
    assert found["reflection_to_question"].within_one is None


def test_three_raters_have_fleiss_and_alpha_even_where_one_is_missing():
    third = [session("T1", "R3", "SR Q/SR/CR Q/AF P//", (3, 4, 3, 4))]
    found = {one.what: one for one in together(codings(FIRST + SECOND + third))}
    question = found["Q"]
    assert (question.items, question.complete) == (12, 6)
    # Volleys of T1, R1 R2 R3: 111 000 101 000 000 010; pi over those six, by NLTK.
    items = "111 000 101 000 000 010".split()
    data = [(str(r), str(n), said) for n, item in enumerate(items) for r, said in enumerate(item)]
    assert question.fleiss == pytest.approx(AnnotationTask(data=data).pi())
    assert question.alpha is not None
    assert found["CON"].alpha is None
    assert found["CON"].note == ONE_CATEGORY
    assert found["partnership"].items == 3
    assert found["partnership"].complete == 1


def test_two_raters_have_no_fleiss_kappa():
    assert all(one.fleiss is None for one in together(codings(FIRST + SECOND)))


def test_sessions_not_complete_are_not_compared():
    unfinished = Session("T1", "R2", (frozenset(),) * 6, None, "", False, frozenset({1}))
    with pytest.raises(InputError, match="completed by two raters"):
        all_pairs(codings([*FIRST, unfinished]))


def test_texts_of_different_length_are_refused():
    other = {"T1": session("T1", "R2", "SR/Q")}
    with pytest.raises(InputError, match="6 volleys for R1 and 2 for R2"):
        pair_agreement({"T1": FIRST[0]}, other)


# Against a standard.

app = cli.command_group("")
app.command()(agreement)


def run(*words: object) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_a_rater_qualifies_who_reaches_both_bars():
    found = qualify(codings(SECOND), FIRST)[0]
    assert found.rater == "R2"
    standard, rated = (list(map(int, said)) for said in ("443434235445", "444434334455"))
    assert found.pearson == pytest.approx(np.corrcoef(standard, rated)[0, 1])
    assert found.passed  # above 0.64; and 5 volleys of 12 that differ leave kappa above 0.58
    assert not qualify(codings(SECOND), FIRST, pearson_bar=0.9)[0].passed
    assert not qualify(codings(SECOND), FIRST, kappa_bar=0.99)[0].passed


def test_a_rater_without_variance_does_not_qualify():
    flat = [session("T1", "R2", "SR Q/SR/CR Q/AF P//", (4, 4, 4, 4))]
    found = qualify(codings(flat), FIRST)[0]
    assert (found.pearson, found.kappa, found.passed) == (None, 1, False)


def test_a_standard_is_one_raters_and_of_the_same_transcripts():
    with pytest.raises(InputError, match="several raters"):
        qualify(codings(FIRST), FIRST + SECOND)
    with pytest.raises(InputError, match="no transcript of the standard"):
        qualify(codings(FIRST), [session("T9", "S", "Q")])


def test_the_command_tells_agreement_and_writes_it(tmp_path: Path):
    write_codings(tmp_path / "codes", FIRST + SECOND)
    ran = run(tmp_path / "codes", "-o", tmp_path / "agreement.json")
    assert ran.exit_code == 0, ran.output
    assert "| Q | 0.66 | 0.83 | 4 | 1 | 1 | 6 |" in ran.output
    assert "no variance between sessions" in ran.output
    assert "left out" not in ran.output
    text = (tmp_path / "agreement.json").read_text()
    assert "NaN" not in text
    assert json.loads(text)["pairs"][0]["volleys"] == 12


def test_the_command_counts_what_it_leaves_out(tmp_path: Path):
    unfinished = Session("T9", "R1", (frozenset(),), None, "", False, frozenset({1}))
    write_codings(tmp_path / "codes", [*FIRST, *SECOND, unfinished])
    ran = run(tmp_path / "codes")
    assert "codings left out, not complete: 1" in ran.output


def test_the_command_fails_a_rater_below_a_bar_with_exit_code_1(tmp_path: Path):
    write_codings(tmp_path / "codes", SECOND)
    write_codings(tmp_path / "gold", FIRST)
    words = (tmp_path / "codes", "--gold", tmp_path / "gold")
    assert run(*words).exit_code == 0
    failed = run(*words, "--kappa-bar", "0.95")
    assert failed.exit_code == 1
    assert "not passed" in failed.output


def test_the_command_needs_something_to_compare():
    assert isinstance(run().exception, InputError)
