"""Which recording answers a request, and which were played."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

from tracetape.cassettes.file.model import Interaction, Request
from tracetape.cassettes.matching import Matcher
from tracetape.cassettes.scrub import Sent, scrubbed_request

__all__ = ["Playback"]

_Waiting = dict[Any, deque[int]]


class Playback:
    """The recordings that a cassette had when it opened, by the keys of their requests.

    A request is looked for as it was sent, which is quick. Only where that finds nothing, it is
    scrubbed as a recording would be: what was taken out of the recording is then out of it, too.

    Attributes:
        unplayed: the numbers of those that were not played.
        play_counts: how often each was played.
    """

    def __init__(
        self, interactions: Sequence[Interaction], matcher: Matcher, *, repeats: bool
    ) -> None:
        """`repeats`: the last of equal recordings answers any number of times."""
        self._requests = [one.request for one in interactions]
        self._matcher = matcher
        self._repeats = repeats
        self.unplayed = set(range(len(interactions)))
        self.play_counts: Counter[int] = Counter()
        self._as_sent: _Waiting | None = None
        self._scrubbed: _Waiting | None = None
        self._keys_as_sent: list[tuple[Any, ...]] = []
        self._keys: list[tuple[Any, ...]] = []

    def claim(self, sent: Sent) -> int | None:
        """The number of the next recording of a request, which counts as played; None: no more."""
        number = self._found(sent)
        if number is not None:
            self.unplayed.discard(number)
            self.play_counts[number] += 1
        return number

    def keys(self) -> Sequence[tuple[Any, ...]]:
        """The keys of the scrubbed requests: other people's tapes have other placeholders."""
        self._by_scrubbed()
        return self._keys

    def _found(self, sent: Sent) -> int | None:
        request = sent.request
        key = None
        if not self._matcher.comparisons:  # they are given scrubbed requests only
            key = self._matcher.key(request)
            number = self._next(self._by_sent(), key, request)
            if number is not None:
                return number
        waiting = self._by_scrubbed()
        for other in (sent.scrubbed, sent.doubtful):
            if key is None or other.url != request.url or other.body != request.body:
                key = self._matcher.key(other)
            sent.key = sent.key or key
            number = self._next(waiting, key, other)
            if number is not None:
                return number
            request = other
        return None

    def _next(self, waiting: _Waiting, key: Any, request: Request) -> int | None:
        numbers = waiting.get(key)
        if numbers is None:
            return None
        if self._matcher.comparisons:
            return self._first_of(numbers, request)
        while numbers and numbers[0] not in self.unplayed:
            if self._repeats and len(numbers) == 1:
                break
            numbers.popleft()
        return numbers[0] if numbers else None

    def _first_of(self, numbers: Sequence[int], request: Request) -> int | None:
        """The first whose recording the functions hold for equal, or the last if it may repeat."""
        left = (number for number in numbers if number in self.unplayed)
        found = self._matcher.first(request, left, self._requests.__getitem__)
        if found is None and self._repeats:
            found = self._matcher.first(request, reversed(numbers), self._requests.__getitem__)
        return found

    def _by_sent(self) -> _Waiting:
        if self._as_sent is None:
            self._keys_as_sent = [self._matcher.key(one) for one in self._requests]
            self._as_sent = _by_key(self._keys_as_sent)
        return self._as_sent

    def _by_scrubbed(self) -> _Waiting:
        if self._scrubbed is None:
            self._by_sent()
            self._keys = [*map(self._scrubbed_key, self._requests, self._keys_as_sent)]
            self._scrubbed = _by_key(self._keys)
        return self._scrubbed

    def _scrubbed_key(self, request: Request, key: tuple[Any, ...]) -> tuple[Any, ...]:
        scrubbed = scrubbed_request(request)
        is_same = scrubbed.url == request.url and scrubbed.body == request.body
        return key if is_same else self._matcher.key(scrubbed)


def _by_key(keys: Sequence[tuple[Any, ...]]) -> _Waiting:
    found: _Waiting = {}
    for number, key in enumerate(keys):
        found.setdefault(key, deque()).append(number)
    return found
