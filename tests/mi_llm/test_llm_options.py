import json
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from mi_llm.door.endpoint import Endpoint
from mi_llm.door.spending import Price, Prices
from mi_llm.errors import InputError
from mi_llm.llm_options import DEFAULT_BASE_URL, Asking, asking_from, asks_a_model


def test_without_options_the_endpoint_is_this_machine_with_masking():
    plain = Endpoint("http://127.0.0.1:8000/v1", "m")
    assert asking_from("m") == Asking(plain, dry_run=False, again=False)
    assert Endpoint(DEFAULT_BASE_URL, "m").mask


def test_every_option_reaches_the_endpoint(tmp_path):
    prices = tmp_path / "prices.json"
    prices.write_text(json.dumps({"m": {"input": 1, "output": 2, "currency": "CNY"}}))
    made = asking_from(
        "m",
        "https://api.example.org/v1",
        concurrency=64,
        rpm=300,
        temperature=-1,
        max_tokens=99,
        max_completion_tokens=True,
        extra='{"enable_thinking": false}',
        timeout=9,
        allow_host=["api.example.org"],
        insecure_http=True,
        no_mask=True,
        prices=prices,
        budget=5,
        dry_run=True,
        again=True,
    )
    endpoint = Endpoint(
        "https://api.example.org/v1",
        "m",
        concurrency=64,
        rpm=300,
        temperature=None,
        max_tokens=99,
        new_token_limit=True,
        extra={"enable_thinking": False},
        timeout=9,
        allow_hosts=("api.example.org",),
        insecure_http=True,
        mask=False,
        prices=Prices("CNY", {"m": Price(1, 2)}),
        budget=5,
    )
    assert made == Asking(endpoint, dry_run=True, again=True)


@pytest.mark.parametrize("extra", ["enable_thinking=false", "[]", ""])
def test_more_of_the_body_that_is_no_object_is_refused(extra):
    with pytest.raises(InputError, match=r"--extra .*: expected a JSON object"):
        asking_from("m", extra=extra)


def test_parameters_that_hold_a_secret_are_not_repeated_where_they_are_refused():
    for extra in ('{"api_key": "hunter2"', '{"headers": {"Authorization": "hunter2"}}'):
        with pytest.raises(InputError) as refused:
            asking_from("m", extra=extra)
        assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("option", ["concurrency", "max_tokens", "timeout"])
def test_a_number_beyond_all_use_is_refused_by_its_option(option):
    huge: dict[str, Any] = {option: 10**400}
    with pytest.raises(InputError, match=f"--{option.replace('_', '-')} 10*: must be at most"):
        Endpoint(DEFAULT_BASE_URL, "m", **huge)


@pytest.mark.parametrize("option", ["concurrency", "rpm", "max_tokens", "timeout"])
def test_a_number_that_must_be_above_0_is_refused_by_its_option(option):
    zero: dict[str, Any] = {option: 0}
    with pytest.raises(InputError, match=f"--{option.replace('_', '-')} 0: must be above 0"):
        Endpoint(DEFAULT_BASE_URL, "m", **zero)


def test_a_command_gets_its_own_parameters_and_what_the_options_say():
    got: dict[str, Any] = {}

    @asks_a_model(max_tokens=77)
    def command(
        path: Annotated[Path, typer.Argument(help="A file.")],
        asking: Asking,
        twice: Annotated[bool, typer.Option("--twice")] = False,
    ) -> None:
        """Do it."""
        got.update(path=path, asking=asking, twice=twice)

    app = typer.Typer()
    app.command()(command)
    done = CliRunner().invoke(app, ["a.json", "--model", "m", "--twice", "--rpm", "5"])
    assert done.exit_code == 0, done.output
    endpoint = Endpoint(DEFAULT_BASE_URL, "m", rpm=5, max_tokens=77)
    assert got == {"path": Path("a.json"), "asking": Asking(endpoint, False, False), "twice": True}
    help_text = CliRunner().invoke(app, ["--help"]).output
    assert "Do it." in help_text
    assert "--max-tokens" in help_text
    assert "--asking" not in help_text
    missing = CliRunner().invoke(app, ["a.json"])
    assert missing.exit_code == 2
    assert "--model" in missing.output
