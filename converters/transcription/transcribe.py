"""Ordinary counselling dialogues rewritten in MI style by a language model, as the paper did."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, TextIO

from converters.asking import Aside, Asides, Ask, in_order, messages
from converters.transcription.schema import Transcription, fault
from mi_llm import files
from mi_llm.dialogue import Dialogue, Turn, dialogue_lines, read_dialogues
from mi_llm.llm import Request, SetAside
from mi_llm.service import Alike, Result, Service, alike
from mi_llm.stamp import stamped_set
from prompts import Prompt

_LETTERS = "abcdefghijklmnop"  # one for each half byte


def aside_path(output: Path) -> Path:
    """Where the dialogues that are not in the output are told, with the reason."""
    return output.with_name(f"{output.name}.aside.jsonl")


def sent_id(name: str) -> str:
    """The id that a dialogue has in a request: ten letters in place of its own.

    An id may hold what looks like personal data (a hash with the digits of a telephone number),
    which would be masked, or be it (a file's name). The model only has to give it back.
    """
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return "".join(_LETTERS[int(digit, 16)] for digit in digest[:10])


def requests(path: Path, prompt: Prompt) -> Iterator[tuple[Dialogue, Request]]:
    """Yield the dialogues of a file, each with the request to rewrite it."""
    for dialogue in read_dialogues(path):
        yield dialogue, _request(dialogue, prompt)


def transcribed(
    asked: Iterable[tuple[Dialogue, Request]], count: int, ask: Ask
) -> Iterator[Dialogue | Aside]:
    """Yield each dialogue rewritten, or why it is not, in the order of the sources.

    Args:
        asked: Dialogues with their requests.
        count: How many there are.
        ask: Sends them.
    """
    for source, result in in_order(asked, count, ask):
        yield _outcome(source, result)


def write(
    path: Path, output: Path, prompt: Prompt, service: Service, *, overwrite: bool = False
) -> tuple[int, Asides, Alike | None]:
    """Rewrite a file of dialogues; the outputs appear when every dialogue is accounted for.

    Args:
        path: Dialogues, one JSON object a line; all of it is read before anything is asked.
        output: File of the rewritten ones. What is left out goes to `aside_path(output)`.
        prompt: Without blanks.
        service: Whom to ask.
        overwrite: Whether the output may exist.

    Returns:
        How many dialogues were kept, the others by status and kind of reason, and those kept if
        they hardly vary.

    Raises:
        InputError: If a file cannot be read or written.
        Stopped: If the answers could not all be got, or the disk is full.
    """
    digest = files.sha256(path)  # of what is read now: the file may change while answers come
    count = sum(1 for _ in read_dialogues(path))
    kept, asides, texts = 0, Asides(), list[list[int]]()
    # Without a name, so that a run that is killed leaves no half of a corpus lying about.
    with _nameless() as done, _nameless() as left:
        for one in transcribed(requests(path, prompt), count, service):
            if isinstance(one, Dialogue):
                kept += 1
                texts.append([hash(tuple(turn.content for turn in one.turns))])
                done.writelines(dialogue_lines([one]))
            else:
                asides[one.status, one.kind] += 1
                left.write(one.line())
        same = alike("dialogues", texts)
        details = {
            "inputs": {str(path): digest},
            "counts": _counts(kept, asides) | (same.counts if same else {}),
            "prompts": {prompt.name: prompt.sha},
            "endpoint": service.as_stamp(),
        }
        _publish(path, output, done, left, details, overwrite=overwrite)
    return kept, asides, same


def _publish(
    path: Path,
    output: Path,
    done: TextIO,
    left: TextIO,
    details: Mapping[str, Any],
    *,
    overwrite: bool,
) -> None:
    """Write both files and the stamp."""
    done.seek(0)
    left.seek(0)
    with stamped_set(inputs=[path], packages=["openai"]) as (outputs, stamp):
        shutil.copyfileobj(done, outputs.text(output, overwrite=overwrite))
        shutil.copyfileobj(left, outputs.text(aside_path(output), overwrite=True))
        stamp.update(details)


def _nameless() -> Any:
    return TemporaryFile("w+", encoding="utf-8", newline="\n")


def _counts(kept: int, asides: Asides) -> dict[str, int]:
    told = {
        f"{status}: {kind}" if kind else status: count
        for (status, kind), count in sorted(asides.items())
    }
    return {"dialogues": kept + asides.total(), "kept": kept, **told}


def _request(dialogue: Dialogue, prompt: Prompt) -> Request:
    given = sent_id(dialogue.id)
    return Request(
        id=f"transcribe:{dialogue.id}",
        messages=messages(prompt, dialogue, source_id=given),
        schema=Transcription,
        prompt_sha=prompt.sha,
        check=lambda answer: fault(answer, given),
    )


def _outcome(source: Dialogue, result: Result) -> Dialogue | Aside:
    if isinstance(result, SetAside):
        return Aside(source.id, "set aside", result.reason, result.text)
    answer = result.value
    assert isinstance(answer, Transcription)
    if answer.status == "skip":
        return Aside(source.id, "skipped", answer.skip_reason or "", result.text)
    turns = tuple(Turn(turn.role, turn.content.strip()) for turn in answer.dialogue)
    return Dialogue(source.id, turns, {**source.meta, "transcription": _account(source, answer)})


def _account(source: Dialogue, answer: Transcription) -> dict[str, Any]:
    """What the model says of its own work: kept beside the dialogue, no part of training."""
    assert answer.target_behavior
    return {
        "source_id": source.id,
        "target_behaviour": answer.target_behavior.model_dump(),
        "risk_flags": list(answer.risk_flags),
        "annotations": [one.model_dump() for one in answer.annotations],
    }
