"""SmileChat: single questions and answers that ChatGPT rewrote as conversations, in Chinese.

Source: https://github.com/qiuhuachuan/smile, commit 9f8afc0, `data/<N>.json`. CC0 1.0: may be
shared and changed freely. Qiu et al., SMILE, Findings of EMNLP 2024.

One file in::

    [{"role": "client", "content": "我睡不着。",
      "annotation": [{"sentence": "我睡不着。", "label": ""}]},
     {"role": "counselor", "content": "这让你很累。",
      "annotation": [{"sentence": "这让你很累。", "label": ""}]}]

One dialogue out::

    {"id": "smilechat/7", "turns": [{"role": "client", "content": "我睡不着。"},
     {"role": "counselor", "content": "这让你很累。"}], "meta": {}}

The id is `smilechat/<N>`. `annotation` is left: it repeats the text, and every label is empty.
In 54 dialogues of the 55,165 the client alone speaks; they are dialogues without a round.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from converters.corpora.chat import chat_turn
from converters.corpora.intake import Intake
from mi_llm import jsonl
from mi_llm.dialogue import Dialogue, Role

_ROLES: dict[str, Role] = {"client": "client", "counselor": "counselor"}


def read(path: Path, intake: Intake) -> Iterator[Dialogue]:
    """Yield the dialogues of a folder, or of folders below it, in the order of their numbers.

    Raises:
        InputError: If there is no `<N>.json` or one cannot be read.
    """
    for file in intake.files(path, "[0-9]*.json"):
        yield from intake.attempt(_dialogue, file, intake)


def _dialogue(file: Path, intake: Intake) -> Dialogue:
    messages = jsonl.full_list(file, intake.json(file), 'a list of {"role", "content"}')
    where = str(file)
    turns = [chat_turn(one, _ROLES, where, number) for number, one in enumerate(messages, start=1)]
    return intake.dialogue(f"smilechat/{file.stem}", where, turns, {})
