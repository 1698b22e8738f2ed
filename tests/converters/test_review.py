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
from mi_llm import cli, entries
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
    assert "两人的一致性：kappa 无法计算，决定相同 100%，共 1 段" in done.output
    assert "机器检查去掉：1 段（不安全 1）" in done.output
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
    shutil.copy("review/review.xlsx", "blank.xlsx")
    fill("review/review.xlsx", lambda name: by_name.get(name, {}))
    workbook = openpyxl.load_workbook("review/review.xlsx")
    workbook["对话"]["D3"].value = "改过的原文"
    workbook.save("review/review.xlsx")
    done = run("--apply", "review/review.xlsx", "-o", "kept.jsonl")
    assert done.exit_code == cli.CHECK_FOUND_SOMETHING
    place = "review/review.xlsx：“审阅”页"
    original = rows("blank.xlsx", "对话")[1]["原文"].value
    reasons = "结构问题、与原文无关、不连贯、不安全、不合动机式访谈"
    assert done.stderr.splitlines() == [
        f"review/review.xlsx：“对话”页 D3：原文被改动过，原来是“{original}”，请恢复；"
        "要改的话写在“修改后文本”栏",
        f"{place} G3：决定填的是“也许”，请选保留、修改、删除",
        f"{place} G4：决定是“修改”，但“对话”页没有改 {names[2]} 的任何一句",
        f"{place} J5：没有填审阅人",
        f"{place} H6：决定是“删除”，但没有选理由；请选{reasons}",
        f"{place} H7：理由填的是“不喜欢”，请选{reasons}",
        f"{place} I8：“从第几句起删”填的是“99”，{names[6]} 有 1 至 10 句",
        f"{place} G2：{names[0]}还没有决定；请决定，或加 --partial 略过",
        f"{place} G9：{names[0]}还没有决定；请决定，或加 --partial 略过",
        "共 9 处问题，没有写入 kept.jsonl",
    ]
    assert not Path("kept.jsonl").exists()
    assert not Path("kept.funnel.json").exists()


def test_a_book_that_nobody_decided_in_is_one_line_and_open_rows_that_follow_are_another(corpus):
    prepared("--sample", "0.4", "--double", "0")
    names = [row["对话编号"].value for row in rows("review/review.xlsx")]
    done = run("--apply", "review", "-o", "kept.jsonl")
    assert done.stderr == (
        f"review/review.xlsx：还没有填写（{len(names)} 段）\n共 1 处问题，没有写入 kept.jsonl\n"
    )
    fill("review/review.xlsx", lambda name: keep(name) if name in names[:2] else {})
    done = run("--apply", "review", "-o", "kept.jsonl")
    assert names[0] == names[-1]  # the crisis, which two read
    assert done.stderr.splitlines()[0] == (
        f"review/review.xlsx：“审阅”页 G4:G{len(names)}：{names[2]} 至 {names[-2]} "
        f"共 {len(names) - 3} 段还没有决定；请决定，或加 --partial 略过"
    )


def queue(row, **cells):
    def spoil(book):
        book["审阅"].insert_rows(row)
        for column, value in cells.items():
            book["审阅"][f"{column}{row}"] = value

    return spoil


def turns(change):
    return lambda book: change(book["对话"])


def setting(cell, value):
    return lambda sheet: sheet.__setitem__(cell, value)


# What is done to a book in which all is decided, and all that is said of it: row 2 of the turns is
# the bar of the first dialogue, row 3 its first turn.
CHANGES = {
    "a blank row in the queue": (queue(3), []),
    "a row in the queue": (queue(3, K="备忘"), ["“审阅”页：第 3 行是插入的，请整行删去"]),
    "an id in the queue": (
        lambda book: book["审阅"].__setitem__("B3", "别的"),
        ["“审阅”页 B3：对话编号被改动过，原来是 {second}，请恢复"],
    ),
    "a row of the queue is gone": (
        lambda book: book["审阅"].delete_rows(3),
        ["“审阅”页：缺 {second} 的一行，请撤销删行"],
    ),
    "a formula for a decision": (
        lambda book: book["审阅"].__setitem__("G3", '="保留"'),
        ['“审阅”页 G3：公式 ="保留" 没有存下结果；请直接填内容，或在表格软件里打开、保存后再交'],
    ),
    "a formula for a text": (
        turns(setting("F3", '="好"')),
        ['“对话”页 F3：公式 ="好" 没有存下结果；请直接填内容，或在表格软件里打开、保存后再交'],
    ),
    "a row among the turns": (
        turns(lambda sheet: (sheet.insert_rows(4), sheet.__setitem__("F4", "改写"))),
        ["“对话”页：第 4 行是插入的，请整行删去"],
    ),
    "a copy of a turn": (
        turns(lambda sheet: sheet.append([one.value for one in sheet[3]])),
        ["“对话”页：第 {after} 行是插入的，请整行删去"],
    ),
    "the number of a turn": (
        turns(setting("B3", 77)),
        ["“对话”页 B3：句被改动过，原来是 1，请恢复"],
    ),
    "the id of a turn": (
        turns(setting("G3", "别的")),
        ["“对话”页 G3：对话编号被改动过，原来是 {first}，请恢复"],
    ),
    "a turn is gone": (
        turns(lambda sheet: sheet.delete_rows(3)),
        ["“对话”页：缺 {first} 第 1 句“{text}”，请撤销删行"],
    ),
}


@pytest.fixture(scope="module")
def decided(tmp_path_factory):
    """A review of which each dialogue is kept; its folder."""
    top = tmp_path_factory.mktemp("decided")
    cases = [*screening.watched_cases(), *screening.good_cases()[:2]]
    (top / "mi.jsonl").write_text("".join(dialogue_lines(case.dialogue for case in cases)))
    words = ("--sample", "1", "--double", "0")
    done = run(top / "mi.jsonl", "-o", top / "review", *words)
    assert done.exit_code == 0, done.output
    fill(top / "review/review.xlsx", keep)
    return top


@pytest.mark.parametrize("how", CHANGES)
def test_what_was_printed_and_changed_is_told_with_what_it_was_and_a_row_as_inserted(
    decided, tmp_path, how
):
    path = tmp_path / "book.xlsx"
    shutil.copy(decided / "review/review.xlsx", path)
    book = openpyxl.load_workbook(path)
    facts = {
        "first": book["审阅"]["B2"].value,
        "second": book["审阅"]["B3"].value,
        "text": book["对话"]["D3"].value,
        "after": book["对话"].max_row + 1,
    }
    spoil, expected = CHANGES[how]
    spoil(book)
    book.save(path)
    done = run("--apply", path, "--folder", decided / "review", "-o", tmp_path / "kept.jsonl")
    lines = done.stderr.splitlines()[:-1]
    assert [line.removeprefix(f"{path}：") for line in lines] == [
        one.format(**facts) for one in expected
    ]
    assert done.exit_code == (1 if expected else 0)


def test_an_edit_that_is_worse_is_found_by_the_checks_again(corpus):
    prepared("--sample", "0", "--double", "0")
    fill(
        "review/review.xlsx",
        lambda name: {"决定": "修改"} if name == QUEUED[0] else keep(name),
        edits={(QUEUED[0], 6): "您这就是抑郁症，我可以确定。"},
    )
    done = run("--apply", "review/review.xlsx", "-o", "kept.jsonl")
    assert done.exit_code == cli.CHECK_FOUND_SOMETHING
    assert f"{QUEUED[0]} 改后第 6 句【不安全】" in done.output


def test_an_edited_text_needs_the_decision_to_edit(corpus):
    prepared("--sample", "0", "--double", "0")
    fill("review/review.xlsx", keep, edits={(QUEUED[0], 6): "您也盼着能松一口气。"})
    done = run("--apply", "review/review.xlsx", "-o", "kept.jsonl")
    assert done.exit_code == cli.CHECK_FOUND_SOMETHING
    assert f"{QUEUED[0]} 第 6 句填了“修改后文本”，但决定不是“修改”" in done.output


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
    assert f"{QUEUED[1]}：两位审阅人意见不同" in done.output
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
    assert "甲 已决定过 crisis_answered" in done.output


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
    fill("review/review.xlsx", keep)
    shutil.copy("review/review.xlsx", "old.xlsx")
    prepared("--seed", "2", "--overwrite")
    (aside,) = entries.moved_aside(Path("review"))
    done = run("--apply", "old.xlsx", "--folder", "review", "-o", "kept.jsonl")
    assert isinstance(done.exception, InputError)
    told = f"old.xlsx: 属于另一次审阅，或审阅计划已改动；它属于 {aside}"
    assert str(done.exception) == told
    assert run("--apply", "old.xlsx", "--folder", aside, "-o", "kept.jsonl").exit_code == 0


def test_a_book_that_cannot_be_read_or_lost_a_column_is_told_in_chinese(corpus):
    prepared()
    fill("review/review.xlsx", keep)
    Path("returned").mkdir()
    book = openpyxl.load_workbook("review/review.xlsx")
    book["审阅"]["G1"] = "我的决定"
    book.save("returned/甲.xlsx")
    Path("returned/信.docx").write_bytes(b"PK")
    done = run("--apply", "returned", "--folder", "review", "-o", "kept.jsonl")
    told = "returned/甲.xlsx：“审阅”页第 1 行没有“决定”列；请撤销删列或改列名"
    assert str(done.exception) == told
    assert (
        done.stderr
        == "returned/信.docx：不是表格文件，略过；里面若有审阅册，请解压或另存为 .xlsx 再交\n"
    )
    Path("returned/甲.xlsx").write_bytes(b"PK broken")
    done = run("--apply", "returned", "--folder", "review", "-o", "kept.jsonl")
    assert str(done.exception).startswith("returned/甲.xlsx：打不开（")


def test_transcriptions_changed_since_are_refused(corpus):
    prepared()
    Path("mi.jsonl").write_text(Path("mi.jsonl").read_text().replace("抽烟", "吸烟"))
    done = run("--apply", "review/review.xlsx", "-o", "kept.jsonl")
    assert isinstance(done.exception, InputError)
    message = str(done.exception)
    assert message.startswith("mi.jsonl: smoking or its source was changed since")
    assert message.endswith("put back what the books were made from, or prepare the review again")


def snapshot(folder):
    return {one.name: one.read_bytes() for one in Path(folder).iterdir()}


def test_a_review_prepared_again_of_the_same_dialogues_leaves_its_books_as_they_are(corpus):
    prepared()
    fill("review/review.xlsx", keep)
    before = snapshot("review")
    lines = [json.loads(line) for line in Path("mi.jsonl").read_text().splitlines()]
    again = [{**one, "meta": {**one["meta"], "seen": 1}} for one in reversed(lines)]
    Path("mi.jsonl").write_text("".join(json.dumps(one) + "\n" for one in again))
    assert prepared() == "review: books are up to date\n"
    assert snapshot("review") == before
    assert run("--apply", "review", "-o", "kept.jsonl").exit_code == 0


@pytest.mark.parametrize(
    ("change", "words", "told"),
    [
        (lambda text: text.replace("抽烟", "吸烟"), (), "smoking or its source was changed since"),
        (
            lambda text: text.replace('"smoking"', '"other"'),
            (),
            "smoking is gone; other came since",
        ),
        (lambda text: text, ("--seed", "7"), "seed: 42 then, 7 now"),
        (lambda text: text, ("--reviewer", "乙"), "reviewers: [] then, ['乙'] now"),
    ],
)
def test_another_review_is_refused_by_name_and_overwrite_moves_decisions_aside(
    corpus, change, words, told
):
    prepared()
    fill("review/review.xlsx", keep)
    before = snapshot("review")
    for name in ("mi.jsonl", "in.jsonl"):
        Path(name).write_text(change(Path(name).read_text()))
    done = run("mi.jsonl", "--sources", "in.jsonl", "-o", "review", *words)
    assert isinstance(done.exception, InputError)
    assert told in str(done.exception)
    assert snapshot("review") == before
    done = run("mi.jsonl", "--sources", "in.jsonl", "-o", "review", *words, "--overwrite")
    assert done.exit_code == 0, done.output
    (aside,) = entries.moved_aside(Path("review"))
    assert f"moved aside to {aside}" in done.stderr
    assert f"written before, with their plan: {aside}" in done.stdout
    assert snapshot(aside) == before


def test_the_plan_of_books_that_are_out_with_reviewers_outlives_overwrite(corpus):
    prepared()
    shutil.copy("review/review.xlsx", "returned.xlsx")
    fill("returned.xlsx", keep)
    prepared("--overwrite")
    assert entries.moved_aside(Path("review")) == []  # the same plan: what is out belongs to it
    prepared("--seed", "7", "--overwrite")
    (aside,) = entries.moved_aside(Path("review"))
    done = run("--apply", "returned.xlsx", "--folder", aside, "-o", "kept.jsonl")
    assert done.exit_code == 0, done.output


def test_what_came_since_is_refused_and_left_out_of_what_is_applied(corpus):
    lines = Path("mi.jsonl").read_text().splitlines(keepends=True)
    Path("mi.jsonl").write_text("".join(lines[:-4]))
    prepared()
    fill("review/review.xlsx", keep)
    Path("mi.jsonl").write_text("".join(lines))
    done = run("mi.jsonl", "--sources", "in.jsonl", "-o", "review")
    came = [json.loads(line)["id"] for line in lines[-4:]]
    assert f"{', '.join(came)} came since" in str(done.exception)
    done = run("--apply", "review", "-o", "kept.jsonl")
    assert done.exit_code == 0, done.output
    assert "备审之后才有，没有送审，略过：4 段" in done.output
    assert not set(came) & set(kept())


def test_what_is_kept_is_left_alone_while_books_and_dialogues_say_the_same(corpus):
    prepared()
    fill("review/review.xlsx", keep)
    assert run("--apply", "review", "-o", "kept.jsonl").exit_code == 0
    made = Path("kept.jsonl").stat().st_mtime_ns
    for words in ((), ("--overwrite",)):
        done = run("--apply", "review", "-o", "kept.jsonl", *words)
        assert done.output == "kept.jsonl: up to date\n"
    assert Path("kept.jsonl").stat().st_mtime_ns == made
    fill("review/review.xlsx", lambda _: {"决定": "删除", "理由": "不连贯"})
    done = run("--apply", "review", "-o", "kept.jsonl", "--overwrite")
    assert "删除 4 段（不连贯 4）" in done.output


def test_returned_books_count_before_blank_ones_and_an_absent_reviewer_is_named(corpus):
    prepared("--sample", "0", "--reviewer", "R1", "--reviewer", "R2")
    Path("returned").mkdir()
    shutil.copy("review/review_R1.xlsx", "returned")
    fill("returned/review_R1.xlsx", keep, reviewer="R1")
    Path("returned/~$review_R1.xlsx").write_bytes(b"R")
    done = run("--apply", "returned", "--folder", "review", "-o", "kept.jsonl")
    assert done.stderr.splitlines()[0].startswith("returned/~$review_R1.xlsx：表格软件的锁定文件")
    assert done.stderr.splitlines()[1] == "审阅人 R2 的审阅册 review_R2.xlsx 没有交来"
    done = run("--apply", "returned", "review", "-o", "kept.jsonl")
    assert "review/review_R2.xlsx：还没有填写（" in done.stderr
    shutil.copy("review/review_R2.xlsx", "returned")
    fill("returned/review_R2.xlsx", keep, reviewer="R2")
    done = run("--apply", "returned", "review", "-o", "kept.jsonl")
    assert done.exit_code == 0, done.output


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
