"""Words behind the name of a credential that are none: placeholders, states, prose, the name."""

from __future__ import annotations

import re

__all__ = ["IN_PROSE", "NOTHING", "STATE", "is_name_again", "is_prose"]

# No values: nothing, a flag, a placeholder.
NOTHING = re.compile(
    r"(?:(?:None|True|False|null|NULL|nil|true|false|undefined|Array|\.\.\.|…|\*+|%s)"
    r"(?=[.:]?(?:[\s\"'&;,)\]}>\\]|$))|<[^<>\r\n]{0,100}>|\$\{[^{}\r\n]{0,100}\}|%\(\w{0,60}\)s)"
)
# The state of a credential, after a colon or an option, is not one.
_STATES = (
    *("absent", "accepted", "bad", "blank", "changed", "confidential", "default", "denied"),
    *("disabled", "empty", "enabled", "encrypted", "error", "expired", "failed", "failure"),
    *("forbidden", "found", "given", "hidden", "incorrect", "invalid", "mandatory", "masked"),
    *("missing", "needed", "no", "none", "not", "nothing", "ok", "okay", "optional", "present"),
    *("provided", "redacted", "refused", "rejected", "required", "revoked", "rotated", "sensitive"),
    *("set", "stored", "supported", "timeout", "too", "unauthorised", "unauthorized"),
    *("unavailable", "unchanged", "undefined", "unknown", "unset", "unsupported", "updated"),
    *("valid", "wrong", "yes"),
)
# What comes after the name of an option in a sentence.
_PROSE = (
    *("a", "an", "and", "are", "argument", "as", "asks", "at", "but", "by", "can", "cannot"),
    *("does", "expects", "flag", "for", "from", "has", "if", "in", "instead", "is", "it", "may"),
    *("must", "needs", "of", "on", "option", "or", "parameter", "requires", "reads", "should"),
    *("so", "switch", "takes", "that", "the", "then", "there", "to", "twice", "unless", "value"),
    *("was", "were", "when", "where", "which", "will", "with", "without", "you"),
)
_SAID = frozenset((*_STATES, *_PROSE, "field", "least", "than", "this"))
_END_OF_WORD = r"(?=[.:!?]*(?:[\s\"',;)\]}\\]|$))"
STATE = re.compile(rf"(?i:{'|'.join(_STATES)}){_END_OF_WORD}")
IN_PROSE = re.compile(rf"(?i:{'|'.join((*_STATES, *_PROSE))}){_END_OF_WORD}")
_LETTERS = re.compile(r"[A-Za-z]{2,40}")


def is_name_again(name: str, word: str) -> bool:
    """As in `api_key=key`, `password=self._password` and `api_key=getenv("OPENAI_API_KEY")`."""
    pair = (one.lower().replace("-", "_").rpartition(".")[2] for one in (name, word))
    short, long = sorted(pair, key=len)
    return len(short) > 1 and (short == long or long.endswith("_" + short.lstrip("_")))


def is_prose(text: str) -> bool:
    """Whether a text says something of a credential, as `This field is required.` does."""
    if STATE.match(text):
        return True
    return " " in text and any(word.lower() in _SAID for word in _LETTERS.findall(text[:200]))
