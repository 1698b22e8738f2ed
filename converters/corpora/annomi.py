"""AnnoMI: 133 English demonstrations of good and poor MI, labelled by experts; a CSV.

Source: https://github.com/uccollab/AnnoMI, commit 4293664: `AnnoMI-full.csv` (one row per utterance
and annotator; seven transcripts have ten) or `AnnoMI-simple.csv` (one row per utterance, the
majority's label). No licence is stated, only a request to cite: nothing is permitted beyond what
the law allows, so fetch it from there and do not pass it on.

Rows in (three of the label columns)::

    transcript_id,mi_quality,video_title,video_url,topic,utterance_id,interlocutor,timestamp,\
utterance_text,annotator_id,question_exists,main_therapist_behaviour,client_talk_type
    7,high,Tea,https://example.org/7,less tea ,0,client,00:00:01,I drink a lot.,3,n/a,n/a,neutral
    7,high,Tea,https://example.org/7,less tea ,1,therapist,00:00:04,How much?,3,True,question,n/a

One dialogue out::

    {"id": "annomi/7", "turns": [{"role": "client", "content": "I drink a lot."},
     {"role": "counselor", "content": "How much?"}],
     "meta": {"mi_quality": "high", "video_title": "Tea", "video_url": "https://example.org/7",
      "topic": "less tea", "utterances": [
      {"utterance_id": 0, "volley": 1, "interlocutor": "client", "timestamp": "00:00:01",
       "text": "I drink a lot.", "labels": {"3": {"client_talk_type": "neutral"}}},
      {"utterance_id": 1, "volley": 2, "interlocutor": "therapist", "timestamp": "00:00:04",
       "text": "How much?", "labels": {"3": {"question_exists": "True",
        "main_therapist_behaviour": "question"}}}]}}

The id is `annomi/<transcript_id>`. `volley` is the number of the turn, from 1, that the utterance
is part of (null where it is blank and in none). Labels stand under their annotator's id, those of
`AnnoMI-simple.csv` under `majority`; "n/a" is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from converters.corpora.intake import Intake
from mi_llm import annomi
from mi_llm.dialogue import Dialogue


def read(path: Path, intake: Intake) -> Iterator[Dialogue]:
    """Yield the dialogues of one of the two files, in file order, holding one at a time.

    Raises:
        InputError: If the file is not in this format, the rows of a transcript come apart, or a
            dialogue cannot be read.
    """
    for transcript, rows in annomi.groups(path):
        yield from intake.attempt(_dialogue, path, transcript, rows, intake)


def _dialogue(path: Path, transcript: str, rows: Sequence[annomi.Row], intake: Intake) -> Dialogue:
    by_position = intake.repairer.pairing == "position"
    session = annomi.session(path, transcript, rows, by_position=by_position)
    where = f"{path}: transcript {transcript}"
    meta = {**session.facts, "utterances": session.utterances}
    return intake.dialogue(f"annomi/{transcript}", where, session.turns, meta)
