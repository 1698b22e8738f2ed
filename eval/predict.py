"""Replies to test rows from a model behind a server, as LLaMA-Factory's prediction writes them.

    rows.json -> messages -> asked dialogue by dialogue -> generated_predictions.jsonl, in row order

A model's blank or cut-off reply is its reply. It is kept, counted and scored like any other. What
it thought before is none of it, and a thought alone is an empty reply.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.predictions import require_ids
from mi_llm import alpaca, files, jsonl, validation
from mi_llm.alpaca import AlpacaRow
from mi_llm.characters import is_blank
from mi_llm.door.conversation import outgoing
from mi_llm.errors import InputError
from mi_llm.llm import Answer, Endpoint, Message, Request, SetAside
from mi_llm.stamp import write_stamp
from mi_llm.validation import Columns

PREDICTIONS = "generated_predictions.jsonl"

# What LLaMA-Factory 0.9.3 writes before and behind every label, by the recipes' templates: the
# ends of `format_assistant` in data/template.py that are no special tokens.
MARGINS = {
    "baichuan2": ("", ""),
    "glm4": ("\n", ""),
    "llama3": ("", ""),
    "qwen3": ("", "\n"),
}

Result = Answer | SetAside
Ask = Callable[[Sequence[Request]], Iterable[Result]]
"""Sends requests and yields what came of each, in any order."""


@dataclass(frozen=True, slots=True)
class Question:
    """A row as it is asked.

    Attributes:
        name: The row's id, or `row <number>`.
        dialogue: The dialogue that it belongs to.
        rounds: Earlier rounds in its history.
        messages: What is sent, as training saw it.
        label: The row's output.
    """

    name: str
    dialogue: str
    rounds: int
    messages: tuple[Message, ...]
    label: str


@dataclass(frozen=True, slots=True)
class Replies:
    """What came for the rows of a file.

    Attributes:
        questions: In row order.
        results: What came for each, same order. Of those set aside only what the service refused
            to answer counts as a reply, an empty one.
        limit: Longest reply asked for, in tokens.
        mask: Whether personal data was masked in what was sent.
    """

    questions: tuple[Question, ...]
    results: tuple[Result, ...]
    limit: int
    mask: bool

    @property
    def unanswered(self) -> list[str]:
        """Why a row has no reply, one line each; none if the file can be written."""
        return [
            f"row {number}: {result.reason}"
            for number, result in enumerate(self.results)
            if isinstance(result, SetAside) and not _refused(result)
        ]

    @property
    def refused(self) -> list[int]:
        """The rows that the service's filter kept from the model or its reply from us, from 0."""
        return [n for n, result in enumerate(self.results) if _refused(result)]

    @property
    def empty(self) -> list[int]:
        """The rows whose reply by the model holds no visible character, from 0."""
        return [
            number
            for number, result in enumerate(self.results)
            if not _refused(result) and is_blank(result.text)
        ]

    @property
    def cut_off(self) -> list[int]:
        """The rows whose reply is not whole, from 0: nearly always for the limit."""
        return [
            number
            for number, result in enumerate(self.results)
            if isinstance(result, Answer) and result.cut_off
        ]

    @property
    def thoughts(self) -> list[int]:
        """The rows whose reply came with a thought, from 0."""
        return [
            number
            for number, result in enumerate(self.results)
            if isinstance(result, Answer) and result.thought
        ]

    @property
    def counts(self) -> dict[str, int]:
        """Rows, and how many replies are of which odd kind."""
        return {
            "rows": len(self.results),
            "dialogues": len({question.dialogue for question in self.questions}),
            "empty": len(self.empty),
            "cut_off": len(self.cut_off),
            "refused": len(self.refused),
            "thoughts": len(self.thoughts),
        }

    def summary(self) -> str:
        """One line: `367 rows: 2 empty, 14 cut off at 512 tokens`."""
        kinds = {
            "empty": self.empty,
            f"cut off at {self.limit} tokens": self.cut_off,
            "refused by the service and written as empty": self.refused,
            "with a thought alone": sorted({*self.empty} & {*self.thoughts}),
        }
        parts = [f"{len(rows):,} {kind}" for kind, rows in kinds.items() if rows]
        return f"{len(self.results):,} rows: {', '.join(parts) or 'none empty, none cut off'}"

    def lines(self, template: str | None) -> Iterator[str]:
        """The lines of generated_predictions.jsonl, in row order.

        Args:
            template: Whose margins the labels get; None leaves them as the rows have them.
        """
        before, behind = MARGINS[template] if template else ("", "")
        for question, result in zip(self.questions, self.results, strict=True):
            sent, _ = outgoing(_request(question), mask=self.mask)
            value = {
                "prompt": jsonl.dumped(sent),
                "predict": "" if _refused(result) else result.text,
                "label": f"{before}{question.label}{behind}",
            }
            yield jsonl.dumped(value) + "\n"


def require_known(template: str | None) -> None:
    """Raise `InputError` unless it is known how a template writes labels."""
    if template is not None and template not in MARGINS:
        raise InputError(
            f"--template {template}: how it writes labels is not known here, only of "
            f"{', '.join(MARGINS)}; leave it out, and compare scores by the strip signature"
        )


def questions(path: Path) -> list[Question]:
    """The rows of a file as they are asked, in file order.

    Raises:
        InputError: If it is not a file of valid Alpaca rows, or an id is no text or stands twice.
    """
    found = alpaca.read_objects(path)
    columns = validation.usual_columns(found)
    fault = next(validation.row_findings(found, columns), None)
    if fault:
        raise InputError(
            f"{path} row {fault.row}: {fault.message}; all faults: python -m converters check"
        )
    require_ids(path, found)
    rows = [alpaca.filled(row) for row in found]
    names = [row.get("id", f"row {number}") for number, row in enumerate(rows)]
    return [
        Question(name, dialogue, len(row["history"]), messages(row, columns), row["output"])
        for name, dialogue, row in zip(names, alpaca.dialogue_ids(rows), rows, strict=True)
    ]


def messages(row: AlpacaRow, columns: Columns) -> tuple[Message, ...]:
    """A row as LLaMA-Factory shows it to the model (`AlpacaDatasetConverter` of 0.9.3).

    Earlier rounds as they were said; the instruction before the last turn, on a line of its own,
    or as the system message at the head.
    """
    system = row.get("system") if columns.system else None
    asked = [row.get(key) for key in (columns.prompt, columns.query) if key]
    return (
        *([Message(role="system", content=system)] if system else []),
        *(
            message
            for turn, reply in row["history"]
            for message in (
                Message(role="user", content=turn),
                Message(role="assistant", content=reply),
            )
        ),
        Message(role="user", content="\n".join(str(text) for text in asked if text)),
    )


def requests(asked: Sequence[Question]) -> list[Request]:
    """A request for each row, those of a dialogue together and its rounds in their order.

    A server that keeps the prefixes it has computed then finds most of each prompt there.
    """
    place: dict[str, int] = {}
    for question in asked:
        place.setdefault(question.dialogue, len(place))
    together = sorted(asked, key=lambda question: (place[question.dialogue], question.rounds))
    return [_request(question) for question in together]


def replies(asked: Sequence[Question], endpoint: Endpoint, ask: Ask) -> Replies:
    """Ask for all rows.

    Args:
        asked: The rows.
        endpoint: Whom they are sent to.
        ask: Sends them.
    """
    found = {result.id: result for result in ask(requests(asked))}
    results = tuple(found[question.name] for question in asked)
    return Replies(tuple(asked), results, endpoint.max_tokens, endpoint.mask)


def write(
    folder: Path,
    found: Replies,
    *,
    rows: Path,
    template: str | None,
    overwrite: bool,
    details: Mapping[str, Any],
) -> None:
    """Write generated_predictions.jsonl and the folder's stamp, both or neither.

    Args:
        folder: Where to.
        found: A reply to every row.
        rows: The file of the rows.
        template: As `Replies.lines` takes it.
        overwrite: Whether the file may exist.
        details: What else shaped the replies, for the stamp.

    Raises:
        InputError: If something cannot be written.
    """
    with files.whole(folder / PREDICTIONS, overwrite=overwrite) as stream:
        stream.writelines(found.lines(template))
        stream.flush()
        write_stamp(
            folder,
            inputs=[rows],
            counts=found.counts,
            packages=["openai"],
            predictions_sha256=files.sha256(Path(stream.name)),
            labels=f"as template {template} writes them" if template else "as in the rows",
            prompts="the messages sent, as JSON; how the server rendered them is not known here",
            rows_cut_off=found.cut_off,
            rows_refused=found.refused,
            **details,
        )


def _request(question: Question) -> Request:
    return Request(question.name, question.messages, any_text=True)


def _refused(result: Result) -> bool:
    return isinstance(result, SetAside) and result.reason == "refused by the service"
