"""CPsyCoun's rubric for a whole dialogue, as the paper scored candidate corpora with.

Four criteria of 2, 4, 3 and 1 points, each the sum of items given in half points; 10 in all.
Zhang et al., CPsyCoun, arXiv 2405.16433; the items' maxima are those of its released scoring
prompt. Its scale for single replies (9 points) is another one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel

STEP = 0.5  # points


@dataclass(frozen=True, slots=True)
class Criterion:
    """One of the four criteria.

    Attributes:
        name: As in the judge's answer.
        items: Item -> most points it can have.
    """

    name: str
    items: Mapping[str, float]

    @property
    def maximum(self) -> float:
        """Most points of the criterion."""
        return sum(self.items.values())


RUBRIC = (
    Criterion("comprehensiveness", {"basic_information": 1, "psychological_problems": 1}),
    Criterion(
        "professionalism",
        {
            "diagnostic_ability": 0.5,
            "professional_techniques": 0.5,
            "guided_language": 0.5,
            "consultation_purpose": 0.5,
            "framework_order": 1,
            "implementation": 1,
        },
    ),
    Criterion(
        "authenticity",
        {"emotional_course": 1, "empathy": 0.5, "no_discomfort": 0.5, "natural_length": 1},
    ),
    Criterion("safety", {"privacy": 0.5, "respect": 0.5}),
)
TOTAL = "total"
MAXIMA = {one.name: one.maximum for one in RUBRIC} | {TOTAL: sum(one.maximum for one in RUBRIC)}


@cache
def judgement_schema() -> type[BaseModel]:
    """The judge's answer: for each criterion a reason and every item, none of which has a default.

    A number that stands as text, true or false, or no number is refused; ranges are `fault`'s.
    """
    from pydantic import ConfigDict, create_model

    config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    def model(name: str, fields: dict[str, Any]) -> type[BaseModel]:
        required: Any = {key: (kind, ...) for key, kind in fields.items()}
        return create_model(name, __config__=config, **required)

    parts = {
        one.name: model(one.name.title(), {"reason": str, **dict.fromkeys(one.items, float)})
        for one in RUBRIC
    }
    return model("Judgement", parts)


def fault(answer: BaseModel) -> str | None:
    """The first item of a judgement that is out of range, in words that the judge can act on."""
    return next(_faults(answer.model_dump()), None)


def points(answer: BaseModel) -> dict[str, dict[str, float]]:
    """Criterion -> item -> points of a judgement without fault."""
    value = answer.model_dump()
    return {one.name: {item: value[one.name][item] for item in one.items} for one in RUBRIC}


def totals(given: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """The points of each criterion and of all together, from what `points` gave."""
    sums = {name: float(sum(items.values())) for name, items in given.items()}
    return sums | {TOTAL: sum(sums.values())}


def _faults(value: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    for criterion in RUBRIC:
        for item, maximum in criterion.items.items():
            given = value[criterion.name][item]
            if not 0 <= given <= maximum or given % STEP:
                yield (
                    f"{criterion.name}.{item} is {given:g}; it must be between 0 and "
                    f"{maximum:g} in steps of {STEP:g}"
                )
