"""Scored runs for tests of the report."""

import json

from eval.predictions import read_rows
from eval.runs import read_run
from eval.scores_file import write_scores


def rows_file(folder, rows):
    """Write Alpaca rows; return the path."""
    path = folder / "rows.json"
    path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    return path


def dialogue_rows(dialogues, rounds, output="那一周你是怎么过来的，愿意说说吗？"):
    """Rows of `dialogues` times `rounds`; each knows all earlier rounds."""
    return [
        {
            "id": f"d{d}#{n + 1}",
            "instruction": "帮",
            "input": f"第{n + 1}句",
            "output": f"{output}{n + 1}。",
            "history": [[f"第{k + 1}句", f"{output}{k + 1}。"] for k in range(n)],
        }
        for d in range(dialogues)
        for n in range(rounds)
    ]


def scored_run(folder, name, rows_path, replies):
    """Write `<folder>/<name>/predict` with predictions and scores; return the run."""
    home = folder / name / "predict"
    home.mkdir(parents=True)
    rows = read_rows(rows_path)
    lines = [
        json.dumps({"prompt": "", "predict": reply, "label": row["output"]}, ensure_ascii=False)
        for reply, row in zip(replies, rows, strict=True)
    ]
    predictions = home / "generated_predictions.jsonl"
    predictions.write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_scores(predictions, rows_path, rows, home / "scores.json", seed=0)
    return read_run(home)
