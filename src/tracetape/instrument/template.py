"""SDKs generated from OpenAI's template: all their calls pass one method, `request`.

Its signature, ``request(cast_to, options, *, stream, stream_cls)``, is the same in openai 1.0 to
3.54 and in its kin; each of them is one small `Template`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tracetape.apis import Endpoint, Reference
from tracetape.instrument.call import calling
from tracetape.instrument.hooks import PRIVATE_HOOKS
from tracetape.instrument.integration import Target
from tracetape.instrument.seam import Seam

__all__ = ["Template"]


class Template(NamedTuple):
    """One SDK.

    Attributes:
        module: its package; ``Stream`` and ``AsyncStream`` are exported there.
        client, async_client: the names of its client classes.
        endpoints: by path below the API's base, as in `tracetape.instrument.Api`.
        generic: reads calls of other paths whose body names a model; None: they are not traced.
        management: reads all other calls, if `autolog(all_requests=True)` asks for them.
        managed: beginnings of paths that are never read by `generic`.
        request_id: the header of an answer that has its id.
        name: the integration's, where it differs from `module`; `autolog(capture=…)` goes by it.
        default_provider: who serves the models when neither the base URL nor the client's class
            tells; None: nobody is named, which is right for what others serve too.
    """

    module: str
    client: str
    async_client: str
    endpoints: Mapping[str, Endpoint | Reference]
    default_provider: str | None = None
    generic: Reference | None = None
    management: Reference | None = None
    managed: tuple[str, ...] = ()
    request_id: str = "x-request-id"
    name: str = ""

    def targets(self) -> tuple[Target, ...]:
        """`request` of both client classes; it is inherited, so it can be taken off again."""
        return (
            Target(self.module, self.client, "request", self._wrap),
            Target(self.module, self.async_client, "request", self._wrap_async),
            *(
                Target(self.module, client, method, wrap, optional=True)
                for client in (self.client, self.async_client)
                for method, wrap in PRIVATE_HOOKS.items()
            ),
        )

    def _wrap(self, original: Callable[..., Any], is_on: Callable[[], bool]) -> Callable[..., Any]:
        seam = Seam(self, is_async=False)

        def request(*args: Any, **kwargs: Any) -> Any:
            given = list(args)
            call = seam.begin(given, kwargs) if is_on() else None
            if call is None:
                return original(*args, **kwargs)
            before = calling.get()
            calling.set(call)
            try:
                while True:
                    try:
                        result = original(*given, **kwargs)
                        break
                    except BaseException as exception:
                        if not seam.asks_again(call, exception, given, kwargs):
                            seam.failed(given, call, exception)
                            raise
            finally:
                calling.set(before)
            seam.returned(call, result)
            return result

        return request

    def _wrap_async(
        self, original: Callable[..., Any], is_on: Callable[[], bool]
    ) -> Callable[..., Any]:
        seam = Seam(self, is_async=True)

        async def request(*args: Any, **kwargs: Any) -> Any:
            given = list(args)
            call = seam.begin(given, kwargs) if is_on() else None
            if call is None:
                return await original(*args, **kwargs)
            before = calling.get()
            calling.set(call)
            try:
                while True:
                    try:
                        result = await original(*given, **kwargs)
                        break
                    except BaseException as exception:
                        if not seam.asks_again(call, exception, given, kwargs):
                            seam.failed(given, call, exception)
                            raise
            finally:
                calling.set(before)
            seam.returned(call, result)
            return result

        return request
