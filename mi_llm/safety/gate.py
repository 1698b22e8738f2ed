"""The gate: what is said in a model's place when a client's words call for care.

    a sign about oneself, explicit --> hand_over --> stay, stay, ...
    a sign about oneself, indirect --> ask --yes------> hand_over
                                        |--no---------> the model goes on, the session is flagged
                                        `--unclear----> ask once more, then the model goes on
    a sign about somebody else ------> other_person --> the model goes on

It is a tripwire with fixed texts (`texts.yaml`), not a clinician: what it does not find is not
safe. It does not care whether the client is played. How often it is right and wrong is measured in
`tests/mi_llm/test_safety_gate.py` and told in `docs/safety.md`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from mi_llm.errors import InputError
from mi_llm.safety import answers, texts
from mi_llm.safety.classifier import Verdict
from mi_llm.safety.lexicon import HarmfulAdvice, Risk, harmful_advice
from mi_llm.safety.signs import Level, Sign, Source, marks, signs

Step = Literal["ask", "hand_over", "stay", "other_person"]

_ASKS = 2  # of one risk in a session; more would be an interrogation
# What is answered first, if several signs are as plain: what kills soonest.
_FIRST = (
    Risk.MEDICAL_EMERGENCY,
    Risk.SELF_HARM,
    Risk.HARM_TO_OTHERS,
    Risk.ABUSE,
    Risk.PSYCHOSIS,
    Risk.EATING_DISORDER,
)


@dataclass(frozen=True, slots=True)
class Intervention:
    """What the gate says in the model's place.

    Attributes:
        text: The fixed text, in the gate's locale.
        step: Where the gate stands with the client.
        risk: What it is about.
        level: Whether the client said it, or hinted at it.
        phrase: The words that set it off, as they stand in what was said; may be from an earlier
            turn, if `source` is "earlier".
        source: Who found them; "earlier" means that this turn alone would not have been answered.
    """

    text: str
    step: Step
    risk: Risk
    level: Level
    phrase: str
    source: Source

    @property
    def ends_mi(self) -> bool:
        """Whether motivational interviewing is over for this session."""
        return self.step in ("hand_over", "stay")

    def as_record(self) -> dict[str, str]:
        """What a transcript keeps: everything but the text, which is the counselor's turn there."""
        return {
            "risk": str(self.risk),
            "step": self.step,
            "level": self.level,
            "phrase": self.phrase,
            "source": self.source,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any], text: str = "") -> Intervention:
        """Back from `as_record`, to take up a session again. More keys do no harm.

        Raises:
            InputError: If the record is none.
        """
        try:
            values = {name: record[name] for name in ("step", "level", "phrase", "source")}
            return cls(text=text, risk=Risk(record["risk"]), **values)
        except (KeyError, ValueError) as error:
            raise InputError(f"{dict(record)}: no record of the safety gate ({error})") from None


@dataclass(frozen=True, slots=True)
class Gate:
    """The gate of a session. It keeps no state.

    Attributes:
        locale: Language of the texts, and whose help lines: "zh" (mainland China), "en" (United
            States), "zh-CN", "en-US"; any other zh-.. or en-.. names no numbers but says "your
            local emergency number".

    Raises:
        InputError: If there are no texts in that language.
    """

    locale: str = "zh"

    def __post_init__(self) -> None:
        texts.language(self.locale)

    def intervene(
        self,
        said: str,
        earlier: Sequence[Intervention | None],
        verdict: Verdict | None = None,
    ) -> Intervention | None:
        """What to say to a client's turn in the model's place; None lets the model answer.

        Args:
            said: The client's turn.
            earlier: What came of each earlier client turn of the session, in order: the gate's
                intervention, or None where the model answered. Without the Nones an answered
                question would look as if it had just been asked.
            verdict: What a classifier says of the turn. It adds a sign that the lexicon missed;
                it takes none away, and it is only a hint if its quotation is not in the turn.
        """
        given = [one for one in earlier if one is not None]
        found = [*signs(said), *(verdict.signs(said) if verdict else ())]
        own = _gravest(one for one in found if one.about == "self")
        other = _gravest(one for one in found if one.about == "other")
        ended = next((one for one in given if one.ends_mi), None)
        if ended:
            return self._stay(ended, own, given)
        last = earlier[-1] if earlier else None
        if last and last.step == "ask":
            return self._after_ask(said, last, given, own, other)
        if own:
            return self._to_own_sign(own, given)
        return self._to_other(other, given) if other else None

    def marks(self, said: str) -> list[Risk]:
        """What is recorded of a client's turn without an intervention: that a minor speaks."""
        return marks(said)

    def _to_own_sign(self, sign: Sign, given: Sequence[Intervention]) -> Intervention:
        """A hint asked about twice already and given again is answered as a plain word."""
        if sign.level == "explicit" or _asked(given, sign.risk) >= _ASKS:
            return self._said("hand_over", sign, given)
        return self._said("ask", sign, given)

    def _to_other(self, sign: Sign, given: Sequence[Intervention]) -> Intervention | None:
        """Once for each risk, and again whenever it is happening now."""
        told = any(one.step == "other_person" and one.risk == sign.risk for one in given)
        return None if told and not sign.now else self._said("other_person", sign, given)

    def _after_ask(
        self,
        said: str,
        last: Intervention,
        given: Sequence[Intervention],
        own: Sign | None,
        other: Sign | None,
    ) -> Intervention | None:
        answer = answers.reading(said)
        if own and (own.level == "explicit" or answer.kind != "no"):
            return self._said("hand_over", own, given)
        if other:
            return self._to_other(other, given)
        if answer.kind == "yes":
            return self._said("hand_over", _answered(last, answer.phrase), given)
        if answer.kind == "no" and not own:
            return None
        if _asked(given, last.risk) >= _ASKS:
            return None
        repeated = own or replace(_answered(last, last.phrase), level=last.level, source="earlier")
        return self._said("ask", replace(repeated, risk=last.risk), given)

    def _stay(
        self, ended: Intervention, own: Sign | None, given: Sequence[Intervention]
    ) -> Intervention:
        """The same risk as before, unless a life is in danger now."""
        if own and own.level == "explicit" and own.risk == Risk.MEDICAL_EMERGENCY:
            return self._said("stay", own, given)
        sign = Sign(ended.risk, ended.level, "self", ended.phrase, "earlier")
        return self._said("stay", sign, given)

    def _said(self, step: Step, sign: Sign, given: Sequence[Intervention]) -> Intervention:
        before = sum(one.step == step and one.risk == sign.risk for one in given)
        text = texts.text(self.locale, sign.risk, step, before)
        return Intervention(text, step, sign.risk, sign.level, sign.phrase, sign.source)


def flags(reply: str) -> list[HarmfulAdvice]:
    """What a model's own reply is flagged for; it is recorded, not hidden."""
    return harmful_advice(reply)


def _gravest(found: Iterable[Sign]) -> Sign | None:
    """The one to answer: a plain word before a hint, then what kills soonest."""
    return min(
        found, key=lambda one: (one.level != "explicit", _FIRST.index(one.risk)), default=None
    )


def _asked(given: Sequence[Intervention], risk: Risk) -> int:
    return sum(one.step == "ask" and one.risk == risk for one in given)


def _answered(asked: Intervention, phrase: str) -> Sign:
    """The sign that a yes makes of a question."""
    return Sign(asked.risk, "explicit", "self", phrase, "lexicon")
