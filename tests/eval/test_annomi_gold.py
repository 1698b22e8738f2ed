"""AnnoMI's experts as a standard: the published file's numbers, and judges made for the test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import mannwhitneyu
from typer.testing import CliRunner

from eval.agreement import annomi_gold, annomi_groups
from eval.agreement.command import agreement
from eval.agreement.judge_check import Verdict, check
from eval.agreement.known_groups import area_under_curve
from mi_llm import annomi, cli
from mi_llm.coding import Session, write_codings
from mi_llm.errors import InputError
from mi_llm.miti import Code, Globals

COLUMNS = (
    "mi_quality,transcript_id,video_title,video_url,topic,utterance_id,interlocutor,timestamp,"
    "utterance_text,annotator_id,therapist_input_exists,therapist_input_subtype,reflection_exists,"
    "reflection_subtype,question_exists,question_subtype,main_therapist_behaviour,client_talk_type"
)
# Of a therapist's utterance: input, reflection, question, each with its subtype, and the main one.
NOTHING = "False,n/a,False,n/a,False,n/a,other"
QUESTION = "False,n/a,False,n/a,True,open,question"
SIMPLE = "False,n/a,True,simple,False,n/a,reflection"
COMPLEX = "False,n/a,True,complex,False,n/a,reflection"
INFORMATION = "True,information,False,n/a,False,n/a,therapist_input"
ADVICE = "True,advice,False,n/a,False,n/a,therapist_input"
CLIENT = "n/a,n/a,n/a,n/a,n/a,n/a,n/a"


def rows(transcript: int, quality: str, said: list[list[str]], annotators: int) -> list[str]:
    """One line for each utterance and annotator; the inner list is one label per annotator."""
    found = []
    for number, labels in enumerate(said):
        side = "client" if labels == [CLIENT] else "therapist"
        for who in range(annotators):
            label = labels[who % len(labels)]
            talk = "neutral" if side == "client" else "n/a"
            found.append(
                f"{quality},{transcript},t,u,topic,{number},{side},00:00:01,words,{who},{label},{talk}"
            )
    return found


# Ten experts. Volley 1: six say question; volley 2, of two utterances: all say question in one and
# simple in the other; volley 3: five and five; volley 4: nine say complex.
STANDARD = [
    [*[QUESTION] * 6, *[NOTHING] * 4],
    [CLIENT],
    [QUESTION],
    [SIMPLE],
    [CLIENT],
    [*[QUESTION] * 5, *[NOTHING] * 5],
    [CLIENT],
    [*[COMPLEX] * 9, NOTHING],
]


@pytest.fixture
def gold(tmp_path: Path) -> Path:
    lines = [
        COLUMNS,
        *rows(7, "high", STANDARD, 10),
        *rows(8, "high", [[COMPLEX], [CLIENT], [QUESTION]], 1),
        *rows(9, "low", [[QUESTION], [CLIENT], [ADVICE], [CLIENT], [QUESTION]], 1),
        *rows(10, "low", [[INFORMATION], [CLIENT], [ADVICE]], 1),
    ]
    (tmp_path / "AnnoMI-full.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "AnnoMI-full.csv"


def judged(transcript: str, volleys: str, empathy: int = 3) -> Session:
    said = tuple(frozenset(map(Code, one.split())) for one in volleys.split("/"))
    return Session(f"annomi/{transcript}", "judge", said, Globals(3, 3, 3, empathy), "goal")


def test_volleys_join_a_counselors_utterances_and_majorities_need_more_than_half(gold: Path):
    standard = annomi_gold.read(gold)[0]
    assert annomi_gold.is_standard(standard)
    question = annomi_gold.GOLD_LABELS[0]
    said = annomi_gold.volley_labels(standard, question)
    assert [sum(one) for one in said] == [6, 10, 5, 0]
    assert [annomi_gold.majority(one) for one in said] == [True, True, None, False]


def test_a_judge_is_compared_volley_by_volley_where_there_is_a_majority(gold: Path):
    experts = annomi_gold.read(gold)
    found = check("judge", {"7": judged("7", "Q/SEEK SR/Q/Q CR")}, experts, seed=0)
    labels = {one.label: one for one in found.labels}
    question = labels["question"]
    # The tie is left out; judge yes yes yes, experts yes yes no.
    assert (question.volleys, question.ties) == (3, 1)
    cells = question.both, question.only_judge, question.only_experts, question.neither
    assert cells == (2, 1, 0, 0)
    assert question.kappa == 0  # observed 2/3, by chance 3*2/9
    assert question.verdict is Verdict.DO_NOT_USE
    assert question.bias.mean == pytest.approx(1 / 3)
    assert question.correction == pytest.approx(2 / 3)
    reflection = labels["any reflection"]
    assert reflection.kappa == 1
    assert reflection.verdict is Verdict.USABLE
    assert labels["any input"].kappa is None
    assert "undefined" in labels["any input"].reason


def test_codes_that_annomi_cannot_calibrate_are_never_usable(gold: Path):
    experts = annomi_gold.read(gold)
    perfect = check("judge", {"7": judged("7", "Q/Q SR//CR")}, experts, seed=0)
    verdicts = {code: verdict for code, (verdict, _) in perfect.verdicts.items()}
    assert list(verdicts) == list(Code)
    assert verdicts[Code.QUESTION] is Verdict.USABLE
    for code in (Code.SIMPLE_REFLECTION, Code.COMPLEX_REFLECTION, Code.AFFIRM, Code.CONFRONT):
        assert verdicts[code] is Verdict.REPORT_ONLY
    # Nobody informs or advises here, so nothing shows that the judge could.
    assert verdicts[Code.GIVE_INFORMATION] is Verdict.DO_NOT_USE
    assert verdicts[Code.PERSUADE] is Verdict.DO_NOT_USE


def test_known_groups_tell_whether_a_measure_separates_good_mi_from_poor(gold: Path):
    coded = {
        "7": judged("7", "Q/Q SR//CR", empathy=4),  # R:Q 1
        "8": judged("8", "CR/Q", empathy=5),  # 1
        "9": judged("9", "Q/P/Q", empathy=2),  # 0
        "10": judged("10", "GI/P", empathy=4),  # undefined
    }
    groups = check("judge", coded, annomi_gold.read(gold), seed=0).groups
    ratio, relational = groups
    assert (ratio.high, ratio.low, ratio.undefined, ratio.area, ratio.passed) == (2, 1, 1, 1, True)
    # 3.5 and 4 against 2.5 and 3.5: three wins and a tie of four pairs.
    assert relational.area == pytest.approx(3.5 / 4)


def test_a_transcript_with_other_volleys_or_none_of_the_standard_is_refused(gold: Path):
    experts = annomi_gold.read(gold)
    with pytest.raises(InputError, match="3 volleys, AnnoMI's 7 has 4"):
        check("judge", {"7": judged("7", "Q/Q/Q")}, experts, seed=0)
    with pytest.raises(InputError, match=r"none of the transcripts .* \(annomi/7\)"):
        check("judge", {"8": judged("8", "CR/Q")}, experts, seed=0)


def test_a_file_without_ten_annotators_is_refused(tmp_path: Path):
    path = tmp_path / "simple.csv"
    path.write_text("\n".join([COLUMNS, *rows(8, "high", [[COMPLEX]], 1)]) + "\n")
    with pytest.raises(InputError, match="no transcript has 10 annotators"):
        annomi_gold.read(path)


def test_the_area_under_the_curve_is_scipys_mann_whitney_u_by_the_pairs():
    draw = np.random.default_rng(3)
    high, low = draw.integers(0, 6, 30).tolist(), draw.integers(0, 5, 12).tolist()
    wanted = mannwhitneyu(high, low).statistic
    assert area_under_curve(high, low) == pytest.approx(wanted / (30 * 12))
    assert area_under_curve(high, []) is None


# The command.

app = cli.command_group("")
app.command()(agreement)


def run(*words: object) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_without_codes_the_human_ceiling_stands_alone(gold: Path):
    ran = run("--gold", gold)
    assert ran.exit_code == 0, ran.output
    assert "Human ceiling: ten experts on volleys" in ran.output
    assert "| low | 2 | 0.00 | undefined | 1 | 2 |" in ran.output
    assert "verdict" not in ran.output


def test_a_judges_codes_are_found_by_their_ids_or_through_the_key(gold: Path, tmp_path: Path):
    write_codings(tmp_path / "codes", [judged("7", "Q/Q SR//CR")])
    ran = run(tmp_path / "codes", "--gold", gold, "-o", tmp_path / "judge.json")
    assert ran.exit_code == 0, ran.output
    assert "| Q | usable |" in ran.output
    assert "NaN" not in (tmp_path / "judge.json").read_text()
    one = judged("7", "Q/Q SR//CR")
    neutral = Session("T1", one.rater, one.volleys, one.globals, one.target_behaviour)
    write_codings(tmp_path / "blind", [neutral])
    (tmp_path / "key.json").write_text(
        '{"items": {"T1": {"transcript": "annomi/7", "source": "real_high"}}}'
    )
    ran = run(tmp_path / "blind", "--gold", gold, "--key", tmp_path / "key.json")
    assert "| Q | usable |" in ran.output


# The published file.


@pytest.fixture
def published(real_data: Path) -> list[annomi.Session]:
    return annomi_gold.read(real_data / "annomi" / "AnnoMI-full.csv")


@pytest.mark.real_data
def test_experts_agree_as_measured_independently(published: list[annomi.Session]):
    assert sum(map(annomi_gold.is_standard, published)) == 7
    found = {one.label: one for one in annomi_gold.ceilings_of_utterances(published)}
    wanted = {
        "main_therapist_behaviour": 0.74,
        "question_exists": 0.87,
        "reflection_exists": 0.66,
        "therapist_input_exists": 0.64,
        "client_talk_type": 0.47,
    }
    assert {name: found[name].fleiss for name in wanted} == pytest.approx(wanted, abs=0.01)
    assert (found["question_exists"].items, found["client_talk_type"].items) == (216, 212)
    assert found["reflection_exists"].pairs == pytest.approx((0.49, 0.67, 0.82), abs=0.01)
    assert found["client_talk_type"].pairs == pytest.approx((0.24, 0.47, 0.65), abs=0.01)


@pytest.mark.real_data
def test_quality_groups_have_the_known_ratios_and_their_undefined_sessions(
    published: list[annomi.Session],
):
    high, low = annomi_groups.quality_groups(published)
    assert (high.quality, high.sessions, low.quality, low.sessions) == ("high", 110, "low", 23)
    assert high.reflection_to_question == pytest.approx(1.00, abs=0.005)
    assert low.reflection_to_question == pytest.approx(0.27, abs=0.005)
    assert high.complex_reflection_share == pytest.approx(0.47, abs=0.005)
    assert low.complex_reflection_share == pytest.approx(0.38, abs=0.005)
    assert high.without_question + low.without_question == 3
    assert high.without_reflection + low.without_reflection == 15
