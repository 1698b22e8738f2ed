"""Corpora that are broken: one line with file and place, exit 2, nothing half-written."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mi_llm import jsonl

ROOT = Path(__file__).parents[2]
TALK = [{"role": "client", "content": "我累。"}, {"role": "counselor", "content": "你累了。"}]
CHAT = {
    "messages": [{"role": "user", "content": "我累。"}, {"role": "assistant", "content": "嗯。"}]
}
POST = {"md5": "0" * 32, "title": "睡不着", "description": "", "chats": []}
ANNOMI = (
    "mi_quality,transcript_id,video_title,video_url,topic,utterance_id,interlocutor,timestamp,"
    "utterance_text,annotator_id,therapist_input_exists,therapist_input_subtype,"
    "reflection_exists,reflection_subtype,question_exists,question_subtype,"
    "main_therapist_behaviour,client_talk_type"
).split(",")


def dumped(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def lines(*values: object) -> bytes:
    return b"".join(dumped(value) + b"\n" for value in values)


def truncated_json(folder: Path) -> Path:
    path = folder / "a.json"
    path.write_bytes(dumped([{"conversations": TALK}])[:-4])
    return path


def cut_within_a_character(folder: Path) -> Path:
    path = folder / "a.json"
    whole = dumped([{"conversations": TALK}])
    path.write_bytes(whole[: whole.index("。".encode()) + 1])
    return path


def binary_file(folder: Path) -> Path:
    path = folder / "a.json"
    path.write_bytes(bytes(range(256)) * 4)
    return path


def line_of_50_mb(folder: Path) -> Path:
    path = folder / "a.jsonl"
    path.write_bytes(lines(CHAT) + b'{"messages": "' + b"x" * (50 << 20) + b'"}\n' + lines(CHAT))
    return path


def torn_line(folder: Path) -> Path:
    path = folder / "a.jsonl"
    path.write_bytes(lines(POST) + dumped(POST)[:-5] + b"\n" + lines({**POST, "md5": "1" * 32}))
    return path


def other_encoding(folder: Path) -> Path:
    path = folder / "1.json"
    path.write_bytes(json.dumps(TALK, ensure_ascii=False).encode("gb18030"))
    return folder


def unreadable_among_good(folder: Path) -> Path:
    for name in ("1", "2", "3"):
        (folder / f"{name}.json").write_bytes(dumped(TALK))
    (folder / "2.json").write_bytes(dumped(TALK)[:-3])
    return folder


def ids_that_come_twice(folder: Path) -> Path:
    path = folder / "a.json"
    conversation = {"id": "x", "conversations": TALK}
    path.write_bytes(dumped([conversation, conversation]))
    return path


def missing_column(folder: Path) -> Path:
    path = folder / "a.csv"
    path.write_text(",".join(column for column in ANNOMI if column != "interlocutor") + "\n")
    return path


def empty_folder(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


def gzip_cut_short(folder: Path) -> Path:
    path = folder / "a.jsonl.gz"
    posts = [{**POST, "md5": f"{number:032}"} for number in range(50)]
    path.write_bytes(gzip.compress(lines(*posts))[:-12])
    return path


def run(corpus: str, path: Path, output: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = ["-m", "converters", "convert", corpus, str(path), "-o", str(output), *options]
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False
    )


CASES: list[tuple[str, Callable[[Path], Path], str]] = [
    ("mi_conversations", truncated_json, "a.json:1: not JSON"),
    ("mi_conversations", cut_within_a_character, "a.json: ends within a character"),
    ("mi_conversations", binary_file, "a.json: not UTF-8"),
    ("messages", line_of_50_mb, "a.jsonl:2: line longer than 16 MB"),
    ("efaqa", torn_line, "a.jsonl:2: not JSON"),
    ("smilechat", other_encoding, "1.json: not UTF-8"),
    ("smilechat", unreadable_among_good, "2.json:1: not JSON"),
    ("mi_conversations", ids_that_come_twice, "id 'a/x' comes twice"),
    ("annomi", missing_column, "interlocutor"),
    ("cpsycound", empty_folder, "holds no case_"),
    ("efaqa", gzip_cut_short, "a.jsonl.gz: not a whole gzip file"),
]


@pytest.mark.parametrize(
    ("corpus", "broken", "message"), CASES, ids=[broken.__name__ for _, broken, _ in CASES]
)
def test_a_broken_corpus_gets_one_line_and_leaves_nothing_behind(tmp_path, corpus, broken, message):
    source = tmp_path / "source"
    source.mkdir()
    path = broken(source)
    done = run(corpus, path, tmp_path / "made" / "out.jsonl")
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]


@pytest.mark.parametrize(
    ("corpus", "broken", "kept"),
    [
        ("messages", line_of_50_mb, 2),
        ("efaqa", torn_line, 2),
        ("smilechat", unreadable_among_good, 2),
        ("mi_conversations", ids_that_come_twice, 1),
    ],
)
def test_bad_records_are_left_out_and_counted_if_asked(tmp_path, corpus, broken, kept):
    source = tmp_path / "source"
    source.mkdir()
    output = tmp_path / "out.jsonl"
    done = run(corpus, broken(source), output, "--skip-bad")
    assert done.returncode == 0, done.stderr
    assert len(list(jsonl.read_lines(output))) == kept
    assert "left out: 1 unreadable" in done.stdout
    assert done.stderr.count("left out: ") == 1
    stamp = jsonl.read_json(tmp_path / "out.jsonl.stamp.json")
    assert stamp["counts"]["unreadable"] == 1
    assert len(stamp["skipped"]) == 1


def test_columns_in_another_order_are_read_alike(tmp_path):
    row = dict.fromkeys(ANNOMI, "n/a") | {
        "transcript_id": "0",
        "mi_quality": "high",
        "annotator_id": "3",
    }
    rows = [
        row | {"utterance_id": "0", "interlocutor": "client", "utterance_text": "Hi, there."},
        row | {"utterance_id": "1", "interlocutor": "therapist", "utterance_text": "Hello."},
    ]
    made = []
    for name, columns in (("a", ANNOMI), ("b", ANNOMI[::-1])):
        path = tmp_path / f"{name}.csv"
        cells = [columns, *([f'"{one[column]}"' for column in columns] for one in rows)]
        path.write_text("\n".join(map(",".join, cells)) + "\n", encoding="utf-8")
        done = run("annomi", path, tmp_path / f"{name}.jsonl")
        assert done.returncode == 0, done.stderr
        made.append((tmp_path / f"{name}.jsonl").read_text(encoding="utf-8"))
    assert made[0] == made[1]
    assert '"Hi, there."' in made[0]
