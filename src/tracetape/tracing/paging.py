"""One page of what was found, and the token of the next one."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import TypeVar

from tracetape.exceptions import InvalidValueError

__all__ = ["PagedList", "offset_of", "token_of"]

_T = TypeVar("_T")


class PagedList(list[_T]):
    """A list that knows how to go on.

    Attributes:
        token: what `page_token` of the next call must be; None: there is no more.
    """

    def __init__(self, items: Iterable[_T], token: str | None) -> None:
        """The items of one page."""
        super().__init__(items)
        self.token = token

    def to_list(self) -> list[_T]:
        """The items alone."""
        return list(self)


def token_of(offset: int) -> str:
    """A token for the page that begins with this item, counted from 0."""
    return base64.urlsafe_b64encode(str(offset).encode()).decode()


def offset_of(token: str | None) -> int:
    """The number of the item that a token's page begins with.

    Raises:
        InvalidValueError: it is not a token.
    """
    if token is None:
        return 0
    try:
        offset = int(base64.b64decode(token.encode(), altchars=b"-_", validate=True))
    except (AttributeError, binascii.Error, ValueError):
        raise InvalidValueError(
            f"Invalid page token, could not base64-decode: {token!r}. "
            "Give the `token` of the page before."
        ) from None
    if offset < 0:
        raise InvalidValueError(f"Invalid page token: {token!r} is before the first page.")
    return offset
