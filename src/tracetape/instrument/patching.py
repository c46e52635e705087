"""Puts a wrapper on a class's method and takes it off again without a trace."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from tracetape._lazy import loading
from tracetape._modules import warn_missing
from tracetape.diagnostics import internal_error, logger
from tracetape.instrument.integration import Target

__all__ = ["Patch", "after_import"]


def after_import(module: str, call: Callable[[Any], None]) -> None:
    """Call this with a module: now if it is imported, else right after that."""
    with loading:
        import wrapt  # it brings asyncio: only for who uses integrations

    wrapt.register_post_import_hook(call, module)


class Patch:
    """One target, patched from the import of its module on, until it is switched off."""

    def __init__(self, target: Target) -> None:
        """Patch nothing yet."""
        self.target = target
        self._on = False
        self._owner: Any = None
        self._original: Callable[..., Any] | None = None
        self._inherited = False
        self._installed: Callable[..., Any] | None = None
        self._hooked = False
        self._module: Any = None  # once it is imported

    def is_on(self) -> bool:
        """Whether calls are to be traced."""
        return self._on

    def is_installed(self) -> bool:
        """Whether the method is wrapped by us now, beneath others perhaps."""
        return self._on and self._installed is not None

    def switch_on(self) -> None:
        """Wrap the method: now if its module is imported, else right after that."""
        if self._on:
            return
        self._on = True
        if not self._hooked:
            self._hooked = True
            after_import(self.target.module, self._after_import)
        elif self._module is not None:
            self._after_import(self._module)

    def switch_off(self) -> None:
        """Unwrap it; where somebody wrapped us meanwhile, ours goes on as a pass-through."""
        if not self._on:
            return
        self._on = False
        owner, method = self._owner, self.target.method
        if owner is not None and owner.__dict__.get(method) is self._installed:
            if self._inherited:
                delattr(owner, method)
            else:
                setattr(owner, method, self._original)
            self._installed = None

    def _after_import(self, module: Any) -> None:
        # An exception in here would break the user's import.
        self._module = module
        try:
            if self._on:
                self._install()
        except ImportError as error:
            lost = f"calls of {self.target.class_name}.{self.target.method} are not traced"
            warn_missing(error.name or self.target.module, error, lost)
        except Exception:  # noqa: BLE001 - the guard
            internal_error(f"patching {self.target.module}.{self.target.label}")

    def _install(self) -> None:
        target = self.target
        if self._installed is not None:
            return  # wrapped by somebody else since: ours is still beneath
        owner = (
            getattr(self._module, target.class_name, None) if target.class_name else self._module
        )
        original = getattr(owner, target.method, None)
        if owner is None or original is None:
            if target.optional:
                return
            logger.warning(
                "tracetape: %s has no %s; its calls there are not traced",
                target.module,
                target.label,
            )
            return
        # The wrapper asks `is_on`: beneath somebody else's wrapper ours cannot be taken off.
        self._inherited = target.method not in owner.__dict__
        with loading:  # most wrappers are in modules of their own
            called = _inherited(owner, target.method, original) if self._inherited else original
            wrapped = target.wrap(called, self.is_on)
        replacement = functools.wraps(original)(wrapped)
        self._owner = owner
        self._original = original
        if self._inherited:  # it is found, and pickled, by the place where it is
            replacement.__module__ = owner.__module__
            replacement.__qualname__ = f"{owner.__qualname__}.{target.method}"
        self._installed = replacement
        setattr(owner, target.method, replacement)


def _inherited(owner: type, method: str, original: Callable[..., Any]) -> Callable[..., Any]:
    """The method that a class inherits at the moment of a call.

    A mock, or another library, may have replaced the method of a base class by then.
    """
    parent = next(base for base in owner.__bases__ if hasattr(base, method))

    @functools.wraps(original)  # so that a wrapper sees what kind of function it is
    def inherited(*args: Any, **kwargs: Any) -> Any:
        # Cheaper than `super`, in a method that each call passes several times.
        if getattr(parent, method) is original or not args or not isinstance(args[0], owner):
            return original(*args, **kwargs)
        return getattr(super(owner, args[0]), method)(*args[1:], **kwargs)

    return inherited
