from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import converters

ROOT = Path(converters.__file__).resolve().parent.parent

CORPUS: list[Any] = [
    {
        "conversations": [
            {"role": "user", "content": "我想少抽一点。"},
            {"role": "assistant", "content": " 你已经在盘算改变了。"},
            {"role": "user", "content": "是的"},
        ]
    },
    {
        "conversations": [
            {"role": "counselor", "content": "你好"},
            {"role": "client", "content": "我失眠"},
            {"role": "client", "content": "三个月了"},
            {"role": "counselor", "content": "很辛苦"},
            {"role": "client", "content": "嗯"},
            {"role": "counselor", "content": "说说看"},
        ]
    },
]
ALL = {"prompt": "instruction", "query": "input", "response": "output", "history": "history"}


def run(*words: object, cwd: Path = ROOT, package: str = "converters") -> Any:
    return subprocess.run(
        [sys.executable, "-m", package, *map(str, words)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def succeeded(*words: object, cwd: Path = ROOT) -> str:
    done = run(*words, cwd=cwd)
    assert (done.returncode, done.stderr) == (0, "")
    return str(done.stdout)


def tree(folder: Path) -> dict[str, bytes | None]:
    """What stands in a folder: the bytes of files, None for folders."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def refused(folder: Path, *words: object, cwd: Path = ROOT) -> str:
    """Run a command that must end as a user's mistake does; return its line."""
    before = tree(folder)
    done = run(*words, cwd=cwd)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    (line,) = done.stderr.splitlines()
    assert tree(folder) == before
    return str(line)


def saved(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return path


def loaded(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def rounds(count: int) -> list[dict[str, Any]]:
    return [
        {"instruction": "咨询", "input": f"问{n}", "output": f"答{n}", "history": []}
        for n in range(count)
    ]


@pytest.fixture
def dialogues(tmp_path: Path) -> Path:
    path = tmp_path / "dialogues.jsonl"
    turns = [{"role": "client", "content": "问"}, {"role": "counselor", "content": "答"}]
    lines = [json.dumps({"id": f"a/{n}", "turns": turns, "meta": {}}) + "\n" for n in range(2)]
    path.write_text("".join(lines), encoding="utf-8")
    return path


# --- good input ---


def test_a_corpus_becomes_dialogues_and_dialogues_become_rows_each_with_a_stamp(tmp_path: Path):
    source = saved(tmp_path / "corpus.json", CORPUS)
    talks, rows = tmp_path / "new" / "talks.jsonl", tmp_path / "new" / "rows.json"
    told = succeeded("convert", "mi_conversations", source, "-o", talks)
    assert "2 dialogues, 8 turns" in told
    assert [json.loads(line) for line in talks.read_text("utf-8").splitlines()] == [
        {
            "id": "corpus/0",
            "turns": [
                {"role": "client", "content": "我想少抽一点。"},
                {"role": "counselor", "content": "你已经在盘算改变了。"},
                {"role": "client", "content": "是的"},
            ],
            "meta": {},
        },
        {
            "id": "corpus/1",
            "turns": [
                {"role": "counselor", "content": "你好"},
                {"role": "client", "content": "我失眠\n三个月了"},
                {"role": "counselor", "content": "很辛苦"},
                {"role": "client", "content": "嗯"},
                {"role": "counselor", "content": "说说看"},
            ],
            "meta": {},
        },
    ]
    stamp = loaded(tmp_path / "new" / "talks.jsonl.stamp.json")
    assert stamp["counts"] == {
        "dialogues": 2,
        "turns": 8,
        "stripped turns": 1,
        "merged neighbours": 1,
    }
    assert stamp["command"] == (
        f"python -m converters convert mi_conversations {source} -o {talks}"
    )

    assert "3 rows from 2 dialogues" in succeeded("alpaca", talks, "-o", rows)
    sentence = (ROOT / "prompts" / "counselor.v1.md").read_text("utf-8").strip()
    first = ["我失眠\n三个月了", "很辛苦"]
    assert loaded(rows) == [
        {
            "id": name,
            "instruction": sentence,
            "input": asked,
            "output": reply,
            "history": history,
        }
        for name, asked, reply, history in (
            ("corpus/0#1", "我想少抽一点。", "你已经在盘算改变了。", []),
            ("corpus/1#1", *first, []),
            ("corpus/1#2", "嗯", "说说看", [first]),
        )
    ]
    counts = loaded(tmp_path / "new" / "rows.json.stamp.json")["counts"]
    assert {kind: count for kind, count in counts.items() if count} == {
        "dialogues": 2,
        "rows": 3,
        "leading counselor turns": 1,
        "trailing client turns": 1,
    }
    assert "3 rows, no problem" in succeeded("check", rows)
    assert sorted(tree(tmp_path)) == [
        "corpus.json",
        "new",
        "new/rows.json",
        "new/rows.json.stamp.json",
        "new/talks.jsonl",
        "new/talks.jsonl.stamp.json",
    ]


def test_a_dialogue_a_row_puts_the_prompt_under_system(tmp_path: Path, dialogues: Path):
    succeeded("alpaca", dialogues, "-o", tmp_path / "rows.json", "--rows", "dialogue")
    rows = loaded(tmp_path / "rows.json")
    assert [(row["id"], "system" in row, "instruction" in row) for row in rows] == [
        ("a/0#1-1", True, False),
        ("a/1#1-1", True, False),
    ]


def test_overwriting_replaces_the_output_and_its_stamp(tmp_path: Path, dialogues: Path):
    rows = tmp_path / "rows.json"
    rows.write_text("old")
    (tmp_path / "rows.json.stamp.json").write_text("old")
    succeeded("alpaca", dialogues, "-o", rows, "--overwrite")
    assert len(loaded(rows)) == 2
    assert loaded(tmp_path / "rows.json.stamp.json")["counts"]["rows"] == 2


def test_a_source_whose_name_is_not_utf8_is_converted(tmp_path: Path):
    # Linux keeps names as bytes; Python shows the bytes of a GB 18030 name as lone surrogates.
    source = tmp_path / "\udcd3\udcef.json"
    try:
        saved(source, CORPUS)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    succeeded("convert", "mi_conversations", source, "-o", tmp_path / "out")
    assert loaded(tmp_path / "out.stamp.json")["counts"]["dialogues"] == 2


def test_a_corpus_replaced_by_its_dialogues_is_stamped_with_what_was_read(tmp_path: Path):
    source = saved(tmp_path / "corpus.json", CORPUS)
    before = source.read_bytes()
    done = run("convert", "mi_conversations", source, "-o", source, "--overwrite")
    if done.returncode == 2:  # refusing it is as good
        assert tree(tmp_path) == {"corpus.json": before}
    else:
        inputs = loaded(tmp_path / "corpus.json.stamp.json")["inputs"]
        assert inputs == {str(source): hashlib.sha256(before).hexdigest()}


# --- registering; in a folder of its own, since dataset_info.json is that of the working directory


def test_registering_writes_all_columns_and_a_second_time_changes_nothing(
    tmp_path: Path, dialogues: Path
):
    words = ["alpaca", dialogues, "-o", "rows.json", "--register", "mine", "--overwrite"]
    succeeded(*words, cwd=tmp_path)
    once = (tmp_path / "dataset_info.json").read_bytes()
    assert json.loads(once) == {"mine": {"file_name": "rows.json", "columns": ALL}}
    succeeded(*words, cwd=tmp_path)
    assert (tmp_path / "dataset_info.json").read_bytes() == once


def test_registering_rows_per_dialogue_writes_the_system_column(tmp_path: Path, dialogues: Path):
    words = ["--rows", "dialogue", "--register", "mine"]
    succeeded("alpaca", dialogues, "-o", "rows.json", *words, cwd=tmp_path)
    columns = {key: value for key, value in ALL.items() if key != "prompt"} | {"system": "system"}
    assert loaded(tmp_path / "dataset_info.json") == {
        "mine": {"file_name": "rows.json", "columns": columns}
    }


def test_registering_under_a_name_of_another_file_is_refused(tmp_path: Path, dialogues: Path):
    saved(tmp_path / "dataset_info.json", {"mine": {"file_name": "other.json", "columns": ALL}})
    words = ["alpaca", dialogues, "-o", "new/rows.json", "--register", "mine"]
    assert "'mine' is other.json already" in refused(tmp_path, *words, cwd=tmp_path)


# --- bad input: exit 2, one line, no traceback, nothing left behind ---


def bad_corpora() -> dict[str, bytes]:
    unknown, blank = json.loads(json.dumps([CORPUS, CORPUS]))
    unknown[1]["conversations"][1]["role"] = "旁白"
    blank[0]["conversations"][1]["content"] = " "
    return {
        "not JSON": b'[{"conversations": ',
        "not UTF-8": json.dumps(CORPUS, ensure_ascii=False).encode("gb18030"),
        "an empty list": b"[]",
        "an unknown role": json.dumps(unknown).encode(),
        "a blank turn": json.dumps(blank).encode(),
    }


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("not JSON", ":1: not JSON"),
        ("not UTF-8", "iconv -f gb18030 -t utf-8"),
        ("an empty list", "not empty"),
        ("an unknown role", "dialogue 2, turn 2: unknown role '旁白'"),
        ("a blank turn", "dialogue 1, turn 2: blank counselor turn"),
    ],
)
def test_a_bad_corpus_is_refused_in_one_line_and_leaves_nothing(
    tmp_path: Path, name: str, told: str
):
    source = tmp_path / "corpus.json"
    source.write_bytes(bad_corpora()[name])
    output = tmp_path / "new" / "deep" / "out.jsonl"
    policy = ["--repair", "none"] if name == "a blank turn" else []
    line = refused(tmp_path, "convert", "mi_conversations", source, "-o", output, *policy)
    assert line.startswith(str(source))
    assert told in line


@pytest.mark.parametrize("command", [["convert", "mi_conversations"], ["alpaca"]])
@pytest.mark.parametrize("kind", ["missing", "a folder"])
def test_a_source_that_is_no_file_is_refused(tmp_path: Path, command: list[str], kind: str):
    source = tmp_path / "source"
    if kind == "a folder":
        source.mkdir()
    line = refused(tmp_path, *command, source, "-o", tmp_path / "new" / "out")
    assert line.startswith(f"{source}: ")


@pytest.mark.parametrize("kind", ["missing", "a folder"])
def test_a_file_to_check_that_is_no_file_is_refused(tmp_path: Path, kind: str):
    source = tmp_path / "source"
    if kind == "a folder":
        source.mkdir()
    assert refused(tmp_path, "check", source).startswith(f"{source}: ")


def test_an_unknown_corpus_format_is_refused_with_the_known_ones(tmp_path: Path):
    source = saved(tmp_path / "corpus.json", CORPUS)
    line = refused(tmp_path, "convert", "smilechat2", source, "-o", tmp_path / "new" / "out")
    assert "'smilechat2'" in line
    assert "mi_conversations" in line


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ('{"id": "b", "turns": [', ":3: not JSON"),
        ('{"id": "b", "turns": [{"role": "user", "content": "x"}]}', ":3: b: turn 1 "),
        ('{"id": "a/0", "turns": [{"role": "client", "content": "x"}]}', ":3: id 'a/0' "),
    ],
)
def test_a_dialogue_file_with_a_broken_line_is_refused_with_the_line(
    tmp_path: Path, dialogues: Path, broken: str, told: str
):
    with dialogues.open("a", encoding="utf-8") as stream:
        stream.write(broken + "\n")
    words = ["alpaca", dialogues, "-o", "new/rows.json", "--register", "mine"]
    line = refused(tmp_path, *words, cwd=tmp_path)
    assert line.startswith(f"{dialogues}{told}")


def test_dialogues_without_any_round_are_refused(tmp_path: Path):
    source = tmp_path / "d.jsonl"
    source.write_text('{"id": "a", "turns": [{"role": "client", "content": "x"}]}\n')
    line = refused(tmp_path, "alpaca", source, "-o", tmp_path / "new" / "rows.json")
    assert line.startswith(f"{source}: no dialogue has a round")


def command(name: str, tmp_path: Path, dialogues: Path) -> list[object]:
    if name == "alpaca":
        return ["alpaca", dialogues]
    return ["convert", "mi_conversations", saved(tmp_path / "corpus.json", CORPUS)]


@pytest.mark.parametrize("name", ["convert", "alpaca"])
def test_an_output_that_exists_is_refused_and_stays(tmp_path: Path, dialogues: Path, name: str):
    words = command(name, tmp_path, dialogues)
    output = tmp_path / "out"
    output.write_text("old")
    line = refused(tmp_path, *words, "-o", output)
    assert line.startswith(f"{output}: exists")
    assert "--overwrite" in line


@pytest.mark.parametrize("name", ["convert", "alpaca"])
def test_an_output_under_a_file_is_refused(tmp_path: Path, dialogues: Path, name: str):
    words = command(name, tmp_path, dialogues)
    (tmp_path / "file").write_text("x")
    output = tmp_path / "file" / "out"
    assert refused(tmp_path, *words, "-o", output).startswith(f"{output}: ")


@pytest.mark.parametrize("name", ["convert", "alpaca"])
def test_a_folder_as_output_is_refused(tmp_path: Path, dialogues: Path, name: str):
    words = command(name, tmp_path, dialogues)
    (tmp_path / "folder").mkdir()
    line = refused(tmp_path, *words, "-o", tmp_path / "folder", "--overwrite")
    assert line.startswith(f"{tmp_path / 'folder'}: is a folder")


@pytest.mark.parametrize("name", ["convert", "alpaca"])
def test_a_stamp_that_cannot_be_written_leaves_no_output(
    tmp_path: Path, dialogues: Path, name: str
):
    words = command(name, tmp_path, dialogues)
    (tmp_path / "out.stamp.json").mkdir()
    assert "out.stamp.json" in refused(tmp_path, *words, "-o", tmp_path / "out")


@pytest.mark.parametrize("length", [250, 300])
def test_an_output_whose_name_is_too_long_is_refused(tmp_path: Path, dialogues: Path, length: int):
    # Of at most 255 bytes, the stamp's name takes 11 more than the output's.
    refused(tmp_path, "alpaca", dialogues, "-o", tmp_path / "new" / ("x" * length))


def test_a_fit_of_another_form_is_refused(tmp_path: Path, dialogues: Path):
    words = ["alpaca", dialogues, "-o", tmp_path / "new" / "out", "--fit", "glm4"]
    assert "--fit glm4: write TOKENIZER:TEMPLATE" in refused(tmp_path, *words)


# --- check ---


def recipe(tmp_path: Path, **settings: Any) -> Path:
    saved(tmp_path / "rows.json", rounds(2))
    info = {
        "mine": {"file_name": "rows.json", "columns": ALL},
        "gone": {"file_name": "gone.json", "columns": ALL},
    }
    saved(tmp_path / "dataset_info.json", info)
    path = tmp_path / "recipe.yaml"
    whole = {"do_train": "true", "dataset_dir": tmp_path, **settings}
    path.write_text("".join(f"{key}: {value}\n" for key, value in whole.items()), "utf-8")
    return path


def test_a_good_recipe_passes(tmp_path: Path):
    made = recipe(tmp_path, dataset="mine")
    assert f"{tmp_path / 'rows.json'}: 2 rows, no problem" in succeeded("check", "--recipe", made)


def test_an_unknown_dataset_of_a_recipe_is_refused_with_the_known_ones(tmp_path: Path):
    made = recipe(tmp_path, dataset="mi_trian")
    line = refused(tmp_path, "check", "--recipe", made)
    assert line.startswith(f"{made}: dataset 'mi_trian' is not in ")
    assert line.endswith("there are: gone, mine")


def test_a_dataset_whose_file_is_missing_is_refused(tmp_path: Path):
    line = refused(tmp_path, "check", "--recipe", recipe(tmp_path, dataset="gone"))
    assert line.startswith(f"{tmp_path / 'gone.json'}: ")


@pytest.mark.parametrize("text", ["a: [1\nb: 2\n", "- a\n"])
def test_a_broken_recipe_is_refused(tmp_path: Path, text: str):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    assert refused(tmp_path, "check", "--recipe", path).startswith(f"{path}:")


def test_nothing_to_check_is_a_mistake(tmp_path: Path):
    assert "nothing to check" in refused(tmp_path, "check")


def test_a_bad_file_is_told_by_row_and_key_and_ends_with_1(tmp_path: Path):
    rows = rounds(7)
    rows[5][""] = rows[5].pop("instruction")
    before = tree(tmp_path)
    path = saved(tmp_path / "rows.json", rows)
    done = run("check", path)
    assert (done.returncode, done.stderr) == (1, "")
    told, closing = done.stdout.splitlines()
    assert told.startswith(f"{path} row 5: key '' where 'instruction' is expected")
    assert closing == f"{path}: 7 rows, 1 problem"
    assert tree(tmp_path) == {**before, "rows.json": path.read_bytes()}


# --- speed ---


@pytest.mark.alone
@pytest.mark.parametrize("package", ["converters", "eval", "mi_llm"])
def test_help_answers_at_once(package: str):
    def seconds() -> float:
        start = time.perf_counter()
        done = run("--help", package=package)
        taken = time.perf_counter() - start
        assert (done.returncode, done.stderr) == (0, "")
        assert "Usage" in done.stdout
        return taken

    assert min(seconds() for _ in range(3)) < 0.4


# --- the authors' own files ---


def without_id(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key != "id"} for row in rows]


@pytest.fixture
def authors(real_data: Path) -> Path:
    return real_data / "mi_llm_authors"


@pytest.mark.real_data
def test_pairing_by_position_gives_the_papers_367_rows_but_for_the_key_of_row_5(
    tmp_path: Path, authors: Path
):
    talks, rows = tmp_path / "talks.jsonl", tmp_path / "rows.json"
    source = authors / "eval_40_dialogues.json"
    words = ["--pairing", "position"]
    succeeded("convert", "mi_conversations", source, "-o", talks, *words)
    succeeded("alpaca", talks, "-o", rows)
    made, theirs = without_id(loaded(rows)), loaded(authors / "eval_40.json")
    assert (len(made), len(theirs)) == (367, 367)
    assert "" in theirs[5]
    theirs[5]["instruction"] = theirs[5].pop("")
    assert made == theirs


@pytest.mark.real_data
def test_pairing_by_role_gives_366_rows_and_counts_what_it_mends_and_leaves_aside(
    tmp_path: Path, authors: Path
):
    talks, rows = tmp_path / "talks.jsonl", tmp_path / "rows.json"
    succeeded("convert", "mi_conversations", authors / "eval_40_dialogues.json", "-o", talks)
    succeeded("alpaca", talks, "-o", rows)
    repaired = loaded(tmp_path / "talks.jsonl.stamp.json")["counts"]
    assert (repaired["dialogues"], repaired["merged neighbours"]) == (40, 4)
    counts = loaded(tmp_path / "rows.json.stamp.json")["counts"]
    assert {kind: count for kind, count in counts.items() if count} == {
        "dialogues": 40,
        "rows": 366,
        "leading counselor turns": 6,
        "trailing client turns": 5,
    }
    assert len(loaded(rows)) == 366
    assert "366 rows, no problem" in succeeded("check", rows)


@pytest.mark.real_data
def test_check_finds_exactly_row_5_of_the_papers_rows(authors: Path):
    path = authors / "eval_40.json"
    done = run("check", path)
    assert (done.returncode, done.stderr) == (1, "")
    told, closing = done.stdout.splitlines()
    assert told.startswith(f"{path} row 5: key ''")
    assert closing == f"{path}: 367 rows, 1 problem"
