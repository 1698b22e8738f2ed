"""MITI 4.2.1: the ten behaviour codes, the rules for counting them, and the summary measures.

Source: Moyers, Manuel and Ernst, *Motivational Interviewing Treatment Integrity Coding Manual
4.2.1* (June 2015), paraphrased; Moyers et al. 2016. The instrument is made for audio, whose tone of
voice matters; coding a text is an adaptation. This module codes nothing: people or a judge do.

A **volley** is one uninterrupted turn of the counselor, in chat one message once neighbours of the
same side are merged. An **utterance** is a complete thought inside it and gets one code or none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum

from mi_llm.errors import InputError


class Code(StrEnum):
    """The behaviour codes (manual, "Behavior Counts"); the value is what stands in files.

    Greetings, "ok", structure and the like get no code.
    """

    GIVE_INFORMATION = "GI"
    PERSUADE = "P"
    PERSUADE_WITH_PERMISSION = "PwP"
    QUESTION = "Q"
    SIMPLE_REFLECTION = "SR"
    COMPLEX_REFLECTION = "CR"
    AFFIRM = "AF"
    SEEK_COLLABORATION = "SEEK"
    EMPHASIZE_AUTONOMY = "EMPH"
    CONFRONT = "CON"


ENGLISH_NAMES = {
    Code.GIVE_INFORMATION: "Giving Information",
    Code.PERSUADE: "Persuade",
    Code.PERSUADE_WITH_PERMISSION: "Persuade with Permission",
    Code.QUESTION: "Question",
    Code.SIMPLE_REFLECTION: "Simple Reflection",
    Code.COMPLEX_REFLECTION: "Complex Reflection",
    Code.AFFIRM: "Affirm",
    Code.SEEK_COLLABORATION: "Seeking Collaboration",
    Code.EMPHASIZE_AUTONOMY: "Emphasizing Autonomy",
    Code.CONFRONT: "Confront",
}

CHINESE_NAMES = {
    Code.GIVE_INFORMATION: "提供信息",
    Code.PERSUADE: "劝说",
    Code.PERSUADE_WITH_PERMISSION: "征得许可的劝说",
    Code.QUESTION: "提问",
    Code.SIMPLE_REFLECTION: "简单反映",
    Code.COMPLEX_REFLECTION: "复杂反映",
    Code.AFFIRM: "肯定",
    Code.SEEK_COLLABORATION: "寻求合作",
    Code.EMPHASIZE_AUTONOMY: "强调自主",
    Code.CONFRONT: "对质",
}

# Giving information and persuading with permission are in neither of the first two.
MI_ADHERENT = frozenset({Code.AFFIRM, Code.SEEK_COLLABORATION, Code.EMPHASIZE_AUTONOMY})
MI_NON_ADHERENT = frozenset({Code.PERSUADE, Code.CONFRONT})
REFLECTIONS = frozenset({Code.SIMPLE_REFLECTION, Code.COMPLEX_REFLECTION})
QUESTIONS = frozenset({Code.QUESTION})

# Two codes that share one place in a volley; the first gives way. That a persuasion in one
# utterance gives way to one with permission in another is our reading of a rule that the manual
# states for one utterance.
_ONE_PLACE = (
    (Code.SIMPLE_REFLECTION, Code.COMPLEX_REFLECTION),
    (Code.PERSUADE, Code.PERSUADE_WITH_PERMISSION),
)


def most_in_a_volley(codes: frozenset[Code]) -> int:
    """How many of these codes one volley can hold at once."""
    return len(codes) - sum(codes.issuperset(pair) for pair in _ONE_PLACE)


def volley_codes(utterances: Iterable[Code | None]) -> frozenset[Code]:
    """The codes of a volley from those of its utterances.

    Each code counts once per volley. A complex reflection anywhere makes a simple one drop out, as
    persuasion with permission does with persuasion; so a volley has at most eight codes.

    Args:
        utterances: One code each, in any order; None for an utterance that gets none.
    """
    codes = {code for code in utterances if code is not None}
    for weaker, stronger in _ONE_PLACE:
        if stronger in codes:
            codes.discard(weaker)
    return frozenset(codes)


def check_volley(codes: Sequence[Code]) -> None:
    """Check the codes that a coder gave a whole volley.

    Raises:
        InputError: If a code comes twice, or two come that exclude each other.
    """
    for code in Code:
        if codes.count(code) > 1:
            raise InputError(f"{code} comes {codes.count(code)} times; it counts once per volley")
    for weaker, stronger in _ONE_PLACE:
        if weaker in codes and stronger in codes:
            raise InputError(f"{weaker} and {stronger} in one volley; leave {weaker} out")


@dataclass(frozen=True, slots=True)
class Counts:
    """How many volleys of one session, as one rater coded it, have each code.

    Attributes:
        volleys: The counselor's volleys, with or without a code.

    Raises:
        InputError: If a count is no whole number, below 0 or above the number of volleys; or if two
            codes that exclude each other together come in more volleys than there are.
    """

    volleys: int
    give_information: int = 0
    persuade: int = 0
    persuade_with_permission: int = 0
    question: int = 0
    simple_reflection: int = 0
    complex_reflection: int = 0
    affirm: int = 0
    seek_collaboration: int = 0
    emphasize_autonomy: int = 0
    confront: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            count = getattr(self, field.name)
            if type(count) is not int or count < 0:
                raise InputError(f"{field.name} is {count!r}; a count is a whole number from 0")
            if count > self.volleys:
                raise InputError(
                    f"{field.name} is {count} in {self.volleys} volleys; it counts once per volley"
                )
        for pair in _ONE_PLACE:
            if (together := self.total(pair)) > self.volleys:
                raise InputError(
                    f"{' and '.join(pair)} come to {together} in {self.volleys} volleys; "
                    "a volley has one of the two"
                )

    @classmethod
    def of(cls, volleys: Iterable[frozenset[Code]]) -> Counts:
        """Count the volleys of one session; an empty set is a volley without a code.

        Raises:
            InputError: If a volley holds two codes that exclude each other.
        """
        counts, total = dict.fromkeys(Code, 0), 0
        for total, codes in enumerate(volleys, start=1):  # noqa: B007 (the last is the total)
            check_volley(list(codes))
            for code in codes:
                counts[code] += 1
        return cls(total, **{code.name.lower(): number for code, number in counts.items()})

    def __getitem__(self, code: Code) -> int:
        """The volleys that have a code."""
        number: int = getattr(self, code.name.lower())
        return number

    def total(self, codes: Iterable[Code]) -> int:
        """The counts of several codes together."""
        return sum(self[code] for code in codes)

    @property
    def reflections(self) -> int:
        """Simple and complex reflections."""
        return self.total(REFLECTIONS)

    @property
    def mi_adherent(self) -> int:
        """Total MI-adherent: affirm, seek collaboration, emphasize autonomy."""
        return self.total(MI_ADHERENT)

    @property
    def mi_non_adherent(self) -> int:
        """Total MI-non-adherent: persuade (without permission) and confront."""
        return self.total(MI_NON_ADHERENT)

    @property
    def complex_reflection_share(self) -> float | None:
        """%CR: complex among all reflections, in [0, 1]; None if the session has no reflection."""
        return _ratio(self.complex_reflection, self.reflections)

    @property
    def reflection_to_question(self) -> float | None:
        """R:Q: reflections for each question; None if the session has no question."""
        return _ratio(self.reflections, self.question)

    @property
    def paper_mi_adherent_ratio(self) -> float | None:
        """MI-adherent among adherent and non-adherent, in [0, 1]; None if there is neither.

        The paper's measure (Hu et al. 2026, e89077), not MITI 4.2.1's: the manual (frequently asked
        question 3) dropped such a percentage as misleading, above all where a session has few of
        these behaviours. Show it only beside both totals.
        """
        return _ratio(self.mi_adherent, self.mi_adherent + self.mi_non_adherent)


@dataclass(frozen=True, slots=True)
class Globals:
    """The global ratings of a session by one rater, each 1 to 5, begun at 3.

    Without a change goal only partnership and empathy can be rated; the others are then None.

    Attributes:
        cultivate: Cultivating Change Talk.
        soften: Softening Sustain Talk ("Sidestep" on the manual's sheet).
        partnership: Partnership.
        empathy: Empathy.

    Raises:
        InputError: If a rating is no whole number from 1 to 5.
    """

    cultivate: int | None
    soften: int | None
    partnership: int
    empathy: int

    def __post_init__(self) -> None:
        for field in fields(self):
            score = getattr(self, field.name)
            if score is None and field.name in ("cultivate", "soften"):
                continue
            if type(score) is not int or not 1 <= score <= 5:
                raise InputError(f"{field.name} is {score!r}; a rating is a whole number, 1 to 5")

    @property
    def relational(self) -> float:
        """Relational global: the mean of partnership and empathy, 1 to 5."""
        return (self.partnership + self.empathy) / 2

    def technical(self, target_behaviour: str) -> float | None:
        """Technical global: the mean of cultivate and soften, 1 to 5.

        Args:
            target_behaviour: The change goal that the rater was told; blank if none was set.

        Returns:
            None without a change goal or without one of the two ratings.
        """
        if not target_behaviour.strip() or self.cultivate is None or self.soften is None:
            return None
        return (self.cultivate + self.soften) / 2


class Measure(StrEnum):
    """The summary measures that the manual gives thresholds for."""

    RELATIONAL = "relational"
    TECHNICAL = "technical"
    COMPLEX_REFLECTION_SHARE = "complex_reflection_share"
    REFLECTION_TO_QUESTION = "reflection_to_question"


class Level(StrEnum):
    """Where a value stands against a measure's thresholds."""

    BELOW_FAIR = "below fair"
    FAIR = "fair"
    GOOD = "good"


# From which value on a measure is fair, and good. Expert opinion without normative data, as the
# manual says ("Summary Scores"); the two totals have none.
THRESHOLDS = {
    Measure.RELATIONAL: (3.5, 4.0),
    Measure.TECHNICAL: (3.0, 4.0),
    Measure.COMPLEX_REFLECTION_SHARE: (0.4, 0.5),
    Measure.REFLECTION_TO_QUESTION: (1.0, 2.0),
}


def level(measure: Measure, value: float | None) -> Level | None:
    """Where a value stands, thresholds included; None for an undefined value."""
    if value is None:
        return None
    fair, good = THRESHOLDS[measure]
    if value >= good:
        return Level.GOOD
    return Level.FAIR if value >= fair else Level.BELOW_FAIR


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
