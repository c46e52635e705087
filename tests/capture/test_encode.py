"""encode: any value, as it is now, to valid JSON; it cannot fail."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import json
import math
import pathlib
import sys
import threading
import types
import uuid
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tracetape.capture import decode, encode

quick = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

text = st.text(st.characters(exclude_categories=["Cs"]))
integers = st.integers(-(2**63), 2**64 - 1)
scalars = st.none() | st.booleans() | integers | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    scalars | text,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(text, inner, max_size=5),
    max_leaves=25,
)
# Whatever Python has, beyond what JSON can hold.
odd_scalars = (
    st.floats()
    | st.integers()
    | st.text()
    | st.binary()
    | st.complex_numbers()
    | st.decimals()
    | st.datetimes()
    | st.timedeltas()
    | st.uuids()
    | st.builds(object)
    | st.just(...)
)
keys = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
odd_values = st.recursive(
    odd_scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(keys | st.tuples(keys), inner, max_size=4)
        | st.frozensets(keys, max_size=3)
    ),
    max_leaves=20,
)


@quick
@given(json_values)
@example({"ü": ["\x00", "\u2028", "\U0001f600"], "": {"": []}})
@example([2**64 - 1, -(2**63), 1e308, 5e-324, -0.0])
@example({"a": None, "b": [None, float("1e22")]})
def test_json_values_read_back_equal(value: Any) -> None:
    """What JSON can hold reads back as the standard library would give it."""
    data = encode(value)
    assert json.loads(data) == json.loads(json.dumps(value))
    assert decode(data) == json.loads(json.dumps(value))


@quick
@given(odd_values)
def test_any_value_is_valid_json(value: Any) -> None:
    """Strictly valid: no NaN, and UTF-8 throughout."""
    data = encode(value)
    json.loads(data.decode("utf-8"), parse_constant=_refuse)
    decode(data)


def _refuse(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


@quick
@given(json_values, st.dictionaries(st.integers(), st.none(), min_size=1, max_size=1))
def test_the_slow_path_agrees_with_the_fast_one(value: Any, trigger: dict[int, None]) -> None:
    """A value is recorded the same, whatever stands beside it."""
    assert decode(encode([value, trigger]))[0] == decode(encode([value]))[0]


def test_none_is_none() -> None:
    """Nothing recorded is not the same as null recorded."""
    assert encode(None) == b"null"
    assert decode(b"null") is None
    assert decode(None) is None


class Colour(enum.Enum):
    RED = 1


class Role(str, enum.Enum):
    USER = "user"


class Level(enum.IntEnum):
    HIGH = 3


Point = collections.namedtuple("Point", "x y")  # noqa: PYI024


@dataclasses.dataclass
class Note:
    text: str
    _private: int = 1
    when: Any = None


@dataclasses.dataclass(frozen=True)
class Slotted:
    __slots__ = ("a",)
    a: Any


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "not this"


class Ratio(float):
    """As numpy's float64 is."""


class Named:
    def __str__(self) -> str:
        return "named"


MOMENT = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.timezone.utc)
ID = uuid.UUID(int=7)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((1, (2, [])), [1, [2, []]]),
        (Point(1, Named()), [1, "named"]),
        (Note("hi"), {"text": "hi", "_private": 1, "when": None}),
        ([Note("hi", when=MOMENT)], [{"text": "hi", "_private": 1, "when": str(MOMENT)}]),
        (Slotted(2), {"a": 2}),
        (MOMENT, "2026-01-02 03:04:05+00:00"),
        (MOMENT.date(), "2026-01-02"),
        (MOMENT.time(), "03:04:05"),
        (dt.timedelta(seconds=1), "0:00:01"),
        (ID, str(ID)),
        (decimal.Decimal("1.50"), "1.50"),
        (pathlib.PurePosixPath("a/b"), "a/b"),
        (1 + 2j, "(1+2j)"),
        ({"a"}, "{'a'}"),
        (b"ab", "b'ab'"),
        (bytearray(b"ab"), "bytearray(b'ab')"),
        (Named(), "named"),
        (Role.USER, "user"),
        (Level.HIGH, 3),
        (Colour.RED, 1),
        (Text("this"), "this"),
        (Ratio(0.5), 0.5),
        (collections.OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (collections.defaultdict(list, a=[1]), {"a": [1]}),
        (True, True),
        (range(3), "range(0, 3)"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_other_values_become(value: Any, expected: Any) -> None:
    """Objects with fields are objects, the rest is its text; the same beside an odd neighbour."""
    assert decode(encode(value)) == expected
    assert decode(encode({"k": value})) == {"k": expected}
    assert decode(encode([value, float("nan")])) == [expected, "NaN"]
    assert decode(encode({"k": value, 1: 2})) == {"k": expected, "1": 2}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        (-float("inf"), "-Infinity"),
        ({"a": None, "b": [float("nan")]}, {"a": None, "b": ["NaN"]}),
        (Ratio("nan"), "NaN"),
        ((1, math.inf), [1, "Infinity"]),
        (Note("x", when=math.nan), {"text": "x", "_private": 1, "when": "NaN"}),
        ([{"deep": Slotted([math.inf])}], [{"deep": {"a": ["Infinity"]}}]),
    ],
    ids=repr,
)
def test_floats_that_json_has_no_form_for(value: Any, expected: Any) -> None:
    """Are their names, not null: a NaN must not read as nothing."""
    assert decode(encode(value)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (2**64 - 1, 2**64 - 1),
        (2**64, "18446744073709551616"),
        (-(2**63), -(2**63)),
        (-(2**63) - 1, "-9223372036854775809"),
        ([10**100], ["1" + "0" * 100]),
    ],
)
def test_huge_integers_keep_their_digits(value: Any, expected: Any) -> None:
    """Beyond 64 bits they are text, because readers of JSON would round them."""
    assert decode(encode(value)) == expected


def test_an_integer_too_long_to_print() -> None:
    """Python refuses to make text of it; we do not fail."""
    assert isinstance(decode(encode({"n": 10**10_000})), (str, dict))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({1: "a", None: "b", 1.5: "d"}, {"1": "a", "null": "b", "1.5": "d"}),
        ({True: "a", False: "b"}, {"true": "a", "false": "b"}),
        ({Role.USER: 1}, {"user": 1}),
        ({Role.USER: Role.USER, 2: Level.HIGH}, {"user": "user", "2": 3}),
        ({Text("this"): 1}, {"this": 1}),
        ({math.nan: 1}, {"NaN": 1}),
    ],
    ids=repr,
)
def test_keys_that_json_makes_strings_of(value: Any, expected: Any) -> None:
    """As the standard library writes them."""
    assert decode(encode(value)) == expected


@pytest.mark.parametrize(
    "value", [{(1, 2): "a"}, {frozenset([1]): "a"}, {"ok": {b"k": 1}}, [{(1,): 1}]], ids=repr
)
def test_keys_that_json_cannot_hold(value: Any) -> None:
    """The whole value becomes its repr, as in MLflow."""
    assert decode(encode(value)) == repr(value)


def test_lone_surrogates_are_shown_escaped() -> None:
    """UTF-8 cannot hold them; the rest of the text stays."""
    assert decode(encode("a\ud800ü")) == "a\\ud800ü"
    assert decode(encode({"\udfff": ["\ud800"]})) == {"\\udfff": ["\\ud800"]}
    assert decode(encode([{"x": 1}, "\ud800", Note("\ud800")]))[2]["text"] == "\\ud800"


def test_halves_that_stand_together_are_one_character() -> None:
    """As where two parts of a stream are joined; a half that is left over stays an escape."""
    assert decode(encode("a\ud83d\ude00b")) == "a😀b"
    assert decode(encode({"\ud83d\ude00": ["\ud83d\ud83d\ude00"]})) == {"😀": ["\\ud83d😀"]}


class _Cyclic:
    def __init__(self) -> None:
        self.me = self


def _cycles() -> list[Any]:
    in_list: list[Any] = [1]
    in_list.append(in_list)
    in_dict: dict[str, Any] = {"a": 1}
    in_dict["me"] = {"deeper": [in_dict]}
    note = Note("n")
    note.when = [note]
    return [in_list, in_dict, note, _Cyclic()]


@pytest.mark.parametrize("value", _cycles(), ids=lambda value: type(value).__name__)
def test_cycles_become_their_repr(value: Any) -> None:
    """Python shows the point of return as dots."""
    assert decode(encode(value)) == (repr(value) if not isinstance(value, _Cyclic) else str(value))


def test_the_same_value_twice_is_no_cycle() -> None:
    """It is written twice, on the slow path too."""
    shared = {"a": [1]}
    assert decode(encode([shared, shared, math.nan])) == [{"a": [1]}, {"a": [1]}, "NaN"]


@pytest.mark.parametrize("depth", [150, 260, 2_000, 100_000])
@pytest.mark.parametrize("kind", ["list", "dict"])
def test_deep_nesting(depth: int, kind: str) -> None:
    """Is kept as far as JSON readers follow; beyond that it is some text."""
    value: Any = None
    for _ in range(depth):
        value = [value] if kind == "list" else {"k": value}
    data = encode(value)
    found = decode(data)
    if depth == 150:
        assert found == value
    else:
        assert isinstance(found, str)
    # Taken apart by hand: the interpreter's own recursion over it is not our test.
    while value:
        value = value[0] if kind == "list" else value["k"]


class Silent:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class Stubborn:
    """Any touch fails."""

    touched = False

    def __getattribute__(self, name: str) -> Any:
        if name != "__class__":
            type(self).touched = True
        raise RuntimeError(f"do not touch {name}")


class Lazy:
    """Reading an attribute has effects."""

    reads: list[str]

    def __init__(self) -> None:
        object.__setattr__(self, "reads", [])

    def __getattr__(self, name: str) -> Any:
        self.reads.append(name)
        raise ValueError(name)

    @property
    def costly(self) -> Any:
        self.reads.append("costly")
        raise ValueError("costly")


class BadText:
    def __str__(self) -> Any:
        return 7

    def __repr__(self) -> Any:
        return None


class BadDict(dict):  # type: ignore[type-arg]
    def items(self) -> Any:
        raise RuntimeError("no items")

    values = items

    def __iter__(self) -> Any:
        raise RuntimeError("no iteration")


class BadMeta(type):
    def __getattr__(cls, name: str) -> Any:
        raise RuntimeError(name)


class BadClass(metaclass=BadMeta):
    pass


@dataclasses.dataclass
class BadField:
    x: int = 1

    def __getattribute__(self, name: str) -> Any:
        if name == "x":
            raise RuntimeError("x")
        return object.__getattribute__(self, name)


def _deleted_field() -> Any:
    note = Note("n")
    del note.text
    return note


NASTY: dict[str, Any] = {
    "silent": Silent(),
    "stubborn": Stubborn(),
    "lazy": Lazy(),
    "bad text": BadText(),
    "bad dict": BadDict(a=None),
    "bad class": BadClass(),
    "bad field": BadField(),
    "deleted field": _deleted_field(),
    "class": Note,
    "function": print,
    "lambda": lambda: None,
    "module": sys,
    "lock": threading.Lock(),
    "mock": mock.MagicMock(),
    "exception": ValueError("x"),
    "proxy": types.MappingProxyType({"a": 1}),
    "frame": sys._getframe(),
    "memoryview": memoryview(b"abc"),
    "not implemented": NotImplemented,
    "loop policy": asyncio.Event,
    "key": {Silent(): 1},
    "nan key": {math.nan: Silent()},
}


@pytest.mark.parametrize("name", NASTY)
def test_nothing_can_make_it_fail(name: str) -> None:
    """Nor does it take the values beside it along."""
    value = NASTY[name]
    json.loads(encode(value))
    assert decode(encode({"good": 1, "bad": [value]}))
    assert decode(encode((value, "\ud800")))


@pytest.mark.parametrize("name", ["silent", "stubborn", "bad text", "bad field", "deleted field"])
def test_one_bad_value_among_good_ones(name: str) -> None:
    """The good ones are kept."""
    assert decode(encode({"good": [1, "two"], "bad": NASTY[name]}))["good"] == [1, "two"]


def test_attributes_of_unknown_objects_are_not_read() -> None:
    """Reading one may have effects, or raise."""
    lazy, Stubborn.touched = Lazy(), False
    encode({"a": [lazy, Stubborn(), math.nan]})
    assert lazy.reads == []
    assert Stubborn.touched is False


def test_iterators_are_not_consumed() -> None:
    """The user's code gets every item."""

    async def agenerate() -> Any:
        yield 1

    async def work() -> int:
        return 1

    generator, iterator, mapped = (n for n in range(3)), iter([1, 2]), map(str, [1])
    coroutine = work()
    encode([generator, iterator, mapped, agenerate(), coroutine, math.nan])
    coroutine.close()
    assert (list(generator), list(iterator), list(mapped)) == ([0, 1, 2], [1, 2], ["1"])


def test_binary_values_are_shown_up_to_a_limit() -> None:
    """Beyond it, their size."""
    assert decode(encode(b"x" * 1024)) == repr(b"x" * 1024)
    assert decode(encode(b"x" * 5_000_000)) == "<bytes of 5,000,000 bytes>"
    assert decode(encode({"a": bytearray(2000)})) == {"a": "<bytearray of 2,000 bytes>"}


def test_mutable_buffers_are_taken_as_they_are_now() -> None:
    """What is written to them later does not show."""
    buffer = bytearray(b"now")
    data = encode(buffer)
    buffer[:] = b"later"
    assert decode(data) == "bytearray(b'now')"


def test_many_classes_made_at_run_time() -> None:
    """What is remembered of classes stays bounded."""
    from tracetape.capture import conversion

    for index in range(conversion._MAX_CACHED_TYPES + 50):
        encode(type(f"C{index}", (), {})())
    assert len(conversion._converters) <= conversion._MAX_CACHED_TYPES


def test_exceptions_that_are_no_errors_pass() -> None:
    """Ctrl-C in a user's __str__ is the user's."""

    class Interrupted:
        def __str__(self) -> str:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode([Interrupted(), math.nan])


@pytest.mark.parametrize("error", [SystemExit(3), GeneratorExit(), RuntimeError("no")])
def test_a_repr_that_ends_the_program_ends_it_not(error: BaseException) -> None:
    """Without us nobody would have called it."""

    class Rude:
        def __repr__(self) -> str:
            raise error

    assert encode({"v": Rude(), "w": 1}) == b'{"v":"<Rude: str() failed>","w":1}'
