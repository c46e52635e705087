"""Blocks: while one stands, only this machine and some hosts are reached, tape or no tape."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from fnmatch import fnmatchcase

from tracetape.cassettes.options import is_host, names
from tracetape.exceptions import InvalidValueError, NetworkBlockedError

__all__ = ["Block", "block_of_here", "fall", "stand"]

_PATTERN = re.compile(r"[\w.*-]+(:\d{1,5})?")


class Block:
    """Where connections may go, and which were refused.

    Attributes:
        allowed: names of hosts and patterns with `*`, in lower case, with or without a port.
        addresses: those of hosts that are allowed by name.
        refused: what was refused, each text once.
        reason: why nothing else is reached: the beginning of a sentence.
        remedy: how a user allows a host.
    """

    def __init__(
        self,
        allowed_hosts: Collection[str],
        reason: str,
        remedy: str,
        before_refusal: Callable[[], object],
    ) -> None:
        """It does not stand yet.

        Args:
            allowed_hosts: as the attribute, in any case.
            reason: as the attribute, as is the next one.
            remedy: of the user's.
            before_refusal: called before each.

        Raises:
            InvalidValueError: what is allowed is not a host.
        """
        for value in names("allowed_hosts", allowed_hosts, "localhost"):
            if not is_host(value) and not _PATTERN.fullmatch(value):
                raise InvalidValueError(
                    f"allowed_hosts takes names of hosts, with or without a port, and patterns "
                    f"such as '*.example.com', not {value!r}"
                )
        # A regular expression of pytest-recording's begins with a point.
        lower = {value.lower() for value in allowed_hosts}
        self.allowed = sorted(one[1:] if one.startswith(".*") else one for one in lower)
        self.addresses: set[str] = set()
        self.refused: dict[str, None] = {}
        self.reason, self.remedy = reason, remedy
        self._before_refusal = before_refusal

    def passes(self, name: str, port: object) -> bool:
        """Whether a host may be reached; an IPv6 address stands in brackets."""
        host = name.lower()
        return any(
            fnmatchcase(one, pattern.replace("[", "[[]"))
            for pattern in self.allowed
            for one in (host, host.strip("[]"), f"{host}:{port}")
        )

    def refusal(self, place: str) -> NetworkBlockedError:
        """The error for a connection, which is noted."""
        text = (
            f"Network is disabled: a connection to {place} was refused, because {self.reason}. To "
            f"reach the host for real, use {self.remedy}; to record what it answers, "
            "@pytest.mark.cassette."
        )
        self.refused[text] = None
        self._before_refusal()
        return NetworkBlockedError(text)


_standing: list[Block] = []


def block_of_here() -> Block | None:
    """The one that was put up last."""
    return _standing[-1] if _standing else None


def stand(block: Block) -> None:
    """Put it up."""
    _standing.append(block)


def fall(block: Block) -> None:
    """Take it away."""
    _standing.remove(block)
