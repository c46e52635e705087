"""How a secret may be written: plain, escaped once or more, quoted, or as a part of base64."""

from __future__ import annotations

import re
import string
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from functools import lru_cache

__all__ = ["Form", "forms_of"]

_SHORT = 8
_SIGNS = frozenset("_-.~")  # hardly anybody escapes them
_PLAIN = frozenset(string.ascii_letters + string.digits) | _SIGNS  # written so everywhere
_LETTERS = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f"}
# As `html.escape` writes them: importing that takes longer than all of this.
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"}
_PART = re.compile(r"[\w.~-]+", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9]+")
_PARTS = re.compile(r"\\+|.", re.DOTALL)  # backslashes in a row are one: escaping doubles them
# How often a character may have been escaped, by what each time adds; bounded, as a text may
# consist of nothing else.
_SLASHES = r"\\{0,63}"
_SOME_SLASHES = r"\\{1,63}"
_QUOTED = "%(?:25){0,8}"


class Form:
    """One way to write a secret.

    Attributes:
        value: its characters.
        needle: a part of them that is in each text that has one, however it is escaped; looked
            for first, as an expression takes ten times as long.
    """

    __slots__ = ("_data", "_plain", "_texts", "needle", "value")

    def __init__(self, value: str, plain: frozenset[str] = _PLAIN) -> None:
        """Make nothing yet: most secrets are never found.

        Args:
            value: its characters.
            plain: the characters that are never escaped.
        """
        self.value = value
        self._plain = plain
        self.needle = max(_PART.findall(value), key=len, default="")
        self._texts: re.Pattern[str] | None = None
        self._data: re.Pattern[bytes] | None = None

    def without(self, text: str, mark: str) -> str:
        """`text` with `mark` in its place."""
        return self._in_text().sub(mark.replace("\\", r"\\"), text)

    def without_bytes(self, data: bytes, mark: bytes) -> bytes:
        """The same of text or JSON as bytes."""
        if self._data is None:
            self._data = re.compile(self._pattern().encode("utf-8", "surrogatepass"))
        return self._data.sub(mark.replace(b"\\", rb"\\"), data)

    def places(self, text: str) -> list[tuple[int, int]]:
        """Where it is in `text`."""
        return [found.span() for found in self._in_text().finditer(text)]

    def _in_text(self) -> re.Pattern[str]:
        if self._texts is None:
            self._texts = re.compile(self._pattern())
        return self._texts

    def _pattern(self) -> str:
        parts = _PARTS.findall(self.value)
        return "".join(re.escape(one) if one in self._plain else _characters(one) for one in parts)

    def with_escaped_signs(self) -> Form | None:
        """The same way, if its dashes and dots are escaped as well; None: it has none."""
        if _SIGNS.isdisjoint(self.value):
            return None
        form = Form(self.value, _PLAIN - _SIGNS)
        form.needle = max(_WORD.findall(self.value), key=len, default="")
        return form


@lru_cache(maxsize=512)
def forms_of(value: str) -> tuple[Form, ...]:
    """The forms of a value, with and without the blanks around it."""
    found: set[str] = set()
    for plain in {value, value.strip()}:
        found.add(plain)
        for shift in range(3):
            found.update(_within_base64(plain.encode("utf-8", "replace"), shift))
    return tuple(Form(one) for one in found if len(one) >= _SHORT)


def _within_base64(data: bytes, shift: int) -> Iterator[str]:
    """The base64 of `data` within other bytes, `shift` bytes after a multiple of three.

    HTTP's basic scheme has a key after a user and a colon.
    """
    end = shift + len(data)
    first = (0, 2, 3)[shift]
    last = -(-end // 3) * 4 - (0, 3, 2)[end % 3]
    for encoding in (b64encode, urlsafe_b64encode):
        yield encoding(b"\0" * shift + data).decode()[first:last]


def _characters(part: str) -> str:
    """An expression for a character: as it is, or escaped for JSON, Python, a URL or HTML."""
    if part[0] == "\\":  # escaped ones are pairs, and a quotation mark may follow them
        count = len(part)
        one = rf"(?i:{_QUOTED}5c|{_SOME_SLASHES}u005c|{_SOME_SLASHES}x5c)"
        return rf"(?:(?:\\\\){{{count},{count * 32}}}|\\{{{count}}}|{one}{{{count}}})"
    data = part.encode("utf-8", "surrogatepass")
    units = part.encode("utf-16-be", "surrogatepass").hex()
    ways = [
        _SLASHES + re.escape(part),
        "".join(f"{_QUOTED}{byte:02x}" for byte in data),
        "".join(rf"{_SOME_SLASHES}x{byte:02x}" for byte in data),
        "".join(rf"{_SOME_SLASHES}u{units[at : at + 4]}" for at in range(0, len(units), 4)),
        f"&#(?:0{{0,5}}{ord(part)}|x0{{0,5}}{ord(part):x});",
    ]
    if ord(part) < 256:
        ways.append(rf"{_SOME_SLASHES}x{ord(part):02x}")
    if part in _LETTERS:
        ways.append(rf"{_SOME_SLASHES}{_LETTERS[part]}")
    if part in " +":  # in a query the one represents the other
        ways.append("[ +]")
    if part in _HTML:
        ways.append(_HTML[part])
    return f"(?i:{'|'.join(ways)})"
