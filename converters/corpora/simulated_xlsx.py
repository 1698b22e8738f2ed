"""The MI-LLM authors' dialogues of role-players with tuned and base models: a workbook.

Source: https://github.com/CbyerDragon/MI-LLM, branch `master`, commit 79d42c3, file
`人工评价/模拟对话.xlsx`. No licence is stated: nothing is permitted beyond what the law
allows, so fetch it from there and do not pass it on.

A sheet has one dialogue in a column and one turn in a row. Its name begins with 微调 (tuned)
or 原始 (base) and ends with the model's; the sheet of client profiles is left out and counted,
and so is a column without text. Sheet `微调GLM-4` in::

    |        | 1                    |
    | 来访者 | 我想少抽一点。       |
    | 咨询师 | 你已经在盘算改变了。 |
    |        | 1. 嗯                |

One dialogue out::

    {"id": "simulated_xlsx/微调GLM-4/1",
     "turns": [{"role": "client", "content": "我想少抽一点。"},
      {"role": "counselor", "content": "你已经在盘算改变了。"},
      {"role": "client", "content": "1. 嗯"}],
     "meta": {"sheet": "微调GLM-4", "model": "GLM-4", "tuned": true,
      "irregular": ["B4: list item in the client's row"]}}

The id is `simulated_xlsx/<sheet>/<the column's number in row 1>`. Where the labels in column A
stop, the sides go on alternating by row. That is wrong where the authors spread one reply of the
model over several rows, or left a turn out: no word is moved to the other side, but `irregular`
names the cells that give it away. Whoever uses these dialogues should look there first.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from converters.corpora.intake import Intake
from mi_llm import workbook, xlsx_file
from mi_llm.dialogue import Dialogue


def read(path: Path, intake: Intake) -> Iterator[Dialogue]:
    """Yield the dialogues sheet by sheet, each sheet's from left to right.

    Raises:
        InputError: If the file is not a workbook, a sheet has not this layout, or a dialogue cannot
            be read.
    """
    for title, rows in xlsx_file.rows(path):
        tested = workbook.tested_model(title)
        if tested is None:
            intake.left_out["sheets of another kind"] += 1
            continue
        model, tuned = tested
        meta = {"sheet": title, "model": model, "tuned": tuned}
        for column in workbook.columns(f"{path}: sheet {title}", rows):
            if column.has_text:
                yield from intake.attempt(_dialogue, column, meta, intake)
            else:
                intake.left_out["empty columns"] += 1


def _dialogue(column: workbook.Column, meta: dict[str, Any], intake: Intake) -> Dialogue:
    name = f"simulated_xlsx/{meta['sheet']}/{column.name}"
    turns = column.turns()
    meta = {**meta, "irregular": workbook.irregular(column.letter, turns)}
    return intake.dialogue(name, f"{column.where}, column {column.letter}", turns, meta)
