from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import prompts
from converters.screening.rubric import RUBRIC
from tests.converters.llm_jobs import KEY, asked, lines, loaded, run, saved, talks, text
from tests.llm_server import NOT_JSON, LLMServer, Received, Reply


def judgement(share: float = 1.0) -> dict[str, Any]:
    """Full marks, or none with `share` 0."""
    return {
        one.name: {"reason": "有依据", **{item: most * share for item, most in one.items.items()}}
        for one in RUBRIC
    }


def named(received: Received) -> tuple[str, int]:
    """The corpus and the number of the dialogue asked about, as its first turn tells them."""
    corpus, rest = asked(received)["dialogue"][0]["content"].split("第")
    return corpus, int(rest.partition("次")[0])


def by_corpus(received: Received) -> str:
    """Full marks for corpus `good`, none for `poor`, half of the ten points for even `fair`."""
    corpus, number = named(received)
    value = judgement(0 if corpus == "poor" else 1)
    if corpus == "fair" and number % 2:
        value["professionalism"] = judgement(0)["professionalism"]
    return text(value)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "made" / "screen.json"


def test_corpora_are_scored_ranked_drawn_and_told(tmp_path: Path, out: Path):
    paths = [saved(tmp_path / f"{name}.jsonl", talks(name, 40)) for name in ("fair", "good")]
    paths.append(saved(tmp_path / "poor.jsonl", talks("poor", 3)))
    figures = [out.with_name("figure2.svg"), out.with_name("figure2.png")]
    drawn = [word for path in figures for word in ("--figure", path)]
    with LLMServer(by_corpus) as server:
        done = run(server, "screen", *paths, "-o", out, "--sample", 24, "--seed", 5, *drawn)
        requests = list(server.received)
    assert (done.returncode, done.stderr) == (0, "")
    found = loaded(out)
    assert found["ranking"]["ranks"] == {"good": 1, "fair": 2, "poor": 3}
    assert found["ranking"]["same_order"] == 1
    sizes = {
        name: (one["dialogues"], one["sampled"], one["scored"], one["used_whole"])
        for name, one in found["corpora"].items()
    }
    assert sizes == {
        "fair": (40, 24, 24, False),
        "good": (40, 24, 24, False),
        "poor": (3, 3, 3, True),
    }
    # Those of `fair` with an odd number lose the four points of professionalism.
    odd = sum(int(name.split("/")[1]) % 2 for name in found["corpora"]["fair"]["points"])
    assert 0 < odd < 24
    means = found["corpora"]["fair"]["means"]
    assert means["total"]["mean"] == pytest.approx(10 - 4 * odd / 24)
    assert means["professionalism"]["mean"] == pytest.approx(4 - 4 * odd / 24)
    assert means["safety"]["mean"] == 1
    assert means["total"]["low"] < means["total"]["mean"] < means["total"]["high"]

    assert len(requests) == 24 + 24 + 3
    assert len({received.prompt for received in requests}) == 51
    system = prompts.load("screen.v2").text
    assert {received.body["messages"][0]["content"] for received in requests} == {system}
    # The judge does not see which corpus a dialogue is from.
    assert all(asked(received).keys() == {"dialogue"} for received in requests)

    told = done.stdout.splitlines()
    assert [line.split()[0] for line in told[:4]] == ["corpus", "fair", "good", "poor"]
    assert [line.split()[-1] for line in told[1:4]] == ["2", "1", "3"]
    assert "poor: holds 3 dialogues; all were used" in told
    assert told[-1] == f"{out}: scored 51 of 51"
    assert "ranking by total: good > fair > poor; the same in 100.0%" in done.stdout

    svg, png = (path.read_bytes() for path in figures)
    assert b"<svg" in svg
    assert b">good<" in svg
    assert struct.unpack(">II", png[16:24]) == (2880, 1260)
    stamp = loaded(out.with_name("screen.json.stamp.json"))
    assert (stamp["sample"], stamp["seed"], stamp["counts"]) == (24, 5, {"scored": 51})
    assert stamp["prompts"] == {"screen.v2": prompts.load("screen.v2").sha}
    assert len(stamp["inputs"]) == 3
    drawn = loaded(out.with_name("figure2.png.stamp.json"))
    assert drawn["counts"] == {"scored": 51}
    assert drawn["with"]["screen.json"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert not [path for path in out.parent.iterdir() if KEY.encode() in path.read_bytes()]


def changed(change: Callable[[Any], Any]) -> str:
    value = judgement()
    change(value)
    return text(value)


BAD: dict[int, Callable[[], Reply | str]] = {
    0: lambda: changed(lambda v: v["safety"].update(privacy=1)),
    1: lambda: changed(lambda v: v["safety"].update(privacy=0.25)),
    2: lambda: changed(lambda v: v["safety"].pop("privacy")),
    3: lambda: changed(lambda v: v["safety"].update(privacy=None)),
    4: lambda: NOT_JSON,
}


def test_a_score_that_is_out_of_range_or_missing_is_set_aside_and_in_no_mean(
    tmp_path: Path, out: Path
):
    path = saved(tmp_path / "a.jsonl", talks("a", 7))

    def script(received: Received) -> Reply | str:
        _, number = named(received)
        return BAD[number]() if number in BAD else text(judgement())

    with LLMServer(script) as server:
        done = run(server, "screen", path, "-o", out)
        sent = len(server.received)
        again = run(server, "screen", path, "-o", out, "--overwrite")
        assert len(server.received) == sent == 3 * len(BAD) + 2
    assert (done.returncode, done.stderr) == (1, "")
    assert again.stdout == done.stdout
    corpus = loaded(out)["corpora"]["a"]
    assert corpus["points"].keys() == {"a/5", "a/6"}
    assert corpus["means"]["total"]["mean"] == 10
    reasons = {one["id"]: one["reason"] for one in corpus["set_aside"]}
    assert reasons.keys() == {f"a/{number}" for number in BAD}
    assert "safety.privacy is 1; it must be between 0 and 0.5" in reasons["a/0"]
    assert "safety.privacy is 0.25" in reasons["a/1"]
    assert "safety.privacy" in reasons["a/2"]
    told = done.stdout.splitlines()[-1]
    assert told.startswith(f"{out}: scored 2 of 7: 5 set aside (3 does not fit the schema, ")
    counts = loaded(out.with_name("screen.json.stamp.json"))["counts"]
    assert counts == {"scored": 2, "breaks a rule": 2, "does not fit the schema": 3}


def test_a_judge_is_told_what_is_out_of_range_and_may_mend_it(tmp_path: Path, out: Path):
    path = saved(tmp_path / "a.jsonl", talks("a", 1))
    with LLMServer(lambda got: BAD[0]() if got.time == 1 else text(judgement())) as server:
        done = run(server, "screen", path, "-o", out)
    assert done.returncode == 0
    assert "safety.privacy is 1" in server.received[1].body["messages"][-1]["content"]
    assert loaded(out)["corpora"]["a"]["points"]["a/0"]["safety"]["privacy"] == 0.5


def test_a_judge_that_gives_the_prompts_example_back_is_asked_again_and_scores_nothing(
    tmp_path: Path, out: Path
):
    path = saved(tmp_path / "a.jsonl", talks("a", 2))

    def script(received: Received) -> str:
        block = str(received.body["messages"][0]["content"].split("```json")[1].split("```")[0])
        if named(received)[1] == 0:
            return block
        # The example with points in place of what stands for them, and its words for the reason.
        return block.replace("<分>", "0.5")

    with LLMServer(script) as server:
        done = run(server, "screen", path, "-o", out)
        assert len(server.received) == 6
    assert done.returncode == 1
    told = "answers that were the example of their prompt: 6; each was asked again or set aside\n"
    assert done.stderr == told
    assert done.stdout.endswith(f"{out}: scored 0 of 2: 2 set aside (2 example copied)\n")
    stamp = loaded(out.with_name("screen.json.stamp.json"))
    assert stamp["counts"] == {"scored": 0, "example copied": 2}
    assert stamp["endpoint"]["examples copied"] == 6


@pytest.mark.parametrize(("count", "warned"), [(4, False), (5, True)])
def test_judgements_that_hardly_vary_are_warned_of(
    tmp_path: Path, out: Path, count: int, warned: bool
):
    """One item of fourteen goes up and down, another one in each dialogue."""
    path = saved(tmp_path / "a.jsonl", talks("a", count))
    items = [(one.name, item) for one in RUBRIC for item in one.items]

    def script(received: Received) -> str:
        value = judgement()
        name, item = items[named(received)[1]]
        value[name][item] = 0.0
        return text(value)

    with LLMServer(script) as server:
        done = run(server, "screen", path, "-o", out)
    told = "warning: 5 of 5 judgements are the same or nearly so, whatever they are about; "
    assert (told in done.stdout) == warned == ("warning" in done.stdout)
    counts = loaded(out.with_name("screen.json.stamp.json"))["counts"]
    assert counts.get("judgements that hardly vary") == (5 if warned else None)


def test_the_order_of_a_file_changes_neither_what_is_asked_nor_what_is_written(tmp_path: Path):
    made = []
    for place, step in (("x", 1), ("y", -1)):
        (tmp_path / place).mkdir()
        path = saved(tmp_path / place / "fair.jsonl", talks("fair", 20)[::step])
        with LLMServer(by_corpus) as server:
            run(server, "screen", path, "-o", tmp_path / place / "s.json", "--sample", 6)
            prompts_ = sorted(server.prompts.elements())
        report = loaded(tmp_path / place / "s.json")
        report["corpora"]["fair"].pop("path")
        made.append((prompts_, report))
    assert made[0] == made[1]
    assert len(made[0][0]) == 6


def test_when_nothing_is_scored_there_is_no_mean_and_no_figure(tmp_path: Path, out: Path):
    path = saved(tmp_path / "a.jsonl", talks("a", 2))
    figure = out.with_name("figure.svg")
    with LLMServer(lambda _: NOT_JSON) as server:
        done = run(server, "screen", path, "-o", out, "--figure", figure)
    assert done.returncode == 1
    assert done.stderr == f"{figure}: not drawn, since nothing was scored\n"
    assert not figure.exists()
    found = loaded(out)
    assert (found["corpora"]["a"]["means"], found["ranking"]) == (None, None)


def test_a_dry_run_counts_the_samples_and_writes_nothing(tmp_path: Path, out: Path):
    paths = [saved(tmp_path / f"{name}.jsonl", talks(name, 9)) for name in "ab"]
    with LLMServer(by_corpus) as server:
        done = run(server, "screen", *paths, "-o", out, "--sample", 4, "--dry-run")
        assert server.received == []
    assert done.returncode == 0
    assert "8 requests" in done.stdout
    assert not out.parent.exists()


def test_a_figure_or_file_that_cannot_be_is_told_before_anything_is_sent(tmp_path: Path, out: Path):
    path = saved(tmp_path / "a.jsonl", talks("a", 2))
    there = tmp_path / "there.svg"
    there.write_text("mine")
    with LLMServer(by_corpus) as server:
        pdf = run(server, "screen", path, "-o", out, "--figure", tmp_path / "a.pdf")
        old = run(server, "screen", path, "-o", out, "--figure", there)
        twice = run(server, "screen", path, path, "-o", out)
        assert server.received == []
    assert [one.returncode for one in (pdf, old, twice)] == [2, 2, 2]
    assert ".svg or .png" in pdf.stderr
    assert "exists; add --overwrite" in old.stderr
    assert "named twice" in twice.stderr
    assert there.read_text() == "mine"


def test_a_run_whose_budget_is_gone_goes_on_where_it_was(tmp_path: Path, out: Path):
    path = saved(tmp_path / "a.jsonl", talks("a", 5))
    prices = tmp_path / "prices.json"
    prices.write_text(text({"tester": {"input": 0, "output": 1, "currency": "CNY"}}))
    words = ["screen", path, "-o", out, "--prices", prices, "--concurrency", 1]
    with LLMServer(by_corpus) as server:
        # One answer may cost 2,048 millionths, and costs its few hundred characters.
        first = run(server, *words, "--budget", 0.0025)
        before = len(server.received)
        done = run(server, *words, "--budget", 1)
        assert 1 <= before < 5 == len(server.received)
    assert (first.returncode, first.stdout) == (3, "")
    assert "stopped: budget" in first.stderr
    assert (done.returncode, len(loaded(out)["corpora"]["a"]["points"])) == (0, 5)
    ledger = out.with_name("screen.json.ledger.jsonl")
    assert len({one["key"] for one in lines(ledger)}) == len(lines(ledger)) == 5
    assert json.loads(lines(ledger)[0]["text"])["safety"]["privacy"] == 0.5
