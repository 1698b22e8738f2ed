"""What a methods section has to say of a study of a chatbot, as far as the stamps know it.

The items are those of the Chatbot Assessment Reporting Tool (CHART Collaborative, BMJ Med 2025;4:
e001632), named in our words: its own wording is at https://doi.org/10.1136/bmjmed-2025-001632. What
no stamp knows stands as None, never as a guess.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.report.content import Content
from eval.report.records import interval_method
from eval.runs import Run
from mi_llm import files, jsonl
from mi_llm.alpaca import AlpacaRow
from mi_llm.statistics import LEVEL, RESAMPLES

# What only the authors can write.
FOR_THE_AUTHORS = "1a-2b, 10a-12d"
_GENERATION = (
    "do_sample", "temperature", "top_p", "top_k", "num_beams", "max_new_tokens", "max_tokens",
    "repetition_penalty", "length_penalty", "seed", "infer_dtype", "bf16", "fp16",
    "quantization_bit", "per_device_eval_batch_size", "cutoff_len", "enable_thinking",
)  # fmt: skip
_TRAINING = (
    "stage", "finetuning_type", "lora_rank", "lora_alpha", "lora_dropout", "lora_target",
    "additional_target", "quantization_bit", "learning_rate", "lr_scheduler_type", "warmup_ratio",
    "num_train_epochs", "per_device_train_batch_size", "gradient_accumulation_steps", "cutoff_len",
    "mask_history", "train_on_prompt", "seed", "bf16", "fp16",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that an item asks for.

    Attributes:
        label: What, in English.
        value: As recorded; None if it is not recorded.
        runs: Of which runs; empty if it is one thing for the whole study.
    """

    label: str
    value: str | None
    runs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """An item of the checklist with what is known of it."""

    number: str
    topic: str
    facts: tuple[Fact, ...]


def methods(found: Content) -> list[Item]:
    """The items that a program can know something of, in the checklist's order."""
    runs = found.runs
    return [
        Item("3a", "model identifiers", tuple(_identifiers(runs))),
        Item("3b", "open or closed", (Fact("licence of weights and model", None),)),
        Item("4a-4c", "base or tuned, and how", tuple(_training(runs))),
        Item("5a-5b", "prompts", (*_prompts(found.rows), *_each("template", runs, _template))),
        Item("6a", "route of access", tuple(_each("asked through", runs, _route))),
        Item("6b", "when and where", (*_each("recorded at", runs, _when), Fact("place", None))),
        Item("6c", "sessions and settings", (*_sessions(), *_settings(runs))),
        Item("6d", "all answers", tuple(_each("file", runs, _answers))),
        Item("7a-7b", "reference and evaluation", tuple(_evaluation(found))),
        Item("8", "sample size", tuple(_sample(found))),
        Item("9a", "analysis", tuple(_analysis(found))),
        Item("12e", "data and code", tuple(_availability(found))),
    ]


def _identifiers(runs: Sequence[Run]) -> Iterator[Fact]:
    yield from _each("model", runs, lambda run: _setting(run, "model_name_or_path", "model"))
    yield from _each("revision", runs, lambda run: _setting(run, "model_revision"))
    yield from _each("adapter", [r for r in runs if not r.is_base], _adapter)
    yield Fact("date of release", None)


def _training(runs: Sequence[Run]) -> Iterator[Fact]:
    yield from _each("kind", runs, lambda run: "base" if run.is_base else "tuned")
    tuned = [run for run in runs if not run.is_base]
    stamps = {run.name: run.stamps.get("training", {}) for run in tuned}
    yield from _each(
        "training", tuned, lambda run: _listed(stamps[run.name].get("settings", {}), _TRAINING)
    )
    yield from _each("training data", tuned, lambda run: _hashes(stamps[run.name]))
    yield from _each("software", tuned, lambda run: _versions(stamps[run.name]))


def _prompts(rows: Sequence[AlpacaRow]) -> Iterator[Fact]:
    texts = Counter(row.get("system") or row.get("instruction") or "" for row in rows)
    for text, count in texts.most_common(5):
        yield Fact("prompt", f"{text or '(none)'} ({count:,} of {len(rows):,} rounds)")
    if len(texts) > 5:
        yield Fact("further prompts", f"{len(texts) - 5:,}, in the file of rounds")
    yield Fact("how the prompts were developed, and by whom", None)


def _sessions() -> Iterator[Fact]:
    yield Fact(
        "sessions",
        "each round is asked by itself; its history is the reference dialogue's, not earlier "
        "answers of the model",
    )


def _settings(runs: Sequence[Run]) -> Iterator[Fact]:
    yield from _each("generation", runs, lambda run: _listed(_all_settings(run), _GENERATION))
    yield Fact("answers for each round", "1")


def _evaluation(found: Content) -> Iterator[Fact]:
    yield Fact("reference", "the counselors' own turns")
    for signature in dict.fromkeys(
        one["signature"] for run in found.runs for one in run.scores["scores"]
    ):
        yield Fact("measure", signature)
    yield from _each("software", found.runs, lambda run: _versions(run.stamps["scores"]))
    yield Fact("raters and blinding", None)


def _sample(found: Content) -> Iterator[Fact]:
    yield Fact("rounds", f"{len(found.rows):,}")
    yield Fact("dialogues", f"{found.dialogues:,}")
    yield Fact("how the size was determined", None)


def _analysis(found: Content) -> Iterator[Fact]:
    ways = {interval_method(run, one): None for run in found.runs for one in run.scores["scores"]}
    known = ", ".join(filter(None, ways))
    resamples = f"{RESAMPLES:,} resamples"
    yield Fact(
        "intervals", None if not known else f"{LEVEL:.0%}, over dialogues: {known}; {resamples}"
    )
    if found.families:
        count = len(found.families[0].pairs)
        yield Fact("tests", f"sign flips of whole dialogues, two-sided; Holm over {count} pairs")
    yield from _each("seed", found.runs, lambda run: _text(run.stamps["scores"].get("seed")))
    yield Fact("whether a second run gives the same answers", None)


def _availability(found: Content) -> Iterator[Fact]:
    yield Fact("rounds", f"{found.rows_path}, SHA-256 {files.sha256(found.rows_path)}")
    yield from _each(
        "commit", found.runs, lambda run: run.stamps.get("prediction", {}).get("commit")
    )
    yield Fact("where data and code can be had", None)


def _each(label: str, runs: Sequence[Run], value: Callable[[Run], str | None]) -> Iterator[Fact]:
    """A fact for each value there is, with the runs that share it; none are named if all do."""
    names: dict[str | None, list[str]] = {}
    for run in runs:
        names.setdefault(value(run) or None, []).append(run.name)
    for text, own in names.items():
        yield Fact(label, text, () if len(names) == 1 and len(runs) > 1 else tuple(own))


def _all_settings(run: Run) -> Mapping[str, Any]:
    settings: Mapping[str, Any] = run.stamps.get("prediction", {}).get("settings") or {}
    return settings


def _setting(run: Run, *names: str) -> str | None:
    settings = _all_settings(run)
    return next((str(settings[name]) for name in names if settings.get(name)), None)


def _adapter(run: Run) -> str | None:
    return _setting(run, "adapter_name_or_path")


def _template(run: Run) -> str | None:
    return _setting(run, "template")


def _route(run: Run) -> str | None:
    stamp = run.stamps.get("prediction")
    if stamp is None:
        return None
    backend = stamp.get("backend", "llamafactory" if "llamafactory" in stamp["versions"] else "")
    host = _all_settings(run).get("host")
    return "; ".join(filter(None, [backend, host, _versions(stamp)]))


def _when(run: Run) -> str | None:
    return _text(run.stamps.get("prediction", {}).get("written"))


def _answers(run: Run) -> str:
    path = run.files[0]
    return f"{path}, SHA-256 {files.sha256(path)}"


def _hashes(stamp: Mapping[str, Any]) -> str | None:
    inputs = stamp.get("inputs") or {}
    # The recipe is an input too, and its settings stand above.
    data = {path: sha for path, sha in inputs.items() if not path.endswith((".yaml", ".yml"))}
    return "; ".join(f"{path}, SHA-256 {sha}" for path, sha in data.items()) or None


def _versions(stamp: Mapping[str, Any]) -> str | None:
    versions = stamp.get("versions") or {}
    return ", ".join(f"{name} {version}" for name, version in versions.items()) or None


def _listed(settings: Mapping[str, Any], names: Sequence[str]) -> str | None:
    known = {name: settings[name] for name in names if settings.get(name) is not None}
    return ", ".join(f"{name} {_text(value)}" for name, value in known.items()) or None


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return jsonl.dumped(value)
