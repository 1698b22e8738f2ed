from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from mi_llm.door.ledger import Ledger, Line, key_of, summary
from mi_llm.door.spending import Price, Prices
from mi_llm.errors import InputError
from tests.llm_driver import ROOT

LINE = Line(
    key=key_of(name="a"),
    id="a",
    model="m",
    host="loopback",
    text="好的",
    finish_reason="stop",
    tokens_in=10,
    tokens_out=2,
    at_most_in=12,
    at_most_out=100,
    asked="2026-11-20T00:00:00+00:00",
    attempts=1,
    prompt="",
    mode="plain",
    problem=None,
)


def line(name: str, **more: Any) -> Line:
    return replace(LINE, **{"key": key_of(name=name), "id": name, **more})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "ledger.jsonl"


def held(path: Path) -> list[Line]:
    with Ledger(path) as ledger:
        return list(ledger.refresh())


def test_what_was_appended_is_there_the_next_time(path):
    with Ledger(path) as ledger:
        ledger.append(line("a"))
        ledger.append(line("b", tokens_in=None))
        assert ledger.get(key_of(name="a")) == line("a")
    assert held(path) == [line("a"), line("b", tokens_in=None)]


def test_an_unknown_count_of_tokens_is_taken_as_the_most_it_can_be():
    assert LINE.tokens == (10, 2)
    assert replace(LINE, tokens_in=None, tokens_out=None).tokens == (12, 100)


def test_the_newest_answer_with_a_key_counts(path):
    with Ledger(path) as ledger:
        ledger.append(line("a"))
        ledger.append(line("a", text="改了"))
        assert ledger.get(key_of(name="a")) == line("a", text="改了")


@pytest.mark.parametrize("torn", [b"{", b'{"key": "\xe5\xa5', b"\0" * 5000])
def test_a_torn_last_line_is_cut_off_and_the_rest_stays(path, torn):
    with Ledger(path) as ledger:
        ledger.append(line("a"))
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    with Ledger(path) as ledger:
        assert list(ledger.refresh()) == [line("a")]
        assert ledger.repair() == []
        assert path.read_bytes() == whole
    path.write_bytes(whole + torn)
    with Ledger(path) as ledger:
        assert ledger.append(line("b")) == [line("a"), line("b")]
    assert held(path) == [line("a"), line("b")]


def test_a_line_that_is_none_of_a_ledger_is_named(path):
    with Ledger(path) as ledger:
        ledger.append(line("a"))
    with path.open("a") as stream:
        stream.write('{"id": "dialogue"}\n')
    with pytest.raises(InputError, match=r"ledger.jsonl:2: not a line of a ledger"):
        held(path)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"key": 5}, "key of an answer is not a text"),
        ({"text": None}, "text of an answer is not a text"),
        ({"id": ["a"]}, "id of an answer is not a text"),
        ({"tokens_in": "10"}, "tokens_in of an answer is not a count or null"),
        ({"tokens_out": -1}, "tokens_out of an answer is not a count or null"),
        ({"tokens_out": 1.5}, "tokens_out of an answer is not a count or null"),
        ({"at_most_in": True}, "at_most_in of an answer is not a count"),
        ({"at_most_out": 10**400}, "at_most_out of an answer is not a count"),
        ({"attempts": None}, "attempts of an answer is not a count"),
        ({"problem": {"a": 1}}, "problem of an answer is not a text or null"),
        ({"more": 1}, "not a line of a ledger of answers"),
    ],
)
def test_a_line_with_a_value_of_another_type_is_named(path, changed, told):
    with Ledger(path) as ledger:
        ledger.append(line("a"))
    with path.open("a") as stream:
        stream.write(json.dumps(asdict(line("b")) | changed) + "\n")
    for read in (held, summary):
        with pytest.raises(InputError) as refused:
            read(path)
        assert str(refused.value) == f"{path}:2: {told}"


@pytest.mark.parametrize("text", ["[]", "5", "null", '"a"', "[" * 5_000, f"[{'9' * 5_000}]"])
def test_a_line_that_is_no_object_is_named(path, text):
    path.parent.mkdir()
    path.write_text(text + "\n")
    with pytest.raises(InputError, match=r"ledger.jsonl:1: not "):
        held(path)


def test_what_cannot_be_opened_is_named(tmp_path):
    with pytest.raises(InputError, match="is a directory"):
        Ledger(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/full"), Path("/dev/null")):
        with pytest.raises(InputError, match=r"is no plain file; a ledger keeps what was paid for"):
            Ledger(path)


def test_each_sees_what_the_other_appends(path):
    with Ledger(path) as one, Ledger(path) as other:
        one.append(line("a"))
        assert list(other.refresh()) == [line("a")]
        one.append(line("b"))
        assert other.append(line("c")) == [line("b"), line("c")]
        assert list(one.refresh()) == [line("c")]


def append_many(path: Path, name: str, count: int) -> None:
    with Ledger(path) as ledger:
        for number in range(count):
            ledger.append(line(f"{name}{number}", text="长" * (number * 37 % 5000)))


def test_processes_that_append_at_once_lose_and_mix_nothing(path):
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=append_many, args=(path, name, 60)) for name in ("p", "q", "r")
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    names = [each.id for each in held(path)]
    for name in "pqr":
        assert [each for each in names if each[0] == name] == [f"{name}{n}" for n in range(60)]
    assert len(names) == 180


CLAIM = """
import sys
from pathlib import Path
from mi_llm.door.ledger import Ledger, key_of
ledger = Ledger(Path(sys.argv[1]))
print(ledger.claim(key_of(name="a")), ledger.claim(key_of(name="b")), flush=True)
sys.stdin.read()
"""


def test_a_claim_keeps_other_processes_out_until_it_is_released_or_they_die(path):
    def other() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", CLAIM, path],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    with Ledger(path) as ledger:
        assert ledger.claim(key_of(name="a"))
        assert not ledger.claim(key_of(name="a"))
        with other() as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "False True\n"
            assert not ledger.claim(key_of(name="b"))
            process.kill()
        assert ledger.claim(key_of(name="b"))
        ledger.release(key_of(name="a"))
        ledger.release(key_of(name="b"))
        with other() as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "True True\n"


LIMITED = """
import resource, sys
from pathlib import Path
from mi_llm.errors import Stopped
from mi_llm.door.ledger import Ledger
from tests.mi_llm.test_llm_ledger import line
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
with Ledger(Path(sys.argv[1])) as ledger:
    try:
        for number in range(100):
            ledger.append(line(str(number)))
    except Stopped as stop:
        print(number, stop)
"""


def test_a_file_that_may_not_grow_keeps_whole_lines_only(path):
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, path], cwd=ROOT, capture_output=True, text=True, check=True
    )
    count, _, message = done.stdout.partition(" ")
    assert message == f"{path}: file too large\n"
    assert int(count) > 5
    assert [each.id for each in held(path)] == [str(number) for number in range(int(count))]
    assert path.stat().st_size <= 4096


def test_the_summary_counts_answers_and_says_what_has_none(path):
    with Ledger(path) as ledger:
        ledger.append(line("a"))
        ledger.append(line("b", problem="does not fit the schema: x: missing"))
        ledger.append(line("b2", id="b"))
        ledger.append(line("c", problem="does not fit the schema: y: missing", tokens_out=None))
        ledger.append(line("d", problem="blank answer", model="n", host="example.org"))
    assert summary(path) == [
        "5 answers for 4 requests; 2 of them without one that is of use",
        "1 without: does not fit the schema",
        "1 without: blank answer",
        "m at loopback: 4 answers, 40 tokens in, 6 out",
        "n at example.org: 1 answers, 10 tokens in, 2 out",
        "1 answers came without a count of tokens",
    ]
    # m: 40 in and 6 known out, and for the one unknown at most 100: 40 x 1,000 + 106 x 10,000
    # millionths of a CNY; n has no price.
    priced = summary(path, Prices("CNY", {"m": Price(input=1000, output=10_000)}))
    assert priced[3:5] == [
        "m at loopback: 4 answers, 40 tokens in, 6 out, 1.10 CNY",
        "n at example.org: 1 answers, 10 tokens in, 2 out, 0.00 CNY",
    ]


def test_a_summary_of_nothing_is_refused_and_makes_nothing(path):
    with pytest.raises(InputError, match="no such ledger"):
        summary(path)
    assert not os.path.lexists(path)


def test_the_key_depends_on_values_and_not_on_their_order():
    assert key_of(a=1, b={"x": 1, "y": 2}) == key_of(b={"y": 2, "x": 1}, a=1)
    assert key_of(a=1) != key_of(a="1")
    assert len(key_of()) == 64
