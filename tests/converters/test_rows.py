from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.rows import Placement, RowWriter, Shape
from mi_llm.alpaca import AlpacaRow, dialogue_ids
from mi_llm.dialogue import Dialogue, Role, Turn
from mi_llm.errors import InputError
from tests.dialogues import corpora

PROMPT = "咨询"  # 2 characters


def dialogue(name: str, *contents: str, first: Role = "client") -> Dialogue:
    second: Role = "counselor" if first == "client" else "client"
    turns = (Turn(second if n % 2 else first, text) for n, text in enumerate(contents))
    return Dialogue(name, tuple(turns))


def pairs(one: Dialogue) -> list[list[str]]:
    """The rounds of a dialogue, found by walking its turns instead of slicing them."""
    found: list[list[str]] = []
    asked: str | None = None
    for turn in one.turns:
        if turn.role == "client":
            asked = turn.content
        elif asked is not None:
            found.append([asked, turn.content])
    return found


def characters(row: AlpacaRow) -> int:
    prompt = row.get("instruction", "") + row.get("system", "")
    history = [text for pair in row["history"] for text in pair]
    return sum(map(len, (prompt, row["input"], row["output"], *history)))


def at_most(limit: int) -> Callable[[AlpacaRow], bool]:
    return lambda row: characters(row) <= limit


def longest_round(made: list[Dialogue]) -> int:
    return max((len(q) + len(r) for one in made for q, r in pairs(one)), default=0)


def test_a_round_makes_a_row_that_carries_all_earlier_rounds():
    writer = RowWriter(PROMPT)
    made = list(
        writer.rows([dialogue("a/0", "问一", "答一", "问二", "答二"), dialogue("a/1", "问", "答")])
    )
    assert made == [
        {"id": "a/0#1", "instruction": "咨询", "input": "问一", "output": "答一", "history": []},
        {
            "id": "a/0#2",
            "instruction": "咨询",
            "input": "问二",
            "output": "答二",
            "history": [["问一", "答一"]],
        },
        {"id": "a/1#1", "instruction": "咨询", "input": "问", "output": "答", "history": []},
    ]
    assert +writer.counts == {"dialogues": 2, "rows": 3}


def test_a_dialogue_makes_one_row_with_the_prompt_as_system():
    writer = RowWriter(PROMPT, "dialogue", "system")
    made = list(writer.rows([dialogue("a/0", "问一", "答一", "问二", "答二")]))
    assert made == [
        {
            "id": "a/0#1-2",
            "system": "咨询",
            "input": "问二",
            "output": "答二",
            "history": [["问一", "答一"]],
        }
    ]
    assert +writer.counts == {"dialogues": 1, "rows": 1}


@pytest.mark.parametrize("shape", ["round", "dialogue"])
def test_turns_that_are_in_no_round_are_left_aside_and_counted(shape: Shape):
    writer = RowWriter(PROMPT, shape)
    given_ = [
        dialogue("a/0", "开场", "问", "答", "再见", first="counselor"),
        dialogue("a/1", "问", "答", "谢谢"),
        dialogue("a/2", "只有问"),
        dialogue("a/3", "只有开场", first="counselor"),
    ]
    made = list(writer.rows(given_))
    assert [(row["input"], row["output"], row["history"]) for row in made] == [
        ("问", "答", []),
        ("问", "答", []),
    ]
    assert +writer.counts == {
        "dialogues": 4,
        "rows": 2,
        "leading counselor turns": 2,
        "trailing client turns": 3,
    }
    assert writer.without_round == ["a/2", "a/3"]


@pytest.mark.parametrize("placement", ["instruction", "system"])
@given(made=corpora())
@settings(deadline=None)
def test_each_row_belongs_to_its_own_dialogue_and_its_history_is_exactly_the_earlier_rounds(
    placement: Placement, made: list[Dialogue]
):
    expected: list[Any] = [
        {
            "id": f"{one.id}#{k + 1}",
            placement: PROMPT,
            "input": pairs(one)[k][0],
            "output": pairs(one)[k][1],
            "history": pairs(one)[:k],
        }
        for one in made
        for k in range(len(pairs(one)))
    ]
    rows = list(RowWriter(PROMPT, "round", placement).rows(made))
    assert rows == expected
    assert dialogue_ids(rows) == [one.id for one in made for _ in pairs(one)]


@given(made=corpora())
@settings(deadline=None)
def test_without_ids_the_rows_are_grouped_into_the_same_dialogues(made: list[Dialogue]):
    rows = list(RowWriter(PROMPT).rows(made))
    named = dialogue_ids(rows)
    for row in rows:
        del row["id"]
    guessed = dialogue_ids(rows)
    assert [guessed.index(name) for name in guessed] == [named.index(name) for name in named]


def test_rows_share_no_list_with_one_another():
    first, second, third = RowWriter(PROMPT).rows([dialogue("a/0", *"一二三四五六")])
    third["history"][0][0] = "改"
    third["history"].pop()
    assert second["history"] == [["一", "二"]]
    assert first["history"] == []


@given(made=corpora(), more=st.integers(0, 40))
@settings(deadline=None)
def test_a_row_that_is_too_long_loses_its_oldest_rounds_and_no_more_than_needed(
    made: list[Dialogue], more: int
):
    limit = len(PROMPT) + longest_round(made) + more
    writer = RowWriter(PROMPT, fits=at_most(limit))
    rows = list(writer.rows(made))
    whole = list(RowWriter(PROMPT).rows(made))
    assert [(row["id"], row["input"], row["output"]) for row in rows] == [
        (row["id"], row["input"], row["output"]) for row in whole
    ]
    dropped = shortened = 0
    for row, full in zip(rows, whole, strict=True):
        kept, all_ = row["history"], full["history"]
        assert characters(row) <= limit
        assert kept == all_[len(all_) - len(kept) :]
        if len(kept) < len(all_):
            longer = all_[len(all_) - len(kept) - 1 :]
            assert characters({**row, "history": longer}) > limit
        dropped += len(all_) - len(kept)
        shortened += len(kept) < len(all_)
    assert writer.counts["history rounds dropped"] == dropped
    assert writer.counts["shortened rows"] == shortened
    assert writer.counts["rows"] == len(rows)


@given(made=corpora(), more=st.integers(0, 40))
@settings(deadline=None)
def test_windows_of_a_dialogue_fit_and_learn_every_reply_exactly_once(
    made: list[Dialogue], more: int
):
    limit = len(PROMPT) + longest_round(made) + more
    writer = RowWriter(PROMPT, "dialogue", "system", at_most(limit))
    rows = list(writer.rows(made))
    assert all(characters(row) <= limit for row in rows)
    learned = [[*row["history"], [row["input"], row["output"]]] for row in rows]
    expected_ids = []
    for one in made:
        windows = [
            window
            for window, name in zip(learned, dialogue_ids(rows), strict=True)
            if name == one.id
        ]
        assert [pair for window in windows for pair in window] == pairs(one)
        first = 1
        for window in windows:
            expected_ids.append(f"{one.id}#{first}-{first + len(window) - 1}")
            first += len(window)
        # No window could have taken the first round of the next.
        for window, after in pairwise(windows):
            taken = [text for pair in (*window, after[0]) for text in pair]
            assert len(PROMPT) + sum(map(len, taken)) > limit
    assert [row["id"] for row in rows] == expected_ids
    filled = sum(bool(pairs(one)) for one in made)
    assert writer.counts["windows cut"] == len(rows) - filled


def test_a_history_is_cut_where_the_limit_says():
    # Prompt 2; rounds of 2 characters. Row 3 whole: 2 + 3 * 2 = 8; a limit of 6 keeps one round.
    rows = list(RowWriter(PROMPT, fits=at_most(6)).rows([dialogue("a/0", *"一二三四五六")]))
    assert [row["history"] for row in rows] == [[], [["一", "二"]], [["三", "四"]]]


def test_windows_are_cut_where_the_limit_says():
    # Prompt 2; rounds of 2 characters; a limit of 6 holds two rounds.
    writer = RowWriter(PROMPT, "dialogue", fits=at_most(6))
    rows = list(writer.rows([dialogue("a/0", *"一二三四五六")]))
    assert [(row["id"], row["output"], row["history"]) for row in rows] == [
        ("a/0#1-2", "四", [["一", "二"]]),
        ("a/0#3-3", "六", []),
    ]
    assert writer.counts["windows cut"] == 1


@pytest.mark.parametrize("shape", ["round", "dialogue"])
def test_a_round_that_alone_does_not_fit_is_refused_by_name_after_all_rows(shape: Shape):
    # Prompt 2 and a round of 7: 9 is over 8.
    writer = RowWriter(PROMPT, shape, fits=at_most(8))
    rows = writer.rows(
        [dialogue("a/0", "问", "答", "问", "长长长长长长"), dialogue("a/1", "问", "答")]
    )
    made: list[AlpacaRow] = []
    with pytest.raises(InputError) as caught:
        made.extend(rows)
    assert [(row["id"].split("#")[0], row["output"]) for row in made] == [
        ("a/0", "答"),
        ("a/1", "答"),
    ]
    assert writer.too_long == ["a/0#2"]
    assert str(caught.value).startswith("a/0#2: ")
    assert "raise --cutoff-len" in str(caught.value)


def test_many_rounds_that_do_not_fit_are_named_in_part_and_counted():
    writer = RowWriter(PROMPT, fits=lambda row: False)
    with pytest.raises(InputError, match=r"^a/0#1, a/1#1, a/2#1 and 2 more: "):
        list(writer.rows([dialogue(f"a/{n}", "问", "答") for n in range(5)]))


def test_no_dialogues_make_no_rows():
    writer = RowWriter(PROMPT)
    assert list(writer.rows([])) == []
    assert +writer.counts == {}
