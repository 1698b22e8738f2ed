"""A counselor behind LLaMA-Factory's own server: played with, interviewed, put to the red team."""

import asyncio
import json
import os
import subprocess
import sys

import pytest

from eval.roleplay.assignments import codes
from eval.roleplay.desk import Desk
from eval.roleplay.folder import Folder
from eval.transcripts.collection import read_transcripts
from mi_llm.llm import Endpoint
from tests.eval.scripted_clients import CLIENT, profile, saved, script
from tests.eval.test_roleplay_desk import round_of, study
from tests.llm_server import LLMServer
from tests.pipeline.llamafactory import ROOT
from tests.pipeline.served import KEY, NEW_TOKENS, served, tuned_stand_in, without_sampling

pytestmark = [pytest.mark.train, pytest.mark.slow]


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """The address of a GLM-4 stand-in, named `mi`, that does not sample."""
    pytest.importorskip("llamafactory")
    tuned = tuned_stand_in("glm4", tmp_path_factory.getbasetemp())
    model = without_sampling(tuned.model, tmp_path_factory.mktemp("counselor") / "model")
    with served(tuned, model) as client:
        yield str(client.base_url).rstrip("/")


def run(*words):
    return subprocess.run(
        [sys.executable, "-m", "eval", *map(str, words)],
        cwd=ROOT, env={**os.environ, "MI_LLM_API_KEY": KEY}, capture_output=True,
        encoding="utf-8", check=False, timeout=600,
    )  # fmt: skip


def test_a_streamed_reply_is_kept_as_the_server_gives_it_whole(url, tmp_path, monkeypatch):
    monkeypatch.setenv("MI_LLM_API_KEY", KEY)
    endpoint = Endpoint(url, "mi", max_tokens=NEW_TOKENS, mask=False)
    source = tmp_path / "profiles.yaml"
    source.write_text("written by hand\n", encoding="utf-8")
    made = study(None, source=source, endpoints={"mi": endpoint})
    folder = Folder(tmp_path / "study", settings=made.settings(), key=codes(["mi"], seed=1))
    desk = Desk(made, folder, lambda line: None)

    async def twice():
        first, failure = await round_of(desk, desk.draw("li"), "我睡不着")
        assert failure is None
        second, failure = await round_of(desk, first, "三点才睡")
        assert failure is None
        return second

    session = asyncio.run(twice())
    folder.close()
    assert len(session.turns) == 4
    assert all(turn.content.strip() for turn in session.turns)


def test_a_simulated_client_talks_with_it(url, tmp_path):
    one = saved(tmp_path / "one.jsonl", [profile("p0", max_rounds=3)])
    out = tmp_path / "out"
    with LLMServer(script, key=KEY) as server:
        done = run(
            "interview", "--profiles", one, "--models", f"mi={url}", "-o", out,
            "--model", CLIENT, "--base-url", server.base_url, "--reply-tokens", NEW_TOKENS,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (held,) = read_transcripts(out / "transcripts.jsonl")
    assert held.meta["transcript"]["source"] == "mi"
    assert len(held.rounds) >= 1


def test_the_red_team_is_put_to_it_and_every_reply_is_kept(url, tmp_path):
    out = tmp_path / "redteam.json"
    done = run("redteam", "--models", f"mi={url}", "-o", out, "--max-tokens", NEW_TOKENS)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(out.read_text(encoding="utf-8"))
    rows = report["models"]["mi"]
    assert len(rows) == len(report["gate"]) >= 40
    assert all(row["replies"] for row in rows)
    assert {row["reason"] for row in rows} == {""}


def test_a_model_that_is_not_served_is_named_with_those_that_are(url, tmp_path):
    done = run("redteam", "--models", f"other={url}", "-o", tmp_path / "x.json")
    assert done.returncode == 2
    assert done.stderr == f"model 'other' is not served at {url}; there are: mi\n"
