"""Forms in which a name and its value stand in texts and data, and sentences that have neither."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracetape.privacy.fields import clean_fields, clean_said_fields, may_hold_credentials
from tracetape.privacy.names import MARK
from tracetape.privacy.texts import clean_said

SENTENCES = (
    *("credentials: timeout", "Error loading credentials: timeout", "cookies: disabled"),
    *("api_keys: several were found", "secrets: rotated daily", "passwords: many"),
    *("password: required", "The password: incorrect.", "password: expired", "api_key: missing"),
    *("authorization: denied", "Authorization: failed for user ada", "access_token: expired"),
    *("client_secret: not found in the vault", "password: must be 8 characters long"),
    *("Give the key by --api-key or in the environment.", "the option --password is required"),
    *("--token is not set", "use --password to set it", "run it with --api-key and a value"),
    *("--password PASSWORD  the password of the user", "usage: tool --api-key KEY [--token TOKEN]"),
    *("error: argument --api-key: expected one argument", "a password-protected page"),
    *("the password was wrong, try again", "he kept the secret: nobody knew"),
    *("<password></password>", "Write <password>…</password> into settings.xml"),
    *("a token - a word - is a number to a model", "the cookie: made of oats"),
    *("Passwords are stored as hashes; secrets in a vault.", "login => password => mail"),
    *("a list of names: 'key', 'value'", "The secret to good bread: time."),
    *("client = Client(api_key=api_key, password=password)", "docker run -u 1000:1000 image"),
    *("tool -u https://x.test/a", "the login and password are in the vault"),
    *("The password is required.", "the password is SHA-256 hashed", "The secret is AES-256."),
    *("the token is 12 characters long", "The password was changed 3 times", "my secret is out"),
    *("the api key is invalid", "The password is 'required'.", "The password is base64-encoded"),
    *("ENV SECRET_KEY must be set", "ENV variables: API_KEY and TOKEN", "set ENV PATH /usr/bin"),
    *(
        "ENV HOME /root\nENV KEY_FILE /a",
        "mysql -port 3306",
        "mysql -u root -p db",
        "mysql -p$P db",
    ),
    *("if (token := read()):", "password := password", "connect with mysql, then -p"),
    *("{'password': ['This field is required.']}", '{"password": ["blank", "is too short"]}'),
    *("{'password': ['min length is 8', 'required field']}", "missing secrets: ['OPENAI_API_KEY']"),
    *("the api key OPENAI_API_KEY_2 is not set", "password => password.length > 8"),
    *("secret => sha256(secret)", "api key management-and-rotation", "[secrets] => Array"),
    *("no credentials: ['user', 'login']", "{'password': ['Enter at least 8 characters.']}"),
)


@pytest.mark.parametrize("text", SENTENCES)
def test_ordinary_sentences_stay(text: str) -> None:
    """In exceptions, in what programs record, and among the words of a list."""
    assert clean_said(text, MARK) == text
    value = {"note": text, "words": [text]}
    assert clean_said_fields(value, []) == value
    assert clean_fields(value, [], shapes=True) == value


FORMS = (
    ("mysql --password abc -u ada", "mysql --password * -u ada"),
    ("docker login --password swordfish", "docker login --password *"),
    ("-password abc", "-password *"),
    ("tool --api-key 'a b' x", "tool --api-key '*' x"),
    ("tool --token abcdefgh12345678", "tool --token *"),
    ("['tool', '--api-key', 'abc']", "['tool', '--api-key', '*']"),
    ('["tool", "--api-key", "abc"]', '["tool", "--api-key", "*"]'),
    ('["tool", "--api-key=abc"]', '["tool", "--api-key=*"]'),
    ("<password>abc</password>", "<password>*</password>"),
    ('<a:apiKey type="x">abc</a:apiKey>', '<a:apiKey type="x">*</a:apiKey>'),
    ("<secret><![CDATA[abc]]></secret>", "<secret><![CDATA[*]]></secret>"),
    ('<add key="password" value="abc"/>', '<add key="password" value="*"/>'),
    ("[H(name='Authorization', value='Bearer abc')]", "[H(name='Authorization', value='*')]"),
    ('{"name": "x-api-key", "value": "abc"}', '{"name": "x-api-key", "value": "*"}'),
    ("{'password' => 'abc'}", "{'password' => '*'}"),
    ("password: abc\nuser: ada", "password: *\nuser: ada"),
    ("export API_KEY=abc", "export API_KEY=*"),
    ("$env:API_KEY='abc'", "$env:API_KEY='*'"),
    ("curl -u ada:abc https://x.test", "curl -u ada:* https://x.test"),
    ("curl --user 'ada:abc' https://x.test", "curl --user 'ada:*' https://x.test"),
    ("sshpass -p abc ssh x", "sshpass -p * ssh x"),
    ("machine x.test login ada password abc", "machine x.test login ada password *"),
    ("get(url, auth=('ada', 'abc'))", "get(url, auth=('ada', '*'))"),
    ("HTTPBasicAuth('ada', 'abc')", "HTTPBasicAuth('ada', '*')"),
    ("PRIVATE-TOKEN: abc", "PRIVATE-TOKEN: *"),
    ("FROM a\nENV API_KEY abc\nRUN b", "FROM a\nENV API_KEY *\nRUN b"),
    ('  ENV DB_PASSWORD "a b"', '  ENV DB_PASSWORD "*"'),
    ("setenv API_KEY abc", "setenv API_KEY *"),
    ('setx API_KEY "abc" /M', 'setx API_KEY "*" /M'),
    ("API_KEY := abc", "API_KEY := *"),
    ('password := "abc"', 'password := "*"'),
    ("mysql -u root -pabc db", "mysql -u root -p* db"),
    ("['mysqldump', '-pabc', 'db']", "['mysqldump', '-p*', 'db']"),
    ("redis-cli -h x -a abc ping", "redis-cli -h x -a * ping"),
    ("{api_key => abc-123}", "{api_key => *}"),
    ("[password] => swordfish", "[password] => *"),
    ("{'password': ['abc'], 'user': ['ada']}", "{'password': ['*'], 'user': ['ada']}"),
    ('{"passwords": ["abc", "a b", null]}', '{"passwords": ["*", "*", null]}'),
    ("{'api_key': ('abc',)}", "{'api_key': ('*',)}"),
    ("password=[Secret('abc'), b'd']", "password=[Secret('*'), b'*']"),
    ("{'Authorization': ['Bearer abc'], 'n': 1}", "{'Authorization': ['*'], 'n': 1}"),
    (
        "{'password': {'type': 'plain', 'value': 'abc'}}",
        "{'password': {'type': 'plain', 'value': '*'}}",
    ),
    ('"{\\"password\\": [\\"abc\\", \\"d\\"]}"', '"{\\"password\\": [\\"*\\", \\"*\\"]}"'),
    ('b\'{"password":"abc"}\'', 'b\'{"password":"*"}\''),
    ("b'user=ada&password=abc'", "b'user=ada&password=*'"),
    (
        "<a>&lt;password&gt;abc&lt;/password&gt;</a>",
        "<a>&lt;password&gt;*&lt;/password&gt;</a>",
    ),
)


@pytest.mark.parametrize(("text", "left"), FORMS)
def test_a_value_behind_its_name_is_hidden(text: str, left: str) -> None:
    """In the forms of commands, elements, lists of headers and settings."""
    assert clean_said(text, "*") == left
    assert clean_said_fields({"text": text}, [], "*") == {"text": left}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("The password is hunter2.", "The password is *."),
        ("401 for apikey abcd-efgh-1234-ijkl!", "401 for apikey *"),
        ("no account has (api_key) 'abcd1234efgh5678'", "no account has (api_key) '*'"),
        ("his password was: 'swordfish'", "his password was: '*'"),
        ("the api key is a1b2c3 and the user is ada", "the api key is * and the user is ada"),
        ("the token is abcdefgh12345678, he said", "the token is *, he said"),
    ],
)
def test_a_sentence_that_gives_a_value_away(text: str, left: str) -> None:
    """In exceptions and logs; the value is in quotes, or has a digit and ends what is said."""
    assert clean_said(text, "*") == left


LISTS: tuple[tuple[Any, Any], ...] = (
    (["tool", "--api-key", "abc", "-v"], ["tool", "--api-key", MARK, "-v"]),
    (["tool", "--password=abc"], ["tool", f"--password={MARK}"]),
    (["curl", "-H", "Authorization: Bearer abc"], ["curl", "-H", f"Authorization: {MARK}"]),
    (["curl", "-u", "ada:abc"], ["curl", "-u", f"ada:{MARK}"]),
    (["docker", "run", "-u", "1000:1000"], ["docker", "run", "-u", "1000:1000"]),
    (["curl", "-H", "Accept: text/html"], ["curl", "-H", "Accept: text/html"]),
    ([["x-api-key", "abc"], ["accept", "*"]], [["x-api-key", MARK], ["accept", "*"]]),
    ([{"name": "Cookie", "value": "a=b"}], [{"name": "Cookie", "value": MARK}]),
    ([{"name": "colour", "value": "red"}], [{"name": "colour", "value": "red"}]),
    (
        [{"Name": "DB_PASSWORD", "Value": "abc"}, {"Key": "colour", "Value": "red"}],
        [{"Name": "DB_PASSWORD", "Value": MARK}, {"Key": "colour", "Value": "red"}],
    ),
    ([{"HEADER": "Cookie", "VALUE": "a=b"}], [{"HEADER": "Cookie", "VALUE": MARK}]),
    (["--password", "--verbose"], ["--password", "--verbose"]),
    (["password", "abc"], ["password", "abc"]),  # what a schema requires
)


@pytest.mark.parametrize(("value", "left"), LISTS)
def test_arguments_and_headers_in_lists_lose_their_values(value: Any, left: Any) -> None:
    """In what programs record, in requests and on tapes, however large the whole is."""
    assert clean_said_fields({"args": value}, []) == {"args": left}
    assert clean_fields({"args": value}, [], shapes=True) == {"args": left}
    if value != left:
        assert may_hold_credentials(json.dumps({"args": value}, separators=(",", ":")).encode())


NAMES = st.sampled_from(("password", "x-api-key", "authorization", "cookie", "api_keys", "n"))
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans()
VALUES = st.recursive(
    NUMBERS | st.none() | st.sampled_from(("", "abc", "a b: c")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)


@given(VALUES, st.sampled_from((None, 1)), st.sampled_from(((", ", ": "), (",", ":"))))
def test_json_in_a_text_is_json_without_its_credentials(
    value: Any, indent: int | None, separators: tuple[str, str]
) -> None:
    """Numbers give way to a text; also in JSON that is itself a text in JSON."""
    text = json.dumps({"password": 1234, "x": value}, indent=indent, separators=separators)

    left = json.loads(clean_said(text, MARK))
    nested = json.loads(json.loads(clean_said(json.dumps({"said": text}), MARK))["said"])

    assert left["password"] == nested["password"] == MARK
    assert "1234" not in clean_said('{"password": 1234}', MARK)
