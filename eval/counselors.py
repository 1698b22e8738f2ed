"""The counselors that are talked with: models behind an address, told as training told them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from mi_llm.dialogue import Turn
from mi_llm.door.endpoint import named
from mi_llm.errors import InputError

if TYPE_CHECKING:
    from mi_llm.door.conversation import Message
    from mi_llm.door.endpoint import Endpoint

PromptAs = Literal["instruction", "system"]


def counselors(models: Sequence[str], endpoint: Endpoint) -> dict[str, Endpoint]:
    """The endpoint of each model, by its name, in the order they were named.

    Args:
        models: Each `NAME`, or `NAME=BASE_URL` where another server than `endpoint` has it. The
            name is the one the server knows, and the one that results are given under.
        endpoint: How all of them are asked. Its budget is not theirs: it would be counted anew
            for each.

    Returns:
        The endpoints; personal data is masked for those on other machines alone, if at all.

    Raises:
        InputError: If none is named, a name is malformed or doubled, or an address may not be
            asked.
    """
    if not models:
        raise InputError("--models: name at least one, such as glm4_lora=http://127.0.0.1:8000/v1")
    found: dict[str, Endpoint] = {}
    for model in models:
        one = named("--models", model, replace(endpoint, budget=None)).masked_elsewhere()
        if one.model in found:
            raise InputError(f"--models {one.model}: is named twice")
        found[one.model] = one
    return found


def classifier(model: str, endpoint: Endpoint) -> Endpoint | None:
    """The endpoint of the model that gives the safety gate a second look; None for "".

    Args:
        model: `NAME` or `NAME=BASE_URL`.
        endpoint: How it is asked, but that it does not sample and no budget is its own.

    Raises:
        InputError: If the name is malformed, or the address may not be asked.
    """
    if not model:
        return None
    asked = replace(endpoint, temperature=0.0, budget=None)
    return named("--classifier", model, asked).masked_elsewhere()


def messages(turns: Sequence[Turn], prompt_text: str, prompt_as: PromptAs) -> tuple[Message, ...]:
    """A conversation as the counselor's model sees it, as in training (`eval.predict.messages`).

    Args:
        turns: All that was said, the client's last; a counselor's turn before the client's first
            is left out, as it was no reply.
        prompt_text: The fixed instruction of the training rows.
        prompt_as: `instruction` puts it on a line before the last turn, where the rows have it;
            `system` makes it the system message at the head.
    """
    said = list(turns[1:] if turns and turns[0].role == "counselor" else turns)
    if not said or said[-1].role != "client":
        raise ValueError("the client's turn must be the last")
    made: list[Message] = [
        {"role": "user" if turn.role == "client" else "assistant", "content": turn.content}
        for turn in said
    ]
    if prompt_as == "system":
        return ({"role": "system", "content": prompt_text}, *made)
    made[-1] = {"role": "user", "content": f"{prompt_text}\n{said[-1].content}"}
    return tuple(made)
