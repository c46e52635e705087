"""Names of what holds a credential, in JSON, in headers and in the query of a URL."""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = [
    "MARK",
    "is_credential",
    "is_credential_header",
    "is_key_of_login",
    "is_login",
    "is_secret",
    "is_secret_in_query",
    "is_telling",
    "may_be_secret",
]

MARK = "[REDACTED]"
_SEPARATORS = re.compile(r"[^a-z0-9]+")
# How their names end, without separators and in lower case: "x-api-key", "OPENAI_API_KEY" and
# "apiKey" end in "apikey".
_KEYS = (
    *("api", "access", "accesstoken", "secret", "private", "subscription", "account", "signing"),
    *("encryption", "master", "auth", "authentication", "ssh", "webhook", "deploy", "license"),
    *("shared", "hmac", "fernet"),
)
_TOKENS = (
    *("access", "auth", "authorization", "bearer", "refresh", "security", "session", "api"),
    *("azuread", "oauth", "subject", "personalaccess", "webhook", "bot", "sas", "vault", "csrf"),
    *("xsrf", "private", "databricks", "github", "gitlab", "slack", "huggingface"),
)
_PASSES = ("db", "database", "smtp", "redis", "mysql", "postgres", "pg", "user", "mail", "proxy")
_ENDS = (
    *(f"{kind}key{end}" for kind in _KEYS for end in ("", "secret", "pem")),
    *(f"{kind}token" for kind in _TOKENS),
    *(f"{kind}pass" for kind in _PASSES),
    *("apikeys", "accesskeys", "secretkeys", "privatekeys"),
    *("authorization", "password", "passwords", "passwd", "passphrase", "passcode"),
    *(f"password{again}" for again in ("confirm", "confirmation", "repeat", "again", "retype")),
    *("secret", "secrets", "cookie", "cookies", "credential", "credentials"),
    *("clientassertion", "codeverifier", "connectionstring", "connstr"),
)
_WHOLE = frozenset({"assertion", "otp", "totp", "otpcode", "totpcode", "mfacode"})
_DIGITS = "0123456789"  # "OPENAI_API_KEY_2"
# Too short to be distinguished from the end of a word, as in "valid token" or "pad_token".
_SHORT = re.compile(r"(?:.*[_.-])?(?:id|ad|hf)[_-]?token", re.DOTALL)
_IN_HEADERS = re.compile(r".*(?:token|auth|key)|openaiorganization|openaiproject|chatgptaccountid")
_ORDINARY_HEADERS = frozenset({"idempotencykey", "cachekey", "secwebsocketkey", "promptcachekey"})
_IN_QUERY = re.compile(r"sig|signature|xamz(?:credential|signature)|xgoog(?:credential|signature)")
# Names of credentials and of much else: there the value tells.
_LOGINS = frozenset({"auth", "authentication", "basic_auth", "http_auth", "proxy_auth"})
_IN_LOGINS = frozenset({"bearer", "jwt", "key", "pass", "pat", "token", "value"})
_DOUBTFUL = frozenset({"token", "auth", "pat", "jwt", "bearer"})
_DOUBTFUL_IN_QUERY = _DOUBTFUL | {"code", "key"}
# Any other "…_token" logs somebody in if it looks so, unless it says where a list goes on.
_CURSORS = ("page", "next", "continuation", "cursor", "sync", "resume", "cancel")
_PATH = re.compile(r"[/~.\\]|[A-Za-z]:[/\\]")  # a shell's PWD is a folder
_TELLING = re.compile(r"(?=[^\d\s]*\d)(?=[^A-Za-z\s]*[A-Za-z])\S{16,}")


def is_telling(value: str) -> bool:
    """Whether a word is long, and of digits and letters, as keys are."""
    return _TELLING.fullmatch(value) is not None


@lru_cache(maxsize=4096)
def is_credential(name: str) -> bool:
    """Whether what has this name is a credential, whatever its value."""
    lower = name.lower()
    if lower.endswith("token") and _SHORT.fullmatch(lower):
        return True
    plain = _SEPARATORS.sub("", lower).rstrip(_DIGITS)
    return plain.endswith(_ENDS) or plain in _WHOLE


@lru_cache(maxsize=4096)
def is_credential_header(name: str) -> bool:
    """Whether a header of this name holds a credential."""
    plain = _SEPARATORS.sub("", name.lower())
    if plain in _ORDINARY_HEADERS:
        return False
    return is_credential(name) or _IN_HEADERS.fullmatch(plain) is not None


@lru_cache(maxsize=4096)
def may_be_secret(name: str) -> bool:
    """Whether `is_secret` may say so of a field with this name; the others are passed over."""
    return is_credential(name) or name.lower() in _IN_LOGINS | _LOGINS or _is_doubtful(name)


def is_secret(name: str, value: str, above: str = "") -> bool:
    """Whether a field of JSON is one; a ``token`` is if it looks like one.

    Args:
        name: the field's.
        value: tells where the name does not.
        above: the name of what the field is in, such as ``authentication``.
    """
    if is_credential(name):
        return True
    if above.lower() in _LOGINS and name.lower() in _IN_LOGINS:
        return True
    return _is_doubtful(name) and _tells(name, value)


@lru_cache(maxsize=4096)
def _is_doubtful(name: str) -> bool:
    lower = name.lower()
    if lower in _DOUBTFUL or _is_pwd(lower):
        return True
    if not lower.endswith(("_token", "-token", ".token")) and not name.endswith("Token"):
        return False
    return not any(word in lower for word in _CURSORS)


def _is_pwd(lower: str) -> bool:
    return lower == "pwd" or lower.endswith(("_pwd", "-pwd", ".pwd"))


def _tells(name: str, value: str) -> bool:
    if _is_pwd(name.lower()):
        return _PATH.match(value) is None
    return _TELLING.fullmatch(value) is not None


def is_login(name: str) -> bool:
    """Whether a list of two texts with this name is a user and a password."""
    return name.lower() in _LOGINS


def is_key_of_login(name: str) -> bool:
    """Whether a field of a credential's is the credential itself, as ``value`` is."""
    return name.lower() in _IN_LOGINS


def is_secret_in_query(name: str, value: str, *, doubtful: bool = False) -> bool:
    """Whether a parameter of a URL is one.

    Args:
        name: the parameter's.
        value: tells where the name does not.
        doubtful: take names that say little, such as ``key``, for those of credentials.
    """
    if is_credential(name) or _IN_QUERY.fullmatch(_SEPARATORS.sub("", name.lower())):
        return True
    if _is_doubtful(name) and _tells(name, value.replace(" ", "+")):
        return True
    if name.lower() not in _DOUBTFUL_IN_QUERY:
        return False
    return doubtful or _TELLING.fullmatch(value.replace(" ", "+")) is not None
