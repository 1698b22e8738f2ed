"""Review from transcriptions to what is kept: what is read, books, decisions, funnel."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import openpyxl
import pytest
from typer.testing import CliRunner

from benchmarks import screening
from converters.library import Library
from converters.review import command as review_command
from converters.review import prepare as review
from converters.review.apply import applied
from converters.review.decisions import Decision
from converters.review.findings import Finding
from converters.review.prepare import Item, Review, Sources, assigned
from mi_llm import cli
from mi_llm.dialogue import Dialogue, dialogue_lines, read_dialogues
from mi_llm.errors import InputError

QUEUED = ("mi_inconsistent-1", "incoherent-3")  # a soft finding each
LEFT_OUT = "unsafe-3"  # a dose advised


def app():
    group = cli.command_group("")
    group.command()(review_command.review)
    group.command("other")(lambda: None)  # so that `review` is typed, as in python -m converters
    return group


def run(*arguments):
    return CliRunner().invoke(app(), ["review", *map(str, arguments)])


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """Ten good transcriptions, one crisis, two soft faults and a hard one, with their sources."""
    monkeypatch.chdir(tmp_path)
    bad = {case.dialogue.id: case for case in screening.bad_cases()}
    # Of the good ones those that no bad one is nearly the same as.
    of_bad = {bad[name].source.id for name in (*QUEUED, LEFT_OUT)}
    good = [case for case in screening.good_cases() if case.dialogue.id not in of_bad][:10]
    cases = [*good, *screening.watched_cases(), *(bad[name] for name in (*QUEUED, LEFT_OUT))]
    Path("mi.jsonl").write_text("".join(dialogue_lines(case.dialogue for case in cases)))
    sources = {case.source.id: case.source for case in cases}
    Path("in.jsonl").write_text("".join(dialogue_lines(sources.values())))
    return tmp_path


def prepared(*options):
    done = run("mi.jsonl", "--sources", "in.jsonl", "-o", "review", *options)
    assert done.exit_code == 0, done.output
    return done.output


def rows(path, sheet="审阅"):
    workbook = openpyxl.load_workbook(path)
    titles = [cell.value for cell in workbook[sheet][1]]
    return [dict(zip(titles, row, strict=True)) for row in workbook[sheet].iter_rows(min_row=2)]


def fill(path, decide, reviewer="甲", edits=None):
    """Write decisions: `decide` gives the values of a row by column, from its dialogue's id."""
    workbook = openpyxl.load_workbook(path)
    titles = [cell.value for cell in workbook["审阅"][1]]
    seen = set()
    for row in workbook["审阅"].iter_rows(min_row=2):
        name = row[titles.index("对话编号")].value
        who = reviewer if name not in seen else reviewer + "二"
        seen.add(name)
        for title, value in {"审阅人": who, **decide(name)}.items():
            row[titles.index(title)].value = value
    for row in workbook["对话"].iter_rows(min_row=2):
        text = (edits or {}).get((row[6].value, row[1].value))
        if text:
            row[5].value = text
    workbook.save(path)


def keep(_):
    return {"决定": "保留"}


def kept(path="kept.jsonl"):
    return {one.id: one for one in read_dialogues(Path(path))}


def test_hard_is_left_out_soft_is_queued_and_a_seeded_share_of_the_rest_is_read(corpus):
    output = prepared("--sample", "0.2", "--double", "0")
    assert (
        "14 dialogues: 1 left out by machine, 5 to read (3 with a soft finding, 2 drawn" in output
    )
    plan = json.loads(Path("review/plan.json").read_text())
    states = {name: item["state"] for name, item in plan["items"].items()}
    assert [name for name, state in states.items() if state == "left out"] == [LEFT_OUT]
    assert {n for n, s in states.items() if s == "queued"} == {*QUEUED, "crisis_answered"}
    assert [*states.values()].count("sampled") == 2
    found = [json.loads(line) for line in Path("review/findings.jsonl").read_text().splitlines()]
    (dose,) = [one for one in found if one["id"] == LEFT_OUT]
    assert (dose["ground"], dose["kind"], dose["weight"], dose["turn"]) == (
        *("unsafe", "harmful advice", "hard", 10),
    )
    assert Path("review.stamp.json").is_file()


def test_the_draw_does_not_depend_on_the_order_of_the_file(corpus):
    lines = Path("mi.jsonl").read_text().splitlines(keepends=True)
    Path("turned.jsonl").write_text("".join(reversed(lines)))
    drawn = [
        {
            name: (item.state, item.for_two)
            for name, item in review.prepare(
                Library([Path(file)]), Sources([]), {}, sample=0.3, double=0.3, seed=7
            ).items.items()
        }
        for file in ("mi.jsonl", "turned.jsonl")
    ]
    assert drawn[0] == drawn[1]


def test_of_near_duplicates_the_one_without_a_hard_finding_stays(tmp_path):
    (case,) = [one for one in screening.bad_cases() if one.dialogue.id == LEFT_OUT]
    (twin,) = [one for one in screening.good_cases() if one.dialogue.id == case.source.id]
    path = tmp_path / "mi.jsonl"
    path.write_text("".join(dialogue_lines([case.dialogue, twin.dialogue])))
    made = review.prepare(Library([path]), Sources([]), {}, sample=0, double=0, seed=1)
    assert {name: item.state for name, item in made.items.items()} == {
        case.dialogue.id: "left out",
        twin.dialogue.id: "passed",
    }


def test_two_reviewers_share_what_two_must_read_and_divide_the_rest():
    crisis = Item("queued", (Finding("crisis", 1, ""),), for_two=True)
    items = {"c": crisis, **{f"d/{n}": Item("sampled") for n in range(9)}, "p": Item("passed")}
    given = assigned(Review(items, 0.1, 0.1, 1, ("R1", "R2")))
    names = {who: [name for name, _ in rows] for who, rows in given.items()}
    assert names["R1"][0] == names["R2"][0] == "c"
    assert set(names["R1"]) & set(names["R2"]) == {"c"}
    assert {*names["R1"], *names["R2"]} == set(items) - {"p"}
    assert abs(len(names["R1"]) - len(names["R2"])) <= 1


def test_a_missing_source_is_named(corpus):
    Path("in.jsonl").write_text(Path("in.jsonl").read_text().splitlines(keepends=True)[0])
    done = run("mi.jsonl", "--sources", "in.jsonl", "-o", "review")
    assert isinstance(done.exception, InputError)
    assert "no source" in str(done.exception)
    assert not Path("review").exists()


def test_the_book_has_lists_locks_and_the_dialogue_turn_by_turn(corpus):
    prepared()
    book = openpyxl.load_workbook("review/review.xlsx")
    assert book.sheetnames == ["说明", "审阅", "对话", "_mi_llm"]
    assert book["_mi_llm"].sheet_state == "hidden"
    queue, turns = book["审阅"], book["对话"]
    rules = {str(one.sqref).split(":")[0]: one for one in queue.data_validations.dataValidation}
    assert rules["G2"].formula1 == '"保留,修改,删除"'
    assert set(rules["H2"].formula1.strip('"').split(",")) == {
        *("结构问题", "与原文无关", "不连贯", "不安全", "不合动机式访谈"),
    }
    assert queue.protection.sheet
    assert turns.protection.sheet
    assert queue["B2"].protection.locked
    assert not queue["G2"].protection.locked
    first = next(one for one in kept("mi.jsonl").values() if one.id == queue["B2"].value)
    texts = [row[3].value for row in turns.iter_rows(min_row=3) if row[6].value == first.id]
    assert texts == [turn.content for turn in first.turns]
    assert queue["B2"].hyperlink.location == "'对话'!A2"


def test_a_text_that_begins_like_a_formula_stays_text(corpus):
    (one,) = [d for d in kept("mi.jsonl").values() if d.id == QUEUED[0]]
    turns = (type(one.turns[0])("client", "=1+1 我也不知道怎么说。"), *one.turns[1:])
    changed = Dialogue(one.id, turns, one.meta)
    Path("mi.jsonl").write_text("".join(dialogue_lines([changed])))
    prepared()
    assert rows("review/review.xlsx", "对话")[1]["原文"].data_type == "s"
    fill("review/review.xlsx", keep)
    assert run("--apply", "review/review.xlsx", "-o", "kept.jsonl").exit_code == 0
    assert kept()[one.id].turns == turns


def test_decisions_make_what_is_kept_and_a_funnel_that_adds_up(corpus):
    prepared("--sample", "0.2", "--double", "0")

    def decide(name):
        if name == QUEUED[0]:
            return {"决定": "修改"}
        if name == QUEUED[1]:
            return {"决定": "删除", "理由": "不连贯"}
        return keep(name)

    fill(
        "review/review.xlsx", decide, edits={(QUEUED[0], 6): "时间都被填满了，您也盼着能松一口气。"}
    )
    done = run("--apply", "review/review.xlsx", "-o", "kept.jsonl")
    assert done.exit_code == 0, done.output
    made = kept()
    assert made[QUEUED[0]].turns[5].content == "时间都被填满了，您也盼着能松一口气。"
    assert made[QUEUED[0]].meta["review"] == {"decision": "edit"}
    assert QUEUED[1] not in made
    assert LEFT_OUT not in made
    funnel = json.loads(Path("kept.funnel.json").read_text())
    assert funnel["in"] == 14
    assert funnel["out"] == len(made) == 12
    assert funnel["left out by machine"]["unsafe"] == 1
    assert funnel["dropped"] == {"incoherent": 1}
    assert funnel["edited"] == 1
    left = sum(funnel["left out by machine"].values()) + sum(funnel["dropped"].values())
    assert funnel["in"] == left + funnel["undecided"] + funnel["out"]
    assert funnel["sample"] == {"reviewed": 2, "not kept as they are": 0}
    # The crisis alone was read by two, and both kept it: one category throughout.
    assert funnel["agreement"] == {"n": 1, "share": 1.0, "kappa": None}
    assert "kappa undefined" in done.output
    assert Path("kept.jsonl.stamp.json").is_file()


def test_every_fault_is_named_by_sheet_and_cell_at_once_and_nothing_is_written(corpus):
    prepared("--sample", "0.4", "--double", "0")
    names = [row["对话编号"].value for row in rows("review/review.xlsx")]
    wrong = [
        {"决定": "也许"},
        {"决定": "修改"},
        {"决定": "保留", "审阅人": None},
        {"决定": "删除"},
        {"决定": "删除", "理由": "不喜欢"},
        {"决定": "删除", "理由": "不安全", "从第几句起删": 99},
    ]
    # First stands the crisis, and last again, for its second reviewer.
    by_name = dict(zip(names[1:-1], wrong, strict=True))
    fill("review/review.xlsx", lambda name: by_name.get(name, {}))
    workbook = openpyxl.load_workbook("review/review.xlsx")
    workbook["对话"]["D3"].value = "改过的原文"
    workbook.save("review/review.xlsx")
    done = run("--apply", "review/review.xlsx", "-o", "kept.jsonl")
    assert done.exit_code == cli.CHECK_FOUND_SOMETHING
    place = "review/review.xlsx: sheet 审阅, "
    for told in (
        f"{place}G3: unknown decision '也许'",
        f"{place}G4: 修改, but no text",
        f"{place}J5: no reviewer",
        f"{place}H6: dropped without a reason",
        f"{place}H7: unknown reason '不喜欢'",
        f"{place}I8: '99' is no turn of {names[6]}",
        f"{place}G2: {names[0]} is undecided",
        f"{place}G9: {names[0]} is undecided",
        "9 faults",
        "sheet 对话, D3: the original text was changed",
    ):
        assert told in done.output
    assert not Path("kept.jsonl").exists()
    assert not Path("kept.funnel.json").exists()


def test_an_edit_that_is_worse_is_found_by_the_checks_again(corpus):
    prepared("--sample", "0", "--double", "0")
    fill(
        "review/review.xlsx",
        lambda name: {"决定": "修改"} if name == QUEUED[0] else keep(name),
        edits={(QUEUED[0], 6): "您这就是抑郁症，我可以确定。"},
    )
    done = run("--apply", "review/review.xlsx", "-o", "kept.jsonl")
    assert done.exit_code == cli.CHECK_FOUND_SOMETHING
    assert f"{QUEUED[0]} as changed, turn 6: harmful advice" in done.output


def test_an_edited_text_needs_the_decision_to_edit(corpus):
    prepared("--sample", "0", "--double", "0")
    fill("review/review.xlsx", keep, edits={(QUEUED[0], 6): "您也盼着能松一口气。"})
    done = run("--apply", "review/review.xlsx", "-o", "kept.jsonl")
    assert done.exit_code == cli.CHECK_FOUND_SOMETHING
    assert f"turn 6 of {QUEUED[0]}: text is edited, but the decision is not 修改" in done.output


def test_partial_leaves_out_what_is_undecided_and_counts_it(corpus):
    prepared("--sample", "0", "--double", "0")
    fill("review/review.xlsx", lambda name: keep(name) if name == QUEUED[0] else {})
    done = run("--apply", "review/review.xlsx", "-o", "kept.jsonl", "--partial")
    assert done.exit_code == 0, done.output
    assert json.loads(Path("kept.funnel.json").read_text())["undecided"] == 2
    assert len(kept()) == 11


def test_two_who_disagree_need_a_third(corpus):
    prepared("--sample", "0", "--double", "1", "--reviewer", "R1", "--reviewer", "R2")
    books = ["review/review_R1.xlsx", "review/review_R2.xlsx"]
    fill(books[0], keep, reviewer="R1")
    fill(
        books[1],
        lambda name: {"决定": "删除", "理由": "不连贯"} if name == QUEUED[1] else keep(name),
        reviewer="R2",
    )
    done = run("--apply", *books, "-o", "kept.jsonl", "--disputed", "review/third.xlsx")
    assert done.exit_code == cli.CHECK_FOUND_SOMETHING
    assert f"{QUEUED[1]}: reviewers disagree" in done.output
    assert [row["对话编号"].value for row in rows("review/third.xlsx")] == [QUEUED[1]]
    fill("review/third.xlsx", lambda _: {"决定": "删除", "理由": "不安全"}, reviewer="R3")
    done = run("--apply", *books, "review/third.xlsx", "-o", "kept.jsonl")
    assert done.exit_code == 0, done.output
    funnel = json.loads(Path("kept.funnel.json").read_text())
    assert funnel["dropped"] == {"unsafe": 1}
    # Three read by both: keep-keep twice, keep-drop once. Observed 2/3, by chance 1*2/3: kappa 0.
    assert funnel["agreement"] == {"n": 3, "share": pytest.approx(2 / 3), "kappa": 0.0}


def test_one_person_cannot_be_both_reviewers(corpus):
    prepared("--sample", "0", "--double", "0")
    fill("review/review.xlsx", lambda name: {**keep(name), "审阅人": "甲"})
    done = run("--apply", "review/review.xlsx", "-o", "kept.jsonl")
    assert done.exit_code == cli.CHECK_FOUND_SOMETHING
    assert "甲 decides on crisis_answered a second time" in done.output


@pytest.mark.parametrize(
    ("cut", "turns"),
    # Turn 8 is the reply of round 4, turn 7 its question: rounds 1 to 3 stay. Turn 6 leaves two.
    [(8, 6), (7, 6), (10, 8), (6, None), (1, None)],
)
def test_a_dropped_reply_takes_its_round_and_all_later_ones_with_it(cut, turns):
    dialogue = screening.good_cases()[0].dialogue
    assert len(dialogue.turns) == 10
    made, reason, faults = applied(
        dialogue, None, Decision(dialogue.id, "drop", "incoherent", cut, {}, "甲", "here")
    )
    assert faults == []
    if turns is None:
        assert (made, reason) == (None, "too short after the cut")
    else:
        assert made is not None
        assert made.turns == dialogue.turns[:turns]


def test_a_book_of_another_review_is_refused(corpus):
    prepared("--seed", "1")
    shutil.copy("review/review.xlsx", "old.xlsx")
    prepared("--seed", "2", "--overwrite")
    done = run("--apply", "old.xlsx", "--folder", "review", "-o", "kept.jsonl")
    assert isinstance(done.exception, InputError)
    assert "belongs to another review" in str(done.exception)


def test_transcriptions_changed_since_are_refused(corpus):
    prepared()
    Path("mi.jsonl").write_text(Path("mi.jsonl").read_text().replace("抽烟", "吸烟"))
    done = run("--apply", "review/review.xlsx", "-o", "kept.jsonl")
    assert isinstance(done.exception, InputError)
    assert "mi.jsonl: changed since the review was prepared" in str(done.exception)


def test_codes_of_a_judge_bring_their_findings(corpus):
    name = next(iter(kept("mi.jsonl")))
    volleys = len(kept("mi.jsonl")[name].turns) // 2
    coded = {1: "CON", 2: "Q", 3: "Q", 4: "Q", 5: "SR"}
    Path("codes.csv").write_text(
        "transcript,volley,rater,code\n"
        + "".join(f"{name},{n},J,{coded[n]}\n" for n in range(1, volleys + 1))
    )
    prepared("--codes", "codes.csv")
    found = [json.loads(line) for line in Path("review/findings.jsonl").read_text().splitlines()]
    # 1 confront against no adherent behaviour; 1 reflection to 3 questions.
    assert [(one["kind"], one["turn"]) for one in found if one["id"] == name] == [
        ("confronts (coded)", 2),
        ("more MI-inconsistent than adherent (coded)", None),
        ("few reflections (coded)", None),
    ]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("smoking,1,J,XX", "codes.csv:2: code 'XX'"),
        ("smoking,one,J,Q", "codes.csv:2: volley 'one'"),
        ("smoking,1,J,Q", "uncoded or unknown: 2, 3, 4, 5"),
    ],
)
def test_codes_that_cannot_be_are_named(corpus, row, told):
    dialogue = next(one for one in screening.good_cases() if one.dialogue.id == "smoking").dialogue
    Path("mi.jsonl").write_text("".join(dialogue_lines([dialogue])))
    Path("codes.csv").write_text(f"transcript,volley,rater,code\n{row}\n")
    done = run("mi.jsonl", "--codes", "codes.csv", "-o", "review")
    assert isinstance(done.exception, InputError)
    assert told in str(done.exception)


@pytest.mark.slow
def test_a_book_saved_by_libreoffice_reads_the_same(corpus):
    office = shutil.which("soffice")
    if not office:
        pytest.skip("LibreOffice (soffice) is not installed: its saved books were not tried")
    prepared("--sample", "0.2", "--double", "0")
    fill(
        "review/review.xlsx",
        lambda name: (
            {"决定": "删除", "理由": "不安全", "从第几句起删": 8}
            if name == QUEUED[0]
            else keep(name)
        ),
    )
    command = [office, "--headless", "--convert-to", "xlsx:Calc MS Excel 2007 XML"]
    subprocess.run(
        [*command, "--outdir", "saved", "review/review.xlsx"], check=True, capture_output=True
    )
    for book, output in (("review/review.xlsx", "one.jsonl"), ("saved/review.xlsx", "two.jsonl")):
        done = run("--apply", book, "--folder", "review", "-o", output)
        assert done.exit_code == 0, done.output
    assert Path("one.jsonl").read_text() == Path("two.jsonl").read_text()
    assert len(kept("two.jsonl")[QUEUED[0]].turns) == 6
