"""Coding books in LibreOffice: what it saves is read back, and what it computes is right."""

from __future__ import annotations

import random
import shutil
import subprocess

import openpyxl
import pytest

from eval.books.book_set import read_books
from eval.books.text import texts
from mi_llm.coding import Session
from mi_llm.entries import has_entries
from mi_llm.miti import Code, Counts, Globals, volley_codes
from tests.eval.coding_books import (
    LETTERS,
    THREE,
    change,
    fill,
    make,
    rows,
    run,
    transcript,
    volleys,
    write,
)


def random_sessions(counts, seed):
    """Legal codings drawn by Python's own generator, for the books that LibreOffice saved."""
    draw = random.Random(seed)
    return [
        Session(
            name,
            "R1",
            tuple(volley_codes(draw.sample(list(Code), draw.randint(0, 4))) for _ in range(count)),
            Globals(*(draw.randint(1, 5) for _ in range(4))),
            "少抽烟，每天不超过五支",
        )
        for name, count in sorted(counts.items())
    ]


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    """A function that has LibreOffice open a book and save it as a new .xlsx."""
    program = shutil.which("soffice")
    if program is None:
        pytest.skip("NOT CHECKED: no soffice here (apt-get install libreoffice-calc)")
    profile = tmp_path_factory.mktemp("profile").as_uri()

    def saved(path, folder):
        words = [program, f"-env:UserInstallation={profile}", "--headless", "--convert-to", "xlsx"]
        subprocess.run([*words, "--outdir", folder, path], check=True, capture_output=True)
        return folder / path.name

    return saved


@pytest.mark.slow
@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_book_that_libreoffice_saved_before_and_after_filling_in_gives_the_same_codes(
    tmp_path, office, language
):
    longer = transcript("c/4", *["我也不知道。", "你一边想停，一边又觉得难。怎么办呢？"] * 12)
    source = write(tmp_path / "T.jsonl", [*THREE, longer])
    words = ("--seed", 7, "--raters", "R1", "R2", "--lang", language)
    done = run("book", source, "-o", tmp_path / "books", *words)
    assert done.exit_code == 0, done.output
    path = tmp_path / "books/miti_R1.xlsx"
    opened = office(path, tmp_path / "opened")
    assert len(read_books([opened]).missing) == 1  # nothing filled in, nothing wrong
    assert not has_entries(opened)
    sessions = random_sessions(volleys(opened), seed=3)
    fill(opened, sessions)
    closed = office(opened, tmp_path / "closed")
    for one in (opened, closed):
        found = read_books([one])
        assert (found.faults, found.missing, found.sessions) == ([], [], sessions)
        assert has_entries(one)
    check_live(openpyxl.load_workbook(closed, data_only=True), sessions, texts(language))


def check_live(book, sessions, text):
    """What LibreOffice computed on the pages and the progress page is what the codes say."""
    progress = book[text["sheets"]["progress"]]
    states = {row[1].value: [cell.value for cell in row[2:8]] for row in progress.iter_rows(10, 13)}
    for one in sessions:
        counts, sheet = Counts.of(one.volleys), book[one.transcript]
        shown = {mark: sheet[f"{column}4"].value for mark, column in LETTERS.items()}
        nothing = sum(not codes for codes in one.volleys)
        assert shown == {**{str(code): counts[code] for code in Code}, "NC": nothing}
        ratio, share = counts.reflection_to_question, counts.complex_reflection_share
        measures = sheet["D4"].value
        names = text["measures"]
        undefined = text["undefined"]
        assert f"{names['ratio']} {undefined if ratio is None else f'{ratio:.2f}'}" in measures
        assert f"{names['complex']} {undefined if share is None else f'{share:.0%}'}" in measures
        done = text["progress"]["states"]["done"]
        number = counts.volleys
        assert states[one.transcript] == [number, number, 0, text["progress"]["given"], 0, done]


@pytest.mark.slow
def test_libreoffice_shows_what_is_uncoded_contradictory_or_undefined(tmp_path, office):
    (path,) = make(tmp_path / "books", THREE[:1], raters="R1")
    page = openpyxl.load_workbook(path)["T01"]
    one, two, _ = rows(page)
    change(path, "T01", **{f"I{one}": 1, f"J{one}": 1, f"O{two}": 1, "I2": 4})
    book = openpyxl.load_workbook(office(path, tmp_path / "saved"), data_only=True)
    checks = [book["T01"][f"P{row}"].value for row in rows(page)]
    assert checks[0] == "✗ 二选一"
    assert checks[1] in (None, "")
    assert checks[2] == "未编码"
    assert book["T01"]["D1"].value == "已编码 2 / 3 个话轮"
    assert "R:Q 无法计算" in book["T01"]["D4"].value
    assert "%CR 50%" in book["T01"]["D4"].value
    progress = book["进度"]
    assert [cell.value for cell in progress[10]][:8] == [1, "T01", 3, 2, 3, "缺", 1, "有冲突"]
    assert [progress[f"D{row}"].value for row in range(3, 8)] == ["2 / 3  (67%)", 3, 1, 1, "0 / 1"]
