"""encode and other people's types: pydantic models, SDK sentinels."""

from __future__ import annotations

import datetime as dt
import math
import warnings
from typing import Any

import pytest

from tracetape.capture import decode, encode

pydantic = pytest.importorskip("pydantic")
openai = pytest.importorskip("openai")


class Address(pydantic.BaseModel):  # type: ignore[misc]
    city: str
    zip_code: str | None = None


class Person(pydantic.BaseModel):  # type: ignore[misc]
    model_config = pydantic.ConfigDict(extra="allow")

    name: str
    home: Address
    born: dt.date | None = None
    _secret: int = pydantic.PrivateAttr(7)


class Unwilling(pydantic.BaseModel):  # type: ignore[misc]
    x: int = 1

    @pydantic.model_serializer
    def fail(self) -> dict[str, Any]:
        raise RuntimeError("no")


class Odd(pydantic.BaseModel):  # type: ignore[misc]
    model_config = pydantic.ConfigDict(extra="allow")

    x: float = math.nan
    born: dt.date | None = None
    secret: float = pydantic.Field(math.nan, exclude=True)


@pydantic.dataclasses.dataclass
class Pair:
    a: int
    b: Address


PERSON = Person(name="Käthe", home=Address(city="Ulm"), born=dt.date(1999, 1, 2), more=[1])
SHOWN = {
    "name": "Käthe",
    "home": {"city": "Ulm", "zip_code": None},
    "born": "1999-01-02",
    "more": [1],
}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (PERSON, SHOWN),
        ([PERSON, {"p": PERSON}], [SHOWN, {"p": SHOWN}]),
        ({"p": PERSON, 1: math.nan}, {"p": SHOWN, "1": "NaN"}),
        (Pair(1, Address(city="Ulm")), {"a": 1, "b": {"city": "Ulm", "zip_code": None}}),
        (pydantic.RootModel[list[int]]([1, 2]), [1, 2]),
        (Odd(), {"x": "NaN", "born": None}),
        (
            [{"odd": Odd(x=2.5, extra=[math.inf])}],
            [{"odd": {"x": 2.5, "born": None, "extra": ["Infinity"]}}],
        ),
    ],
    ids=["model", "nested", "slow path", "dataclass", "root model", "NaN", "infinity"],
)
def test_pydantic_models_are_objects(value: Any, expected: Any) -> None:
    """As `model_dump(mode="json")` gives them."""
    assert decode(encode(value)) == expected


def test_models_that_do_not_fit_their_types_make_no_noise() -> None:
    """`model_construct` checks nothing; pydantic's own dump would warn."""
    odd = Person.model_construct(name=5, home={"city": "Ulm"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = decode(encode(odd))
    assert (found["name"], found["home"]) == (5, {"city": "Ulm"})


def test_a_model_that_refuses_is_its_text() -> None:
    """A serializer is the user's code."""
    assert decode(encode({"good": 1, "bad": Unwilling()})) == {"good": 1, "bad": "x=1"}


def test_a_model_class_is_its_text() -> None:
    """As in `response_format=Person`."""
    assert "Person" in decode(encode({"response_format": Person}))["response_format"]


def test_models_of_the_openai_sdk() -> None:
    """With the fields that the SDK does not know."""
    from openai.types.chat import ChatCompletionMessage

    message = ChatCompletionMessage(role="assistant", content="hi", reasoning="because")
    found = decode(encode([message]))[0]
    assert (found["content"], found["reasoning"]) == ("hi", "because")


def _sentinels() -> list[Any]:
    found = [openai.NOT_GIVEN]
    if hasattr(openai, "Omit"):
        found.append(openai.Omit())
    if hasattr(openai, "not_given"):
        found += [openai.not_given, openai.omit]
    return found


@pytest.mark.parametrize("sentinel", _sentinels(), ids=lambda s: type(s).__name__)
def test_sentinels_are_left_out(sentinel: Any) -> None:
    """An argument that was not given is no argument."""
    assert decode(encode({"a": 1, "b": sentinel, "c": {"d": sentinel}})) == {"a": 1, "c": {}}
    assert decode(encode([1, sentinel, (sentinel, 2)])) == [1, [2]]
    assert decode(encode({"p": PERSON, "b": sentinel})) == {"p": SHOWN}
    assert decode(encode(sentinel)) is None
