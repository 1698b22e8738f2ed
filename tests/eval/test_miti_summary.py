"""The paper's Table 2 in both aggregations, by hand, and the command from codes to tables."""

from __future__ import annotations

import json
from math import sqrt
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from typer.testing import CliRunner

from eval.miti.command import miti
from eval.miti.differences import MEAN, welch
from eval.miti.report import report
from eval.miti.summary import Coded, aggregate, coded
from eval.miti.tables import markdown, table4, table6
from eval.transcripts.collection import Collection
from eval.transcripts.workbook import read
from mi_llm import cli
from mi_llm.coding import Session, write_codings
from mi_llm.errors import InputError
from mi_llm.miti import Code, Counts, Level, volley_codes
from mi_llm.miti_measures import MEASURES, SCALES, counted, per_ten_volleys
from mi_llm.statistics import TOO_FEW, Estimate
from tests.eval.coded_sessions import session

# By hand, means of the two raters:
#   A1: 4 volleys, SR 1.5, CR 1.5, Q 1.5, AF 1, P 0.5
#   A2: 2 volleys, SR 1, no question, neither adherent nor non-adherent
#   A3: 2 volleys, Q 2, P 1, no reflection
SESSIONS = [
    session("A1", "R1", "SR Q/SR/CR Q/AF P", (4, 4, 3, 4)),
    session("A1", "R2", "CR Q/SR/CR/AF", (4, 3, 4, 5)),
    session("A2", "R1", "SR/", (3, 3, 3, 3)),
    session("A2", "R2", "SR/"),
    session("A3", "R1", "Q/Q P", (2, 2, 2, 2), target_behaviour=""),
    session("A3", "R2", "Q/Q P", (3, 2, 2, 3), target_behaviour=""),
]
SOURCES = dict.fromkeys(("A1", "A2", "A3"), "ours")


@pytest.fixture
def averaged() -> list[Coded]:
    return coded(SESSIONS, SOURCES)


def test_two_raters_of_a_session_are_averaged_before_ratios_are_taken(averaged: list[Coded]):
    one = averaged[0]
    assert (one.transcript, one.source, one.raters, one.volleys) == ("A1", "ours", ("R1", "R2"), 4)
    wanted = {
        "simple_reflection": 1.5,
        "complex_reflection": 1.5,
        "reflections": 3,
        "question": 1.5,
        "affirm": 1,
        "persuade": 0.5,
        "mi_adherent": 1,
        "mi_non_adherent": 0.5,
        "complex_reflection_share": 1.5 / 3,
        "reflection_to_question": 3 / 1.5,
        "paper_mi_adherent_ratio": 1 / 1.5,
        "affirm_per_10_volleys": 2.5,
        "cultivate": 4,
        "soften": 3.5,
        "partnership": 3.5,
        "empathy": 4.5,
        "technical": 3.75,
        "relational": 4,
    }
    assert {name: one.value(name) for name in wanted} == pytest.approx(wanted)


def test_what_is_undefined_in_a_session_is_none_and_one_raters_ratings_stand_alone(
    averaged: list[Coded],
):
    without_question, without_reflection = averaged[1:]
    assert without_question.value("reflection_to_question") is None
    assert without_question.value("paper_mi_adherent_ratio") is None
    assert without_question.value("complex_reflection_share") == 0
    assert without_question.value("technical") == 3  # of the only rater who rated
    assert without_reflection.value("complex_reflection_share") is None
    assert without_reflection.value("reflection_to_question") == 0
    assert without_reflection.value("technical") is None  # no change goal
    assert without_reflection.value("relational") == 2.25


@pytest.mark.parametrize(
    ("measure", "values", "pooled"),
    [
        ("complex_reflection_share", [0.5, 0.0], 1.5 / 4),
        ("reflection_to_question", [2.0, 0.0], 4 / 3.5),  # A2's reflection is in the sum
        ("paper_mi_adherent_ratio", [2 / 3, 0.0], 1 / 2.5),
        ("affirm_per_10_volleys", [2.5, 0.0, 0.0], 10 / 8),
    ],
)
def test_both_aggregations_of_the_papers_ratios(
    averaged: list[Coded], measure: str, values: list[float], pooled: float
):
    found = aggregate(averaged, measure, seed=0)
    assert found.mean is not None
    assert found.pooled is not None
    assert found.mean.mean == pytest.approx(sum(values) / len(values))
    assert found.pooled.mean == pytest.approx(pooled)
    assert (found.defined, found.undefined) == (len(values), 3 - len(values))


def test_intervals_of_both_aggregations_by_hand(averaged: list[Coded]):
    # Mean of 0.5 and 0: SD 0.35355, error 0.25. Pooled 0.375: residuals 1.5 - 0.375 * 3 = 0.375
    # and 0 - 0.375 = -0.375; error sqrt(2 * 2 * 0.375^2) / 4 = 0.1875; two sessions: no interval.
    found = aggregate(averaged, "complex_reflection_share", seed=0)
    assert found.sd == pytest.approx(sqrt(0.125))
    assert found.mean == Estimate(0.25, None, None, TOO_FEW)
    assert found.pooled == Estimate(0.375, None, None, TOO_FEW)
    assert (found.mean_error, found.pooled_error) == pytest.approx((0.25, 0.1875))


def test_a_measure_that_no_session_defines_stays_undefined():
    found = aggregate(
        coded([session("A1", "R1", "Q/P")], SOURCES), "complex_reflection_share", seed=0
    )
    assert (found.mean, found.sd, found.pooled, found.undefined) == (None, None, None, 1)


def test_resamples_that_hold_only_sessions_without_a_question_do_no_harm():
    silent = [session(f"S{n}", "R1", "SR/CR") for n in range(5)]
    asking = [session("S8", "R1", "Q/SR"), session("S9", "R1", "Q/Q")]
    sources = {one.transcript: "ours" for one in silent + asking}
    found = aggregate(coded(silent + asking, sources), "reflection_to_question", seed=0)
    assert found.pooled is not None
    assert found.pooled.mean == pytest.approx(11 / 3)
    assert found.pooled.low is not None
    assert found.pooled.low < 11 / 3
    assert (found.defined, found.undefined) == (2, 5)


def test_measures_without_spread_say_so_and_not_nan():
    sources = {f"{source}{number}": source for source in ("one", "two") for number in range(3)}
    ratings = (4, 4, 4, 4)
    sessions = [session(name, "R1", "SR/Q", ratings) for name in sources]
    found = report(sessions, sources, seed=0)
    one = found.sources["one"]["technical"]
    assert (one.sd, one.mean_error) == (0.0, 0.0)
    difference = next(one for one in found.differences if one.measure == "technical")
    assert (difference.value, difference.low) == (0, None)
    assert difference.note == "neither source has any spread"
    assert "NaN" not in json.dumps(found.as_json(), default=str)


def test_levels_are_the_manuals_on_either_aggregation():
    found = report(SESSIONS, SOURCES, seed=0).as_json()["sources"]["ours"]
    assert found["reflection_to_question"]["level"] == {
        "mean_of_sessions": Level.FAIR,
        "pooled": Level.FAIR,
    }
    assert found["complex_reflection_share"]["level"]["mean_of_sessions"] is Level.BELOW_FAIR
    assert "level" not in found["mi_adherent"]


@given(
    st.lists(st.lists(st.none() | st.sampled_from(Code), max_size=6).map(volley_codes), max_size=12)
)
def test_a_single_raters_measures_are_those_of_the_counting_rules(volleys: list[frozenset[Code]]):
    counts = Counts.of(volleys)
    parts = counted({code: counts[code] for code in Code}, counts.volleys)
    values = {name: part[0] / part[1] if part else None for name, part in parts.items()}
    assert values["complex_reflection_share"] == counts.complex_reflection_share
    assert values["reflection_to_question"] == counts.reflection_to_question
    assert values["paper_mi_adherent_ratio"] == counts.paper_mi_adherent_ratio
    assert values["mi_non_adherent"] == counts.mi_non_adherent
    assert values["question_per_10_volleys"] == per_ten_volleys(counts.question, len(volleys))
    assert {*values, "technical", "cultivate"} <= {*MEASURES}


def test_differences_are_welchs():
    one, two = [0.2, 0.5, 0.4, 0.9], [0.1, 0.3, 0.2]
    result = stats.ttest_ind(one, two, equal_var=False).confidence_interval(0.95)
    errors = [(stats.sem(side), len(side)) for side in (one, two)]
    middle, half = sum(one) / 4 - sum(two) / 3, welch(*errors)
    assert (middle - half, middle + half) == pytest.approx((result.low, result.high))


def test_real_sessions_of_both_qualities_also_come_together_as_in_the_paper():
    sources = {"A1": "real_high", "A2": "real_low", "A3": "glm4_tuned"}
    found = report(SESSIONS, sources, seed=0)
    assert list(found.sources) == ["glm4_tuned", "real", "real_high", "real_low"]
    assert found.sources["real"]["question"].defined == 2
    pairs = {(one.first, one.second) for one in found.differences}
    assert ("real_high", "real_low") in pairs
    assert not pairs & {("real", "real_high"), ("real", "real_low")}
    assert {one.aggregation for one in found.differences if one.measure == "question"} == {MEAN}
    head = table6(found)[0]
    assert head == ["measure", "glm4_tuned (n=1)", "paper: glm4", "real (n=2)", "paper: real",
                    "real_high (n=1)", "real_low (n=1)"]  # fmt: skip


def test_table_6_puts_the_printed_values_beside_ours():
    found = report(SESSIONS, dict.fromkeys(SOURCES, "baichuan2_tuned"), seed=0)
    rows = {row[0]: row[1:] for row in table6(found)[1:]}
    assert rows["question"] == ["1.17 (1.04)", "15.56 (7.24)"]  # 1.5, 0, 2
    assert rows["complex_reflection_share"] == ["0.25 (0.35); 1 undefined", "0.31 (0.03)"]
    assert rows["mi_adherent"][1] == "not printed"


def test_an_unknown_transcript_is_refused():
    with pytest.raises(InputError, match="'A2' has codes but no source"):
        coded(SESSIONS, {"A1": "ours", "A3": "ours"})


# The command.

app = cli.command_group("")
app.command()(miti)


def run(*words: object) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def codes(tmp_path: Path) -> Path:
    unfinished = Session("A1", "R3", (frozenset(),) * 4, None, "", False, frozenset({2}))
    write_codings(tmp_path / "codes", [*SESSIONS, unfinished])
    return tmp_path / "codes"


def test_codes_and_key_become_json_csv_and_tables(tmp_path: Path, codes: Path):
    items = {
        name: {"transcript": f"x/{name}", "source": "glm4_lora", "sha256": ""} for name in SOURCES
    }
    (tmp_path / "key.json").write_text(json.dumps({"seed": 1, "manual": "4.2.1", "items": items}))
    ran = run(codes, "--key", tmp_path / "key.json", "-o", tmp_path / "out" / "miti.json")
    assert ran.exit_code == 0, ran.output
    assert "sessions: 3, sources: 1; codings left out, not complete: 1" in ran.output
    found = json.loads((tmp_path / "out" / "miti.json").read_text())
    assert [one["transcript"] for one in found["sessions"]] == ["A1", "A2", "A3"]
    assert found["sources"]["glm4_lora"]["question"]["mean_of_sessions"]["mean"] == pytest.approx(
        3.5 / 3
    )
    assert {*found["sources_by_rater"]} == {"R1", "R2"}
    table = (tmp_path / "out" / "miti.csv").read_text(encoding="utf-8-sig").splitlines()
    rows = [line.split(",") for line in table]
    assert {len(row) for row in rows} == {12}
    pooled = [row for row in rows if row[1:4] == ["averaged", "reflection_to_question", "pooled"]]
    assert pooled[0][6] == "1.14286"
    assert "paper: glm4" in (tmp_path / "out" / "miti.md").read_text()
    assert (tmp_path / "out" / "miti.json.stamp.json").is_file()
    again = run(codes, "-o", tmp_path / "out" / "miti.json")
    assert isinstance(again.exception, InputError)


def test_transcripts_give_sources_rounds_and_topics_and_must_be_those_coded(
    tmp_path: Path, codes: Path
):
    turns = [{"role": "client", "content": "我想少喝。"}, {"role": "counselor", "content": "嗯？"}]
    texts = [
        {"id": name, "turns": turns, "meta": {"transcript": {"source": "glm4_lora", "topic": "酒"}}}
        for name in SOURCES
    ]
    path = tmp_path / "T.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in texts))
    ran = run(codes, "--transcripts", path, "-o", tmp_path / "miti.json")
    assert ran.exit_code == 0, ran.output
    assert "| glm4_lora | 3 | 1.00 (0.00) | 2.00 (0.00) | 5.00 (0.00) | 10 |" in ran.output
    assert "| glm4_lora | 酒 | 3 |" in ran.output
    path.write_text(json.dumps(texts[0]) + "\n")
    ran = run(codes, "--transcripts", path, "-o", tmp_path / "other.json")
    assert isinstance(ran.exception, InputError)


def test_a_key_that_is_none_is_refused(tmp_path: Path, codes: Path):
    (tmp_path / "key.json").write_text("[]")
    ran = run(codes, "--key", tmp_path / "key.json", "-o", tmp_path / "miti.json")
    assert isinstance(ran.exception, InputError)
    assert "not a key" in str(ran.exception)
    assert not (tmp_path / "miti.json").exists()


@pytest.mark.real_data
def test_table_4_of_the_authors_workbook_is_as_printed_but_for_baichuan2s_missing_dialogue(
    real_data: Path,
):
    collection = Collection()
    read(real_data / "mi_llm_authors" / "simulated_dialogues.xlsx", collection)
    rows = {row[0]: row for row in table4(collection.transcripts)}
    assert rows["glm4_tuned"][1:5] == rows["glm4_tuned"][5:]  # dialogues, rounds, both lengths
    ours = rows["llama3_chinese_tuned"][1:5]
    assert ours == ["10", "18.90 (5.80)", "43.79 (8.70)", "10.77 (5.78)"]
    assert rows["llama3_chinese_tuned"][5:8] == ours[:3]  # client printed 10.71 (5.80)
    assert rows["baichuan2_tuned"][1:3] == ["9", "18.78 (7.55)"]
    assert markdown(table4(collection.transcripts)).count("\n") == 1 + 6


def test_a_rate_is_at_most_what_ten_volleys_can_hold():
    # Adherent: affirming, seeking and emphasizing in each of ten volleys. Non-adherent: persuading
    # and confronting. A volley has one kind of reflection, and of any one code one.
    highest = {
        "mi_adherent": 30,
        "mi_non_adherent": 20,
        "reflections": 10,
        "question": 10,
        "persuade": 10,
    }
    assert {name: SCALES[f"{name}_per_10_volleys"].high for name in highest} == highest
