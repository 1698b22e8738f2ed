"""`python -m eval predict` against a real server on loopback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import eval as evaluation
from eval.__main__ import app
from eval.predict import MARGINS, messages
from eval.runs import read_run
from mi_llm import cli
from mi_llm.secret_settings import KEY_VARIABLES
from mi_llm.validation import usual_columns
from tests.llm_server import LLMServer, Received, Reply, Script, failed, with_latency

ROOT = Path(evaluation.__file__).resolve().parent.parent
KEY = "sk-test-not-to-be-seen"
Command = Callable[..., "Done"]


class Done:
    """How a command ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


def row(name: str, turn: str, reply: str, *history: list[str]) -> dict[str, Any]:
    return {
        "id": name,
        "instruction": "请回应。",
        "input": turn,
        "output": reply,
        "history": list(history),
    }


FIRST = ["我想少抽一点。", "你在盘算了。"]
ROWS = [
    row("a#1", FIRST[0], FIRST[1]),
    row("b#1", "睡不着。", "夜里很难熬。"),
    row("a#3", "早上咳。", "身体在提醒你。", FIRST, ["也不全是。", "还有别的。"]),
    row("a#2", "也不全是。", "还有别的。", FIRST),
]


def reply_of(received: Received) -> str:
    """A reply that tells which row was asked: by its last turn."""
    return f"听到了：{received.body['messages'][-1]['content'].splitlines()[-1]}"


def last_turn(received: Received) -> str:
    return str(received.body["messages"][-1]["content"].splitlines()[-1])


def saying(replies: dict[str, Reply | str]) -> Script:
    """The script with other replies to some last turns."""
    return lambda received: replies.get(last_turn(received), reply_of(received))


def saved(path: Path, rows: list[Any]) -> Path:
    path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    return path


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def stamp(folder: Path) -> Any:
    return json.loads(folder.with_name("predict.stamp.json").read_text(encoding="utf-8"))


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return saved(tmp_path / "rows.json", ROWS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "glm4_lora" / "predict"


@pytest.fixture
def evaluate(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs the command line to its end, in this process."""
    for name in KEY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MI_LLM_API_KEY", KEY)

    def run(*words: object) -> Done:
        monkeypatch.setattr("sys.argv", ["eval/__main__.py", *map(str, words)])
        code: object = 0
        try:
            cli.run(app)
        except SystemExit as end:
            code = end.code
        return Done(code if isinstance(code, int) else 0, *capsys.readouterr())

    return run


def predict(server: LLMServer, rows: Path, folder: Path, *more: object) -> list[object]:
    where = ["--base-url", server.base_url, "--model", "tester"]
    return ["predict", rows, "-o", folder, *where, *more]


def test_replies_stand_in_row_order_and_are_asked_dialogue_by_dialogue(evaluate, rows, folder):
    with LLMServer(reply_of) as server:
        done = evaluate(*predict(server, rows, folder, "--concurrency", 1))
        asked = [last_turn(received) for received in server.received]
        bodies = [received.body for received in server.received]
    assert (done.code, done.err) == (0, "")
    assert done.out == f"{folder}: 4 rows: none empty, none cut off\n"
    # Dialogue a in the order of its rounds, though the file has b between and round 3 before 2.
    assert asked == ["我想少抽一点。", "也不全是。", "早上咳。", "睡不着。"]
    third = [
        {"role": "user", "content": "我想少抽一点。"},
        {"role": "assistant", "content": "你在盘算了。"},
        {"role": "user", "content": "也不全是。"},
        {"role": "assistant", "content": "还有别的。"},
        {"role": "user", "content": "请回应。\n早上咳。"},
    ]
    assert bodies[2] == {
        "model": "tester", "messages": third, "temperature": 0, "max_tokens": 512
    }  # fmt: skip
    found = lines(folder / "generated_predictions.jsonl")
    assert [list(one) for one in found] == [["prompt", "predict", "label"]] * 4
    assert [one["predict"] for one in found] == [
        "听到了：我想少抽一点。", "听到了：睡不着。", "听到了：早上咳。", "听到了：也不全是。"
    ]  # fmt: skip
    assert [one["label"] for one in found] == [one["output"] for one in ROWS]
    assert json.loads(found[2]["prompt"]) == third


def test_score_and_report_read_it_like_any_other_run(evaluate, rows, folder):
    with LLMServer(saying({"早上咳。": "身体在提醒你。", "睡不着。": " \n"})) as server:
        assert evaluate(*predict(server, rows, folder)).code == 0
        port = server.port
    predictions = folder / "generated_predictions.jsonl"
    scores = folder / "scores.json"
    done = evaluate("score", predictions, "--rows", rows, "-o", scores)
    assert done.code == 0, done.err
    per_row = json.loads(scores.read_text(encoding="utf-8"))["per_row"]
    assert per_row[1]["lf"] == {"bleu4": 0, "rouge1": 0, "rouge2": 0, "rougeL": 0}
    assert per_row[2]["lf"]["bleu4"] == 100
    run = read_run(folder)
    assert (run.model, run.variant, run.is_stand_in) == ("glm4", "lora", False)
    made = run.stamps["prediction"]
    assert made["backend"].startswith("an OpenAI-compatible server")
    assert made["server"]["base_url"] == f"http://127.0.0.1:{port}/v1"
    assert made["counts"] == {
        "rows": 4, "dialogues": 2, "empty": 1, "cut_off": 0, "refused": 0, "thoughts": 0,
    }  # fmt: skip
    held = [path for path in folder.parent.rglob("*") if path.is_file()]
    assert len(held) == 6  # predictions, settings, ledger, stamp; scores and their stamp
    assert not [path for path in held if KEY.encode() in path.read_bytes()]


def test_a_system_prompt_stands_at_the_head(evaluate, tmp_path, folder):
    told = {"id": "a#1", "system": "请。", "input": "嗯。", "output": "好。", "history": [FIRST]}
    with LLMServer(reply_of) as server:
        done = evaluate(*predict(server, saved(tmp_path / "rows.json", [told]), folder))
        assert done.code == 0, done.err
        assert server.received[0].body["messages"] == [
            {"role": "system", "content": "请。"},
            {"role": "user", "content": "我想少抽一点。"},
            {"role": "assistant", "content": "你在盘算了。"},
            {"role": "user", "content": "嗯。"},
        ]


@pytest.mark.train
@pytest.mark.parametrize(
    "one",
    [
        *ROWS,
        {"instruction": "", "input": "嗯。", "output": "好。", "history": []},
        {"instruction": "嗯。", "input": "", "output": "好。", "history": []},
        {"instruction": "请", "input": " 嗯\n", "output": "好", "history": [], "system": "你"},
        {"system": "你。", "input": "嗯。", "output": "好。", "history": [FIRST]},
        {"system": "", "input": "嗯。", "output": "好。", "history": [FIRST]},
    ],
    ids=str,
)
def test_messages_are_those_of_llamafactorys_converter(one):
    pytest.importorskip("llamafactory")
    from llamafactory.data.converter import AlpacaDatasetConverter
    from llamafactory.data.parser import DatasetAttr
    from llamafactory.hparams import DataArguments

    columns = usual_columns([one])
    attributes = DatasetAttr("file", "rows")
    attributes.prompt, attributes.query = columns.prompt, columns.query
    attributes.response, attributes.history = columns.response, columns.history
    attributes.system = columns.system
    shown = AlpacaDatasetConverter(attributes, DataArguments())(one)
    head = [{"role": "system", "content": shown["_system"]}] if shown["_system"] else []
    assert list(messages(one, columns)) == [*head, *shown["_prompt"]]


@pytest.mark.train
def test_margins_are_those_of_llamafactorys_templates():
    pytest.importorskip("llamafactory")
    from llamafactory.data.template import TEMPLATES

    for name, margins in MARGINS.items():
        # Slots that are text; special tokens, which decoding leaves out, are {...} or <|...|>.
        slots = [one for one in TEMPLATES[name].format_assistant.slots if isinstance(one, str)]
        before, behind = "".join(slots).split("{{content}}")
        assert (before, behind.replace("<|eot_id|>", "").replace("<|im_end|>", "")) == margins


def test_labels_can_have_the_templates_margins(evaluate, rows, folder):
    with LLMServer(lambda received: f"\n{reply_of(received)}") as server:
        assert evaluate(*predict(server, rows, folder, "--template", "glm4")).code == 0
    first = lines(folder / "generated_predictions.jsonl")[0]
    assert (first["predict"], first["label"]) == ("\n听到了：我想少抽一点。", "\n你在盘算了。")
    assert stamp(folder)["labels"] == "as template glm4 writes them"


def test_what_a_killed_run_has_is_not_asked_again_and_the_file_is_the_same(
    evaluate, tmp_path, folder
):
    turns = [row(f"{n % 7}#{n}", f"第{n}句。", f"回{n}。") for n in range(60)]
    rows, count = saved(tmp_path / "rows.json", turns), len(turns)
    ledger = folder.with_name("predict.ledger.jsonl")
    whole = tmp_path / "whole_lora" / "predict"
    cut = Reply("断", finish_reason="length", usage=False)
    odd = saying({"第3句。": "  ", "第4句。": cut})
    with LLMServer(with_latency(odd, 0.03, 0.09, seed=2)) as server:
        words = [str(word) for word in predict(server, rows, folder, "--concurrency", 4)]
        process = subprocess.Popen(
            [sys.executable, "-m", "eval", *words], cwd=ROOT, env={**os.environ, "COLUMNS": "200"}
        )
        until = time.monotonic() + 60
        while not ledger.exists() or ledger.read_bytes().count(b"\n") < 20:
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(0.3)  # whatever was in flight has reached the server
        assert not (folder / "generated_predictions.jsonl").exists()
        held = [json.loads(line)["id"] for line in ledger.read_bytes().split(b"\n")[:-1]]
        assert 20 <= len(held) < count
        seen = len(server.received)
        done = evaluate(*words)
        assert done.code == 0, done.err
        later = {last_turn(received) for received in server.received[seen:]}
        assert len(server.received) - seen == count - len(held)
        assert not later & {one["input"] for one in turns if one["id"] in held}
        assert evaluate(*predict(server, rows, whole)).code == 0
    resumed, uninterrupted = (
        (one / "generated_predictions.jsonl").read_bytes() for one in (folder, whole)
    )
    assert resumed == uninterrupted
    assert done.out == (
        f"{folder}: 60 rows: 1 empty, 1 cut off at 512 tokens\n"
        f"{len(held)} replies were in {ledger} already\n"
    )
    assert stamp(folder)["counts"] == stamp(whole)["counts"]


def test_blank_and_cut_off_replies_are_asked_once_kept_and_counted(evaluate, rows, folder):
    limit = 5  # tokens; the server counts characters
    script = saying(
        {
            "我想少抽一点。": Reply(""),
            "睡不着。": Reply("夜里很难", finish_reason="length"),  # 4: ended by another token
            "早上咳。": Reply("咳咳咳咳咳", finish_reason="length"),
            "也不全是。": Reply("\n\n\n\n\n", finish_reason="length"),
        }
    )
    with LLMServer(script, model="tester", owner="owner") as server:  # LLaMA-Factory's
        done = evaluate(*predict(server, rows, folder, "--max-tokens", limit))
        assert len(server.received) == 4
    assert (done.code, done.err) == (0, "")
    assert done.out == f"{folder}: 4 rows: 2 empty, 2 cut off at 5 tokens\n"
    found = lines(folder / "generated_predictions.jsonl")
    assert [one["predict"] for one in found] == ["", "夜里很难", "咳咳咳咳咳", "\n\n\n\n\n"]
    assert stamp(folder)["rows_cut_off"] == [2, 3]


def test_what_the_service_refuses_is_empty_and_told(evaluate, rows, folder):
    script = saying({"睡不着。": Reply("夜", finish_reason="content_filter")})
    with LLMServer(script) as server:
        done = evaluate(*predict(server, rows, folder))
        assert len(server.received) == 4
    assert done.out == f"{folder}: 4 rows: 1 refused by the service and written as empty\n"
    assert lines(folder / "generated_predictions.jsonl")[1]["predict"] == ""
    made = stamp(folder)
    assert (made["rows_refused"], made["counts"]["empty"]) == ([1], 0)


def test_without_a_reply_to_every_row_nothing_is_written_and_the_rest_is_kept(
    evaluate, rows, folder
):
    with LLMServer(saying({"早上咳。": failed(400, message="too long")})) as server:
        done = evaluate(*predict(server, rows, folder))
    assert (done.code, done.out) == (1, "")
    told = done.err.splitlines()
    assert told[0].startswith("row 2: no answer: ")
    assert "too long" in told[0]
    assert told[1:] == [
        f"{folder}: 1 of 4 rows without a reply, so nothing was written; "
        "the same command asks for these again"
    ]
    assert [path.name for path in folder.iterdir()] == ["generation_settings.json"]
    assert not folder.with_name("predict.stamp.json").exists()
    with LLMServer(reply_of) as server:
        assert evaluate(*predict(server, rows, folder)).code == 0
        assert [last_turn(received) for received in server.received] == ["早上咳。"]


@pytest.mark.parametrize(
    ("other", "change"),
    [
        (["--max-tokens", 256], "max_tokens 512, now 256"),
        (["--temperature", 0.7], "temperature 0.0, now 0.7"),
        (["--temperature", -1], "temperature 0.0, now not set"),
        (["--model", "else"], 'model "tester", now "else"'),
        (["--mask"], 'personal_data "as it is", now "masked"'),
        (["--extra", '{"top_k": 1}'], "top_k not set, now 1"),
        (
            ["--max-tokens", 9, "--extra", '{"top_k": 1}'],
            "max_tokens 512, now 9; top_k not set, now 1",
        ),
    ],
    ids=str,
)
def test_other_settings_are_refused_by_name(evaluate, rows, folder, other, change):
    down = saying({"早上咳。": failed(400)})
    with LLMServer(down) as server:
        assert evaluate(*predict(server, rows, folder)).code == 1
        sent = len(server.received)
        done = evaluate(*predict(server, rows, folder, *other))
        assert len(server.received) == sent
    assert done.code == 2
    assert done.err == (
        f"{folder}: begun with {change}; take another -o, or --overwrite to begin anew\n"
    )


def test_other_rows_are_refused_and_a_new_port_is_not(evaluate, rows, folder, tmp_path):
    with LLMServer(saying({"早上咳。": failed(400)})) as server:
        assert evaluate(*predict(server, rows, folder)).code == 1
        done = evaluate(*predict(server, saved(tmp_path / "few.json", ROWS[:2]), folder))
        assert done.code == 2
        assert "begun with rows_sha256" in done.err
    with LLMServer(reply_of) as server:
        assert evaluate(*predict(server, rows, folder)).code == 0
        assert len(server.received) == 1


def test_overwriting_with_other_settings_leaves_nothing_of_the_old_ones(evaluate, rows, folder):
    predictions = folder / "generated_predictions.jsonl"
    with LLMServer(reply_of) as server:
        assert evaluate(*predict(server, rows, folder)).code == 0
        done = evaluate(*predict(server, rows, folder))
        assert (done.code, done.err) == (
            2,
            f"{predictions}: exists; add --overwrite to replace it\n",
        )
    with LLMServer(saying({"早上咳。": failed(400)})) as server:
        words = predict(server, rows, folder, "--max-tokens", 9, "--overwrite")
        assert evaluate(*words).code == 1
        assert not predictions.exists()  # it would pass for one with 9 tokens
        settings = json.loads((folder / "generation_settings.json").read_text(encoding="utf-8"))
        assert settings["max_tokens"] == 9


def test_a_folder_with_another_runs_files_is_refused(evaluate, rows, folder):
    folder.mkdir(parents=True)
    (folder / "all_results.json").write_text("{}")
    with LLMServer(reply_of) as server:
        done = evaluate(*predict(server, rows, folder, "--overwrite"))
        assert not server.received
    assert (done.code, done.err) == (
        2,
        f"{folder}: holds another run's all_results.json; give a folder of its own with -o\n",
    )


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([ROWS[0], ROWS[1], ROWS[0]], "row 2: its id 'a#1' is that of row 0 too"),
        ([{**ROWS[0], "id": 7}], "row 0: 'id' is no text"),
        ([ROWS[0], {**ROWS[1], "history": [["a"]]}], "row 1: 'history'[0] has 1 entries"),
        ([ROWS[0], {**ROWS[1], "output": None}], "row 1: 'output' is null"),
        (
            [ROWS[0], {"": "请回应。", "input": "嗯。", "output": "好。", "history": []}],
            "row 1: key '' where 'instruction' is expected",
        ),
        ([{**ROWS[0], "instruction": "", "input": " "}], "nothing but blanks"),
        ([], "holds no row"),
    ],
    ids=["same id", "number", "half a pair", "no output", "misnamed key", "blank", "empty"],
)
def test_bad_rows_are_refused_before_anything_is_asked(evaluate, tmp_path, folder, rows, message):
    with LLMServer(reply_of) as server:
        done = evaluate(*predict(server, saved(tmp_path / "rows.json", rows), folder))
        assert not server.received
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert f"{tmp_path / 'rows.json'}" in done.err
    assert message in done.err
    assert not folder.parent.exists()


PERSONAL = [row("a#1", "打我电话13800138000。", "好，记下13800138000。")]


@pytest.mark.parametrize(
    ("words", "seen"),
    [([], "13800138000"), (["--no-mask"], "13800138000"), (["--mask"], "【电话】")],
    ids=str,
)
def test_on_this_machine_the_model_sees_the_rows_as_they_are(
    evaluate, tmp_path, folder, words, seen
):
    with LLMServer(reply_of) as server:
        done = evaluate(*predict(server, saved(tmp_path / "r.json", PERSONAL), folder, *words))
        asked = last_turn(server.received[0])
    assert done.code == 0
    assert asked == f"打我电话{seen}。"
    found = lines(folder / "generated_predictions.jsonl")[0]
    assert json.loads(found["prompt"])[-1]["content"].endswith(asked)
    assert found["label"] == "好，记下13800138000。"
    masked = {"phone": 1} if words == ["--mask"] else {}
    assert stamp(folder)["server"]["masked"] == masked
    assert ("masked in what was sent: 1 phone" in done.out) == bool(masked)


@pytest.mark.parametrize(("words", "mask"), [([], True), (["--no-mask"], False)], ids=str)
def test_what_leaves_the_machine_is_masked_unless_told_otherwise(
    evaluate, tmp_path, folder, monkeypatch, words, mask
):
    class Left(Exception):  # noqa: N818 ends the command where requests would go out
        """What would have been sent, and to whom."""

    def ask_all(requests, endpoint, *_, **__):
        raise Left(endpoint.host, endpoint.mask)

    monkeypatch.setattr("mi_llm.llm.ask_all", ask_all)
    where = ["--base-url", "https://gpu.example/v1", "--allow-host", "gpu.example"]
    rows = saved(tmp_path / "rows.json", PERSONAL)
    with pytest.raises(Left) as left:
        evaluate("predict", rows, "-o", folder, *where, "--model", "mi", *words)
    assert left.value.args == ("gpu.example", mask)


def test_a_dry_run_tells_and_makes_nothing(evaluate, rows, folder):
    with LLMServer(reply_of) as server:
        done = evaluate(*predict(server, rows, folder, "--dry-run"))
        assert not server.received
    assert (done.code, done.err) == (0, "")
    assert "4" in done.out
    assert not folder.parent.exists()


def test_an_unknown_template_is_refused(evaluate, rows, folder):
    with LLMServer(reply_of) as server:
        done = evaluate(*predict(server, rows, folder, "--template", "chatml"))
    assert done.code == 2
    assert done.err.startswith("--template chatml: ")
