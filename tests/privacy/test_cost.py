"""What looking for credentials takes: little for a long prompt, and never more than linear time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from tracetape.privacy.fields import clean_fields, may_hold_credentials
from tracetape.privacy.shapes import without_secrets
from tracetape.privacy.texts import clean_said
from tracetape.privacy.urls import clean_text, clean_url, clean_value, keys_in_path
from tracetape.privacy.values import Secrets

SIZE = 1 << 16  # in quadratic time this takes many seconds


def processor_time(step: Callable[[], Any]) -> float:
    """The least of three attempts, in seconds."""
    times = []
    for _ in range(3):
        began = time.thread_time()
        step()
        times.append(time.thread_time() - began)
    return min(times)


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user", "content": "the quick brown fox has a secret, in Asia. " * 25_000}],
        [{"role": "user", "content": "the quick brown fox has a secret, in Asia."}] * 10_000,
    ],
    ids=["one message", "many messages"],
)
def test_a_prompt_of_a_megabyte_costs_little_more_than_reading_it(messages: Any) -> None:
    """What is said is passed over; only the names and values around it are looked at."""
    data = orjson.dumps({"model": "m", "user": "someone", "messages": messages})

    cleaning = processor_time(lambda: clean_fields(orjson.loads(data), [], shapes=True))

    assert cleaning < 5 * processor_time(lambda: orjson.loads(data)) + 0.002


# Each made some expression that was tried begin again at every character.
HOSTILE = {
    "keys": "sk-",
    "keys without a digit": "sk-abcdefghijklmnopqrstuvwxyz-",
    "web tokens": "eyJ-",
    "web tokens with dots": "eyJabcdefgh.",
    "bearers": "bearer ",
    "logins": "basic basicbasicbasic",
    "private keys": "-----BEGIN A ",
    "dashes": "-",
    "private keys without an end": "-----BEGIN PRIVATE KEY-----\n",
    "questions": "?a",
    "parameters": "?a=&",
    "users": "://a:",
    "backslashes": "\\",
    "percents": "%25",
    "quotes": '"',
    "names": "password: ",
    "assignments": 'api_key="',
    "one name": "api_key",
    "cookies": "Cookie: a=b; ",
    "equals": "=",
    "options": "--password ",
    "arguments": "'--api-key', '",
    "elements": "<password>",
    "open elements": "<password" + " a" * 90,
    "names beside values": 'name="password" value=',
    "users of options": "-u a:",
    "logins of a file": "login a password ",
    "pairs": "auth=('a', '",
    "names in one word": "password:",
    "doubtful names in one word": "key=1",
    "folders": "pwd=/",
    "tokens": "token=",
    "brackets": "password=)",
    "calls": "password=f(",
    "headers": "authorization:a_",
    "escaped quotes": 'token=\\"',
    "open quotes": "token='\\",
    "keys behind names": "api key a1_",
    "open lists": "password=['",
    "lists": "password=['is so', 'a' ",
    "open dictionaries": "password={'value':'",
    "blanks": "password =" + " " * 90,
    "Azure": "AccountKey=",
    "Azure's words": "Q~",
    "slashes": "/k/",
    "base64": "QUJD",
    "escapes": "\\u002f",
    "escaped dashes": "sk%2Da\\u002db&#45;",
}
LOOKS: dict[str, Callable[[str], Any]] = {
    "shapes": lambda text: without_secrets(text, "*"),
    "URLs in a text": clean_text,
    "a URL": clean_url,
    "a value": lambda text: clean_value("https://" + text, []),
    "a path": keys_in_path,
    "what is named": lambda text: clean_said(text, "*"),
    "a name": lambda text: clean_fields({text[:2000]: "x"}, []),
    "known values": lambda text: Secrets(["/\\key+with 'signs'/", "\\\\%a%b%", "sk-a-b-c-d"]).text(
        f"{text}key signs b"
    ),
    "a body": lambda text: may_hold_credentials(text.encode()),
}


@pytest.mark.parametrize("look", LOOKS)
def test_hostile_texts_take_linear_time(look: str) -> None:
    """What an expression likes least takes a second for a megabyte at most, not hours."""
    # All words, so that no quick look ends the search.
    words = " sk- eyJ bearer basic secret q~ accountkey= private key ? = :// @ password "

    for kind, piece in HOSTILE.items():
        text = piece * (SIZE // len(piece)) + words
        began = time.thread_time()
        LOOKS[look](text)
        took = time.thread_time() - began
        assert took < 0.5, f"{kind}: {took:.1f} s for 64 kB"


def test_many_known_keys_cost_no_more_than_one() -> None:
    """Text is gone through for words as long as they are, not once for each form of each."""
    secrets = Secrets([f"sk-{n}{'a1B2c3D4e5F6'[n % 7 :]}{n * 7919}kL9mN8" for n in range(32)])
    text = b"the quick brown fox jumps over the lazy dog " * 6_000

    looking = processor_time(lambda: secrets.data(text))

    assert looking < 40 * processor_time(lambda: b"no such words" in text)
    assert secrets.data(text + b"sk-0a1B2c3D4e5F60kL9mN8") == text + b"[REDACTED]"


def test_one_known_key_is_looked_for_as_fast_as_any_word() -> None:
    """In each of its forms as a whole: the longer a word is, the more a search skips."""
    secrets = Secrets(["sk-proj-4f9Kd72Lm0Qx8Vb31ZtRw6Yp"])
    text = b"the quick brown fox jumps over the lazy dog " * 24_000

    looking = processor_time(lambda: secrets.data(text))

    # A form for each place in base64, and the key itself.
    assert looking < 3 * 4 * processor_time(lambda: b"no-such-words-in-a-text-of-foxes" in text)


def test_many_distinct_names_are_looked_at_once_each() -> None:
    """A dictionary of users' own keys is no reason to stop."""
    data = orjson.dumps({f"key of {n}": n for n in range(20_000)})

    assert processor_time(lambda: may_hold_credentials(data)) < 0.5
