"""The rules of pairs one by one: what is a fault, what is due, what is better, what fits."""

from __future__ import annotations

import json
from collections import Counter
from itertools import chain, combinations
from pathlib import Path

import pytest

from converters.pairs import writing
from converters.pairs.better import codes_better, unfit
from converters.pairs.find import LEAST, Fault, Found, faults, reflection_was_due, words
from converters.pairs.job import Outcome
from converters.pairs.rows import columns, fitted_row
from converters.rows import fits_always
from mi_llm.alpaca import AlpacaRow
from mi_llm.columns import Columns
from mi_llm.dialogue import Turn
from mi_llm.miti import Code

SAID = Turn("client", "累" * LEAST)
HELLO = Turn("client", "你好。"), Turn("counselor", "你好。")
DUE = (*HELLO, SAID)


def codes(told: str) -> frozenset[Code]:
    return frozenset(map(Code, told.split()))


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("CON", {Fault.CONFRONTATION}),
        ("CON P Q", {Fault.CONFRONTATION, Fault.ADVICE, Fault.QUESTION}),
        ("P", {Fault.ADVICE}),
        ("P EMPH", {Fault.ADVICE}),
        ("P SEEK", set()),
        ("PwP", set()),
        ("Q", {Fault.QUESTION}),
        ("Q GI", {Fault.QUESTION}),
        ("Q SR", set()),
        ("Q CR", set()),
        ("Q AF", set()),
        ("Q SEEK", set()),
        ("Q EMPH", set()),
        ("Q PwP", set()),
        ("GI", set()),
        ("", set()),
    ],
)
def test_the_faults_of_a_volley_follow_from_its_codes(told: str, expected: set[Fault]):
    assert faults(codes(told), DUE, least=LEAST) == expected


def test_a_volley_without_a_decision_has_no_fault():
    assert faults(None, DUE, least=LEAST) == frozenset()


@pytest.mark.parametrize(
    ("before", "due"),
    [
        (DUE, True),
        ((), False),
        ((SAID,), False),  # the opening
        (HELLO, False),  # it is the client's turn
        ((*HELLO, Turn("client", "累" * (LEAST - 1))), False),
        ((*HELLO, Turn("client", "累" * (LEAST - 2) + " so tired")), True),
        ((*HELLO, Turn("client", "累" * LEAST + "，行吗")), False),
        ((*HELLO, Turn("client", "累" * LEAST + "？")), False),
        ((*HELLO, Turn("client", "我该怎么办。" + "累" * LEAST)), True),  # asks, and goes on
        ((*HELLO, Turn("client", "累" * LEAST + "，我该怎么办。")), False),
    ],
)
def test_a_reflection_was_due_after_something_told_and_nothing_asked(
    before: tuple[Turn, ...], due: bool
):
    assert reflection_was_due(before) is due


def test_a_chinese_character_and_a_latin_word_count_alike():
    assert words("我 can't sleep，真的。") == 1 + 2 + 2


def test_what_persuades_or_confronts_is_never_better():
    every = chain.from_iterable(combinations(Code, size) for size in range(4))
    tried = [frozenset(one) for one in every if set(one) & {Code.PERSUADE, Code.CONFRONT}]
    assert len(tried) == 2 + 17 + 64  # of one, two and three of the ten codes
    assert not any(codes_better(fault, one) for fault in Fault for one in tried)


@pytest.mark.parametrize(
    ("fault", "better", "not_better"),
    [
        (Fault.QUESTION, ["CR", "CR Q", "CR AF"], ["SR", "SR Q", "AF", "Q", "GI", ""]),
        (
            Fault.ADVICE,
            ["PwP", "SR", "CR", "SEEK", "EMPH", "AF", "SR SEEK", "SR Q"],
            ["Q", "GI", ""],
        ),
        (Fault.CONFRONTATION, ["SR", "CR", "EMPH", "AF Q"], ["PwP", "Q", "GI", ""]),
    ],
)
def test_a_reply_is_better_if_it_has_what_was_missing(
    fault: Fault, better: list[str], not_better: list[str]
):
    assert all(codes_better(fault, codes(one)) for one in better)
    assert not any(codes_better(fault, codes(one)) for one in not_better)


def found(reply: str) -> Found:
    return Found("a/0", 2, (*DUE, Turn("counselor", reply)), "", Fault.QUESTION)


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("几点睡？", "累" * 60, None),
        ("几点睡？", "累" * 61, "too long"),
        ("睡" * 31, "累" * 62, None),
        ("睡" * 31, "累" * 63, "too long"),
        ("睡" * 30, "累" * 10, None),
        ("睡" * 30, "累" * 9, "too short"),
        ("睡觉。", " 睡觉。", "the same reply"),
        ("睡觉。", "……", "blank"),
        ("三点睡？", "你三点睡。", None),
        ("睡觉。", "1. 你很累\n2. 你想睡", "markdown"),
        ("睡觉。", "你在北京睡不好。", "new place"),
        ("在北京睡？", "你在北京睡不好。", None),
    ],
)
def test_a_reply_is_unfit_for_its_length_its_form_or_what_nobody_said(
    old: str, new: str, kind: str | None
):
    reason = unfit(found(old), new)
    assert (reason and reason.partition(":")[0]) == kind


def pair(*turns: Turn) -> Outcome:
    where = Found("a/0", 3, (*turns, Turn("counselor", "几点睡？")), "", Fault.QUESTION)
    return Outcome(where, "你很累，也想好好睡一觉。", codes("CR"), None)


LONG = (Turn("counselor", "请坐。"), *HELLO, *HELLO, SAID)  # a leading turn is in no round


def test_a_row_has_all_rounds_before_the_client_turn():
    row = fitted_row(pair(*LONG), "提示", "instruction", fits_always, Counter())
    assert row == {
        "id": "a/0#3",
        "instruction": "提示",
        "input": SAID.content,
        "chosen": "你很累，也想好好睡一觉。",
        "rejected": "几点睡？",
        "history": [["你好。", "你好。"]] * 2,
    }


def test_the_oldest_rounds_go_until_the_longer_reply_fits_too():
    def shorter_than(most: int) -> Counter[str]:
        def fits(row: AlpacaRow) -> bool:
            return sum(map(len, chain([row["input"], row["output"]], *row["history"]))) <= most

        counts: Counter[str] = Counter()
        row = fitted_row(pair(*LONG), "提示", "system", fits, counts)
        counts["rounds"] = -1 if row is None else len(row["history"])
        return +counts if row else counts

    # 20 characters of the client's, 12 of the longer reply, 6 a round.
    assert shorter_than(44) == {"rounds": 2}
    assert shorter_than(43) == {"rounds": 1, "history rounds dropped": 1, "shortened rows": 1}
    assert shorter_than(32) == {"history rounds dropped": 2, "shortened rows": 1}
    assert shorter_than(31) == {"rounds": -1}


def test_columns_name_where_the_prompt_stands():
    pairs = {"response": None, "chosen": "chosen", "rejected": "rejected"}
    assert columns("instruction") == Columns(**pairs)
    assert columns("system") == Columns(**pairs, prompt=None, system="system")


def test_both_files_are_registered_as_pairs(tmp_path: Path):
    form = writing.Form("提示", "system", fits_always, 0.2, 1)
    writing.register("mine", tmp_path / "p.json", form, tmp_path / "dataset_info.json")
    info = json.loads((tmp_path / "dataset_info.json").read_text())
    assert {name: (one["file_name"], one["ranking"]) for name, one in info.items()} == {
        "mine": ("p.json", True),
        "mine_test": ("p_test.json", True),
    }
    assert info["mine"]["columns"]["system"] == "system"
