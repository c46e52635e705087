"""Names of what holds a credential, in JSON, in headers and in the query of a URL."""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = [
    "MARK",
    "is_credential",
    "is_credential_header",
    "is_secret",
    "is_secret_in_query",
    "is_telling",
]

MARK = "[REDACTED]"
_SEPARATORS = re.compile(r"[^a-z0-9]+")
# Without separators, in lower case: "x-api-key", "OPENAI_API_KEY" and "apiKey" end in "apikey".
_CREDENTIAL = re.compile(
    r".*(?:api|access|accesstoken|secret|private|subscription|account)key(?:secret)?"
    r"|.*(?:access|auth|authorization|bearer|refresh|security|session|api|azuread|oauth|subject"
    r"|personalaccess|webhook)token"
    r"|.*(?:authorization|password|passwd|passphrase|secret|cookies?|secretaccesskey)"
    r"|.*(?:clientassertion|codeverifier|passcode|connectionstring)|assertion|.*credentials?"
)
# Too short to be told from the end of a word, as in "valid token" or "pad_token".
_SHORT = re.compile(r"(?:.*[_.-])?(?:id|ad)[_-]?token")
_IN_HEADERS = re.compile(r".*(?:token|auth|key)|openaiorganization|openaiproject|chatgptaccountid")
_ORDINARY_HEADERS = frozenset({"idempotencykey", "cachekey", "secwebsocketkey", "promptcachekey"})
_IN_QUERY = re.compile(r"sig|signature|xamz(?:credential|signature)|xgoog(?:credential|signature)")
# Names of credentials and of much else: there the value tells.
_LOGINS = frozenset({"auth", "authentication"})
_IN_LOGINS = frozenset({"bearer", "jwt", "key", "pass", "pat", "token", "value"})
_DOUBTFUL = frozenset({"token", "auth", "pat", "jwt", "bearer"})
_DOUBTFUL_IN_QUERY = _DOUBTFUL | {"code", "key"}
_TELLING = re.compile(r"(?=[^\d\s]*\d)(?=[^A-Za-z\s]*[A-Za-z])\S{16,}")


def is_telling(value: str) -> bool:
    """Whether a word is long, and of digits and letters, as keys are."""
    return _TELLING.fullmatch(value) is not None


@lru_cache(maxsize=4096)
def is_credential(name: str) -> bool:
    """Whether what has this name is a credential, whatever its value."""
    lower = name.lower()
    if _SHORT.fullmatch(lower):
        return True
    return _CREDENTIAL.fullmatch(_SEPARATORS.sub("", lower)) is not None


@lru_cache(maxsize=4096)
def is_credential_header(name: str) -> bool:
    """Whether a header of this name holds a credential."""
    plain = _SEPARATORS.sub("", name.lower())
    if plain in _ORDINARY_HEADERS:
        return False
    return is_credential(name) or _IN_HEADERS.fullmatch(plain) is not None


def is_secret(name: str, value: str, above: str = "") -> bool:
    """Whether a field of JSON is one; a ``token`` is if it looks like one.

    Args:
        name: the field's.
        value: tells where the name does not.
        above: the name of what the field stands in, such as ``authentication``.
    """
    if is_credential(name):
        return True
    if above.lower() in _LOGINS and name.lower() in _IN_LOGINS:
        return True
    return name.lower() in _DOUBTFUL and _TELLING.fullmatch(value) is not None


def is_secret_in_query(name: str, value: str, *, doubtful: bool = False) -> bool:
    """Whether a parameter of a URL is one.

    Args:
        name: the parameter's.
        value: tells where the name does not.
        doubtful: take names that say little, such as ``key``, for those of credentials.
    """
    if is_credential(name) or _IN_QUERY.fullmatch(_SEPARATORS.sub("", name.lower())):
        return True
    if name.lower() not in _DOUBTFUL_IN_QUERY:
        return False
    return doubtful or _TELLING.fullmatch(value.replace(" ", "+")) is not None
