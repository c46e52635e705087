"""Costs of a span's tokens, by the price table that the user gives."""

from __future__ import annotations

from collections.abc import Mapping

from tracetape.entities import LiveSpan
from tracetape.entities.span import record_of
from tracetape.exceptions import InvalidTypeError, InvalidValueError

__all__ = ["check_prices", "cost_of", "set_cost"]

_PER = 1_000_000  # prices are for a million tokens
_NAMES = ("input", "output", "cached_input", "cache_creation")


def check_prices(table: object) -> None:
    """Refuse a price table that would give wrong costs.

    Raises:
        InvalidTypeError: it, or one of its entries, is not a mapping, or a price is not a number.
        InvalidValueError: a price has a name that we do not know, or is negative or not finite.
    """
    example = '{"model": {"input": 2.5, "output": 10}}, in US dollars per million tokens'
    if not isinstance(table, Mapping):
        raise InvalidTypeError(f"prices takes a dict, not {table!r}: {example}")
    for model, prices in table.items():
        if not isinstance(prices, Mapping):
            raise InvalidTypeError(f"the prices of {model!r} are {prices!r}; write {example}")
        for name, price in prices.items():
            if name not in _NAMES:
                known = ", ".join(_NAMES)
                raise InvalidValueError(f"unknown price {name!r} of {model!r}; choose from {known}")
            if isinstance(price, bool) or not isinstance(price, (int, float)):
                raise InvalidTypeError(f"the price {name!r} of {model!r} is {price!r}, no number")
            if not 0 <= price < float("inf"):
                raise InvalidValueError(f"the price {name!r} of {model!r} is {price!r}")


def cost_of(usage: Mapping[str, int], prices: Mapping[str, float]) -> dict[str, float]:
    """``input_cost``, ``output_cost`` and ``total_cost`` in US dollars.

    Args:
        usage: neutral token counts; ``input_tokens`` include the cached ones.
        prices: for a million tokens: ``input``, ``output``, and ``cached_input`` and
            ``cache_creation`` where they differ from ``input``.
    """
    fresh = prices.get("input", 0.0)
    read = usage.get("cache_read_input_tokens", 0)
    created = usage.get("cache_creation_input_tokens", 0)
    other = max(0, usage.get("input_tokens", 0) - read - created)
    input_cost = (
        other * fresh
        + read * prices.get("cached_input", fresh)
        + created * prices.get("cache_creation", fresh)
    ) / _PER
    output_cost = usage.get("output_tokens", 0) * prices.get("output", 0.0) / _PER
    total = input_cost + output_cost
    return {"input_cost": input_cost, "output_cost": output_cost, "total_cost": total}


def set_cost(span: LiveSpan, table: Mapping[str, Mapping[str, float]]) -> None:
    """Record the cost of a span that ended, unless it has one or its model has no price."""
    fields = record_of(span).fields
    if not fields or "cost" in fields or not fields.get("usage"):
        return
    prices = table.get(fields.get("model") or "") or table.get(fields.get("request_model") or "")
    if prices is not None:
        span.set_fields({"cost": cost_of(fields["usage"], prices)})
