"""The rule about datasets' loader against the loader itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mi_llm import json_loader
from mi_llm.runs import dataset_loader
from mi_llm.validation import Columns, row_findings

LEARNED = ["instruction", "input", "output", "history", "system"]

# What texts of all rows may be; some of them look like dates to the loader.
DATES = [
    "2024-03-01", "2024-02-29", "2024-03-01 10:20:30", "2024-03-01T10:20:30Z", "2024-03-01 10",
    "2024-03-01 10:20+08:00", "2024-03-01T10:20-0800", "0001-01-01", "9999-12-31",
]  # fmt: skip
NO_DATES = [
    "2023-02-29", "2024-13-01", "2024-00-10", "2024-3-1", "2024-03-01T10:20:30.5", "1900-02-29",
    "2024-03-01 24:00", "2024-03-01t10", "2024-03-01Z", "20240301", "2024-03-01\n", "2024/03/01",
]  # fmt: skip
NUMBERS = [
    "0", "-0", "7", "-3", "1.0", "2.5", "1E5", "0.5e3", "1e308", "1e400", "-1e999", "NaN",
    "Infinity", "-Infinity", "9007199254740992", "9007199254740993", "9223372036854775807",
    "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "18446744073709551615",
    "18446744073709551616", "123456789012345678901", "123456789012345678901234567890", "1e19",
    "12345678901234567890123.5", "0.12345678901234567890123",
]  # fmt: skip
WORDS = ["我累", "x", "", "1", "1.5", "true", "0x1F", "nan", "他说\n好", "😀", "a\u200bb"]

plain = st.sampled_from(WORDS).map(json.dumps)
dates = st.sampled_from(DATES).map(json.dumps)
texts = st.sampled_from([*WORDS, *DATES, *NO_DATES]).map(json.dumps)
scalars = (
    st.sampled_from(["null", "true", "false"]) | st.sampled_from(NUMBERS) | texts | dates | plain
)
names = st.sampled_from(["x", "y", "z"])


def listed(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(inner, max_size=3).map(lambda parts: f"[{','.join(parts)}]")


def keyed(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    made = st.dictionaries(names, inner, max_size=2)
    return made.map(lambda parts: "{" + ",".join(f'"{k}":{v}' for k, v in parts.items()) + "}")


# Anything at all, and values of one shape, as a column of real data holds them.
values = st.recursive(scalars, lambda inner: listed(inner) | keyed(inner), max_leaves=4)
shapes = st.recursive(
    st.sampled_from([plain, dates, texts, st.sampled_from(["1", "2", "2.5"]), scalars,
                     st.sampled_from(["true", "false"]), st.just("null")]),
    lambda inner: inner.map(listed) | inner.map(keyed),
    max_leaves=3,
)  # fmt: skip
pairs = listed(st.tuples(plain, plain | dates).map(lambda pair: f"[{pair[0]},{pair[1]}]"))
dated = listed(dates.map(lambda one: f"[{one},{one}]"))
learned = st.sampled_from([plain, plain, dates, texts, st.just("null")])


@st.composite
def tables(draw: st.DrawFn) -> list[str]:
    """Rows as JSON texts: columns of one shape with some values of another, some absent."""
    columns = {name: draw(learned) for name in ("instruction", "input", "output")}
    columns["history"] = draw(st.sampled_from([pairs, pairs, dated, st.just("[]")]))
    for name in draw(st.lists(st.sampled_from(["id", "tags", "meta"]), max_size=2, unique=True)):
        columns[name] = draw(shapes)
    odd = draw(st.integers(0, 3))  # how often, in tenths, a value is any other
    rows = []
    for _ in range(draw(st.integers(1, 5))):
        row = []
        for name, column in columns.items():
            chance = draw(st.integers(0, 29))
            if chance == 0:
                continue
            strange = chance <= odd and name != "history"
            value = "null" if chance == 29 else draw(values if strange else column)
            row.append(f"{json.dumps(name)}: {value}")
            if chance == 1 and odd == 3:  # a key that stands twice
                row.append(row[-1])
        rows.append("{" + ", ".join(row) + "}")
    return rows


def written(folder: Path, rows: list[str], *, array: bool) -> Path:
    path = folder / ("rows.json" if array else "rows.jsonl")
    text = "[" + ",\n".join(rows) + "]" if array else "".join(f"{row}\n" for row in rows)
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("datasets")
    return tmp_path_factory.mktemp("loader")


def judged(path: Path) -> tuple[Any, list[str]]:
    """What the loader says, and what the rule does."""
    source = json_loader.read(path)
    told = dataset_loader.loader_finding(path, source.rows, LEARNED, suspected=True)
    found = list(json_loader.findings(source, LEARNED))
    typed = [one.kind for one in row_findings(source.rows, Columns(system="system"))]
    kinds = [one.message for one in found]
    # A value that is no text is named by the row's own rule, whatever the loader makes of it.
    if told and not found and any("type" in kind or "history" in kind for kind in typed):
        kinds = ["row"]
    return told, kinds


def agree(folder: Path, rows: list[str], *, array: bool, first: int | None) -> None:
    from datasets.packaged_modules.json.json import JsonConfig

    path = written(folder, rows, array=array)
    size = json_loader.BLOCK
    if first is not None and not array:
        size = max(1, sum(len(row.encode()) + 1 for row in rows[:first]) - 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_loader, "BLOCK", size)
        patch.setattr(JsonConfig, "__post_init__", lambda made: setattr(made, "chunksize", size))
        told, found = judged(path)
    assert bool(found) == bool(told), (told, found, rows)


def kinds(path: Path) -> list[str]:
    return [one.kind for one in json_loader.findings(json_loader.read(path), LEARNED)]


# What datasets 3.6 with pyarrow 24 and pandas 2.3 made of these, each tried: True where it dies.
COLUMNS: list[tuple[list[str], bool, bool]] = [  # values, as JSON Lines, as an array
    (["1", "1.5"], False, False),
    (["1", "true"], True, True),
    (["true", "1.5"], True, True),
    (["1.5", "true"], True, False),  # pyarrow's inference stops at the fraction: 1.5, 1.0
    (["[true]", "[1.5]"], True, False),
    (["[true,1.5]"], True, True),
    (['{"x":true}', '{"x":1.5}'], True, False),
    (['"x"', "1"], True, True),
    (['"x"', "NaN"], True, False),  # pandas takes NaN for null
    (['"x"', "Infinity"], True, True),
    (["1e400"], True, False),
    (["1e" + "9" * 5000], True, False),
    (["1e-" + "9" * 5000], False, False),
    (["9223372036854775808"], False, False),
    (["[9223372036854775808]"], False, True),
    (["9223372036854775808", "-1"], False, True),
    (["18446744073709551616"], False, True),
    (["123456789012345678901"], False, False),  # ujson overflows unnoticed
    (["[9007199254740992]", "[1.5]"], False, False),
    (["[9007199254740993]", "[1.5]"], False, True),
    (['["a"]', "[1]"], True, True),
    (['["a"]', '"a"'], True, True),
    (['{"x":1}', '{"y":"a"}'], False, False),
    (['{"x":1}', '{"x":"a"}'], True, True),
    (["[]", "null"], False, False),
    (["{}", '{"x":1}'], False, False),
    (["[" * 62 + "]" * 62], False, False),
    (["[" * 63 + "]" * 63], True, True),
]


@pytest.mark.parametrize(
    ("column", "lines", "array"), COLUMNS, ids=[str(c[0])[:40] for c in COLUMNS]
)
def test_a_column_is_refused_where_the_loader_dies_of_it(
    tmp_path: Path, column: list[str], lines: bool, array: bool
):
    rows = [f'{{"output": "好", "n": {value}}}' for value in column]
    assert bool(kinds(written(tmp_path, rows, array=False))) == lines
    assert bool(kinds(written(tmp_path, rows, array=True))) == array


@pytest.mark.parametrize("text", DATES)
def test_texts_that_all_look_like_dates_are_told_in_lines_and_not_in_arrays(
    tmp_path: Path, text: str
):
    rows = [json.dumps({"output": value, "n": text}) for value in (text, None, text)]
    assert kinds(written(tmp_path, rows, array=False)) == ["dates"]
    assert kinds(written(tmp_path, rows, array=True)) == []
    rows = [json.dumps({"history": [[text, text]]})]
    assert kinds(written(tmp_path, rows, array=False)) == ["dates"]


@pytest.mark.parametrize("text", NO_DATES)
def test_one_text_that_is_no_date_keeps_them_all(tmp_path: Path, text: str):
    rows = [json.dumps({"output": value}) for value in ("2024-03-01", text)]
    assert kinds(written(tmp_path, rows, array=False)) == []


@pytest.mark.parametrize(
    ("name", "text", "taken"),
    [
        ("date", "2024-03-01", True), ("created_at", "2024-03-01 10:00", True),
        ("timestamp2", "2024-03-01", True), ("day", "2024-03-01", False),
        ("date", "2024-03-01T10:00:00Z", False), ("date", "9999-12-31", False),
        ("date", "2023-02-29", False), ("date", "x", False),
    ],
)  # fmt: skip
def test_dates_beside_numbers_are_taken_in_an_array_under_a_name_that_says_so(
    tmp_path: Path, name: str, text: str, taken: bool
):
    rows = [json.dumps({"output": "好", name: value}) for value in (text, 5, None)]
    assert (kinds(written(tmp_path, rows, array=True)) == []) == taken
    assert kinds(written(tmp_path, rows, array=False)) == [f"{name!r} types"]


# The value of the first block, that of a later one, and whether the loader casts it.
CAST = [
    ("null", "1", False), ("true", "1", True), ("true", '"1"', True), ("true", '"x"', False),
    ("1", "true", True), ("1", "2.0", True), ("1", "1.5", False), ("1", "NaN", False),
    ("1", '"7"', True), ("1", '"0x1F"', True), ("1", '"x"', False), ("1", '"2024-01-01"', True),
    ("1.5", "1", True), ("1.5", "9007199254740993", False), ("1.5", '"1e5"', True),
    ("1.5", '"x"', False), ('"x"', "1", True), ('"x"', "true", True), ('"x"', "[1]", False),
    ('"2024-01-01"', '"x"', False), ('"2024-01-01"', "1", True), ('"2024-01-01"', "1.5", False),
    ("[]", "[1]", False), ("[1]", "[]", True), ("[1]", "[1.5]", False), ("[1]", "null", True),
    ('{"x":1}', "{}", True), ("{}", '{"x":1}', False), ('{"x":1}', '{"x":null}', True),
]  # fmt: skip


@pytest.mark.parametrize(("first", "later", "cast"), CAST)
def test_a_later_block_is_cast_to_the_types_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str, later: str, cast: bool
):
    monkeypatch.setattr(json_loader, "BLOCK", 1)  # a byte and the rest of the line: row 0 alone
    rows = [f'{{"output": "好", "n": {value}}}' for value in (first, later)]
    found = list(json_loader.findings(json_loader.read(written(tmp_path, rows, array=False)), []))
    assert [(one.kind, one.row) for one in found] == ([] if cast else [("first block", 1)])
    assert kinds(written(tmp_path, rows[:1], array=True)) == []  # an array is one block


def test_a_block_is_so_many_bytes_and_the_rest_of_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    rows = ['{"output": "x"}'] * 4
    path, line = written(tmp_path, rows, array=False), len(rows[0]) + 1
    # Two lines end the block exactly, and the loader reads a line on; a byte less ends within the
    # second line, of which it reads the rest.
    for block, sizes in ((2 * line, [3, 1]), (2 * line - 1, [2, 2]), (1, [1, 1, 1, 1])):
        monkeypatch.setattr(json_loader, "BLOCK", block)
        assert [len(one.rows) for one in json_loader.read(path).blocks] == sizes


def test_a_text_of_a_later_block_that_comes_back_as_a_written_time_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(json_loader, "BLOCK", 1)
    for text, changed in (("2024-03-01", True), ("2024-03-01 10:00:00", False)):
        rows = [json.dumps({"output": one}) for one in ("好", text)]
        assert kinds(written(tmp_path, rows, array=False)) == ["dates"] * changed


def test_rows_may_stand_over_several_lines_where_no_part_ends_within_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    rows = [json.dumps({"output": "好" * 40, "n": n}, indent=1) for n in range(900)]
    path = written(tmp_path, rows[:9], array=False)
    assert (len(json_loader.read(path).rows), kinds(path)) == (9, [])
    path = written(tmp_path, rows, array=False)  # 135 KB
    monkeypatch.setattr(json_loader, "BLOCK", 1 << 20)  # read in parts of 32 KB
    assert set(kinds(path)) == {"cut row"}
    path = written(tmp_path, ['{"output": "a"}{"output": "b"}'], array=False)
    assert (len(json_loader.read(path).rows), kinds(path)) == (2, [])


def test_the_loader_is_asked_without_torch(tmp_path: Path):
    pytest.importorskip("datasets")
    path = written(tmp_path, ['{"output": "好"}'], array=False)
    code = (
        "import sys; from pathlib import Path; from mi_llm.runs import dataset_loader as d;"
        f"print(d.loader_finding(Path({str(path)!r}), [{{'output': '好'}}], ['output'],"
        "suspected=False), 'torch' in sys.modules, 'llamafactory' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("None False False\n", "")


CASES = {"array": st.booleans(), "first": st.none() | st.integers(1, 4), "rows": tables()}
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


@given(**CASES)
@settings(max_examples=40, deadline=None, suppress_health_check=QUIET, derandomize=True)
def test_the_rule_names_what_the_loader_dies_of_or_changes_and_nothing_else(
    folder: Path, rows: list[str], array: bool, first: int | None
):
    agree(folder, rows, array=array, first=first)


@pytest.mark.slow
@given(**CASES)
@settings(max_examples=2000, deadline=None, suppress_health_check=QUIET)
def test_the_rule_agrees_with_the_loader_over_thousands_of_files(
    folder: Path, rows: list[str], array: bool, first: int | None
):
    agree(folder, rows, array=array, first=first)
