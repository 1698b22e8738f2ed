from __future__ import annotations

import csv
import gzip
import io
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from converters.corpora.annomi import read
from converters.corpora.intake import Intake, take_in
from mi_llm.dialogue import Dialogue, Turn
from mi_llm.errors import InputError
from mi_llm.repair import Repairer

# The column orders of the two real files.
FULL = (
    "mi_quality,transcript_id,video_title,video_url,topic,utterance_id,interlocutor,timestamp,"
    "utterance_text,annotator_id,therapist_input_exists,therapist_input_subtype,reflection_exists,"
    "reflection_subtype,question_exists,question_subtype,main_therapist_behaviour,client_talk_type"
).split(",")
SIMPLE = (
    "transcript_id,mi_quality,video_title,video_url,topic,utterance_id,interlocutor,timestamp,"
    "utterance_text,main_therapist_behaviour,client_talk_type"
).split(",")

SESSION = {"mi_quality": "high", "video_title": "Tea", "video_url": "u/7", "topic": "less tea"}
NEUTRAL = {"client_talk_type": "neutral"}
QUESTION = {
    "therapist_input_exists": "False",
    "reflection_exists": "False",
    "question_exists": "True",
    "question_subtype": "open",
    "main_therapist_behaviour": "question",
}


def row(number: int, speaker: str, text: str, labels: dict[str, str], **other: str):
    spoken = {"utterance_id": str(number), "interlocutor": speaker, "utterance_text": text}
    rest = {"transcript_id": "7", "timestamp": f"00:00:0{number}", "annotator_id": "3"}
    return SESSION | rest | spoken | labels | other


def csv_text(rows: list[dict[str, str]], columns: list[str] = FULL) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, restval="n/a", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def saved(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "AnnoMI.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def taken(tmp_path: Path, rows: list[dict[str, str]], columns: list[str] = FULL) -> list[Dialogue]:
    return list(read(saved(tmp_path, csv_text(rows, columns)), Intake()))


def refusal(tmp_path: Path, text: str | bytes) -> str:
    path = saved(tmp_path, text)
    with pytest.raises(InputError) as caught:
        list(read(path, Intake()))
    message = str(caught.value)
    assert message.startswith(f"{path}:")
    assert "\n" not in message
    return message.removeprefix(f"{path}:").strip()


def utterance(number: int, volley: int | None, speaker: str, text: str, **labels: dict[str, str]):
    return {
        "utterance_id": number,
        "volley": volley,
        "interlocutor": speaker,
        "timestamp": f"00:00:0{number}",
        "text": text,
        "labels": {name.removeprefix("_"): value for name, value in labels.items()},
    }


GOOD = [row(0, "client", "I drink a lot.", NEUTRAL), row(1, "therapist", "How much?", QUESTION)]
DIALOGUE = Dialogue(
    "annomi/7",
    (Turn("client", "I drink a lot."), Turn("counselor", "How much?")),
    {
        **SESSION,
        "utterances": [
            utterance(0, 1, "client", "I drink a lot.", _3=NEUTRAL),
            utterance(1, 2, "therapist", "How much?", _3=QUESTION),
        ],
    },
)


def moved(rows: list[dict[str, str]], transcript: str) -> list[dict[str, str]]:
    return [{**one, "transcript_id": transcript} for one in rows]


def test_rows_become_a_dialogue_and_columns_are_found_by_name(tmp_path: Path):
    for columns in (FULL, FULL[::-1]):
        assert taken(tmp_path, GOOD, columns) == [DIALOGUE]


def test_the_simple_file_gives_the_same_turns_with_the_majoritys_labels(tmp_path: Path):
    (made,) = taken(tmp_path, GOOD, SIMPLE)
    assert (made.id, made.turns) == (DIALOGUE.id, DIALOGUE.turns)
    assert [one["labels"] for one in made.meta["utterances"]] == [
        {"majority": {"client_talk_type": "neutral"}},
        {"majority": {"main_therapist_behaviour": "question"}},
    ]


@pytest.mark.parametrize("by", ["utterance_id", "annotator_id"])
def test_an_utterance_with_several_annotators_comes_once_with_all_their_labels(
    tmp_path: Path, by: str
):
    other = {"therapist_input_exists": "True", "main_therapist_behaviour": "other"}
    rows = [
        *GOOD,
        row(0, "client", "I drink a lot.", {"client_talk_type": "change"}, annotator_id="12"),
        row(1, "therapist", "How much?", other, annotator_id="12"),
    ]
    (made,) = taken(tmp_path, sorted(rows, key=lambda one: int(one[by])))
    assert made.turns == DIALOGUE.turns
    assert made.meta["utterances"] == [
        utterance(0, 1, "client", "I drink a lot.", _3=NEUTRAL, _12={"client_talk_type": "change"}),
        utterance(1, 2, "therapist", "How much?", _3=QUESTION, _12=other),
    ]


def test_an_annotator_without_any_label_is_kept(tmp_path: Path):
    (made,) = taken(tmp_path, [row(0, "client", "Hm.", {}), GOOD[1]])
    assert made.meta["utterances"][0]["labels"] == {"3": {}}


def test_utterances_of_one_speaker_in_a_row_are_one_volley_and_counted(tmp_path: Path):
    rows = [
        row(0, "therapist", "Hello. ", {}),
        row(1, "therapist", "How are you?", {}),
        row(2, "client", "Fine--", {}),
        row(3, "therapist", "Good.", {}),
    ]
    intake = Intake()
    (made,) = read(saved(tmp_path, csv_text(rows)), intake)
    assert made.turns == (
        Turn("counselor", "Hello.\nHow are you?"),
        Turn("client", "Fine--"),
        Turn("counselor", "Good."),
    )
    assert [(one["volley"], one["text"]) for one in made.meta["utterances"]] == [
        (1, "Hello. "),
        (1, "How are you?"),
        (2, "Fine--"),
        (3, "Good."),
    ]
    assert intake.repairer.counts == {"merged neighbours": 1, "stripped turns": 1}


def test_a_blank_utterance_is_in_no_volley(tmp_path: Path):
    rows = [
        row(0, "therapist", "One.", {}),
        row(1, "client", " ", {}),
        row(2, "therapist", "2", {}),
    ]
    intake = Intake()
    (made,) = read(saved(tmp_path, csv_text(rows)), intake)
    assert made.turns == (Turn("counselor", "One.\n2"),)
    assert [one["volley"] for one in made.meta["utterances"]] == [1, None, 1]
    assert intake.repairer.counts == {"dropped blank turns": 1, "merged neighbours": 1}


def test_paired_by_position_every_utterance_is_its_own_volley(tmp_path: Path):
    rows = [row(0, "therapist", "One.", {}), row(1, "therapist", "Two.", {})]
    path = saved(tmp_path, csv_text(rows))
    (made,) = read(path, Intake(Repairer(pairing="position")))
    assert made.turns == (Turn("client", "One."), Turn("counselor", "Two."))
    assert [one["volley"] for one in made.meta["utterances"]] == [1, 2]


def test_the_policy_none_names_the_transcript_and_the_utterance(tmp_path: Path):
    path = saved(tmp_path, csv_text([*GOOD, row(2, "therapist", "So?", {})]))
    with pytest.raises(InputError, match=r"transcript 7, turn 3: second counselor turn in a row"):
        list(read(path, Intake(Repairer("none"))))


def test_utterances_are_put_in_the_order_of_their_numbers(tmp_path: Path):
    rows = [row(number, "client", f"text {number}", {}) for number in (10, 9, 2)]
    (made,) = taken(tmp_path, rows)
    assert made.turns == (Turn("client", "text 2\ntext 9\ntext 10"),)


def test_blanks_around_what_is_said_of_the_session_are_stripped(tmp_path: Path):
    (made,) = taken(tmp_path, [GOOD[0], {**GOOD[1], "topic": "less tea ", "mi_quality": " high"}])
    assert made == DIALOGUE


def test_commas_quotes_and_lines_inside_a_cell_are_text(tmp_path: Path):
    said = 'He said, "no",\n\nand “left” -- [laughs] [unintelligible 00:01:04]'
    (made,) = taken(tmp_path, [row(0, "client", said, {})])
    assert made.turns == (Turn("client", said),)
    assert made.meta["utterances"] == [utterance(0, 1, "client", said, _3={})]


def test_a_byte_order_mark_carriage_returns_blank_lines_and_gzip_do_not_matter(tmp_path: Path):
    data = b"\xef\xbb\xbf" + csv_text(GOOD).replace("\n", "\r\n").encode() + b"\r\n"
    assert list(read(saved(tmp_path, data), Intake())) == [DIALOGUE]
    packed = tmp_path / "AnnoMI.csv.gz"
    packed.write_bytes(gzip.compress(data))
    assert list(read(packed, Intake())) == [DIALOGUE]


def test_nothing_of_one_transcript_reaches_another(tmp_path: Path):
    made = taken(
        tmp_path, [*GOOD, *moved([row(0, "therapist", "Next.", {})], "8"), *moved(GOOD, "9")]
    )
    assert made == [
        DIALOGUE,
        Dialogue(
            "annomi/8",
            (Turn("counselor", "Next."),),
            {**SESSION, "utterances": [utterance(0, 1, "therapist", "Next.", _3={})]},
        ),
        Dialogue("annomi/9", DIALOGUE.turns, DIALOGUE.meta),
    ]


def test_a_dialogue_is_given_before_the_rest_of_the_file_is_read(tmp_path: Path):
    made = read(saved(tmp_path, csv_text([*GOOD, *moved(GOOD, "8")]) + "broken"), Intake())
    assert next(made) == DIALOGUE
    with pytest.raises(InputError):
        list(made)


def test_a_transcript_whose_rows_come_apart_is_refused_even_if_bad_ones_are_skipped(tmp_path: Path):
    path = saved(tmp_path, csv_text([*GOOD, *moved(GOOD, "8"), GOOD[1]]))
    with pytest.raises(InputError) as caught:
        list(read(path, Intake(skip_bad=True)))
    assert str(caught.value) == (
        f"{path}:6: transcript '7' goes on behind another one; sort the file by transcript_id"
    )


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"interlocutor": "nurse"}, "unknown interlocutor 'nurse'; known are: therapist, client"),
        ({"utterance_id": "1.0"}, "utterance_id '1.0' is not a whole number"),
        ({"utterance_id": ""}, "utterance_id '' is not a whole number"),
        (
            {"topic": "tea"},
            "topic 'tea', but 'less tea' in the rows before; a transcript has one",
        ),
        (
            {"utterance_id": "0"},
            "utterance 0: speaker, time or text differ from an earlier row's; mend one of them",
        ),
        (
            GOOD[0],
            "utterance 0, annotator '3': stands in an earlier row too; delete one",
        ),
    ],
)
def test_a_bad_row_is_refused_with_its_line_or_its_transcript_skipped(
    tmp_path: Path, bad: dict[str, str], message: str
):
    text = csv_text([GOOD[0], {**GOOD[1], **bad}, *moved(GOOD, "8")])
    assert refusal(tmp_path, text) == f"3: {message}"
    intake = Intake(skip_bad=True)
    assert [one.id for one in read(saved(tmp_path, text), intake)] == ["annomi/8"]
    assert intake.left_out == {"unreadable": 1}


def test_a_transcript_without_any_text_is_refused(tmp_path: Path):
    message = refusal(tmp_path, csv_text([row(0, "client", " ", {})]))
    assert message.startswith("transcript 7: ")
    assert "no turns" in message


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "{}"])
def test_a_file_with_other_columns_is_refused(tmp_path: Path, text: str):
    message = refusal(tmp_path, text)
    assert message.startswith("1: no column transcript_id, utterance_id, interlocutor, ")
    assert message.endswith("; expected AnnoMI-full.csv or AnnoMI-simple.csv")


def test_a_missing_column_is_named(tmp_path: Path):
    columns = [name for name in FULL if name != "timestamp"]
    assert refusal(tmp_path, csv_text(GOOD, columns)).startswith(
        "1: no column timestamp; expected "
    )


def test_a_column_that_comes_twice_is_refused(tmp_path: Path):
    text = csv_text(GOOD).replace("reflection_exists", "question_exists", 1)
    assert refusal(tmp_path, text).startswith("1: column 'question_exists' comes twice")


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("high,7,Tea", "4: 3 cells for 18 columns; is the file whole?"),
        (
            'high,7,"Tea',
            "4: not CSV that can be read: unexpected end of data; is the file whole?",
        ),
    ],
)
def test_a_file_that_is_cut_short_is_refused_with_the_line(tmp_path: Path, rest: str, message: str):
    assert refusal(tmp_path, csv_text(GOOD) + rest) == message


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path):
    text = csv_text([row(0, "client", "café", {})]).encode("latin-1")
    assert refusal(tmp_path, text).startswith("not UTF-8 (byte 0xe9)")


def test_a_missing_file_and_one_without_rows_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match="no such file"):
        list(read(tmp_path / "absent.csv", Intake()))
    with pytest.raises(InputError, match="holds no dialogue"):
        list(take_in(read, saved(tmp_path, csv_text([])), Intake()))


@pytest.fixture
def annomi(real_data: Path) -> tuple[list[Dialogue], Intake]:
    intake = Intake()
    return list(take_in(read, real_data / "annomi" / "AnnoMI-full.csv", intake)), intake


@pytest.mark.real_data
def test_the_real_corpus_has_the_known_counts(annomi: tuple[list[Dialogue], Intake]):
    made, intake = annomi
    assert len(made) == 133
    assert sum(len(one.rounds) for one in made) == 4743
    assert sum(one.opens_with_counselor for one in made) == 116
    assert sum(one.closes_with_client for one in made) == 59
    assert Counter(one.meta["mi_quality"] for one in made) == {"high": 110, "low": 23}
    assert intake.repairer.counts == {"merged neighbours": 38}
    assert not intake.left_out


@pytest.mark.real_data
def test_the_real_utterances_come_once_with_every_annotator(
    real_data: Path, annomi: tuple[list[Dialogue], Intake]
):
    made = {
        (one.id, str(said["utterance_id"])): said
        for one in annomi[0]
        for said in one.meta["utterances"]
    }
    assert sum(len(one.meta["utterances"]) for one in annomi[0]) == len(made) == 9699
    # 7 transcripts with ten annotators hold 216 + 212 utterances; the others have one annotator.
    assert Counter(len(said["labels"]) for said in made.values()) == {1: 9271, 10: 428}
    ten = {key[0] for key, said in made.items() if len(said["labels"]) == 10}
    assert ten == {f"annomi/{number}" for number in (7, 27, 55, 56, 66, 109, 130)}
    with (real_data / "annomi" / "AnnoMI-full.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 13551
    for one in rows:
        said = made[f"annomi/{one['transcript_id']}", one["utterance_id"]]
        assert said["text"] == one["utterance_text"]
        labels = {name: one[name] for name in FULL[10:] if one[name] != "n/a"}
        assert said["labels"][one["annotator_id"]] == labels


@pytest.mark.real_data
def test_the_real_volleys_are_the_turns(annomi: tuple[list[Dialogue], Intake]):
    for one in annomi[0]:
        volleys: dict[int, list[str]] = {}
        for said in one.meta["utterances"]:
            volleys.setdefault(said["volley"], []).append(said["text"].strip())
        assert {number: "\n".join(texts) for number, texts in volleys.items()} == {
            number: turn.content for number, turn in enumerate(one.turns, start=1)
        }


@pytest.mark.real_data
def test_the_real_simple_file_gives_the_same_dialogues(
    real_data: Path, annomi: tuple[list[Dialogue], Intake]
):
    path = real_data / "annomi" / "AnnoMI-simple.csv"
    if not path.exists():
        pytest.skip("the folder that MI_LLM_REAL_DATA names has no annomi/AnnoMI-simple.csv")
    simple = {one.id: bare(one) for one in take_in(read, path, Intake())}
    assert simple == {one.id: bare(one) for one in annomi[0]}


def bare(dialogue: Dialogue) -> tuple[Any, ...]:
    """All but the labels, which the simple file has in part."""
    said = [{**one, "labels": None} for one in dialogue.meta["utterances"]]
    return dialogue.turns, {**dialogue.meta, "utterances": said}
