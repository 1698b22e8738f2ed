"""The page's parts: what is compared, shown, translated and written beside it."""

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from eval.report.assets import write_assets
from eval.report.content import content
from eval.report.examples import Example, examples
from eval.report.figures import drawn
from eval.report.more import sections
from eval.report.page import page, tables_page
from eval.report.pairs import chosen_pairs, families
from eval.report.words import chinese, words
from eval.sweep.sweep import Point, summed_up
from mi_llm.errors import InputError
from mi_llm.significance import compare
from mi_llm.statistics import PERCENT, Estimate
from tests.eval.report_runs import dialogue_rows, rows_file, scored_run

HOSTILE = "</script><img src=x onerror=alert(1)>'\"&"


@pytest.fixture
def runs(tmp_path):
    """A base model and two tuned ones over 12 dialogues of 3 rounds."""
    rows = dialogue_rows(12, 3)
    rows[4]["input"] = rows[5]["history"][1][0] = HOSTILE
    path = rows_file(tmp_path, rows)
    wanted = [row["output"] for row in rows]
    return [
        scored_run(tmp_path, "glm4_lora", path, wanted),
        scored_run(tmp_path, "glm4_base", path, [HOSTILE, *["嗯。"] * (len(rows) - 1)]),
        scored_run(tmp_path, "llama3_lora", path, [one[:6] for one in wanted]),
    ]


class Parsed(HTMLParser):
    """Elements with their attributes, and the text outside script and style."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.text, self.inside = [], [], None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.inside = tag if tag in ("script", "style") else None

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside is None:
            self.text.append(data)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_needs_no_network_and_shows_text_as_text(runs, language):
    html = page(runs, language=language)
    parsed = Parsed(html)
    assert "alert(1)" in "".join(parsed.text)
    assert not [tag for tag, _ in parsed.elements if tag in ("img", "link", "iframe", "object")]
    assert not [key for _, attrs in parsed.elements for key in attrs if key.startswith("on")]
    outside = [
        (tag, value)
        for tag, attrs in parsed.elements
        for key, value in attrs.items()
        if key in ("src", "href", "xlink:href", "data", "poster")
        and not value.startswith("#")
        and tag != "a"
    ]
    assert outside == []
    assert not re.search(r"@import|url\((?!#)", html)
    links = {attrs["href"] for tag, attrs in parsed.elements if tag == "a"}
    targets = {attrs["id"] for _, attrs in parsed.elements if "id" in attrs}
    assert {link[1:] for link in links if link.startswith("#")} <= targets
    assert sum(tag == "script" for tag, _ in parsed.elements) == 1


def test_each_tuned_model_is_compared_with_its_base_and_with_each_other_tuned_one(runs):
    named = [(one.name, two.name) for one, two in chosen_pairs(runs)]
    assert named == [("glm4_lora", "glm4_base"), ("glm4_lora", "llama3_lora")]


def test_holms_correction_is_over_the_pairs_that_are_shown(runs):
    found = families(runs)
    assert [one.measure for one in found] == ["bleu4", "rouge1", "rouge2", "rougeL"]
    values = {run.name: [row["lf"]["bleu4"] for row in run.scores["per_row"]] for run in runs}
    dialogues = [row["dialogue"] for row in runs[0].scores["per_row"]]
    every = {
        (one.first, one.second): one for one in compare(values, dialogues, scale=PERCENT, seed=0)
    }
    first, second = found[0].pairs
    known = every["glm4_lora", "glm4_base"]
    assert (first.by_dialogue, first.by_round) == (known.by_dialogue, known.by_round)
    # Holm's least p of two is doubled, the other is no less than that.
    least, most = sorted([first, second], key=lambda one: one.by_dialogue.p)
    assert least.holm == min(1, 2 * least.by_dialogue.p)
    assert most.holm == max(least.holm, most.by_dialogue.p)
    assert first.warning == "only 12 dialogues: intervals and tests below 20 are rough"


def test_one_model_has_no_test_and_no_section_of_tests(runs):
    html = page(runs[:1])
    assert 'id="significance"' not in html
    assert 'id="summary"' in html


def test_the_views_are_the_best_the_worst_a_sample_and_the_longest(runs):
    found = content(runs)
    shown = examples(found)
    views: dict[str, dict[int, Example]] = {}
    for one in shown:
        for view, place in one.places.items():
            views.setdefault(view, {})[place] = one
    names = [run.name for run in found.runs]
    assert names == ["glm4_base", "glm4_lora", "llama3_lora"]
    assert set(views) == {"random", "longest"} | {
        f"{kind} {name}" for kind in ("best", "worst") for name in names
    }
    assert all(sorted(places) == list(range(10)) for places in views.values())
    assert [len(views["longest"][at].history) for at in range(10)] == [2] * 10
    column = [views["worst llama3_lora"][at].replies[2].bleu4 for at in range(10)]
    everything = sorted(row["lf"]["bleu4"] for row in found.runs[2].scores["per_row"])
    assert column == everything[:10]
    best = [views["best llama3_lora"][at].replies[2].bleu4 for at in range(10)]
    assert best == everything[:-11:-1]


def test_everything_that_the_page_says_has_chinese_words(runs):
    folder = Path(__file__).parents[2] / "eval"
    said = []
    for path in sorted(folder.glob("report/*.j2")):
        said += re.findall(r't\("([^"]+)"\)', path.read_text(encoding="utf-8"))
    said += re.findall(r'\bt\("([^"]+)"\)', (folder / "report/figures.py").read_text("utf-8"))
    said += re.findall(r'\bwords\("([^"]+)"\)', (folder / "sweep/curves.py").read_text("utf-8"))
    assert "score (%)" in said
    assert len(said) > 50
    assert [text for text in said if text not in chinese()] == []
    asked = []
    from eval.report.methods import methods

    for item in methods(content(runs)):
        asked += [item.topic, *(fact.label for fact in item.facts)]
    assert [text for text in asked if text not in chinese()] == []
    # Places to fill in are the same in both languages.
    for english, text in chinese().items():
        assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", text)), english


def test_another_language_is_refused_by_name():
    with pytest.raises(InputError, match="--lang fr"):
        words("fr")


def test_curves_are_drawn_where_ten_dialogues_reach_a_second_round(runs, tmp_path):
    assert set(drawn(content(runs), str)) == {"scores", "rounds", "lengths"}
    few = tmp_path / "few"
    few.mkdir()
    path = rows_file(few, dialogue_rows(3, 2))
    assert "rounds" not in drawn(content([scored_run(few, "glm4_lora", path, ["好。"] * 6)]), str)


def test_figures_and_tables_are_written_for_a_manuscript(runs, tmp_path):
    found = content(runs)
    folder = tmp_path / "assets"
    folder.mkdir()
    names = write_assets(found, drawn(found, words("zh")), folder)
    assert names == sorted(path.name for path in folder.iterdir())
    for name in ("scores", "rounds", "lengths"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG\r\n")
        svg = (folder / f"{name}.svg").read_text(encoding="utf-8")
        assert svg.startswith('<?xml version="1.0"')
        assert 'xmlns="http://www.w3.org/2000/svg"' in svg
    with (folder / "scores.csv").open(encoding="utf-8-sig", newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert len(lines) == 3 * 8  # models, and four measures with and without white space
    own = found.runs[1].estimate("bleu4", strip=False)
    (line,) = (
        one
        for one in lines
        if (one["model"], one["variant"], one["signature"]) == ("glm4", "lora", own["signature"])
    )
    assert float(line["mean"]) == own["mean"]


def test_a_sweep_beside_the_training_is_drawn(runs, tmp_path):
    def point(step, bleu):
        estimate = Estimate(bleu, bleu - 1, bleu + 1, "t")
        every = dict.fromkeys(("bleu4", "rouge1", "rouge2", "rougeL"), estimate)
        values: dict[str, tuple[float, ...]] = {"bleu4": (bleu, bleu + 1, bleu)}
        return Point(f"checkpoint-{step}", step, tmp_path, every, values, ("a", "b", "c"), 0)

    sweep = summed_up([point(10, 7.0), point(20, 5.0)], measure="bleu4", seed=0)
    path = tmp_path / "glm4_lora" / "sweep.json"
    path.write_text(json.dumps(sweep.as_json()), encoding="utf-8")
    html = page(runs)
    assert "Best by BLEU-4: checkpoint-10; last: checkpoint-20." in html
    assert "Difference from the last +2.00" in html
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match=r"sweep\.json: not what eval sweep writes"):
        page(runs)


FUNNEL = {
    "in": 3084,
    "left out by machine": {"structure": 60},
    "dropped": {"not MI": 4},
    "out": 3020,
    "agreement": {"n": 10, "share": 0.9, "kappa": None},
}


def test_other_commands_files_are_known_by_their_content(runs, tmp_path):
    funnel = tmp_path / "a.json"
    funnel.write_text(json.dumps(FUNNEL), encoding="utf-8")
    (one,) = sections(funnel)
    assert one.title == "Data funnel"
    assert one.lines == (
        ("in", "3,084"),
        ("left out by machine: structure", "60"),
        ("dropped: not MI", "4"),
        ("out", "3,020"),
        ("agreement: n", "10"),
        ("agreement: share", "0.900"),
        ("agreement: kappa", "–"),
    )
    assert "<td>3,084</td>" in page(runs, more=[one])
    other = tmp_path / "b.json"
    for text in ("{}", "[]", '{"x": 1}'):
        other.write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=r"b\.json: neither a review's funnel"):
            sections(other)


@pytest.mark.parametrize(
    "keys",
    [
        ("sources", "sessions", "notes"),
        ("groups", "differences", "published"),
        ("by_model", "compared_with"),
    ],
)
def test_a_page_of_tables_alone_needs_no_run(tmp_path, keys):
    numbers = tmp_path / "numbers.json"
    numbers.write_text(json.dumps(dict.fromkeys(keys, 1)), encoding="utf-8")
    numbers.with_suffix(".md").write_text("## Talk\n\n| a | b |\n|---|---|\n| <b> | 1\\|2 |\n")
    (one,) = sections(numbers)
    assert (one.title, one.columns, one.lines) == ("Talk", ("a", "b"), (("<b>", "1|2"),))
    shown = tables_page([one], language="zh")
    assert "<td>&lt;b&gt;</td><td>1|2</td>" in shown
    assert "不是心理咨询" in shown


def test_lengths_stand_beside_table_3(tmp_path):
    moments = {"n": 2, "mean": 7.5, "sd": 0.5}
    volleys = {"characters without punctuation": {"client": moments, "counselor": moments}}
    path = tmp_path / "stats.json"
    path.write_text(json.dumps({"train": {"rounds": moments, "volleys": volleys}}))
    (one,) = sections(path)
    assert one.lines[0] == ("train", "7.50 (0.50)", "7.50 (0.50)", "7.50 (0.50)")
    # Table 3 of the paper, the line of the training set.
    assert ("paper: training", "7.97 (4.56)", "29.08 (16.38)", "57.33 (17.20)") in one.lines


def test_miti_measures_bring_the_tables_beside_them(tmp_path):
    path = tmp_path / "miti.json"
    path.write_text(json.dumps({"notes": [], "sessions": [], "sources": {}}))
    path.with_suffix(".md").write_text(
        "## Table 4: rounds\n\n| a | b |\n|---|---|\n| x\\|y | 2 |\n\n"
        "## Table 6: means\n\n| c |\n|---|\n| 3 |\n\n- a note\n"
    )
    assert [(one.title, one.columns, one.lines) for one in sections(path)] == [
        ("Table 4: rounds", ("a", "b"), (("x|y", "2"),)),
        ("Table 6: means", ("c",), (("3",),)),
    ]


def test_a_title_with_names_behind_it_is_translated_up_to_them():
    title = "Agreement: Codes, volley by volley: R1 and R2"
    assert words("zh")(title) == "评分者一致性：逐话轮的编码：R1 and R2"
    assert words("zh")("R1: 3 of 4") == "R1: 3 of 4"
