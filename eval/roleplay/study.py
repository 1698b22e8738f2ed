"""What a study plays, and what of it its folder keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eval.counselors import PromptAs
    from mi_llm.llm import Endpoint
    from mi_llm.profiles import Profile
    from prompts import Prompt


@dataclass(frozen=True, slots=True)
class Study:
    """What is played.

    Attributes:
        profiles: By id.
        source: Their file.
        endpoints: The models, by name.
        seed: Of the draw.
        per_cell: Sessions of each profile with each model.
        prompt: Text of the instruction that the models were trained with.
        prompt_name: Its name among the prompts.
        prompt_as: Where it stands in what a model is asked.
        classifier: A model that gives the safety gate a second look; None leaves it to its words.
        safety: What that model is told.
        classifier_required: Whether a turn that it does not judge is not replied to.
    """

    profiles: Mapping[str, Profile]
    source: Path
    endpoints: Mapping[str, Endpoint]
    seed: int
    per_cell: int
    prompt: str
    prompt_name: str
    prompt_as: PromptAs
    classifier: Endpoint | None
    safety: Prompt
    classifier_required: bool = False

    def settings(self) -> dict[str, Any]:
        """What all sessions share. How many there are to be may change as a study goes on."""
        return {
            "seed": self.seed,
            "prompt": self.prompt_name,
            "prompt_as": self.prompt_as,
            "classifier": self.classifier
            and {"model": self.classifier.model, **_asked(self.classifier)},
            "safety_prompt": self.safety.sha,
            "models": {name: _asked(endpoint) for name, endpoint in self.endpoints.items()},
            "profiles": {name: one.model_dump(mode="json") for name, one in self.profiles.items()},
        }


def _asked(endpoint: Endpoint) -> dict[str, Any]:
    """How a model is asked; a local server's port does not shape what it says."""
    return {
        "host": endpoint.host,
        **dict(sorted(endpoint.parameters.items())),
        "personal_data": "masked" if endpoint.mask else "as it is",
    }
