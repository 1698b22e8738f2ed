"""Codings on disk: what is written is read back, and every wrong line is named."""

from __future__ import annotations

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_llm.coding import Note, Session, read_codings, write_codings
from mi_llm.errors import InputError
from mi_llm.miti import Code, Globals, volley_codes

Q, SR, CR, P = Code("Q"), Code("SR"), Code("CR"), Code("P")

DONE = Session(
    "T01",
    "R1",
    (frozenset({CR, Q}), frozenset(), frozenset({Code("SEEK")})),
    Globals(3, 4, 2, 5),
    "少抽烟，每天不超过五支",
)
DRAFT = Session(
    "T01", "R2", (frozenset({SR}), frozenset(), frozenset()), None, "", False, frozenset({2, 3})
)

CODES = "transcript,volley,rater,code\nT01,1,R1,Q\nT01,1,R1,CR\nT01,2,R1,NC\n"
GLOBALS = (
    "transcript,rater,dimension,score\nT01,R1,cultivate,3\nT01,R1,soften,4\n"
    "T01,R1,partnership,2\nT01,R1,empathy,5\n"
)
TRANSCRIPTS = "transcript,rater,volleys,target_behaviour,status\nT01,R1,2,戒烟,complete\n"


def folder(path, codes=CODES, globals_=GLOBALS, transcripts=TRANSCRIPTS):
    path.mkdir(exist_ok=True)
    tables = {"codes": codes, "globals": globals_, "transcripts": transcripts}
    for name, text in tables.items():
        (path / f"{name}.csv").write_text(text, encoding="utf-8")
    return path


def test_the_three_tables_are_read_as_the_session_they_describe(tmp_path):
    expected = Session(
        "T01", "R1", (frozenset({Q, CR}), frozenset()), Globals(3, 4, 2, 5), "戒烟", True
    )
    assert read_codings(folder(tmp_path / "codes")) == [expected]


def test_the_files_say_what_the_sessions_say(tmp_path):
    write_codings(tmp_path / "codes", [DONE, DRAFT])
    texts = {
        path.name: path.read_bytes().decode("utf-8-sig") for path in (tmp_path / "codes").iterdir()
    }
    assert texts == {
        "codes.csv": "transcript,volley,rater,code\nT01,1,R1,Q\nT01,1,R1,CR\nT01,2,R1,NC\n"
        "T01,3,R1,SEEK\nT01,1,R2,SR\n",
        "globals.csv": GLOBALS,
        "transcripts.csv": "transcript,rater,volleys,target_behaviour,status\n"
        "T01,R1,3,少抽烟，每天不超过五支,complete\nT01,R2,3,,partial\n",
    }


def test_what_is_written_is_read_back_drafts_too(tmp_path):
    write_codings(tmp_path / "codes", [DONE, DRAFT])
    assert read_codings(tmp_path / "codes") == [DONE, DRAFT]


given_codes = st.lists(st.none() | st.sampled_from(Code), max_size=6)
volleys = st.lists(given_codes.map(volley_codes), max_size=8)


@given(volleys, st.tuples(*[st.none() | st.integers(1, 5)] * 2, *[st.integers(1, 5)] * 2))
def test_any_legal_session_comes_back(tmp_path_factory, coded, scores):
    path = tmp_path_factory.mktemp("any") / "codes"
    sessions = [Session("T,1", "评分者 二", tuple(coded), Globals(*scores), '走路"多"一点')]
    write_codings(path, sessions)
    assert read_codings(path) == sessions


def test_no_spreadsheet_runs_what_people_wrote_and_it_comes_back(tmp_path):
    session = Session("-T1", "=R1", (frozenset({Q}),), Globals(*[3] * 4), "@家里=+戒烟")
    notes = [Note("-T1", "=R1", 1, '=HYPERLINK("http://x")'), Note("-T1", "=R1", None, "\t-1+2")]
    write_codings(tmp_path / "codes", [session], notes=notes)
    for path in (tmp_path / "codes").iterdir():
        with path.open(encoding="utf-8-sig", newline="") as stream:
            cells = [cell for row in csv.reader(stream) for cell in row]
        assert not [cell for cell in cells if cell.lstrip().startswith(("=", "+", "-", "@"))]
    assert read_codings(tmp_path / "codes") == [session]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"codes": CODES + "T01,2,R1,Q\n"}, "codes.csv:5: Q in a volley that has NC"),
        ({"codes": CODES + "T01,1,R1,NC\n"}, "codes.csv:5: NC and another line for this volley"),
        (
            {"codes": CODES + "T01,1,R1,SR\n"},
            "codes.csv:5: SR and CR in one volley; leave SR out",
        ),
        ({"codes": CODES + "T01,1,R1,Q\n"}, "codes.csv:5: Q comes 2 times; it counts once per"),
        (
            {"codes": CODES + "T01,1,R1,XX\n"},
            "codes.csv:5: unknown code 'XX'; there are GI, P, PwP, Q, SR, CR, AF, SEEK, EMPH, "
            "CON, NC",
        ),
        ({"codes": CODES + "T01,3,R1,Q\n"}, "codes.csv:5: volley 3 of T01, which has 2"),
        ({"codes": CODES + "T01,0,R1,Q\n"}, "codes.csv:5: volley is '0'; expected a whole number"),
        ({"codes": CODES + "T02,1,R1,Q\n"}, "codes.csv:5: no line for rater 'R1' and 'T02' in"),
        ({"codes": CODES + "T01,1,R1\n"}, "codes.csv:5: 3 cells for 4 columns; is the file whole?"),
        (
            {"codes": CODES.replace("T01,2,R1,NC\n", "")},
            "transcripts.csv:2: transcript T01, rater R1: complete, but",
        ),
        ({"codes": CODES.replace("code\n", "label\n")}, "codes.csv:1: no column code"),
        ({"codes": CODES + '"T01'}, "codes.csv:5: not CSV"),
        ({"globals_": GLOBALS + "T01,R1,warmth,5\n"}, "globals.csv:6: dimension 'warmth' is not"),
        ({"globals_": GLOBALS + "T01,R1,empathy,5\n"}, "globals.csv:6: dimension 'empathy' comes"),
        (
            {"globals_": GLOBALS.replace("empathy,5", "empathy,6")},
            "globals.csv:5: score is '6'; expected a whole number from 1 to 5",
        ),
        (
            {"globals_": GLOBALS.replace("T01,R1,empathy,5\n", "")},
            "globals.csv: transcript T01, rater R1: empathy missing",
        ),
        ({"transcripts": TRANSCRIPTS * 2}, "transcripts.csv:3: status 'status'; expected"),
        (
            {"transcripts": TRANSCRIPTS + "T01,R1,2,戒烟,complete\n"},
            "transcripts.csv:3: rater R1 has transcript T01 twice",
        ),
        (
            {"transcripts": TRANSCRIPTS + "T01,R2,3,戒烟,partial\n"},
            "transcripts.csv: transcript T01 has 2 volleys for R1 and 3 for R2",
        ),
        (
            {"transcripts": TRANSCRIPTS.replace("complete", "done")},
            "transcripts.csv:2: status 'done'; expected complete or partial",
        ),
        ({"transcripts": TRANSCRIPTS.split("\n")[0]}, "transcripts.csv: holds no session"),
        (
            {"transcripts": TRANSCRIPTS.replace(",2,", f",{'9' * 5_000},")},
            f"transcripts.csv:2: volleys is '{'9' * 40}...'; expected a whole number from 0 to 10,",
        ),
        (
            {"transcripts": TRANSCRIPTS.replace(",2,", ",99999999,")},
            "transcripts.csv:2: volleys is '99999999'; expected a whole number from 0 to 10,000",
        ),
        (
            {"transcripts": TRANSCRIPTS + "".join(f"X{n},R1,9999,,partial\n" for n in range(200))},
            "transcripts.csv:103: over 1,000,000 volleys in all",
        ),
    ],
)
def test_a_wrong_line_is_named_by_file_and_line(tmp_path, changed, message):
    path = folder(tmp_path / "codes", **changed)
    with pytest.raises(InputError) as caught:
        read_codings(path)
    assert str(caught.value).startswith(f"{path}/{message}")


def test_a_missing_table_is_named(tmp_path):
    path = folder(tmp_path / "codes")
    (path / "globals.csv").unlink()
    with pytest.raises(InputError, match=r"globals\.csv: no such file"):
        read_codings(path)
    (path / "transcripts.csv").unlink()
    with pytest.raises(InputError, match=r"transcripts\.csv: no such .* 'eval codes' and"):
        read_codings(path)


def test_a_draft_may_leave_volleys_out_and_lines_may_stand_in_any_order(tmp_path):
    path = folder(
        tmp_path / "codes",
        codes="transcript,volley,rater,code\nT01,2,R1,SR\n",
        globals_=GLOBALS.split("\n")[0],
        transcripts=TRANSCRIPTS.replace("complete", "partial"),
    )
    volleys = (frozenset[Code](), frozenset({SR}))
    assert read_codings(path) == [
        Session("T01", "R1", volleys, None, "戒烟", False, frozenset({1}))
    ]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"volleys": (frozenset({SR, CR}),)}, "volley 1: SR and CR in one volley"),
        ({"volleys": (frozenset(),), "uncoded": {1}}, "complete, but volley 1 is not coded"),
        ({"volleys": (frozenset({P}),), "uncoded": {1}}, "volley 1 is no volley without codes"),
        ({"volleys": (), "uncoded": {1}, "complete": False}, "volley 1 is no volley without"),
        ({"volleys": (), "rater": " R1"}, "' R1' is no name"),
    ],
)
def test_a_session_that_cannot_be_is_not_constructed(fields, message):
    with pytest.raises(InputError, match=message):
        Session(**{"transcript": "T01", "rater": "R1", "globals": None, **fields})


def test_nothing_or_one_session_twice_is_not_written(tmp_path):
    with pytest.raises(InputError, match="no session to write"):
        write_codings(tmp_path / "codes", [])
    with pytest.raises(InputError, match="rater R1 has transcript T01 twice"):
        write_codings(tmp_path / "codes", [DONE, DONE])
    assert not (tmp_path / "codes").exists()
