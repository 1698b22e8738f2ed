"""The command that serves the role-play page: `roleplay`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from eval.counselor_options import Classifier, ClassifierRequired, PromptPlace, require_named
from mi_llm import llm_options as options
from mi_llm.errors import InputError

if TYPE_CHECKING:
    from eval.roleplay.study import Study

_PROMPT = "counselor.v1"  # as the training rows have it
_SAFETY_PROMPT = "safety.v2"


def roleplay(
    profiles: Annotated[Path, typer.Option(help="Client profiles: .yaml, .jsonl or .xlsx.")],
    models: Annotated[
        list[str], typer.Option(help="A counselor as NAME=BASE_URL, or NAME; repeatable.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the study.")],
    seed: Annotated[int, typer.Option(help="Draws the models' codes and breaks ties.")],
    *,
    sessions_per_pair: Annotated[
        int, typer.Option(min=1, help="Sessions of each profile with each model.")
    ] = 1,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 7860,
    lang: Annotated[Literal["zh", "en"], typer.Option(help="Language of the page.")] = "zh",
    prompt_as: PromptPlace = "instruction",
    classifier: Classifier = "",
    classifier_required: ClassifierRequired = False,
    temperature: options.Temperature = 0.0,
    max_tokens: options.MaxTokens = 512,
    extra: options.Extra = "{}",
    timeout: options.Timeout = 120.0,
    allow_host: options.AllowHost = None,
    insecure_http: options.InsecureHttp = False,
    no_mask: options.NoMask = False,
) -> None:
    """Let researchers play standardised clients against counselor models, in a browser.

    The page answers on this machine only. Every turn is kept at once; the same command goes on
    where it was. Finished sessions are in OUTPUT/transcripts.jsonl, which `book` reads.
    """
    from eval import counselors as chosen
    from eval.roleplay.study import Study
    from mi_llm.profiles import read_profiles
    from prompts import load

    _require_gradio()
    require_named(classifier, required=classifier_required)
    asked = options.asking_from(
        model="-",
        temperature=temperature,
        max_tokens=max_tokens,
        extra=extra,
        timeout=timeout,
        allow_host=allow_host,
        insecure_http=insecure_http,
        no_mask=no_mask,
    )
    prompt = load(_PROMPT)
    study = Study(
        profiles={one.id: one for one in read_profiles(profiles)},
        source=profiles,
        endpoints=chosen.counselors(models, asked.endpoint),
        seed=seed,
        per_cell=sessions_per_pair,
        prompt=prompt.text,
        prompt_name=prompt.name,
        prompt_as=prompt_as,
        classifier=chosen.classifier(classifier, asked.endpoint),
        safety=load(_SAFETY_PROMPT),
        classifier_required=classifier_required,
    )
    _serve(study, output, port, lang)


def _serve(study: Study, output: Path, port: int, lang: Literal["zh", "en"]) -> None:
    """Begin or go on with a study, and serve its page until the process is told to end."""
    import asyncio

    from eval.roleplay.assignments import codes
    from eval.roleplay.desk import Desk
    from eval.roleplay.folder import Folder
    from eval.roleplay.web import HOST, bound, serve
    from mi_llm.door.reaching import require_served
    from mi_llm.safety import second_look

    looking = [study.classifier] if study.classifier else []
    for endpoint in (*study.endpoints.values(), *looking):
        require_served(endpoint)
    key = codes(study.endpoints, seed=study.seed)
    with bound(port) as listening:
        folder = Folder(output, settings=study.settings(), key=key)
        folder.sessions()  # so that a damaged one is told now
        held = folder.write_transcripts(study.profiles, study.source)
        # Gradio makes its locks only where there is an event loop, and asyncio.run leaves none.
        asyncio.set_event_loop(asyncio.new_event_loop())
        from eval.roleplay.page import Page

        desk = Desk(study, folder, _report)
        page = Page(desk, lang, _report)
        _tell(study, output, f"http://{HOST}:{listening.getsockname()[1]}/", held)
        try:
            serve(page.blocks, listening)
        finally:
            for line in second_look.lines(desk.looked) if desk.looked else ():
                _report(line)


def _tell(study: Study, output: Path, address: str, held: int) -> None:
    planned = len(study.profiles) * len(study.endpoints) * study.per_cell
    print(f"role-play: open {address} in a browser on this machine; Ctrl-C ends it")
    print(
        f"{len(study.profiles):,} profiles x {len(study.endpoints):,} models x "
        f"{study.per_cell:,} = {planned:,} sessions, {held:,} finished, in {output}"
    )
    print(f"keep from players and raters: {output / 'key.json'} names the models")
    if risky := [one.id for one in study.profiles.values() if one.risk != "none"]:
        print(f"tell players beforehand: {', '.join(risky)} disclose a danger")
    masked = [name for name, one in study.endpoints.items() if one.mask]
    if masked:
        print(f"personal data is masked in what {', '.join(masked)} is sent")
    sys.stdout.flush()


def _report(line: str) -> None:
    """A line for whoever runs the page; it may name models, and no browser sees it."""
    print(line, file=sys.stderr, flush=True)


def _require_gradio() -> None:
    from importlib.util import find_spec

    if find_spec("gradio") is None:
        raise InputError("roleplay needs Gradio: install with pip install -e '.[ui]'")
