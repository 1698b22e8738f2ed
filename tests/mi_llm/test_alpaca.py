from __future__ import annotations

import json
from pathlib import Path

import pytest

from mi_llm.alpaca import AlpacaRow, dialogue_ids, read_objects
from mi_llm.errors import InputError

ROWS: list[AlpacaRow] = [
    {"id": "a/0#1", "instruction": "咨询", "input": "问一", "output": "答一", "history": []},
    {
        "id": "a/0#2",
        "instruction": "咨询",
        "input": "问二",
        "output": "答二",
        "history": [["问一", "答一"]],
    },
]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ROWS, ensure_ascii=False),
        "\n " + json.dumps(ROWS, indent=2),
        "\n".join(json.dumps(row) for row in ROWS),
        "\n\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS) + "\n",
    ],
    ids=["array", "indented array", "lines", "lines and blank lines"],
)
def test_rows_of_an_array_and_of_lines_are_the_same(tmp_path: Path, text: str, mark: bytes):
    path = tmp_path / "rows"
    path.write_bytes(mark + text.encode())
    assert read_objects(path) == ROWS


def test_what_is_no_row_is_returned_as_it_stands(tmp_path: Path):
    path = tmp_path / "rows.json"
    path.write_text('[1, null, "x", {"a": 1}]')
    assert read_objects(path) == [1, None, "x", {"a": 1}]


@pytest.mark.parametrize("text", ["", "\n", "[]", " [ ]\n"])
def test_a_file_without_rows_is_refused(tmp_path: Path, text: str):
    path = tmp_path / "rows.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"rows\.json: holds no row"):
        read_objects(path)


def test_a_row_with_an_id_belongs_to_the_dialogue_before_the_last_hash_sign():
    rows: list[AlpacaRow] = [
        {"id": "a#b/0#1", "input": "", "output": "", "history": []},
        {"id": "a#b/0#2-5", "input": "", "output": "", "history": []},
    ]
    assert dialogue_ids(rows) == ["a#b/0", "a#b/0"]


def test_without_ids_an_empty_history_begins_a_dialogue():
    def row(*history: list[str]) -> AlpacaRow:
        return {"input": "问", "output": "答", "history": list(history)}

    earlier = ["问一", "答一"]
    names = dialogue_ids([row(), row(earlier), row(earlier, earlier), row(), row(), row(earlier)])
    # Dialogues of 3, 1 and 2 rows.
    sizes = [names.count(name) for name in dict.fromkeys(names)]
    assert (names, sizes) == (sorted(names), [3, 1, 2])
