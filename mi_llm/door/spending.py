"""Tokens and money: what requests may cost before they are sent, and what answers did cost.

The estimate of tokens before sending is one for each Chinese, Japanese or Korean character and one
for every four others: for planning and for what is in flight, never for what was spent.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from mi_llm import jsonl
from mi_llm.errors import InputError, Stopped

_WIDE = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")
_MILLION = 1_000_000
_OF_MESSAGE = 4  # tokens that a chat template puts around a message, about


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs, in money per million tokens."""

    input: float
    output: float

    def of(self, tokens_in: int, tokens_out: int) -> float:
        """Money for so many tokens."""
        return (tokens_in * self.input + tokens_out * self.output) / _MILLION


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices by model, all in one currency."""

    currency: str
    by_model: Mapping[str, Price]

    def cost(self, model: str, tokens_in: int, tokens_out: int) -> float | None:
        """Money for so many tokens; None for a model without a price."""
        price = self.by_model.get(model)
        return price.of(tokens_in, tokens_out) if price else None


def read_prices(path: Path) -> Prices:
    """Read `{"MODEL": {"input": 2.0, "output": 8.0, "currency": "CNY"}}`, per million tokens.

    Raises:
        InputError: If it is not that, or names more than one currency.
    """
    table = jsonl.read_json(path)
    if not isinstance(table, dict) or not table:
        raise InputError(f'{path}: expected {{"MODEL": {{"input", "output", "currency"}}}}')
    by_model, currencies = {}, set()
    for model, row in table.items():
        try:
            by_model[model] = Price(float(row["input"]), float(row["output"]))
            currencies.add(str(row["currency"]))
        except (KeyError, OverflowError, TypeError, ValueError):
            raise InputError(
                f"{path}: {model}: expected input and output, per million tokens, and currency"
            ) from None
    if len(currencies) > 1:
        raise InputError(f"{path}: one currency, please; there are {', '.join(sorted(currencies))}")
    return Prices(currencies.pop(), by_model)


def estimated_tokens(texts: Iterable[str]) -> int:
    """About how many tokens the contents of messages are, what a template adds included."""
    total = 0
    for text in texts:
        wide = len(_WIDE.findall(text))
        total += wide + -(-(len(text) - wide) // 4) + _OF_MESSAGE
    return total


class Purse:
    """What a ledger's answers have cost, and what those in flight may cost at most.

    Args:
        prices: None if nothing is known; then nothing costs anything and there is no limit.
        limit: Money for all answers of the ledger together, other processes' too; None is none.
    """

    def __init__(self, prices: Prices | None, limit: float | None) -> None:
        self._prices, self._limit = prices, limit
        self.spent = 0.0
        self._reserved, self._in_flight = 0.0, 0
        self._changed = asyncio.Condition()

    def cost(self, model: str, tokens: tuple[int, int]) -> float:
        """What an answer costs; 0 for a model without a price."""
        return (self._prices.cost(model, *tokens) if self._prices else None) or 0.0

    def pay(self, model: str, tokens: tuple[int, int]) -> None:
        """Count an answer as paid."""
        self.spent += self.cost(model, tokens)

    @asynccontextmanager
    async def reserved(self, model: str, tokens: tuple[int, int]) -> AsyncIterator[None]:
        """Hold back the most that an answer can cost until it is paid or has failed.

        Raises:
            Stopped: If it would pass the limit even when all that is in flight costs nothing more.
        """
        most = self.cost(model, tokens)
        async with self._changed:
            await self._changed.wait_for(lambda: self._fits(most) or not self._in_flight)
            if not self._fits(most):
                raise Stopped(self._gone(most))
            self._reserved += most
            self._in_flight += 1
        try:
            yield
        finally:
            async with self._changed:
                self._reserved -= most
                self._in_flight -= 1
                self._changed.notify_all()

    def _fits(self, most: float) -> bool:
        return self._limit is None or self.spent + self._reserved + most <= self._limit

    def _gone(self, most: float) -> str:
        currency = self._prices.currency if self._prices else ""
        return (
            f"budget: {self.spent:.4f} of {self._limit:g} {currency} are spent and the next answer"
            f" may cost {most:.4f}; raise --budget"
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would ask, before it asks anything.

    Attributes:
        requests: All of them.
        held: Those whose first answer is in the ledger.
        tokens_in: Estimate for the rest, each asked once.
        tokens_out: The most the rest can get, each asked once.
        cost: The most the rest can cost; None without a price.
        currency: Of the cost.
    """

    requests: int
    held: int
    tokens_in: int
    tokens_out: int
    cost: float | None
    currency: str

    def lines(self) -> list[str]:
        """The plan for people."""
        money = "unknown (no price)" if self.cost is None else f"{self.cost:.2f} {self.currency}"
        return [
            f"{self.requests:,} requests, {self.held:,} of them answered in the ledger",
            f"to ask: {self.requests - self.held:,}, about {self.tokens_in:,} tokens in"
            f" (Chinese 1 a character, other text 1 for 4), at most {self.tokens_out:,} out",
            f"cost at most: {money}; up to three times that if every answer has to be asked again",
            "nothing was sent",
        ]
