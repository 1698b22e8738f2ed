from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given

from mi_llm import jsonl
from mi_llm.errors import InputError
from tests.dialogues import odd_texts


def written(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "x.json"
    path.write_bytes(data)
    return path


def test_json_is_read_with_and_without_a_byte_order_mark(tmp_path: Path):
    text = '{"话题": "吸烟"}'.encode()
    assert jsonl.read_json(written(tmp_path, text)) == {"话题": "吸烟"}
    assert jsonl.read_json(written(tmp_path, b"\xef\xbb\xbf" + text)) == {"话题": "吸烟"}


def test_lines_are_numbered_from_1_and_blank_ones_skipped_but_counted(tmp_path: Path):
    path = written(tmp_path, b'\n{"a": 1}\n  \n[2]')
    assert list(jsonl.read_lines(path)) == [(2, {"a": 1}), (4, [2])]


def test_a_windows_line_ending_is_no_part_of_a_line(tmp_path: Path):
    assert list(jsonl.read_lines(written(tmp_path, b"1\r\n2\r\n"))) == [(1, 1), (2, 2)]


def test_line_separators_of_unicode_inside_a_text_do_not_break_the_line(tmp_path: Path):
    text = "一\u2028二\u0085三"
    path = written(tmp_path, (jsonl.dumped(text) + "\n").encode())
    assert list(jsonl.read_lines(path)) == [(1, text)]


def test_broken_json_is_refused_with_line_and_column(tmp_path: Path):
    # The comma before the bracket is the 5th character of the second line.
    path = written(tmp_path, b"[1,\n 2, ]")
    with pytest.raises(InputError) as caught:
        jsonl.read_json(path)
    assert str(caught.value).startswith(f"{path}:2: not JSON: ")


def test_a_broken_line_is_refused_with_its_number_in_the_file(tmp_path: Path):
    path = written(tmp_path, b"1\n\n{nope}\n")
    lines = jsonl.read_lines(path)
    assert next(lines) == (1, 1)
    with pytest.raises(InputError) as caught:
        next(lines)
    assert str(caught.value).startswith(f"{path}:3: not JSON: ")


@pytest.mark.parametrize(
    "data",
    [b"[" * 100_000, b"[" + b"9" * 5000 + b"]"],
    ids=["nested too deep", "a number of 5000 digits"],
)
def test_json_that_python_cannot_hold_is_refused_not_crashed_on(tmp_path: Path, data: bytes):
    path = written(tmp_path, data)
    with pytest.raises(InputError, match=r"x\.json"):
        jsonl.read_json(path)
    with pytest.raises(InputError, match=r"x\.json"):
        list(jsonl.read_lines(path))


def test_a_missing_file_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"absent\.json: no such file"):
        jsonl.read_json(tmp_path / "absent.json")
    with pytest.raises(InputError, match=r"absent\.json: no such file"):
        list(jsonl.read_lines(tmp_path / "absent.json"))


def test_chinese_is_written_readably():
    assert jsonl.dumped({"话题": "吸烟"}) == '{"话题": "吸烟"}'


def test_a_lone_surrogate_is_written_as_its_escape():
    assert jsonl.dumped("\ud83d") == '"\\ud83d"'


@given(value=odd_texts)
def test_what_is_dumped_is_one_line_of_utf8_that_loads_again(value: str):
    text = jsonl.dumped(value)
    text.encode()
    assert "\n" not in text
    assert json.loads(text) == value


TWICE = '{"a": {"b": 1, "c": [], "b": 2}}'


def test_a_key_that_stands_twice_is_refused_with_the_line_of_its_record(tmp_path: Path):
    said = "key 'b' stands twice in one object; keep one of them"
    path = written(tmp_path, f'{{"a": 1}}\n{TWICE}\n'.encode())
    with pytest.raises(InputError) as caught:
        list(jsonl.read_lines(path))
    assert str(caught.value) == f"{path}:2: {said}"
    path = written(tmp_path, f'[\n {{"a": 1}},\n {{"a": "["}},\n {TWICE}\n]'.encode())
    with pytest.raises(InputError) as caught:
        jsonl.read_json(path)
    assert str(caught.value) == f"{path}:4: {said}"
    path = written(tmp_path, TWICE.encode())
    with pytest.raises(InputError) as caught:
        jsonl.read_json(path)
    assert str(caught.value) == f"{path}:1: {said}"


def test_a_byte_order_mark_may_stand_before_the_first_line_alone(tmp_path: Path):
    assert list(jsonl.read_lines(written(tmp_path, b'\xef\xbb\xbf{"a": 1}\n'))) == [(1, {"a": 1})]
    path = written(tmp_path, b'{"a": 1}\n\xef\xbb\xbf{"a": 2}\n')
    with pytest.raises(InputError, match=r"x\.json:2: begins with a byte order mark"):
        list(jsonl.read_lines(path))
