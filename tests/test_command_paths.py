"""What every command does with its paths before it begins: inputs whole, no output among them."""

from __future__ import annotations

import inspect
import json
import os
from pathlib import Path

import pytest
import typer

import converters.__main__
import eval.__main__
import mi_llm.__main__
from mi_llm.cli import OUTPUTS
from tests.commands import Done, run_here
from tests.kills import killed

APPS = (converters.__main__.app, eval.__main__.app, mi_llm.__main__.app)
READ = {
    *("annomi", "annotations", "books", "candidates", "codes", "dialogues", "folder", "gold"),
    *("key", "path", "paths", "pins", "predictions", "prices", "profiles", "recipe", "recipes"),
    *("rows", "runs", "scores", "source", "sources", "text", "transcripts", "verify", "with_"),
}


def run(app: typer.Typer, *words: object) -> Done:
    return run_here(app, *words, environment={**os.environ, "OPENBLAS_NUM_THREADS": "1"})


def dialogues(path: Path, ids: range) -> Path:
    turns = [
        {"role": "client", "content": "{}想少抽一点。"},
        {"role": "counselor", "content": "嗯{}"},
    ]
    lines = [
        json.dumps(
            {
                "id": f"a/{n}",
                "turns": [{**t, "content": f"{n * 7919}{t['content']}"} for t in turns],
            }
        )
        for n in ids
    ]
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def refused(done: Done, *words: str) -> None:
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done
    for word in words:
        assert word in done.stderr


def test_every_path_of_every_command_is_known_as_read_or_written():
    found = {
        name
        for app in APPS
        for info in app.registered_commands
        for name, one in inspect.signature(info.callback or (lambda: None)).parameters.items()
        if "Path" in str(one.annotation) or one.annotation in ("Output", "Recipe", "Key", "Table")
    }
    assert found == READ | OUTPUTS


def test_the_sets_of_a_killed_split_are_refused_with_the_command_to_run(tmp_path: Path):
    source, folder = dialogues(tmp_path / "all.jsonl", range(40)), tmp_path / "split"
    app = converters.__main__.app
    words = ("split", source, "-o", folder, "--test", 10, "--seed")
    assert run(app, *words, 1).returncode == 0

    def again() -> None:
        run(app, *words, 2, "--overwrite")

    # Three files, three stamps, each made and opened; then the stamps and two of three files.
    assert killed(again, folder, 18)
    for name in ("train.jsonl", "test.jsonl"):
        done = run(app, "alpaca", folder / name, "-o", tmp_path / "rows.json")
        refused(done, str(folder / name), "run again: python -m", "--seed 2 --overwrite")
    assert run(app, *words, 2, "--overwrite").returncode == 0
    assert run(app, "alpaca", folder / "train.jsonl", "-o", tmp_path / "rows.json").returncode == 0


@pytest.mark.parametrize("spelled", ["x.jsonl", "./x.jsonl", "here/x.jsonl", "hard"])
def test_a_command_refuses_to_write_over_its_own_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelled: str
):
    source = dialogues(tmp_path / "x.jsonl", range(3))
    (tmp_path / "here").symlink_to(tmp_path)
    os.link(source, tmp_path / "hard")
    monkeypatch.chdir(tmp_path)
    before = source.read_bytes()
    for words in (
        ("alpaca", source, "-o", spelled),
        ("stats", source, "-o", spelled),
        ("convert", "messages", source, "-o", spelled),
        ("profiles", source, "-o", spelled.replace("hard", "x.jsonl")),
    ):
        refused(run(converters.__main__.app, *words, "--overwrite"), "is read by this command")
    assert source.read_bytes() == before


def test_a_file_of_a_corpus_is_not_replaced_by_what_is_made_of_it(tmp_path: Path):
    for number in (1, 2):
        text = f"来访者：我想少抽{number}支。\n心理咨询师：你在想改变。\n"
        (tmp_path / f"case_{number}.txt").write_text(text)
    words = ("convert", "cpsycound", tmp_path, "--overwrite", "-o")
    done = run(converters.__main__.app, *words, tmp_path / "case_1.txt")
    refused(done, "case_1.txt: is a file of", "which this command reads")
    assert "来访者" in (tmp_path / "case_1.txt").read_text()
    for _ in range(2):  # what it wrote there itself may be replaced
        assert run(converters.__main__.app, *words, tmp_path / "out.jsonl").returncode == 0


def test_a_folder_of_filled_in_books_is_not_replaced_by_what_is_read_from_them(tmp_path: Path):
    books = tmp_path / "books"
    books.mkdir()
    (books / "miti_R1.xlsx").write_text("marks")
    done = run(eval.__main__.app, "codes", books / "miti_R1.xlsx", "-o", books, "--overwrite")
    refused(done, "books: holds", "which this command reads")
    assert (books / "miti_R1.xlsx").read_text() == "marks"


def test_score_report_and_compare_refuse_scores_that_are_not_what_their_stamp_says(tmp_path: Path):
    rows = [
        {"instruction": "i", "input": "q", "output": f"你{n}", "history": [], "id": f"a/{n}#1"}
        for n in range(3)
    ]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    runs = [tmp_path / name / "predict" for name in ("glm4_base", "glm4_lora")]
    app = eval.__main__.app
    for each in runs:
        each.mkdir(parents=True)
        said = [json.dumps({"predict": f"你们{n}", "label": f"你{n}"}) + "\n" for n in range(3)]
        (each / "generated_predictions.jsonl").write_text("".join(said))
        predictions = each / "generated_predictions.jsonl"
        assert run(app, "score", predictions, "--rows", tmp_path / "rows.json").returncode == 0

    def again() -> None:
        run(app, "score", predictions, "--rows", tmp_path / "rows.json", "--seed", 1, "--overwrite")

    assert killed(again, tmp_path, 6)  # two drafts, made and opened, and the stamp
    for words in (
        ("report", *runs, "-o", tmp_path / "report.html"),
        ("compare", *runs, "-o", tmp_path / "compare.json"),
        ("compare", *(one / "scores.json" for one in runs), "-o", tmp_path / "compare.json"),
    ):
        refused(run(app, *words), "scores.json", "run again: python -m", "--seed 1 --overwrite")


@pytest.mark.parametrize("kind", ["device", "pipe", "link"])
def test_commands_refuse_an_output_that_is_a_device_a_pipe_or_a_link(tmp_path: Path, kind: str):
    source, output = dialogues(tmp_path / "x.jsonl", range(3)), tmp_path / "out.json"
    if kind == "device":
        output = Path("/dev/null")
    elif kind == "pipe":
        os.mkfifo(output)
    else:
        output.symlink_to(source)
    app, words = converters.__main__.app, ("-o", output, "--overwrite")
    for command in (
        ("alpaca", source),
        ("stats", source),
        ("split", source, "--test", 1, "--seed", 1),
        ("review", source),
        ("convert", "messages", source),
    ):
        refused(run(app, *command, *words), "is a link" if kind == "link" else "is a device")
