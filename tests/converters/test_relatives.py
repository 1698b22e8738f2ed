"""Dialogues that teach what another would be asked are found, and common talk glues nothing."""

from __future__ import annotations

import random

import pytest

from converters.relatives import Family, Relatives, length, round_hash
from converters.splitting import Repeats, groups, repeats, split
from mi_llm.dialogue import Dialogue, Role, Round, Turn

SYLLABLES = "我你他想说去来看听怕累好难忙家工作睡眠压力朋友孩子今天明天也许其实慢慢一点什么怎么"


SIDES: tuple[Role, Role] = ("client", "counselor")


def made(name, seed, rounds=6, characters=25):
    """A dialogue in which no turn is like another; each of `characters` and a full stop."""
    draw = random.Random(f"{seed}")
    said = ["".join(draw.choices(SYLLABLES, k=characters)) + "。" for _ in range(2 * rounds)]
    roles = SIDES * rounds
    return Dialogue(name, tuple(Turn(role, text) for role, text in zip(roles, said, strict=True)))


def turns(*texts):
    roles = SIDES * len(texts)
    return tuple(Turn(role, text) for role, text in zip(roles, texts, strict=False))


def found(dialogues):
    by_id = {one.id: one for one in dialogues}
    relatives = Relatives(by_id.__getitem__)
    for one in dialogues:
        relatives.add(one)
    return relatives.families()


def families(dialogues):
    return [family.ids for family in found(dialogues)[0]]


def rows(dialogue, history):
    """A dialogue for each round: that round behind `history(number)`, the turns before it."""
    return [
        Dialogue(f"{dialogue.id}#{n}", (*history(n), *dialogue.turns[2 * n : 2 * n + 2]))
        for n in range(len(dialogue.turns) // 2)
    ]


UNRELATED = [made(f"u/{n}", f"u{n}") for n in range(8)]


@pytest.mark.parametrize(
    "part", [slice(0, 2), slice(0, 5), slice(8, 12), slice(9, 12), slice(4, 7), slice(3, 5)]
)
def test_a_dialogue_and_its_beginning_end_or_middle_are_related(part):
    whole = made("a/1", "whole")
    piece = Dialogue("b/1", whole.turns[part])
    assert families([*UNRELATED, whole, piece]) == [("a/1", "b/1")]


@pytest.mark.parametrize("characters", [6, 25], ids=["short turns", "long turns"])
@pytest.mark.parametrize("kept", [1, 2, 3])
def test_rows_with_the_last_rounds_as_history_are_their_dialogue_again(kept, characters):
    two = [made("a", "one", characters=characters), made("b", "two", characters=characters)]
    cut = [
        row
        for one in two
        for row in rows(one, lambda n, one=one: one.turns[max(0, 2 * (n - kept)) : 2 * n])
    ]
    random.Random(0).shuffle(cut)
    assert families([*UNRELATED, *cut]) == [
        tuple(f"{name}#{n}" for n in range(6)) for name in ("a", "b")
    ]


@pytest.mark.parametrize("kept", [1, 2, 3])
def test_rows_with_the_first_rounds_as_history_are_their_dialogue_again(kept):
    cut = [
        row
        for one in (made("a", "one"), made("b", "two"))
        for row in rows(one, lambda n, one=one: one.turns[: 2 * min(n, kept)])
    ]
    random.Random(0).shuffle(cut)
    assert families([*UNRELATED, *cut]) == [
        tuple(f"{name}#{n}" for n in range(6)) for name in ("a", "b")
    ]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: f"  {text[:5]} {text[5:]}\n",
        lambda text: text.replace("。", "……！"),
        lambda text: f"「{text[:9]}，{text[9:]}」",
        lambda text: f"{text[:4]}\u200b{text[4:]}",
        lambda text: text.replace("A1", "Ａ１"),
        lambda text: text.replace("A1", "a1"),
    ],
    ids=["blanks", "full stops", "commas and quotes", "zero width", "full width", "case"],
)
def test_signs_blanks_width_and_case_hide_no_beginning(change):
    whole = made("a/1", "whole", rounds=10)
    marked = Dialogue("a/1", tuple(Turn(t.role, f"A1{t.content}") for t in whole.turns))
    piece = Dialogue("b/1", tuple(Turn(t.role, change(t.content)) for t in marked.turns[:4]))
    assert families([*UNRELATED, marked, piece]) == [("a/1", "b/1")]


def test_one_changed_turn_hides_neither_a_copy_nor_a_part():
    whole = made("a/1", "whole", rounds=3)
    other = made("x", "other").turns[0].content
    copy = Dialogue("b/1", (Turn("client", other), *whole.turns[1:]))
    part = Dialogue("c/1", (*whole.turns[2:4], Turn("client", other)))
    assert families([*UNRELATED, whole, copy, part]) == [("a/1", "b/1", "c/1")]


def test_a_part_with_a_character_changed_in_each_turn_is_near():
    whole = made("a/1", "whole", rounds=8, characters=60)
    part = Dialogue("b/1", tuple(Turn(t.role, "变" + t.content[1:]) for t in whole.turns[4:10]))
    assert found([*UNRELATED, whole, part])[0] == [Family(("a/1", "b/1"), near=True)]
    # Each turn shares no stretch; of its 60 5-grams (two turns meet in four) 1 to 5 are others.


@pytest.mark.parametrize("characters", [1, 25])
def test_the_same_dialogue_under_other_names_is_one_family_however_short_or_often(characters):
    one = made("x", "one", rounds=1, characters=characters)
    copies = [Dialogue(f"{'abc'[n % 3]}/{n}", one.turns) for n in range(30)]
    assert families([*UNRELATED, *copies]) == [tuple(sorted(copy.id for copy in copies))]


GREETING = turns("你好", "你好，请问有什么可以帮你的吗？")
OPENING = turns(
    "你好", "您好，这里是心理援助热线，我是今晚的咨询师，很高兴听你说，请问怎么称呼你？"
)


@pytest.mark.parametrize("opening", [GREETING, OPENING], ids=["greeting", "hotline"])
def test_what_many_unrelated_dialogues_begin_with_glues_none_of_them(opening):
    begun = [Dialogue(one.id, (*opening, *one.turns)) for one in UNRELATED]
    assert families(begun) == []
    for turn in opening:
        assert families([*begun, Dialogue("v/1", (turn,))]) == []
    assert families([*begun, Dialogue("v/1", opening)]) == []
    # A dialogue that broke off behind the opening begins one of them, not all.
    assert families([*begun, Dialogue("v/1", begun[2].turns[:3])]) == [("u/2", "v/1")]


def test_the_opening_of_many_is_common_talk_and_that_of_few_relates_them():
    begun = [Dialogue(one.id, (*OPENING, *one.turns)) for one in UNRELATED]
    opening = round_hash(Round(OPENING[0].content, OPENING[1].content))
    assert found(begun)[1] == {opening}
    assert found(begun[:3]) == ([Family(("u/0", "u/1", "u/2"), near=False)], set())


def test_copies_count_once_where_it_is_asked_how_many_share_an_opening():
    one = made("a", "one")
    rows_ = [Dialogue(f"a/{n}", (*OPENING, *one.turns[: 2 * n + 2])) for n in range(6)]
    other = Dialogue("b/1", (*OPENING, *made("b", "other").turns))
    # Six rows of one dialogue and another dialogue: two that share it, not seven.
    assert families([*rows_, other]) == [(*(f"a/{n}" for n in range(6)), "b/1")]


def test_a_short_round_relates_where_it_ends_one_and_begins_the_other_not_in_the_middle():
    short = turns("是。", "嗯，你接着说。")
    one, two = made("a", "one"), made("b", "two")
    middle = [Dialogue(each.id, (*each.turns[:4], *short, *each.turns[4:])) for each in (one, two)]
    assert families(middle) == []
    cut = [Dialogue("a", (*one.turns, *short)), Dialogue("b", (*short, *two.turns))]
    assert families(cut) == [("a", "b")]


@pytest.mark.parametrize("characters", [8, 40])
def test_a_first_turn_alone_is_a_beginning_and_one_that_gets_other_replies_is_not(characters):
    whole = made("a/1", "whole", characters=characters)
    assert families([*UNRELATED, whole, Dialogue("b/1", whole.turns[:1])]) == [("a/1", "b/1")]
    other = Dialogue("b/1", (whole.turns[0], *made("x", "other").turns[1:]))
    assert families([*UNRELATED, whole, other]) == []


def corpus(seed):
    """Dialogues with relatives of all kinds, shuffled."""
    draw = random.Random(seed)
    out = [*UNRELATED]
    for number in range(6):
        whole = made(f"w/{number}", f"{seed}:{number}", rounds=draw.randint(2, 7))
        whole = Dialogue(whole.id, (*GREETING, *whole.turns))
        out.append(whole)
        first = draw.randrange(len(whole.turns) - 2)
        out.append(Dialogue(f"p/{number}", whole.turns[first : first + draw.randint(2, 6)]))
        changed = [Turn(t.role, t.content.replace("。", "!")) for t in whole.turns]
        changed[0] = made("x", f"{seed}:{number}:x").turns[0]
        out.append(Dialogue(f"c/{number}", tuple(changed)))
    draw.shuffle(out)
    return out


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_dialogues_moves_no_family_and_no_round_stands_on_both_sides(seed):
    all_ = corpus(seed)
    made_of, common = found(all_)
    assert found(all_[::-1]) == (made_of, common)
    drawn = split(groups([one.id for one in all_], made_of), test=8, train=None, seed=seed)
    by_id = {one.id: one for one in all_}
    train, test = ([by_id[name] for name in names] for names in (drawn.train, drawn.test))
    # Independently of how families are found: compare the texts.
    known = {(one.client, one.counselor) for dialogue in train for one in dialogue.rounds}
    asked = [one for dialogue in test for one in dialogue.rounds]
    greeting = (GREETING[0].content, GREETING[1].content)
    both = [one for one in asked if (one.client, one.counselor) in known]
    assert all((one.client, one.counselor) == greeting for one in both)
    told = repeats(train, test, common)
    assert (told.rounds, told.repeated, told.short) == (len(asked), 0, len(both))


def test_rounds_on_both_sides_are_counted_and_greetings_and_common_talk_apart():
    one, two = made("a", "one", rounds=2), made("b", "two", rounds=2)
    opening = round_hash(Round(OPENING[0].content, OPENING[1].content))
    train = [Dialogue("t", (*GREETING, *OPENING, *one.turns))]
    shown = Turn("client", one.turns[2].content.replace("。", " ! "))
    test = [Dialogue("q", (*GREETING, *OPENING, shown, one.turns[3], *two.turns))]
    counted = repeats(train, test, {opening})
    example = Round(OPENING[0].content, OPENING[1].content)
    assert counted == Repeats(rounds=5, repeated=1, short=1, common=1, example=example)
    assert repeats(train, test, set()).repeated == 2


def test_a_length_counts_characters_and_twice_each_word_of_latin_letters():
    assert length("我，你！") == 2
    assert length("Thank you so much 2024") == 10
    assert length("用app记账") == 5
    assert length("……") == 2
