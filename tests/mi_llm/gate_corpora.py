"""Client turns of whole corpora, to measure how often the gate fires on ordinary talk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from converters.corpora.formats import CORPORA
from converters.corpora.intake import Intake, take_in
from mi_llm.dialogue import Dialogue
from mi_llm.safety import Gate, Intervention

SAMPLE = Path(__file__).parents[2] / "data/sample"

# corpus -> language, format and file of its dialogues below the folder of real corpora.
REAL = {
    "cpsycound": ("zh", "cpsycound", "cpsycound/Data"),
    "cpsycoune": ("zh", "cpsycoune", "cpsycound/CPsyCounE"),
    "smilechat": ("zh", "smilechat", "smilechat/data"),
    "annomi": ("en", "annomi", "annomi/AnnoMI-full.csv"),
    "authors_test": ("zh", "mi_conversations", "mi_llm_authors/eval_40_dialogues.json"),
    "authors_simulated": ("zh", "simulated_xlsx", "mi_llm_authors/simulated_dialogues.xlsx"),
    "psydtcorpus": ("zh", "messages", "psydtcorpus/example_from_SoulChat2.0_README.json"),
    "psyinsight": ("zh", "psy_insight", "psyinsight/SYNTHETIC_cn_schema_fixture.json"),
    "efaqa": ("zh", "efaqa", "efaqa/SYNTHETIC_schema_fixture.jsonl"),
}


def dialogues(source: str, path: Path) -> list[Dialogue]:
    intake = Intake(skip_bad=True, clients="any")
    return list(take_in(CORPORA[source], path, intake))


def sample_dialogues() -> list[Dialogue]:
    return [
        one
        for name in ("train", "test")
        for one in dialogues("mi_conversations", SAMPLE / f"{name}.json")
    ]


def turns(dialogue: Dialogue) -> Iterator[str]:
    return (turn.content for turn in dialogue.turns if turn.role == "client")


def interventions(dialogue: Dialogue, locale: str) -> list[Intervention]:
    """What the gate says to each client turn, as if it had never been asked before."""
    gate = Gate(locale)
    return [found for said in turns(dialogue) if (found := gate.intervene(said, []))]
