"""CPsyCounE: synthetic Chinese counselling dialogues on nine topics, made for evaluation.

Source: https://github.com/CAS-SIAT-XinHai/CPsyCoun, commit 1954f2e, `CPsyCounE/<topic>/<N>.json`.
CC BY 4.0: may be shared and changed with attribution. Zhang et al., CPsyCoun, Findings of ACL 2024.

One file in::

    ["求助者：我怕换工作。", "支持者：换工作让你不安。"]

One dialogue out::

    {"id": "cpsycoune/Career/1", "turns": [{"role": "client", "content": "我怕换工作。"},
     {"role": "counselor", "content": "换工作让你不安。"}], "meta": {"topic": "Career"}}

The id is `cpsycoune/<folder's name>/<N>`; the folder's name is the topic.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from converters.corpora.intake import Intake
from mi_llm import jsonl
from mi_llm.dialogue import Dialogue, Role, Turn
from mi_llm.errors import InputError

_SIDES: dict[str, Role] = {"求助者": "client", "支持者": "counselor"}
_LABEL = re.compile(rf"\s*({'|'.join(_SIDES)})[：:][ \t]*")


def read(path: Path, intake: Intake) -> Iterator[Dialogue]:
    """Yield the dialogues of a folder and the folders below it, topic by topic.

    Raises:
        InputError: If there is no `<N>.json` or one cannot be read.
    """
    for file in intake.files(path, "[0-9]*.json"):
        yield from intake.attempt(_dialogue, file, intake)


def _dialogue(file: Path, intake: Intake) -> Dialogue:
    expected = 'a list ["求助者：...", "支持者：...", ...]'
    lines = jsonl.full_list(file, intake.json(file), expected)
    turns = [_turn(line, f"{file}, turn {number}") for number, line in enumerate(lines, start=1)]
    topic = file.parent.resolve().name
    return intake.dialogue(f"cpsycoune/{topic}/{file.stem}", str(file), turns, {"topic": topic})


def _turn(line: Any, where: str) -> Turn:
    label = _LABEL.match(line) if isinstance(line, str) else None
    if label is None:
        start = str(line)[:20]
        raise InputError(
            f"{where}: expected a text that begins 求助者： or 支持者：, not {start!r}"
        )
    return Turn(_SIDES[label[1]], line[label.end() :])
