from __future__ import annotations

import asyncio
import json

import pytest

from mi_llm.door.endpoint import Endpoint
from mi_llm.door.spending import Price, Prices, Purse, estimated_tokens, read_prices
from mi_llm.errors import InputError, Stopped

PRICES = Prices("CNY", {"m": Price(input=1.0, output=10.0)})
LOCAL = "http://127.0.0.1:1/v1"


@pytest.mark.parametrize(
    ("texts", "tokens"),
    [
        ([], 0),
        (["你好。"], 3 + 4),  # a character and 。 are one token each; 4 for the message
        (["hello"], 2 + 4),  # 5 / 4, rounded up
        (["你好hello", "嗯"], 2 + 2 + 4 + 1 + 4),
    ],
)
def test_tokens_are_estimated_by_script(texts, tokens):
    assert estimated_tokens(texts) == tokens


def test_prices_are_read_per_million_tokens(tmp_path):
    path = tmp_path / "prices.json"
    path.write_text(json.dumps({"m": {"input": 1, "output": 10, "currency": "CNY"}}))
    assert read_prices(path) == PRICES
    # 2,000 in at 1 and 500 out at 10, per million: 0.002 + 0.005
    assert PRICES.cost("m", 2000, 500) == pytest.approx(0.007)
    assert PRICES.cost("unknown", 2000, 500) is None


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([], 'expected {"MODEL"'),
        ({"m": {"input": 1}}, "m: expected input and output"),
        ({"m": {"input": "cheap", "output": 1, "currency": "CNY"}}, "m: expected input and output"),
        (
            {
                "m": {"input": 1, "output": 1, "currency": "CNY"},
                "n": {"input": 1, "output": 1, "currency": "USD"},
            },
            "one currency, please; there are CNY, USD",
        ),
    ],
)
def test_a_price_file_that_is_not_one_is_refused(tmp_path, table, message):
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(table))
    with pytest.raises(InputError, match=message):
        read_prices(path)


def test_a_budget_without_a_price_is_refused():
    with pytest.raises(InputError, match="--budget needs --prices with a line for the model 'x'"):
        Endpoint(LOCAL, "x", budget=1.0, prices=PRICES)


def test_the_most_that_is_in_flight_is_held_back_and_freed_when_it_cost_less():
    async def scenario() -> list[str]:
        purse, events = Purse(PRICES, limit=0.021), []

        async def one(name: str) -> None:
            async with purse.reserved("m", (0, 1000)):  # 0.01 at most
                events.append(f"{name} begins")
                await asyncio.sleep(0.02)
                purse.pay("m", (0, 100))  # 0.001 in fact
            events.append(f"{name} ends")

        await asyncio.gather(*map(one, "abcd"))
        return events

    events = asyncio.run(scenario())
    # Two at once are within the limit, a third waits until one of them has cost less.
    assert events[:2] == ["a begins", "b begins"]
    assert events[2].endswith("ends")
    assert len(events) == 8


def test_what_would_pass_the_limit_though_nothing_is_in_flight_stops():
    async def scenario() -> None:
        purse = Purse(PRICES, limit=0.02)
        purse.pay("m", (0, 1500))
        async with purse.reserved("m", (0, 1000)):
            raise AssertionError

    with pytest.raises(Stopped, match=r"budget: 0.0150 of 0.02 CNY are spent.* may cost 0.0100"):
        asyncio.run(scenario())
