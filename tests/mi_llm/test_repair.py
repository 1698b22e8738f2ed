from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_llm.characters import is_blank
from mi_llm.dialogue import Dialogue, DialogueError, Role, Turn
from mi_llm.repair import Repairer

any_turns = st.lists(
    st.builds(
        Turn,
        st.sampled_from(["client", "counselor"]),
        st.text(st.sampled_from("甲a \n\u3000\x1c\ufeff"), max_size=4) | st.text(max_size=6),
    ),
    max_size=8,
)


def turns(*pairs: tuple[Role, str]) -> tuple[Turn, ...]:
    return tuple(Turn(role, text) for role, text in pairs)


def test_good_turns_stay_as_they_are_and_nothing_is_counted():
    given_ = turns(("counselor", "你好"), ("client", "我\n想戒烟"), ("counselor", "嗯"))
    repairer = Repairer()
    assert repairer.repaired("f", given_) == given_
    assert repairer.counts == Counter()


def test_every_repair_is_made_and_counted_by_kind():
    repairer = Repairer()
    made = repairer.repaired(
        "f",
        turns(
            ("client", " 你好\u3000"),  # stripped
            ("counselor", "\n"),  # blank: dropped, and so its neighbours meet
            ("client", "我想戒烟"),  # merged
            ("counselor", "为什么"),
            ("counselor", "现在呢\n"),  # stripped and merged
            ("client", ""),  # dropped
        ),
    )
    assert made == turns(("client", "你好\n我想戒烟"), ("counselor", "为什么\n现在呢"))
    assert repairer.counts == {
        "stripped turns": 2,
        "dropped blank turns": 2,
        "merged neighbours": 2,
    }


def test_three_neighbours_become_one_turn_in_their_order_and_count_as_two_merges():
    repairer = Repairer()
    made = repairer.repaired("f", turns(("client", "一"), ("client", "二"), ("client", "三")))
    assert made == turns(("client", "一\n二\n三"))
    assert repairer.counts == {"merged neighbours": 2}


def test_a_neighbour_said_twice_word_for_word_is_dropped_and_counted():
    repairer = Repairer()
    made = repairer.repaired(
        "f",
        turns(
            ("client", "我又抽了一整包。"),
            ("counselor", "你有些失望。"),
            ("counselor", " 你有些失望。\n"),  # stripped, then the same
            ("client", "是啊。"),
            ("client", ""),  # blank: dropped, and so its neighbours meet
            ("client", "是啊。"),
            ("client", "我想少抽。"),  # other words: merged
            ("client", "是啊。"),  # not a repeat of its neighbour: merged
            ("counselor", "你想少抽。"),
            ("client", "是啊。"),  # said again after the counselor: stays
        ),
    )
    assert made == turns(
        ("client", "我又抽了一整包。"), ("counselor", "你有些失望。"),
        ("client", "是啊。\n我想少抽。\n是啊。"),
        ("counselor", "你想少抽。"), ("client", "是啊。"),
    )  # fmt: skip
    assert repairer.counts == {
        "dropped repeats": 2, "merged neighbours": 2, "stripped turns": 1,
        "dropped blank turns": 1,
    }  # fmt: skip


def test_a_part_of_what_was_said_is_no_repeat():
    repairer = Repairer()
    made = repairer.repaired("f", turns(("client", "是啊。对。"), ("client", "是啊。")))
    assert made == turns(("client", "是啊。对。\n是啊。"))
    assert repairer.counts == {"merged neighbours": 1}


def test_counts_add_up_over_dialogues():
    repairer = Repairer()
    for _ in range(3):
        repairer.repaired("f", turns(("client", " 一")))
    assert repairer.counts == {"stripped turns": 3}


def test_turns_that_are_all_blank_leave_nothing():
    assert Repairer().repaired("f", turns(("client", " "), ("counselor", ""))) == ()


@pytest.mark.parametrize(
    ("second", "fault"),
    [
        (Turn("counselor", " "), "blank counselor turn"),
        (Turn("counselor", "答 "), "white space"),
        (Turn("client", "二"), "second client turn in a row"),
        (Turn("client", "一"), "client turn said twice in a row"),
    ],
)
def test_the_policy_none_refuses_what_needs_mending_with_place_and_way_out(
    second: Turn, fault: str
):
    repairer = Repairer("none")
    with pytest.raises(DialogueError) as caught:
        repairer.repaired("a.json: dialogue 3", [Turn("client", "一"), second])
    message = str(caught.value)
    assert message.startswith("a.json: dialogue 3, turn 2: ")
    assert fault in message
    assert "leave out --repair none" in message
    assert repairer.counts == Counter()


@given(given_=any_turns)
def test_repaired_turns_make_a_dialogue_or_are_empty(given_: list[Turn]):
    made = Repairer().repaired("f", given_)
    if made:
        Dialogue("a/0", made)  # refuses what breaks a rule
    else:
        assert all(is_blank(turn.content) for turn in given_)


@given(given_=any_turns)
def test_repairing_twice_changes_nothing_more(given_: list[Turn]):
    once = Repairer().repaired("f", given_)
    again = Repairer()
    assert again.repaired("f", once) == once
    assert again.counts == Counter()
    assert Repairer("none").repaired("f", once) == once


@given(given_=any_turns)
def test_no_text_is_invented_and_none_is_lost_but_repeats(given_: list[Turn]):
    def spoken(said: Iterable[tuple[Role, str]], of: Role) -> str:
        return "".join("".join(text.split()) for role, text in said if role == of)

    made = [(turn.role, turn.content) for turn in Repairer().repaired("f", given_)]
    stripped = [(turn.role, turn.content.strip()) for turn in given_ if not is_blank(turn.content)]
    once = [said for said, _ in groupby(stripped)]
    for role in get_args(Role):
        assert spoken(made, role) == spoken(once, role)


@given(given_=any_turns)
def test_as_many_turns_are_counted_as_are_gone(given_: list[Turn]):
    repairer = Repairer()
    made = repairer.repaired("f", given_)
    kinds = ("dropped blank turns", "dropped repeats", "merged neighbours")
    assert len(given_) - len(made) == sum(repairer.counts[kind] for kind in kinds)


def test_pairing_by_position_names_sides_in_turn_and_changes_no_text():
    repairer = Repairer("none", "position")
    given_ = turns(("counselor", " 你好"), ("counselor", ""), ("client", "嗯"))
    assert repairer.repaired("f", given_) == turns(
        ("client", " 你好"), ("counselor", ""), ("client", "嗯")
    )
    assert repairer.counts == Counter()
