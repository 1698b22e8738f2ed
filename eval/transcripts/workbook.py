"""Transcripts of the authors' workbook of simulated dialogues (`mi_llm.workbook`)."""

from __future__ import annotations

from pathlib import Path

from eval.transcripts.collection import Collection, Facts
from mi_llm import workbook, xlsx_file
from mi_llm.errors import InputError

# The first parts of the recipes' names, by the models' names in the sheets' names.
_MODELS = {"GLM-4": "glm4", "Baichuan2": "baichuan2", "llama8b": "llama3_chinese"}

# Rounds of ten dialogues each, mean and SD, as printed in Table 4 of the paper.
PAPER_ROUNDS = {
    "glm4_tuned": "17.40 (5.17)",
    "llama3_chinese_tuned": "18.90 (5.80)",
    "baichuan2_tuned": "18.30 (7.27)",
}


def read(path: Path, collection: Collection) -> None:
    """Add the workbook's dialogues, sheet by sheet, each sheet's from left to right.

    The source is `<model>_tuned` or `<model>_base`. Irregular cells are named by sheet and cell in
    the transcripts and in the notes, which also name empty columns and sheets without dialogues.

    Raises:
        InputError: If the file is not a workbook, a sheet has not this layout, or it holds no
            dialogue.
    """
    before = len(collection.transcripts)
    for title, rows in xlsx_file.rows(path):
        tested = workbook.tested_model(title)
        if tested is None:
            collection.left_out["sheets of another kind"] += 1
            collection.notes.append(f"{title}: no sheet of dialogues")
            continue
        for column in workbook.columns(f"{path}: sheet {title}", rows):
            if column.has_text:
                _add(path, title, tested, column, collection)
            else:
                collection.left_out["empty columns"] += 1
                place = f"{column.letter}: dialogue {column.number}"
                collection.notes.append(f"{title}!{place}: the column is empty")
    if len(collection.transcripts) == before:
        raise InputError(f"{path}: holds no dialogue; expected sheets named 微调... or 原始...")


def _add(
    path: Path, title: str, tested: tuple[str, bool], column: workbook.Column, into: Collection
) -> None:
    model, tuned = tested
    turns = column.turns()
    found = [f"{title}!{place}" for place in workbook.irregular(column.letter, turns)]
    into.notes.extend(found)
    facts: Facts = {"source": _source(model, tuned), "model": model, "irregular": found}
    name = f"simulated_xlsx/{title}/{column.name}"
    into.add(path, into.mended(name, f"{column.where}, column {column.letter}", turns, facts))


def _source(model: str, tuned: bool) -> str:
    name = _MODELS.get(model, model.strip().lower().replace("-", "").replace(" ", "_"))
    return f"{name}_{'tuned' if tuned else 'base'}"
