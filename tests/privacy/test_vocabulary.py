"""What is taken for a credential, and what looks like one and is none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracetape.privacy.fields import clean_fields, clean_said_fields, may_hold_credentials
from tracetape.privacy.names import (
    MARK,
    is_credential,
    is_credential_header,
    is_secret,
    is_secret_in_query,
)
from tracetape.privacy.texts import clean_said
from tracetape.privacy.urls import clean_text, clean_url
from tracetape.privacy.values import Secrets, telling

SHAPED = "sk-proj-4f9Kd72Lm0Qx8Vb31ZtRw6Yp"
CREDENTIALS = (
    *("api_key", "apiKey", "api-key", "APIKEY", "OPENAI_API_KEY", "x-api-key", "x-goog-api-key"),
    *("authorization", "Authorization", "proxy-authorization", "authorization_token"),
    *("access_token", "accessToken", "refresh_token", "id_token", "auth_token", "session_token"),
    *("x-amz-security-token", "azure_ad_token", "oauth_token", "subject_token", "bearer_token"),
    *("password", "db_password", "passwd", "passphrase", "secret", "client_secret", "app_secret"),
    *("aws_secret_access_key", "access_key", "private_key", "subscription-key", "secret_key"),
    *("cookie", "Set-Cookie", "cookies", "assertion", "client_assertion", "code_verifier"),
    *("credential", "google_credentials", "account_key", "secret_access_key", "SECRET_ACCESS_KEY"),
    *("OPENAI_API_KEY_2", "api_keys", "passwords", "secrets", "signing_key", "encryption_key"),
    *("master_key", "private_key_pem", "connection_string", "conn_str", "db_pass", "hf_token"),
    *("password_confirm", "passwordConfirmation", "hmac_key", "otp", "totp", "mfa_code"),
    *("DATABRICKS_TOKEN", "github_token", "bot_token", "sas_token", "passcode", "auth_key"),
)
ORDINARY = (
    *("token", "tokens", "max_tokens", "prompt_tokens", "total_tokens", "token_count", "key"),
    *("token_ids", "prompt_token_ids", "stop_token_ids", "token_type_ids", "max_new_tokens"),
    *("bos_token", "eos_token", "pad_token", "next_page_token", "page_token", "decoded_token"),
    *("reasoning_tokens", "cached_tokens", "cache_read_input_tokens", "max_completion_tokens"),
    *("usage", "logprobs", "add_special_tokens", "continuation_token", "budget_tokens"),
    *("prompt_cache_key", "primary_key", "sort_key", "public_key", "keys", "keyword", "signature"),
    *("thought_signature", "encrypted_content", "author", "authors", "authority", "secretary"),
    *("tokenizer", "tokenise", "passwordless_hint", "password_policy_text", "first_token_ms"),
    *("bypass", "compass", "first_pass", "passage", "sync_token", "cursor_token", "sort_keys"),
    *("secret_santa", "secretariat", "cookie_policy", "authenticated", "authored", "public_keys"),
    *("private_key_id", "access_key_id", "keyboard", "api_key_required", "password_length"),
    *("password_hint", "confirmed", "hotpot", "stop", "hmac", "otp_sent_at", "desktop"),
    *("safety_identifier", "service_tier", "code", "name", "valid_token", "monkey", "turkey"),
)


@pytest.mark.parametrize("name", CREDENTIALS)
def test_credentials_are_known_by_name(name: str) -> None:
    """However it is spelt, and whatever stands before it."""
    assert is_credential(name)
    assert is_credential_header(name)
    assert is_secret(name, "x")
    assert is_secret_in_query(name, "x")


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_names_are_none(name: str) -> None:
    """Tokens of language, keys of tables, usage."""
    assert not is_credential(name)
    assert not is_secret(name, "hello")
    assert not is_secret_in_query(name, "hello") or name == "signature"


def test_the_value_tells_what_a_token_is() -> None:
    """A word is a token of language; a long value with digits logs somebody in."""
    assert is_secret("token", "HRTOK1234567890abcdef")
    assert not is_secret("token", " Paris")
    assert not is_secret("token", "internationalisation")


def test_any_other_token_is_told_by_its_value() -> None:
    """Unless its name says that it is where a list goes on."""
    value = "CAESBkxvbmRvbjEyMzQ1Njc4"
    assert is_secret("workspace_token", value)
    assert is_secret("deviceToken", value)
    assert not is_secret("pad_token", "<pad>")
    for name in ("next_page_token", "nextPageToken", "continuation_token", "sync_token"):
        assert not is_secret(name, value)


def test_several_tokens_are_known_by_their_values() -> None:
    """If all of them look like keys: those of a language are words."""
    keys = ["HRTOK1234567890abcdef", "HRTOK0987654321fedcba"]
    for value in (keys, {"ada": keys[0]}):
        cleaned = clean_said_fields({"a": {"tokens": value}}, [])
        assert not [key for key in keys if key in json.dumps(cleaned)]
        assert may_hold_credentials(json.dumps({"tokens": value}, separators=(",", ":")).encode())
    words = {"tokens": [" Paris", keys[0]], "max_tokens": [1], "stop_tokens": []}
    assert clean_said_fields({"a": words}, []) == {"a": words}


def test_pwd_is_a_password_unless_it_is_a_folder() -> None:
    """A shell's environment has one of that name."""
    assert is_secret("pwd", "hunter2")
    assert is_secret("DB_PWD", "hunter2")
    assert not is_secret("PWD", "/home/ada")
    assert not is_secret("OLDPWD", "/tmp")
    assert not is_secret("pwd", r"C:\Users\ada")


SIGNED = (
    "https://b.s3.amazonaws.com/k?X-Amz-Credential=A%2F1&X-Amz-Signature=0af1&X-Amz-Expires=60",
    "https://a.blob.core.windows.net/c/x.png?sv=2024&sr=b&sig=aB%2Fc%3D",
    "https://storage.googleapis.com/b/o?X-Goog-Credential=a&X-Goog-Signature=0af1",
    "postgres://ada:hunter2@db.test:5432/app?sslmode=require",
    "redis://:hunter2@cache.test/0",
)
SECRET_PARTS = ("hunter2", "0af1", "aB%2Fc%3D", "A%2F1")


@pytest.mark.parametrize("url", SIGNED)
def test_a_value_that_is_a_url_loses_what_logs_in(url: str) -> None:
    """Whatever it is called, in what a program records and in requests; the rest of it stays."""
    value = {"source": [{"target": url}]}
    for cleaned in (clean_said_fields(value, []), clean_fields(value, [])):
        (left,) = (one["target"] for one in cleaned["source"])
        assert not [part for part in SECRET_PARTS if part in left]
        assert left.split("?")[0].endswith(url.split("?")[0].rpartition("@")[2][8:])
    assert may_hold_credentials(json.dumps(value).encode())
    assert clean_fields({"content": url}, []) == {"content": url}


PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA7\n-----END RSA PRIVATE KEY-----"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"


@pytest.mark.parametrize(
    "text",
    [
        *("Authorization: Basic YWRhOmh1bnRlcjI=", f"Bearer {TOKEN}", TOKEN, PEM),
        *("{'Authorization': 'Basic YWRhOmh1bnRlcjI='}", json.dumps({"x": PEM}), SHAPED),
        *(
            "gsk_" + "a1" * 26,
            "xoxb-" + "12345678901-abcdefghijk",
            "glpat-" + "a1b2c3d4e5f6g7h8i9j0",
        ),
    ],
)
def test_shapes_are_known_anywhere_in_a_text(text: str) -> None:
    """Of keys, web tokens, logins and private keys."""
    for around in (text, f"curl -H '{text}' https://x.test"):
        left = clean_said_fields({"command": around}, [])["command"]
        assert MARK in left
        assert not [one for one in ("YWRh", "eyJ", "MIIE", "a1a1", "b2c3", "12345") if one in left]


@pytest.mark.parametrize(
    "text",
    [
        *("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "sk_test_4eC39HqLyjWDarjtT1zdp7dc"),
        *("Basic information theory", "the bearer of this letter arrives tomorrow afternoon"),
        *("risk-free, task-oriented and disk-bound", "a dose of Asia's secret", "token: 5"),
        *("max_tokens=4096", "next_page_token=abc", "the secret is simple: love", "key: value"),
        *("password: must be 8 characters", "required: 'password', 'username'", "api_key"),
        *("unexpected keyword argument 'api_key'", "client = OpenAI(api_key=key)"),
        *("api_key=os.environ['OPENAI_API_KEY']", "token=self.token, secret=config.secret"),
        *("a cookie: chocolate", "cookies: 12", "secret: a garden", "eyJ is how they begin"),
        *("-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----", "sk-learn"),
        *("https://x.test/a?page=2&q=token", "mailto:ada@x.test", "see http://x.test:80/@ada"),
    ],
)
def test_ordinary_texts_stay(text: str) -> None:
    """In exceptions and in what programs record."""
    assert clean_said(text, MARK) == text
    assert clean_said_fields({"note": text, "inputs": [text]}, []) == {
        "note": text,
        "inputs": [text],
    }


@pytest.mark.parametrize(
    "text",
    [
        *("FATAL: host=db user=ada password=hunter2", "pwd=hunter2;", "PASSWORD: hunter2"),
        *("{'x-api-key': 'hunter2'}", '{\\"api_key\\": \\"hunter2\\"}', "api_key='hunter2'"),
        *("Headers([('authorization', 'Bearer hunter2')])", "Authorization: Token hunter2"),
        *("Cookie: sid=hunter2; theme=dark", "Set-Cookie: session=hunter2; Path=/"),
        *("[(b'x-api-key', b'hunter2')]", "cannot reach postgres://ada:hunter2@db.test/app"),
        "GET https://x.test/?sig=hunter2&api-version=1 failed",
    ],
)
def test_exceptions_lose_the_credentials_that_they_name(text: str) -> None:
    """As drivers and HTTP clients write them."""
    assert "hunter2" not in clean_said(text, MARK)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        *((f"{name}=swordfish", f"{name}=*") for name in ("password", "db_password", "--password")),
        *((f"{name}=abc, x", f"{name}=*, x") for name in ("client_secret", "_api_key", "PWD")),
        ("(password=correcthorsebattery)", "(password=*)"),
        ("no login (password = 1234) at db", "no login (password = *) at db"),
        ("Driver=x;PWD={hunter};Port=1", "Driver=x;PWD={*};Port=1"),
        ("password: swordfish", "password: *"),
        ("{user: ada, password: swordfish}", "{user: ada, password: *}"),
        ("no route (password: swordfish) to db", "no route (password: *) to db"),
        ("password: HUNTER\nuser: ada", "password: *\nuser: ada"),
        ("D(password='swordfish', api_key='abc')", "D(password='*', api_key='*')"),
        ("{'password': 'abc', 'x-api-key': 'd'}", "{'password': '*', 'x-api-key': '*'}"),
        ('D(password="it\'s", key=1)', 'D(password="*", key=1)'),
        ("D(password='a\\\\b\\'c', key=1)", "D(password='*', key=1)"),
        ("D(password=Secret('abc'))", "D(password=Secret('*'))"),
        ('environ["API_KEY"] = "abc"', 'environ["API_KEY"] = "*"'),
        ('"{\\"password\\": \\"abc\\"}"', '"{\\"password\\": \\"*\\"}"'),
        ("[('password', 'abc')]", "[('password', '*')]"),
        ("Authorization: Bearer abc\nHost: x", "Authorization: *\nHost: x"),
        ("curl -H 'Authorization: Basic a b' x", "curl -H 'Authorization: *' x"),
        ("Cookie: sid=abc; b=c\nHost: x", "Cookie: *\nHost: x"),
        ("x-api-key: abc def\nHost: x", "x-api-key: *\nHost: x"),
    ],
)
def test_a_name_is_enough_in_a_text(text: str, left: str) -> None:
    """However short the value is, and if it is an ordinary word; the rest stays."""
    assert clean_said(text, "*") == left


def test_a_name_is_enough_in_the_text_of_an_object_of_a_programs() -> None:
    """However short the whole is; a text that begins as prose does is not looked through."""
    for said in ("{pwd: a}", "D(pwd='a')", "{'pwd':'a'}", "Settings(password='swordfish')"):
        assert MARK in clean_said_fields({"settings": said}, [])["settings"], said
    assert clean_said_fields({"note": "my pwd: a"}, []) == {"note": "my pwd: a"}


@pytest.mark.parametrize(
    "text",
    [
        *("password: must not be empty", "token: expected", "token = None", "max_tokens=5"),
        *("password=None", "secret=True, x", "{'password': None}", '{"api_key": null}'),
        *("api_key=<redacted>", "password=${DB_PASSWORD}", "password=%(password)s", "secret=..."),
        *("password='**********'", "password=SecretStr('**********')", f"api_key='{MARK}'"),
        *("secret: the thing that", "cookies=12", "passwords: 3", "password=''", "password="),
        *("def login(self, password: str, api_key: str = None)", "password == other"),
        *("connect(password=password, api_key=self._api_key)", "password = getpass.getpass()"),
        *("api_key=os.getenv('OPENAI_API_KEY')", "PWD=/home/ada", "see secret://vault/ada"),
        *("f'password={password}'", "credentials={'user': 'ada'}", "api_keys: [1, 2]"),
        *("credentials=Login(user='ada', at=(1, 2))", "wrong password", "('user', 'ada')"),
    ],
)
def test_a_name_without_a_value_hides_nothing(text: str) -> None:
    """Prose, placeholders, flags and counts, and the source lines of a stack."""
    assert clean_said(text, MARK) == text


def test_what_a_program_calls_its_parameters_is_no_content() -> None:
    """The names below are again: what a model says stays."""
    value = {"inputs": {"api_key": "k"}, "auth": ["ada", "hunter2"]}
    assert clean_said_fields(value, []) == {"inputs": {"api_key": MARK}, "auth": ["ada", MARK]}
    said = {"messages": [{"role": "user", "content": [{"text": "x", "api_key": "mine"}]}]}
    assert clean_said_fields(said, []) == said


CONTENT: list[Any] = [
    {"messages": [{"role": "user", "content": "my password is hunter2, the token: abc"}]},
    {"messages": [{"role": "user", "content": [{"type": "text", "api_key": "mine"}]}]},
    {"tools": [{"function": {"parameters": {"properties": {"api_key": {"type": "string"}}}}}]},
    {"tools": [{"input_schema": {"properties": {"token": {"enum": ["abcdef1234567890xyz"]}}}}]},
    {"tools": [{"function": {"parameters": {"$defs": {"secret": {"$ref": "#/x"}}}}}]},
    {"usage": {"prompt_tokens": 5, "max_tokens": 3, "token_count": 8, "cached_tokens": 1}},
    {"choices": [{"logprobs": {"content": [{"token": "abc1234567890defgh", "logprob": -1}]}}]},
    {"content": [{"type": "thinking", "signature": "EqQBCgIYAhIM1234567890", "thinking": "…"}]},
    {"content": [{"type": "tool_use", "input": {"password": "hunter2hunter2"}}]},
    {"candidates": [{"content": {"parts": [{"thoughtSignature": "abcdef1234567890ABC"}]}}]},
    {"prompt_logprobs": [{"1": {"decoded_token": "abc", "logprob": -1, "rank": 1}}]},
    {"bos_token": "<s>", "eos_token": "</s>", "stop_token_ids": [1, 2], "prompt_cache_key": "a1"},
    {"response_format": {"json_schema": {"schema": {"properties": {"password": {"type": "x"}}}}}},
    {"api_key": None, "password": "", "secret": True},
    {"tool_choice": {"type": "function", "function": {"name": "get_api_key"}}},
    {"headers_wanted": ["authorization"], "required": ["api_key", "token"]},
]


@pytest.mark.parametrize("value", CONTENT)
def test_content_survives(value: Any) -> None:
    """What users, models and schemas say is theirs, whatever it is called."""
    found: list[str] = []
    assert clean_fields(value, found) == value
    assert found == []


@pytest.mark.parametrize(
    ("value", "hidden"),
    [
        ({"api_key": "k"}, {"api_key": MARK}),
        ({"authorization": "k"}, {"authorization": MARK}),
        (
            {"tools": [{"type": "mcp", "headers": {"X-Key": "Bearer k"}, "authorization": "k"}]},
            {"tools": [{"type": "mcp", "headers": {"X-Key": MARK}, "authorization": MARK}]},
        ),
        (
            {"mcp_servers": [{"url": "https://u:p@x/?token=abcdef1234567890"}]},
            {"mcp_servers": [{"url": "https://x/?token=REDACTED"}]},
        ),
        (
            {"credentials": {"user": "u", "parts": ["p"]}},
            {"credentials": {"user": MARK, "parts": [MARK]}},
        ),
        ({"metadata": {"token": "abcdef1234567890"}}, {"metadata": {"token": MARK}}),
    ],
)
def test_credentials_in_fields_are_hidden(value: Any, hidden: Any) -> None:
    """In requests, parameters and answers."""
    assert may_hold_credentials(json.dumps(value, separators=(",", ":")).encode())
    assert clean_fields(value, []) == hidden


ANY_NAME = st.sampled_from(ORDINARY) | st.text(max_size=8).filter(lambda t: not is_credential(t))
ANY_TEXT = st.text(max_size=15).filter(lambda t: "://" not in t)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_NAME, inner, max_size=4),
    max_leaves=12,
)


@given(ANY_JSON)
def test_json_without_names_of_credentials_is_unchanged(value: Any) -> None:
    """Whatever its shape is."""
    if "headers" not in json.dumps(value):
        assert clean_fields(value, []) == value


@given(st.text(max_size=200).filter(lambda t: "=" not in t and "@" not in t))
def test_prose_is_unchanged(text: str) -> None:
    """Only URLs hold what is looked for in texts."""
    assert clean_text(text) == text
    assert Secrets(["cnry-7Qx2Vb91LmZt"]).text(text) == text


@given(st.text(min_size=8, max_size=40).filter(telling), st.text(max_size=20))
def test_a_value_is_found_however_it_is_escaped(secret: str, around: str) -> None:
    """In JSON, and in JSON that is a text in JSON."""
    secrets = Secrets([secret])
    once = json.dumps({"a": f"{around} {secret.strip()} {around}"}, ensure_ascii=False)
    twice = json.dumps({"b": once}, ensure_ascii=False)
    for text in (once, twice):
        left = secrets.data(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")
        assert MARK in left
        json.loads(left)


@pytest.mark.parametrize(
    "text",
    [
        *("a/b+c'd-7Qx2Vb91", "a%2Fb%2Bc%27d-7Qx2Vb91", "a%252fb%252bc%2527d-7Qx2Vb91"),
        *("a\\/b+c'd-7Qx2Vb91", "a\\u002fb\\u002Bc\\u0027d-7Qx2Vb91", "a/b+c\\'d-7Qx2Vb91"),
        *("a&#x2F;b&#43;c&#39;d-7Qx2Vb91", "a/b+c&#x27;d-7Qx2Vb91", "a/b c'd-7Qx2Vb91"),
        *("a\\x2fb\\x2bc\\x27d-7Qx2Vb91", "a\\\\\\/b+c\\\\\\'d-7Qx2Vb91"),
        *("YS9iK2MnZC03UXgyVmI5MQ==", "dTphL2IrYydkLTdReDJWYjkx", "OmEvYitjJ2QtN1F4MlZiOTE"),
    ],
)
def test_a_value_is_found_in_the_spellings_of_servers(text: str) -> None:
    """JSON, URLs, HTML with names and numbers, Python, and base64 behind a user's name."""
    left = Secrets(["a/b+c'd-7Qx2Vb91"]).text(f"not known: {text}.")
    assert MARK in left
    assert "7Qx2" not in left
    assert not [one for one in ("N1F4", "UXgy", "ReDJ") if one in left]
    assert left.startswith("not known: ")


@pytest.mark.parametrize("dash", ["%2D", "%2d", "%252D", "&#45;", "&#x2D;", "\\u002d", "\\\\u002D"])
def test_a_value_is_found_if_its_dashes_are_escaped(dash: str) -> None:
    """As Django's `escapejs` and some proxies write them; also among many values."""
    keys = [f"sk-{n}7Qx2_Vb91.LmZ{n}t" for n in range(20)]
    escaped = f"a {keys[7].replace('-', dash)} b {keys[8]} c"
    for secrets in (Secrets(keys), Secrets(keys[7:9])):
        assert secrets.text(escaped) == f"a {MARK} b {MARK} c"
        assert secrets.data(escaped.encode()) == f"a {MARK} b {MARK} c".encode()
        assert len(secrets.places(escaped)) == 2
    assert Secrets(keys).text(other := "100%2D &#45; sk%2D7Qx2") == other


def test_a_url_keeps_all_but_its_credentials() -> None:
    """The order, other parameters and the path stay."""
    url = "https://u:p@x.test:1/a?b=1&api_key=k&token=word&sig=s#f"
    assert clean_url(url) == "https://x.test:1/a?b=1&api_key=REDACTED&token=word&sig=REDACTED#f"


@pytest.mark.parametrize(
    "value", ["EMPTY", "none", "ollama", "lm-studio", "test", "not-needed", None]
)
def test_what_stands_for_no_key_is_no_secret(value: Any) -> None:
    """Such words are in texts of users."""
    assert not telling(value)


def test_shapes_are_looked_for_outside_of_what_is_said() -> None:
    """Requests and answers have free fields; what users and models write stays theirs."""
    body = {
        "user": SHAPED,
        "metadata": {"note": f"uses {SHAPED}", "tags": ["risk-free", SHAPED]},
        "messages": [{"role": "user", "content": f"Is {SHAPED} a key?"}],
    }
    assert clean_fields(body, []) == body
    cleaned = clean_fields(body, [], shapes=True)
    assert cleaned["user"] == MARK
    assert cleaned["metadata"] == {"note": f"uses {MARK}", "tags": ["risk-free", MARK]}
    assert cleaned["messages"] == body["messages"]
