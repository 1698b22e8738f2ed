"""What keeps raters from knowing whose transcript they read.

Every transcript gets a neutral id, every rater an order of their own, and the texts lose what names
a source: model and product names, control tokens and thinking, speaker labels, whatever the
transcript's `meta` says of its source, phone numbers and the like. The key undoes it.

What a counselor *does* stays, even where it tells: "as an AI I cannot ..." is behaviour and gets
coded, only a name in it goes. What the safety gate said in its place is no behaviour of its: a mark
stands there instead. Nobody can blind length, layout or style, and people's names have no
form by which to find them.
"""

from __future__ import annotations

import hashlib
import random
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from eval.books.key import Key
from mi_llm import characters, jsonl, personal_data
from mi_llm.dialogue import Dialogue, Turn
from mi_llm.door.thoughts import separated
from mi_llm.errors import InputError
from mi_llm.neutral_ids import turns_sha256

MANUAL = "4.2.1"
NAME_MARK, NOTHING_LEFT = "××", "……"
# In place of what the safety gate said: not the counselor's words, so not to be coded.
SAFETY_MARK = "【固定的安全提示，不是被评者所说，请记 NC。Fixed safety text, code NC.】"
_WARNING = (
    "This file undoes the blinding. Keep it away from the raters until both have handed in their "
    "books: do not send it, do not put it into one archive with the books."
)

# Families, products and makers; words with a second meaning (百川 in 海纳百川, 豆包 as food) only
# where they can be no other. `(?<![A-Za-z])`: not inside a longer Latin word.
_LATIN_NAMES = (
    r"chat[-_ ]?glm|glm|bai[-_ ]?chuan|llama|qwen|tongyi|chat[-_ ]?gpt|gpt"
    r"|open[-_ ]?ai|zhipu(?:ai)?|meta[-_ ]ai|claude|anthropic|deepseek|intern[-_ ]?lm"
    r"|ernie[-_ ]?bot|mistral(?:[-_ ]?ai)?|shenzhi[-_ ]?wang|mi[-_ ]llm|mindchat|soulchat|mechat"
    r"|emollm|psychat|psydt|cpsycoun[a-z]?"
    r"|annomi|vicuna|minimax|google[-_ ]gemini|moonshot[-_ ]ai"
)
_SUFFIXES = (
    r"(?:[-_.]?\d+(?:\.\d+)?[a-z]{0,2}(?![a-z])"
    r"|[-_](?:chat|base|lora|chinese|zh|instruct|turbo|mini|hf|v\d+)(?![a-z]))*"
)
_CHINESE_NAMES = (
    r"智谱(?:清言|华章|AI)?|(?<!海纳)百川(?:智能|(?=大模型))|百川[-_ ]?\d|通义千问|通义实验室"
    r"|文心一言|文心(?=大模型)|讯飞星火|星火(?=大模型)|深度求索|书生[·・]?浦语|月之暗面|腾讯混元"
    r"|(?:豆包|混元)(?=大模型)|清华大学(?:KEG|知识工程)(?:实验室)?"
    r"|(?:(?<=我是)|(?<=我叫)|(?<=名叫)|(?<=名字叫))(?:百川|豆包|千问|文心|混元)"
)
_NAME = re.compile(
    rf"(?<![A-Za-z])(?:{_LATIN_NAMES})(?![A-Za-z]){_SUFFIXES}|{_CHINESE_NAMES}", re.IGNORECASE
)
# Beside those of the recipes' templates: others', and marks of thoughts.
_TOKEN = re.compile(
    rf"{characters.CONTROL_TOKEN.pattern}|<\|[^|<>\n]{{1,40}}\|>|<\|?reserved_[a-z_]*\d+\|?>"
    r"|\[/?(?:MASK|CLS|SEP)\]|</?(?:sop|eop|eos|bos|pad|unk|think|thinking)>"
)
_LABEL = re.compile(
    r"(?:心理咨询师|咨询师|来访者|求助者|治疗师|助手|用户|AI助手|counsell?or|therapist|client|"
    r"assistant|user|human|system)\s*[:：]\s*",
    re.IGNORECASE,
)
_INSTRUCTION_LENGTH = 20  # characters from which on a setting is a prompt rather than a word


@dataclass(frozen=True, slots=True)
class Blind:
    """A transcript as raters see it.

    Attributes:
        id: Neutral, `T07`.
        turns: With what gives the source away taken out; one for each turn of the original.
        target_behaviour: Given to all raters; None if they are to name it.
        original: Id of the transcript.
        source: Where it comes from; None if the transcript does not say.
        sha256: Of the original's turns.
    """

    id: str
    turns: tuple[Turn, ...]
    target_behaviour: str | None
    original: str
    source: str | None
    sha256: str


@dataclass(slots=True)
class Blinding:
    """A set of transcripts made blind.

    Attributes:
        seed: Draws ids and orders.
        transcripts: In the order of their ids.
        salt: What goes before a text when it is hashed, so that the hash stands in no other file.
        removed: How many traces were taken out, by kind.
        prefilled: How many transcripts came with a target behaviour; it is used if all did.
    """

    seed: int
    transcripts: list[Blind]
    salt: str
    removed: Counter[str] = field(default_factory=Counter)
    prefilled: int = 0

    def order(self, rater: str) -> list[Blind]:
        """The transcripts in the order that a rater gets: by seed and name, not by who else."""
        shuffled = list(self.transcripts)
        random.Random(f"{self.seed} {rater}").shuffle(shuffled)
        return shuffled

    def key(self) -> dict[str, Any]:
        """What undoes the blinding."""
        items = {
            one.id: {"transcript": one.original, "source": one.source, "sha256": one.sha256}
            for one in self.transcripts
        }
        return {
            "warning": _WARNING,
            "seed": self.seed,
            "manual": MANUAL,
            "salt": self.salt,
            "items": items,
        }


def blinded(transcripts: Sequence[Dialogue], *, seed: int, key: Key | None = None) -> Blinding:
    """Make transcripts blind.

    A target behaviour (`meta.transcript.target_behaviour`) is passed on only if every transcript
    has one: else having one would tell which kind it is.

    Args:
        transcripts: Of all sources together.
        seed: Draws ids and orders.
        key: Of a set that these transcripts add to: what it knows keeps its id, and the salt stays.

    Raises:
        InputError: If there is no transcript, or an id comes twice.
    """
    if not transcripts:
        raise InputError("no transcript to code")
    ordered = sorted(transcripts, key=lambda one: one.id)
    for one, two in pairwise(ordered):
        if one.id == two.id:
            raise InputError(f"transcript {one.id!r} comes twice; give each once")
    random.Random(seed).shuffle(ordered)
    ids = _ids(ordered, key.ids if key else {})
    ordered.sort(key=lambda one: int(ids[one.id][1:]))
    removed: Counter[str] = Counter()
    goals = [str(_facts(one).get("target_behaviour") or "").strip() for one in ordered]
    blind = [
        Blind(
            id=ids[one.id],
            turns=_blind_turns(one, removed),
            target_behaviour=_without_names(goal, one, removed) if all(goals) else None,
            original=one.id,
            source=_facts(one).get("source"),
            sha256=turns_sha256(one.turns),
        )
        for one, goal in zip(ordered, goals, strict=True)
    ]
    whole = jsonl.dumped([seed, [one.sha256 for one in blind]])
    salt = key.salt if key else hashlib.sha256(f"salt {whole}".encode()).hexdigest()[:24]
    return Blinding(seed, blind, salt, removed, sum(map(bool, goals)))


def _ids(ordered: Sequence[Dialogue], known: Mapping[str, str]) -> dict[str, str]:
    """A neutral id for each: the one it has, or the next number in the order given."""
    width = max(len(str(len(ordered))), 2)
    new = [one.id for one in ordered if one.id not in known]
    numbered = enumerate(new, start=len(known) + 1)
    return {**known, **{name: f"T{number:0{width}}" for number, name in numbered}}


def _blind_turns(transcript: Dialogue, removed: Counter[str]) -> tuple[Turn, ...]:
    """The turns without traces; none vanishes, so that volleys keep their numbers."""
    turns = []
    volleys, by_gate = 0, {one.get("turn") for one in _facts(transcript).get("safety") or ()}
    for turn in transcript.turns:
        volleys += turn.role == "counselor"
        if turn.role == "counselor" and volleys in by_gate:
            removed["safety texts"] += 1
            turns.append(Turn(turn.role, SAFETY_MARK))
            continue
        text = _without_names(turn.content, transcript, removed)
        if characters.is_blank(text):
            removed["turns that held nothing else"] += 1
            text = NOTHING_LEFT
        turns.append(Turn(turn.role, text))
    return tuple(turns)


def _without_names(text: str, transcript: Dialogue, removed: Counter[str]) -> str:
    text = "".join(" " if one == "\xa0" else one for one in text if _is_plain(one))
    for prompt in _prompts(_facts(transcript)):
        text = _cut(re.compile(re.escape(prompt)), text, "", "prompts", removed)
    parts = separated(text)
    if parts.thought:
        removed["thinking"] += 1
    text = parts.said
    text = _cut(_TOKEN, text, "", "control tokens", removed).strip()
    if label := _LABEL.match(text):
        removed["speaker labels"] += 1
        text = text[label.end() :]
    for name in _own_names(transcript):
        pattern = re.compile(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", re.IGNORECASE)
        text = _cut(pattern, text, NAME_MARK, "names from meta", removed)
    text = _cut(_NAME, text, NAME_MARK, "model names", removed)
    text, private = personal_data.mask(text)
    if private:
        removed["personal data"] += private.total()
    return text.strip()


def _cut(pattern: re.Pattern[str], text: str, by: str, kind: str, removed: Counter[str]) -> str:
    text, count = pattern.subn(by, text)
    if count:
        removed[kind] += count
    return text


def _is_plain(character: str) -> bool:
    """Whether a character is no invisible mark (byte order, zero width), which could tell."""
    return unicodedata.category(character) != "Cf"


def _facts(transcript: Dialogue) -> dict[str, Any]:
    facts = transcript.meta.get("transcript")
    return facts if isinstance(facts, dict) else {}


def _own_names(transcript: Dialogue) -> list[str]:
    """Ids and names in `meta` that can be no plain word, longest first.

    `real` or `1` also stand in ordinary talk, so a name counts if it has a digit or a joint (-, _,
    /) and three characters; a model's name always counts, whole and without its maker.
    """
    facts = _facts(transcript)
    model = str(facts.get("model") or "")
    said = [transcript.id, *(str(facts.get(name) or "") for name in ("source", "profile"))]
    names = {one for one in said if len(one) > 2 and re.search(r"[\d_/-]", one)}
    names |= {one for one in (model, model.rsplit("/", 1)[-1]) if len(one) > 2}
    return sorted((one for one in names if re.search(r"[^\W\d_]", one)), key=len, reverse=True)


def _prompts(value: Any) -> Iterator[str]:
    """The long texts of a transcript's settings: system prompts and instructions."""
    settings = value.get("settings") if isinstance(value, dict) else None
    waiting = [settings]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)
        elif isinstance(one, str) and len(one.strip()) >= _INSTRUCTION_LENGTH:
            yield one.strip()
