"""The contract of integrations: tables of what to patch, and how to read calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

from tracetape.apis import Api

__all__ = ["Extractor", "Integration", "Request", "Result", "Target"]


class Request(NamedTuple):
    """One call of a client library, before it is sent.

    Attributes:
        path: the path below the API's base, e.g. ``/chat/completions``.
        body: the JSON body as the caller meant it.
        is_async: whether an async client makes it.
        provider: who serves the model, by the base URL or the client; None: it is not known.
        base_url: the API's base, without credentials.
        method: the HTTP method.
    """

    path: str
    body: Mapping[str, Any]
    is_async: bool
    provider: str | None
    base_url: str
    method: str = "POST"


class Result:
    """The meaning of an answer.

    Attributes:
        outputs: the answer's JSON; a stream's in the shape of the plain answer.
        fields: neutral fields by name (`tracetape.formats.names`).
        error: why the answer is an error, though the HTTP call went well: the span's status is
            ERROR, and it has an event ``exception``. A `Failure` brings the provider's code.
    """

    __slots__ = ("error", "fields", "outputs")

    def __init__(
        self, outputs: Any, fields: dict[str, Any] | None = None, error: str | None = None
    ) -> None:
        """An answer; without more, a good one."""
        self.outputs = outputs
        self.fields = {} if fields is None else fields
        self.error = error

    @property
    def error_type(self) -> str:
        """The provider's code of the error, or a general name."""
        return getattr(self.error, "code", None) or "Error"

    def said(self) -> dict[str, Any]:
        """The fields, with the code of the error."""
        code = getattr(self.error, "code", None)
        return {**self.fields, "error_code": code} if code else self.fields


class Extractor:
    """Reads one endpoint family; one instance a call, the same for sync and async.

    Subclasses hold no try/except, thread or context variable: a failure in here is caught and
    reported by the seam, and the user's call goes on.
    """

    resource: ClassVar[str] = "Request"
    span_type: ClassVar[str] = "UNKNOWN"
    # Whether the seam may read calls on the writing thread: it then gives the request, and each
    # chunk of a stream, as the JSON that was sent, and not as the user's and the SDK's objects.
    reads_later: ClassVar[bool] = False

    def name(self, request: Request) -> str:
        """The span's name; MLflow's is the SDK's resource class, such as ``AsyncCompletions``."""
        return f"Async{self.resource}" if request.is_async else self.resource

    def inputs(self, request: Request) -> Any:
        """The span's inputs: the body, unless a subclass leaves out empty fields."""
        return request.body

    def usage_options(self, request: Request) -> dict[str, Any] | None:
        """Fields to add to a streamed call's body so that the provider reports usage.

        Asked only under `autolog(stream_usage=True)`; None: nothing is to be added.
        """
        del request
        return None

    def is_hidden(self, chunk: Any) -> bool:
        """Whether a chunk came only because of `usage_options`: the user does not get it."""
        del chunk
        return False

    def is_head(self, chunk: Any) -> bool:
        """Whether a chunk only announces the answer: it is not what the user waits for.

        He waits for text, reasoning, a refusal, a tool call or sound. Asked until one is not.
        """
        del chunk
        return False

    def is_end(self, chunk: Any) -> bool:
        """Whether no chunk can follow this one: the answer is whole, also if nobody looks on."""
        del chunk
        return False

    def condensed(self, answer: Any) -> Any:
        """The part of a plain answer, the client library's object, to keep if it is too large."""
        return answer

    def request(self, request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
        """Attributes and neutral fields of the call."""
        raise NotImplementedError

    def chunk(self, chunk: Any) -> None:
        """Take one streamed chunk: the client library's object, or a dictionary."""
        raise NotImplementedError

    def result(self, body: Any | None) -> Result:
        """Read the answer.

        Args:
            body: the answer's JSON, or its text; an `Attachment` if it is binary; None after a
                stream, whose chunks were taken before.

        Returns:
            What to keep; outputs of None keep the body itself, after a plain answer.
        """
        raise NotImplementedError


class Target(NamedTuple):
    """A method, or a function, that is wrapped while the integration is on.

    Attributes:
        module: the module whose import makes the method available.
        class_name: the class in it; the method may be inherited. Empty: a function of the module.
        method: the method's name.
        optional: nothing is missed if the class has no such method, and nothing is logged.
        wrap: makes the replacement from the original, and from a function that says whether
            calls are to be traced now; called once, after the import.
    """

    module: str
    class_name: str
    method: str
    wrap: Callable[[Callable[..., Any], Callable[[], bool]], Callable[..., Any]]
    optional: bool = False

    @property
    def label(self) -> str:
        """The name to show, such as ``OpenAI.request``."""
        return f"{self.class_name}.{self.method}" if self.class_name else self.method


class Integration(NamedTuple):
    """One client library.

    Attributes:
        name: what `autolog(exclude=…)` calls it.
        package: the import package that it instruments.
        install: the command that installs it.
        targets: what is patched.
        ahead: modules with the extractors that most programs need; they are loaded on a thread.
        apis: its endpoints, for what is done with stored calls and with cassettes.
    """

    name: str
    package: str
    install: str
    targets: tuple[Target, ...]
    ahead: tuple[str, ...] = ()
    apis: tuple[Api, ...] = ()
