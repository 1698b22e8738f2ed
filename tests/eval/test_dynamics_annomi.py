"""AnnoMI's labels as annotations: by hand on a small table, and on the corpus itself."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from eval.dynamics import annomi
from eval.dynamics.annotations import Annotation, ClientTurn, Volley
from eval.dynamics.report import report
from eval.dynamics.subject import subjects
from tests.eval.dynamics_dialogues import loaded, run

COLUMNS = (
    "transcript_id", "utterance_id", "interlocutor", "timestamp", "utterance_text", "annotator_id",
    "mi_quality", "video_title", "video_url", "topic", "main_therapist_behaviour",
    "question_exists", "reflection_exists", "reflection_subtype", "client_talk_type",
)  # fmt: skip


def row(utterance: int, speaker: str, annotator: str = "1", **labels: str) -> dict[str, str]:
    known = dict.fromkeys(COLUMNS, "n/a") | {
        "transcript_id": "7",
        "utterance_id": str(utterance),
        "interlocutor": speaker,
        "timestamp": "00:00:01",
        "utterance_text": f"Utterance {utterance}.",
        "annotator_id": annotator,
        "mi_quality": "high",
        "video_title": "t",
        "video_url": "u",
        "topic": "sleep",
    }
    return known | labels


def table(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_neighbours_of_one_side_are_one_turn_and_the_first_annotator_counts(tmp_path: Path):
    says = {"question_exists": "False", "reflection_exists": "False"}
    path = table(
        tmp_path / "annomi.csv",
        [
            row(0, "therapist", **says | {"question_exists": "True"}),
            row(1, "client", client_talk_type="sustain"),
            row(1, "client", "2", client_talk_type="change"),
            row(2, "client", client_talk_type="change"),
            row(3, "client", client_talk_type="neutral"),
            row(4, "therapist", **says | {"reflection_exists": "True",
                                          "reflection_subtype": "simple"}),
            row(5, "therapist", **says | {"reflection_exists": "True",
                                          "reflection_subtype": "complex"}),
            row(6, "client", client_talk_type="neutral"),
        ],
    )  # fmt: skip
    (dialogue,), said = annomi.read(path)
    assert [turn.role for turn in dialogue.turns] == ["counselor", "client"] * 2
    assert said == {
        "annomi/7": Annotation(
            id="annomi/7",
            by="AnnoMI's experts",
            # Sustain, then change, then neutral: what is not neutral and comes last.
            client=(ClientTurn(turn=1, talk="change"), ClientTurn(turn=2, talk="neutral")),
            counselor=(
                Volley(volley=1, question=True, reflection="none"),
                Volley(volley=2, question=False, reflection="complex"),
            ),
        )
    }


@pytest.mark.real_data
def test_good_and_poor_sessions_are_told_apart_by_change_talk_and_reflections(real_data: Path):
    path = real_data / "annomi" / "AnnoMI-full.csv"
    dialogues, said = annomi.read(path)
    found: Any = report(subjects(dialogues, said), seed=0)
    high, low = found.groups["real_high"], found.groups["real_low"]
    assert (high.dialogues, low.dialogues) == (110, 23)
    # Shares of utterances counted apart from this code, one annotator a session: .70 and .54 change
    # talk, R:Q 1.00 and .27, %CR .47 and .38.
    for measure, expected in {
        "change_talk_share": (0.70, 0.54),
        "reflection_to_question": (1.00, 0.27),
        "complex_reflection_share": (0.47, 0.38),
    }.items():
        pooled = [one.measures[measure].pooled.mean for one in (high, low)]
        assert pooled == pytest.approx(expected, abs=0.01), measure
    by = {(one.measure, one.aggregation): one for one in found.differences}
    assert by["reflection_to_question", "pooled"].low > 0
    assert by["reflection_to_question", "mean of dialogues"].low > 0
    assert by["change_talk_share", "mean of dialogues"].low > 0
    assert by["change_talk_of_all", "pooled"].low > 0
    # Three long sessions of poor quality, 44, 53 and 131, have 44 of its 75 turns of change talk.
    assert by["change_talk_share", "pooled"].low < 0 < by["change_talk_share", "pooled"].value


@pytest.mark.real_data
def test_the_command_reads_annomi_and_asks_no_model(real_data: Path, tmp_path: Path):
    done = run("--annomi", real_data / "annomi" / "AnnoMI-full.csv", "-o", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert "dialogues 133, annotated 133, groups 2" in done.stdout
    found = loaded(tmp_path / "out/dynamics.json")["groups"]
    assert found["real_high"]["measures"]["acceptance"]["defined"] == 0
    assert len((tmp_path / "out/annotations.jsonl").read_text("utf-8").splitlines()) == 133
