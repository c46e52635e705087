"""Tests whose network is blocked: the marker `block_network`, and the options of that name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tracetape.cassettes.network import Block

__all__ = ["add_options", "blocked", "standing"]

_MARK = "block_network"
_HOW = "write @pytest.mark.block_network(allowed_hosts=['localhost'])"


def add_options(group: pytest.OptionGroup) -> None:
    """Those of pytest-recording, by their names."""
    group.addoption(
        "--block-network",
        action="store_true",
        help="let no test reach the network, but for cassettes that record; this machine is "
        "reached",
    )
    group.addoption(
        "--allowed-hosts",
        default=None,
        help="hosts that tests may reach though the network is blocked, with commas between them; "
        "*.example.com means all below it",
    )


@contextmanager
def blocked(item: pytest.Item) -> Iterator[Block | None]:
    """While a test runs, nothing but this machine and the allowed hosts is reached, if it says so.

    What is not a host, in the mark or the option, is an error of the test.
    """
    mark = item.get_closest_marker(_MARK)
    if mark is None and not item.config.getoption("--block-network"):
        yield None
        return
    with standing(_block(item, mark)) as block:
        yield block


@contextmanager
def standing(block: Block) -> Iterator[Block]:
    """Put a block up, for this process and those that it starts."""
    from tracetape.cassettes import children, network
    from tracetape.cassettes.transports import retries

    network.stand(block)
    network.watch()
    children.update()
    try:
        yield block
    finally:
        network.fall(block)
        network.unwatch()
        children.update()
        retries.undo()


def _block(item: pytest.Item, mark: pytest.Mark | None) -> Block:
    from tracetape.cassettes.network import Block
    from tracetape.cassettes.transports import retries
    from tracetape.exceptions import TracetapeException

    hosts: Any = None
    if mark is not None:
        if mark.args or set(mark.kwargs) - {"allowed_hosts"}:
            pytest.fail(f"block_network takes allowed_hosts only: {_HOW}", pytrace=False)
        hosts = mark.kwargs.get("allowed_hosts")
    given = item.config.getoption("--allowed-hosts")
    if hosts is None:
        hosts = [one.strip() for one in (given or "").split(",") if one.strip()]
    reason, remedy = "pytest was given --block-network", "--allowed-hosts=HOST"
    if mark is not None:
        reason = "the test is marked block_network"
        remedy = "@pytest.mark.block_network(allowed_hosts=['HOST'])"
    try:
        return Block(hosts, reason, remedy, retries.watch)
    except TracetapeException as error:
        problem = str(error)
    pytest.fail(
        f"{'--allowed-hosts' if mark is None else 'block_network'}: {problem}", pytrace=False
    )
