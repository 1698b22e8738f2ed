"""The command `interview`: simulated clients talk with counselor models."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from eval.counselor_options import Classifier, ClassifierRequired, PromptPlace, require_named
from mi_llm import cli, files, jsonl
from mi_llm.cli import Overwrite
from mi_llm.llm_options import Asking, asks_a_model, json_object

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eval.interview.fidelity import Fidelity
    from eval.interview.interview import Held, Interviews, Study
    from mi_llm.llm import Endpoint, Tally
    from mi_llm.safety import Looked
    from mi_llm.service import Alike
    from mi_llm.simulation import PromptText

TRANSCRIPTS = "transcripts.jsonl"
FIDELITY = "fidelity"  # .json and .md
SAFETY_PROMPT = "safety.v2"
CLIENT_PROMPTS = ("client_observe.v2", "client_speak.v1", "client_read.v2")

_CLIENT_TOKENS = 1024  # a report on one turn, or a short turn
_REPLY_TOKENS = 512  # as the recipes of predict/
_TOLD = 3  # sessions that ended in error that are named


@asks_a_model(max_tokens=_CLIENT_TOKENS)
def interview(
    profiles: Annotated[Path, typer.Option(help="Client profiles (.yaml, .jsonl, .xlsx).")],
    models: Annotated[
        list[str], typer.Option(help="A counselor, NAME or NAME=BASE_URL; repeatable.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder, such as saves/interview.")
    ],
    *,
    asking: Asking,
    sessions: Annotated[
        int, typer.Option(min=1, help="Sessions of each profile with each model.")
    ] = 1,
    seed: Annotated[int, typer.Option(help="Of what the clients do.")] = 0,
    prompt: Annotated[
        str, typer.Option(help="What counselors are told, by its name in prompts/.")
    ] = "counselor.v1",
    prompt_as: PromptPlace = "instruction",
    reply_tokens: Annotated[int, typer.Option(help="Longest counselor's reply, in tokens.")] = (
        _REPLY_TOKENS
    ),
    reply_temperature: Annotated[
        float, typer.Option(help="The counselors'; below 0 leaves it to the service.")
    ] = 0.0,
    reply_extra: Annotated[
        str, typer.Option(help="More of the counselors' request body, as JSON.")
    ] = "{}",
    classifier: Classifier = "",
    classifier_required: ClassifierRequired = False,
    overwrite: Overwrite = False,
) -> None:
    """Have simulated clients talk with counselor models; write transcripts and how clients played.

    --model and --base-url are of the model behind the clients; --budget counts its answers alone.
    Answers are kept in OUTPUT.ledger/: the same command goes on where it was stopped. Exit code 1
    if a session ended because one side had no usable turn.
    """
    from eval import counselors as chosen
    from eval.interview.interview import Interviews
    from mi_llm.door.reaching import require_served

    require_named(classifier, required=classifier_required)
    replying = replace(
        asking.endpoint,
        temperature=None if reply_temperature < 0 else reply_temperature,
        max_tokens=reply_tokens,
        extra=json_object("--reply-extra", reply_extra),
    )
    study = _study(
        profiles,
        chosen.counselors(models, replying),
        asking.endpoint.masked_elsewhere(),
        (prompt, prompt_as),
        (sessions, seed),
        chosen.classifier(classifier, asking.endpoint),
    )
    if asking.dry_run:
        for line in _planned(study):
            print(line)
        return
    files.refuse_existing_folder(output, overwrite=overwrite)
    looking = [study.classifier] if study.classifier else []
    for endpoint in (study.client, *study.counselors.values(), *looking):
        require_served(endpoint)
    ledgers = output.with_name(f"{output.name}.ledger")
    work = Interviews(study, ledgers, again=asking.again, required=classifier_required)
    held = _held(work)
    _publish(output, profiles, work, held, overwrite=overwrite)


def _study(
    profiles: Path,
    models: Mapping[str, Endpoint],
    client: Endpoint,
    prompt: tuple[str, Literal["instruction", "system"]],
    draw: tuple[int, int],
    classifier: Endpoint | None,
) -> Study:
    from eval.interview.interview import Study
    from mi_llm.profiles import read_profiles
    from mi_llm.simulation import ClientPrompts

    name, prompt_as = prompt
    sessions, seed = draw
    return Study(
        profiles=tuple(read_profiles(profiles)),
        counselors=models,
        client=client,
        prompts=ClientPrompts(*map(_prompt, CLIENT_PROMPTS)),
        instruction=_prompt(name),
        prompt_as=prompt_as,
        sessions=sessions,
        seed=seed,
        classifier=classifier,
        safety=_prompt(SAFETY_PROMPT),
    )


def _prompt(name: str) -> PromptText:
    import prompts
    from mi_llm.simulation import PromptText

    prompt = prompts.load(name)
    return PromptText(prompt.fill(), prompt.sha)


def _planned(study: Study) -> list[str]:
    from eval.interview.interview import requests_at_most

    plan = study.plan
    usual, most, replies = requests_at_most(plan)
    return [
        f"{len(plan):,} sessions: {len(study.profiles):,} profiles x "
        f"{len(study.counselors):,} models x {study.sessions:,}, {replies:,} rounds at most",
        f"requests to the clients' model: at most {usual:,} if no gate trips, {most:,} if every "
        "one does",
        f"requests to the counselors: at most {replies:,}",
        *(["requests to the classifier: at most one a client turn"] if study.classifier else []),
        "not counted: what is asked again because an answer is no usable JSON, or what the "
        "ledgers hold",
    ]


def _held(work: Interviews) -> list[Held]:
    """All sessions, with a line of progress now and then."""
    from mi_llm.door.progress import Progress
    from mi_llm.llm import Tally
    from mi_llm.simulation import EndReason

    done = Tally()
    with Progress(work.study.plan, "", shown=True) as shown:

        def told(held: Held) -> None:
            failed = held.conversation.end_reason is EndReason.ERROR
            done.set_aside += failed
            done.answered += not failed
            shown.update(done)

        return work.held(told)


def _publish(
    output: Path, profiles: Path, work: Interviews, held: Sequence[Held], *, overwrite: bool
) -> None:
    """Write everything, whole or not at all, and tell what came of it."""
    from eval.interview.fidelity import as_json, as_markdown, by_model
    from eval.interview.transcripts import transcript
    from mi_llm.dialogue import dialogue_lines
    from mi_llm.stamp import stamped_folder

    failures = {
        one.session.id: one.conversation.failure for one in held if one.conversation.failure
    }
    found = by_model(held, seed=work.study.seed)
    spoken = [one for one in held if one.conversation.turns]
    packages = ["openai", "pydantic", "rapidfuzz"]
    opened = stamped_folder(output, inputs=[profiles], packages=packages, overwrite=overwrite)
    with opened as (draft, details):
        with files.whole(draft / TRANSCRIPTS) as stream:
            stream.writelines(dialogue_lines(transcript(one, work.study) for one in spoken))
        with files.whole(draft / f"{FIDELITY}.json") as stream:
            stream.write(jsonl.dumped(as_json(found, failures), indent=1) + "\n")
        with files.whole(draft / f"{FIDELITY}.md") as stream:
            stream.write(as_markdown(found))
        details.update(_details(work, held))
    _close(output, held, failures, next(iter(found.values())), work)


def _details(work: Interviews, held: Sequence[Held]) -> dict[str, Any]:
    """What shaped the sessions, and what came of them."""
    from eval.interview.transcripts import classifier_settings, client_settings, settings
    from mi_llm.safety import second_look

    study = work.study
    return {
        "counts": {
            "sessions": len(held),
            "without a turn, so no transcript": sum(not one.conversation.turns for one in held),
            **Counter(f"ended: {one.conversation.end_reason}" for one in held),
            "answers of the clients' model": work.client.answered,
            "answers of counselors": sum(one.answered for one in work.counselors.values()),
            **(second_look.counts(_looked(held)) if study.classifier else {}),
            **(same.counts if (same := _alike(held)) else {}),
        },
        "seed": study.seed,
        "sessions": study.sessions,
        "client": {
            **client_settings(study),
            "masked": _masked(work.client),
            "examples copied": work.client.copied,
        },
        "counselors": {
            name: {**settings(study, name), "masked": _masked(tally)}
            for name, tally in work.counselors.items()
        },
        "classifier": classifier_settings(study),
    }


def _looked(held: Sequence[Held]) -> list[Looked]:
    return [looked for one in held for looked in one.looked]


def _alike(held: Sequence[Held]) -> Alike | None:
    """What was observed of the counselors' turns, if it hardly varies."""
    from mi_llm.service import alike

    notes = (note.get("observation") for one in held for note in one.conversation.notes)
    seen = [[str(one["acts"]), str(one["addressed"])] for one in notes if one]
    return alike("reports on counselors' turns", seen)


def _masked(tally: Tally) -> dict[str, int]:
    return dict(sorted(tally.masked.items()))


def _close(
    output: Path,
    held: Sequence[Held],
    failures: Mapping[str, str],
    found: Fidelity,
    work: Interviews,
) -> None:
    """Tell what came of it; end with exit code 1 if a session ended in error."""
    from eval.interview.fidelity import talk_line
    from mi_llm.safety import second_look

    rounds = sum(len(one.conversation.turns) // 2 for one in held)
    ends = ", ".join(f"{count:,} {name}" for name, count in found.ends.items() if count)
    gates = ", ".join(f"{count:,} {name}" for name, count in found.gates.items() if count)
    print(f"{output}: {len(held):,} sessions, {rounds:,} rounds; ended: {ends}")
    print(talk_line(found))
    print(f"client texts stopped by a gate and said anew: {gates or 'none'}")
    if any(found.dropped.values()):
        left = ", ".join(f"{count:,} by {name}" for name, count in found.dropped.items() if count)
        print(f"left out of reports, as the turn or profile does not bear it out: {left}")
    for line in second_look.lines(_looked(held)) if work.study.classifier else ():
        print(line)
    if same := _alike(held):
        print(same.line)
    if failures:
        for name, reason in list(failures.items())[:_TOLD]:
            print(f"{name}: {reason}")
        more = f" and {len(failures) - _TOLD:,} more" if len(failures) > _TOLD else ""
        print(f"ended in error: {len(failures):,} sessions{more}; {FIDELITY}.json has the reasons")
        raise typer.Exit(cli.CHECK_FOUND_SOMETHING)
