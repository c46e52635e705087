"""`autolog`: which integrations are on."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from types import ModuleType, NoneType
from typing import Any

from tracetape._modules import is_installed, load
from tracetape.diagnostics import internal_error, warn_once
from tracetape.exceptions import IntegrationMissingError, InvalidTypeError, InvalidValueError
from tracetape.instrument.autolog_options import options
from tracetape.instrument.credentials import remember_environment
from tracetape.instrument.integration import Integration
from tracetape.instrument.patching import Patch, after_import
from tracetape.instrument.providers import register_provider
from tracetape.instrument.third_party import third_party
from tracetape.limits import checked_flag
from tracetape.privacy.levels import checked_level
from tracetape.tracing.runtime import runtime
from tracetape.tracing.settings import is_disabled

__all__ = [
    "active",
    "autolog",
    "autolog_one",
    "integration",
    "names",
    "packages",
    "patches",
    "problem",
    "register",
]

# Our own: packages, whose module `integration` is imported with the first of the libraries.
_PACKAGES = {
    "agents": "tracetape_agents",
    "anthropic": "tracetape_anthropic",
    "databricks": "tracetape_databricks",
    "openai": "tracetape_openai",
}
_LIBRARIES = {
    "agents": ("agents",),
    "anthropic": ("anthropic",),
    "databricks": (
        "databricks.sdk",
        "databricks.ai_search",
        "databricks.vector_search",
        "mlflow.deployments",
    ),
    "openai": ("openai",),
}
_OF_INSTRUMENT = {"threads": "tracetape.instrument.threads"}
_OWN = frozenset({*_PACKAGES, *_OF_INSTRUMENT})
_PROVIDER_RULES = ("tracetape_databricks",)
# Of ``mlflow.autolog``, MLflow 3.17: taken, and without meaning here.
_MLFLOW_KEYWORDS = frozenset(
    {
        "disable_for_unsupported_versions",
        "exclusive",
        "log_datasets",
        "log_input_examples",
        "log_model_signatures",
        "log_models",
    }
)

_patches: dict[str, list[Patch]] = {}
_waiting: set[str] = set()  # integrations that are on, and of whose libraries none is imported
_hooked: set[str] = set()
_left_off: frozenset[str] | None = None  # by the last `autolog`; None: all are


def autolog(
    *,
    disable: bool = False,
    exclude: Collection[str] = (),
    threads: bool = True,
    propagate: bool = True,
    stream_usage: bool = False,
    chunk_events: bool = False,
    all_requests: bool = False,
    vectors: bool = False,
    text_column: str | None = None,
    capture: str | Mapping[str, str] | None = None,
    log_traces: bool = True,
    exclude_flavors: Collection[str] | None = None,
    extra_tags: Mapping[str, str] | None = None,
    silent: bool = False,
    **mlflow: Any,
) -> None:
    """Trace the calls of every client library that we know, now or once it is imported.

    A library that is not installed is not an error; an integration that cannot be imported is one
    warning. Calling it twice is calling it once; the options
    are those of the last call. The keywords of ``mlflow.autolog`` are taken too.

    Integrations of others are switched on with ours: those that `tracetape.instrument.register`
    took, and those that installed distributions name as entry points ``tracetape.integrations``.

    Args:
        disable: switch everything off instead, and put the originals back.
        exclude: names of integrations to leave as they are, such as ``"openai"``.
        threads: work that is submitted to a `ThreadPoolExecutor` (or `loop.run_in_executor`), and
            a `threading.Thread` that your own code starts, keeps the current span as its parent.
        propagate: send a ``traceparent`` header with each traced call (W3C Trace Context), so that
            a server that traces continues the trace; one of your own wins.
        stream_usage: ask for the token usage of streamed chat completions
            (``stream_options.include_usage``), and hide the additional chunk from your code.
        chunk_events: keep each chunk of a stream as an event ``mlflow.chunk.item.N`` of its span,
            as MLflow does; costs time and memory for each chunk, and says no more than the outputs.
        all_requests: also trace calls that ask no model, such as listing files.
        vectors: keep the vectors of embeddings whole, not only their count and dimension.
        text_column: which column of a vector index holds the text of the documents.
        capture: how much of the spans is kept (`configure` has the levels), of all integrations
            or by their names: ``{"openai": "metadata"}``. Where `configure` is stricter that holds.
        log_traces: False is the same as `disable` (MLflow's).
        exclude_flavors: as `exclude`; unknown names are not errors (MLflow's).
        extra_tags: no meaning here (MLflow's).
        silent: no meaning here (MLflow's).
        mlflow: other keywords of ``mlflow.autolog``, without meaning here.

    Raises:
        InvalidValueError: `exclude` or `capture` names an integration that does not exist, or
            `capture` a level.
        InvalidTypeError: a keyword is neither ours nor MLflow's, or its value has another type.
    """
    del extra_tags, silent
    for name, flag in (
        ("disable", disable),
        ("threads", threads),
        ("propagate", propagate),
        ("stream_usage", stream_usage),
        ("chunk_events", chunk_events),
        ("all_requests", all_requests),
        ("vectors", vectors),
        ("log_traces", log_traces),
    ):
        checked_flag(flag, name)
    if text_column is not None and not isinstance(text_column, str):
        raise InvalidTypeError(
            f'text_column must be a string, got {text_column!r}: write text_column="text"'
        )
    exclude = _names("exclude", exclude)
    exclude_flavors = _names("exclude_flavors", exclude_flavors or ())
    if not isinstance(capture, (str, Mapping, NoneType)):
        raise InvalidTypeError(
            f"capture must be a level or a dict of them, got {capture!r}: "
            'write capture={"openai": "metadata"}'
        )
    for name in mlflow:
        if name not in _MLFLOW_KEYWORDS:
            raise InvalidTypeError(f"autolog() got an unexpected keyword argument {name!r}")
    levels = {"*": capture} if isinstance(capture, str) else dict(capture or {})
    for level in levels.values():
        checked_level(level)
    known = names()
    for name in (*exclude, *(levels.keys() - {"*"})):
        if name not in known:
            raise InvalidValueError(
                f"there is no integration {name!r}: choose from {', '.join(known)}"
            )
    options.propagate, options.stream_usage = propagate, stream_usage
    options.chunk_events = chunk_events
    options.all_requests, options.vectors = all_requests, vectors
    options.text_column, options.capture = text_column, levels
    off = {*exclude, *exclude_flavors}
    global _left_off
    is_on = log_traces and not disable
    _left_off = frozenset(off if threads else {*off, "threads"}) if is_on else None
    for name in known:
        if name not in off:
            _switch(name, on=_left_off is not None and name not in _left_off)
    _get_ready()


def register(integration: Integration) -> None:
    """Make an integration of your own known; it is on at once if `autolog` was called.

    A distribution does not need this: `autolog` finds it by its entry point in the group
    ``tracetape.integrations``. One with the same name as an earlier one replaces that.

    Raises:
        InvalidTypeError: it is not an `Integration`.
        InvalidValueError: tracetape has an integration of this name.
    """
    third_party.add(integration, _OWN)
    for patch in _patches.pop(integration.name, ()):
        patch.switch_off()
    if _left_off is not None and integration.name not in _left_off:
        _switch(integration.name, on=True)
        _get_ready()


def autolog_one(name: str, *others: str, disable: bool = False, log_traces: bool = True) -> None:
    """Trace the calls of one client library, asked for by name.

    Args:
        name: its integration.
        others: integrations that belong to it, whose libraries may be missing.
        disable: switch them off.
        log_traces: False is the same as `disable`.

    Raises:
        IntegrationMissingError: the library is not installed.
        InvalidTypeError: `disable` or `log_traces` is neither True nor False.
    """
    disable = checked_flag(disable, "disable") or not checked_flag(log_traces, "log_traces")
    found = integration(name)
    if found is None:
        return
    package = found.package
    if not disable and not is_installed(package):
        raise IntegrationMissingError(
            f"tracetape.{name}.autolog() needs the package {package!r}, which is not installed: "
            f"run `{found.install}`"
        )
    for one in (name, *others):
        _switch(one, on=not disable)
    _get_ready()


def _names(option: str, given: Any) -> list[str]:
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise InvalidTypeError(
            f'{option} must be a list of names, got {given!r}: write {option}=["openai"]'
        )
    return list(given)


def active() -> frozenset[str]:
    """Names of the integrations that are on."""
    patched = (n for n, some in _patches.items() if any(p.is_on() for p in some))
    return frozenset((*patched, *_waiting))


def _switch(name: str, *, on: bool) -> None:
    if on and is_disabled():
        return  # the user wants nothing patched at all
    if on:
        for module in _PROVIDER_RULES:
            rules = _part(module, "providers", "providers are named by their host only")
            if rules is not None:
                register_provider(rules.provider)
        remember_environment()
        if name not in _patches and not _is_library_imported(name):
            _wait_for_library(name)
            return
    _waiting.discard(name)
    for patch in patches(name) if on else _patches.get(name, ()):
        patch.switch_on() if on else patch.switch_off()


def _is_library_imported(name: str) -> bool:
    return name not in _LIBRARIES or any(one in sys.modules for one in _LIBRARIES[name])


def _wait_for_library(name: str) -> None:
    """Switch an integration on once the program imports its library; before, it costs nothing."""
    if load(_PACKAGES[name], _lost(name)) is None:
        return
    _waiting.add(name)
    if name not in _hooked:
        _hooked.add(name)
        for library in _LIBRARIES[name]:
            after_import(library, partial(_library_imported, name))


def _library_imported(name: str, library: ModuleType) -> None:
    del library
    try:
        if name in _waiting:
            _switch(name, on=True)
            _get_ready()
    except Exception:  # noqa: BLE001 - it would break the user's import
        internal_error(f"switching {name} on")


def _get_ready() -> None:
    """Have loaded, meanwhile, what the first calls and the first spans will need."""
    on = active()
    if on:
        found = [integration(name) for name in sorted(on - _waiting)]
        runtime.get_ready(module for one in found if one is not None for module in one.ahead)


def names() -> list[str]:
    """Names of all integrations, those of others included."""
    others = third_party.names()
    for name in sorted(_OWN & set(others)):
        warn_once(
            f"third party {name}",
            "tracetape: the entry point %r of another distribution is ignored: "
            "tracetape has an integration of this name",
            name,
        )
    return sorted({*_OWN, *others})


def integration(name: str) -> Integration | None:
    """The integration of this name; None with one warning if it cannot be imported."""
    if name not in _OWN:
        return third_party.find(name)
    if name in _OF_INSTRUMENT:
        module = load(_OF_INSTRUMENT[name], _lost(name))
    else:
        module = _part(_PACKAGES[name], "integration", _lost(name))
    found: Integration | None = None if module is None else module.INTEGRATION
    return found


def _lost(name: str) -> str:
    return f"calls of {name} are not traced"


def _part(package: str, name: str, lost: str) -> ModuleType | None:
    """A module of one of our packages; where all of that is missing, the warning names it."""
    return load(package, lost) and load(f"{package}.{name}", lost)


def problem(name: str) -> str:
    """Why there is no integration of this name, though it is known."""
    return third_party.problem(name) or "tracetape's own part for it is missing"


def patches(name: str) -> list[Patch]:
    """The patches of an integration, applied or waiting for an import; none if it is missing."""
    if name not in _patches:
        found = integration(name)
        if found is None:
            return []
        _patches[name] = [Patch(target) for target in found.targets]
    return _patches[name]


def packages() -> frozenset[str]:
    """Packages without whose import there is nothing to trace."""
    # What everybody imports tells nothing.
    found = filter(None, map(integration, names()))
    return frozenset(one.package for one in found) - sys.stdlib_module_names
