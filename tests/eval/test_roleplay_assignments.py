from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from eval.roleplay.assignments import Cell, Play, codes, drawn


def grid(profiles, models):
    return [Cell(f"p{p}", f"M{m}") for p in range(profiles) for m in range(models)]


def played(cells, players, *, seed, per_cell):
    """What is drawn if these players draw one after another."""
    plays: list[Play] = []
    for player in players:
        cell = drawn(cells, plays, player, seed=seed, per_cell=per_cell)
        if cell is None:
            break
        plays.append(Play(player, cell))
    return plays


@given(
    profiles=st.integers(1, 6),
    models=st.integers(1, 4),
    players=st.lists(st.sampled_from("abc"), max_size=60),
    seed=st.integers(0, 9),
    per_cell=st.integers(1, 3),
)
def test_no_cell_is_ever_more_than_one_session_ahead_of_another(
    profiles, models, players, seed, per_cell
):
    cells = grid(profiles, models)
    counts = Counter(cells)  # each begins with one
    for play in played(cells, players, seed=seed, per_cell=per_cell):
        counts[play.cell] += 1
        assert max(counts.values()) - min(counts.values()) <= 1
    assert len(counts) == len(cells)


@given(
    profiles=st.integers(1, 6),
    models=st.integers(1, 4),
    turns=st.lists(st.sampled_from("ab"), min_size=80, max_size=80),
    seed=st.integers(0, 9),
)
def test_every_cell_gets_its_sessions_and_then_nothing_is_drawn(profiles, models, turns, seed):
    cells = grid(profiles, models)
    plays = played(cells, turns, seed=seed, per_cell=2)
    assert Counter(play.cell for play in plays) == dict.fromkeys(cells, 2)
    assert drawn(cells, plays, "a", seed=seed, per_cell=2) is None


@given(seed=st.integers(0, 99))
def test_a_player_alone_meets_every_profile_before_one_a_second_time(seed):
    cells = grid(5, 3)
    plays = played(cells, "a" * 15, seed=seed, per_cell=1)
    for begin in (0, 5, 10):
        assert {play.cell.profile for play in plays[begin : begin + 5]} == {
            "p0", "p1", "p2", "p3", "p4"
        }  # fmt: skip


@given(seed=st.integers(0, 99))
def test_a_player_gets_a_cell_of_anothers_before_an_own_one_again(seed):
    cells = grid(2, 1)
    plays = [Play("a", cells[0]), Play("b", cells[1])]
    assert drawn(cells, plays, "a", seed=seed, per_cell=2) == cells[1]
    assert drawn(cells, plays, "b", seed=seed, per_cell=2) == cells[0]


def test_the_least_played_cell_comes_before_an_unknown_one():
    cells = grid(1, 2)
    plays = [Play("a", cells[0]), Play("b", cells[1]), Play("b", cells[1])]
    assert drawn(cells, plays, "a", seed=1, per_cell=3) == cells[0]


@given(order=st.permutations(grid(3, 3)), seed=st.integers(0, 9))
def test_the_draw_depends_on_seed_and_sessions_and_not_on_the_order_of_files(order, seed):
    plays = played(grid(3, 3), "abab", seed=seed, per_cell=1)
    wanted = drawn(grid(3, 3), plays, "a", seed=seed, per_cell=1)
    assert drawn(order, plays[::-1], "a", seed=seed, per_cell=1) == wanted


def test_another_seed_draws_another_order():
    cells = grid(4, 4)
    firsts = {drawn(cells, [], "a", seed=seed, per_cell=1) for seed in range(30)}
    assert len(firsts) > 5


def test_codes_are_drawn_by_the_seed_alone():
    one = codes(["base", "lora", "qlora"], seed=42)
    assert sorted(one) == ["M1", "M2", "M3"]
    assert sorted(one.values()) == ["base", "lora", "qlora"]
    assert codes(["qlora", "base", "lora"], seed=42) == one
    orders = {tuple(codes(["base", "lora", "qlora"], seed=seed).values()) for seed in range(40)}
    assert len(orders) == 6
