"""Machine checks of form: length, labels, markup, language.

That turns alternate and none is blank is what makes a `Dialogue`; duplicates need the whole file
and are found by `converters.review.prepare`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from converters.review.findings import Finding
from mi_llm.dialogue import Dialogue, Turn

FEWEST_ROUNDS = 3
MOST_ROUNDS = 40  # unless it was asked for at greater length
LONGEST_TURN = 400  # characters, the transcription schema's
LONG_REPLY = 150  # characters; the prompt asks for about 80
OTHER_LANGUAGE = 0.1  # share of a turn's letters
FOREIGN_LETTERS = 12  # fewer are a name or a brand: KTV, App

_LABEL = re.compile(
    r"(?:来访者|咨询师|心理咨询师|治疗师|求助者|用户|助手|client|counsell?or|user|assistant)\s*[:：]",
    re.IGNORECASE,
)
_MACHINE = re.compile(
    r"(?:作为|我是)(?:一个|一名|一款)?\s*(?:AI|人工智能|大?语言模型|聊天机器人|虚拟助手)"
    r"|as an AI|language model",
    re.IGNORECASE,
)
_ANNOTATION = re.compile(
    r"[（(【\[](?:GI|P|PwP|Q|SR|CR|AF|SEEK|EMPH|CON|简单反映|复杂反映|双面反映|开放(?:式)?提问|肯定|总结"
    r"|强调自主|寻求合作|反映|提问)[】\])）]"
)
_MARKDOWN = re.compile(r"\*\*|```|^\s*(?:#{1,6}\s|[-*•]\s|\d+\s*[.、)）]\s*\S)", re.MULTILINE)


def findings(dialogue: Dialogue) -> Iterator[Finding]:
    """Yield what is wrong with the form of a dialogue, turn by turn."""
    rounds = len(dialogue.rounds)
    if rounds < FEWEST_ROUNDS:
        yield Finding("too few rounds", None, f"只有{rounds}轮，至少{FEWEST_ROUNDS}轮")
    most = max(MOST_ROUNDS, dialogue.meta.get("calm_it", {}).get("rounds_asked", 0))
    if rounds > most:
        yield Finding("too many rounds", None, f"有{rounds}轮，至多{most}轮")
    for number, turn in enumerate(dialogue.turns, start=1):
        yield from _in_turn(number, turn)


def _in_turn(number: int, turn: Turn) -> Iterator[Finding]:
    text = turn.content
    if len(text) > LONGEST_TURN:
        yield Finding("turn too long", number, f"{len(text)}字，超过{LONGEST_TURN}字")
    elif turn.role == "counselor" and len(text) > LONG_REPLY:
        yield Finding("long reply", number, f"咨询师一次说了{len(text)}字")
    for kind, pattern, said in (
        ("speaker label", _LABEL, "正文里有说话人标签"),
        ("speaks as a machine", _MACHINE, "自称人工智能"),
        ("annotation in the text", _ANNOTATION, "正文里留有编码或技法标注"),
        ("markdown", _MARKDOWN, "正文里有列表或标记符号"),
    ):
        if found := pattern.search(text):
            yield Finding(kind, number, f"{said}：“{found[0].strip()}”")
    if (share := foreign_share(text)) > OTHER_LANGUAGE:
        yield Finding("other language", number, f"{share:.0%}的文字不是中文")
    if "\N{REPLACEMENT CHARACTER}" in text:
        yield Finding("broken characters", number, "有无法显示的乱码字符")


def foreign_share(text: str) -> float:
    """The share of a text's letters that are no Chinese characters, in [0, 1].

    0 if they are fewer than `FOREIGN_LETTERS`, or if there is no letter at all.
    """
    letters = [one for one in text if one.isalpha()]
    foreign = sum(not unicodedata.name(one, "").startswith("CJK") for one in letters)
    return foreign / len(letters) if foreign >= FOREIGN_LETTERS else 0.0
