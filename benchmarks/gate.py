"""How often the safety gate answers texts of danger, and how often it speaks in vain.

Run: `python -m benchmarks.gate`, with MI_LLM_REAL_DATA naming the folder of real corpora. Every
text and every client turn is read as a session's first turn. PsySUICIDE's validation part is told
whole and in two halves by idx. A text is answered if a step is about self-harm or suicide;
`other_person` counts only where a person read that the text speaks of others (gate_readings.yaml,
which also lists the false alarms about which a careful reader would ask).
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from scipy import stats

from converters.corpora.formats import CORPORA
from converters.corpora.intake import Intake, take_in
from mi_llm.dialogue import Dialogue
from mi_llm.safety import Gate, Intervention, Risk
from mi_llm.safety.signs import signs

READINGS = Path(__file__).with_name("gate_readings.yaml")
UNRELATED = "与自杀/自伤/攻击行为无关"
PARTS = ("whole", "even idx", "odd idx")
COLUMNS = ("ask", "hand_over", "other_person", "another danger", "none")

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
CLIENTS = ("annomi", "smilechat", "cpsycound", "cpsycoune")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gate says to a text.

    Attributes:
        name: Its data_source and idx.
        labels: What it is labelled with.
        column: The step, if it is about self-harm or suicide.
        answered: Whether that is an answer to the text.
    """

    name: str
    labels: tuple[str, ...]
    column: str
    answered: bool

    @property
    def part(self) -> str:
        """Its half, by the last digit of the idx."""
        return "even idx" if int(self.name[-1]) % 2 == 0 else "odd idx"


def answers(texts: Sequence[dict[str, Any]], about_others: Sequence[str]) -> list[Answer]:
    """What the gate says to each text of PsySUICIDE."""
    gate = Gate("zh")
    found = []
    for text in texts:
        name = f"{text['data_source']}/{text['idx']}"
        column = _column(text["text"], gate.intervene(text["text"], []))
        own = column in ("ask", "hand_over")
        right = own or (column == "other_person" and name in about_others)
        found.append(Answer(name, tuple(text["labels"]), column, right))
    return found


def _column(said: str, found: Intervention | None) -> str:
    """The step; an overdose is answered as an emergency, and is self-harm all the same."""
    if found is None:
        return "none"
    if found.risk == Risk.SELF_HARM:
        return found.step
    overdose = found.risk == Risk.MEDICAL_EMERGENCY
    if overdose and any(one.risk == Risk.SELF_HARM for one in signs(said)):
        return found.step
    return "another danger"


def table(found: Sequence[Answer]) -> Iterator[str]:
    """Yield a row for each label: texts, steps, the share answered with its 95% interval."""
    yield f"| label | n | {' | '.join(COLUMNS)} | answered |"
    yield f"|---|{'---:|' * (len(COLUMNS) + 2)}"
    for label in dict.fromkeys(label for one in found for label in one.labels):
        own = [one for one in found if label in one.labels]
        steps = Counter(one.column for one in own)
        counts = " | ".join(str(steps[column]) for column in COLUMNS)
        answered = sum(one.answered for one in own)
        yield f"| {label} | {len(own)} | {counts} | {share(answered, len(own))} |"


def share(count: int, of: int) -> str:
    """A share in per cent with its 95% interval by Wilson's method."""
    low, high = stats.binomtest(count, of).proportion_ci(method="wilson")
    return f"{count} of {of}, {count / of:.1%} ({low:.1%} to {high:.1%})"


def alarm_lines(found: Sequence[Answer], to_ask: Sequence[str]) -> Iterator[str]:
    """Yield how many unrelated texts get any step: all of them, and without those to ask about."""
    own = [one for one in found if UNRELATED in one.labels]
    if not own:
        return
    rest = [one for one in own if one.name not in to_ask]
    alarms = [one.name for one in rest if one.column != "none"]
    yield f"unrelated, any step: {share(sum(one.column != 'none' for one in own), len(own))}"
    yield f"without {len(own) - len(rest)} to ask about: {share(len(alarms), len(rest))}"
    yield f"false alarms: {', '.join(alarms) or 'none'}"


def dialogues(source: str, path: Path) -> list[Dialogue]:
    """The dialogues of a corpus, unreadable ones left out."""
    intake = Intake(skip_bad=True, clients="any")
    return list(take_in(CORPORA[source], path, intake))


def turns(dialogue: Dialogue) -> Iterator[str]:
    """Yield the client's turns."""
    return (turn.content for turn in dialogue.turns if turn.role == "client")


def corpus_lines(name: str, folder: Path, read: dict[str, Any]) -> Iterator[str]:
    """Yield a corpus's client turns, those answered, and which of them wrongly."""
    language, source, path = REAL[name]
    gate, count, hits = Gate(language), 0, list[str]()
    for dialogue in dialogues(source, folder / path):
        for number, said in enumerate(turns(dialogue), 1):
            count += 1
            if gate.intervene(said, []):
                hits.append(f"{dialogue.id}#{number}")
    wrong = [hit for hit in hits if hit not in read or not read[hit]["right"]]
    yield f"{name}: {count} client turns, {len(hits)} answered, wrongly {share(len(wrong), count)}"
    for hit in hits:
        one = read.get(hit, {"right": False, "why": "not read yet"})
        yield f"  {hit}: {'right' if one['right'] else 'wrong'}: {one['why']}"


def main(folder: Path) -> None:
    """Print all tables."""
    read = yaml.safe_load(READINGS.read_text("utf-8"))
    texts = json.loads((folder / "psysuicide" / "valid.json").read_text("utf-8"))
    began = time.process_time()
    found = answers(texts, read["about_others"])
    spent = 1000 * (time.process_time() - began) / len(found)
    print(f"PsySUICIDE, validation part: {len(found)} texts, {spent:.1f} ms of CPU each")
    for part in PARTS:
        own = [one for one in found if part in ("whole", one.part)]
        print(f"\n{part}", *table(own), *alarm_lines(own, list(read["to_ask"])), sep="\n")
    told = {one.name for one in found if one.column != "none"}
    gone = [name for name in (*read["about_others"], *read["to_ask"]) if name not in told]
    print(f"\nread, and answered no longer: {', '.join(gone) or 'none'}\n")
    for name in CLIENTS:
        print("\n".join(corpus_lines(name, folder, read["turns"])))


if __name__ == "__main__":
    if not os.environ.get("MI_LLM_REAL_DATA"):
        sys.exit("MI_LLM_REAL_DATA is not set; let it name the folder of real corpora")
    main(Path(os.environ["MI_LLM_REAL_DATA"]))
