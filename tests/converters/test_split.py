"""Splits that are the same everywhere, and duplicates that are never parted."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from converters.__main__ import app
from converters.duplicates import DuplicateFinder, shingles, similarity
from converters.relatives import Family, Relatives
from converters.splitting import groups, split
from mi_llm.dialogue import Dialogue, Turn, dialogue_lines
from mi_llm.errors import InputError
from tests.commands import run_here

ROOT = Path(__file__).parents[2]
SYLLABLES = "我你他想说去来看听怕累好难忙家工作睡眠压力朋友孩子今天明天也许其实慢慢一点什么怎么"


def dialogue(name, seed, turns=6):
    draw = random.Random(seed)
    said = ["".join(draw.choices(SYLLABLES, k=40)) + "。" for _ in range(turns)]
    roles = ("client", "counselor") * turns
    return Dialogue(name, tuple(Turn(role, text) for role, text in zip(roles, said, strict=False)))


def changed(name, original, count):
    """The dialogue with `count` characters of its first turn replaced by other ones."""
    first, *rest = original.turns
    return Dialogue(name, (Turn(first.role, "甲乙丙丁戊"[:count] + first.content[count:]), *rest))


def found(dialogues):
    by_id = {one.id: one for one in dialogues}
    finder = DuplicateFinder(by_id.__getitem__)
    for one in dialogues:
        finder.add(one)
    return finder.clusters()


def test_shingles_are_of_letters_and_digits_in_one_width_and_case():
    one, two = (
        Dialogue("d/1", (Turn("client", text),))
        for text in ("一二三 四，五A\n", "一二。三四五ａ！")
    )
    assert shingles(one).tolist() == shingles(two).tolist()
    assert len(shingles(one)) == 2  # 一二三四五, 二三四五a
    assert len(shingles(Dialogue("d/2", (Turn("client", "短"),)))) == 1


def test_similarity_is_shared_over_all_and_shared_of_the_smaller():
    assert similarity(np.array([1, 2, 3], np.uint64), np.array([2, 3, 4, 5], np.uint64)) == (
        2 / 5, 2 / 3,
    )  # fmt: skip


def test_exact_and_near_duplicates_are_one_cluster_and_others_none():
    first = dialogue("a/1", seed=1)
    near = changed("b/2", first, 3)
    same = Dialogue("a/9", first.turns)
    (cluster,) = found([first, dialogue("a/2", seed=2), near, same, dialogue("b/1", seed=3)])
    assert cluster.ids == ("a/1", "a/9", "b/2")
    # Replacing 3 leading characters changes 3 of the 5-grams on either side.
    total = len(shingles(first))
    assert cluster.similarity == pytest.approx((total - 3) / (total + 3))


def test_dialogues_that_share_half_their_text_are_no_duplicates():
    first = dialogue("a/1", seed=1)
    half = Dialogue("a/2", (*first.turns[:3], *dialogue("x", seed=2).turns[3:]))
    assert found([first, half]) == []


def test_clusters_do_not_depend_on_the_order_of_the_input():
    first = dialogue("a/1", seed=1)
    all_ = [first, changed("a/2", first, 2), changed("a/3", first, 5), dialogue("b/1", seed=4)]
    assert found(all_) == found(all_[::-1])


@st.composite
def grouped(draw):
    count = draw(st.integers(2, 60))
    ids = [f"{'abc'[n % draw(st.integers(1, 3))]}/{n}" for n in range(count)]
    cut = draw(st.integers(0, count // 3))
    clusters = [Family(tuple(sorted(ids[2 * n : 2 * n + 2])), False) for n in range(cut)]
    return ids, clusters, draw(st.integers(1, count)), draw(st.integers(0, 99))


@settings(max_examples=100)
@given(grouped())
def test_every_id_lands_once_no_cluster_is_parted_and_order_moves_nothing(case):
    ids, clusters, test, seed = case
    try:
        drawn = split(groups(ids, clusters), test=test, train=None, seed=seed)
    except InputError:  # no whole groups add up to this number
        reject()
    assert len(drawn.test) == test
    assert sorted([*drawn.train, *drawn.test, *drawn.left_out]) == sorted(ids)
    for cluster in clusters:
        homes = [name in drawn.test for name in cluster.ids]
        assert len(set(homes)) == 1
    assert split(groups(ids[::-1], clusters[::-1]), test=test, train=None, seed=seed) == drawn


def test_each_source_gives_its_share():
    ids = [f"a/{n}" for n in range(30)] + [f"b/{n}" for n in range(10)]
    drawn = split(groups(ids, []), test=8, train=20, seed=0)
    # 8 of 40: 6 of the 30 and 2 of the 10; then 20 of the 32 left: 24 and 8 give 15 and 5.
    assert sum(name.startswith("a/") for name in drawn.test) == 6
    assert sum(name.startswith("a/") for name in drawn.train) == 15
    assert len(drawn.left_out) == 12


def test_another_seed_gives_another_split_and_this_one_never_changes():
    ids = [f"a/{n}" for n in range(10)]
    draw = [split(groups(ids, []), test=3, train=None, seed=seed).test for seed in range(20)]
    assert len(set(draw)) > 10
    # First of `printf 0:a/N | sha256sum` over N: 0766dddb (2), 266434fb (3), 2e6a3028 (5).
    assert draw[0] == ("a/2", "a/3", "a/5")


def test_clusters_that_miss_the_number_one_by_one_fill_it_together():
    # 5 leaves 2 over that neither 4 nor 3 fills; 4 and 3 make 7.
    families = [
        tuple(f"{name}/{n}" for n in range(size))
        for name, size in zip("abc", (5, 4, 3), strict=True)
    ]
    for seed in range(6):
        drawn = split(families, test=7, train=None, seed=seed)
        assert drawn.test == (*families[1], *families[2])


def test_more_copies_than_the_test_set_holds_stay_in_train():
    copies = tuple(f"a/{n}" for n in range(9))
    drawn = split([copies, ("b/1",), ("b/2",), ("b/3",)], test=2, train=None, seed=0)
    assert drawn.train[:9] == copies
    with pytest.raises(InputError, match=r"--test 4: no whole clusters .* has 9, from a/0 to a/8"):
        split([copies, ("b/1",), ("b/2",), ("b/3",)], test=4, train=None, seed=0)


def test_more_than_there_are_is_a_mistake():
    with pytest.raises(InputError, match="more than 3 dialogues"):
        split([("a/1",), ("a/2",), ("a/3",)], test=2, train=2, seed=0)


def run(*words, cwd=ROOT):
    return subprocess.run(
        [sys.executable, "-m", "converters", *map(str, words)],
        cwd=cwd, capture_output=True, text=True,
    )  # fmt: skip


@pytest.fixture
def corpora(tmp_path):
    first = [dialogue(f"one/{n}", seed=n) for n in range(12)]
    second = [
        *(dialogue(f"two/{n}", seed=100 + n) for n in range(5)),
        Dialogue("two/9", first[0].turns),
    ]
    paths = [tmp_path / "one.jsonl", tmp_path / "two.jsonl"]
    for path, dialogues in zip(paths, (first, second), strict=True):
        path.write_text("".join(dialogue_lines(dialogues)), encoding="utf-8")
    return paths


def test_the_command_writes_the_same_files_in_any_order_of_its_inputs(corpora, tmp_path):
    options = ("--test", 4, "--train", 10, "--seed", 5)
    for name, paths in (("a", corpora), ("b", corpora[::-1])):
        done = run("split", *paths, *options, "-o", tmp_path / name)
        assert done.returncode == 0, done.stderr
    written = {}
    for name in ("train.jsonl", "test.jsonl", "duplicates.json"):
        written[name] = (tmp_path / "a" / name).read_bytes()
        assert written[name] == (tmp_path / "b" / name).read_bytes()
    assert json.loads(written["duplicates.json"]) == [{"ids": ["one/0", "two/9"], "near": False}]
    homes = [b'"one/0"' in written["test.jsonl"], b'"two/9"' in written["test.jsonl"]]
    assert homes[0] == homes[1]
    assert written["train.jsonl"].count(b"\n") == 10
    stamp = json.loads((tmp_path / "a" / "test.jsonl.stamp.json").read_text(encoding="utf-8"))
    assert stamp["counts"] == {"train": 10, "test": 4, "left out": 4}


def test_both_numbers_are_printed_and_a_leak_ends_with_one_and_writes_nothing(
    tmp_path, monkeypatch
):
    whole = [dialogue(f"w/{n}", seed=n, turns=8) for n in range(10)]
    rows = [
        Dialogue(f"{one.id}#{n}", one.turns[max(0, 2 * n - 2) : 2 * n + 2])
        for one in whole
        for n in range(4)
    ]
    random.Random(0).shuffle(rows)
    path, out = tmp_path / "rows.jsonl", tmp_path / "out"
    path.write_text("".join(dialogue_lines(rows)), encoding="utf-8")
    words = ("split", path, "--test", 8, "--seed", 1, "-o")
    done = run_here(app, *words, out, environment={})
    assert done.returncode == 0, done.stderr
    assert "32 train, 8 test, 0 left out; clusters of related dialogues: 10, with 40" in done.stdout
    # Two dialogues of 4 rows: 1 round and three times 2.
    assert "test rounds that stand in train word for word: 0 of 14 (0.0%)" in done.stdout

    monkeypatch.setattr(Relatives, "families", lambda self: ([], set()))
    done = run_here(app, *words, tmp_path / "leaks", environment={})
    assert done.returncode == 1
    assert re.search(r"word for word: [1-9]\d* of \d+ \(", done.stderr)
    assert not (tmp_path / "leaks").exists()


def test_a_set_that_exists_is_kept_and_nothing_else_is_written(corpora, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "test.jsonl").write_text("mine")
    done = run("split", *corpora, "--test", 4, "--seed", 5, "-o", folder)
    assert done.returncode == 2
    assert "exists; add --overwrite" in done.stderr
    assert [path.name for path in folder.iterdir()] == ["test.jsonl"]
    assert (folder / "test.jsonl").read_text() == "mine"
