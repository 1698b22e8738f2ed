from __future__ import annotations

import sys

import pytest

from mi_llm import cli
from mi_llm.errors import InputError
from mi_llm.publishing import command_line
from mi_llm.secret_settings import is_secret, without_secrets
from tests.commands import run_here


@pytest.mark.parametrize(
    "name",
    [
        *("hf_hub_token", "swanlab_api_key", "swanlab_lark_secret", "swanlab_lark_webhook_url"),
        *("api_key", "apiKey", "APIKEY", "API-Key", "X-Api-Key", "key", "HF_TOKEN", "accessToken"),
        *("Authorization", "password", "client_secret", "Cookie", "Ocp-Apim-Subscription-Key"),
    ],
)
def test_a_setting_that_holds_a_secret_is_known_by_its_name(name: str):
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        *("max_tokens", "max_new_tokens", "new_special_tokens", "stop_token_ids", "eos_token"),
        *("tokenizer", "prompt_cache_key", "keyboard", "monkey", "enable_thinking", "secretary"),
    ],
)
def test_other_settings_are_not_taken_for_secrets(name: str):
    assert not is_secret(name)


@pytest.mark.parametrize(
    ("text", "cleared"),
    [
        ("m=http://me:pw@host/v1 and more", "m=http://***@host/v1 and more"),
        (
            "https://h/v1?api-version=2&api_key=abc&x=1",
            "https://h/v1?api-version=2&api_key=***&x=1",
        ),
        ("Authorization: Bearer abcdefgh12345", "Authorization: ***"),
        ("sk-abcdefghijkl1234 there", "*** there"),
        ("the key of-this-machine it is", "the key *** it is"),
        ("写给 li@example.org, data/sk-1.json", "写给 li@example.org, data/sk-1.json"),
    ],
)
def test_a_text_is_cleared_of_secrets(monkeypatch: pytest.MonkeyPatch, text: str, cleared: str):
    monkeypatch.setenv("OPENAI_API_KEY", "of-this-machine")
    assert without_secrets(text) == cleared


def test_neither_a_stamp_nor_an_error_line_repeats_a_secret(monkeypatch: pytest.MonkeyPatch):
    typed = ["eval/__main__.py", "predict", "--base-url", "http://me:pw@host/v1"]
    monkeypatch.setattr(sys, "argv", typed)
    assert command_line() == "python -m eval predict --base-url 'http://***@host/v1'"
    app = cli.command_group("A test.")

    @app.command()
    def fail() -> None:
        raise InputError("http://me:pw@host/v1:\n cannot be\u2028reached")

    done = run_here(app, environment={})
    assert (done.returncode, done.stderr) == (2, "http://***@host/v1:  cannot be reached\n")
