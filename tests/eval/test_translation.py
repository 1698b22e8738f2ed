from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import prompts
from eval.transcripts import translation
from eval.transcripts.translation import Translation, fault
from mi_llm.dialogue import Dialogue, Turn, dialogue_lines
from tests.eval.transcripts_run import KEY, ROOT, command, environment, run
from tests.llm_server import NOT_JSON, LLMServer, Received, Reply, with_latency

FACTS = {"source": "real_high", "quality": "high"}


def session(number: int, turns: int = 4) -> Dialogue:
    said = (
        Turn(("counselor", "client")[n % 2], f"Session {number}, said as turn number {n + 1}.")
        for n in range(turns)
    )
    return Dialogue(f"annomi/{number}", tuple(said), {"transcript": dict(FACTS)})


def saved(path: Path, *dialogues: Dialogue) -> Path:
    path.write_text("".join(dialogue_lines(dialogues)), encoding="utf-8")
    return path


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def asked(received: Received) -> dict[str, Any]:
    value, _ = json.JSONDecoder().raw_decode(received.prompt)
    assert isinstance(value, dict)
    return value


def in_chinese(received: Received) -> str:
    made = [
        {**turn, "content": f"译：{turn['content']}好的这样说过"} for turn in shortened(received)
    ]
    return json.dumps({"turns": made}, ensure_ascii=False)


def shortened(received: Received) -> list[dict[str, Any]]:
    """The turns asked about with `<session>.<turn>` in place of their text."""
    return [
        {**turn, "content": f"{turn['content'].split()[1][:-1]}.{turn['number']}"}
        for turn in asked(received)["turns"]
    ]


def words(server: LLMServer, path: Path, out: Path, *more: object) -> list[object]:
    where = ["--base-url", server.base_url, "--model", "tester"]
    return ["sessions", path, "-o", out, "--translate", "zh", *where, *more]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "made" / "T.jsonl"


def test_a_transcript_is_translated_turn_by_turn_with_the_original_beside(
    tmp_path: Path, out: Path
):
    chinese = Dialogue("c/1", (Turn("client", "我想少抽一点。"), Turn("counselor", "嗯，OK。")))
    path = saved(tmp_path / "talks.jsonl", session(7, 3), chinese)
    with LLMServer(in_chinese) as server:
        done = run(*words(server, path, out))
        assert len(server.received) == 1
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == (
        f"{out}: 2 of 2 transcripts: real_high 1, talks 1; repaired: nothing; left out: nothing"
    )
    made, untouched = lines(out)
    assert made == {
        "id": "annomi/7",
        "turns": [
            {"role": "counselor", "content": "译：7.1好的这样说过"},
            {"role": "client", "content": "译：7.2好的这样说过"},
            {"role": "counselor", "content": "译：7.3好的这样说过"},
        ],
        "meta": {
            "transcript": {
                **FACTS,
                "original": [f"Session 7, said as turn number {n}." for n in (1, 2, 3)],
                "translation": {"model": "tester", "prompt": "translate.v2"},
            }
        },
    }
    assert untouched["turns"][1]["content"] == "嗯，OK。"
    assert untouched["meta"] == {"transcript": {"source": "talks"}}
    assert lines(out.with_name("T.jsonl.aside.jsonl")) == []
    stamp = json.loads(out.with_name("T.jsonl.stamp.json").read_text(encoding="utf-8"))
    assert stamp["prompts"] == {"translate.v2": prompts.load("translate.v2").sha}
    assert (stamp["endpoint"]["model"], stamp["sources"]) == (
        "tester",
        {"real_high": 1, "talks": 1},
    )
    assert KEY.encode() not in b"".join(each.read_bytes() for each in out.parent.iterdir())


def test_a_long_session_goes_in_pieces_with_the_turns_before_and_comes_back_whole(
    tmp_path: Path, out: Path
):
    path = saved(tmp_path / "talks.jsonl", session(7, 45))
    with LLMServer(with_latency(in_chinese, 0, 0.1, seed=2)) as server:
        assert run(*words(server, path, out)).returncode == 0
        pieces = sorted((asked(each) for each in server.received), key=_first)
    assert [[turn["number"] for turn in piece["turns"]] for piece in pieces] == [
        list(range(1, 21)),
        list(range(21, 41)),
        list(range(41, 46)),
    ]
    assert pieces[0]["before"] == []
    assert [
        turn["content"].split()[-1] for turn in pieces[2]["before"]
    ] == "37. 38. 39. 40.".split()
    (made,) = lines(out)
    assert [turn["content"] for turn in made["turns"]] == [
        f"译：7.{n}好的这样说过" for n in range(1, 46)
    ]


def _first(piece: dict[str, Any]) -> int:
    number = piece["turns"][0]["number"]
    assert isinstance(number, int)
    return number


def test_long_turns_make_short_pieces_and_none_is_cut():
    text = "I really do not know. " * 70  # 1,540 characters: two are over the limit, one is not
    turns = tuple(Turn(("client", "counselor")[n % 2], text) for n in range(3))
    pieces = list(translation._pieces(turns))
    assert [[number for number, _ in piece] for piece in pieces] == [[1], [2], [3]]
    assert [turn for piece in pieces for _, turn in piece] == list(turns)


def one_short(received: Received) -> str:
    """An answer that joins the last two turns."""
    turns = json.loads(in_chinese(received))["turns"]
    return json.dumps({"turns": turns[:-1]})


def test_an_answer_with_too_few_turns_is_asked_for_again_and_may_be_mended(
    tmp_path: Path, out: Path
):
    def second(received: Received) -> str:
        return (one_short if received.time == 1 else in_chinese)(received)

    path = saved(tmp_path / "talks.jsonl", session(7))
    with LLMServer(second) as server:
        assert run(*words(server, path, out)).returncode == 0
        _, mending = server.received
    assert "there are 3: [1, 2, 3]" in mending.body["messages"][-1]["content"]
    assert len(lines(out)[0]["turns"]) == 4


def test_what_never_fits_is_set_aside_with_its_reason_and_the_others_are_kept(
    tmp_path: Path, out: Path
):
    def script(received: Received) -> Reply | str:
        number = asked(received)["turns"][0]["content"].split()[1]
        bad: dict[str, Callable[[Received], Reply | str]] = {
            "2,": one_short,
            "3,": lambda _: NOT_JSON,
        }
        return bad.get(number, in_chinese)(received)

    path = saved(tmp_path / "talks.jsonl", *(session(n) for n in (1, 2, 3, 4)))
    with LLMServer(script) as server:
        done = run(*words(server, path, out))
        assert len(server.received) == 2 + 2 * 3
        again = run(*words(server, path, out, "--overwrite"))
        assert len(server.received) == 2 + 2 * 3
    assert (done.returncode, done.stdout) == (1, again.stdout)
    closing = done.stdout.splitlines()[-1]
    assert closing.startswith(f"{out}: 2 of 4 transcripts: real_high 2; ")
    assert "; set aside: 1 breaks a rule, 1 does not fit the schema" in closing
    assert [one["id"] for one in lines(out)] == ["annomi/1", "annomi/4"]
    two, three = lines(out.with_name("T.jsonl.aside.jsonl"))
    assert (two["id"], three["id"]) == ("annomi/2", "annomi/3")
    assert "exactly the 4 numbers 1 to 4" in two["reason"]
    assert three["text"] == NOT_JSON.text
    stamp = json.loads(out.with_name("T.jsonl.stamp.json").read_text(encoding="utf-8"))
    assert stamp["counts"] == {"read": 4, "drawn": 4, "transcripts": 2, "set aside": 2}


def test_a_run_that_is_killed_leaves_no_output_and_the_same_command_ends_it(
    tmp_path: Path, out: Path
):
    path = saved(tmp_path / "talks.jsonl", *(session(n) for n in range(20)))
    ledger = out.with_name("T.jsonl.ledger.jsonl")
    with LLMServer(with_latency(in_chinese, 0.1, 0.2, seed=1)) as server:
        typed = words(server, path, out, "--concurrency", 3)
        process = subprocess.Popen(
            command(*typed), cwd=ROOT, env=environment(), stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while sum(server.answered.values()) < 6 and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()
        process.wait()
        assert 6 <= sum(server.answered.values()) < 20
        assert [each.name for each in out.parent.iterdir()] == [ledger.name]
        done = run(*typed)
        # At most the three in flight are asked again.
        assert 20 <= len(server.received) <= 20 + 3
    assert done.returncode == 0
    assert [one["id"] for one in lines(out)] == [f"annomi/{n}" for n in range(20)]


def test_only_what_was_drawn_is_translated_and_a_dry_run_tells_how_much(tmp_path: Path, out: Path):
    path = saved(tmp_path / "talks.jsonl", *(session(n) for n in range(9)))
    with LLMServer(in_chinese) as server:
        plan = run(*words(server, path, out, "--sample", 2, "--dry-run"))
        assert server.received == []
        assert not out.parent.exists()
        run(*words(server, path, out, "--sample", 2))
        assert len(server.received) == 2
    assert plan.stdout.startswith("2 requests, 0 of them answered in the ledger\n")
    assert len(lines(out)) == 2


ASKED = [
    (5, Turn("counselor", "How do you feel about your drinking?")),
    (6, Turn("client", "Dr. Miller?")),
]
GOOD = [(5, "counselor", "你自己怎么看喝酒这件事？"), (6, "client", "Dr. Miller?")]


@pytest.mark.parametrize(
    ("turns", "told"),
    [
        (GOOD, None),
        (GOOD[:1], "the 2 numbers 5 to 6 in order; there are 1: [5]"),
        ([*GOOD, (7, "counselor", "好。")], "there are 3: [5, 6, 7]"),
        (GOOD[::-1], "there are 2: [6, 5]"),
        ([GOOD[0], (6, "counselor", "米勒医生？")], "turn 6 is the client's; the role must not"),
        ([GOOD[0], (6, "client", " \n")], "turn 6 is blank"),
        ([(5, "counselor", "How do you feel?"), GOOD[1]], "turn 5 is not in Chinese"),
        (
            [(5, "counselor", "喝: how do you feel about it?"), GOOD[1]],
            "the translation is not in Chinese",
        ),
    ],
)
def test_an_answer_counts_if_it_has_the_same_turns_each_translated(turns: Any, told: str | None):
    made = [dict(zip(("number", "role", "content"), turn, strict=True)) for turn in turns]
    found = fault(Translation.model_validate({"turns": made}), ASKED)
    assert found is None if told is None else told in str(found)
