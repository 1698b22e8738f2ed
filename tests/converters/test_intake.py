"""What all readers share: order, skipping, ids, clients."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from converters.corpora import mi_conversations
from converters.corpora.intake import Intake, take_in, wanted
from mi_llm import jsonl
from mi_llm.dialogue import Dialogue, Turn
from mi_llm.errors import InputError
from mi_llm.repair import Repairer

TURNS = (Turn("client", "累"), Turn("counselor", "你累了。"))
GOOD = {"conversations": [{"role": "client", "content": "累"}]}


def saved(folder: Path, conversations: object) -> Path:
    path = folder / "corpus.json"
    path.write_text(jsonl.dumped(conversations), encoding="utf-8")
    return path


def test_files_come_in_the_order_of_their_numbers(tmp_path: Path):
    for name in ("case_10.txt", "case_9.txt", "case_2.txt", "note.md"):
        (tmp_path / name).touch()
    found = Intake().files(tmp_path, "case_*.txt")
    assert [path.name for path in found] == ["case_2.txt", "case_9.txt", "case_10.txt"]


def test_an_empty_or_missing_folder_is_a_mistake(tmp_path: Path):
    with pytest.raises(InputError, match=r"holds no \*\.json"):
        Intake().files(tmp_path, "*.json")
    with pytest.raises(InputError, match="expected a folder"):
        Intake().files(tmp_path / "absent", "*.json")


def test_an_id_that_comes_twice_is_a_mistake_or_counted(tmp_path: Path):
    path = saved(tmp_path, [{**GOOD, "id": 1}, GOOD, GOOD])
    with pytest.raises(InputError, match="id 'corpus/1' comes twice"):
        list(take_in(mi_conversations.read, path, Intake()))
    intake = Intake(skip_bad=True)
    found = [dialogue.id for dialogue in take_in(mi_conversations.read, path, intake)]
    assert found == ["corpus/1", "corpus/2"]
    assert intake.left_out == {"unreadable": 1}


def test_bad_records_are_left_out_counted_and_named_only_if_asked(tmp_path: Path):
    path = saved(tmp_path, [GOOD, {}, GOOD])
    with pytest.raises(InputError, match="dialogue 2: expected"):
        list(take_in(mi_conversations.read, path, Intake()))
    intake = Intake(skip_bad=True)
    found = [dialogue.id for dialogue in take_in(mi_conversations.read, path, intake)]
    assert found == ["corpus/0", "corpus/2"]
    assert intake.left_out == {"unreadable": 1}
    assert "dialogue 2" in intake.bad[0]


def test_a_corpus_without_one_readable_dialogue_is_a_mistake_even_if_bad_ones_are_skipped(
    tmp_path: Path,
):
    path = saved(tmp_path, [{}, {}])
    with pytest.raises(InputError, match=r"can be read; first fault: .*dialogue 1"):
        list(take_in(mi_conversations.read, path, Intake(skip_bad=True)))


def test_sessions_with_several_clients_are_left_out_unless_any_are_wanted():
    couple = Dialogue("d/1", TURNS, {"clients": ["妻子", "丈夫"]})
    one = Intake()
    assert not wanted(couple, one)
    assert wanted(Dialogue("d/2", TURNS), one)
    assert one.left_out == {"several clients": 1}
    assert wanted(couple, Intake(clients="any"))


def test_labels_that_leaked_into_a_turn_are_stripped_counted_and_marked():
    given = [
        Turn("client", "求助者：我怕。支持者：当初的喜欢很纯。"),
        Turn("counselor", "妈妈：早点睡。你记得这句。"),
    ]
    intake = Intake()
    made = intake.dialogue("d/1", "f", given, {})
    assert made.turns == (
        Turn("client", "我怕。当初的喜欢很纯。"),
        Turn("counselor", "妈妈：早点睡。你记得这句。"),
    )
    assert made.meta == {"stripped_labels": 2}
    assert intake.repairer.counts == {"stripped labels": 2}
    with pytest.raises(InputError, match="turn 1: a speaker's label"):
        Intake(Repairer("none")).dialogue("d/1", "f", given, {})


def test_a_line_that_is_too_long_is_named_with_its_place(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a": 1}\n"' + b"x" * jsonl.LONGEST_LINE + b'"\n')
    with pytest.raises(InputError, match=r"a\.jsonl:2: line longer than 16 MB"):
        list(jsonl.read_lines(path))


def test_gzip_is_unpacked_and_a_file_cut_short_is_named(tmp_path: Path):
    path = tmp_path / "a.jsonl.gz"
    packed = gzip.compress('{"a": "你好"}\n'.encode() * 100)
    path.write_bytes(packed)
    assert len(list(jsonl.read_lines(path))) == 100
    path.write_bytes(packed[:-10])
    with pytest.raises(InputError, match=r"a\.jsonl\.gz: not a whole gzip file"):
        list(jsonl.read_lines(path))
    path.write_bytes(b"no gzip")
    with pytest.raises(InputError, match=r"a\.jsonl\.gz: not a whole gzip file"):
        list(jsonl.read_lines(path))


@pytest.mark.parametrize("text", ["好\0的", "好\ud83d", "好\ufeff的"])
def test_a_text_that_harms_unseen_is_named_and_can_be_skipped(text: str):
    intake = Intake(skip_bad=True)
    made = list(intake.attempt(intake.dialogue, "a/0", "f: record 0", [Turn("client", text)], {}))
    assert made == []
    assert intake.left_out == {"unreadable": 1}
    assert intake.bad[0].startswith("f: record 0: 'turns'[0] holds ")
