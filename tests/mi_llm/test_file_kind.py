"""What a file is, is said by every reader before it says what the file is not."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from converters.corpora import annomi as annomi_reader
from converters.corpora import messages
from converters.corpora import psydtcorpus as psydtcorpus_reader
from converters.corpora.intake import Intake
from eval.predictions import read_predictions
from mi_llm import alpaca, file_kind, files, jsonl, xlsx_file
from mi_llm.dialogue import read_dialogues
from mi_llm.errors import InputError

TALK = [{"role": "user", "content": "我想戒烟。"}, {"role": "assistant", "content": "你想戒烟。"}]
CHAT = {"messages": TALK}
AUTHORS = {"conversations": [{"role": "client", "content": "我想戒烟。"}]}
DIALOGUE = {"id": "a", "turns": [{"role": "client", "content": "我想戒烟。"}], "meta": {}}
ROW = {"instruction": "咨询", "input": "我累", "output": "你累了", "history": []}
STAMP: dict[str, Any] = {
    "output": {},
    "command": "python -m converters split",
    "versions": {},
    "commit": None,
}
PREDICTION = {"prompt": "问", "predict": "答", "label": "答"}
CHINESE = json.dumps([CHAT] * 3, ensure_ascii=False, indent=1)


def chats(path: Path) -> Any:
    return list(messages.read(path, Intake()))


def dialogues(path: Path) -> Any:
    return list(read_dialogues(path))


def psydtcorpus(path: Path) -> Any:
    return list(psydtcorpus_reader.read(path, Intake()))


READERS: list[Callable[[Path], Any]] = [
    chats, dialogues, alpaca.read_objects, read_predictions, jsonl.read_json, files.read_text,
]  # fmt: skip


def workbook() -> bytes:
    stream = io.BytesIO()
    openpyxl.Workbook().save(stream)
    return stream.getvalue()


def archive(*names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        for name in names:
            made.writestr(name, "甲\n" * 9)
    return stream.getvalue()


BYTES = {
    "is an Excel workbook (XLSX)": workbook(),
    "is a Word document (DOCX)": archive("[Content_Types].xml", "word/document.xml"),
    "is a presentation (PPTX)": archive("ppt/slides/slide1.xml"),
    "is an OpenDocument file": archive("mimetype", "content.xml"),
    "is a ZIP archive": archive("a.json"),
    "is an Office file or ZIP archive that is cut short": workbook()[:900],
    "is an old Office file": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 512,
    "is a PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "is gzip": b"\x1f\x8b\x08\0\0\0\0\0\0\xff",
    "is a Parquet file": b"PAR1\x15\x04\xff\xff",
    "is UTF-16 text": CHINESE.encode("utf-16"),
    "is UTF-16 text;": b"\xfe\xff" + CHINESE.encode("utf-16-be"),
    "is UTF-16LE text": CHINESE.encode("utf-16-le"),
    "is UTF-16BE text": CHINESE.encode("utf-16-be"),
    "is UTF-32 text": CHINESE.encode("utf-32"),
    "is GB18030 text; convert it first, for instance: iconv -f gb18030": CHINESE.encode("gb18030"),
    "not UTF-8 (byte 0xff)": b"\xff\x01\x02\xfe" * 40,
}


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
@pytest.mark.parametrize("said", BYTES)
def test_bytes_that_are_no_utf8_are_told_by_their_kind(
    tmp_path: Path, said: str, read: Callable[[Path], Any]
):
    path = tmp_path / "a.json"
    path.write_bytes(BYTES[said])
    with pytest.raises(InputError) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert said in message
    assert ("gb18030" in message) == ("GB18030" in said)
    assert "\n" not in message


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (BYTES["is a Word document (DOCX)"], "is a Word document (DOCX), not a workbook"),
        (BYTES["is an old Office file"], "not a workbook that can be read: an old .xls, or locked"),
        (b"a,b\n1,2\n", "is CSV, not a workbook"),
        (b"nonsense", "not a workbook that can be read"),
    ],
)
def test_a_file_that_is_no_workbook_is_told_by_its_kind(tmp_path: Path, data: bytes, said: str):
    path = tmp_path / "a.xlsx"
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        xlsx_file.load(path)
    assert str(caught.value).startswith(f"{path}: {said}")


def test_a_workbook_where_a_table_is_expected_is_told(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_bytes(workbook())
    with pytest.raises(InputError, match=r"a\.csv: is an Excel workbook \(XLSX\)"):
        list(annomi_reader.read(path, Intake()))


@pytest.mark.parametrize("wide", ["utf-16-le", "utf-16-be"])
def test_ascii_in_utf16_without_a_mark_is_told_though_it_reads_as_utf8(tmp_path: Path, wide: str):
    path = tmp_path / "a.json"
    path.write_bytes(json.dumps([CHAT]).encode(wide))
    with pytest.raises(InputError, match=r"is UTF-16.E text; convert it first"):
        chats(path)


TEXTS: list[tuple[Callable[[Path], Any], str, str]] = [
    (chats, json.dumps(CHAT, indent=1), "is a JSON record over several lines where JSON Lines"),
    (dialogues, json.dumps(DIALOGUE, indent=2), "is a JSON record over several lines"),
    (chats, "\n".join([json.dumps(CHAT, indent=1)] * 2), "is a JSON record over several lines"),
    (dialogues, json.dumps([DIALOGUE], indent=1), "is a JSON array of dialogues where JSON Lines"),
    (dialogues, json.dumps([DIALOGUE]), "is a JSON array of dialogues where JSON Lines"),
    (dialogues, json.dumps([ROW], indent=1), ": Alpaca rows, where dialogues are expected; make"),
    (dialogues, json.dumps([CHAT], indent=1), "python -m converters convert messages"),
    (dialogues, json.dumps([CHAT]), "python -m converters convert messages"),
    (dialogues, CHINESE, "python -m converters convert messages"),
    (dialogues, json.dumps([AUTHORS], indent=1), "converters convert mi_conversations"),
    (dialogues, json.dumps(AUTHORS), "converters convert mi_conversations"),
    (dialogues, "[\n]", "is a JSON array where JSON Lines is expected"),
    (read_predictions, json.dumps([PREDICTION] * 2, indent=1), "is a JSON array of predictions"),
    (read_predictions, json.dumps(DIALOGUE), ":1: dialogues, where predictions are expected"),
    (psydtcorpus, json.dumps(ROW), "that is not empty; it holds Alpaca rows"),
    (jsonl.read_json, json.dumps(ROW) + "\n" + json.dumps(ROW), "is JSON Lines, one value a line"),
    (chats, "<!DOCTYPE html><html></html>", "is an HTML page"),
    (chats, '<?xml version="1.0"?><a/>', "is XML"),
    (chats, "id,role,content\n1,user,我累\n", "is CSV"),
    (dialogues, "id\trole\tcontent\n1\tuser\t我累\n", "is a table with tabs"),
    (dialogues, json.dumps(ROW), ":1: Alpaca rows, where dialogues are expected; make dialogues"),
    (dialogues, json.dumps(CHAT), ":1: chat messages, where dialogues are expected"),
    (dialogues, json.dumps(PREDICTION), ":1: predictions, where dialogues are expected"),
    (dialogues, json.dumps(STAMP), ":1: a stamp, where dialogues are expected"),
    (alpaca.read_objects, json.dumps(DIALOGUE), ": dialogues, where Alpaca rows are expected; ma"),
    (alpaca.read_objects, json.dumps([CHAT]), ": chat messages, where Alpaca rows are expected"),
    (alpaca.read_objects, json.dumps([AUTHORS]), "converters convert mi_conversations"),
    (alpaca.read_objects, json.dumps(PREDICTION), ": predictions, where Alpaca rows are expected"),
    (alpaca.read_objects, json.dumps(STAMP), ": a stamp, where Alpaca rows are expected"),
    (chats, json.dumps(DIALOGUE), ":1: a dialogue already; use the file as it is"),
]  # fmt: skip


@pytest.mark.parametrize(("read", "text", "said"), TEXTS, ids=[text[2] for text in TEXTS])
def test_json_of_another_kind_is_told_as_what_it_is(
    tmp_path: Path, read: Callable[[Path], Any], text: str, said: str
):
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))
    assert said in str(caught.value)
    assert "not JSON:" not in str(caught.value)


@pytest.mark.parametrize("text", ['{"a": 1', '{\n "a": [1,\n', "nonsense", '{"a": 1} {"b": 2}'])
def test_what_is_nothing_known_is_still_not_json_with_its_line(tmp_path: Path, text: str):
    path = tmp_path / "a.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"a\.jsonl:1: not JSON: "):
        dialogues(path)


def test_a_text_with_commas_is_no_table(tmp_path: Path):
    for text in (
        "# Inputs, and what is right\nAll written for this, in 2026.\n",
        "Dear colleague, here they are\nand, as asked, the others, too\n",
        f"{'a word and ' * 9}, more\nand, more\n",
    ):
        path = tmp_path / "a.txt"
        path.write_text(text, encoding="utf-8")
        assert file_kind.of_file(path) is None
