"""The command `redteam`: prompts that lead astray, put to the gate and to models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from eval.counselor_options import Classifier, ClassifierRequired, PromptPlace, require_named
from mi_llm import cli, files
from mi_llm import llm_options as options
from mi_llm.cli import Overwrite
from mi_llm.errors import InputError

if TYPE_CHECKING:
    from eval.counselors import PromptAs
    from eval.redteam.cases import Case
    from eval.redteam.redteam import Ask, Guarded, Judged
    from mi_llm.llm import Endpoint
    from mi_llm.safety import Looked

_PROMPT = "counselor.v1"  # as the training rows have it
_CLASSIFIER = "safety.v2"


def redteam(
    models: Annotated[
        list[str] | None, typer.Option(help="A model as NAME or NAME=BASE_URL; repeatable.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File (.json) of replies and findings."),
    ] = None,
    *,
    classifier: Classifier = "",
    classifier_required: ClassifierRequired = False,
    base_url: options.BaseUrl = options.DEFAULT_BASE_URL,
    prompt_as: PromptPlace = "instruction",
    concurrency: options.Concurrency = 8,
    temperature: options.Temperature = 0.0,
    max_tokens: options.MaxTokens = 512,
    extra: options.Extra = "{}",
    timeout: options.Timeout = 300.0,
    allow_host: options.AllowHost = None,
    insecure_http: options.InsecureHttp = False,
    again: options.Again = False,
    overwrite: Overwrite = False,
) -> None:
    """Put red-team prompts to the safety gate and, with --models, to models without it.

    A model's replies are judged by rules, so a tuned model can be compared with its base; read
    those that fail, and some that do not. Replies are kept in OUTPUT.ledger/. Exit code 1 if the
    gate misses a plain word of danger, or a prompt got no reply.
    """
    from eval.redteam.cases import read_cases
    from eval.redteam.redteam import as_json, guarded

    require_named(classifier, required=classifier_required)
    if (models or classifier) and not output:
        raise InputError("--models and --classifier: say with -o where the replies are kept")
    if output:
        files.refuse_existing(output, overwrite=overwrite)
    asked = options.asking_from(
        model="-",
        base_url=base_url,
        concurrency=concurrency,
        temperature=temperature,
        max_tokens=max_tokens,
        extra=extra,
        timeout=timeout,
        allow_host=allow_host,
        insecure_http=insecure_http,
        no_mask=True,  # the prompts are made up
        again=again,
    )
    looking = _served([classifier] if classifier else [], asked.endpoint)
    endpoints = _served(models or [], asked.endpoint)
    cases = read_cases()
    with files.full_disk_stops(), options.told_at_the_end(asked.endpoint):
        seen = _verdicts(cases, looking, output, again=again, required=classifier_required)
        gate = [guarded(case, seen) for case in cases]
        _tell_gate(gate)
        found = _judged(cases, endpoints, prompt_as, output, again=again)
    _tell_models(found)
    if output:
        report = as_json(gate, found, seen)
        servers = {**looking, **endpoints}
        _write(output, report, servers, prompt_as, seen.values(), overwrite=overwrite)
    unanswered = any(one.reason for rows in found.values() for one in rows)
    if unanswered or any(one.missed for one in gate):
        raise typer.Exit(cli.CHECK_FOUND_SOMETHING)


def _served(models: Sequence[str], endpoint: Endpoint) -> dict[str, Endpoint]:
    from eval.counselors import counselors
    from mi_llm.door.reaching import require_served

    found = counselors(models, endpoint) if models else {}
    for one in found.values():
        require_served(one)
    return found


def _asker(endpoint: Endpoint, output: Path | None, *, again: bool) -> Ask:
    """What asks a model; its answers are kept in a ledger of its own beside the output."""
    from mi_llm.llm import ask_all

    if output is None:
        raise ValueError("a model is asked only with an output")
    folder = output.with_name(f"{output.name}.ledger")
    folder.mkdir(parents=True, exist_ok=True)
    ledger = folder / f"{quote(endpoint.model, '')}.jsonl"
    return partial(ask_all, endpoint=endpoint, ledger=ledger, progress=True, again=again)


def _verdicts(
    cases: Sequence[Case],
    looking: Mapping[str, Endpoint],
    output: Path | None,
    *,
    again: bool,
    required: bool,
) -> dict[str, Looked]:
    from eval.redteam.redteam import verdicts
    from mi_llm.safety import second_look
    from prompts import load

    found: dict[str, Looked] = {}
    for endpoint in looking.values():
        found = verdicts(cases, load(_CLASSIFIER), _asker(endpoint, output, again=again))
        for line in second_look.lines(found.values()):
            print(line)
        silent = [(name, one) for name, one in found.items() if one.verdict is None]
        if required and silent:
            raise second_look.no_verdict(*silent[0])
    return found


def _judged(
    cases: Sequence[Case],
    endpoints: Mapping[str, Endpoint],
    prompt_as: PromptAs,
    output: Path | None,
    *,
    again: bool,
) -> dict[str, list[Judged]]:
    from eval.redteam.redteam import answered
    from prompts import load

    prompt = load(_PROMPT)
    return {
        name: list(answered(cases, prompt, prompt_as, _asker(endpoint, output, again=again)))
        for name, endpoint in endpoints.items()
    }


def _tell_gate(gate: Sequence[Guarded]) -> None:
    languages = Counter(one.case.locale for one in gate)
    listed = ", ".join(f"{count} {name}" for name, count in languages.items())
    right = sum(one.as_expected for one in gate)
    print(f"gate: {len(gate)} prompts ({listed}), as expected in {right}")
    steps = Counter[str]()
    taken = Counter[str]()
    for one in gate:
        for wanted, step in zip(one.case.gate, one.steps, strict=True):
            steps[wanted or "none"] += 1
            taken[wanted or "none"] += wanted == step
    for name, count in steps.items():
        print(f"  {name:<12} {taken[name]:>3} of {count}")
    for one in gate:
        if not one.as_expected:
            both = f"expected {_steps(one.case.gate)}; took {_steps(one.steps)}"
            print(f"  differs: {one.case.id}: {both}")


def _steps(steps: Sequence[str | None]) -> str:
    return ", ".join(step or "none" for step in steps)


def _tell_models(found: Mapping[str, Sequence[Judged]]) -> None:
    if not found:
        return
    width = max(map(len, (*found, "model")))
    columns = "prompts  harmful  must not  blank  cut off  safe where due  none given"
    print(f"{'model':<{width}}  {columns}")
    for name, rows in found.items():
        due = [one for one in rows if one.safe is not None]
        print(
            f"{name:<{width}}  {len(rows):>7}  {sum(bool(one.harmful) for one in rows):>7}"
            f"  {sum(bool(one.said) for one in rows):>8}  {sum(one.blank for one in rows):>5}"
            f"  {sum(one.cut_off for one in rows):>7}"
            f"  {f'{sum(bool(one.safe) for one in due)} of {len(due)}':>14}"
            f"  {sum(bool(one.reason) for one in rows):>10}"
        )
    for name, rows in found.items():
        failed = [one.case.id for one in rows if one.failed]
        print(f"{name}: read these: {', '.join(failed) or 'none, so read some of the others'}")


def _write(
    output: Path,
    report: Mapping[str, Any],
    endpoints: Mapping[str, Endpoint],
    prompt_as: PromptAs,
    looked: Iterable[Looked],
    *,
    overwrite: bool,
) -> None:
    from eval.redteam.cases import FILE
    from mi_llm import jsonl
    from mi_llm.safety import second_look
    from mi_llm.stamp import stamped
    from prompts import load

    seen = second_look.counts(looked) if report["classifier"] else {}
    packages = ["openai"] if endpoints else []
    with stamped(output, inputs=[FILE], packages=packages, overwrite=overwrite) as (stream, facts):
        stream.write(jsonl.dumped(report, indent=1) + "\n")
        facts["counts"] = {"prompts": len(report["gate"]), "models": len(endpoints), **seen}
        if endpoints:
            facts["prompts"] = {name: load(name).sha for name in (_PROMPT, _CLASSIFIER)}
            facts["prompt_as"] = prompt_as
            facts["servers"] = {name: one.as_stamp() for name, one in endpoints.items()}
    print(f"{output}: {len(report['gate'])} prompts, {len(endpoints)} models")
