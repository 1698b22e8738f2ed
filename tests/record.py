"""Record what every command makes of fixed inputs, so that two commits can be compared.

Run in each of the two checkouts: `python -m tests.record FOLDER`, then `diff -r BEFORE AFTER`.
The inputs are the sample dialogues, small ones of the tests, scripted models on loopback, and real
corpora where MI_LLM_REAL_DATA names a folder of them. A step leaves a folder: its exit code and
what it printed, every file that it wrote (books as their cells, stamps without what differs from
run to run), and what it sent to a model.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openpyxl

from mi_llm.dialogue import Dialogue, Turn, dialogue_lines
from tests.converters import calm_script, llm_jobs, test_pairs, test_screen
from tests.eval import (
    coding_books,
    scripted_clients,
    scripted_judge,
    test_dynamics_judge,
    test_translation,
)
from tests.eval.coded_sessions import session
from tests.llm_server import LLMServer, Script

ROOT = Path(__file__).resolve().parents[1]
FIRST_PORT = 18_430
# Of a stamp or a table: when, with what, from which commit.
PASSING = {"written", "versions", "commit"}


@dataclass(frozen=True, slots=True)
class Recorder:
    """Runs commands in one working folder and writes down what they did.

    Attributes:
        work: Where commands read and write.
        output: Where the record goes, a folder a step.
    """

    work: Path
    output: Path

    def step(self, name: str, *words: object, script: Script | None = None) -> None:
        """Run `python -m WORDS`, with a scripted model if there is one, and record it."""
        before = self._state()
        server = LLMServer(script, port=_port(name)) if script else nullcontext(None)
        with server as running:
            where = ["--base-url", running.base_url, "--concurrency", 1] if running else []
            done = subprocess.run(
                [sys.executable, "-m", *map(str, [*words, *where])],
                cwd=ROOT,
                env=_environment(),
                capture_output=True,
                encoding="utf-8",
                check=False,
            )
            sent = [received.body for received in running.received] if running else []
        folder = self.output / name
        folder.mkdir(parents=True)
        told = f"exit {done.returncode}\n{done.stdout}--\n{done.stderr}"
        (folder / "terminal.txt").write_text(self._plain(told), encoding="utf-8")
        if sent:
            lines = [json.dumps(body, ensure_ascii=False, indent=1) for body in sent]
            (folder / "sent.txt").write_text(self._plain("\n".join(lines)), encoding="utf-8")
        for path in sorted(self._state().items() - before.items()):
            self._keep(Path(path[0]), folder)
        print(f"{name}: exit {done.returncode}", flush=True)  # noqa: T201 a script's progress

    def _state(self) -> dict[str, int]:
        files = (path for path in self.work.rglob("*") if path.is_file())
        return {str(path): path.stat().st_mtime_ns for path in files}

    def _keep(self, path: Path, folder: Path) -> None:
        target = folder / "files" / path.relative_to(self.work)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.with_name(f"{target.name}.txt").write_text(self._shown(path), encoding="utf-8")

    def _shown(self, path: Path) -> str:
        if path.suffix == ".xlsx":
            return "\n".join(_cells(path))
        if path.suffix in {".png", ".svg", ".db", ".sqlite", ".lock"}:
            return "there\n"
        text = path.read_text(encoding="utf-8", errors="backslashreplace")
        if path.name.endswith(".stamp.json"):
            text = json.dumps(_lasting(json.loads(text)), ensure_ascii=False, indent=1)
        return self._plain(text)

    def _plain(self, text: str) -> str:
        """Without the folder, the time and the commit."""
        text = text.replace(str(self.work), "WORK").replace(str(ROOT), "ROOT")
        text = re.sub(r"\b[0-9a-f]{40}(-dirty)?\b", "COMMIT", text)
        text = re.sub(
            r"\d{4}-\d\d-\d\d[T ]\d\d[:-]\d\d([:-]\d\d)?(\.\d+)?(\+00:00|Z)?", "TIME", text
        )
        return re.sub(r"\b\d+(\.\d+)? ?s\b", "TIME", text)


def main(output: Path) -> None:
    """Record all steps."""
    # The same place each time, since stamps and pages name it.
    work = Path(tempfile.gettempdir()) / "mi_llm_record"
    work.mkdir()
    try:
        for part in (rows, scores, coding, models, real_corpora):
            part(Recorder(work, output))
    finally:
        shutil.rmtree(work)


def rows(record: Recorder) -> None:
    """From the sample to rows, and checks of rows."""
    work = record.work
    for part in ("train", "test"):
        record.step(
            f"convert-{part}",
            "converters",
            "convert",
            "mi_conversations",
            ROOT / f"data/sample/{part}.json",
            "-o",
            work / f"{part}.jsonl",
        )
    record.step("stats", "converters", "stats", work / "train.jsonl", "-o", work / "stats.json")
    record.step(
        "split",
        "converters",
        "split",
        work / "train.jsonl",
        work / "test.jsonl",
        "-o",
        work / "split",
        "--test",
        8,
        "--seed",
        3,
    )
    for name, *more in (
        ("rounds", "test.jsonl"),
        ("dialogues", "train.jsonl", "--rows", "dialogue"),
        ("system", "test.jsonl", "--prompt-as", "system"),
    ):
        source, *options = more
        out = work / f"{name}.json"
        record.step(f"rows-{name}", "converters", "alpaca", work / source, "-o", out, *options)
        record.step(f"check-{name}", "converters", "check", out)
    broken = work / "broken.json"
    broken.write_text(
        '[{"instruction": "帮", "input": "好", "": "嗯", "history": [["a"]]}]', "utf-8"
    )
    record.step("check-broken", "converters", "check", broken)
    record.step(
        "profiles",
        "converters",
        "profiles",
        ROOT / "profiles/health_behaviours.yaml",
        ROOT / "profiles/risk.yaml",
        "-o",
        work / "profiles.jsonl",
    )


def scores(record: Recorder) -> None:
    """From made-up predictions to the report."""
    work = record.work
    samples = json.loads((work / "rounds.json").read_text("utf-8"))
    labels = [row["output"] for row in samples]
    runs = {
        "glm4_base": [label[::-1] for label in labels],
        "glm4_lora": [
            label[: len(label) // 2] + other
            for label, other in zip(labels, labels[1:] + labels[:1], strict=True)
        ],
    }
    for name, replies in runs.items():
        folder = work / "saves" / name / "predict"
        folder.mkdir(parents=True)
        lines = [
            json.dumps(
                {"prompt": row["input"], "predict": reply, "label": row["output"]},
                ensure_ascii=False,
            )
            for row, reply in zip(samples, replies, strict=True)
        ]
        (folder / "generated_predictions.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    both = [work / "saves" / name / "predict" for name in runs]
    files = [folder / "generated_predictions.jsonl" for folder in both]
    known = ["--rows", work / "rounds.json"]
    record.step(
        "score", "eval", "score", *files, *known, "--table", work / "scores.md", "--corpus-bleu"
    )
    record.step(
        "compare",
        "eval",
        "compare",
        *both,
        "-o",
        work / "compare.json",
        "--table",
        work / "compare.csv",
    )
    record.step("breakdown", "eval", "breakdown", files[1], *known, "-o", work / "breakdown.json")
    for language in ("en", "zh"):
        record.step(
            f"report-{language}",
            "eval",
            "report",
            *both,
            "-o",
            work / f"report-{language}.html",
            "--lang",
            language,
            "--assets",
            work / f"assets-{language}",
            "--with",
            work / "stats.json",
        )


def coding(record: Recorder) -> None:
    """From sessions to coding books, codes, measures and agreement."""
    work = record.work
    transcripts = coding_books.write(work / "sessions.jsonl", coding_books.THREE)
    record.step(
        "transcripts", "eval", "transcripts", "sessions", transcripts, "-o", work / "T.jsonl"
    )
    for language in ("zh", "en"):
        record.step(
            f"book-{language}",
            "eval",
            "book",
            work / "T.jsonl",
            "-o",
            work / f"books-{language}",
            "--rater",
            "R1",
            "--rater",
            "R2",
            "--lang",
            language,
            "--seed",
            7,
        )
    books = sorted((work / "books-zh").glob("*.xlsx"))
    record.step(
        "codes-untouched",
        "eval",
        "codes",
        *books,
        "-o",
        work / "codes",
        "--key",
        work / "books-zh/key.json",
    )
    for number, book in enumerate(books):
        _fill(book, shift=number)
    record.step(
        "codes", "eval", "codes", *books, "-o", work / "codes", "--key", work / "books-zh/key.json"
    )
    key = ["--key", work / "books-zh/key.json"]
    record.step(
        "miti",
        "eval",
        "miti",
        work / "codes",
        *key,
        "--transcripts",
        work / "T.jsonl",
        "-o",
        work / "miti.json",
    )
    record.step(
        "agreement", "eval", "agreement", work / "codes", *key, "-o", work / "agreement.json"
    )
    record.step(
        "report-miti",
        "eval",
        "report",
        "--with",
        work / "miti.json",
        "-o",
        work / "miti.html",
        "--lang",
        "zh",
    )


def models(record: Recorder) -> None:
    """What is asked of models, and what becomes of the answers."""
    work = record.work
    named = ["--model", "tester"]
    talks = llm_jobs.saved(work / "good.jsonl", llm_jobs.talks("good", 6))
    poor = llm_jobs.saved(work / "poor.jsonl", llm_jobs.talks("poor", 6))
    record.step(
        "screen",
        "converters",
        "screen",
        talks,
        poor,
        "-o",
        work / "screen.json",
        *named,
        script=test_screen.by_corpus,
    )
    record.step(
        "transcribe",
        "converters",
        "transcribe",
        talks,
        "-o",
        work / "mi.jsonl",
        *named,
        script=lambda received: llm_jobs.text(llm_jobs.rewriting(received)),
    )
    record.step(
        "review",
        "converters",
        "review",
        work / "mi.jsonl",
        "--sources",
        talks,
        "-o",
        work / "review",
    )
    people = work / "people.jsonl"
    marked = [{**calm_script.MARKED, "id": f"marked-{number}"} for number in (1, 2)]
    people.write_text("".join(f"{llm_jobs.text(one)}\n" for one in marked), "utf-8")
    for framework in ("calm-it", "script", "roleplay-strategies"):
        record.step(
            f"calm-it-{framework}",
            "converters",
            "calm-it",
            people,
            "-o",
            work / f"{framework}.jsonl",
            "--rounds",
            10,
            "--framework",
            framework,
            *named,
            script=calm_script.ScriptedModel(),
        )
    path, codes = test_pairs.three_faults(_made(work / "faults"))
    record.step(
        "pairs",
        "converters",
        "pairs",
        path,
        "--codes",
        codes,
        "-o",
        work / "pairs.json",
        *named,
        script=test_pairs.perfect,
    )
    record.step(
        "predict",
        "eval",
        "predict",
        work / "rounds.json",
        "-o",
        work / "served",
        "--template",
        "glm4",
        *named,
        script=lambda received: f"听到了：{received.body['messages'][-1]['content'][-9:]}",
    )
    clients = scripted_clients.saved(
        work / "clients.jsonl", [scripted_clients.profile(name) for name in "甲乙"]
    )
    record.step(
        "interview",
        "eval",
        "interview",
        "--profiles",
        clients,
        "--models",
        "tuned",
        "--models",
        "base",
        "-o",
        work / "interview",
        "--model",
        scripted_clients.CLIENT,
        script=scripted_clients.script,
    )
    record.step("redteam", "eval", "redteam", "-o", work / "redteam.json")
    talked = scripted_judge.session("a/1", "你有点累。", "几点睡？", "怎么做由你决定。")
    coded = scripted_judge.saved(work / "J.jsonl", [talked])
    record.step(
        "judge",
        "eval",
        "judge",
        coded,
        "-o",
        work / "judged",
        *named,
        script=scripted_judge.perfect,
    )
    talk = scripted_judge.saved(work / "D.jsonl", [test_dynamics_judge.TALK])
    record.step(
        "dynamics",
        "eval",
        "dynamics",
        talk,
        "--judge",
        "-o",
        work / "dynamics",
        *named,
        script=test_dynamics_judge.perfect,
    )
    english = Dialogue(
        "e/1",
        (
            Turn("client", "Session 1, said as turn number 1."),
            Turn("counselor", "Session 1, said as turn number 2."),
        ),
    )
    source = work / "english.jsonl"
    source.write_text("".join(dialogue_lines([english])), "utf-8")
    record.step(
        "translate",
        "eval",
        "transcripts",
        "sessions",
        source,
        "-o",
        work / "zh.jsonl",
        "--translate",
        "zh",
        *named,
        script=test_translation.in_chinese,
    )


def real_corpora(record: Recorder) -> None:
    """The real corpora, if they are there."""
    named = os.environ.get("MI_LLM_REAL_DATA")
    if not named:
        print("real corpora: skipped, MI_LLM_REAL_DATA names no folder")  # noqa: T201
        return
    data, work = Path(named), record.work
    authors, annomi = data / "mi_llm_authors", data / "annomi/AnnoMI-full.csv"
    corpora = {
        "cpsycound": data / "cpsycound/Data",
        "cpsycoune": data / "cpsycound/CPsyCounE",
        "smilechat": data / "smilechat/data",
        "annomi": annomi,
        "simulated_xlsx": authors / "simulated_dialogues.xlsx",
        "mi_conversations": authors / "eval_40_dialogues.json",
    }
    for name, path in corpora.items():
        out = work / f"real-{name}.jsonl"
        record.step(
            f"real-{name}", "converters", "convert", name, path, "-o", out, "--clients", "any"
        )
    record.step(
        "real-stats",
        "converters",
        "stats",
        *(work / f"real-{name}.jsonl" for name in ("cpsycound", "annomi")),
    )
    rows = work / "real-rows.json"
    record.step(
        "real-rows", "converters", "alpaca", work / "real-mi_conversations.jsonl", "-o", rows
    )
    record.step("real-check", "converters", "check", authors / "eval_40.json", rows)
    record.step(
        "real-workbook",
        "eval",
        "transcripts",
        "workbook",
        authors / "simulated_dialogues.xlsx",
        "-o",
        work / "W.jsonl",
    )
    record.step(
        "real-annomi-transcripts",
        "eval",
        "transcripts",
        "annomi",
        annomi,
        "-o",
        work / "A.jsonl",
        "--sample",
        5,
    )
    record.step("real-gold", "eval", "agreement", "--gold", annomi, "-o", work / "gold.json")
    record.step("real-dynamics", "eval", "dynamics", "--annomi", annomi, "-o", work / "annomi")


def _fill(book: Path, shift: int) -> None:
    """Fill a book in as a rater would; two raters differ in some cells."""
    sessions = []
    for name, count in coding_books.volleys(book).items():
        marks = ["SR Q", "CR", "Q", "", "P AF"]
        said = "/".join(marks[(at + (at % 3) * shift) % len(marks)] for at in range(count))
        sessions.append(session(name, "R1", said, (4, 3, 4, 3 + shift)))
    coding_books.fill(book, sessions)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _port(name: str) -> int:
    """The same port for the same step, since addresses stand in stamps."""
    return FIRST_PORT + sum(name.encode()) % 900


def _environment() -> dict[str, str]:
    hidden = ("OPENAI_API_KEY", "MI_LLM_MODEL", "MI_LLM_BASE_URL")
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    return {**kept, "COLUMNS": "200", "PYTHONIOENCODING": "utf-8", "MI_LLM_API_KEY": llm_jobs.KEY}


def _lasting(value: Any) -> Any:
    """A stamp without what differs from run to run: hashes of books and pages, which hold times."""
    if isinstance(value, dict):
        return {
            key: "-" if str(key).endswith((".xlsx", ".png", ".svg", ".html")) else _lasting(inner)
            for key, inner in value.items()
            if key not in PASSING
        }
    return [_lasting(inner) for inner in value] if isinstance(value, list) else value


def _cells(path: Path) -> Iterator[str]:
    for sheet in openpyxl.load_workbook(path).worksheets:
        for row in sheet.iter_rows():
            for cell in row:
                if cell.value is not None:
                    yield f"{sheet.title}!{cell.coordinate} {cell.value!r}"
        for ranges in sheet.data_validations.dataValidation:
            yield f"{sheet.title} {ranges.sqref} {ranges.type} {ranges.formula1}"


if __name__ == "__main__":
    target = Path(sys.argv[1])
    shutil.rmtree(target, ignore_errors=True)
    main(target)
