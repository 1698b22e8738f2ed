r"""CPsyCounD: synthetic Chinese counselling dialogues, one text file each.

Source: https://github.com/CAS-SIAT-XinHai/CPsyCoun, commit 1954f2e, `CPsyCounD/Data/case_<N>.txt`.
CC BY 4.0, its Hugging Face card CC BY-SA 4.0: share what is made of it with attribution and under
the same licence. Zhang et al., CPsyCoun, Findings of ACL 2024.

One file in::

    来访者：我们总是吵架。

    来访者（李女士）：他不听我说。

    心理咨询师：你希望他听见你。

    （沉默了一会儿）

One dialogue out::

    {"id": "cpsycound/12", "turns": [{"role": "client", "content": "我们总是吵架。\n他不听我说。"},
     {"role": "counselor", "content": "你希望他听见你。\n（沉默了一会儿）"}],
     "meta": {"speaker_labels": ["来访者（李女士）"]}}

The id is `cpsycound/<N>`. A line that does not begin with 来访者： or 心理咨询师： goes on with the
turn before it: numbered lists, stage directions, other people played or quoted (妈妈：).
Labels that say more (来访者1, 心理咨询师（扮演母亲）) are listed in `meta`; if two or more of them
name clients, their names are in `clients`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from converters.corpora.intake import Intake
from mi_llm.dialogue import Dialogue, Turn
from mi_llm.errors import InputError

# Groups: the side, and what decorates it: a number or letter, or a name or part in brackets.
_LABEL = re.compile(
    r"^[ \t]*(来访者|心理咨询师)[ \t]*"
    r"(\d{1,2}|[A-Za-z甲乙丙丁一二三四]|[（(][^（()）\n]{1,20}[)）])?[ \t]*[：:][ \t]*",
    re.MULTILINE,
)


def read(path: Path, intake: Intake) -> Iterator[Dialogue]:
    """Yield the dialogues of a folder, or of folders below it, in the order of their numbers.

    Raises:
        InputError: If there is no `case_<N>.txt` or one cannot be read.
    """
    for file in intake.files(path, "case_[0-9]*.txt"):
        yield from intake.attempt(_dialogue, file, intake)


def _dialogue(file: Path, intake: Intake) -> Dialogue:
    text = intake.text(file).replace("\r\n", "\n")
    # Nothing but labels splits the text: what comes out is before, (side, decoration, said) ...
    before, *parts = _LABEL.split(text)
    _refuse_unlabelled(before, file)
    sides, decorations = parts[::3], [one or "" for one in parts[1::3]]
    turns = [_turn(side, said) for side, said in zip(sides, parts[2::3], strict=True)]
    name = f"cpsycound/{file.stem.removeprefix('case_')}"
    return intake.dialogue(name, str(file), turns, _meta(sides, decorations))


def _refuse_unlabelled(before: str, file: Path) -> None:
    found = before.strip()
    if found:
        line = before[: before.index(found)].count("\n") + 1
        start = found.split("\n", 1)[0][:20]
        raise InputError(
            f"{file}:{line}: put 来访者： or 心理咨询师： before the first text, {start!r}"
        )


def _turn(side: str, said: str) -> Turn:
    lines = (line for line in said.split("\n") if line.strip())
    return Turn("client" if side == "来访者" else "counselor", "\n".join(lines))


def _meta(sides: Sequence[str], decorations: Sequence[str]) -> dict[str, Any]:
    decorated = dict.fromkeys(pair for pair in zip(sides, decorations, strict=True) if pair[1])
    meta: dict[str, Any] = {}
    if decorated:
        meta["speaker_labels"] = [side + decoration for side, decoration in decorated]
    names = dict.fromkeys(_name(decoration) for side, decoration in decorated if side == "来访者")
    clients = [name for name in names if not name.startswith("扮演")]
    if len(clients) > 1:
        meta["clients"] = clients
    return meta


def _name(decoration: str) -> str:
    """李女士 of `（李女士）`; 来访者1 of `1`."""
    bare = decoration.strip("（()）").strip()
    return bare if bare != decoration else f"来访者{decoration}"
