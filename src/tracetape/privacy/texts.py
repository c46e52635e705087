"""Credentials in what a program says, such as an exception: by name, by shape and in URLs."""

from __future__ import annotations

import re
from collections.abc import Callable

from tracetape.privacy.brackets import quoted_in_bracket
from tracetape.privacy.names import is_credential, is_secret, is_telling, may_be_secret
from tracetape.privacy.prose import IN_PROSE, NOTHING, STATE, is_name_again
from tracetape.privacy.shapes import without_secrets
from tracetape.privacy.urls import clean_text

__all__ = ["clean_said", "is_password"]

# One of these is in each name that says enough in a text; looked for first, as it is fast.
_WORDS = (
    *("key", "token", "auth", "pass", "secret", "cookie", "credential", "assertion", "verifier"),
    *("connectionstring", "connection_string", "connstr", "conn_str", "pwd", "jwt", "bearer"),
    *("otp", "mfa"),
)
# What comes between a name and its value, as in "name=", "name := ", "name: ", "'name': " and
# "('name', ".
_BETWEEN = re.compile(r"(?<!=)=>?(?!=)|:(?!//)=?|(?<=[\"']),")
_LONGEST = 90  # of a name with what surrounds it
# Read backwards, as in `environ["name"] =`.
_EMAN = re.compile(r"[ \t]{0,8}\]?[\"']?\\{0,8}(?P<name>[\w.-]{2,64})(?![\w.-])")
_BLANKS = re.compile(r"[ \t]{0,8}")
_CLOSED = re.compile(r"(\\{0,8}[\"'])[ \t]{0,8}\Z")  # a name in quotes
# Up to the same quote, or within an escaped text up to any; a call may come before it.
_QUOTED = re.compile(
    r"(?P<call>[A-Za-z_][\w.]{0,100}[(\[])?[bBrRuUfF]{0,2}(?:"
    r"\"(?P<double>(?=[^\"\r\n])[^\"\\\r\n]*(?:\\.[^\"\\\r\n]*)*)"
    r"|'(?P<single>(?=[^'\r\n])[^'\\\r\n]*(?:\\.[^'\\\r\n]*)*)"
    r"|\\{1,8}[\"'](?P<escaped>[^\"'\\\r\n]+))"
)
_LINE = re.compile(r"(?P<value>[^\s\"'\\{}()\[\]][^\"'\\\r\n]*)")
_COOKIES = re.compile(r"(?P<value>[\w.-]{1,64}=[^\"'\\\r\n]+)")
_BRACED = re.compile(r"\{(?P<value>[^{}\"':,\r\n]{1,200})\}")  # as ODBC has it
_WORD = re.compile(r"(?=[^\s\"'&;,]{0,200}?[\d!#$%^*])(?P<value>[^\s\"'&;,()\[\]{}<>\\]{6,4096})")
_RUN = re.compile(r"[^\s\"'&;,\\]+")
_SHORT_RUN = re.compile(r"[^\s\"'&;,\\]{1,200}")
_OPENING = "([{<"
_CLOSING = ")]}>"
_ENDS = ",;\r\n\"'\\"  # of what has a name, after a colon
_TYPE = re.compile(r"(?:str|string|bytes|int|bool|object|Any|SecretStr)(?!\w)")
# A variable, a call, or an item of a mapping.
_CODE = re.compile(
    r"(?P<word>[A-Za-z_][\w.]{0,100})"
    r"(?:(?P<call>\((?:[^()\r\n]{0,100}\)|\w{1,64}=))|(?=[\s\"'&;,)\]}>\\]|$))"
)
_NUMBER = re.compile(r"-?\d{1,20}(?:\.\d{1,20})?(?![^\s\"'&;,)\]}>\\])")
_JSON_NUMBER = re.compile(r"-?\d{1,400}(?:\.\d{1,400})?(?:[eE][+-]?\d{1,4})?(?=[\s,}\]\\]|$)")
_PLURALS = ("keys", "credentials", "secrets", "passwords", "cookies")
# `--name value`, and `'--name', 'value'` of a list of arguments.
_OPTION = re.compile(
    r"(?<![\w-])-{1,2}(?P<name>[A-Za-z][\w.-]{1,63})"
    r"(?:[ \t]{1,8}(?!-)|\\{0,8}[\"'],[ \t]{0,8}(?=[bru\\]{0,8}[\"'])(?!\\{0,8}[\"']-))"
)
_ARGUMENT = re.compile(r"[^\s\"'&;|<>\\]+")
# `ENV name value` of a Dockerfile, `setenv …`, `setx …`: the value is all that the line has left.
_ENV = re.compile(
    r"(?:^|\\n)[ \t]{0,8}(?:ENV|setenv|setx)[ \t]{1,8}(?P<name>[A-Za-z]\w{1,63})[ \t]{1,8}"
    r"(?=[^\s\\=]{1,4096}[ \t]{0,8}(?:/[mM][ \t]{0,8})?(?:\\|\r?$)|[\"'][^\"'\r\n]{1,4096}[\"'])",
    re.MULTILINE,
)
# ` is value` behind the name of a credential: the value has a digit and ends what is written, or
# is in quotes.
_IS = re.compile(
    r" (?:is|was)(?: ?:)? {1,4}"
    r"(?:(?P<quote>[\"'`])(?P<quoted>[^\s\"'`]{4,200})(?P=quote)"
    r"|(?P<word>(?=[^\s\"'&;,]{0,200}?\d)(?=[^\s\"'&;,]{0,200}?[A-Za-z])"
    r"[^\s\"'&;,()\[\]{}<>\\]{6,200}?)"
    r"(?=[.!?]?(?:[\"',;)\r\n]|\s{0,4}$|[ \t]{1,4}(?:and|but|for)\b)))",
    re.MULTILINE,
)
_NAMED = (
    *("password", "passphrase", "passcode", "passwd", "token", "secret"),
    *(f"{kind}{blank}key" for kind in ("api", "access", "secret") for blank in ("", " ", "_", "-")),
)
# `apikey value` without a sign between, where the value looks like one.
_BARE = re.compile(
    r"[kK][eE][yY]\)?[ \t]{1,4}[\"'`]?(?P<value>[^\s\"'`&;,()\[\]{}<>\\=:]{16,4096})"
)
_KEYS = tuple(f"{kind}{sign}" for kind in ("api", "access", "secret") for sign in ("", *" _-"))
_ALGORITHM = re.compile(
    r"(?i:sha|md\d|aes|rsa|base\d|utf|pbkdf|bcrypt|argon|scrypt|hmac|rot\d|oauth|http)[\w.-]{0,40}\Z"
)
_CLIENTS = ("mysql", "mariadb", "redis-cli")
# `mysql -pvalue`, which takes no blank, and `redis-cli -a value`.
_CLIENT = re.compile(
    r"\b(?:(?:mysql|mariadb)[\w-]{0,20}[\"']?[ \t,][^\r\n|;&]{0,200}?(?<=[\s\"'])-p(?!ort\b)[\"']?"
    r"|redis-cli[\"']?[ \t,](?:[^\r\n|;&]{0,200}?[ \t\"'])?-a[\"']?[ \t,]{1,4}[\"']?)"
    r"(?P<value>[^\s\"'$,|;&][^\s\"']*)"
)
# `<name>value</name>`
_ELEMENT = re.compile(
    r"<(?:[\w.-]{1,64}:)?(?P<name>[\w.-]{2,64})(?:[ \t][^<>]{0,200})?>(?:<!\[CDATA\[)?"
    r"(?P<value>[^<>\r\n]{1,4096}?)(?=\]\]>|</)"
)
_ESCAPED_ELEMENT = re.compile(
    r"&lt;(?P<name>[\w.:-]{2,64})&gt;(?P<value>[^<>&\r\n]{1,4096})(?=&lt;/)"
)
# Logins by their place: `curl -u user:password`, a file .netrc, a pair of a library's.
_USER = re.compile(r"(?<![\w-])(?:-u|--user)[ \t=]{1,4}[\"']?[^\s\"':]{1,100}:(?P<value>[^\s\"']+)")
_NETRC = re.compile(r"\blogin\s{1,8}[^\s=<>]{1,200}\s{1,8}password\s{1,8}(?P<value>[^\s=<>]+)")
_SSHPASS = re.compile(r"\bsshpass[ \t]{1,4}-p[ \t]{0,4}[\"']?(?P<value>[^\s\"']+)")
_PAIR = re.compile(
    r"(?i:\b\w{0,20}auth[\"']?[ \t]{0,4}[=:][ \t]{0,4}[(\[]|\bHTTP(?:Basic|Digest|Proxy)Auth\()"
    r"[ \t]{0,4}[bru]{0,2}[\"'][^\"'\r\n]{1,200}[\"'],[ \t]{0,4}[bru]{0,2}[\"']"
    r"(?P<value>[^\"'\r\n]+)"
)
# `name="…" value="…"`, as elements, objects and lists of headers have it.
_NAME_AND_VALUE = re.compile(
    r"(?i:\b(?:name|key|header))\\{0,8}[\"']?[ \t]{0,4}[=:][ \t]{0,4}\\{0,8}[\"']"
    r"(?P<name>[\w.-]{2,64})\\{0,8}[\"'][ \t]{0,4},?\s{0,8}\\{0,8}[\"']?(?i:value)\\{0,8}[\"']?"
    r"[ \t]{0,4}[=:][ \t]{0,4}(?=[bru\\]{0,8}[\"'])"
)


def clean_said(text: str, mark: str) -> str:
    """`text` without the credentials in URLs, those that have a name in it, and known shapes."""
    text = clean_text(text, mark)
    lower = text.lower()
    if any(word in lower for word in _WORDS):
        text = _without_named(text, mark)
        if "-" in text:
            text = _without_values(_OPTION, text, mark)
        if "</" in text:
            text = _without(_ELEMENT, _is_no_credential, text, mark)
        if "&lt;/" in text:
            text = _without(_ESCAPED_ELEMENT, _is_no_credential, text, mark)
        if "login" in text:
            text = _without(_NETRC, _is_no_password, text, mark)
        if "sshpass" in text:
            text = _without(_SSHPASS, _is_no_password, text, mark)
        if "auth" in lower:
            text = _without(_PAIR, _is_no_password, text, mark)
        if "value" in lower:
            text = _without_values(_NAME_AND_VALUE, text, mark)
        if "env" in lower or "setx" in lower:
            text = _without_values(_ENV, text, mark)
        if " is" in lower or " was" in lower:
            text = _IS.sub(lambda found: _without_given(found, mark), text)
        if "key " in lower or "key) " in lower:
            text = _without(_BARE, _is_no_key, text, mark)
    if "-u" in text:
        text = _without(_USER, _is_no_password, text, mark)
    if any(client in lower for client in _CLIENTS):
        text = _without(_CLIENT, _is_no_password, text, mark)
    return without_secrets(text, mark)


def is_password(value: str) -> bool:
    """Whether what follows a user and a colon is one: neither a group's id nor an address."""
    return bool(value) and not value.isdigit() and not value.startswith("//")


def _without_given(found: re.Match[str], mark: str) -> str:
    """The sentence that `_IS` has found, without the value if it is that of a credential."""
    if not found.string[max(0, found.start() - 10) : found.start()].lower().endswith(_NAMED):
        return found[0]
    kind = "quoted" if found["quoted"] else "word"
    value = found[kind]
    if NOTHING.match(value) or IN_PROSE.match(value) or _ALGORITHM.match(value):
        return found[0]
    start, end = (place - found.start() for place in found.span(kind))
    return f"{found[0][:start]}{mark}{found[0][end:]}"


def _is_no_password(found: re.Match[str]) -> bool:
    value = found["value"]
    return IN_PROSE.match(value) is not None or not is_password(value)


def _is_no_key(found: re.Match[str]) -> bool:
    before = found.string[max(0, found.start() - 7) : found.start()].lower()
    value = found["value"]
    return not before.endswith(_KEYS) or not is_telling(value) or is_credential(value)


def _is_no_credential(found: re.Match[str]) -> bool:
    return not found["value"].strip() or not is_secret(found["name"], found["value"])


def _without(
    places: re.Pattern[str], stays: Callable[[re.Match[str]], bool], text: str, mark: str
) -> str:
    """`text` without the values that `places` finds, but for those that stay."""

    def cleaned(found: re.Match[str]) -> str:
        value = found["value"]
        if value.startswith(mark) or NOTHING.match(value.strip()) or stays(found):
            return found[0]
        return text[found.start() : found.start("value")] + mark

    return places.sub(cleaned, text)


def _without_values(names: re.Pattern[str], text: str, mark: str) -> str:
    """`text` without the values right behind what is found by `names`."""
    left: list[str] = []
    done = 0
    for found in names.finditer(text):
        start = found.end()
        if found.start() < done or text.startswith(mark, start):
            continue
        span = _argument(found["name"], text, start)
        if span is not None:
            left += [text[done : span[0]], mark]
            done = span[1]
    return "".join([*left, text[done:]]) if left else text


def _argument(name: str, text: str, start: int) -> tuple[int, int] | None:
    if not may_be_secret(name):
        return None
    quoted = _QUOTED.match(text, start)
    if quoted is not None:
        span = quoted.span(quoted.lastgroup or 0)
    else:
        found = _ARGUMENT.match(text, start)
        if found is None or NOTHING.match(text, start) or IN_PROSE.match(text, start):
            return None
        span = found.span()
    value = text[span[0] : span[1]]
    if not is_secret(name, value) or not value.strip("*") or is_name_again(name, value):
        return None
    return span


def _without_named(text: str, mark: str) -> str:
    left: list[str] = []
    done = 0
    for between in _BETWEEN.finditer(text):
        at = between.start()
        if at < done:
            continue
        found = _EMAN.match(text[max(0, at - _LONGEST) : at][::-1])
        if found is None:
            continue
        name = found["name"][::-1].lstrip("_.-")
        if not name[:1].isalpha() or not may_be_secret(name):
            continue
        start = at - found.end()
        if text[at] == "," and "(" not in text[max(0, start - 3) : start]:
            continue  # two words of a list
        span = _value(name, text, at, mark)
        if span is not None:
            left += [text[done : span[0]], _in_json(text, at, span, mark)]
            done = span[1]
            continue
        for span in quoted_in_bracket(name, text, at):
            if text[span[0] : span[1]] != mark:
                left += [text[done : span[0]], mark]
                done = span[1]
    return "".join([*left, text[done:]]) if left else text


def _in_json(text: str, at: int, span: tuple[int, int], mark: str) -> str:
    """The placeholder of a value: quoted if its name is and it is not, so that JSON stays JSON."""
    quote = _CLOSED.search(text[max(0, at - _LONGEST) : at])
    if text[at] != ":" or quote is None or text[span[0] - 1 : span[0]] in ("'", '"'):
        return mark
    return f"{quote[1]}{mark}{quote[1]}"


def _value(name: str, text: str, at: int, mark: str) -> tuple[int, int] | None:
    """Where the value is that `name` has behind the sign at `at`, if it is one to hide."""
    is_arrow, is_walrus = text.startswith("=>", at), text.startswith(":=", at)
    at += is_walrus
    blanks = _BLANKS.match(text, at + 1 + is_arrow)
    start = at + 1 if blanks is None else blanks.end()
    if text.startswith(mark, start):
        return None
    quoted = _QUOTED.match(text, start)
    if quoted is not None:
        span = quoted.span(quoted.lastgroup or 0)
        value = text[span[0] : span[1]]
        if value == mark or not value.strip("*") or not is_secret(name, value):
            return None
        return None if quoted["call"] and is_name_again(name, value) else span
    if is_arrow and not text[max(0, at - 9) : at].rstrip().endswith(
        "]"
    ):  # of a function, perhaps, unless PHP prints an array
        word = None if _stays(name, text, at, start) else _WORD.match(text, start)
        return word.span("value") if word and is_secret(name, word["value"]) else None
    if not is_secret(name, "a"):  # the value tells
        word = _WORD.match(text, start)
        return word.span("value") if word and is_secret(name, word["value"]) else None
    if not is_secret(name, text[start : start + 8]) or _stays(name, text, at, start):  # a folder
        return None
    if text[at] == ":" and text[at - 1] in "'\"" and (number := _JSON_NUMBER.match(text, start)):
        return number.span()
    return _unquoted(name.lower(), text, at, start)


def _stays(name: str, text: str, at: int, start: int) -> bool:
    """Whether there is no value at `start`, but a placeholder, a count or a piece of a program."""
    if NOTHING.match(text, start):
        return True
    if text[at] == ":" and STATE.match(text, start):
        return True
    if name.lower().endswith("s") and _NUMBER.match(text, start):
        return True
    code = _CODE.match(text, start)
    return code is not None and (bool(code["call"]) or is_name_again(name, code["word"]))


def _unquoted(lower: str, text: str, at: int, start: int) -> tuple[int, int] | None:
    sign = text[at]
    found: re.Match[str] | None = None
    if sign != "," and lower.endswith(("cookie", "cookies")):
        found = _COOKIES.match(text, start)
    elif lower.endswith("authorization") or (sign == ":" and lower.startswith("x-")):
        found = _LINE.match(text, start)
    elif sign == "=":
        found = _BRACED.match(text, start)
        if found is not None and is_name_again(lower, found["value"]):
            return None
    if found is not None:
        return found.span("value")
    if text[start : start + 1] in _OPENING:  # or the end; what is in there may have a name
        return None
    if sign == "=":
        return _trimmed(_RUN.match(text, start))
    is_one = not lower.endswith(("cookie", *_PLURALS))  # several are described in words
    if sign == ":" and is_one and not _TYPE.match(text, start):
        run = _SHORT_RUN.match(text, start)
        if run is not None:
            after = text[run.end() : run.end() + 8].lstrip(" \t")
            closed = run[0].rstrip(".:!?").endswith(tuple(_CLOSING))
            if not after or after[0] in _ENDS or closed:
                return _trimmed(run)
    word = _WORD.match(text, start)
    return None if word is None else word.span("value")


def _trimmed(run: re.Match[str] | None) -> tuple[int, int] | None:
    """Without the brackets that close what the name is in."""
    if run is None:
        return None
    length = len(run[0].rstrip(_CLOSING))
    return (run.start(), run.start() + length) if length else None
