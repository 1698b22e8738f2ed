from __future__ import annotations

import random
import struct
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import sem, t

from converters.asking import Aside
from converters.screening import figure as corpus_figure
from converters.screening.figure import drawing, figure_format
from converters.screening.report import as_json, report, table
from converters.screening.rubric import MAXIMA, RUBRIC
from converters.screening.screen import Corpus, Judged, corpora
from mi_llm.dialogue import Dialogue, Turn, dialogue_lines
from mi_llm.errors import InputError
from mi_llm.figures import chinese_font
from mi_llm.statistics import T_BASED, TOO_FEW, Estimate

TURNS = (Turn("client", "我睡不好。"), Turn("counselor", "睡不好很难熬。"))


def talks(source: str, count: int) -> list[Dialogue]:
    return [Dialogue(f"{source}/{n}", TURNS) for n in range(count)]


def saved(path: Path, dialogues: list[Dialogue]) -> Path:
    path.write_text("".join(dialogue_lines(dialogues)), encoding="utf-8")
    return path


def drawn(path: Path, sample: int, seed: int = 0) -> Corpus:
    (corpus,) = corpora([path], sample=sample, seed=seed)
    return corpus


# --- drawing ---


def test_a_sample_is_the_same_whatever_the_order_of_the_file(tmp_path: Path):
    dialogues = talks("a", 30)
    one = drawn(saved(tmp_path / "a.jsonl", dialogues), 7)
    random.Random(1).shuffle(dialogues)
    two = drawn(saved(tmp_path / "b.jsonl", dialogues), 7)
    assert one.sample == two.sample
    assert (one.size, len(one.sample), one.name) == (30, 7, "a")


def test_another_seed_draws_others_and_a_larger_sample_only_adds(tmp_path: Path):
    path = saved(tmp_path / "a.jsonl", talks("a", 30))
    assert drawn(path, 7).sample != drawn(path, 7, seed=1).sample
    assert drawn(path, 9).sample[:7] == drawn(path, 7).sample


def test_every_dialogue_is_about_equally_likely_to_be_drawn(tmp_path: Path):
    path = saved(tmp_path / "a.jsonl", talks("a", 10))
    times = dict.fromkeys((one.id for one in talks("a", 10)), 0)
    for seed in range(400):
        for one in drawn(path, 3, seed).sample:
            times[one.id] += 1
    # 400 draws of 3 in 10: 120 each, standard deviation 9.2; five of them on either side.
    assert all(74 < count < 166 for count in times.values())


def test_corpora_are_named_by_their_files_and_by_their_paths_where_two_files_share_a_name(
    tmp_path: Path,
):
    (tmp_path / "x").mkdir()
    paths = [tmp_path / "a.jsonl", tmp_path / "b.jsonl", tmp_path / "x" / "b.jsonl"]
    for path in paths:
        saved(path, talks("a", 1))
    names = [one.name for one in corpora(paths, sample=1, seed=0)]
    assert names == ["a", str(paths[1]), str(paths[2])]
    with pytest.raises(InputError, match="named twice"):
        corpora([paths[0], paths[0]], sample=1, seed=0)


# --- numbers ---


def judged(totals: list[float], asides: int = 0) -> Judged:
    """Dialogues with such totals, all given in the order of the rubric until they are used up."""
    found = Judged()
    for number, left in enumerate(totals):
        found.points[f"a/{number}"] = points = dict[str, dict[str, float]]()
        for criterion in RUBRIC:
            points[criterion.name] = items = {}
            for item, most in criterion.items.items():
                items[item] = min(most, left)
                left -= items[item]
    found.asides = [Aside(f"b/{n}", "set aside", "not JSON: {", "{") for n in range(asides)]
    return found


def corpus(name: str, size: int, sample: int, source: str = "a") -> Corpus:
    return Corpus(name, Path(f"{name}.jsonl"), size, tuple(talks(source, sample)))


def test_means_are_over_the_dialogues_that_were_scored_alone():
    # Totals 3, 6 and 9 fill 2 + 1, 2 + 4 and 2 + 4 + 3 points of the criteria in their order.
    found = report([corpus("a", 9, 5)], {"a": judged([3, 6, 9], asides=2)}, seed=0)
    (one,) = found.corpora
    assert one.means
    assert {name: mean.mean for name, mean in one.means.items()} == {
        "comprehensiveness": 2,
        "professionalism": 3,
        "authenticity": 1,
        "safety": 0,
        "total": 6,
    }
    assert (found.scored, found.asides) == (3, {("set aside", "not JSON"): 2})
    assert found.order is None
    assert as_json(found)["corpora"]["a"]["scored"] == 3


def test_the_interval_of_many_dialogues_is_that_of_scipys_t():
    # Beyond 200 dialogues the house's interval is Student's; below, its own tests are of it.
    totals = [n % 21 / 2 for n in range(301)]
    found = report([corpus("a", 301, 301)], {"a": judged(totals)}, seed=0)
    assert found.corpora[0].means
    ours = found.corpora[0].means["total"]
    # Of the logit of the mean's place between 0 and 10, the most points there are.
    place = np.mean(totals) / 10
    error = sem(totals) / 10 / (place * (1 - place))
    theirs = expit(t.interval(0.95, 300, loc=logit(place), scale=error)) * 10
    assert (ours.low, ours.high) == pytest.approx(theirs)


def test_the_interval_of_a_paper_sized_sample_is_near_that_of_scipys_t():
    totals = [n % 21 / 2 for n in range(50)]
    found = report([corpus("a", 50, 50)], {"a": judged(totals)}, seed=0)
    assert found.corpora[0].means
    ours = found.corpora[0].means["total"]
    theirs = t.interval(0.95, 49, loc=np.mean(totals), scale=sem(totals))
    assert (ours.low, ours.high) == pytest.approx(theirs, abs=0.1)


def test_a_corpus_without_a_score_has_no_mean_and_no_rank():
    pairs = {"a": judged([5, 6]), "b": judged([], asides=2), "c": judged([7, 8])}
    found = report([corpus(name, 2, 2) for name in pairs], pairs, seed=0)
    assert found.corpora[1].means is None
    assert found.order
    assert found.order.ranks == {"c": 1, "a": 2}
    assert as_json(found)["corpora"]["b"]["means"] is None
    lines = list(table(found))
    assert lines[2].split() == ["b", "0/2", *"------"]


def test_one_dialogue_has_a_mean_and_no_interval():
    found = report([corpus("a", 5, 1)], {"a": judged([5])}, seed=0)
    assert found.corpora[0].means
    assert found.corpora[0].means["total"] == Estimate(5, None, None, TOO_FEW)
    text = "\n".join(table(found))
    assert "5.00 [too few]" in text
    assert "a: only 1 dialogues" in text


def test_a_criterion_that_is_equal_everywhere_is_said_to_be_so():
    found = report([corpus("a", 50, 40)], {"a": judged([3.0, 4.0] * 20)}, seed=0)
    head, line, *rest = table(found)
    # 2 points of comprehensiveness in every one, 1 or 2 of professionalism, none of the rest.
    assert line.split()[2:5] == ["2.00", "[all", "equal]"]
    assert "only" not in "\n".join(rest)
    assert head.startswith("corpus")


def test_tied_corpora_are_told_as_tied_and_get_no_order():
    equal = {name: judged([5, 6, 7]) for name in "ab"} | {"c": judged([1, 2, 3])}
    found = report([corpus(name, 9, 3) for name in equal], equal, seed=0)
    assert found.order
    assert found.order.ranks == {"a": 1, "b": 1, "c": 3}
    lines = list(table(found))
    assert [line.split()[-2:] for line in lines[1:3]] == [["1", "tied"]] * 2
    text = "\n".join(lines)
    assert "ranking by total: a = b > c; those with = between them are tied: equal means" in text
    assert "the same in" not in text
    assert as_json(found)["ranking"]["same_order"] is None


def test_published_values_stand_beside_the_corpus_that_they_are_of_alone():
    drawn_ = [corpus("x", 9, 2, "cpsycound"), corpus("y", 9, 2, "smilechat")]
    mixed = Corpus("z", Path("z"), 9, (*talks("cpsycound", 1), *talks("smilechat", 1)))
    pairs = {name: judged([5, 6]) for name in "xyz"}
    found = report([*drawn_, mixed], pairs, seed=0)
    assert [bool(one.published) for one in found.corpora] == [True, False, False]
    text = "\n".join(table(found))
    assert (
        "x: published for CPsyCounD (Memo2Demo): comprehensiveness 2.00, "
        "professionalism 3.44, authenticity 2.64, safety 1.00" in text
    )
    assert "2405.16433" in text


def test_a_file_smaller_than_the_sample_is_said_to_be_used_whole():
    drawn_ = [corpus("a", 2, 2), corpus("b", 9, 2)]
    text = "\n".join(table(report(drawn_, {n: judged([5, 6]) for n in "ab"}, seed=0)))
    assert "a: holds 2 dialogues; all were used" in text
    assert "b: holds" not in text


def test_the_columns_stand_below_each_other_under_chinese_names_too():
    names = ["心理咨询语料", "a"]
    found = report([corpus(n, 9, 2) for n in names], {n: judged([5, 6]) for n in names}, seed=0)
    _, chinese, plain = list(table(found))[:3]
    # Six characters that a terminal draws two columns wide.
    assert chinese.index("2/2") + 6 == plain.index("2/2")


# --- the figure ---


def means(share: float) -> dict[str, Estimate]:
    return {
        n: Estimate(m * share, m * share * 0.9, m * share * 1.1, T_BASED) for n, m in MAXIMA.items()
    }


CORPORA = {"cpsycound": means(0.8), "心声": means(0.6), "_$x$": means(0.7)}


def test_the_svg_keeps_names_and_means_as_text():
    drawn_ = drawing(CORPORA, "svg")
    root = ElementTree.fromstring(drawn_.data)
    texts = {"".join(one.itertext()).strip() for one in root.iter() if one.tag.endswith("}text")}
    assert {"cpsycound", "心声", "$x$", "Comprehensiveness", "(of 10)"} <= texts
    # The total of the first corpus: 0.8 of 10; the safety of the second: 0.6 of 1.
    assert {"8.00", "0.60"} <= texts
    assert drawn_.numbered == ()
    assert drawing(CORPORA, "svg") == drawn_


def test_the_png_numbers_names_that_no_font_here_can_draw(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(corpus_figure, "chinese_font", lambda: None)
    drawn_ = drawing(CORPORA, "png")
    assert drawn_.data.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", drawn_.data[16:24]) == (2880, 1260)  # 9.6 x 4.2 inches at 300 dpi
    assert drawn_.numbered == ("心声",)


def test_the_png_draws_chinese_names_where_a_font_can():
    if chinese_font() is None:
        pytest.skip("no font here draws Chinese")
    drawn_ = drawing({"心声": means(0.8)}, "png")
    assert drawn_.numbered == ()
    # Another name gives another picture; boxes in place of characters would be all the same.
    assert drawing({"语料": means(0.8)}, "png").data != drawn_.data


def test_a_figure_is_svg_or_png_by_the_end_of_its_name():
    assert [figure_format(name) for name in ("a.svg", "b.PNG")] == ["svg", "png"]
    for name in ("a.pdf", "png", ""):
        with pytest.raises(InputError, match="svg"):
            figure_format(name)
