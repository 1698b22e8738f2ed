"""Machine checks of style that need no judge: questions, commands, advice, praise. All are soft.

They know words, not acts: what confronts or persuades is for a coder to say (`check_codes`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from converters.review.findings import Finding
from mi_llm.dialogue import Dialogue

SEVERAL_QUESTIONS = 0.3  # share of counselor turns with two or more
ONLY_QUESTIONS = 0.5  # share of counselor turns that say nothing else
COMMANDING = 0.25  # share of counselor turns that command
CHEERING = 2  # counselor turns
FEWEST = 2  # counselor turns, before a share says anything
LECTURE = 100  # characters of statement without a question, a reflection's `您/你` or permission

_SENTENCE = re.compile(r"[^。！？!?；;\n]+[。！？!?；;]*")
_QUESTION = re.compile(r"[？?]")
# Ends a reflection and asks for a nod; it is no question of its own.
_TAG = re.compile(
    r"(?:^|[，,])?(?:是吗|对吗|对么|是么|是吧|对吧|是不是|对不对|是这样(?:的)?吗|好吗|行吗)[？?]"
)
_COMMAND = re.compile(
    r"[您你](?:应该|应当|必须|一定要|务必|需要|要(?!是|不|么|的|紧|好|求)|得(?!到|了|住|上|很|出)|也得|就得|还得)"
    r"|(?:^|[，。；、！])(?:应该|必须|务必|千万|一定要|不能再|不要再|别再|不准|不许|马上|立刻)"
)
_ADVICE = re.compile(
    r"建议[您你]?|[您你](?:不妨|可以(?:试试|试着|尝试|考虑|先|每天|去|用|把|多(?![说讲谈聊])|学|通过)|最好|应该|应当|需要|必须)"
    r"|我劝[您你]|不妨|最好(?!的|是|不过)|试试看?用|(?:要|得)(?:学会|坚持|控制|注意)"
)
_PERMISSION = re.compile(
    r"(?:想|愿意|愿不愿意|要不要|想不想|介意|可以|能)(?:[^。！？!?]{0,12})(?:听|分享|说说|讲讲|介绍|聊聊|给[您你])"
    r"|[您你](?:来?定|决定|说了算|自己选|看着办)|听[听不]+听|由[您你]|仅供参考|合不合适|介不介意"
)
_ASKED = re.compile(
    r"怎么办|咋办|怎么弄|咋弄|有(?:什么|啥|没有).{0,4}(?:办法|建议|法子)|该怎么|[您你](?:说|讲)(?:说|讲|嘛|吧|看)|教教我"
)
_ORDER = re.compile(r"(?:第一|首先|一是).{2,40}(?:第二|其次|然后|二是).{2,}", re.DOTALL)
_CONFRONT = re.compile(
    r"[您你][^，。！？]{0,4}(?:在)?找借口|借口罢了|后果自负|自作自受|咎由自取|活该|不像话|不知悔改|不负责任"
    r"|[您你](?:错了|这是逃避|就是个?(?:懒|太|不|没)|太(?:懒|不|自私|虚荣|软弱|任性|固执)|怎么(?:能|可以)这样)"
    r"|说(?:白了|到底)[，]?[您你]?就是|对得起[^，。！？]{1,8}[吗？]|怪不得[您你]?会|拖累|到时候后悔"
    r"|[您你](?:这个人|真是|就是)?没(?:有)?(?:自控力|自制力|毅力|出息|良心|用)|迟早(?:会|得|要)"
    r"|(?:自控力|自制力|毅力)(?:不够|太差|太弱)"
)
_CHEER = re.compile(
    r"加油|[太真好]棒|很棒|了不起|真厉害|[您你]真是个?(?:伟大|了不起|优秀)|(?:我)?相信[您你](?:一定|肯定)|[您你](?:一定|肯定)(?:可以|能|行)"
)


def findings(dialogue: Dialogue) -> Iterator[Finding]:
    """Yield what in the counselor's words is unlike motivational interviewing."""
    replies = [(n, t.content) for n, t in enumerate(dialogue.turns, 1) if t.role == "counselor"]
    if not replies:
        return
    yield from _questions(replies)
    yield from _often(replies)
    yield from _advice(dialogue)
    for number, text in replies:
        if found := _CONFRONT.search(text):
            yield Finding("confronting words", number, f"可能是对质、指责或贴标签：“{found[0]}”")
        if _ORDER.search(text) and _ADVICE.search(text):
            yield Finding("list of advice", number, "一次给出好几条建议")
        if len(text) > LECTURE and not _QUESTION.search(text) and not _PERMISSION.search(text):
            yield Finding("lecture", number, f"连说{len(text)}字，没有提问，也没有征求同意")


def _questions(replies: Sequence[tuple[int, str]]) -> Iterator[Finding]:
    several = [number for number, text in replies if questions(text) > 1]
    if len(several) >= FEWEST and len(several) > SEVERAL_QUESTIONS * len(replies):
        yield Finding("several questions", several[0], f"{_places(several)}一次问了两个以上的问题")
    only = [
        number
        for number, text in replies
        if all(_QUESTION.search(one) for one in _SENTENCE.findall(text))
    ]
    if len(only) >= FEWEST and len(only) > ONLY_QUESTIONS * len(replies):
        yield Finding("only questions", only[0], f"{_places(only)}只提问，没有反映")


def _often(replies: Sequence[tuple[int, str]]) -> Iterator[Finding]:
    commands = [number for number, text in replies if _COMMAND.search(text)]
    if len(commands) >= FEWEST and len(commands) > COMMANDING * len(replies):
        yield Finding("commands", commands[0], f"{_places(commands)}用了“应该、必须、你要”一类的话")
    cheers = [number for number, text in replies if _CHEER.search(text)]
    if len(cheers) >= CHEERING:
        yield Finding("cheerleading", cheers[0], f"{_places(cheers)}是空泛的夸奖或打气")


def _advice(dialogue: Dialogue) -> Iterator[Finding]:
    """Advice in the first third that nobody asked for and nobody permitted.

    Permission may stand in the same turn or in the counselor's turn before (MITI 4.2.1, PwP).
    """
    early = dialogue.turns[: max(len(dialogue.turns) // 3, 2)]
    for place, turn in enumerate(early):
        if turn.role != "counselor" or not (found := _ADVICE.search(turn.content)):
            continue
        near = [early[one].content for one in (place, place - 2) if one >= 0]
        asked = place > 0 and _ASKED.search(early[place - 1].content)
        if not asked and not any(_PERMISSION.search(text) for text in near):
            yield Finding("early advice", place + 1, f"开头就给建议，没有先征求同意：“{found[0]}”")


def questions(text: str) -> int:
    """How many sentences of a text ask something; `是吗？` behind a statement does not."""
    sentences = _SENTENCE.findall(text)
    return sum(bool(_QUESTION.search(one)) and not _TAG.search(one) for one in sentences)


def _places(numbers: Sequence[int]) -> str:
    return "第" + "、".join(map(str, numbers)) + "句"
