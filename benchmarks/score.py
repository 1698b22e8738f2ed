"""CPU time of scoring, against the loop of LLaMA-Factory's own scoring script, start-up included.

Usage: python benchmarks/score.py [--rows 36700] [--repeats 3]. References are the authors' 367
replies where MI_LLM_REAL_DATA names a folder that has them, else those of data/sample; predictions,
and the references of the long file, are drawn from a seed, character by character. Both sides run
in turn, whole processes, and must find the same means. LLaMA-Factory's side is the formula of its
scripts/eval_bleu_rouge.py with that script's imports, without `import llamafactory`, and in one
process: its num_proc=8 takes more CPU. Ours is `python -m eval score`, which also scores a second
time with white space stripped, and computes intervals.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks.convert import ROOT, measured
from mi_llm import alpaca, jsonl

# Arguments: predictions, means to write, folder of the cache.
THEIRS = """
import json, os, sys
os.environ["HF_DATASETS_CACHE"], os.environ["HF_HUB_OFFLINE"] = sys.argv[3], "1"
import jieba
from datasets import load_dataset
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
from rouge_chinese import Rouge
jieba.initialize()

def scored(row):
    said, wanted = (" ".join(jieba.cut(row[key])) for key in ("predict", "label"))
    bleu = sentence_bleu([list(row["label"])], list(row["predict"]),
                         smoothing_function=SmoothingFunction().method3)
    found = {name: {"f": 0.0} for name in ("rouge-1", "rouge-2", "rouge-l")}
    if said.split() and wanted.split():
        found = Rouge().get_scores(said, wanted)[0]
    scores = {name: round(value["f"] * 100, 4) for name, value in found.items()}
    return {"bleu-4": round(bleu * 100, 4), **scores}

rows = load_dataset("json", data_files=sys.argv[1], split="train")
rows = rows.map(scored, remove_columns=rows.column_names).to_dict()
json.dump([sum(column) / len(column) for column in rows.values()], open(sys.argv[2], "w"))
"""


def main() -> None:
    """Draw replies, run both sides in turn, print CPU seconds and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=36_700, help="of the long file; 0: leave out")
    parser.add_argument("--repeats", type=int, default=3, help="of the short ones")
    asked = parser.parse_args()
    replies = real_replies()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        six = [
            written(folder / f"{seed}.jsonl", replies, new_replies(replies, seed))
            for seed in range(6)
        ]
        compare("one file of 367 rows", six[:1], asked.repeats)
        compare("six files of 367 rows", six, asked.repeats)
        if asked.rows:
            labels = list(islice(new_replies(replies, 6), asked.rows))
            long = written(folder / "long.jsonl", labels, new_replies(replies, 7))
            compare(f"one file of {asked.rows:,} rows", [long], 1)


def real_replies() -> list[str]:
    """367 replies of counselors."""
    folder = Path(os.environ.get("MI_LLM_REAL_DATA", "")) / "mi_llm_authors"
    found = folder / "eval_40.json"
    if found.is_file():
        replies = [row["output"] for row in alpaca.read_objects(found)]
    else:
        dialogues = jsonl.read_json(ROOT / "data" / "sample" / "train.json")
        turns = [turn for dialogue in dialogues for turn in dialogue["conversations"]]
        replies = [turn["content"] for turn in turns if turn["role"] == "counselor"]
    return [replies[number % len(replies)] for number in range(367)]


def new_replies(replies: Sequence[str], seed: int) -> Iterator[str]:
    """Replies of 73 characters without end, none like another, so that remembering helps little.

    Each character is drawn from those that follow the one before it in the given replies.
    """
    draw, after = random.Random(seed), {}  # type: random.Random, dict[str, list[str]]
    for reply in replies:
        for one, following in zip(f"\n{reply}", f"{reply}\n", strict=True):
            after.setdefault(one, []).append(following)
    while True:
        reply = ""
        while len(reply) < 73:
            reply += draw.choice(after[reply[-1:] or "\n"])
        yield reply


def written(path: Path, labels: Sequence[str], said: Iterator[str]) -> Path:
    """Write rows, and predictions of them: one new reply, or three with empty lines between."""
    with path.open("w", encoding="utf-8") as stream:
        for number, label in enumerate(labels):
            reply = "\n\n".join(islice(said, (1, 3)[number % 2]))
            json.dump({"prompt": "", "predict": reply, "label": label}, stream, ensure_ascii=False)
            stream.write("\n")
    rows = [
        {"id": f"{n // 9}#{n % 9}", "instruction": "", "input": "?", "output": label, "history": []}
        for n, label in enumerate(labels)
    ]
    path.with_suffix(".rows.json").write_text(json.dumps(rows), encoding="utf-8")
    return path


def compare(title: str, paths: Sequence[Path], repeats: int) -> None:
    """Run both sides in turn; print the median CPU seconds of each, and their ratio."""
    pairs = [(theirs(paths), ours(paths)) for _ in range(repeats)]
    (long, expected), (short, found) = pairs[0]
    # NumPy's mean and sum / len may differ in the last bit; the rows' scores may not.
    if not np.allclose(expected, found, rtol=0, atol=1e-9):
        raise SystemExit(f"{title}: means differ: {expected} and {found}")
    long, short = (statistics.median(pair[side][0] for pair in pairs) for side in (0, 1))
    ratios = sorted(a[0] / b[0] for a, b in pairs)
    print(
        f"{title:26} LLaMA-Factory's loop {long:7.2f} s CPU  ours {short:6.2f} s CPU  "
        f"ratio {long / short:5.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f})",
        flush=True,
    )


def theirs(paths: Sequence[Path]) -> tuple[float, list[list[float]]]:
    """CPU seconds and means of their loop, a process a file as its script is called."""
    seconds, means = 0.0, []
    for path in paths:
        with tempfile.TemporaryDirectory() as cache:
            out = Path(cache) / "means.json"
            command = [sys.executable, "-c", THEIRS, str(path), str(out), cache]
            seconds += measured(command)[0]
            means.append(json.loads(out.read_text(encoding="utf-8")))
    return seconds, means


def ours(paths: Sequence[Path]) -> tuple[float, list[list[float]]]:
    """CPU seconds and means of our command, all files in one process."""
    rows = paths[0].with_suffix(".rows.json")
    with tempfile.TemporaryDirectory() as folder:
        # A folder for each, as models have: the scores are written beside the predictions.
        models = [Path(folder) / str(number) / path.name for number, path in enumerate(paths)]
        for model, path in zip(models, paths, strict=True):
            model.parent.mkdir()
            model.symlink_to(path)
        command = ["-m", "eval", "score", *map(str, models), "--rows", str(rows)]
        seconds, _ = measured([sys.executable, *command])
        means = [
            [score["mean"] for score in json.loads(text)["scores"] if not score["strip"]]
            for text in ((model.with_name("scores.json")).read_text("utf-8") for model in models)
        ]
    return seconds, means


if __name__ == "__main__":
    main()
